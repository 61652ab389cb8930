// What becomes of a register tile's sums: stores of four neighbours, partial statistics for batch norm,
// and the sum of the parts that a long depth was split into. The sums are made in register_tile.cuh.
#pragma once

#include "common/ptx.cuh"
#include "common/register_tile.cuh"
#include "common/types.cuh"

// Four floats as T, rounded by one instruction a pair where there is one.
template <class T>
__device__ __forceinline__ Pack<T, 4> round_four(const Pack<float, 4>& values) {
  Pack<T, 4> rounded;
#pragma unroll
  for (int j = 0; j < 4; j++) rounded.at[j] = from_float<T>(values.at[j]);
  return rounded;
}

#if HAS_BF16
template <>
__device__ __forceinline__ Pack<bf16, 4> round_four<bf16>(const Pack<float, 4>& values) {
  Pack<uint32_t, 2> pairs = {{pack_bf16(values.at[0], values.at[1]), pack_bf16(values.at[2], values.at[3])}};
  return *reinterpret_cast<const Pack<bf16, 4>*>(&pairs);
}
#endif

// Writes the first `count` of four neighbours or, if `accumulate`, adds them to what lies there. With VECTOR
// the place is aligned to four elements, and `count` at least 4 or at most 0.
template <bool VECTOR, class T>
__device__ __forceinline__ void store_four(T* to, Pack<float, 4> values, int count, bool accumulate) {
  if (count <= 0) return;
  if (accumulate) {
    Pack<float, 4> before = load_four<VECTOR>(to, count);
#pragma unroll
    for (int j = 0; j < 4; j++) values.at[j] += before.at[j];
  }
  Pack<T, 4> rounded = round_four<T>(values);
  if constexpr (VECTOR) {
    store_pack<4>(to, rounded);
  } else {
#pragma unroll
    for (int j = 0; j < 4; j++) {
      if (j < count) to[j] = rounded.at[j];
    }
  }
}

// Writes one row of the thread's sums to `row`, which has `columns` elements from the matrix's first
// column on; with VECTOR they are a multiple of 4.
template <class Tile, bool VECTOR, class T>
__device__ __forceinline__ void store_row(T* row, const float (&sums)[8], const TilePlace<Tile>& place,
                                          int first_column, int columns, bool accumulate) {
#pragma unroll
  for (int half = 0; half < 2; half++) {
    int column = first_column + place.column_of(half * 4);
    const float* four = sums + half * 4;
    Pack<float, 4> values = {{four[0], four[1], four[2], four[3]}};
    store_four<VECTOR>(row + column, values, columns - column, accumulate);
  }
}

// Rounds the sums to T and back.
template <class T>
__device__ __forceinline__ void round_sums(float (&sums)[8][8]) {
#pragma unroll
  for (int i = 0; i < 8; i++) {
#pragma unroll
    for (int half = 0; half < 8; half += 4) {
      float* four = sums[i] + half;
      Pack<T, 4> rounded = round_four<T>(Pack<float, 4>{{four[0], four[1], four[2], four[3]}});
#pragma unroll
      for (int j = 0; j < 4; j++) four[j] = to_float(rounded.at[j]);
    }
  }
}

// Adds up over the tile's rows what each thread has summed for its eight columns, in the order of the
// rows: `totals` gets a float a column. `shared` has `ROWS / 8 * COLUMNS` floats.
template <class Tile>
__device__ __forceinline__ void sum_columns(const float (&mine)[8], const TilePlace<Tile>& place,
                                            float* shared, float* totals) {
  int group = place.row / 4;
#pragma unroll
  for (int j = 0; j < 8; j++) shared[group * Tile::COLUMNS + place.column_of(j)] = mine[j];
  __syncthreads();
  for (int column = int(threadIdx.x); column < Tile::COLUMNS; column += Tile::THREADS) {
    float total = 0.0f;
#pragma unroll
    for (int i = 0; i < Tile::ROWS / 8; i++) total += shared[i * Tile::COLUMNS + column];
    totals[column] = total;
  }
  __syncthreads();
}

