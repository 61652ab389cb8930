// How a convolution sees its tensors: sources (see register_tile.cuh) that read an input's windows, an
// output's gradient and the weights where they lie, so that no unfolded picture is ever written. Pictures
// are NHWC, weights KRSC. What is done with the products is in conv.cu.
#pragma once

#include "common/divide.cuh"
#include "common/register_tile.cuh"
#include "common/types.cuh"

// A convolution without groups; the host's twin is `Geometry` in cuda/conv/geometry.rs.
struct ConvGeometry {
  int n, h, w, c;
  int k, r, s;
  int p, q;
  int stride_h, stride_w;
  int padding_h, padding_w;
  Divisor by_output_pixels;  // p * q
  Divisor by_q;
  Divisor by_c;
  Divisor by_s;
};

// A line that does not exist lies this far above every picture.
constexpr int OUTSIDE = -(1 << 30);

// A place in the sum over a kernel's taps and channels, the channels running fastest.
struct TapCursor {
  int row;
  int column;
  int channel;
};

// Moves on by `by`; a step is short, so that carrying is cheaper than dividing.
__device__ __forceinline__ void advance_tap(TapCursor& at, int by, int columns, int channels) {
  at.channel += by;
  while (at.channel >= channels) {
    at.channel -= channels;
    if (++at.column == columns) {
      at.column = 0;
      at.row++;
    }
  }
}

// `relu(value * scale + shift)`; not-a-number goes through.
__device__ __forceinline__ float scale_shift_relu(float value, float scale, float shift) {
  float moved = value * scale + shift;
  return moved < 0.0f ? 0.0f : moved;
}

// Left side of the forward product: a line is an output pixel's window, the depth its taps and channels.
// With VECTOR c is a multiple of 4. Padding is zero, after scale, shift and ReLU too.
template <class T, bool VECTOR>
struct InputWindows {
  static constexpr bool ALONG_DEPTH = true;
  struct Line {
    int picture;
    int top;
    int left;
  };
  using Position = TapCursor;
  const T* input;
  const float* scale;  // null: the input as it is
  const float* shift;
  const ConvGeometry& conv;

  __device__ __forceinline__ Line line(int pixel) const {
    int in_picture, column;
    int picture = divide(pixel, conv.by_output_pixels, in_picture);
    if (picture >= conv.n) return {0, OUTSIDE, 0};
    int row = divide(in_picture, conv.by_q, column);
    return {picture * conv.h * conv.w * conv.c, row * conv.stride_h - conv.padding_h,
            column * conv.stride_w - conv.padding_w};
  }

  __device__ __forceinline__ Position position(int depth) const {
    TapCursor at = {0, 0, 0};
    advance_tap(at, depth, conv.s, conv.c);
    return at;
  }

  __device__ __forceinline__ void advance(Position& at, int by) const { advance_tap(at, by, conv.s, conv.c); }

  __device__ __forceinline__ bool inside(const Line& line, const Position& at) const {
    return at.row < conv.r && uint32_t(line.top + at.row) < uint32_t(conv.h) &&
           uint32_t(line.left + at.column) < uint32_t(conv.w);
  }

  __device__ __forceinline__ const T* element(const Line& line, const Position& at) const {
    int pixel = (line.top + at.row) * conv.w + line.left + at.column;
    return input + (line.picture + pixel * conv.c + at.channel);
  }

  __device__ __forceinline__ Pack<float, 4> load(const Line& line, Position at) const {
    Pack<float, 4> values = {};
    if constexpr (VECTOR) {
      if (!inside(line, at)) return values;
      values = load_four<true>(element(line, at), 4);
      if (scale == nullptr) return values;
      Pack<float, 4> scales = load_pack<4>(scale + at.channel), shifts = load_pack<4>(shift + at.channel);
#pragma unroll
      for (int j = 0; j < 4; j++) values.at[j] = scale_shift_relu(values.at[j], scales.at[j], shifts.at[j]);
    } else {
#pragma unroll
      for (int j = 0; j < 4; j++) {
        if (inside(line, at)) {
          float value = to_float(*element(line, at));
          bool plain = scale == nullptr;
          values.at[j] = plain ? value : scale_shift_relu(value, scale[at.channel], shift[at.channel]);
        }
        advance_tap(at, 1, conv.s, conv.c);
      }
    }
    return values;
  }
};

