// Grouped convolution of NHWC pictures (ResNeXt, depthwise): forward, input gradient and weight gradient, all
// groups in one launch, in f32 and in bf16 with f32 sums. Without groups: conv.cu and conv_mma.cu.
// targets: sm_75 sm_80
//
// Computes what conv.cu does, where output channels of a group see that group's input channels alone. A group
// has 4 to 32 channels in the networks this is for: too few to fill a matrix tile, so every thread sums for
// itself, from the first-level cache, and neighbours share what they read there.
// Tiling: forward and input gradient: 4 pixels by `WIDTH` channels a thread, neighbouring threads on
// neighbouring channels. Weight gradient: `WIDTH` output by `WIDTH` input channels by 3 taps of a kernel row
// a thread, over a part of the pixels; conv_grouped_sum_parts adds the parts in order. WIDTH is 4 in the `x4`
// kernels, for groups of a multiple of 4 channels on both sides, and 1 in the `any` kernels.
// Weights come prepared as `[r, s, from / WIDTH, to, WIDTH]`: `to` are all channels of the side that is
// written, `from` those of one group on the side that is read.
// Shared memory: none, but 4 KiB to add parts. Limits: 2^31 - 1 elements in a tensor and of workspace.
// Moves at least input + weights + output; does 2 n p q k r s (c / groups) FLOPs in each direction. With 32
// groups of 4 in f32 that is 9 FLOPs a byte: bound by memory; with groups of 32, by the float units.

#include "common/divide.cuh"
#include "common/tile_store.cuh"

// The host's twin is `GroupedGeometry` in cuda/conv/grouped.rs.
struct GroupedGeometry {
  int n, h, w, c;
  int k, r, s;
  int p, q;
  int stride_h, stride_w;
  int padding_h, padding_w;
  int group_c, group_k;
  Divisor by_group_c;
  Divisor by_group_k;
  Divisor by_output_pixels;  // p * q
  Divisor by_q;
  Divisor by_input_pixels;  // h * w
  Divisor by_w;
  Divisor by_stride_h;
  Divisor by_stride_w;
};

constexpr int PIXELS = 4;

// What the forward product reads from and writes to.
struct ForwardSides {
  const GroupedGeometry& conv;

  __device__ __forceinline__ int channels() const { return conv.k; }
  __device__ __forceinline__ int pixels() const { return conv.n * conv.p * conv.q; }
  __device__ __forceinline__ int from_channels() const { return conv.c; }
  __device__ __forceinline__ int from_height() const { return conv.h; }
  __device__ __forceinline__ int from_width() const { return conv.w; }
  __device__ __forceinline__ int from_group() const { return conv.group_c; }
  __device__ __forceinline__ int group_of(int channel) const { return divide(channel, conv.by_group_k); }
  __device__ __forceinline__ int locate(int pixel, int& row, int& column) const {
    int in_picture, picture = divide(pixel, conv.by_output_pixels, in_picture);
    row = divide(in_picture, conv.by_q, column);
    return picture;
  }
  // The row and the column that a tap reads; negative if there is none.
  __device__ __forceinline__ int from_row(int row, int tap) const {
    return row * conv.stride_h - conv.padding_h + tap;
  }
  __device__ __forceinline__ int from_column(int column, int tap) const {
    return column * conv.stride_w - conv.padding_w + tap;
  }
};

// The same of the input gradient.
struct BackwardSides {
  const GroupedGeometry& conv;

  __device__ __forceinline__ int channels() const { return conv.c; }
  __device__ __forceinline__ int pixels() const { return conv.n * conv.h * conv.w; }
  __device__ __forceinline__ int from_channels() const { return conv.k; }
  __device__ __forceinline__ int from_height() const { return conv.p; }
  __device__ __forceinline__ int from_width() const { return conv.q; }
  __device__ __forceinline__ int from_group() const { return conv.group_k; }
  __device__ __forceinline__ int group_of(int channel) const { return divide(channel, conv.by_group_c); }
  __device__ __forceinline__ int locate(int pixel, int& row, int& column) const {
    int in_picture, picture = divide(pixel, conv.by_input_pixels, in_picture);
    row = divide(in_picture, conv.by_w, column);
    return picture;
  }
  __device__ __forceinline__ int from_row(int row, int tap) const {
    return stepped(row + conv.padding_h - tap, conv.by_stride_h);
  }
  __device__ __forceinline__ int from_column(int column, int tap) const {
    return stepped(column + conv.padding_w - tap, conv.by_stride_w);
  }
  __device__ __forceinline__ static int stepped(int at, const Divisor& stride) {
    int rest, quotient = divide(max(at, 0), stride, rest);
    return at >= 0 && rest == 0 ? quotient : -1;
  }
};

// WIDTH elements as floats.
template <int WIDTH, class T>
__device__ __forceinline__ Pack<float, WIDTH> load_floats(const T* from) {
  Pack<T, WIDTH> read = load_pack<WIDTH>(from);
  Pack<float, WIDTH> values;
#pragma unroll
  for (int j = 0; j < WIDTH; j++) values.at[j] = to_float(read.at[j]);
  return values;
}

