// Pooling of whole NHWC pictures: means and maxima of each channel, and their gradients. Activations come
// in, floats go out, and back. Windows are in pool.cu.
//
// A block takes some channels of one picture as common/rows.cuh says, its pixels being the rows: 256
// threads, a pack of 16 bytes of channels a thread (one channel where their number is odd), 4 pixels in
// flight, lanes joined as a tree in 16 KiB of shared memory. A not-a-number wins a maximum.
//  - reduce: moves the input once; 2 FLOPs an element.
//  - gradient: finds the first maximum in the same way (not for means alone), then each thread
//    writes its pixels. Moves the input (for maxima) and the input's gradient once (twice if added to);
//    2 FLOPs an element.
// targets: sm_75 sm_80
#include "common/reduce.cuh"
#include "common/rows.cuh"

namespace {

constexpr int PIXELS = 4;  // pixels whose loads are in flight together

// A lane's sums, and behind them its maxima.
template <class T, int V>
struct SumAndMaximum {
  const T* input;  // the thread's channels of row 0
  uint32_t channels;
  uint32_t lanes;
  float found[2 * V];

  struct Join {
    __device__ __forceinline__ void operator()(float (&own)[2 * V], const float (&other)[2 * V]) const {
#pragma unroll
      for (int i = 0; i < V; i++) {
        own[i] += other[i];
        own[V + i] = Max::join(own[V + i], other[V + i]);
      }
    }
  };

  template <int N>
  __device__ __forceinline__ void rows(uint32_t row) {
    Pack<T, V> packs[N];
#pragma unroll
    for (int n = 0; n < N; n++) packs[n] = load_pack<V>(input + (row + n * lanes) * channels);
#pragma unroll
    for (int n = 0; n < N; n++) {
#pragma unroll
      for (int i = 0; i < V; i++) {
        const float value = to_float(packs[n].at[i]);
        found[i] += value;
        found[V + i] = Max::join(found[V + i], value);
      }
    }
  }
};

// Where the first maximum of a lane's rows lies. A row is kept in a float's place as bits.
template <class T, int V>
struct FirstMaximum {
  const T* input;  // the thread's channels of row 0
  uint32_t channels;
  uint32_t lanes;
  float found[2 * V];  // maxima, then their rows

  struct Join {
    __device__ __forceinline__ void operator()(float (&own)[2 * V], const float (&other)[2 * V]) const {
#pragma unroll
      for (int i = 0; i < V; i++) {
        const bool earlier = __float_as_uint(other[V + i]) < __float_as_uint(own[V + i]);
        const bool wins = other[i] > own[i] || (other[i] == own[i] && earlier);
        own[i] = wins ? other[i] : own[i];
        own[V + i] = wins ? other[V + i] : own[V + i];
      }
    }
  };

  template <int N>
  __device__ __forceinline__ void rows(uint32_t row) {
    Pack<T, V> packs[N];
#pragma unroll
    for (int n = 0; n < N; n++) packs[n] = load_pack<V>(input + (row + n * lanes) * channels);
#pragma unroll
    for (int n = 0; n < N; n++) {
      const float place = __uint_as_float(row + n * lanes);
#pragma unroll
      for (int i = 0; i < V; i++) {
        const float value = to_float(packs[n].at[i]);
        const bool wins = value > found[i];
        found[i] = wins ? value : found[i];
        found[V + i] = wins ? place : found[V + i];
      }
    }
  }
};

}  // namespace

// Whole pictures: the rows of `tiles` are the pixels of one of them, and its `tiles` blocks side by side
// are followed by those of the next picture. Columns of [n, columns], or a negative number: not wanted.
struct GlobalPool {
  RowTiles tiles;
  uint32_t columns;
  int32_t maximum;  // first column of the maxima
  int32_t mean;     // first column of the means
  uint32_t accumulate;
};