// The input pixels of one phase of a strided convolution: those that the same taps reach. A tap `first_row +
// i * stride_h` of the kernel joins input row `first_h + y * stride_h` to output row `first_p + y - i`. With
// a stride of 1 there is one phase and it is everything. It lies in shared memory, for a thread has no
// registers to spare for it.
struct InputPhase {
  int first_row, first_column;  // of the kernel
  int rows, columns;            // taps
  int first_h, first_w;         // of the input
  int height, width;            // pixels of one picture
  int first_p, first_q;         // of the output

  __device__ __forceinline__ void set(const ConvGeometry& conv, int phase) {
    first_row = phase / conv.stride_w;
    first_column = phase % conv.stride_w;
    rows = taps(conv.r, first_row, conv.stride_h);
    columns = taps(conv.s, first_column, conv.stride_w);
    // Without a tap across there is none at all, which readers see by the rows alone.
    if (columns == 0) rows = 0;
    first_h = first_pixel(first_row, conv.padding_h, conv.stride_h);
    first_w = first_pixel(first_column, conv.padding_w, conv.stride_w);
    height = taps(conv.h, first_h, conv.stride_h);
    width = taps(conv.w, first_w, conv.stride_w);
    first_p = (first_h + conv.padding_h - first_row) / conv.stride_h;
    first_q = (first_w + conv.padding_w - first_column) / conv.stride_w;
  }

  // How many of `first`, `first + step`, .. lie below `end`.
  __device__ __forceinline__ static int taps(int end, int first, int step) {
    return first < end ? (end - first + step - 1) / step : 0;
  }

  // The first pixel whose padded place leaves the rest `phase`.
  __device__ __forceinline__ static int first_pixel(int phase, int padding, int stride) {
    int before = (padding - phase) % stride;
    return before > 0 ? stride - before : -before;
  }
};

// Left side of the input gradient's product: a line is an input pixel of the phase, the depth the phase's
// taps and the output's channels. With VECTOR k is a multiple of 4.
template <class T, bool VECTOR>
struct OutputGradientWindows {
  static constexpr bool ALONG_DEPTH = true;
  struct Line {
    int picture;
    int bottom;
    int right;
  };
  using Position = TapCursor;
  const T* gradient;
  const ConvGeometry& conv;
  const InputPhase& phase;

  // Divides as the hardware does: the divisors are the phase's, and a thread has one or two lines.
  __device__ __forceinline__ Line line(int pixel) const {
    int pixels = phase.height * phase.width;
    int picture = pixel / pixels, in_picture = pixel % pixels;
    if (picture >= conv.n) return {0, OUTSIDE, 0};
    return {picture * conv.p * conv.q * conv.k, phase.first_p + in_picture / phase.width,
            phase.first_q + in_picture % phase.width};
  }

  __device__ __forceinline__ Position position(int depth) const {
    TapCursor at = {0, 0, 0};
    advance_tap(at, depth, phase.columns, conv.k);
    return at;
  }

  __device__ __forceinline__ void advance(Position& at, int by) const {
    advance_tap(at, by, phase.columns, conv.k);
  }

  __device__ __forceinline__ bool inside(const Line& line, const Position& at) const {
    return at.row < phase.rows && uint32_t(line.bottom - at.row) < uint32_t(conv.p) &&
           uint32_t(line.right - at.column) < uint32_t(conv.q);
  }

  __device__ __forceinline__ const T* element(const Line& line, const Position& at) const {
    return gradient +
           (line.picture + ((line.bottom - at.row) * conv.q + line.right - at.column) * conv.k + at.channel);
  }

