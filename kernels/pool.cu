// Maxima over windows of NHWC pictures, and their gradient. Padding never wins; a not-a-number does. Whole
// pictures are in pool_global.cu.
//
//  - max: a thread makes a pack of 16 bytes of channels (one channel where their number is odd) of one
//    output pixel; blockIdx.x is the output row, so rows that share input run together and the second
//    reading of a pixel comes from the cache. Moves input and output once; one comparison an element
//    of each window.
//  - max_gradient: a block takes a tile of input pixels and channels. It finds the first maximum of
//    every window that reaches the tile (2 bytes a window and channel in dynamic shared memory, at most
//    48 KiB: the host makes tiles as small as it takes), then each pixel gathers from the windows that it
//    won, in a fixed order. Moves input, output gradient and input gradient once (twice if added to)
//    but for the tile's rim; (1 + rim) comparisons an element of each window, and one a window that
//    reaches a pixel. Windows of more than 65,536 pixels do not fit a place.
// targets: sm_75 sm_80
#include "common/ptx.cuh"
#include "common/reduce.cuh"
#include "common/rows.cuh"

// A maximum over windows; p and q are rows and columns of the output.
struct MaxPool {
  uint32_t n, h, w, c;
  uint32_t p, q;
  uint32_t window_h, window_w;
  uint32_t stride_h, stride_w;
  uint32_t padding_h, padding_w;
  uint32_t vectors;  // 1: packs of 16 bytes of channels
};

// How blocks of max_pool_gradient lie over the input.
struct MaxPoolGradient {
  MaxPool shape;
  uint32_t side_log2;     // rows and columns of input pixels
  uint32_t packs_log2;    // packs of channels
  uint32_t tiles_h, tiles_w, tiles_c;
  uint32_t windows_h, windows_w;  // windows that reach a tile, at most
  uint32_t accumulate;
};

