// How the kernels of a network's first layer cut their work: tiles of 8x16 output pixels, each with the piece
// of the input that its windows see, brought into shared memory once. What is computed from it is in
// conv_stem.cu and conv_stem_mma.cu.
#pragma once

#include "common/divide.cuh"
#include "common/types.cuh"

constexpr int TILE_P = 8;
constexpr int TILE_Q = 16;
constexpr int TILE_PIXELS = TILE_P * TILE_Q;
constexpr int TILE_K = 64;

// The host's twin is `Geometry` in cuda/conv/stem.rs.
struct StemGeometry {
  int n, h, w, c;
  int k, r, s;
  int p, q;
  int stride_h, stride_w;
  int padding_h, padding_w;
  int patch_rows;     // rows of the input that a tile sees
  int patch_columns;  // and how many elements of each, or more
  int tiles;          // of pixels, over all pictures
  Divisor by_tiles_across;
  Divisor by_tiles_down;
  Divisor by_patch_columns;
};

// Where a tile lies.
struct StemTile {
  int picture;
  int first_p;
  int first_q;

  __device__ __forceinline__ StemTile(const StemGeometry& conv, int tile) {
    int across, down;
    picture = divide(divide(tile, conv.by_tiles_across, across), conv.by_tiles_down, down);
    first_p = down * TILE_P;
    first_q = across * TILE_Q;
  }
};

// A sum is made in floats, or a factor goes to the tensor cores as it is.
__device__ __forceinline__ void to_patch(float& place, float value) { place = value; }
__device__ __forceinline__ void to_patch(float& place, bf16 value) { place = to_float(value); }
__device__ __forceinline__ void to_patch(bf16& place, bf16 value) { place = value; }

// Elements of a patch that a thread has on their way at one time.
constexpr int PATCH_LOADS = 4;

// Brings what the tile sees of the input into shared memory; zero outside the picture.
template <class T, class Shared>
__device__ __forceinline__ void load_patch(const T* input, const StemGeometry& conv, const StemTile& tile,
                                           Shared* patch) {
  int top = tile.first_p * conv.stride_h - conv.padding_h;
  int left = (tile.first_q * conv.stride_w - conv.padding_w) * conv.c;
  int line = conv.w * conv.c, elements = conv.patch_rows * conv.patch_columns;
  const T* picture = input + tile.picture * conv.h * line;
  for (int first = int(threadIdx.x); first < elements; first += PATCH_LOADS * int(blockDim.x)) {
    T loaded[PATCH_LOADS];
#pragma unroll
    for (int j = 0; j < PATCH_LOADS; j++) {
      int column, row = divide(first + j * int(blockDim.x), conv.by_patch_columns, column);
      int y = top + row, x = left + column;
      bool inside = row < conv.patch_rows && uint32_t(y) < uint32_t(conv.h) && uint32_t(x) < uint32_t(line);
      loaded[j] = inside ? picture[y * line + x] : T{};
    }
#pragma unroll
    for (int j = 0; j < PATCH_LOADS; j++) {
      int i = first + j * int(blockDim.x);
      if (i < elements) to_patch(patch[i], loaded[j]);
    }
  }
}
