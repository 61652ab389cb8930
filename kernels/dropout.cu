// Dropout: an element is zeroed by its own random word, else divided by the share that is kept. The mask is
// never stored; the gradient is the same function.
//
// 256 threads a block; a thread makes one Philox block of four words and serves the four elements that it
// belongs to, 16 bytes at once where the pointers are aligned. No shared memory; at most 2^31 - 1 elements.
// Moves 8 bytes an element, 12 if it accumulates; about 30 integer instructions an element, which hide behind
// that.
// targets: sm_75
#include "common/philox.cuh"
#include "common/vectors.cuh"

namespace {

// Elements of a Philox block.
constexpr int WORDS = 4;

// The twin of cuda/dropout.rs.
struct Mask {
  uint32_t key_low, key_high;
  uint32_t step_low, step_high;
  float probability;
  uint32_t accumulate;
};

// One or `N` elements from `first` on, which is a multiple of four if there are several.
struct Drop {
  const float* __restrict__ input;
  float* __restrict__ output;
  Mask mask;
  float kept;  // 1 / (1 - probability)

  template <int N>
  struct Share {
    float input[N], old[N];
  };
  template <int N>
  __device__ __forceinline__ void load(uint32_t first, Share<N>& share) const {
    load_values(input + first, share.input);
    if (mask.accumulate) load_values(output + first, share.old);
  }
  template <int N>
  __device__ __forceinline__ void finish(uint32_t first, const Share<N>& share) const {
    uint32_t words[WORDS] = {first / WORDS, 0, mask.step_low, mask.step_high};
    philox(PhiloxKey{mask.key_low, mask.key_high}, words);
    float values[N];
#pragma unroll
    for (int i = 0; i < N; i++) {
      const uint32_t word = N == WORDS ? words[i] : pick(words, first % WORDS);
      const bool dropped = unit_float(word) < mask.probability;
      const float value = dropped ? 0.0f : share.input[i] * kept;
      values[i] = mask.accumulate ? share.old[i] + value : value;
    }
    store_values(output + first, values);
  }
  // An index that is not known in advance would put the words into memory.
  static __device__ __forceinline__ uint32_t pick(const uint32_t (&words)[WORDS], uint32_t which) {
    const uint32_t low = which & 1 ? words[1] : words[0];
    const uint32_t high = which & 1 ? words[3] : words[2];
    return which & 2 ? high : low;
  }
};

}  // namespace

// `step`, where it is there, holds the two words of the step that take the place of the mask's: a captured
// launch sees those of the step that it replays.
KERNEL(256) dropout_apply_f32(const uint32_t* step, const float* input, float* output, uint32_t len,
                              Mask mask) {
  if (step) {
    mask.step_low = step[0];
    mask.step_high = step[1];
  }
  const Drop drop{input, output, mask, 1.0f / (1.0f - mask.probability)};
  walk_vectors<WORDS, 1>(len, is_aligned(input) && is_aligned(output), drop);
}
