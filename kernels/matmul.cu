// Matrix products in f32 on the ordinary float units: `left x right (+ bias)`, either side stored transposed.
// Tensor cores are in matmul_mma.cu.
// targets: sm_75
//
// Computes product[i, j] = sum_d left[i, d] right[d, j] + bias[j], written or added to what lies there. In
// the names, n and t say of the left and of the right side whether it is stored as it is or transposed.
// Tiling: 128x128 or 64x64 elements a block of 256 or 64 threads, 8x8 a thread, 8 of the depth a step
// (common/register_tile.cuh). The `any` kernels (64x64) move element by element, for lengths that 4 does not
// divide. A product with few tiles is split along its depth: each part writes its own sums into the workspace
// and matmul_sum_parts adds them in order.
// Shared memory: 16.5 KiB or 8.5 KiB. Limits: 2^31 - 1 elements in a matrix and of workspace.
// Moves at least left + right + product; does 2 m n k FLOPs. A step of a 128x128 tile reads 8 KiB for
// 256 kFLOPs, so that a large product is bound by the float units.

#include "common/divide.cuh"
#include "common/tile_store.cuh"

// The host's twin is `Parameters` in cuda/matmul/simt.rs.
struct MatmulParameters {
  int m, n, k;
  // Of one part, the last one perhaps less; a multiple of 8.
  int part_depth;
  int accumulate;
};

// A side of the product: `lines` of `depth` elements.
template <bool ALONG_DEPTH, bool VECTOR>
struct MatmulSide;

template <bool VECTOR>
struct MatmulSide<true, VECTOR> : MatrixAlongDepth<float, VECTOR> {
  __device__ __forceinline__ MatmulSide(const float* elements, int lines, int depth, int end)
      : MatrixAlongDepth<float, VECTOR>{elements, lines, depth, end} {}
};

template <bool VECTOR>
struct MatmulSide<false, VECTOR> : MatrixAlongLines<float, VECTOR> {
  __device__ __forceinline__ MatmulSide(const float* elements, int lines, int, int end)
      : MatrixAlongLines<float, VECTOR>{elements, lines, end} {}
};

// blockIdx.x is the tile, columns fastest; blockIdx.z the part.
template <class Tile, bool LEFT_TRANSPOSED, bool RIGHT_TRANSPOSED, bool VECTOR>
__device__ __forceinline__ void matmul(const float* left_matrix, const float* right_matrix, const float* bias,
                                       float* product, const MatmulParameters& by) {
  alignas(16) __shared__ float shared[Tile::SHARED];
  int across = (by.n + Tile::COLUMNS - 1) / Tile::COLUMNS;
  int first_row = int(blockIdx.x) / across * Tile::ROWS;
  int first_column = int(blockIdx.x) % across * Tile::COLUMNS;
  int first_depth = int(blockIdx.z) * by.part_depth, end = min(by.k, first_depth + by.part_depth);
  MatmulSide<!LEFT_TRANSPOSED, VECTOR> left(left_matrix, by.m, by.k, end);
  MatmulSide<RIGHT_TRANSPOSED, VECTOR> right(right_matrix, by.n, by.k, end);
  float sums[8][8];
  int steps = (end - first_depth + TILE_DEPTH - 1) / TILE_DEPTH;
  multiply_tile<Tile>(left, right, first_row, first_column, first_depth, steps, shared, sums);
  TilePlace<Tile> place;
  if (bias != nullptr) {
#pragma unroll
    for (int j = 0; j < 8; j++) {
      int column = first_column + place.column_of(j);
      float summand = column < by.n ? bias[column] : 0.0f;
#pragma unroll
      for (int i = 0; i < 8; i++) sums[i][j] += summand;
    }
  }
  float* part = product + int(blockIdx.z) * by.m * by.n;
#pragma unroll
  for (int i = 0; i < 8; i++) {
    int row = first_row + place.row_of(i);
    if (row >= by.m) continue;
    store_row<Tile, VECTOR>(part + row * by.n, sums[i], place, first_column, by.n, by.accumulate);
  }
}

// The parts of a split product, added in order.
KERNEL(256)
matmul_sum_parts_f32(const float* partials, const float* bias, float* product, Divisor by_columns,
                     int elements, int parts, int accumulate) {
  float sum = sum_parts(partials, elements, parts);
  int column, index = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (index >= elements) return;
  divide(index, by_columns, column);
  if (bias != nullptr) sum += bias[column];
  product[index] = accumulate ? product[index] + sum : sum;
}

#define MATMUL_KERNEL(SIDES, LEFT_TRANSPOSED, RIGHT_TRANSPOSED, NAME, ROWS, COLUMNS, BLOCKS, VECTOR)      \
  RESIDENT_KERNEL(ROWS* COLUMNS / 64, BLOCKS)                                                             \
  matmul_##SIDES##_##NAME##_f32(const float* left, const float* right, const float* bias, float* product, \
                                MatmulParameters by) {                                                    \
    using Tile = RegisterTile<ROWS, COLUMNS>;                                                             \
    matmul<Tile, LEFT_TRANSPOSED, RIGHT_TRANSPOSED, VECTOR>(left, right, bias, product, by);              \
  }

#define MATMUL_KERNELS(SIDES, LEFT_TRANSPOSED, RIGHT_TRANSPOSED)                      \
  MATMUL_KERNEL(SIDES, LEFT_TRANSPOSED, RIGHT_TRANSPOSED, 128x128, 128, 128, 2, true) \
  MATMUL_KERNEL(SIDES, LEFT_TRANSPOSED, RIGHT_TRANSPOSED, 64x64, 64, 64, 6, true)     \
  MATMUL_KERNEL(SIDES, LEFT_TRANSPOSED, RIGHT_TRANSPOSED, any, 64, 64, 6, false)

MATMUL_KERNELS(nn, false, false)
MATMUL_KERNELS(nt, false, true)
MATMUL_KERNELS(tn, true, false)
MATMUL_KERNELS(tt, true, true)