namespace {

constexpr uint32_t THREADS = 256;

// The part of a window, or of the windows that reach a pixel, that exists.
struct Range {
  uint32_t begin, end;
};

// The pixels that window `at` covers along one axis.
__device__ __forceinline__ Range covered(uint32_t at, uint32_t stride, uint32_t window, uint32_t padding,
                                         uint32_t length) {
  const uint32_t begin = at * stride, end = begin + window - padding;
  return {begin > padding ? begin - padding : 0, end < length ? end : length};
}

// The first window that reaches `pixel` along one axis.
__device__ __forceinline__ uint32_t first_window(uint32_t pixel, uint32_t stride, uint32_t window,
                                                 uint32_t padding) {
  const uint32_t end = pixel + padding + 1;
  return end > window ? (end - window + stride - 1) / stride : 0;
}

// The windows that reach `pixel` along one axis.
__device__ __forceinline__ Range reaching(uint32_t pixel, uint32_t stride, uint32_t window,
                                          uint32_t padding, uint32_t windows) {
  const uint32_t end = (pixel + padding) / stride + 1;
  return {first_window(pixel, stride, window, padding), end < windows ? end : windows};
}

template <class T, int V>
__device__ __forceinline__ void max_pool(const T* input, T* output, const MaxPool& shape) {
  const uint32_t picture = blockIdx.x / shape.p, row = blockIdx.x - picture * shape.p;
  const uint32_t packs = shape.c / V, at = blockIdx.y * THREADS + threadIdx.x;
  if (at >= shape.q * packs) return;
  const uint32_t column = at / packs, channel = (at - column * packs) * V;
  const Range rows = covered(row, shape.stride_h, shape.window_h, shape.padding_h, shape.h);
  const Range columns = covered(column, shape.stride_w, shape.window_w, shape.padding_w, shape.w);
  float best[V];
#pragma unroll
  for (int i = 0; i < V; i++) best[i] = Max::identity();
  for (uint32_t h = rows.begin; h < rows.end; h++) {
    const T* line = input + (picture * shape.h + h) * shape.w * shape.c + channel;
#pragma unroll 3
    for (uint32_t w = columns.begin; w < columns.end; w++) {
      const Pack<T, V> pack = load_pack<V>(line + w * shape.c);
#pragma unroll
      for (int i = 0; i < V; i++) best[i] = Max::join(best[i], to_float(pack.at[i]));
    }
  }
  store_rounded<V>(output + (blockIdx.x * shape.q + column) * shape.c + channel, best);
}

// The tile of a block of max_pool_gradient: its picture, its first pixel, and the first windows that
// reach it.
struct Tile {
  uint32_t picture, h, w, pack;
  uint32_t p, q;
};

__device__ __forceinline__ Tile tile_of_block(const MaxPoolGradient& tiles) {
  const MaxPool& shape = tiles.shape;
  Tile tile;
  uint32_t rest = blockIdx.x / tiles.tiles_c;
  tile.pack = (blockIdx.x - rest * tiles.tiles_c) << tiles.packs_log2;
  const uint32_t above = rest / tiles.tiles_w;
  tile.w = (rest - above * tiles.tiles_w) << tiles.side_log2;
  tile.picture = above / tiles.tiles_h;
  tile.h = (above - tile.picture * tiles.tiles_h) << tiles.side_log2;
  tile.p = first_window(tile.h, shape.stride_h, shape.window_h, shape.padding_h);
  tile.q = first_window(tile.w, shape.stride_w, shape.window_w, shape.padding_w);
  return tile;
}

// A place in the window, row by row, for each window and channel of the tile.
template <class T, int V>
__device__ __forceinline__ void find_places(const T* input, const MaxPoolGradient& tiles,
                                            const Tile& tile, uint16_t* places) {
  const MaxPool& shape = tiles.shape;
  const uint32_t packs = 1u << tiles.packs_log2;
  const uint32_t windows = tiles.windows_h * tiles.windows_w;
  for (uint32_t at = threadIdx.x; at < windows << tiles.packs_log2; at += THREADS) {
    const uint32_t window = at >> tiles.packs_log2;
    const uint32_t channel = (tile.pack + (at & (packs - 1))) * V;
    const uint32_t p = tile.p + window / tiles.windows_w, q = tile.q + window % tiles.windows_w;
    if (p >= shape.p || q >= shape.q || channel >= shape.c) continue;
    const Range rows = covered(p, shape.stride_h, shape.window_h, shape.padding_h, shape.h);
    const Range columns = covered(q, shape.stride_w, shape.window_w, shape.padding_w, shape.w);
    const uint32_t above = shape.padding_h - p * shape.stride_h;  // modulo 2^32, as is `before`
    const uint32_t before = shape.padding_w - q * shape.stride_w;
    float best[V];
    Pack<uint16_t, V> place;
#pragma unroll
    for (int i = 0; i < V; i++) {
      best[i] = Max::identity();
      place.at[i] = uint16_t((rows.begin + above) * shape.window_w + columns.begin + before);
    }
    for (uint32_t h = rows.begin; h < rows.end; h++) {
      const T* line = input + (tile.picture * shape.h + h) * shape.w * shape.c + channel;
#pragma unroll 3
      for (uint32_t w = columns.begin; w < columns.end; w++) {
        const Pack<T, V> pack = load_pack<V>(line + w * shape.c);
        const uint16_t here = uint16_t((h + above) * shape.window_w + w + before);
#pragma unroll
        for (int i = 0; i < V; i++) {
          const float value = to_float(pack.at[i]);
          place.at[i] = value > best[i] ? here : place.at[i];
          best[i] = value > best[i] ? value : best[i];
        }
      }
    }
    store_pack<V>(places + at * V, place);
  }
}

// The gradient of the tile's pixels from the windows that they won.
template <class T, int V>
__device__ __forceinline__ void gather(const T* output_gradient, T* input_gradient,
                                       const MaxPoolGradient& tiles, const Tile& tile,
                                       const uint16_t* places) {
  const MaxPool& shape = tiles.shape;
  const uint32_t packs = 1u << tiles.packs_log2, side = 1u << tiles.side_log2;
  for (uint32_t at = threadIdx.x; at < 1u << (tiles.packs_log2 + 2 * tiles.side_log2); at += THREADS) {
    const uint32_t pixel = at >> tiles.packs_log2, pack = at & (packs - 1);
    const uint32_t h = tile.h + (pixel >> tiles.side_log2), w = tile.w + (pixel & (side - 1));
    const uint32_t channel = (tile.pack + pack) * V;
    if (h >= shape.h || w >= shape.w || channel >= shape.c) continue;
    const Range rows = reaching(h, shape.stride_h, shape.window_h, shape.padding_h, shape.p);
    const Range columns = reaching(w, shape.stride_w, shape.window_w, shape.padding_w, shape.q);
    float sum[V];
#pragma unroll
    for (int i = 0; i < V; i++) sum[i] = 0.0f;
    for (uint32_t p = rows.begin; p < rows.end; p++) {
      const uint32_t window_row = (h + shape.padding_h - p * shape.stride_h) * shape.window_w;
      for (uint32_t q = columns.begin; q < columns.end; q++) {
        const uint32_t here = window_row + w + shape.padding_w - q * shape.stride_w;
        const uint32_t window = (p - tile.p) * tiles.windows_w + q - tile.q;
        const uint32_t output = ((tile.picture * shape.p + p) * shape.q + q) * shape.c + channel;
        const Pack<T, V> gradient = load_pack<V>(output_gradient + output);
        const uint16_t* of_window = places + ((window << tiles.packs_log2) + pack) * V;
        const Pack<uint16_t, V> place = load_pack<V>(of_window);
#pragma unroll
        for (int i = 0; i < V; i++) {
          const float value = to_float(gradient.at[i]);
          sum[i] += place.at[i] == here ? value : 0.0f;
        }
      }
    }
    T* to = input_gradient + ((tile.picture * shape.h + h) * shape.w + w) * shape.c + channel;
    if (tiles.accumulate) {
      const Pack<T, V> earlier = load_pack<V>(to);
#pragma unroll
      for (int i = 0; i < V; i++) sum[i] += to_float(earlier.at[i]);
    }
    store_rounded<V>(to, sum);
  }
}

template <class T, int V>
__device__ __forceinline__ void max_pool_gradient(const T* input, const T* output_gradient,
                                                  T* input_gradient, const MaxPoolGradient& tiles,
                                                  uint16_t* places) {
  const Tile tile = tile_of_block(tiles);
  find_places<T, V>(input, tiles, tile, places);
  __syncthreads();
  gather<T, V>(output_gradient, input_gradient, tiles, tile, places);
}

}  // namespace

