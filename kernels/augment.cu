// Decoded pictures to the normalised batch: a ragged batch of 8-bit RGB pictures is sampled once,
// bilinearly, through each picture's affine geometry and border, then coloured by a matrix, clipped and
// normalised into [n, height, width, 3].
//
// A thread makes one output pixel, a block 256 neighbours of one picture (blockIdx.y). The table of
// pictures is read through the cache, one row a block. Places are computed in double, a dozen
// operations a pixel, so that they are as exact on the right of a wide picture as on the left. Inside a
// picture the two pixels of a line that are blended come as two or three aligned words; at its edges, and
// at the ends of the batch, byte by byte. Results pass through 3 KiB of shared memory so that they are
// written without gaps. Moves each input byte about once (neighbours share them in the cache) and 3
// elements a pixel out; does about 70 FLOPs a pixel.
// targets: sm_75 sm_80
#include "common/types.cuh"

// One picture of the batch. The colour matrix maps bytes to 0..1.
struct AugmentPicture {
  uint32_t offset;
  int32_t height, width;
  int32_t border;
  float geometry[6];
  float colour[12];
};

// The size of the output, and what normalises it.
struct Augment {
  uint32_t n, height, width;
  uint32_t bytes;  // of the whole batch
  float mean[3];
  float inverse_std[3];
};

