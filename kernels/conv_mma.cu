// Convolution on tensor cores, NHWC pictures by KRSC weights without groups, as implicit matrix products: bf16
// with f32 sums, or f32 by way of TF32. Channels of input and output must be whole pieces of 16 bytes (8 bf16,
// 4 f32); everything else is in conv.cu, conv_grouped.cu and conv_stem.cu.
//
//   forward          rows: output pixels, columns: k, depth: taps and c. Weights as they lie.
//   input gradient   one launch over all phases of the stride (input pixels that the same taps reach); rows: the
//                    phase's pixels, columns: c, depth: its taps and k. Weights as they lie: read transposed.
//   weight gradient  rows: k, columns: taps and c, depth: output pixels, in parts of a fixed length with a sum of
//                    their own, added in order by conv_mma_sum_parts_f32. Both operands are read transposed.
// The forward kernels take batch norm's partial statistics of what they store, a part for each 128 rows; those
// called `scaled` read relu(input * scale + shift), a scale and shift a channel.
//
// Tiles of 64 x 64 a warp: square 128 x 128, wide 128 x 256, tall 256 x 64, flat 64 x 256; 64 bytes of depth a
// stage. Shared memory: 64 and 96 KiB (4 stages), 60 and 60 KiB (3 stages); a tall tile that reads windows 2 KiB
// more, an input gradient's 4 bytes a row more. Wide: 256 threads, one block a multiprocessor; others: 128
// threads, two blocks. Columns of tiles run fastest, so
// that blocks at work at one time share the pixels in the second-level cache.
// Limits: 2^31 - 1 elements a tensor, pictures of at most 32,000 pixels a side.
// Moves input + weights + output at least, and the input once a tap through the second-level cache; does
// 2 n p q k r s c FLOPs in each direction.
// targets: sm_80

#include "common/mma_conv_loaders.cuh"

#if HAS_BF16

template <class T, Order LEFT, Order RIGHT>
struct Tiles {
  using Square = MmaTile<T, 2, 2, 4, LEFT, RIGHT>;
  using Wide = MmaTile<T, 2, 4, 4, LEFT, RIGHT>;
  using Tall = MmaTile<T, 4, 1, 3, LEFT, RIGHT>;
  using Flat = MmaTile<T, 1, 4, 3, LEFT, RIGHT>;
};

struct TileOrigin {
  int row, column;
};

// Columns of tiles run fastest.
template <class Tile>
__device__ __forceinline__ TileOrigin tile_origin(int columns) {
  int across = (columns + Tile::N - 1) / Tile::N;
  return {int(blockIdx.x) / across * Tile::M, int(blockIdx.x) % across * Tile::N};
}

template <class Tile>
__device__ __forceinline__ int stages_of(int depth) {
  return (depth + Tile::DEPTH - 1) / Tile::DEPTH;
}

template <class Tile, class Rows>
__device__ __forceinline__ void store_output(Sums& sums, unsigned char*, float* output, const Rows& rows,
                                             int first_column, int columns, Mode mode) {
  store_f32<Tile>(sums, output, rows, first_column, columns, mode);
}

template <class Tile, class Rows>
__device__ __forceinline__ void store_output(Sums& sums, unsigned char* shared, bf16* output, const Rows& rows,
                                             int first_column, int columns, Mode mode) {
  stage_bf16<Tile>(sums, shared, output, rows, first_column, columns, mode);
  store_staged<Tile>(shared, output, rows, first_column, columns);
}

template <class Tile, bool SCALED>
__device__ __forceinline__ void convolve(const typename Tile::T* input, const float* scale, const float* shift,
                                         const typename Tile::T* weights, typename Tile::T* output, float* partials,
                                         const ConvGeometry& conv) {
  DYNAMIC_SHARED(shared);
  TileOrigin origin = tile_origin<Tile>(conv.k);
  int rows = conv.n * conv.p * conv.q, depth = conv.r * conv.s * conv.c;

  WindowLoader<Tile, 1, SCALED> windows(input, scale, shift, {conv.h, conv.w, conv.c, conv.r, conv.s},
                                        shared + Tile::SHARED_BYTES);
#pragma unroll
  for (int pass = 0; pass < windows.share.PASSES; pass++) {
    int in_picture, column, pixel = origin.row + windows.share.row(pass);
    int picture = divide(pixel, conv.by_output_pixels, in_picture);
    int row = divide(in_picture, conv.by_q, column);
    windows.set_window(pass, pixel < rows, picture, row * conv.stride_h - conv.padding_h,
                       column * conv.stride_w - conv.padding_w);
  }
  DepthFirstLoader<Tile, typename Tile::Right> filters(weights, origin.column, conv.k, depth);
  Sums sums;
  sums.clear();
  multiply_stages<Tile>(sums, shared, stages_of<Tile>(depth), windows, filters);
  store_output<Tile>(sums, shared, output, MatrixRows{origin.row, rows, conv.k}, origin.column, conv.k, Mode::WRITE);
  if constexpr (sizeof(typename Tile::T) == 2) {
    if (partials != nullptr) store_statistics<Tile>(shared, partials, origin.row, rows, origin.column, conv.k);
  }
}