  __device__ __forceinline__ Pack<float, 4> load(const Line& line, Position at) const {
    Pack<float, 4> values = {};
    if constexpr (VECTOR) {
      if (inside(line, at)) values = load_four<true>(element(line, at), 4);
    } else {
#pragma unroll
      for (int j = 0; j < 4; j++) {
        if (inside(line, at)) values.at[j] = to_float(*element(line, at));
        advance_tap(at, 1, phase.columns, conv.k);
      }
    }
    return values;
  }
};

// Right side of the input gradient's product: lines are the input's channels, the depth is that of
// OutputGradientWindows. With VECTOR c is a multiple of 4.
template <class T, bool VECTOR>
struct PhaseWeights {
  static constexpr bool ALONG_DEPTH = false;
  struct Line {
    int channel;
  };
  using Position = TapCursor;
  const T* weights;
  const ConvGeometry& conv;
  const InputPhase& phase;

  __device__ __forceinline__ Line line(int channel) const { return {channel}; }

  __device__ __forceinline__ Position position(int depth) const {
    TapCursor at = {0, 0, 0};
    advance_tap(at, depth, phase.columns, conv.k);
    return at;
  }

  __device__ __forceinline__ void advance(Position& at, int by) const {
    advance_tap(at, by, phase.columns, conv.k);
  }

  __device__ __forceinline__ Pack<float, 4> load(const Line& line, const Position& at) const {
    int row = phase.first_row + at.row * conv.stride_h;
    int column = phase.first_column + at.column * conv.stride_w;
    int tap = (at.channel * conv.r + row) * conv.s + column;
    int count = at.row < phase.rows ? conv.c - line.channel : 0;
    return load_four<VECTOR>(weights + (tap * conv.c + line.channel), count);
  }
};

// Right side of the weight gradient's product: a line is a tap and a channel of the input, the depth the
// output's pixels. With VECTOR c is a multiple of 4.
template <class T, bool VECTOR>
struct InputTaps {
  static constexpr bool ALONG_DEPTH = false;
  struct Line {
    int row;
    int column;
    int channel;
  };
  struct Position {
    int pixel;
  };
  const T* input;
  const ConvGeometry& conv;
  int end;  // of this block's pixels

  __device__ __forceinline__ Line line(int index) const {
    int channel, column;
    int tap = divide(index, conv.by_c, channel);
    int row = divide(tap, conv.by_s, column);
    return {row, column, channel};
  }

  __device__ __forceinline__ Position position(int pixel) const { return {pixel}; }
  __device__ __forceinline__ void advance(Position& at, int by) const { at.pixel += by; }

  __device__ __forceinline__ bool inside(int top, int left, const TapCursor& tap) const {
    return tap.row < conv.r && uint32_t(top + tap.row) < uint32_t(conv.h) &&
           uint32_t(left + tap.column) < uint32_t(conv.w);
  }

  __device__ __forceinline__ const T* element(int picture, int top, int left, const TapCursor& tap) const {
    return input + (((picture * conv.h + top + tap.row) * conv.w + left + tap.column) * conv.c + tap.channel);
  }

  __device__ __forceinline__ Pack<float, 4> load(const Line& line, const Position& at) const {
    Pack<float, 4> values = {};
    if (at.pixel >= end) return values;
    int in_picture, column;
    int picture = divide(at.pixel, conv.by_output_pixels, in_picture);
    int row = divide(in_picture, conv.by_q, column);
    int top = row * conv.stride_h - conv.padding_h, left = column * conv.stride_w - conv.padding_w;
    TapCursor tap = {line.row, line.column, line.channel};
    if constexpr (VECTOR) {
      if (inside(top, left, tap)) values = load_four<true>(element(picture, top, left, tap), 4);
    } else {
#pragma unroll
      for (int j = 0; j < 4; j++) {
        if (inside(top, left, tap)) values.at[j] = to_float(*element(picture, top, left, tap));
        advance_tap(tap, 1, conv.s, conv.c);
      }
    }
    return values;
  }
};
