// Division of a non-negative index by a divisor that the host knows: a multiplication and a shift
// instead of the dozens of instructions of a division.
//
// Source: Granlund and Montgomery 1994, the round-up method. Exact for every index below 2^31.
#pragma once

#include "common/types.cuh"

// A divisor and its reciprocal; the host's twin is `Divisor` in cuda/divisor.rs.
struct Divisor {
  uint32_t value;
  uint32_t multiplier;
  uint32_t shift;
};

__device__ __forceinline__ int divide(int index, const Divisor& by) {
  return int((__umulhi(uint32_t(index), by.multiplier) + uint32_t(index)) >> by.shift);
}

// The quotient; `rest` is what remains.
__device__ __forceinline__ int divide(int index, const Divisor& by, int& rest) {
  int quotient = divide(index, by);
  rest = index - quotient * int(by.value);
  return quotient;
}