// Forward product and input gradient; `quads` are the channels written, WIDTH at a time.
template <class Sides, int WIDTH, class T>
__device__ __forceinline__ void grouped_product(const Sides& sides, const T* from, const T* weights, T* to,
                                                const Divisor& quads, int accumulate) {
  const GroupedGeometry& conv = sides.conv;
  int quad, first_pixel = divide(int(blockIdx.x * blockDim.x + threadIdx.x), quads, quad) * PIXELS;
  if (first_pixel >= sides.pixels()) return;
  int channel = quad * WIDTH, from_group = sides.from_group();
  const T* group = from + sides.group_of(channel) * from_group;
  int rows[PIXELS], columns[PIXELS], pictures[PIXELS];
  float sums[PIXELS][WIDTH] = {};
#pragma unroll
  for (int i = 0; i < PIXELS; i++) pictures[i] = sides.locate(first_pixel + i, rows[i], columns[i]);
  for (int tap_row = 0; tap_row < conv.r; tap_row++) {
    int lines[PIXELS];  // where the row that pixel `i` reads begins, in pixels; negative if there is none
#pragma unroll
    for (int i = 0; i < PIXELS; i++) {
      int row = sides.from_row(rows[i], tap_row);
      bool inside = uint32_t(row) < uint32_t(sides.from_height()) && first_pixel + i < sides.pixels();
      lines[i] = inside ? (pictures[i] * sides.from_height() + row) * sides.from_width() : -1;
    }
    for (int tap_column = 0; tap_column < conv.s; tap_column++) {
      int places[PIXELS];
#pragma unroll
      for (int i = 0; i < PIXELS; i++) {
        int column = sides.from_column(columns[i], tap_column);
        bool inside = lines[i] >= 0 && uint32_t(column) < uint32_t(sides.from_width());
        places[i] = inside ? (lines[i] + column) * sides.from_channels() : -1;
      }
      int tap_number = tap_row * conv.s + tap_column;
      const T* tap = weights + (tap_number * from_group * sides.channels() + channel * WIDTH);
      for (int depth = 0; depth < from_group; depth += WIDTH) {
        Pack<float, WIDTH> filters[WIDTH];
#pragma unroll
        for (int j = 0; j < WIDTH; j++) {
          filters[j] = load_floats<WIDTH>(tap + depth * sides.channels() + j * WIDTH);
        }
#pragma unroll
        for (int i = 0; i < PIXELS; i++) {
          if (places[i] < 0) continue;
          Pack<float, WIDTH> values = load_floats<WIDTH>(group + places[i] + depth);
#pragma unroll
          for (int j = 0; j < WIDTH; j++) {
#pragma unroll
            for (int e = 0; e < WIDTH; e++) sums[i][j] += values.at[e] * filters[j].at[e];
          }
        }
      }
    }
  }
#pragma unroll
  for (int i = 0; i < PIXELS; i++) {
    if (first_pixel + i >= sides.pixels()) continue;
    T* place = to + (first_pixel + i) * sides.channels() + channel;
    Pack<float, 4> values = {};
#pragma unroll
    for (int j = 0; j < WIDTH; j++) values.at[j] = sums[i][j];
    store_four<WIDTH == 4>(place, values, WIDTH, accumulate);
  }
}

// Taps of a kernel row that one thread sums.
constexpr int TAPS = 3;

// What a thread of the weight gradient is for: numbers of the block's x dimension, output channels fastest.
struct GroupedUnits {
  Divisor by_output_quads;  // k / WIDTH
  Divisor by_input_quads;   // group_c / WIDTH
  Divisor by_tap_chunks;    // s / TAPS, rounded up
  int units;
  int part_pixels;
};

