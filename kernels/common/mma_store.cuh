// What becomes of a tile of sums: stored as f32 from the registers, or as bf16 by way of shared memory, so
// that rows leave in pieces of 16 bytes; and batch norm's partial statistics of a stored tile. The tile's sums
// are made in mma_tile.cuh.
//
// `Rows` says where a row of the tile lies in the destination: `int at(int row)` gives the element where the
// row begins, or -1 if there is no such row.
#pragma once

#include "common/mma_tile.cuh"

// Rows of a matrix, one after another.
struct MatrixRows {
  int first, count, stride;

  __device__ __forceinline__ int at(int row) const {
    return first + row < count ? (first + row) * stride : -1;
  }
};

// Whether the sums replace what lies at the destination or are added to it; as the host's WriteMode.
enum class Mode : int { WRITE = 0, ACCUMULATE = 1 };

// Calls `visit(sum, its right neighbour, element of the destination)` for the sums that lie inside.
template <class Tile, class Rows, class Visit>
__device__ __forceinline__ void for_each_pair(Sums& sums, const Rows& rows, int first_column, int columns,
                                              const Visit& visit) {
  SumsPlace<Tile> place;
#pragma unroll
  for (int i = 0; i < 4; i++)
#pragma unroll
    for (int half = 0; half < 2; half++) {
      int start = rows.at(place.row + i * 16 + half * 8);
      if (start < 0) continue;
#pragma unroll
      for (int j = 0; j < 8; j++) {
        int column = first_column + place.column + j * 8;
        if (column < columns) visit(sums.at[i][j][half * 2], sums.at[i][j][half * 2 + 1], start + column);
      }
    }
}

// Stores sums as f32. Four lanes write 32 neighbouring bytes: whole sectors without a detour.
template <class Tile, class Rows>
__device__ __forceinline__ void store_f32(Sums& sums, float* destination, const Rows& rows, int first_column,
                                          int columns, Mode mode) {
  if (mode == Mode::ACCUMULATE) {
    for_each_pair<Tile>(sums, rows, first_column, columns, [&](float& low, float& high, int at) {
      Pack<float, 2> before = load_pack<2>(destination + at);
      low += before.at[0];
      high += before.at[1];
    });
  }
  for_each_pair<Tile>(sums, rows, first_column, columns, [&](float low, float high, int at) {
    store_pack(destination + at, Pack<float, 2>{{low, high}});
  });
}

// The two bf16 of a word.
__device__ __forceinline__ float lower_float(uint32_t pair) { return __uint_as_float(pair << 16); }
__device__ __forceinline__ float upper_float(uint32_t pair) { return __uint_as_float(pair & 0xFFFF0000u); }

// A tile of bf16 in shared memory; laid over the stages once they are done with.
template <class Tile>
using StagedOutput = StagedRows<bf16, Tile::M, Tile::N, Order::DEPTH_FIRST>;

// What moves between a staged tile and its destination at a time.
template <bool WHOLE>
using StagedPart = Pack<bf16, WHOLE ? 8 : 1>;

// Calls `visit(part of the tile in shared memory, element of the destination)` for all that lies inside: pieces
// of 16 bytes of WHOLE rows, else element by element.
template <class Tile, bool WHOLE, class Rows, class Visit>
__device__ __forceinline__ void for_each_staged(unsigned char* shared, const Rows& rows, int first_column,
                                                int columns, const Visit& visit) {
  using Staged = StagedOutput<Tile>;
  using Part = StagedPart<WHOLE>;
  constexpr int LENGTH = WHOLE ? 8 : 1, PARTS = Tile::N / LENGTH;
#pragma unroll(WHOLE ? 4 : 1)
  for (int index = int(threadIdx.x); index < Tile::M * PARTS; index += Tile::THREADS) {
    int row = index / PARTS, column = index % PARTS * LENGTH;
    int start = rows.at(row);
    if (start < 0 || first_column + column >= columns) continue;
    unsigned char* staged = shared + Staged::offset(row, column >> 3) + (column & 7) * int(sizeof(bf16));
    visit(*reinterpret_cast<Part*>(staged), start + first_column + column);
  }
}

// Calls `visit(sum, its right neighbour, their place in shared memory)` for all sums of this thread.
template <class Tile, class Visit>
__device__ __forceinline__ void for_each_staged_pair(Sums& sums, unsigned char* shared, const Visit& visit) {
  using Staged = StagedOutput<Tile>;
  SumsPlace<Tile> place;
#pragma unroll
  for (int i = 0; i < 4; i++)
#pragma unroll
    for (int half = 0; half < 2; half++)
#pragma unroll
      for (int j = 0; j < 8; j++) {
        int row = place.row + i * 16 + half * 8, column = place.column + j * 8;
        unsigned char* at = shared + Staged::offset(row, column >> 3) + (column & 7) * int(sizeof(bf16));
        visit(sums.at[i][j][half * 2], sums.at[i][j][half * 2 + 1], at);
      }
}

