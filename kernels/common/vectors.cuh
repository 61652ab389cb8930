// Flat arrays, walked by all threads of a grid: values as floats whatever their type is in memory, 16 bytes
// to an instruction, and the loads of several packs in flight before the first is used.
//
// What is done to the values is the kernels' business; matrices are walked by rows.cuh.
#pragma once

#include "common/ptx.cuh"
#include "common/types.cuh"

// Threads of every block that walks like this.
constexpr int VECTOR_THREADS = 256;

// Whether a pack of 16 bytes may begin here; true for a null pointer.
__device__ __forceinline__ bool is_aligned(const void* pointer) { return (uint64_t(pointer) & 15u) == 0; }

// `N` neighbouring values; aligned to 16 bytes if there are several.
template <int N, class T>
__device__ __forceinline__ void load_values(const T* from, float (&to)[N]) {
  constexpr int STEP = N < WIDEST<T> ? N : WIDEST<T>;
#pragma unroll
  for (int first = 0; first < N; first += STEP) {
    const Pack<T, STEP> pack = load_pack<STEP>(from + first);
#pragma unroll
    for (int i = 0; i < STEP; i++) to[first + i] = to_float(pack.at[i]);
  }
}

// `N` values, rounded to their type, at one place that is aligned if there are several.
template <int N>
__device__ __forceinline__ void store_rounded(float* to, const float* from) {
  Pack<float, N> pack;
#pragma unroll
  for (int i = 0; i < N; i++) pack.at[i] = from[i];
  store_pack<N>(to, pack);
}

template <int N>
__device__ __forceinline__ void store_rounded(bf16* to, const float* from) {
  if constexpr (HAS_BF16 && N > 1) {
    Pack<uint32_t, N / 2> words;
#pragma unroll
    for (int i = 0; i < N / 2; i++) words.at[i] = pack_bf16(from[2 * i], from[2 * i + 1]);
    store_pack<N / 2>(reinterpret_cast<uint32_t*>(to), words);
  } else {
    Pack<bf16, N> pack;
#pragma unroll
    for (int i = 0; i < N; i++) pack.at[i] = from_float<bf16>(from[i]);
    store_pack<N>(to, pack);
  }
}

// The places that `load_values` reads.
template <int N, class T>
__device__ __forceinline__ void store_values(T* to, const float (&from)[N]) {
  constexpr int STEP = N < WIDEST<T> ? N : WIDEST<T>;
#pragma unroll
  for (int first = 0; first < N; first += STEP) store_rounded<STEP>(to + first, from + first);
}

// Does `work` on the elements 0 .. len, in packs of WIDTH where `vectors` allows it and one by one elsewhere.
// Work is in two steps, for N elements from `first` on, so that the loads of UNROLL packs come before the
// first use: `work.load(first, Share<N>&)` and `work.finish(first, const Share<N>&)`. With two packs and 2048
// threads there are 64 KiB of each input in flight on a multiprocessor, several times what its memory takes
// to answer at full speed; long functions need no more than one.
template <int WIDTH, int UNROLL, class Work>
__device__ __forceinline__ void walk_vectors(uint32_t len, bool vectors, const Work& work) {
  const uint32_t thread = blockIdx.x * VECTOR_THREADS + threadIdx.x;
  const uint32_t threads = gridDim.x * VECTOR_THREADS;
  const uint32_t packs = vectors ? len / WIDTH : 0;
  for (uint32_t pack = thread; pack < packs; pack += UNROLL * threads) {
    typename Work::template Share<WIDTH> shares[UNROLL];
#pragma unroll
    for (int u = 0; u < UNROLL; u++) {
      const uint32_t own = pack + u * threads;
      if (own < packs) work.load(own * WIDTH, shares[u]);
    }
#pragma unroll
    for (int u = 0; u < UNROLL; u++) {
      const uint32_t own = pack + u * threads;
      if (own < packs) work.finish(own * WIDTH, shares[u]);
    }
  }
  for (uint32_t i = packs * WIDTH + thread; i < len; i += threads) {
    typename Work::template Share<1> share;
    work.load(i, share);
    work.finish(i, share);
  }
}