// Rows of a tile that lie wherever a table in shared memory says.
struct TableRows {
  const int* starts;

  __device__ __forceinline__ int at(int row) const { return starts[row]; }
};

// blockIdx.z is the phase.
template <class Tile>
__device__ __forceinline__ void convolve_gradient(const typename Tile::T* output_gradient,
                                                  const typename Tile::T* weights,
                                                  typename Tile::T* input_gradient, const ConvGeometry& conv,
                                                  Mode mode) {
  DYNAMIC_SHARED(shared);
  TileOrigin origin = tile_origin<Tile>(conv.c);
  InputPhase phase;
  phase.set(conv, int(blockIdx.z));
  int pixels = phase.height * phase.width, rows = conv.n * pixels;
  int depth = phase.rows * phase.columns * conv.k;
  if (origin.row >= rows || (mode == Mode::ACCUMULATE && depth == 0)) return;

  // Divides as the hardware does: the divisors are the phase's, and a thread has few rows.
  int* starts = reinterpret_cast<int*>(shared + Tile::SHARED_BYTES);
  for (int row = int(threadIdx.x); row < Tile::M; row += Tile::THREADS) {
    int pixel = origin.row + row, picture = pixel / pixels, in_picture = pixel % pixels;
    int h = phase.first_h + in_picture / phase.width * conv.stride_h;
    int w = phase.first_w + in_picture % phase.width * conv.stride_w;
    starts[row] = pixel < rows ? ((picture * conv.h + h) * conv.w + w) * conv.c : -1;
  }
  WindowLoader<Tile, -1, false> windows(output_gradient, nullptr, nullptr,
                                        {conv.p, conv.q, conv.k, phase.rows, phase.columns},
                                        shared + Tile::SHARED_BYTES + Tile::M * int(sizeof(int)));
#pragma unroll
  for (int pass = 0; pass < windows.share.PASSES; pass++) {
    int pixel = origin.row + windows.share.row(pass), in_picture = pixel % pixels;
    windows.set_window(pass, pixel < rows, pixel / pixels, phase.first_p + in_picture / phase.width,
                       phase.first_q + in_picture % phase.width);
  }
  PhaseWeightsLoader<Tile> filters(weights, origin.column, conv, phase);
  Sums sums;
  sums.clear();
  multiply_stages<Tile>(sums, shared, stages_of<Tile>(depth), windows, filters);
  // The barriers of the loop stand between the table and its readers; a phase that no tap reaches has no loop.
  if (depth == 0) __syncthreads();
  store_output<Tile>(sums, shared, input_gradient, TableRows{starts}, origin.column, conv.c, mode);
}

// blockIdx.z is the part of `part_pixels` output pixels; its sums go to its own range of `parts`.
template <class Tile>
__device__ __forceinline__ void convolve_weights(const typename Tile::T* input,
                                                 const typename Tile::T* output_gradient, float* parts,
                                                 const ConvGeometry& conv, int part_pixels, Mode mode) {
  DYNAMIC_SHARED(shared);
  int columns = conv.r * conv.s * conv.c;
  TileOrigin origin = tile_origin<Tile>(columns);
  int part = int(blockIdx.z), first_pixel = part * part_pixels;
  int end = min(conv.n * conv.p * conv.q, first_pixel + part_pixels);
  OuterFirstLoader<Tile, typename Tile::Left> gradients(output_gradient, origin.row, conv.k, first_pixel, end);
  TapsLoader<Tile> taps(input, origin.column, first_pixel, end, conv);
  Sums sums;
  sums.clear();
  multiply_stages<Tile>(sums, shared, stages_of<Tile>(end - first_pixel), gradients, taps);
  float* destination = parts + part * conv.k * columns;
  store_f32<Tile>(sums, destination, MatrixRows{origin.row, conv.k, columns}, origin.column, columns, mode);
}

template <class T>
using ForwardTiles = Tiles<T, Order::DEPTH_FIRST, Order::DEPTH_FIRST>;
template <class T>
using InputGradientTiles = Tiles<T, Order::DEPTH_FIRST, Order::OUTER_FIRST>;
template <class T>
using WeightGradientTiles = Tiles<T, Order::OUTER_FIRST, Order::OUTER_FIRST>;

