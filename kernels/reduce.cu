// Sums, means and maxima of a [rows, columns] matrix of f32 along its rows, along its columns, or of
// everything (one row). Two stages: blocks take parts of what is to be joined, whose size depends on the
// shape alone, and a warp joins the parts of each result in f64. The order is fixed: the same bits every run.
//
//  - rows: a block of 256 threads takes one part of one row, in packs of 16 bytes where the rows are aligned;
//    four packs of a thread are in flight.
//  - short rows: a warp takes a whole row and needs no second stage.
//  - columns: a block takes 32 columns of one part of the rows with 8 threads a column, four rows of a thread
//    in flight; 1 KiB of shared memory.
//  - join: a warp a result, over [parts, results].
// Each element is read once and used for one FLOP: 4 bytes an element, and 8 bytes a partial result, of which
// there are at most 1024 a result.
// targets: sm_75
#include "common/reduce.cuh"
#include "common/vectors.cuh"

namespace {

constexpr int THREADS = VECTOR_THREADS;
constexpr int WARPS = THREADS / WARP_SIZE;

// Loads of a thread that are in flight together.
constexpr int UNROLL = 4;

// The numbers of the reductions; the host's are in cuda/reduce.rs.
enum Reduction { SUM, MEAN, MAXIMUM };

// What becomes of a joined result: `count` elements were taken together.
__device__ __forceinline__ float finished(int reduction, double joined, uint32_t count) {
  return float(reduction == MEAN ? joined / double(count) : joined);
}

// Values as a tree, which loses less than a chain.
template <class Operation, int N>
__device__ __forceinline__ float join_all(float (&values)[N]) {
#pragma unroll
  for (int half = N / 2; half > 0; half /= 2) {
#pragma unroll
    for (int i = 0; i < half; i++) values[i] = Operation::join(values[i], values[i + half]);
  }
  return values[0];
}

// What one of `threads` threads finds in `len` values from `from` on.
template <class Operation>
__device__ __forceinline__ float scan(const float* __restrict__ from, uint32_t len, bool vectors,
                                      uint32_t thread, uint32_t threads) {
  constexpr int WIDTH = WIDEST<float>;
  const uint32_t packs = vectors ? len / WIDTH : 0;
  float total = Operation::identity();
  for (uint32_t pack = thread; pack < packs; pack += UNROLL * threads) {
    float values[UNROLL][WIDTH], joined[UNROLL];
#pragma unroll
    for (int u = 0; u < UNROLL; u++) {
#pragma unroll
      for (int i = 0; i < WIDTH; i++) values[u][i] = Operation::identity();
      const uint32_t own = pack + u * threads;
      if (own < packs) load_values(from + own * WIDTH, values[u]);
    }
#pragma unroll
    for (int u = 0; u < UNROLL; u++) joined[u] = join_all<Operation>(values[u]);
    total = Operation::join(total, join_all<Operation>(joined));
  }
  for (uint32_t i = packs * WIDTH + thread; i < len; i += UNROLL * threads) {
    float values[UNROLL];
#pragma unroll
    for (int u = 0; u < UNROLL; u++) {
      const uint32_t own = i + u * threads;
      values[u] = own < len ? from[own] : Operation::identity();
    }
    total = Operation::join(total, join_all<Operation>(values));
  }
  return total;
}

// The twin of cuda/reduce.rs.
struct Matrix {
  uint32_t rows, columns;
  uint32_t part;   // elements of a row, or rows, that a block takes
  uint32_t parts;
  uint32_t vectors;  // every row and every part of it begins at a multiple of 16 bytes
  int reduction;
};

template <class Operation>
__device__ __forceinline__ float part_of_row(const float* input, const Matrix& matrix, float* scratch) {
  const uint32_t row = blockIdx.x / matrix.parts, start = blockIdx.x % matrix.parts * matrix.part;
  const uint32_t rest = matrix.columns - start, len = rest < matrix.part ? rest : matrix.part;
  const float* from = input + row * matrix.columns + start;
  return block_reduce<Operation, THREADS>(scan<Operation>(from, len, matrix.vectors, threadIdx.x, THREADS),
                                          scratch);
}

template <class Operation>
__device__ __forceinline__ float part_of_column(const float* input, const Matrix& matrix, uint32_t column,
                                                uint32_t start, float (*scratch)[WARP_SIZE]) {
  const uint32_t lane = threadIdx.x / WARP_SIZE, place = threadIdx.x % WARP_SIZE;
  const uint32_t rest = matrix.rows - start, end = start + (rest < matrix.part ? rest : matrix.part);
  float total = Operation::identity();
  if (column < matrix.columns) {
    for (uint32_t row = start + lane; row < end; row += UNROLL * WARPS) {
      float values[UNROLL];
#pragma unroll
      for (int u = 0; u < UNROLL; u++) {
        const uint32_t own = row + u * WARPS;
        values[u] = own < end ? input[own * matrix.columns + column] : Operation::identity();
      }
      total = Operation::join(total, join_all<Operation>(values));
    }
  }
  scratch[lane][place] = total;
  __syncthreads();
  float lanes[WARPS];
#pragma unroll
  for (int i = 0; i < WARPS; i++) lanes[i] = scratch[i][place];
  return join_all<Operation>(lanes);
}

__device__ __forceinline__ double larger(double a, double b) { return a >= b || a != a ? a : b; }

}  // namespace

