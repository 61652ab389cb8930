// The types that kernels speak in, and how they are loaded and stored. No header of the tool kit is
// included anywhere in this folder: the same files compile with NVRTC alone, and with a C++ compiler
// under the emulator, which is included before them and defines FASTLEARN_EMULATED.
//
// Instructions that C++ has no words for live in ptx.cuh, reductions in reduce.cuh.
#pragma once

#ifndef FASTLEARN_EMULATED
typedef signed char int8_t;
typedef short int16_t;
typedef int int32_t;
typedef long long int64_t;
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef unsigned long long uint64_t;
#endif

// A kernel that is launched with at most `threads` threads a block.
#define KERNEL(threads) extern "C" __global__ void __launch_bounds__(threads)

// The same, with so few registers that `blocks` blocks fit a multiprocessor.
#define RESIDENT_KERNEL(threads, blocks) extern "C" __global__ void __launch_bounds__(threads, blocks)

// True where a kernel is compiled for a chip with bf16 arithmetic.
#if __CUDA_ARCH__ >= 800
#define HAS_BF16 1
#else
#define HAS_BF16 0
#endif

// The upper half of a float.
struct bf16 {
  uint16_t bits;
};

__device__ __forceinline__ float to_float(float value) { return value; }

__device__ __forceinline__ float to_float(bf16 value) {
  return __uint_as_float(uint32_t(value.bits) << 16);
}

template <class T>
__device__ __forceinline__ T from_float(float value);

template <>
__device__ __forceinline__ float from_float<float>(float value) {
  return value;
}

// Rounds to nearest, ties to even; not-a-number stays not-a-number.
template <>
__device__ __forceinline__ bf16 from_float<bf16>(float value) {
  uint32_t bits = __float_as_uint(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return bf16{uint16_t((bits >> 16) | 0x40u)};
  return bf16{uint16_t((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16)};
}

// `N` neighbouring elements, moved by one instruction if they fill at most 16 bytes.
template <class T, int N>
struct alignas(sizeof(T) * N) Pack {
  T at[N];
};

template <int N, class T>
__device__ __forceinline__ Pack<T, N> load_pack(const T* from) {
  return *reinterpret_cast<const Pack<T, N>*>(from);
}

template <int N, class T>
__device__ __forceinline__ void store_pack(T* to, const Pack<T, N>& pack) {
  *reinterpret_cast<Pack<T, N>*>(to) = pack;
}

// The largest number of elements of T that one instruction moves.
template <class T>
constexpr int WIDEST = 16 / int(sizeof(T));
