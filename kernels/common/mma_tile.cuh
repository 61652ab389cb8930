// The product of two tiles on tensor cores, the same for matmul and convolution: stages in shared
// memory, fragments, the pipelined loop over the depth. Where a stage's elements come from is the
// business of a loader (mma_loaders.cuh has those that read matrices, mma_conv_loaders.cuh those that read
// pictures), what becomes of the sums that of mma_store.cuh. A loader has two functions:
//   void load(unsigned char* stage)     issues the copies of the next stage and steps forward;
//   void arrived(unsigned char* stage)  runs after this thread's copies of a stage have landed and
//                                       before others read them: the place to change them.
//
// A block of WARPS_M x WARPS_N warps computes [64 WARPS_M, 64 WARPS_N] sums, 64 x 64 a warp: at that
// size a warp reads 4 KiB of fragments for 131 kFLOP, which shared memory delivers in less time than
// the tensor cores need. A stage holds 64 bytes of depth (32 bf16, 16 f32), STAGES of them are in
// flight. Shared memory: (64 WARPS_M + 64 WARPS_N) * 64 * STAGES bytes. A thread holds 128 sums and two
// sets of fragments, about 230 registers, so 256 threads fit on a multiprocessor.
//
// bf16 runs on mma.m16n8k16, f32 as TF32 (each factor rounded to 10 bits of mantissa) on mma.m16n8k8.
// Both read 32 bytes of depth a step, so that one fragment layout serves both.
#pragma once

#include "common/ptx.cuh"
#include "common/types.cuh"

// How the elements of an operand lie in memory, and so in a stage.
enum class Order {
  DEPTH_FIRST,  // neighbours differ in depth: [outer, depth]
  OUTER_FIRST,  // neighbours differ in row (left operand) or column (right): [depth, outer]
};

// ROWS x WIDTH elements in shared memory as pieces of 16 bytes. Pieces trade places within 128 bytes
// (the swizzle), so that both the copies and the fragment loads touch all banks evenly.
template <class T, int ROWS_, int WIDTH, Order ORDER>
struct StagedRows {
  static constexpr int ROWS = ROWS_;
  static constexpr int ROW_BYTES = WIDTH * int(sizeof(T));
  static constexpr int PIECES = ROW_BYTES / 16;
  static constexpr int BYTES = ROWS * ROW_BYTES;
  static_assert(PIECES == 4 || PIECES % 8 == 0, "the swizzle spans 64 bytes or 128");

  __device__ __forceinline__ static int offset(int row, int piece) {
    return row * ROW_BYTES + ((piece ^ swizzle(row)) << 4);
  }

 private:
  __device__ __forceinline__ static int swizzle(int row) {
    if (PIECES == 4) return (row >> 1) & 3;
    // Fragments of f32 across the depth are read word by word: four rows by eight neighbours.
    if (ORDER == Order::OUTER_FIRST && sizeof(T) == 4) return (row & 3) << 1;
    return row & 7;
  }
};

template <class T_, int WARPS_M_, int WARPS_N_, int STAGES_, Order LEFT_, Order RIGHT_>
struct MmaTile {
  using T = T_;
  static constexpr int WARPS_M = WARPS_M_;
  static constexpr int WARPS_N = WARPS_N_;
  static constexpr int STAGES = STAGES_;
  static constexpr Order LEFT = LEFT_;
  static constexpr Order RIGHT = RIGHT_;
  static constexpr int M = 64 * WARPS_M;
  static constexpr int N = 64 * WARPS_N;
  static constexpr int DEPTH = 64 / int(sizeof(T));
  static constexpr int THREADS = 32 * WARPS_M * WARPS_N;

  template <int OUTER, Order ORDER>
  using Staged = StagedRows<T, (ORDER == Order::DEPTH_FIRST ? OUTER : DEPTH),
                            (ORDER == Order::DEPTH_FIRST ? DEPTH : OUTER), ORDER>;
  using Left = Staged<M, LEFT>;
  using Right = Staged<N, RIGHT>;
  static constexpr int STAGE_BYTES = Left::BYTES + Right::BYTES;
  static constexpr int SHARED_BYTES = STAGES * STAGE_BYTES;
};

// The sums of one thread: [16-row block][8-column block][element of the mma accumulator].
struct Sums {
  float at[4][8][4];

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
      for (int j = 0; j < 8; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) at[i][j][e] = 0.0f;
  }
};

