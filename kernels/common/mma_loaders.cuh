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

// A matrix [outer, depth]: tile rows `first_outer` and on.
template <class Tile, class Staged, bool WHOLE = true>
struct DepthFirstLoader {
  using T = typename Tile::T;
  using Share = PieceShare<Staged, Tile::THREADS>;

  const T* matrix;
  Share share;
  int outer_count, depth_count, outer, depth;

  __device__ __forceinline__ DepthFirstLoader(const T* matrix, int first_outer, int outer_count, int depth_count)
      : matrix(matrix), outer_count(outer_count), depth_count(depth_count) {
    outer = first_outer + share.first_row;
    depth = share.piece * WIDEST<T>;
  }

  __device__ __forceinline__ void load(unsigned char* stage) {
#pragma unroll(WHOLE ? Share::PASSES : 1)
    for (int pass = 0; pass < Share::PASSES; pass++) {
      int row = outer + pass * Share::PER_PASS;
      bool inside = row < outer_count && depth < depth_count;
      const T* from = matrix + (inside ? row * depth_count + depth : 0);
      if (WHOLE) {
        share.copy(stage, pass, from, inside);
      } else {
        share.gather(stage, pass, from, inside ? depth_count - depth : 0);
      }
    }
    depth += Tile::DEPTH;
  }

  __device__ __forceinline__ void arrived(unsigned char*) {}
};

// A matrix [depth, outer]: tile columns `first_outer` and on, depths `first_depth` up to `end_depth`.
template <class Tile, class Staged, bool WHOLE = true>
struct OuterFirstLoader {
  using T = typename Tile::T;
  using Share = PieceShare<Staged, Tile::THREADS>;

  const T* matrix;
  Share share;
  int outer_count, end_depth, outer, depth;

  __device__ __forceinline__ OuterFirstLoader(const T* matrix, int first_outer, int outer_count, int first_depth,
                                              int end_depth)
      : matrix(matrix), outer_count(outer_count), end_depth(end_depth) {
    outer = first_outer + share.piece * WIDEST<T>;
    depth = first_depth + share.first_row;
  }

  __device__ __forceinline__ void load(unsigned char* stage) {
#pragma unroll(WHOLE ? Share::PASSES : 1)
    for (int pass = 0; pass < Share::PASSES; pass++) {
      int row = depth + pass * Share::PER_PASS;
      bool inside = row < end_depth && outer < outer_count;
      const T* from = matrix + (inside ? row * outer_count + outer : 0);
      if (WHOLE) {
        share.copy(stage, pass, from, inside);
      } else {
        share.gather(stage, pass, from, inside ? outer_count - outer : 0);
      }
    }
    depth += Tile::DEPTH;
  }

  __device__ __forceinline__ void arrived(unsigned char*) {}
};