// Count, mean and M2 of each of the tile's columns over its first `rows` rows, as `[3, columns]` at
// `partials`: two passes over the sums in registers, so that nothing cancels. Sums of rows beyond must be
// zero. `shared` has `Tile::SHARED` floats.
template <class Tile>
__device__ __forceinline__ void store_statistics(float* partials, const float (&sums)[8][8],
                                                 const TilePlace<Tile>& place, int rows, int first_column,
                                                 int columns, float* shared) {
  static_assert(Tile::ROWS / 8 * Tile::COLUMNS + Tile::COLUMNS <= Tile::SHARED, "statistics fit");
  float* totals = shared + Tile::ROWS / 8 * Tile::COLUMNS;
  float mine[8];
#pragma unroll
  for (int j = 0; j < 8; j++) {
    mine[j] = 0.0f;
#pragma unroll
    for (int i = 0; i < 8; i++) mine[j] += sums[i][j];
  }
  sum_columns(mine, place, shared, totals);
#pragma unroll
  for (int j = 0; j < 8; j++) {
    float mean = totals[place.column_of(j)] / float(rows);
    mine[j] = 0.0f;
#pragma unroll
    for (int i = 0; i < 8; i++) {
      float distance = place.row_of(i) < rows ? sums[i][j] - mean : 0.0f;
      mine[j] += distance * distance;
    }
  }
  for (int column = int(threadIdx.x); column < Tile::COLUMNS; column += Tile::THREADS) {
    if (first_column + column >= columns) continue;
    partials[first_column + column] = float(rows);
    partials[columns + first_column + column] = totals[column] / float(rows);
  }
  sum_columns(mine, place, shared, totals);
  for (int column = int(threadIdx.x); column < Tile::COLUMNS; column += Tile::THREADS) {
    if (first_column + column < columns) partials[2 * columns + first_column + column] = totals[column];
  }
}

// A block of 256 threads adds the parts of 256 elements: each thread has four of them, 64 apart, and adds
// every fourth part; then the four slices are added in order.
constexpr int SUM_COLUMNS = 64;
constexpr int SUM_SLICES = 4;

// The sum over `parts` of this thread's own element, number `blockIdx.x * 256 + threadIdx.x`. All must call
// it.
__device__ __forceinline__ float sum_parts(const float* partials, int elements, int parts) {
  __shared__ float sums[SUM_SLICES][SUM_SLICES * SUM_COLUMNS];
  int column = int(threadIdx.x) % SUM_COLUMNS, slice = int(threadIdx.x) / SUM_COLUMNS;
  int first = int(blockIdx.x) * SUM_SLICES * SUM_COLUMNS + column;
  float mine[SUM_SLICES] = {};
#pragma unroll 2
  for (int part = slice; part < parts; part += SUM_SLICES) {
#pragma unroll
    for (int i = 0; i < SUM_SLICES; i++) {
      int element = first + i * SUM_COLUMNS;
      if (element < elements) mine[i] += partials[part * elements + element];
    }
  }
#pragma unroll
  for (int i = 0; i < SUM_SLICES; i++) sums[slice][i * SUM_COLUMNS + column] = mine[i];
  __syncthreads();
  float sum = sums[0][threadIdx.x];
#pragma unroll
  for (int i = 1; i < SUM_SLICES; i++) sum += sums[i][threadIdx.x];
  return sum;
}

// Adds up the parts of a weight gradient and writes the sums, or adds them to what lies there.
__device__ __forceinline__ void store_sum_of_parts(const float* partials, float* gradient, int elements,
                                                   int parts, int accumulate) {
  float sum = sum_parts(partials, elements, parts);
  int element = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (element < elements) gradient[element] = accumulate ? gradient[element] + sum : sum;
}