// Where a thread's sums lie in the tile: row of element 0 (element 2 is 8 rows below) and column (the
// next element is its right neighbour).
template <class Tile>
struct SumsPlace {
  int row, column;

  __device__ __forceinline__ SumsPlace() {
    int lane = int(threadIdx.x) & 31, warp = int(threadIdx.x) >> 5;
    row = warp / Tile::WARPS_N * 64 + (lane >> 2);
    column = warp % Tile::WARPS_N * 64 + (lane & 3) * 2;
  }
};

// The 64 rows (or columns) of an operand that a warp multiplies, at one step of 32 bytes of depth.
// `LEFT_HALVES`: which bit of the lane chooses the depth half of a 16 x 32-byte block; the left operand's
// registers go down the rows first, the right one's along the depth.
template <class Staged, Order ORDER, class T, bool IS_LEFT>
struct WarpOperand {
  int lane_offset;

  __device__ __forceinline__ explicit WarpOperand(int warp) {
    int lane = int(threadIdx.x) & 31;
    int depth_half = IS_LEFT ? lane >> 4 : (lane >> 3) & 1;
    int outer_half = IS_LEFT ? (lane >> 3) & 1 : lane >> 4;
    if (ORDER == Order::DEPTH_FIRST) {
      lane_offset = Staged::offset((lane & 7) + outer_half * 8, depth_half) + warp * 64 * Staged::ROW_BYTES;
    } else {
      lane_offset = Staged::offset((lane & 7) + depth_half * 8, outer_half) + warp * 64 * int(sizeof(T));
    }
  }

  // Block i of 16 rows or columns. Sixteen rows further the swizzle is the same; within 128 bytes a
  // step of two pieces is an exclusive or.
  __device__ __forceinline__ void load(uint32_t (&fragment)[4], const unsigned char* stage, int i, int step) const {
    if (ORDER == Order::DEPTH_FIRST) {
      ldmatrix_x4(fragment, stage + (lane_offset ^ (step << 5)) + i * 16 * Staged::ROW_BYTES);
    } else {
      ldmatrix_x4_trans(fragment, stage + (lane_offset ^ (i << 5)) + step * 16 * Staged::ROW_BYTES);
    }
  }
};

// ldmatrix transposes 16-bit elements only: f32 across the depth is read word by word.
template <class Staged, bool IS_LEFT>
struct WarpOperand<Staged, Order::OUTER_FIRST, float, IS_LEFT> {
  int lane_offset;

  __device__ __forceinline__ explicit WarpOperand(int warp) {
    int lane = int(threadIdx.x) & 31, outer = warp * 64 + (lane >> 2);
    lane_offset = Staged::offset(lane & 3, outer >> 2) + (outer & 3) * 4;
  }

  // Within 128 bytes, which are 32 columns, a step of two or four pieces is an exclusive or.
  __device__ __forceinline__ void load(uint32_t (&fragment)[4], const unsigned char* stage, int i, int step) const {
#pragma unroll
    for (int e = 0; e < 4; e++) {
      int depth_half = IS_LEFT ? e >> 1 : e & 1, outer_half = IS_LEFT ? e & 1 : e >> 1;
      int offset = lane_offset ^ ((outer_half * 2 + (i & 1) * 4) << 4);
      offset += (i >> 1) * 128 + (step * 8 + depth_half * 4) * Staged::ROW_BYTES;
      fragment[e] = *reinterpret_cast<const uint32_t*>(stage + offset);
    }
  }
};

template <class T>
struct FragmentMath;

template <>
struct FragmentMath<bf16> {
  __device__ __forceinline__ static void round(uint32_t (&)[4]) {}

  __device__ __forceinline__ static void multiply(float (&sums)[4], const uint32_t (&left)[4],
                                                  const uint32_t (&right)[2]) {
    mma_m16n8k16(sums, left, right);
  }
};

template <>
struct FragmentMath<float> {
  // Unrounded, the hardware would cut off the lower bits: a bias towards zero.
  __device__ __forceinline__ static void round(uint32_t (&fragment)[4]) {
#pragma unroll
    for (int e = 0; e < 4; e++) fragment[e] = to_tf32(__uint_as_float(fragment[e]));
  }

  __device__ __forceinline__ static void multiply(float (&sums)[4], const uint32_t (&left)[4],
                                                  const uint32_t (&right)[2]) {
    mma_m16n8k8(sums, left, right);
  }
};

