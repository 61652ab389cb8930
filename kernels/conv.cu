// Convolution of NHWC pictures by KRSC weights on the ordinary float units: forward, input gradient and
// weight gradient as implicit matrix products, for any kernel size, stride, padding and number of channels,
// in f32 and in bf16 with f32 sums. Grouped convolutions are in conv_grouped.cu, the first layer's in
// conv_stem.cu, products on tensor cores in conv_mma.cu.
// targets: sm_75 sm_80
//
// Computes, with output pixels m = (n, p, q) and taps d = (r, s, c):
//   forward          output[m, k]  = sum_d input[window(m), d] weights[k, d]
//   input gradient   for each phase of the stride (the input pixels that the same taps reach):
//                    gradient[pixel, c] = sum_(tap of the phase, k) output_gradient[.., k] weights[k, tap, c]
//   weight gradient  gradient[k, d] = sum_m output_gradient[m, k] input[window(m), d], the pixels split into
//                    parts of a fixed length, one partial sum each, added in order by conv_sum_parts
// Tiling: 128x128 or 64x64 outputs a block of 256 or 64 threads, 8x8 a thread, 8 of the depth a step
// (common/register_tile.cuh). The `any` kernels (64x64) load and store element by element for channels that 4
// does not divide; the others move four at once, in f32 alone, for bf16 has tensor cores there. One dimension
// of the grid holds all tiles, columns fastest, so that blocks that run together read the same pixels.
// Shared memory: 16.5 KiB or 8.5 KiB. Limits: 2^31 - 1 elements in a tensor and of workspace.
// Moves at least input + weights + output; does 2 n p q k r s c FLOPs in each direction. A step of a 128x128
// tile reads 8 KiB for 256 kFLOPs, so that a block is bound by the float units, not by memory.

#include "common/conv_window.cuh"
#include "common/tile_store.cuh"

// Where the block's tile begins; the columns of the product run fastest.
__device__ __forceinline__ void tile_origin(int columns, int tile_rows, int tile_columns, int& first_row,
                                            int& first_column) {
  int across = (columns + tile_columns - 1) / tile_columns;
  first_row = int(blockIdx.x) / across * tile_rows;
  first_column = int(blockIdx.x) % across * tile_columns;
}

template <class Tile, class T, bool VECTOR>
__device__ __forceinline__ void conv_forward(const T* input, const float* scale, const float* shift,
                                             const T* weights, T* output, float* partials,
                                             const ConvGeometry& conv) {
  alignas(16) __shared__ float shared[Tile::SHARED];
  int first_row, first_column;
  tile_origin(conv.k, Tile::ROWS, Tile::COLUMNS, first_row, first_column);
  int depth = conv.r * conv.s * conv.c, rows = conv.n * conv.p * conv.q;
  InputWindows<T, VECTOR> windows = {input, scale, shift, conv};
  MatrixAlongDepth<T, VECTOR> filters = {weights, conv.k, depth, depth};
  float sums[8][8];
  int steps = (depth + TILE_DEPTH - 1) / TILE_DEPTH;
  multiply_tile<Tile>(windows, filters, first_row, first_column, 0, steps, shared, sums);
  TilePlace<Tile> place;
#pragma unroll
  for (int i = 0; i < 8; i++) {
    int row = first_row + place.row_of(i);
    if (row >= rows) continue;
    store_row<Tile, VECTOR>(output + row * conv.k, sums[i], place, first_column, conv.k, false);
  }
  if (partials == nullptr) return;
  int tile_rows = min(rows - first_row, Tile::ROWS);
  float* part = partials + first_row / Tile::ROWS * 3 * conv.k;
  round_sums<T>(sums);
  store_statistics(part, sums, place, tile_rows, first_column, conv.k, shared);
}

// blockIdx.z is the phase.
template <class Tile, class T, bool VECTOR>
__device__ __forceinline__ void conv_input_gradient(const T* output_gradient, const T* weights,
                                                    T* input_gradient, const ConvGeometry& conv,
                                                    int accumulate) {
  alignas(16) __shared__ float shared[Tile::SHARED];
  int first_row, first_column;
  tile_origin(conv.c, Tile::ROWS, Tile::COLUMNS, first_row, first_column);
  __shared__ InputPhase phase;
  if (threadIdx.x == 0) phase.set(conv, int(blockIdx.z));
  __syncthreads();
  int pixels = phase.height * phase.width, rows = conv.n * pixels;
  int depth = phase.rows * phase.columns * conv.k;
  if (first_row >= rows || (accumulate && depth == 0)) return;
  OutputGradientWindows<T, VECTOR> windows = {output_gradient, conv, phase};
  PhaseWeights<T, VECTOR> filters = {weights, conv, phase};
  float sums[8][8];
  int steps = (depth + TILE_DEPTH - 1) / TILE_DEPTH;
  multiply_tile<Tile>(windows, filters, first_row, first_column, 0, steps, shared, sums);
  TilePlace<Tile> place;
#pragma unroll
  for (int i = 0; i < 8; i++) {
    int row = first_row + place.row_of(i);
    if (row >= rows) continue;
    int picture = row / pixels, in_picture = row % pixels;
    int h = phase.first_h + in_picture / phase.width * conv.stride_h;
    int w = phase.first_w + in_picture % phase.width * conv.stride_w;
    T* to = input_gradient + ((picture * conv.h + h) * conv.w + w) * conv.c;
    store_row<Tile, VECTOR>(to, sums[i], place, first_column, conv.c, accumulate);
  }
}

