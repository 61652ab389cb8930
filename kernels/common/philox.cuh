// Counter-based random numbers: Philox4x32-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3"
// (SC 2011), word for word what src/random.rs of tensor-core gives. What keys and counters mean is decided by
// the kernels.
#pragma once

#include "common/types.cuh"

struct PhiloxKey {
  uint32_t low;
  uint32_t high;
};

// Four independent uniform words for a key and a counter, in the counter's place.
__device__ __forceinline__ void philox(PhiloxKey key, uint32_t (&counter)[4]) {
  constexpr uint32_t LEFT_MULTIPLIER = 0xD2511F53u, RIGHT_MULTIPLIER = 0xCD9E8D57u;
  constexpr uint32_t LOW_STEP = 0x9E3779B9u, HIGH_STEP = 0xBB67AE85u;
#pragma unroll
  for (int round = 0; round < 10; round++) {
    const uint32_t left_high = __umulhi(LEFT_MULTIPLIER, counter[0]);
    const uint32_t right_high = __umulhi(RIGHT_MULTIPLIER, counter[2]);
    const uint32_t left_low = LEFT_MULTIPLIER * counter[0];
    const uint32_t right_low = RIGHT_MULTIPLIER * counter[2];
    counter[0] = right_high ^ counter[1] ^ key.low;
    counter[1] = right_low;
    counter[2] = left_high ^ counter[3] ^ key.high;
    counter[3] = left_low;
    key.low += LOW_STEP;
    key.high += HIGH_STEP;
  }
}

// Uniform in [0, 1) with 24 bits, exactly representable.
__device__ __forceinline__ float unit_float(uint32_t word) { return float(word >> 8) * (1.0f / 16777216.0f); }
