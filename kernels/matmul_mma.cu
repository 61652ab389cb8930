// Matrix product on tensor cores: [m, k] x [k, n] -> [m, n], either side stored transposed, plus a bias of f32
// for each column; bf16 with f32 sums, or f32 by way of TF32. Every row of the three matrices must be whole
// pieces of 16 bytes (8 bf16, 4 f32); only the kernels called `any` take bf16 rows of every length, slowly. Exact
// f32 is in matmul.cu.
//
// Tiles: wide 128 x 256 (8 warps, 96 KiB shared memory, one block a multiprocessor), square and any 128 x 128 (4
// warps, 64 KiB, two blocks), 4 stages of 64 bytes of depth. Blocks take tiles in bands of 8 rows of tiles, so that
// those at work at one time share rows and columns in the second-level cache.
// Limits: 2^31 - 1 elements a matrix.
// Moves (m k + k n + m n) elements at least, and m n k (1 / 256 + 1 / 128) elements through the second-level
// cache with wide tiles; does 2 m n k FLOPs.
// targets: sm_80

#include "common/mma_loaders.cuh"
#include "common/mma_store.cuh"

#if HAS_BF16

struct MatmulParameters {
  int m, n, k;
  Mode mode;
};

// Rows of tiles in a band.
constexpr int BAND = 8;

struct TilePlace {
  int row, column;
};

// Tile of a block: down the rows of a band first, then to the band's next column.
__device__ __forceinline__ TilePlace place_in_bands(int block, int tile_rows, int tile_columns) {
  int band = block / (BAND * tile_columns), within = block % (BAND * tile_columns);
  int height = min(BAND, tile_rows - band * BAND);
  return {band * BAND + within % height, within / height};
}

template <class Tile>
__device__ __forceinline__ void add_bias(Sums& sums, const float* bias, int first_column, int columns) {
  SumsPlace<Tile> place;
#pragma unroll
  for (int j = 0; j < 8; j++)
#pragma unroll
    for (int neighbour = 0; neighbour < 2; neighbour++) {
      int column = first_column + place.column + j * 8 + neighbour;
      float value = column < columns ? bias[column] : 0.0f;
#pragma unroll
      for (int i = 0; i < 4; i++) {
        sums.at[i][j][neighbour] += value;
        sums.at[i][j][2 + neighbour] += value;
      }
    }
}

// Loader of an operand in its order.
template <class Tile, class Staged, Order ORDER, bool WHOLE>
struct MatrixLoader : DepthFirstLoader<Tile, Staged, WHOLE> {
  __device__ __forceinline__ MatrixLoader(const typename Tile::T* matrix, int first_outer, int outer_count,
                                          int depth_count)
      : DepthFirstLoader<Tile, Staged, WHOLE>(matrix, first_outer, outer_count, depth_count) {}
};

template <class Tile, class Staged, bool WHOLE>
struct MatrixLoader<Tile, Staged, Order::OUTER_FIRST, WHOLE> : OuterFirstLoader<Tile, Staged, WHOLE> {
  __device__ __forceinline__ MatrixLoader(const typename Tile::T* matrix, int first_outer, int outer_count,
                                          int depth_count)
      : OuterFirstLoader<Tile, Staged, WHOLE>(matrix, first_outer, outer_count, 0, depth_count) {}
};

template <class Tile, bool WHOLE>
__device__ __forceinline__ void store_product(Sums& sums, unsigned char*, float* product, const MatrixRows& rows,
                                              int first_column, int columns, Mode mode) {
  store_f32<Tile>(sums, product, rows, first_column, columns, mode);
}

template <class Tile, bool WHOLE>
__device__ __forceinline__ void store_product(Sums& sums, unsigned char* shared, bf16* product,
                                              const MatrixRows& rows, int first_column, int columns, Mode mode) {
  stage_bf16<Tile, WHOLE>(sums, shared, product, rows, first_column, columns, mode);
  store_staged<Tile, WHOLE>(shared, product, rows, first_column, columns);
}

template <class Tile, bool WHOLE>
__device__ __forceinline__ void multiply_matrices(const typename Tile::T* left, const typename Tile::T* right,
                                                  const float* bias, typename Tile::T* product,
                                                  const MatmulParameters& parameters) {
  DYNAMIC_SHARED(shared);
  const auto [m, n, k, mode] = parameters;
  int tile_rows = (m + Tile::M - 1) / Tile::M, tile_columns = (n + Tile::N - 1) / Tile::N;
  TilePlace tile = place_in_bands(int(blockIdx.x), tile_rows, tile_columns);
  int first_row = tile.row * Tile::M, first_column = tile.column * Tile::N;

  MatrixLoader<Tile, typename Tile::Left, Tile::LEFT, WHOLE> left_loader(left, first_row, m, k);
  MatrixLoader<Tile, typename Tile::Right, Tile::RIGHT, WHOLE> right_loader(right, first_column, n, k);
  Sums sums;
  sums.clear();
  multiply_stages<Tile>(sums, shared, (k + Tile::DEPTH - 1) / Tile::DEPTH, left_loader, right_loader);
  if (bias != nullptr) add_bias<Tile>(sums, bias, first_column, n);
  store_product<Tile, WHOLE>(sums, shared, product, MatrixRows{first_row, m, n}, first_column, n, mode);
}

// In the names: n for a side as it is, t for one that is stored transposed, left then right.
#define MATMUL_KERNEL(threads, tile, sides, dtype, T, WARPS_N, WHOLE, LEFT, RIGHT)                             \
  KERNEL(threads)                                                                                              \
  matmul_mma_##tile##_##sides##_##dtype(const T* left, const T* right, const float* bias, T* product,          \
                                        MatmulParameters parameters) {                                         \
    using Tile = MmaTile<T, 2, WARPS_N, 4, LEFT, RIGHT>;                                                       \
    static_assert(Tile::THREADS == threads, "the tile has other threads");                                     \
    multiply_matrices<Tile, WHOLE>(left, right, bias, product, parameters);                                    \
  }

#define MATMUL_KERNELS(threads, tile, dtype, T, WARPS_N, WHOLE)                                                \
  MATMUL_KERNEL(threads, tile, nn, dtype, T, WARPS_N, WHOLE, Order::DEPTH_FIRST, Order::OUTER_FIRST)           \
  MATMUL_KERNEL(threads, tile, nt, dtype, T, WARPS_N, WHOLE, Order::DEPTH_FIRST, Order::DEPTH_FIRST)           \
  MATMUL_KERNEL(threads, tile, tn, dtype, T, WARPS_N, WHOLE, Order::OUTER_FIRST, Order::OUTER_FIRST)           \
  MATMUL_KERNEL(threads, tile, tt, dtype, T, WARPS_N, WHOLE, Order::OUTER_FIRST, Order::DEPTH_FIRST)

MATMUL_KERNELS(256, wide, bf16, bf16, 4, true)
MATMUL_KERNELS(128, square, bf16, bf16, 2, true)
MATMUL_KERNELS(128, any, bf16, bf16, 2, false)
MATMUL_KERNELS(128, square, f32, float, 2, true)

#endif
