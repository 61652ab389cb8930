// The first layer of a residual network, a 7x7 convolution with stride 2 of three-channel pictures, and
// others like it of fewer than 8 channels: forward and weight gradient, in f32 and in bf16 with f32 sums. Its
// input gradient, which hardly anyone needs, is conv.cu's; bf16 on tensor cores is in conv_stem_mma.cu.
// targets: sm_75 sm_80
//
// Computes what conv.cu does. With so few channels an output's window is a few runs of `s c` neighbours, too
// short to be fetched from global memory for every output: a block brings its whole piece of the input into
// shared memory once and makes all its windows from there.
// Tiling: 8x16 output pixels by 64 output channels a block.
//   forward          128 threads with 8 pixels by 8 channels each; the weights pass through shared memory one
//                    kernel row at a time. They come prepared as `[r, s c, k]`.
//   weight gradient  256 threads with 8 output channels by 5 taps each (a tap is one of r s c, at most 160);
//                    a block sums over the tiles that are its part's, then conv_stem_sum_parts adds the parts
//                    in order.
// Shared memory, for 7x7 with stride 2 and 3 channels: 14.4 KiB and 41.1 KiB. Limits: 48 KiB of it; 2^31 - 1
// elements in a tensor and of workspace.
// Moves at least input + weights + output; does 2 n p q k r s c FLOPs in each direction: in f32 at 7x7x3 into
// 64 channels 62 a byte, so that the float units bind it.

#include "common/ptx.cuh"
#include "common/stem_tile.cuh"
#include "common/tile_store.cuh"

// Taps that a thread of the weight gradient sums, 32 apart.
constexpr int TAPS = 5;

// Floats of the patch, and what fills them up so that what follows is aligned to 16 bytes.
__device__ __forceinline__ int patch_floats(const StemGeometry& conv) {
  return (conv.patch_rows * conv.patch_columns + 3) / 4 * 4;
}

// blockIdx.x is the tile of pixels, blockIdx.y the tile of output channels.
template <class T>
__device__ __forceinline__ void stem_forward(const T* input, const T* weights, T* output,
                                             const StemGeometry& conv) {
  DYNAMIC_SHARED(memory);
  float* patch = reinterpret_cast<float*>(memory);
  float* filters = patch + patch_floats(conv);  // [s c][TILE_K]
  StemTile tile(conv, int(blockIdx.x));
  int first_k = int(blockIdx.y) * TILE_K, run = conv.s * conv.c;
  load_patch(input, conv, tile, patch);
  // 8 neighbours of a row of pixels, and two groups of four channels half a tile apart.
  int lane_k = int(threadIdx.x) % 8 * 4, group = int(threadIdx.x) / 8;
  int row = group / 2, column = group % 2 * 8;
  int step = conv.stride_w * conv.c;
  const float* windows = patch + row * conv.stride_h * conv.patch_columns + column * step;
  float sums[8][8] = {};
  for (int tap_row = 0; tap_row < conv.r; tap_row++) {
    __syncthreads();
    for (int i = int(threadIdx.x); i < run * TILE_K; i += int(blockDim.x)) {
      int k = first_k + i % TILE_K;
      filters[i] = k < conv.k ? to_float(weights[(tap_row * run + i / TILE_K) * conv.k + k]) : 0.0f;
    }
    __syncthreads();
    const float* window = windows + tap_row * conv.patch_columns;
#pragma unroll 2
    for (int tap = 0; tap < run; tap++) {
      Pack<float, 4> factors[2];
      factors[0] = load_pack<4>(filters + tap * TILE_K + lane_k);
      factors[1] = load_pack<4>(filters + tap * TILE_K + lane_k + TILE_K / 2);
#pragma unroll
      for (int i = 0; i < 8; i++) {
        float value = window[i * step + tap];
#pragma unroll
        for (int j = 0; j < 8; j++) sums[i][j] += value * factors[j / 4].at[j % 4];
      }
    }
  }
  int p = tile.first_p + row;
  if (p >= conv.p) return;
#pragma unroll
  for (int i = 0; i < 8; i++) {
    int q = tile.first_q + column + i;
    if (q >= conv.q) continue;
    T* pixel = output + ((tile.picture * conv.p + p) * conv.q + q) * conv.k;
#pragma unroll
    for (int half = 0; half < 2; half++) {
      int k = first_k + half * (TILE_K / 2) + lane_k;
      const float* four = sums[i] + half * 4;
      store_four<true>(pixel + k, Pack<float, 4>{{four[0], four[1], four[2], four[3]}}, conv.k - k, false);
    }
  }
}

