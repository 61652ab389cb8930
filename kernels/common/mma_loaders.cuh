// Loaders that bring stages of a matrix into shared memory (what a loader is says mma_tile.cuh). Those of
// WHOLE pieces copy 16 bytes at a time: the matrix's rows must be made of them, which the host sees to; the
// others read element by element. What lies outside the matrix is filled with zeros. Loaders of pictures are in mma_conv_loaders.cuh.
#pragma once

#include "common/mma_tile.cuh"

// Which pieces of a stage a thread copies: the same piece of PASSES rows, PER_PASS rows apart.
template <class Staged, int THREADS>
struct PieceShare {
  static constexpr int PER_PASS = THREADS / Staged::PIECES;
  static constexpr int PASSES = Staged::ROWS / PER_PASS;
  static_assert(PER_PASS * Staged::PIECES == THREADS && PASSES * PER_PASS == Staged::ROWS, "uneven shares");

  int first_row, piece;

  __device__ __forceinline__ PieceShare()
      : first_row(int(threadIdx.x) / Staged::PIECES), piece(int(threadIdx.x) % Staged::PIECES) {}

  __device__ __forceinline__ int row(int pass) const { return first_row + pass * PER_PASS; }

  // Copies the piece, or zeros; `from` must be a readable address in either case.
  template <class T>
  __device__ __forceinline__ void copy(unsigned char* stage, int pass, const T* from, bool inside) const {
    cp_async<16>(stage + Staged::offset(row(pass), piece), from, inside ? 16 : 0);
  }

  // Writes `count` elements and zeros up to a piece.
  template <class T>
  __device__ __forceinline__ void gather(unsigned char* stage, int pass, const T* from, int count) const {
    Pack<T, WIDEST<T>> elements = {};
#pragma unroll
    for (int e = 0; e < WIDEST<T>; e++) {
      if (e < count) elements.at[e] = from[e];
    }
    store_pack(reinterpret_cast<T*>(stage + Staged::offset(row(pass), piece)), elements);
  }
};

// A matrix [outer, depth]: tile rows (or columns) `first_outer` and on. Keeps one offset, not one a pass, and does
// not unroll copies of f32, whose fragments are rounded in registers of their own: the sums need the registers.
template <class Tile, class Staged, bool WHOLE = true>
struct DepthFirstLoader {
  using T = typename Tile::T;
  using Share = PieceShare<Staged, Tile::THREADS>;

  const T* matrix;
  Share share;
  int offset, pass_offset;   // of the first pass, and from one to the next
  int depth_left;            // from this thread's piece on
  int outer_left;            // from the first pass on

  __device__ __forceinline__ DepthFirstLoader(const T* matrix, int first_outer, int outer_count, int depth_count)
      : matrix(matrix), pass_offset(Share::PER_PASS * depth_count) {
    int depth = share.piece * WIDEST<T>, outer = first_outer + share.first_row;
    offset = outer * depth_count + depth;
    depth_left = depth_count - depth;
    outer_left = outer_count - outer;
  }

  __device__ __forceinline__ void load(unsigned char* stage) {
#pragma unroll(WHOLE && sizeof(T) == 2 ? 4 : 1)
    for (int pass = 0; pass < Share::PASSES; pass++) {
      bool inside = depth_left > 0 && pass * Share::PER_PASS < outer_left;
      const T* from = matrix + (inside ? offset + pass * pass_offset : 0);
      if (WHOLE) {
        share.copy(stage, pass, from, inside);
      } else {
        share.gather(stage, pass, from, inside ? depth_left : 0);
      }
    }
    offset += Tile::DEPTH;
    depth_left -= Tile::DEPTH;
  }

  __device__ __forceinline__ void arrived(unsigned char*) {}
};

// A matrix [depth, outer]: tile columns (or rows) `first_outer` and on, depths `first_depth` up to `end_depth`.
template <class Tile, class Staged, bool WHOLE = true>
struct OuterFirstLoader {
  using T = typename Tile::T;
  using Share = PieceShare<Staged, Tile::THREADS>;

  const T* matrix;
  Share share;
  int offset, pass_offset;  // of the first pass, and from one to the next
  int depth_left;           // from the first pass on; none if this thread's piece lies outside
  int outer_left;

  __device__ __forceinline__ OuterFirstLoader(const T* matrix, int first_outer, int outer_count, int first_depth,
                                              int end_depth)
      : matrix(matrix), pass_offset(Share::PER_PASS * outer_count) {
    int outer = first_outer + share.piece * WIDEST<T>, depth = first_depth + share.first_row;
    offset = depth * outer_count + outer;
    outer_left = outer_count - outer;
    depth_left = outer_left > 0 ? end_depth - depth : 0;
  }

  __device__ __forceinline__ void load(unsigned char* stage) {
#pragma unroll(WHOLE && sizeof(T) == 2 ? 4 : 1)
    for (int pass = 0; pass < Share::PASSES; pass++) {
      bool inside = pass * Share::PER_PASS < depth_left;
      const T* from = matrix + (inside ? offset + pass * pass_offset : 0);
      if (WHOLE) {
        share.copy(stage, pass, from, inside);
      } else {
        share.gather(stage, pass, from, inside ? outer_left : 0);
      }
    }
    offset += Share::PASSES * pass_offset;
    depth_left -= Tile::DEPTH;
  }

  __device__ __forceinline__ void arrived(unsigned char*) {}
};
