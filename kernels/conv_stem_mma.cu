// The first layer of a residual network on tensor cores, in bf16 with f32 sums: forward and weight gradient
// of the same shapes as conv_stem.cu, which is their twin on the ordinary float units.
// targets: sm_80
//
// Computes what conv.cu does. An output's window is `r` runs of `s c` neighbours in the patch that a block
// has brought into shared memory (common/stem_tile.cuh); windows overlap there, so nothing is unfolded.
// Tiling: 8x16 output pixels by 64 output channels a block of 128 threads.
//   forward          a warp has two rows of 16 pixels. Runs are cut into halves of a step of 16, filled up
//                    with zeros: seven runs of 21 make 21 halves, so 11 steps. Weights come prepared as the
//                    fragments that lanes load (`prepared_weight`); a lane's columns are 16 neighbouring
//                    channels, so that it stores them 16 bytes at a time. A block does `TILES_OF_BLOCK` tiles
//                    with the same weights.
//   weight gradient  a step is a row of 16 pixels. A warp has 40 of at most 160 taps and all 64 channels;
//                    their gradients lie in shared memory as `[pixel][channel]` in pieces of 16 bytes,
//                    swizzled by the pixel. A block sums over the tiles that are its part's, then
//                    conv_stem_mma_sum_parts adds the parts in order.
// Shared memory, for 7x7 with stride 2 and 3 channels: 26.7 KiB and 20.7 KiB. Limits: 48 KiB of it; a step of
// an even number of elements from a pixel's window to the next in the forward direction; 8 divides the
// output's channels; 2^31 - 1 elements in a tensor and of workspace.
// Moves at least input + weights + output; does 2 n p q k r s c FLOPs in each direction and a fifth more on
// zeros: at 7x7x3 into 64 channels 124 a byte, so that memory binds it.

#include "common/ptx.cuh"
#include "common/stem_tile.cuh"
#include "common/tile_store.cuh"

#if HAS_BF16

// Tiles of pixels that a block of the forward direction does, one after the other.
constexpr int TILES_OF_BLOCK = 4;
// Elements of half a step's depth, what a run is filled up to a multiple of.
constexpr int HALF_STEP = 8;
// What a step of prepared weights fills: depth 16 by 64 channels, in 32-bit registers.
constexpr int STEP_REGISTERS = 16 * TILE_K / 2;

__device__ __forceinline__ int half_steps_of_run(const StemGeometry& conv) {
  return (conv.s * conv.c + HALF_STEP - 1) / HALF_STEP;
}

__device__ __forceinline__ int steps_of_window(const StemGeometry& conv) {
  return (conv.r * half_steps_of_run(conv) + 1) / 2;
}

// The patch in bytes, with room for what fragments read beyond its end and do not use; a multiple of 16.
__device__ __forceinline__ int patch_bytes(const StemGeometry& conv) {
  return (conv.patch_rows * conv.patch_columns + 2 * HALF_STEP + 7) / 8 * 16;
}

// Walks through the half steps of a window.
struct HalfStepCursor {
  int row;
  int half;

  __device__ __forceinline__ void next(int halves) {
    if (++half == halves) {
      half = 0;
      row++;
    }
  }

  // Which half words of the pair that lane `t` of four reads in this half step are of the window.
  __device__ __forceinline__ uint32_t mask(const StemGeometry& conv, int t) const {
    int left = conv.s * conv.c - half * HALF_STEP - 2 * t;
    if (row >= conv.r || left <= 0) return 0;
    return left == 1 ? 0x0000FFFFu : 0xFFFFFFFFu;
  }
};

// Two neighbours in shared memory, at an even number of elements from its beginning.
__device__ __forceinline__ uint32_t load_pair(const bf16* from) {
  return *reinterpret_cast<const uint32_t*>(from);
}