KERNEL(THREADS) pool_max_f32(const float* input, float* output, MaxPool shape) {
  if (shape.vectors) {
    max_pool<float, WIDEST<float>>(input, output, shape);
  } else {
    max_pool<float, 1>(input, output, shape);
  }
}

KERNEL(THREADS)
pool_max_gradient_f32(const float* input, const float* output_gradient, float* input_gradient,
                      MaxPoolGradient tiles) {
  DYNAMIC_SHARED(shared);
  uint16_t* places = reinterpret_cast<uint16_t*>(shared);
  if (tiles.shape.vectors) {
    max_pool_gradient<float, WIDEST<float>>(input, output_gradient, input_gradient, tiles, places);
  } else {
    max_pool_gradient<float, 1>(input, output_gradient, input_gradient, tiles, places);
  }
}

#if HAS_BF16
KERNEL(THREADS) pool_max_bf16(const bf16* input, bf16* output, MaxPool shape) {
  if (shape.vectors) {
    max_pool<bf16, WIDEST<bf16>>(input, output, shape);
  } else {
    max_pool<bf16, 1>(input, output, shape);
  }
}

KERNEL(THREADS)
pool_max_gradient_bf16(const bf16* input, const bf16* output_gradient, bf16* input_gradient,
                       MaxPoolGradient tiles) {
  DYNAMIC_SHARED(shared);
  uint16_t* places = reinterpret_cast<uint16_t*>(shared);
  if (tiles.shape.vectors) {
    max_pool_gradient<bf16, WIDEST<bf16>>(input, output_gradient, input_gradient, tiles, places);
  } else {
    max_pool_gradient<bf16, 1>(input, output_gradient, input_gradient, tiles, places);
  }
}
#endif