// blockIdx.z is the part of `part_pixels` output pixels; its sums go to its own range of `sums_of_parts`.
template <class Tile, class T, bool VECTOR>
__device__ __forceinline__ void conv_weight_gradient(const T* input, const T* output_gradient,
                                                     float* sums_of_parts, const ConvGeometry& conv,
                                                     int part_pixels, int accumulate) {
  alignas(16) __shared__ float shared[Tile::SHARED];
  int first_row, first_column;
  int columns = conv.r * conv.s * conv.c;
  tile_origin(columns, Tile::ROWS, Tile::COLUMNS, first_row, first_column);
  int part = int(blockIdx.z), first_pixel = part * part_pixels;
  int end = min(conv.n * conv.p * conv.q, first_pixel + part_pixels);
  MatrixAlongLines<T, VECTOR> gradients = {output_gradient, conv.k, end};
  InputTaps<T, VECTOR> taps = {input, conv, end};
  float sums[8][8];
  int steps = (end - first_pixel + TILE_DEPTH - 1) / TILE_DEPTH;
  multiply_tile<Tile>(gradients, taps, first_row, first_column, first_pixel, steps, shared, sums);
  TilePlace<Tile> place;
#pragma unroll
  for (int i = 0; i < 8; i++) {
    int row = first_row + place.row_of(i);
    if (row >= conv.k) continue;
    float* to = sums_of_parts + (part * conv.k + row) * columns;
    store_row<Tile, VECTOR>(to, sums[i], place, first_column, columns, accumulate);
  }
}

// The parts of a weight gradient, added in order.
KERNEL(256)
conv_sum_parts_f32(const float* partials, float* gradient, int elements, int parts, int accumulate) {
  store_sum_of_parts(partials, gradient, elements, parts, accumulate);
}

#define CONV_KERNELS(NAME, ROWS, COLUMNS, BLOCKS, VECTOR, T, DTYPE)                                       \
  RESIDENT_KERNEL(ROWS* COLUMNS / 64, BLOCKS)                                                             \
  conv_forward_##NAME##_##DTYPE(const T* input, const float* scale, const float* shift, const T* weights, \
                                T* output, float* partials, ConvGeometry conv) {                          \
    using Tile = RegisterTile<ROWS, COLUMNS>;                                                             \
    conv_forward<Tile, T, VECTOR>(input, scale, shift, weights, output, partials, conv);                  \
  }                                                                                                       \
  RESIDENT_KERNEL(ROWS* COLUMNS / 64, BLOCKS)                                                             \
  conv_input_gradient_##NAME##_##DTYPE(const T* output_gradient, const T* weights, T* input_gradient,     \
                                       ConvGeometry conv, int accumulate) {                               \
    using Tile = RegisterTile<ROWS, COLUMNS>;                                                             \
    conv_input_gradient<Tile, T, VECTOR>(output_gradient, weights, input_gradient, conv, accumulate);     \
  }                                                                                                       \
  RESIDENT_KERNEL(ROWS* COLUMNS / 64, BLOCKS)                                                             \
  conv_weight_gradient_##NAME##_##DTYPE(const T* input, const T* output_gradient, float* sums_of_parts,   \
                                        ConvGeometry conv, int part_pixels, int accumulate) {             \
    using Tile = RegisterTile<ROWS, COLUMNS>;                                                             \
    conv_weight_gradient<Tile, T, VECTOR>(input, output_gradient, sums_of_parts, conv, part_pixels,       \
                                          accumulate);                                                    \
  }

CONV_KERNELS(128x128, 128, 128, 2, true, float, f32)
CONV_KERNELS(64x64, 64, 64, 6, true, float, f32)
CONV_KERNELS(any, 64, 64, 6, false, float, f32)
#if HAS_BF16
CONV_KERNELS(any, 64, 64, 6, false, bf16, bf16)
#endif