// blockIdx.x has TILES_OF_BLOCK tiles of pixels, blockIdx.y is the tile of output channels.
KERNEL(128)
conv_stem_mma_forward_bf16(const bf16* input, const bf16* weights, bf16* output, StemGeometry conv) {
  DYNAMIC_SHARED(memory);
  bf16* patch = reinterpret_cast<bf16*>(memory);
  unsigned char* fragments = memory + patch_bytes(conv);
  int steps = steps_of_window(conv), halves = half_steps_of_run(conv);
  const bf16* prepared = weights + int(blockIdx.y) * steps * STEP_REGISTERS * 2;
  for (int i = int(threadIdx.x); i < steps * STEP_REGISTERS / 4; i += int(blockDim.x)) {
    cp_async<16>(fragments + i * 16, prepared + i * 8);
  }
  cp_async_commit();
  int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32, g = lane / 4, t = lane % 4;
  int step_across = conv.stride_w * conv.c;
  const bf16* windows = patch + 2 * warp * conv.stride_h * conv.patch_columns + g * step_across + 2 * t;
  int first_k = int(blockIdx.y) * TILE_K + t * 16;
  int first_tile = int(blockIdx.x) * TILES_OF_BLOCK;
  cp_async_wait<0>();
  for (int at = first_tile; at < min(first_tile + TILES_OF_BLOCK, conv.tiles); at++) {
    StemTile tile(conv, at);
    __syncthreads();
    load_patch(input, conv, tile, patch);
    __syncthreads();
    float sums[2][8][4] = {};
    HalfStepCursor cursor = {0, 0};
    for (int step = 0; step < steps; step++) {
      uint32_t pixels[2][4];
#pragma unroll
      for (int half = 0; half < 2; half++) {
        uint32_t mask = cursor.mask(conv, t);
        // Behind the last one it reads the first one again, for nothing.
        const bf16* window = windows;
        if (cursor.row < conv.r) window += cursor.row * conv.patch_columns + cursor.half * HALF_STEP;
#pragma unroll
        for (int row = 0; row < 2; row++) {
          const bf16* place = window + row * conv.stride_h * conv.patch_columns;
          pixels[row][half * 2] = load_pair(place) & mask;
          pixels[row][half * 2 + 1] = load_pair(place + 8 * step_across) & mask;
        }
        cursor.next(halves);
      }
      const unsigned char* filters = fragments + step * STEP_REGISTERS * 4 + lane * 16;
#pragma unroll
      for (int pair = 0; pair < 4; pair++) {
        Pack<uint32_t, 4> read = load_pack<4>(reinterpret_cast<const uint32_t*>(filters + pair * 512));
        uint32_t even[2] = {read.at[0], read.at[1]}, odd[2] = {read.at[2], read.at[3]};
#pragma unroll
        for (int row = 0; row < 2; row++) {
          mma_m16n8k16(sums[row][pair * 2], pixels[row], even);
          mma_m16n8k16(sums[row][pair * 2 + 1], pixels[row], odd);
        }
      }
    }
#pragma unroll
    for (int row = 0; row < 2; row++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        int p = tile.first_p + 2 * warp + row, q = tile.first_q + half * 8 + g;
        if (p >= conv.p || q >= conv.q) continue;
        bf16* pixel = output + ((tile.picture * conv.p + p) * conv.q + q) * conv.k;
#pragma unroll
        for (int part = 0; part < 2; part++) {
          if (first_k + part * 8 >= conv.k) continue;
          Pack<uint32_t, 4> rounded;
#pragma unroll
          for (int j = 0; j < 4; j++) {
            const float* pair = sums[row][part * 4 + j] + half * 2;
            rounded.at[j] = pack_bf16(pair[0], pair[1]);
          }
          store_pack<4>(reinterpret_cast<uint32_t*>(pixel + first_k + part * 8), rounded);
        }
      }
    }
  }
}

// The weight at element `index` of the prepared ones, `[k / 64][step][pair of column
// tiles][lane][register][2]`. Column `n` of column tile `j` is channel `n / 2 * 16 + 2 j + n % 2`.
__device__ __forceinline__ float prepared_weight(const float* weights, const StemGeometry& conv, int index) {
  // The hardware's division: this runs over the weights alone.
  int steps = steps_of_window(conv), halves = half_steps_of_run(conv), run = conv.s * conv.c;
  int part = index % 2, place = index / 2;
  int within = place % 4, lane = place / 4 % 32, pair = place / 128 % 4;
  int step = place / STEP_REGISTERS % steps, tile = place / STEP_REGISTERS / steps;
  int column = pair * 2 + within / 2, n = lane / 4;
  int k = tile * TILE_K + n / 2 * 16 + column * 2 + n % 2;
  int half = step * 2 + within % 2;
  int row = half / halves, tap = half % halves * HALF_STEP + lane % 4 * 2 + part;
  bool exists = k < conv.k && row < conv.r && tap < run;
  return exists ? weights[(k * conv.r + row) * run + tap] : 0.0f;
}

KERNEL(256)
conv_stem_mma_prepare_bf16(const float* weights, bf16* prepared, StemGeometry conv, int elements) {
  int index = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (index < elements) prepared[index] = from_float<bf16>(prepared_weight(weights, conv, index));
}

// Column tiles of 8 taps that a warp of the weight gradient has.
constexpr int TAP_TILES = 5;

