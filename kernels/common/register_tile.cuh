// A tile of a matrix product on the ordinary float units: `rows x depth` times `depth x columns`, both
// sides read through sources that know where their elements lie (a matrix, the window of a convolution).
// What a source is, is written down here; sources of convolutions are in their own .cu files, and what
// happens to the sums afterwards is in tile_store.cuh.
//
// Each thread keeps 8x8 sums in registers. A step covers 8 of the depth: while one half of the shared
// memory is multiplied, the next step is on its way from global memory into registers and is stored
// into the other half, so that there is one barrier a step. Shared memory holds the lines of both sides
// by depth (`[depth][line]`), four floats apart from a multiple of 32 banks: neither the transposing
// stores nor the 16-byte reads of a warp (4 x 8 threads, so 128 bytes at most) meet in a bank.
#pragma once

#include "common/types.cuh"

constexpr int TILE_DEPTH = 8;
constexpr int TILE_SKEW = 4;

template <int ROWS_, int COLUMNS_>
struct RegisterTile {
  static constexpr int ROWS = ROWS_;
  static constexpr int COLUMNS = COLUMNS_;
  static constexpr int THREADS = ROWS / 8 * (COLUMNS / 8);
  static constexpr int LEFT_STRIDE = ROWS + TILE_SKEW;
  static constexpr int RIGHT_STRIDE = COLUMNS + TILE_SKEW;
  static constexpr int LEFT_STEP = TILE_DEPTH * LEFT_STRIDE;
  static constexpr int RIGHT_STEP = TILE_DEPTH * RIGHT_STRIDE;
  // Floats of shared memory.
  static constexpr int SHARED = 2 * (LEFT_STEP + RIGHT_STEP);
};

// Where a thread's sums lie in the tile: rows and columns come as two groups of four neighbours, half a
// tile apart.
template <class Tile>
struct TilePlace {
  int row;
  int column;

  __device__ __forceinline__ TilePlace() {
    constexpr int WARPS_ACROSS = Tile::COLUMNS / 64;
    int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
    row = (warp / WARPS_ACROSS * 4 + lane / 8) * 4;
    column = (warp % WARPS_ACROSS * 8 + lane % 8) * 4;
  }

  __device__ __forceinline__ int row_of(int i) const { return row + i / 4 * (Tile::ROWS / 2) + i % 4; }
  __device__ __forceinline__ int column_of(int j) const {
    return column + j / 4 * (Tile::COLUMNS / 2) + j % 4;
  }
};

// A source gives one side of the product, a line being a row of the left or a column of the right side:
//   ALONG_DEPTH  true if elements of a line are neighbours in memory, false if lines are
//   Line         what must be known of a line; `line(index)`, for any index from 0
//   Position     what must be known of a depth; `position(depth)`, `advance(position, by)`
//   load(line, position)  four elements: of one line along the depth, or of four lines at one depth;
//                zero where the line or the depth does not exist, also behind this block's share of it
template <class Source, int LINES, int THREADS, bool ALONG_DEPTH = Source::ALONG_DEPTH>
struct TileLoader;

// Elements of a line are neighbours: two threads read the eight of a line, and transpose them.
template <class Source, int LINES, int THREADS>
struct TileLoader<Source, LINES, THREADS, true> {
  static constexpr int PACKS = LINES * TILE_DEPTH / 4 / THREADS;
  static constexpr int STRIDE = LINES + TILE_SKEW;
  const Source& source;
  typename Source::Line lines[PACKS];
  typename Source::Position position;
  Pack<float, 4> loaded[PACKS];

  __device__ __forceinline__ TileLoader(const Source& source, int first_line, int first_depth)
      : source(source) {
#pragma unroll
    for (int i = 0; i < PACKS; i++) {
      lines[i] = source.line(first_line + int(threadIdx.x) / 2 + i * (THREADS / 2));
    }
    position = source.position(first_depth + int(threadIdx.x) % 2 * 4);
  }

  __device__ __forceinline__ void load() {
#pragma unroll
    for (int i = 0; i < PACKS; i++) loaded[i] = source.load(lines[i], position);
    source.advance(position, TILE_DEPTH);
  }

  __device__ __forceinline__ void store(float* shared) const {
    float* to = shared + int(threadIdx.x) % 2 * 4 * STRIDE + int(threadIdx.x) / 2;
#pragma unroll
    for (int i = 0; i < PACKS; i++) {
#pragma unroll
      for (int j = 0; j < 4; j++) to[j * STRIDE + i * (THREADS / 2)] = loaded[i].at[j];
    }
  }
};

// Lines are neighbours: a row of threads reads all lines at one depth.
template <class Source, int LINES, int THREADS>
struct TileLoader<Source, LINES, THREADS, false> {
  static constexpr int PACKS = LINES * TILE_DEPTH / 4 / THREADS;
  static constexpr int STRIDE = LINES + TILE_SKEW;
  static constexpr int ACROSS = LINES / 4;
  static constexpr int DOWN = THREADS / ACROSS;
  const Source& source;
  typename Source::Line line;
  typename Source::Position positions[PACKS];
  Pack<float, 4> loaded[PACKS];

  __device__ __forceinline__ TileLoader(const Source& source, int first_line, int first_depth)
      : source(source) {
    line = source.line(first_line + int(threadIdx.x) % ACROSS * 4);
#pragma unroll
    for (int i = 0; i < PACKS; i++) {
      positions[i] = source.position(first_depth + int(threadIdx.x) / ACROSS + i * DOWN);
    }
  }

