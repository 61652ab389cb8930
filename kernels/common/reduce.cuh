// Sums and maxima over a warp and over a block, in an order that depends on nothing but the number of
// threads: the same bits every run. How much a thread sums before is the kernel's business.
#pragma once
#include "common/types.cuh"

constexpr int WARP_SIZE = 32;
constexpr uint32_t ALL_LANES = 0xFFFFFFFFu;

struct Sum {
  static __device__ __forceinline__ float identity() { return 0.0f; }
  static __device__ __forceinline__ float join(float a, float b) { return a + b; }
};

// Not-a-number in any place is the result's, unlike with fmaxf.
struct Max {
  static __device__ __forceinline__ float identity() { return __uint_as_float(0xFF800000u); }
  static __device__ __forceinline__ float join(float a, float b) { return a >= b || a != a ? a : b; }
};

// Joins neighbours, then pairs of neighbours and so on; every lane gets the result. All lanes must call it.
template <class Operation>
__device__ __forceinline__ float warp_reduce(float value) {
#pragma unroll
  for (int distance = WARP_SIZE / 2; distance > 0; distance /= 2) {
    value = Operation::join(value, __shfl_xor_sync(ALL_LANES, value, distance));
  }
  return value;
}

// Over the block's threads, numbered by threadIdx.x; every thread gets the result. `partials` is shared memory of
// THREADS / 32 floats. All threads must call it; it begins with a barrier, so that calls may follow one another.
template <class Operation, int THREADS>
__device__ __forceinline__ float block_reduce(float value, float* partials) {
  static_assert(THREADS % WARP_SIZE == 0 && THREADS <= 1024, "whole warps, at most 32 of them");
  constexpr int WARPS = THREADS / WARP_SIZE;
  const int lane = threadIdx.x % WARP_SIZE, warp = threadIdx.x / WARP_SIZE;
  value = warp_reduce<Operation>(value);
  __syncthreads();
  if (lane == 0) partials[warp] = value;
  __syncthreads();
  return warp_reduce<Operation>(lane < WARPS ? partials[lane] : Operation::identity());
}

__device__ __forceinline__ float warp_sum(float value) { return warp_reduce<Sum>(value); }
__device__ __forceinline__ float warp_max(float value) { return warp_reduce<Max>(value); }

template <int THREADS>
__device__ __forceinline__ float block_sum(float value, float* partials) {
  return block_reduce<Sum, THREADS>(value, partials);
}

template <int THREADS>
__device__ __forceinline__ float block_max(float value, float* partials) {
  return block_reduce<Max, THREADS>(value, partials);
}
