// Loaders that gather a convolution's operands from NHWC pictures and KRSC weights, without an unfolded picture:
// stages for the tensor cores (what a loader is says mma_tile.cuh). Channels must be whole pieces of 16 bytes and
// pictures at most 32,000 pixels high and wide, which the host sees to. Padding becomes zeros.
//
// Where the pixels of a stage's rows change from stage to stage, each lane works out one row, and the
// warp's other lanes ask it: an address is computed once a warp, not once a piece.
#pragma once

#include "common/conv_window.cuh"
#include "common/mma_loaders.cuh"
#include "common/mma_store.cuh"

// A pixel's row and column in one register.
struct Corner {
  static constexpr int NOWHERE = int(0x80000000);

  __device__ __forceinline__ static int pack(int row, int column) { return (row << 16) | (column & 0xFFFF); }
  __device__ __forceinline__ static int row(int corner) { return corner >> 16; }
  __device__ __forceinline__ static int column(int corner) { return int(int16_t(corner & 0xFFFF)); }
};

// The picture that windows lie on, and how far they reach: tap (i, j) of a window is the pixel i rows and j
// columns from its corner, forward or (SIGN -1) back.
struct WindowedPictures {
  int height, width, channels;
  int tap_rows, tap_columns;
};

// A window's corner: its element, maybe outside the picture, and its place.
struct Window {
  int start, corner;
};

// The windows of the rows that a thread copies: in registers as long as they are few, else in shared memory,
// where each thread reads what it wrote itself.
template <class Share, bool IN_REGISTERS = Share::PASSES <= 4>
struct WindowsOfRows {
  static constexpr int SHARED_BYTES = 0;
  Window windows[Share::PASSES];

  __device__ __forceinline__ WindowsOfRows(unsigned char*, const Share&) {}
  __device__ __forceinline__ void set(int pass, const Window& window) { windows[pass] = window; }
  __device__ __forceinline__ Window get(int pass) const { return windows[pass]; }
};

template <class Share>
struct WindowsOfRows<Share, false> {
  static constexpr int SHARED_BYTES = Share::PASSES * Share::PER_PASS * int(sizeof(Window));
  Window* mine;

  __device__ __forceinline__ WindowsOfRows(unsigned char* shared, const Share& share)
      : mine(reinterpret_cast<Window*>(shared) + share.first_row) {}
  __device__ __forceinline__ void set(int pass, const Window& window) { mine[pass * Share::PER_PASS] = window; }
  __device__ __forceinline__ Window get(int pass) const { return mine[pass * Share::PER_PASS]; }
};

// Rows of the left operand: windows of pictures; depth: taps, channels fastest. With SCALED, a piece becomes
// relu(x * scale + shift) when it has arrived; padding stays zero.
template <class Tile, int SIGN, bool SCALED>
struct WindowLoader {
  using T = typename Tile::T;
  using Staged = typename Tile::Left;
  using Share = PieceShare<Staged, Tile::THREADS>;
  using Windows = WindowsOfRows<Share>;

  const T* pictures;
  const float* scale;
  const float* shift;
  WindowedPictures of;
  Share share;
  Windows windows;
  TapCursor next, landed;

  // `shared` holds Windows::SHARED_BYTES.
  __device__ __forceinline__ WindowLoader(const T* pictures, const float* scale, const float* shift,
                                          const WindowedPictures& of, unsigned char* shared)
      : pictures(pictures), scale(scale), shift(shift), of(of), windows(shared, share), next{0, 0, 0} {
    advance_tap(next, share.piece * WIDEST<T>, of.tap_columns, of.channels);
    landed = next;
  }

  // The window of the row that `pass` copies, if there is such a row.
  __device__ __forceinline__ void set_window(int pass, bool exists, int picture, int row, int column) {
    int start = ((picture * of.height + row) * of.width + column) * of.channels;
    windows.set(pass, {start, exists ? Corner::pack(row, column) : Corner::NOWHERE});
  }

  __device__ __forceinline__ bool inside(const Window& window, const TapCursor& tap) const {
    return tap.row < of.tap_rows && uint32_t(Corner::row(window.corner) + SIGN * tap.row) < uint32_t(of.height) &&
           uint32_t(Corner::column(window.corner) + SIGN * tap.column) < uint32_t(of.width);
  }

  __device__ __forceinline__ void load(unsigned char* stage) {
    int tap = SIGN * (next.row * of.width + next.column) * of.channels + next.channel;
#pragma unroll
    for (int pass = 0; pass < Share::PASSES; pass++) {
      Window window = windows.get(pass);
      bool is_inside = inside(window, next);
      share.copy(stage, pass, pictures + (is_inside ? window.start + tap : 0), is_inside);
    }
    advance_tap(next, Tile::DEPTH, of.tap_columns, of.channels);
  }

  __device__ __forceinline__ void arrived(unsigned char* stage) {
    if constexpr (SCALED) scale_arrived(stage);
  }

