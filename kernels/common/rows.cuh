// How the threads of a block lie over a [rows, channels] matrix, and how they join what they found.
// A thread keeps to one pack of neighbouring channels and walks down the rows: what belongs to its
// channels stays in registers, and there is no index to divide. Threads with the same pack are the
// lanes of that pack; they take the rows of the block in turn.
//
// What is computed on the way is the kernels' business.
#pragma once

#include "common/ptx.cuh"
#include "common/types.cuh"

// Threads of every block that is laid out like this.
constexpr uint32_t ROW_THREADS = 256;

// A block of the kernels that join what blocks left of each part of the rows: a warp of neighbouring channels
// by some lanes, each of which takes every JOIN_LANES-th part.
constexpr uint32_t JOIN_WIDTH = 32;
constexpr uint32_t JOIN_LANES = 16;
constexpr uint32_t JOIN_THREADS = JOIN_WIDTH * JOIN_LANES;

// The layout, chosen by the host from the shape alone.
struct RowTiles {
  uint32_t rows;
  uint32_t channels;
  uint32_t block_rows;  // rows that a block takes
  uint32_t width_log2;  // threads side by side
  uint32_t tiles;       // blocks side by side
  uint32_t vectors;     // 1: packs of 16 bytes; 0: one channel a thread, for odd numbers of channels
};

// One thread's share.
struct RowShare {
  uint32_t channel;  // first channel of its pack
  uint32_t width;    // threads side by side
  uint32_t lane;     // which of `lanes` it is
  uint32_t lanes;
  uint32_t part;     // which part of the rows its block takes
  uint32_t start;    // first row of the block
  uint32_t end;      // end of the block's rows; its start for a thread beyond the last channel
  bool active;       // false for a thread beyond the last channel
};

// Blocks side by side have neighbouring indices, so whole rows are read at about the same time.
template <int V>
__device__ __forceinline__ RowShare row_share(const RowTiles& tiles) {
  RowShare share;
  share.part = blockIdx.x / tiles.tiles;
  const uint32_t tile = blockIdx.x - share.part * tiles.tiles;
  share.width = 1u << tiles.width_log2;
  share.lanes = ROW_THREADS >> tiles.width_log2;
  share.lane = threadIdx.x >> tiles.width_log2;
  share.channel = ((tile << tiles.width_log2) + (threadIdx.x & (share.width - 1))) * V;
  share.active = share.channel < tiles.channels;
  share.start = share.part * tiles.block_rows;
  const uint32_t end = share.start + tiles.block_rows;
  share.end = share.active ? (end < tiles.rows ? end : tiles.rows) : share.start;
  return share;
}

// Calls `work.template rows<N>(row)` for the rows row, row + lanes, ... (N of them), first by `UNROLL`
// rows, whose loads are then in flight together, and what is left one by one.
template <int UNROLL, class Work>
__device__ __forceinline__ void walk_rows(const RowShare& share, Work& work) {
  uint32_t row = share.start + share.lane;
  for (; row + (UNROLL - 1) * share.lanes < share.end; row += UNROLL * share.lanes) {
    work.template rows<UNROLL>(row);
  }
  for (; row < share.end; row += share.lanes) work.template rows<1>(row);
}

// The packs of `N` of a thread's rows, the first at element `at` and then `stride` apart; or `otherwise` if
// they are not wanted. One branch for all of them, so that what follows has none.
template <int V, int N, class T>
__device__ __forceinline__ void load_rows(bool wanted, const T* from, uint32_t at, uint32_t stride,
                                          Pack<T, V> (&to)[N], float otherwise = 0.0f) {
  if (wanted) {
#pragma unroll
    for (int n = 0; n < N; n++) to[n] = load_pack<V>(from + at + n * stride);
  } else {
#pragma unroll
    for (int n = 0; n < N; n++) {
#pragma unroll
      for (int i = 0; i < V; i++) to[n].at[i] = from_float<T>(otherwise);
    }
  }
}

// Joins the `N` floats of all lanes of a pack into those of lane 0, as a tree of fixed shape:
// `join(own, other)` goes on with `other`. `scratch` holds N floats a thread of the block, of which
// `width` stand side by side. All threads of the block take part.
template <int N, class Join>
__device__ __forceinline__ void join_lanes(float (&own)[N], uint32_t lane, uint32_t lanes, uint32_t width,
                                           float* scratch, Join join) {
  float* place = scratch + threadIdx.x;
#pragma unroll
  for (int i = 0; i < N; i++) place[i * blockDim.x] = own[i];
  __syncthreads();
  for (uint32_t half = lanes / 2; half > 0; half /= 2) {
    if (lane < half) {
      float other[N];
#pragma unroll
      for (int i = 0; i < N; i++) other[i] = place[i * blockDim.x + half * width];
      join(own, other);
#pragma unroll
      for (int i = 0; i < N; i++) place[i * blockDim.x] = own[i];
    }
    __syncthreads();
  }
}

// `V` neighbouring floats, which are aligned if there are several.
template <int V>
__device__ __forceinline__ void load_floats(const float* from, float (&to)[V]) {
  constexpr int STEP = V < 4 ? V : 4;
#pragma unroll
  for (int first = 0; first < V; first += STEP) {
    const Pack<float, STEP> pack = load_pack<STEP>(from + first);
#pragma unroll
    for (int i = 0; i < STEP; i++) to[first + i] = pack.at[i];
  }
}

template <int V>
__device__ __forceinline__ void store_floats(float* to, const float* from) {
  constexpr int STEP = V < 4 ? V : 4;
#pragma unroll
  for (int first = 0; first < V; first += STEP) {
    Pack<float, STEP> pack;
#pragma unroll
    for (int i = 0; i < STEP; i++) pack.at[i] = from[first + i];
    store_pack<STEP>(to + first, pack);
  }
}

// `V` values, rounded to the type of the activations.
template <int V, class T>
__device__ __forceinline__ void store_rounded(T* to, const float (&values)[V]) {
  if constexpr (sizeof(T) == 2 && V > 1) {
    Pack<uint32_t, V / 2> words;
#pragma unroll
    for (int i = 0; i < V / 2; i++) words.at[i] = pack_bf16(values[2 * i], values[2 * i + 1]);
    store_pack<V / 2>(reinterpret_cast<uint32_t*>(to), words);
  } else {
    Pack<T, V> pack;
#pragma unroll
    for (int i = 0; i < V; i++) pack.at[i] = from_float<T>(values[i]);
    store_pack<V>(to, pack);
  }
}