// Where the piece of 8 channels that begins at `8 piece` of a pixel's 64 gradients lies.
__device__ __forceinline__ bf16* gradient_piece(bf16* gradients, int pixel, int piece) {
  return gradients + pixel * TILE_K + (piece ^ pixel % 8) * 8;
}

// Brings the tile's piece of the output's gradient into shared memory; zero where there is no pixel or
// channel.
__device__ __forceinline__ void load_gradients(const bf16* output_gradient, const StemGeometry& conv,
                                               const StemTile& tile, int first_k, bf16* gradients) {
  for (int i = int(threadIdx.x); i < TILE_PIXELS * TILE_K / 8; i += int(blockDim.x)) {
    int pixel = i / (TILE_K / 8), piece = i % (TILE_K / 8), k = first_k + piece * 8;
    int p = tile.first_p + pixel / TILE_Q, q = tile.first_q + pixel % TILE_Q;
    bool exists = p < conv.p && q < conv.q && k < conv.k;
    int place = exists ? ((tile.picture * conv.p + p) * conv.q + q) * conv.k + k : 0;
    cp_async<16>(gradient_piece(gradients, pixel, piece), output_gradient + place, exists ? 16 : 0);
  }
}

// blockIdx.x is the part: every `gridDim.x`-th tile; blockIdx.y the tile of output channels. The sums go to
// the part's own range of `sums_of_parts`.
KERNEL(128)
conv_stem_mma_weight_gradient_bf16(const bf16* input, const bf16* output_gradient, float* sums_of_parts,
                                   StemGeometry conv, int accumulate) {
  DYNAMIC_SHARED(memory);
  bf16* gradients = reinterpret_cast<bf16*>(memory);
  bf16* patch = gradients + TILE_PIXELS * TILE_K;
  int first_k = int(blockIdx.y) * TILE_K, run = conv.s * conv.c, taps = conv.r * run;
  int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32, g = lane / 4, t = lane % 4;
  int step_across = conv.stride_w * conv.c;
  int offsets[TAP_TILES];
#pragma unroll
  for (int j = 0; j < TAP_TILES; j++) {
    int tap = (warp * TAP_TILES + j) * 8 + g;
    offsets[j] = (tap < taps ? tap / run * conv.patch_columns + tap % run : 0) + 2 * t * step_across;
  }
  float sums[4][TAP_TILES][4] = {};
  for (int at = int(blockIdx.x); at < conv.tiles; at += int(gridDim.x)) {
    StemTile tile(conv, at);
    __syncthreads();
    load_gradients(output_gradient, conv, tile, first_k, gradients);
    cp_async_commit();
    load_patch(input, conv, tile, patch);
    cp_async_wait<0>();
    __syncthreads();
    for (int row = 0; row < TILE_P; row++) {
      uint32_t channels[4][4];
#pragma unroll
      for (int i = 0; i < 4; i++) {
        int pixel = row * TILE_Q + lane / 16 * 8 + lane % 8, piece = i * 2 + lane / 8 % 2;
        ldmatrix_x4_trans(channels[i], gradient_piece(gradients, pixel, piece));
      }
      const bf16* windows = patch + row * conv.stride_h * conv.patch_columns;
#pragma unroll
      for (int j = 0; j < TAP_TILES; j++) {
        const bf16* window = windows + offsets[j];
        uint32_t values[2];
#pragma unroll
        for (int half = 0; half < 2; half++) {
          const bf16* pair = window + half * 8 * step_across;
          values[half] = pair[0].bits | uint32_t(pair[step_across].bits) << 16;
        }
#pragma unroll
        for (int i = 0; i < 4; i++) mma_m16n8k16(sums[i][j], channels[i], values);
      }
    }
  }
  float* part = sums_of_parts + int(blockIdx.x) * conv.k * taps;
#pragma unroll
  for (int i = 0; i < 4; i++) {
#pragma unroll
    for (int j = 0; j < TAP_TILES; j++) {
#pragma unroll
      for (int e = 0; e < 4; e++) {
        int k = first_k + i * 16 + e / 2 * 8 + g, tap = (warp * TAP_TILES + j) * 8 + 2 * t + e % 2;
        if (k >= conv.k || tap >= taps) continue;
        float* to = part + k * taps + tap;
        *to = accumulate ? *to + sums[i][j][e] : sums[i][j][e];
      }
    }
  }
}

#endif

// The parts of a weight gradient, added in order.
KERNEL(256)
conv_stem_mma_sum_parts_f32(const float* partials, float* gradient, int elements, int parts, int accumulate) {
  store_sum_of_parts(partials, gradient, elements, parts, accumulate);
}