#define FORWARD_KERNEL(threads, name, T, Tile, SCALED)                                                          \
  KERNEL(threads)                                                                                               \
  conv_mma_forward_##name(const T* input, const float* scale, const float* shift, const T* weights, T* output, \
                          float* partials, ConvGeometry conv) {                                                 \
    static_assert(ForwardTiles<T>::Tile::THREADS == threads, "the tile has other threads");                     \
    convolve<ForwardTiles<T>::Tile, SCALED>(input, scale, shift, weights, output, partials, conv);              \
  }

#define INPUT_GRADIENT_KERNEL(threads, name, T, Tile)                                                           \
  KERNEL(threads)                                                                                               \
  conv_mma_input_gradient_##name(const T* output_gradient, const T* weights, T* input_gradient,                 \
                                 ConvGeometry conv, Mode mode) {                                                \
    static_assert(InputGradientTiles<T>::Tile::THREADS == threads, "the tile has other threads");               \
    convolve_gradient<InputGradientTiles<T>::Tile>(output_gradient, weights, input_gradient, conv, mode);       \
  }

#define WEIGHT_GRADIENT_KERNEL(threads, name, T, Tile)                                                          \
  KERNEL(threads)                                                                                               \
  conv_mma_weight_gradient_##name(const T* input, const T* output_gradient, float* parts, ConvGeometry conv,    \
                                  int part_pixels, Mode mode) {                                                 \
    static_assert(WeightGradientTiles<T>::Tile::THREADS == threads, "the tile has other threads");              \
    convolve_weights<WeightGradientTiles<T>::Tile>(input, output_gradient, parts, conv, part_pixels, mode);     \
  }

FORWARD_KERNEL(128, square_bf16, bf16, Square, false)
FORWARD_KERNEL(256, wide_bf16, bf16, Wide, false)
FORWARD_KERNEL(128, tall_bf16, bf16, Tall, false)
FORWARD_KERNEL(128, scaled_square_bf16, bf16, Square, true)
FORWARD_KERNEL(256, scaled_wide_bf16, bf16, Wide, true)
FORWARD_KERNEL(128, scaled_tall_bf16, bf16, Tall, true)
FORWARD_KERNEL(128, square_f32, float, Square, false)

INPUT_GRADIENT_KERNEL(128, square_bf16, bf16, Square)
INPUT_GRADIENT_KERNEL(256, wide_bf16, bf16, Wide)
INPUT_GRADIENT_KERNEL(128, tall_bf16, bf16, Tall)
INPUT_GRADIENT_KERNEL(128, square_f32, float, Square)

WEIGHT_GRADIENT_KERNEL(128, square_bf16, bf16, Square)
WEIGHT_GRADIENT_KERNEL(128, tall_bf16, bf16, Tall)
WEIGHT_GRADIENT_KERNEL(128, flat_bf16, bf16, Flat)
WEIGHT_GRADIENT_KERNEL(128, square_f32, float, Square)

// Threads that share the parts of four elements, and such fours a block of 256 threads.
constexpr int SHARERS = 4, FOURS = 64;

// The parts of a weight gradient, 256 elements a block: each thread adds every fourth part in order, then one adds
// the four in order.
KERNEL(256)
conv_mma_sum_parts_f32(const float* parts, float* gradient, int elements, int count, Mode mode) {
  __shared__ Pack<float, 4> shares[SHARERS][FOURS];
  int column = int(threadIdx.x) % FOURS, sharer = int(threadIdx.x) / FOURS;
  int at = (int(blockIdx.x) * FOURS + column) * 4;
  Pack<float, 4> sum = {{0.0f, 0.0f, 0.0f, 0.0f}};
  if (at < elements) {
#pragma unroll 4
    for (int part = sharer; part < count; part += SHARERS) {
      Pack<float, 4> of_part = load_pack<4>(parts + part * elements + at);
#pragma unroll
      for (int e = 0; e < 4; e++) sum.at[e] += of_part.at[e];
    }
  }
  shares[sharer][column] = sum;
  __syncthreads();
  if (sharer != 0 || at >= elements) return;
  for (int other = 1; other < SHARERS; other++) {
#pragma unroll
    for (int e = 0; e < 4; e++) sum.at[e] += shares[other][column].at[e];
  }
  if (mode == Mode::ACCUMULATE) {
    Pack<float, 4> before = load_pack<4>(gradient + at);
#pragma unroll
    for (int e = 0; e < 4; e++) sum.at[e] += before.at[e];
  }
  store_pack(gradient + at, sum);
}

#endif