// Brings the tile's piece of the output's gradient into shared memory, `[pixel][TILE_K]`; zero where there is
// no pixel or channel.
template <class T>
__device__ __forceinline__ void load_gradients(const T* output_gradient, const StemGeometry& conv,
                                               const StemTile& tile, int first_k, float* gradients) {
  for (int i = int(threadIdx.x); i < TILE_PIXELS * TILE_K / 4; i += int(blockDim.x)) {
    int pixel = i / (TILE_K / 4), k = first_k + i % (TILE_K / 4) * 4;
    int p = tile.first_p + pixel / TILE_Q, q = tile.first_q + pixel % TILE_Q;
    int count = p < conv.p && q < conv.q ? conv.k - k : 0;
    const T* from = output_gradient + (((tile.picture * conv.p + p) * conv.q + q) * conv.k + k);
    store_pack<4>(gradients + i * 4, load_four<true>(from, count));
  }
}

// blockIdx.x is the part: every `parts`-th tile; blockIdx.y the tile of output channels. The sums go to the
// part's own range of `sums_of_parts`.
template <class T>
__device__ __forceinline__ void stem_weight_gradient(const T* input, const T* output_gradient,
                                                     float* sums_of_parts, const StemGeometry& conv,
                                                     int accumulate) {
  DYNAMIC_SHARED(memory);
  float* patch = reinterpret_cast<float*>(memory);
  float* gradients = patch + patch_floats(conv);
  int first_k = int(blockIdx.y) * TILE_K, run = conv.s * conv.c, taps = conv.r * run;
  int lane = int(threadIdx.x) % 32, first = int(threadIdx.x) / 32 * 8;
  int offsets[TAPS];
#pragma unroll
  for (int j = 0; j < TAPS; j++) {
    int tap = lane + j * 32;
    offsets[j] = tap < taps ? tap / run * conv.patch_columns + tap % run : 0;
  }
  float sums[8][TAPS] = {};
  for (int at = int(blockIdx.x); at < conv.tiles; at += int(gridDim.x)) {
    StemTile tile(conv, at);
    __syncthreads();
    load_patch(input, conv, tile, patch);
    load_gradients(output_gradient, conv, tile, first_k, gradients);
    __syncthreads();
    for (int pixel = 0; pixel < TILE_PIXELS; pixel++) {
      int row = pixel / TILE_Q * conv.stride_h, column = pixel % TILE_Q * conv.stride_w;
      const float* window = patch + row * conv.patch_columns + column * conv.c;
      Pack<float, 4> factors[2];
      factors[0] = load_pack<4>(gradients + pixel * TILE_K + first);
      factors[1] = load_pack<4>(gradients + pixel * TILE_K + first + 4);
#pragma unroll
      for (int j = 0; j < TAPS; j++) {
        float value = window[offsets[j]];
#pragma unroll
        for (int i = 0; i < 8; i++) sums[i][j] += value * factors[i / 4].at[i % 4];
      }
    }
  }
  float* part = sums_of_parts + int(blockIdx.x) * conv.k * taps;
#pragma unroll
  for (int j = 0; j < TAPS; j++) {
    int tap = lane + j * 32;
    if (tap >= taps) continue;
#pragma unroll
    for (int i = 0; i < 8; i++) {
      int k = first_k + first + i;
      if (k >= conv.k) continue;
      float* to = part + k * taps + tap;
      *to = accumulate ? *to + sums[i][j] : sums[i][j];
    }
  }
}

// Brings `[k, taps]` weights into `[taps, k]`.
template <class T>
__device__ __forceinline__ void stem_prepare(const float* weights, T* prepared, int k, int taps) {
  int index = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (index < k * taps) prepared[index] = from_float<T>(weights[index % k * taps + index / k]);
}

// The parts of a weight gradient, added in order.
KERNEL(256)
conv_stem_sum_parts_f32(const float* partials, float* gradient, int elements, int parts, int accumulate) {
  store_sum_of_parts(partials, gradient, elements, parts, accumulate);
}

#define STEM_KERNELS(T, DTYPE)                                                                      \
  RESIDENT_KERNEL(128, 4)                                                                           \
  conv_stem_forward_##DTYPE(const T* input, const T* weights, T* output, StemGeometry conv) {       \
    stem_forward(input, weights, output, conv);                                                     \
  }                                                                                                 \
  RESIDENT_KERNEL(256, 2)                                                                           \
  conv_stem_weight_gradient_##DTYPE(const T* input, const T* output_gradient, float* sums_of_parts, \
                                    StemGeometry conv, int accumulate) {                            \
    stem_weight_gradient(input, output_gradient, sums_of_parts, conv, accumulate);                  \
  }                                                                                                 \
  KERNEL(256)                                                                                       \
  conv_stem_prepare_##DTYPE(const float* weights, T* prepared, int k, int taps) {                   \
    stem_prepare(weights, prepared, k, taps);                                                       \
  }

STEM_KERNELS(float, f32)
#if HAS_BF16
STEM_KERNELS(bf16, bf16)
#endif
