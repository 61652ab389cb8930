// The CPU emulator's view of the CUDA language: a .cu file compiles unchanged with g++ when this header
// is included before it. It is a tool for tests on machines without a GPU and is never shipped.
//
// Here are the qualifiers and the built-in variables. What a thread and a block are lives in threads.h,
// barriers and warp operations in warp.h, arithmetic in intrinsics.h, instructions that need inline
// assembly beside that assembly in common/ptx.cuh, the driver API in driver*.cpp.
#pragma once

#define FASTLEARN_EMULATED 1
#define __CUDA_ARCH__ 800

#include <cstdint>

#include "emulator/faults.h"
#include "emulator/intrinsics.h"
#include "emulator/tensor_cores.h"
#include "emulator/threads.h"
#include "emulator/warp.h"

#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __restrict__ __restrict
#define __align__(bytes) __attribute__((aligned(bytes)))
// Among the specifiers of a declaration, where device compilers take it and g++ does not.
#define alignas(bytes) __attribute__((aligned(bytes)))
#define __constant__ static const
#define __grid_constant__

// Shared arrays belong to the operating system's thread that runs the block; the registration of a file
// marks where its arrays begin and end, so that they are poisoned before every block.
#define __shared__ static thread_local
#define __trap() emulator::fault("__trap()")

// The build lists a file's kernels by preprocessing it once with this mark in front of their names.
#ifdef FASTLEARN_LIST_KERNELS
#define __global__
#define __launch_bounds__(...) fastlearn_kernel(__VA_ARGS__)
#else
#define __global__ __attribute__((noinline))
#define __launch_bounds__(...)
#endif

#define threadIdx (emulator::thread->index)
#define blockIdx (emulator::block->index)
#define blockDim (emulator::block->launch->block)
#define gridDim (emulator::block->launch->grid)
#define warpSize 32