 private:
  __device__ __forceinline__ void scale_arrived(unsigned char* stage) {
    // Four channels at a time: scale and shift of all eight would cost the registers that are left.
#pragma unroll
    for (int half = 0; half < 2; half++) {
      if (landed.row >= of.tap_rows) break;
      Pack<float, 4> scales = load_pack<4>(scale + landed.channel + half * 4);
      Pack<float, 4> shifts = load_pack<4>(shift + landed.channel + half * 4);
#pragma unroll
      for (int pass = 0; pass < Share::PASSES; pass++) {
        if (!inside(windows.get(pass), landed)) continue;
        unsigned char* piece = stage + Staged::offset(share.row(pass), share.piece);
        scale_four(reinterpret_cast<uint32_t*>(piece) + half * 2, scales, shifts);
      }
    }
    advance_tap(landed, Tile::DEPTH, of.tap_columns, of.channels);
  }

  __device__ __forceinline__ static void scale_four(uint32_t* pairs, const Pack<float, 4>& scales,
                                                    const Pack<float, 4>& shifts) {
    Pack<uint32_t, 2> four = load_pack<2>(pairs);
#pragma unroll
    for (int e = 0; e < 2; e++) {
      float low = scale_shift_relu(lower_float(four.at[e]), scales.at[2 * e], shifts.at[2 * e]);
      float high = scale_shift_relu(upper_float(four.at[e]), scales.at[2 * e + 1], shifts.at[2 * e + 1]);
      four.at[e] = pack_bf16(low, high);
    }
    store_pack(pairs, four);
  }
};

// Right operand of the input gradient: columns are the input's channels; depth: the phase's taps, the output's
// channels fastest. Lane l works out row l of the stage.
template <class Tile>
struct PhaseWeightsLoader {
  using T = typename Tile::T;
  using Share = PieceShare<typename Tile::Right, Tile::THREADS>;

  const T* weights;  // from the phase's first tap on
  const ConvGeometry& conv;
  Share share;
  int tap_rows, tap_columns, column;
  TapCursor next;

  __device__ __forceinline__ PhaseWeightsLoader(const T* all_weights, int first_column, const ConvGeometry& conv,
                                                const InputPhase& phase)
      : conv(conv), tap_rows(phase.rows), tap_columns(phase.columns), next{0, 0, 0} {
    weights = all_weights + (phase.first_row * conv.s + phase.first_column) * conv.c;
    column = first_column + share.piece * WIDEST<T>;
    advance_tap(next, int(threadIdx.x) & 31, tap_columns, conv.k);
  }

  __device__ __forceinline__ void load(unsigned char* stage) {
    int row = next.channel * conv.r + next.row * conv.stride_h;
    int start = (row * conv.s + next.column * conv.stride_w) * conv.c;
    if (next.row >= tap_rows) start = -1;
#pragma unroll
    for (int pass = 0; pass < Share::PASSES; pass++) {
      int start_of_row = __shfl_sync(0xFFFFFFFFu, start, share.row(pass));
      bool inside = start_of_row >= 0 && column < conv.c;
      share.copy(stage, pass, weights + (inside ? start_of_row + column : 0), inside);
    }
    advance_tap(next, Tile::DEPTH, tap_columns, conv.k);
  }

  __device__ __forceinline__ void arrived(unsigned char*) {}
};

// Right operand of the weight gradient: columns are the kernel's taps, the input's channels fastest; depth: the
// output's pixels up to `end`. Lane l works out the window of the stage's pixel l.
template <class Tile>
struct TapsLoader {
  using T = typename Tile::T;
  using Share = PieceShare<typename Tile::Right, Tile::THREADS>;

  const T* input;
  const ConvGeometry& conv;
  Share share;
  int pixel, end;
  int tap, tap_start;  // place and element, from a window's corner

  __device__ __forceinline__ TapsLoader(const T* input, int first_column, int first_pixel, int end,
                                        const ConvGeometry& conv)
      : input(input), conv(conv), end(end) {
    pixel = first_pixel + (int(threadIdx.x) & 31);
    int channel, tap_column;
    int tap_row = divide(divide(first_column + share.piece * WIDEST<T>, conv.by_c, channel), conv.by_s, tap_column);
    tap_start = (tap_row * conv.w + tap_column) * conv.c + channel;
    // A piece past the last tap is above every picture.
    tap = tap_row < conv.r ? Corner::pack(tap_row, tap_column) : Corner::NOWHERE;
  }

  __device__ __forceinline__ void load(unsigned char* stage) {
    int in_picture, column;
    int picture = divide(pixel, conv.by_output_pixels, in_picture);
    int row = divide(in_picture, conv.by_q, column);
    int top = row * conv.stride_h - conv.padding_h, left = column * conv.stride_w - conv.padding_w;
    int start = ((picture * conv.h + top) * conv.w + left) * conv.c;
    int corner = pixel < end ? Corner::pack(top, left) : Corner::NOWHERE;
#pragma unroll
    for (int pass = 0; pass < Share::PASSES; pass++) {
      int start_of_row = __shfl_sync(0xFFFFFFFFu, start, share.row(pass));
      int corner_of_row = __shfl_sync(0xFFFFFFFFu, corner, share.row(pass));
      bool inside = uint32_t(Corner::row(corner_of_row) + Corner::row(tap)) < uint32_t(conv.h) &&
                    uint32_t(Corner::column(corner_of_row) + Corner::column(tap)) < uint32_t(conv.w);
      share.copy(stage, pass, input + (inside ? start_of_row + tap_start : 0), inside);
    }
    pixel += Tile::DEPTH;
  }

  __device__ __forceinline__ void arrived(unsigned char*) {}
};