namespace {

constexpr uint32_t THREADS = 256;

// What lies beyond an edge; the numbers are the host's.
constexpr int32_t REFLECT = 0;
constexpr int32_t ZERO = 1;

// Places are kept below this, so that they fit an integer.
constexpr double FAR = 1e9;

// Red, green and blue of a pixel in 0..255.
struct Colour {
  float at[3];
};

// A place along one axis: the pixel before it, and how far beyond that pixel's centre it lies.
struct Position {
  int32_t pixel;
  float fraction;
};

__device__ __forceinline__ Position position(double place) {
  place = place < -FAR ? -FAR : place > FAR ? FAR : place;
  const double whole = floor(place);
  return {int32_t(whole), float(place - whole)};
}

// The pixel that stands for one that may lie outside; negative: black.
__device__ __forceinline__ int32_t bordered(int32_t pixel, int32_t length, int32_t border) {
  if (pixel >= 0 && pixel < length) return pixel;
  if (border == ZERO) return -1;
  if (border != REFLECT) return pixel < 0 ? 0 : length - 1;
  int32_t place = pixel % (2 * length);
  if (place < 0) place += 2 * length;
  return place < length ? place : 2 * length - 1 - place;
}

__device__ __forceinline__ float byte_of(uint64_t bytes, int index) {
  return float(uint32_t(bytes >> (8 * index)) & 0xFFu);
}

// Two neighbouring pixels of a line, blended; `at` is the first one's first byte, and the words that
// hold both are the batch's.
__device__ __forceinline__ Colour blend_words(const uint8_t* at, float fraction) {
  const uint32_t beyond = uint32_t(reinterpret_cast<uint64_t>(at) & 3);
  const uint32_t* words = reinterpret_cast<const uint32_t*>(at - beyond);
  uint64_t pixels = ((uint64_t(words[1]) << 32) | words[0]) >> (8 * beyond);
  // The sixth byte lies in a third word.
  if (beyond == 3) pixels |= uint64_t(words[2] & 0xFFu) << 40;
  Colour colour;
#pragma unroll
  for (int c = 0; c < 3; c++) {
    const float left = byte_of(pixels, c), right = byte_of(pixels, c + 3);
    colour.at[c] = left + fraction * (right - left);
  }
  return colour;
}

// The same for pixels anywhere; a row or column below zero is black.
__device__ __forceinline__ Colour blend_bytes(const uint8_t* picture, int32_t width, int32_t row,
                                              int32_t left, int32_t right, float fraction) {
  Colour colour;
#pragma unroll
  for (int c = 0; c < 3; c++) {
    const float first = row < 0 || left < 0 ? 0.0f : float(picture[(row * width + left) * 3 + c]);
    const float second = row < 0 || right < 0 ? 0.0f : float(picture[(row * width + right) * 3 + c]);
    colour.at[c] = first + fraction * (second - first);
  }
  return colour;
}

// The colour at a place between four pixels.
__device__ __forceinline__ Colour sample(const AugmentPicture& picture, const uint8_t* bytes,
                                         uint32_t byte_count, double x, double y) {
  const float* geometry = picture.geometry;
  const double column = double(geometry[0]) * x + double(geometry[1]) * y + double(geometry[2]) - 0.5;
  const double row = double(geometry[3]) * x + double(geometry[4]) * y + double(geometry[5]) - 0.5;
  const Position across = position(column), down = position(row);
  const int32_t width = picture.width, height = picture.height;
  const bool inside = across.pixel >= 0 && across.pixel < width - 1 && down.pixel >= 0 &&
                      down.pixel < height - 1;
  const uint32_t first = picture.offset + uint32_t(down.pixel * width + across.pixel) * 3;
  Colour upper, lower;
  // Aligned words reach at most three bytes before the first pixel and after the last.
  if (inside && first >= 3 && first + uint32_t(width) * 3 + 9 <= byte_count) {
    upper = blend_words(bytes + first, across.fraction);
    lower = blend_words(bytes + first + width * 3, across.fraction);
  } else {
    const int32_t left = bordered(across.pixel, width, picture.border);
    const int32_t right = bordered(across.pixel + 1, width, picture.border);
    const int32_t top = bordered(down.pixel, height, picture.border);
    const int32_t bottom = bordered(down.pixel + 1, height, picture.border);
    const uint8_t* first_byte = bytes + picture.offset;
    upper = blend_bytes(first_byte, width, top, left, right, across.fraction);
    lower = blend_bytes(first_byte, width, bottom, left, right, across.fraction);
  }
  Colour colour;
#pragma unroll
  for (int c = 0; c < 3; c++) {
    colour.at[c] = upper.at[c] + down.fraction * (lower.at[c] - upper.at[c]);
  }
  return colour;
}

// One channel after the matrix, clipped and normalised.
__device__ __forceinline__ float finish(const AugmentPicture& picture, const Augment& shape,
                                        const Colour& colour, int channel) {
  const float* row = picture.colour + 4 * channel;
  float value = row[0] * colour.at[0] + row[1] * colour.at[1] + row[2] * colour.at[2] + row[3];
  value = value < 0.0f ? 0.0f : value > 1.0f ? 1.0f : value;
  return (value - shape.mean[channel]) * shape.inverse_std[channel];
}

template <class T>
__device__ __forceinline__ void augment(const uint8_t* bytes, const AugmentPicture* pictures, T* output,
                                        const Augment& shape, T* staged) {
  const uint32_t pixels = shape.height * shape.width;
  const uint32_t first = blockIdx.x * THREADS, pixel = first + threadIdx.x;
  const uint32_t here = pixels - first < THREADS ? pixels - first : THREADS;
  for (uint32_t n = blockIdx.y; n < shape.n; n += gridDim.y) {
    const AugmentPicture& picture = pictures[n];
    if (pixel < pixels) {
      const uint32_t y = pixel / shape.width, x = pixel - y * shape.width;
      const Colour colour = sample(picture, bytes, shape.bytes, double(x) + 0.5, double(y) + 0.5);
#pragma unroll
      for (int c = 0; c < 3; c++) {
        staged[threadIdx.x * 3 + c] = from_float<T>(finish(picture, shape, colour, c));
      }
    }
    __syncthreads();
    T* to = output + (n * pixels + first) * 3;
    for (uint32_t i = threadIdx.x; i < here * 3; i += THREADS) to[i] = staged[i];
    __syncthreads();
  }
}

}  // namespace

KERNEL(THREADS)
augment_sample_f32(const uint8_t* bytes, const AugmentPicture* pictures, float* output, Augment shape) {
  __shared__ float staged[THREADS * 3];
  augment(bytes, pictures, output, shape, staged);
}

#if HAS_BF16
KERNEL(THREADS)
augment_sample_bf16(const uint8_t* bytes, const AugmentPicture* pictures, bf16* output, Augment shape) {
  __shared__ bf16 staged[THREADS * 3];
  augment(bytes, pictures, output, shape, staged);
}
#endif