namespace {

// The share of a thread in one picture; `part` is the picture.
template <int V>
__device__ __forceinline__ RowShare pixel_share(const RowTiles& tiles) {
  RowShare share = row_share<V>(tiles);
  share.start = 0;
  share.end = share.active ? tiles.rows : 0;
  return share;
}

template <class T, int V>
__device__ __forceinline__ void global_pool(const T* input, float* output, const GlobalPool& pool,
                                            float* scratch) {
  const RowShare share = pixel_share<V>(pool.tiles);
  const uint32_t channels = pool.tiles.channels, pixels = pool.tiles.rows;
  SumAndMaximum<T, V> lane = {input + share.part * pixels * channels + share.channel, channels,
                              share.lanes, {}};
#pragma unroll
  for (int i = 0; i < V; i++) lane.found[V + i] = Max::identity();
  walk_rows<PIXELS>(share, lane);
  join_lanes(lane.found, share.lane, share.lanes, share.width, scratch,
             typename SumAndMaximum<T, V>::Join{});
  if (share.lane != 0 || !share.active) return;
  float* to = output + share.part * pool.columns + share.channel;
  if (pool.maximum >= 0) store_floats<V>(to + pool.maximum, lane.found + V);
  if (pool.mean < 0) return;
#pragma unroll
  for (int i = 0; i < V; i++) lane.found[i] *= 1.0f / float(pixels);
  store_floats<V>(to + pool.mean, lane.found);
}

template <class T, int V>
__device__ __forceinline__ void global_pool_gradient(const T* input, const float* output_gradient,
                                                     T* input_gradient, const GlobalPool& pool,
                                                     float* scratch) {
  const RowShare share = pixel_share<V>(pool.tiles);
  const uint32_t channels = pool.tiles.channels, pixels = pool.tiles.rows;
  const uint32_t base = share.part * pixels * channels + share.channel;
  uint32_t place[V] = {};
  float of_maximum[V] = {}, of_mean[V] = {};
  if (pool.maximum >= 0) {
    FirstMaximum<T, V> lane = {input + base, channels, share.lanes, {}};
#pragma unroll
    for (int i = 0; i < V; i++) {
      lane.found[i] = Max::identity();
      lane.found[V + i] = __uint_as_float(share.lane);
    }
    walk_rows<PIXELS>(share, lane);
    join_lanes(lane.found, share.lane, share.lanes, share.width, scratch,
               typename FirstMaximum<T, V>::Join{});
    // Lane 0 left what it found where all lanes of its pack can read it.
    const float* places = scratch + V * ROW_THREADS + (threadIdx.x & (share.width - 1));
#pragma unroll
    for (int i = 0; i < V; i++) place[i] = __float_as_uint(places[i * ROW_THREADS]);
  }
  if (!share.active) return;
  const float* gradient = output_gradient + share.part * pool.columns + share.channel;
  if (pool.maximum >= 0) load_floats(gradient + pool.maximum, of_maximum);
  if (pool.mean >= 0) load_floats(gradient + pool.mean, of_mean);
#pragma unroll
  for (int i = 0; i < V; i++) of_mean[i] *= 1.0f / float(pixels);
#pragma unroll 2
  for (uint32_t pixel = share.lane; pixel < pixels; pixel += share.lanes) {
    T* to = input_gradient + base + pixel * channels;
    float values[V];
#pragma unroll
    for (int i = 0; i < V; i++) values[i] = of_mean[i] + (place[i] == pixel ? of_maximum[i] : 0.0f);
    if (pool.accumulate) {
      const Pack<T, V> earlier = load_pack<V>(to);
#pragma unroll
      for (int i = 0; i < V; i++) values[i] += to_float(earlier.at[i]);
    }
    store_rounded<V>(to, values);
  }
}

}  // namespace

KERNEL(ROW_THREADS) pool_global_reduce_f32(const float* input, float* output, GlobalPool pool) {
  __shared__ float scratch[2 * WIDEST<float> * ROW_THREADS];
  if (pool.tiles.vectors) {
    global_pool<float, WIDEST<float>>(input, output, pool, scratch);
  } else {
    global_pool<float, 1>(input, output, pool, scratch);
  }
}

KERNEL(ROW_THREADS)
pool_global_gradient_f32(const float* input, const float* output_gradient, float* input_gradient,
                         GlobalPool pool) {
  __shared__ float scratch[2 * WIDEST<float> * ROW_THREADS];
  if (pool.tiles.vectors) {
    global_pool_gradient<float, WIDEST<float>>(input, output_gradient, input_gradient, pool, scratch);
  } else {
    global_pool_gradient<float, 1>(input, output_gradient, input_gradient, pool, scratch);
  }
}

#if HAS_BF16
KERNEL(ROW_THREADS) pool_global_reduce_bf16(const bf16* input, float* output, GlobalPool pool) {
  __shared__ float scratch[2 * WIDEST<bf16> * ROW_THREADS];
  if (pool.tiles.vectors) {
    global_pool<bf16, WIDEST<bf16>>(input, output, pool, scratch);
  } else {
    global_pool<bf16, 1>(input, output, pool, scratch);
  }
}

KERNEL(ROW_THREADS)
pool_global_gradient_bf16(const bf16* input, const float* output_gradient, bf16* input_gradient,
                          GlobalPool pool) {
  __shared__ float scratch[2 * WIDEST<bf16> * ROW_THREADS];
  if (pool.tiles.vectors) {
    global_pool_gradient<bf16, WIDEST<bf16>>(input, output_gradient, input_gradient, pool, scratch);
  } else {
    global_pool_gradient<bf16, 1>(input, output_gradient, input_gradient, pool, scratch);
  }
}
#endif