// A warp's fragments: the left operand's of one step, the right one's of one or two. Four registers hold two
// 8-column fragments of the right operand. A second set for the left operand, too, would leave some chips too few
// registers.
template <class Tile>
struct Fragments {
  using T = typename Tile::T;
  // Rounding to TF32 needs the registers of a second set.
  static constexpr int RIGHT_SETS = sizeof(T) == 2 ? 2 : 1;
  WarpOperand<typename Tile::Left, Tile::LEFT, T, true> left_operand;
  WarpOperand<typename Tile::Right, Tile::RIGHT, T, false> right_operand;
  uint32_t left[4][4], right[RIGHT_SETS][4][4];

  __device__ __forceinline__ Fragments()
      : left_operand(int(threadIdx.x >> 5) / Tile::WARPS_N), right_operand(int(threadIdx.x >> 5) % Tile::WARPS_N) {}

  __device__ __forceinline__ void load_left(const unsigned char* stage, int step) {
#pragma unroll
    for (int i = 0; i < 4; i++) left_operand.load(left[i], stage, i, step);
  }

  __device__ __forceinline__ void load_right(const unsigned char* stage, int step) {
#pragma unroll
    for (int j = 0; j < 4; j++) right_operand.load(right[step % RIGHT_SETS][j], stage + Tile::Left::BYTES, j, step);
  }

  __device__ __forceinline__ void multiply_into(Sums& sums, int step) {
    uint32_t(&right_of_step)[4][4] = right[step % RIGHT_SETS];
#pragma unroll
    for (int i = 0; i < 4; i++) {
      FragmentMath<T>::round(left[i]);
      FragmentMath<T>::round(right_of_step[i]);
    }
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
      for (int j = 0; j < 8; j++) {
        const uint32_t(&pair)[4] = right_of_step[j >> 1];
        const uint32_t column[2] = {pair[(j & 1) * 2], pair[(j & 1) * 2 + 1]};
        FragmentMath<T>::multiply(sums.at[i][j], left[i], column);
      }
  }
};

// Adds the product over `count` stages of depth to `sums`. Ends with all copies landed and all threads
// past their last read, so that the caller may use the shared memory anew.
//
// A stage is two steps of fragments. One barrier a stage: it stands between the last read of a stage and the first
// of the next, and is at once what lets the copies of the following iteration overwrite the former.
template <class Tile, class LeftLoader, class RightLoader>
__device__ __forceinline__ void multiply_stages(Sums& sums, unsigned char* shared, int count, LeftLoader& left,
                                                RightLoader& right) {
  auto load_stage = [&](unsigned char* stage) {
    left.load(stage);
    right.load(stage + Tile::Left::BYTES);
  };
  auto await_stage = [&](unsigned char* stage) {
    cp_async_wait<Tile::STAGES - 2>();
    left.arrived(stage);
    __syncthreads();
  };

  if (count == 0) return;
  // A group is committed for every stage, loaded or not: the waits count groups.
#pragma unroll
  for (int stage = 0; stage < Tile::STAGES - 1; stage++) {
    if (stage < count) load_stage(shared + stage * Tile::STAGE_BYTES);
    cp_async_commit();
  }
  constexpr int LAST = (Tile::STAGES - 1) * Tile::STAGE_BYTES;
  constexpr bool AHEAD = Fragments<Tile>::RIGHT_SETS == 2;
  int reading = 0;  // where in shared memory the stage lies that is multiplied
  Fragments<Tile> fragments;
  await_stage(shared);
  fragments.load_left(shared, 0);
  fragments.load_right(shared, 0);

  for (int remaining = count; remaining > 0; remaining--) {
    if (AHEAD) fragments.load_right(shared + reading, 1);
    // The stage before the one that is read is the one that was read last.
    if (remaining >= Tile::STAGES) load_stage(shared + (reading == 0 ? LAST : reading - Tile::STAGE_BYTES));
    cp_async_commit();
    fragments.multiply_into(sums, 0);
    fragments.load_left(shared + reading, 1);
    if (!AHEAD) fragments.load_right(shared + reading, 1);

    bool more = remaining > 1;
    reading = reading == LAST ? 0 : reading + Tile::STAGE_BYTES;
    if (more) await_stage(shared + reading);
    if (AHEAD && more) fragments.load_right(shared + reading, 0);
    fragments.multiply_into(sums, 1);
    if (more) fragments.load_left(shared + reading, 0);
    if (!AHEAD && more) fragments.load_right(shared + reading, 0);
  }
  cp_async_wait<0>();
  __syncthreads();
}