  __device__ __forceinline__ void load() {
#pragma unroll
    for (int i = 0; i < PACKS; i++) {
      loaded[i] = source.load(line, positions[i]);
      source.advance(positions[i], TILE_DEPTH);
    }
  }

  __device__ __forceinline__ void store(float* shared) const {
    float* to = shared + int(threadIdx.x) / ACROSS * STRIDE + int(threadIdx.x) % ACROSS * 4;
#pragma unroll
    for (int i = 0; i < PACKS; i++) store_pack<4>(to + i * DOWN * STRIDE, loaded[i]);
  }
};

// Adds one step's products to the thread's sums.
template <class Tile>
__device__ __forceinline__ void multiply_step(const float* left, const float* right, float (&sums)[8][8]) {
#pragma unroll 2
  for (int depth = 0; depth < TILE_DEPTH; depth++) {
    Pack<float, 4> rows[2], columns[2];
#pragma unroll
    for (int half = 0; half < 2; half++) {
      rows[half] = load_pack<4>(left + depth * Tile::LEFT_STRIDE + half * (Tile::ROWS / 2));
      columns[half] = load_pack<4>(right + depth * Tile::RIGHT_STRIDE + half * (Tile::COLUMNS / 2));
    }
#pragma unroll
    for (int i = 0; i < 8; i++) {
#pragma unroll
      for (int j = 0; j < 8; j++) sums[i][j] += rows[i / 4].at[i % 4] * columns[j / 4].at[j % 4];
    }
  }
}

// The product of the tile that begins at these lines, over `steps` steps from `first_depth` (a first one is
// always made, and finds zeros if there is nothing to sum). `shared` has
// `Tile::SHARED` floats, 16-byte aligned, that nobody reads any more when this returns.
template <class Tile, class Left, class Right>
__device__ __forceinline__ void multiply_tile(const Left& left_source, const Right& right_source,
                                              int first_row, int first_column, int first_depth, int steps,
                                              float* shared, float (&sums)[8][8]) {
#pragma unroll
  for (int i = 0; i < 8; i++) {
#pragma unroll
    for (int j = 0; j < 8; j++) sums[i][j] = 0.0f;
  }
  TileLoader<Left, Tile::ROWS, Tile::THREADS> left(left_source, first_row, first_depth);
  TileLoader<Right, Tile::COLUMNS, Tile::THREADS> right(right_source, first_column, first_depth);
  float* left_shared = shared;
  float* right_shared = shared + 2 * Tile::LEFT_STEP;
  TilePlace<Tile> place;
  left.load();
  right.load();
  left.store(left_shared);
  right.store(right_shared);
  __syncthreads();
  int step = 0;
#pragma unroll 1
  do {
    int half = step % 2;
    // The step behind the last one loads zeros: a branch around it would cost registers.
    left.load();
    right.load();
    multiply_step<Tile>(left_shared + half * Tile::LEFT_STEP + place.row,
                        right_shared + half * Tile::RIGHT_STEP + place.column, sums);
    left.store(left_shared + (1 - half) * Tile::LEFT_STEP);
    right.store(right_shared + (1 - half) * Tile::RIGHT_STEP);
    __syncthreads();
  } while (++step < steps);
}

// Four elements as floats: by one instruction if VECTOR (`count` is then 4 or at most 0), else one by one;
// those from `count` on are zero and not read.
template <bool VECTOR, class T>
__device__ __forceinline__ Pack<float, 4> load_four(const T* from, int count) {
  Pack<float, 4> values = {};
  if constexpr (VECTOR) {
    if (count > 0) {
      Pack<T, 4> read = load_pack<4>(from);
#pragma unroll
      for (int j = 0; j < 4; j++) values.at[j] = to_float(read.at[j]);
    }
  } else {
#pragma unroll
    for (int j = 0; j < 4; j++) {
      if (j < count) values.at[j] = to_float(from[j]);
    }
  }
  return values;
}

// A matrix stored `[lines, depth]`; with VECTOR the depth is a multiple of 4.
template <class T, bool VECTOR>
struct MatrixAlongDepth {
  static constexpr bool ALONG_DEPTH = true;
  struct Line {
    int offset;
  };
  struct Position {
    int depth;
  };
  const T* elements;
  int lines;
  int depth;
  // Where this block's share of the depth ends; a multiple of 4 with VECTOR.
  int end;

  __device__ __forceinline__ Line line(int index) const { return {index < lines ? index * depth : -1}; }
  __device__ __forceinline__ Position position(int at) const { return {at}; }
  __device__ __forceinline__ void advance(Position& position, int by) const { position.depth += by; }
  __device__ __forceinline__ Pack<float, 4> load(const Line& line, const Position& position) const {
    int count = line.offset < 0 ? 0 : end - position.depth;
    return load_four<VECTOR>(elements + line.offset + position.depth, count);
  }
};

// A matrix stored `[depth, lines]`; with VECTOR the number of lines is a multiple of 4.
template <class T, bool VECTOR>
struct MatrixAlongLines {
  static constexpr bool ALONG_DEPTH = false;
  struct Line {
    int index;
  };
  struct Position {
    int depth;
  };
  const T* elements;
  int lines;
  // Where this block's share of the depth ends.
  int end;

  __device__ __forceinline__ Line line(int index) const { return {index}; }
  __device__ __forceinline__ Position position(int at) const { return {at}; }
  __device__ __forceinline__ void advance(Position& position, int by) const { position.depth += by; }
  __device__ __forceinline__ Pack<float, 4> load(const Line& line, const Position& position) const {
    int count = position.depth < end ? lines - line.index : 0;
    return load_four<VECTOR>(elements + position.depth * lines + line.index, count);
  }
};