// Rounds the sums to bf16 and lays them into shared memory; begins where all threads are done with it and ends
// with a barrier. For Mode::ACCUMULATE what lies at the destination is fetched first, and the sum rounded once.
template <class Tile, bool WHOLE = true, class Rows>
__device__ __forceinline__ void stage_bf16(Sums& sums, unsigned char* shared, const bf16* destination,
                                           const Rows& rows, int first_column, int columns, Mode mode) {
  static_assert(StagedOutput<Tile>::BYTES <= Tile::SHARED_BYTES, "the tile does not fit over the stages");
  if (mode == Mode::ACCUMULATE) {
    for_each_staged<Tile, WHOLE>(shared, rows, first_column, columns, [&](StagedPart<WHOLE>& staged, int at) {
      staged = load_pack<WHOLE ? 8 : 1>(destination + at);
    });
    __syncthreads();
    for_each_staged_pair<Tile>(sums, shared, [](float& low, float& high, const unsigned char* at) {
      uint32_t before = *reinterpret_cast<const uint32_t*>(at);
      low += lower_float(before);
      high += upper_float(before);
    });
  }
  for_each_staged_pair<Tile>(sums, shared, [](float low, float high, unsigned char* at) {
    *reinterpret_cast<uint32_t*>(at) = pack_bf16(low, high);
  });
  __syncthreads();
}

// Stores the staged tile.
template <class Tile, bool WHOLE = true, class Rows>
__device__ __forceinline__ void store_staged(unsigned char* shared, bf16* destination, const Rows& rows,
                                             int first_column, int columns) {
  for_each_staged<Tile, WHOLE>(shared, rows, first_column, columns,
                               [&](StagedPart<WHOLE>& staged, int at) { store_pack(destination + at, staged); });
}

// Rows of the parts whose statistics the tiles take.
constexpr int STATISTICS_ROWS = 128;

// Mean and sum of squared distances from it of the staged tile's columns, in parts of STATISTICS_ROWS rows:
// `partials` is [parts, 3, columns] of count, mean and M2. A thread takes two columns of 64 rows in two passes
// (no cancellation), and every second thread joins two of those (Chan et al.). The values are those that are
// stored: rounded to bf16.
template <class Tile>
__device__ __forceinline__ void store_statistics(unsigned char* shared, float* partials, int first_row, int rows,
                                                 int first_column, int columns) {
  using Staged = StagedOutput<Tile>;
  constexpr int HALF = STATISTICS_ROWS / 2, PAIRS = Tile::N / 2;
  static_assert(Tile::THREADS * HALF == PAIRS * Tile::M, "a thread takes two columns of half a part");
  static_assert(Staged::BYTES + Tile::THREADS * 16 <= Tile::SHARED_BYTES, "no room for the halves");
  float* halves = reinterpret_cast<float*>(shared + Staged::BYTES);
  int pair = int(threadIdx.x) % PAIRS, half = int(threadIdx.x) / PAIRS;
  int start = half * HALF;
  int count = min(HALF, max(0, rows - first_row - start));
  auto value = [&](int row) {
    return *reinterpret_cast<const uint32_t*>(shared + Staged::offset(start + row, pair >> 2) + (pair & 3) * 4);
  };

  float mean[2] = {0.0f, 0.0f}, m2[2] = {0.0f, 0.0f};
  for (int row = 0; row < count; row++) {
    uint32_t pair_of_row = value(row);
    mean[0] += lower_float(pair_of_row);
    mean[1] += upper_float(pair_of_row);
  }
  float share = count > 0 ? 1.0f / float(count) : 0.0f;
  mean[0] *= share;
  mean[1] *= share;
  for (int row = 0; row < count; row++) {
    uint32_t pair_of_row = value(row);
    float low = lower_float(pair_of_row) - mean[0], high = upper_float(pair_of_row) - mean[1];
    m2[0] += low * low;
    m2[1] += high * high;
  }

  store_pack(halves + threadIdx.x * 4, Pack<float, 4>{{mean[0], mean[1], m2[0], m2[1]}});
  __syncthreads();
  int column = first_column + pair * 2;
  if (half % 2 == 1 || count == 0 || column >= columns) return;
  Pack<float, 4> other = load_pack<4>(halves + (threadIdx.x + PAIRS) * 4);
  int other_count = min(HALF, max(0, rows - first_row - start - HALF));
  float total = float(count + other_count), weight = float(other_count) / total;
  Pack<float, 2> means, squares;
#pragma unroll
  for (int e = 0; e < 2; e++) {
    float distance = other.at[e] - mean[e];
    means.at[e] = mean[e] + distance * weight;
    squares.at[e] = m2[e] + other.at[2 + e] + distance * distance * weight * float(count);
  }
  float* part = partials + (first_row + start) / STATISTICS_ROWS * 3 * columns + column;
  store_pack(part, Pack<float, 2>{{total, total}});
  store_pack(part + columns, means);
  store_pack(part + 2 * columns, squares);
}