// blockIdx.y is the part of the output's pixels; its sums go to its own range of `sums_of_parts`.
template <int WIDTH, class T>
__device__ __forceinline__ void grouped_weight_gradient(const T* input, const T* output_gradient,
                                                        float* sums_of_parts, const GroupedGeometry& conv,
                                                        const GroupedUnits& by, int accumulate) {
  int unit = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (unit >= by.units) return;
  int output_quad, input_quad, chunk;
  int rest = divide(unit, by.by_output_quads, output_quad);
  rest = divide(rest, by.by_input_quads, input_quad);
  int tap_row = divide(rest, by.by_tap_chunks, chunk);
  int k = output_quad * WIDTH, channel = input_quad * WIDTH, first_tap = chunk * TAPS;
  const T* group = input + divide(k, conv.by_group_k) * conv.group_c + channel;
  float sums[WIDTH][TAPS][WIDTH] = {};
  int pixel = int(blockIdx.y) * by.part_pixels, end = min(conv.n * conv.p * conv.q, pixel + by.part_pixels);
  int q, in_picture, picture = divide(pixel, conv.by_output_pixels, in_picture);
  int p = divide(in_picture, conv.by_q, q);
  for (; pixel < end; pixel++) {
    int y = p * conv.stride_h - conv.padding_h + tap_row;
    int x = q * conv.stride_w - conv.padding_w + first_tap;
    if (uint32_t(y) < uint32_t(conv.h)) {
      const T* line = group + (picture * conv.h + y) * conv.w * conv.c;
      Pack<float, WIDTH> gradients = load_floats<WIDTH>(output_gradient + pixel * conv.k + k);
#pragma unroll
      for (int tap = 0; tap < TAPS; tap++) {
        if (uint32_t(x + tap) >= uint32_t(conv.w)) continue;
        Pack<float, WIDTH> values = load_floats<WIDTH>(line + (x + tap) * conv.c);
#pragma unroll
        for (int j = 0; j < WIDTH; j++) {
#pragma unroll
          for (int e = 0; e < WIDTH; e++) sums[j][tap][e] += gradients.at[j] * values.at[e];
        }
      }
    }
    if (++q == conv.q) {
      q = 0;
      if (++p == conv.p) {
        p = 0;
        picture++;
      }
    }
  }
  float* part = sums_of_parts + int(blockIdx.y) * conv.k * conv.r * conv.s * conv.group_c;
#pragma unroll
  for (int tap = 0; tap < TAPS; tap++) {
    if (first_tap + tap >= conv.s) continue;
#pragma unroll
    for (int j = 0; j < WIDTH; j++) {
      int place = (((k + j) * conv.r + tap_row) * conv.s + first_tap + tap) * conv.group_c + channel;
      Pack<float, 4> values = {};
#pragma unroll
      for (int e = 0; e < WIDTH; e++) values.at[e] = sums[j][tap][e];
      store_four<WIDTH == 4>(part + place, values, WIDTH, accumulate);
    }
  }
}

// Brings `[k, r, s, group_c]` weights into `[r, s, from / width, to, width]`.
template <class Sides, class T>
__device__ __forceinline__ void grouped_prepare(const Sides& sides, const float* weights, T* prepared,
                                                bool backward, int width) {
  const GroupedGeometry& conv = sides.conv;
  int index = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (index >= conv.k * conv.r * conv.s * conv.group_c) return;
  // The hardware's division: this runs over the weights alone.
  int within = index % width, to = index / width % sides.channels();
  int quads = sides.from_group() / width, rest = index / width / sides.channels();
  int from = rest % quads * width + within, tap = rest / quads;
  int k = backward ? to / conv.group_c * conv.group_k + from : to;
  int channel = backward ? to % conv.group_c : from;
  prepared[index] = from_float<T>(weights[(k * conv.r * conv.s + tap) * conv.group_c + channel]);
}

// The parts of a weight gradient, added in order.
KERNEL(256)
conv_grouped_sum_parts_f32(const float* partials, float* gradient, int elements, int parts, int accumulate) {
  store_sum_of_parts(partials, gradient, elements, parts, accumulate);
}

#define GROUPED_KERNELS(NAME, WIDTH, T, DTYPE)                                                                 \
  RESIDENT_KERNEL(256, 3)                                                                                      \
  conv_grouped_forward_##NAME##_##DTYPE(const T* input, const T* weights, T* output, GroupedGeometry conv,     \
                                        Divisor quads) {                                                       \
    grouped_product<ForwardSides, WIDTH>(ForwardSides{conv}, input, weights, output, quads, false);            \
  }                                                                                                            \
  RESIDENT_KERNEL(256, 3)                                                                                      \
  conv_grouped_input_gradient_##NAME##_##DTYPE(const T* output_gradient, const T* weights, T* input_gradient,  \
                                               GroupedGeometry conv, Divisor quads, int accumulate) {          \
    BackwardSides sides = {conv};                                                                              \
    grouped_product<BackwardSides, WIDTH>(sides, output_gradient, weights, input_gradient, quads, accumulate); \
  }                                                                                                            \
  KERNEL(256)                                                                                                  \
  conv_grouped_weight_gradient_##NAME##_##DTYPE(const T* input, const T* output_gradient,                      \
                                                float* sums_of_parts, GroupedGeometry conv, GroupedUnits by,   \
                                                int accumulate) {                                              \
    grouped_weight_gradient<WIDTH>(input, output_gradient, sums_of_parts, conv, by, accumulate);               \
  }

#define GROUPED_FAMILY(T, DTYPE)                                                                      \
  GROUPED_KERNELS(x4, 4, T, DTYPE)                                                                    \
  GROUPED_KERNELS(any, 1, T, DTYPE)                                                                   \
  KERNEL(256)                                                                                         \
  conv_grouped_prepare_##DTYPE(const float* weights, T* prepared, GroupedGeometry conv, int backward, \
                               int width) {                                                           \
    if (backward) {                                                                                   \
      grouped_prepare(BackwardSides{conv}, weights, prepared, true, width);                           \
    } else {                                                                                          \
      grouped_prepare(ForwardSides{conv}, weights, prepared, false, width);                           \
    }                                                                                                 \
  }

GROUPED_FAMILY(float, f32)
#if HAS_BF16
GROUPED_FAMILY(bf16, bf16)
#endif