// A block a part of a row, of `rows * parts` blocks: [parts, rows] partial results, or the results themselves
// if there is one part.
KERNEL(256) reduce_rows_f32(const float* input, float* output, Matrix matrix) {
  __shared__ float scratch[WARPS];
  const float joined = matrix.reduction == MAXIMUM ? part_of_row<Max>(input, matrix, scratch)
                                                   : part_of_row<Sum>(input, matrix, scratch);
  if (threadIdx.x != 0) return;
  const uint32_t row = blockIdx.x / matrix.parts, part = blockIdx.x % matrix.parts;
  output[part * matrix.rows + row] =
      matrix.parts == 1 ? finished(matrix.reduction, joined, matrix.columns) : joined;
}

// A warp a row.
KERNEL(256) reduce_short_rows_f32(const float* input, float* output, Matrix matrix) {
  const uint32_t row = blockIdx.x * WARPS + threadIdx.x / WARP_SIZE, lane = threadIdx.x % WARP_SIZE;
  if (row >= matrix.rows) return;
  const float* from = input + row * matrix.columns;
  const float joined =
      matrix.reduction == MAXIMUM
          ? warp_max(scan<Max>(from, matrix.columns, matrix.vectors, lane, WARP_SIZE))
          : warp_sum(scan<Sum>(from, matrix.columns, matrix.vectors, lane, WARP_SIZE));
  if (lane == 0) output[row] = finished(matrix.reduction, joined, matrix.columns);
}

// Blocks along x take 32 columns each, along y parts of the rows: [parts, columns] partial results, or the
// results themselves if there is one part.
KERNEL(256) reduce_columns_f32(const float* input, float* output, Matrix matrix) {
  __shared__ float scratch[WARPS][WARP_SIZE];
  const uint32_t column = blockIdx.x * WARP_SIZE + threadIdx.x % WARP_SIZE, part = blockIdx.y;
  const uint32_t start = part * matrix.part;
  const float joined = matrix.reduction == MAXIMUM
                           ? part_of_column<Max>(input, matrix, column, start, scratch)
                           : part_of_column<Sum>(input, matrix, column, start, scratch);
  if (threadIdx.x >= WARP_SIZE || column >= matrix.columns) return;
  output[part * matrix.columns + column] =
      matrix.parts == 1 ? finished(matrix.reduction, joined, matrix.rows) : joined;
}

// A warp a result: joins [parts, results] partial results, each of a share of `count` elements.
KERNEL(256) reduce_join_f32(const float* partials, float* output, uint32_t results, uint32_t parts,
                            uint32_t count, int reduction) {
  const uint32_t result = blockIdx.x * WARPS + threadIdx.x / WARP_SIZE, lane = threadIdx.x % WARP_SIZE;
  if (result >= results) return;
  const bool maximum = reduction == MAXIMUM;
  double total = maximum ? double(Max::identity()) : 0.0;
  for (uint32_t part = lane; part < parts; part += WARP_SIZE) {
    const double partial = partials[part * results + result];
    total = maximum ? larger(total, partial) : total + partial;
  }
#pragma unroll
  for (int distance = WARP_SIZE / 2; distance > 0; distance /= 2) {
    const double other = __shfl_xor_sync(ALL_LANES, total, distance);
    total = maximum ? larger(total, other) : total + other;
  }
  if (lane == 0) output[result] = finished(reduction, total, count);
}
