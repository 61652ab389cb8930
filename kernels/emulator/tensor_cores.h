// What cp.async, ldmatrix and mma.sync do, for the wrappers in common/ptx.cuh. The layouts of the fragments
// are those of the PTX manual; g = lane / 4 and t = lane % 4 throughout.
#pragma once

#include "emulator/faults.h"
#include "emulator/intrinsics.h"
#include "emulator/warp.h"

namespace emulator {

// The destination is poisoned at once and written when the copy is waited for, as late as a chip may do it.
void issue_copy(void* to, const void* from, uint32_t bytes, int source_bytes);

// Performs the copies of all groups but the latest `pending`.
void finish_copies(uint32_t pending);

// An instruction that takes the whole warp.
inline const Slot* meet_all(const Slot& slot, const char* what, void (*complete)(Slot*) = nullptr) {
  const Meeting& meeting = meet(~0u, slot, what, complete);
  if (meeting.lanes != ~0u) fault("%s with lanes %08x only; it takes all of a warp", what, meeting.lanes);
  return meeting.slots;
}

// Element `column` of a row of two-byte elements.
inline uint32_t element(const char* row, int column) {
  uint16_t bits;
  memcpy(&bits, row + 2 * column, sizeof bits);
  return bits;
}

template <int COUNT>
void load_matrices(uint32_t (&matrices)[COUNT], const void* row, bool transposed) {
  if (uintptr_t(row) % 16) fault("ldmatrix of a row that is not aligned to 16 bytes");
  const Slot* slots = meet_all(slot_of(row), "ldmatrix");
  int g = thread->lane / 4, t = thread->lane % 4;
  for (int i = 0; i < COUNT; i++) {
    auto row_of = [&](int r) { return value_of<const char*>(slots[8 * i + r]); };
    matrices[i] = transposed ? element(row_of(2 * t), g) | element(row_of(2 * t + 1), g) << 16
                             : element(row_of(g), 2 * t) | element(row_of(g), 2 * t + 1) << 16;
  }
}

// A slot's words: a[4], b[2], then the accumulators, which the product replaces.
constexpr int B_WORDS = 4, D_WORDS = 6;

// D += A B with A of 16 x K and B of K x 8, into the accumulators of all lanes.
template <int K>
void multiply(Slot* lanes, const float (&a)[16][K], const float (&b)[K][8]) {
  for (int row = 0; row < 16; row++) {
    float sums[8];
    for (int column = 0; column < 8; column++) {
      const Slot& slot = lanes[row % 8 * 4 + column / 2];
      sums[column] = bits_as<float>(slot.word[D_WORDS + row / 8 * 2 + column % 2]);
    }
    for (int k = 0; k < K; k++) {
      for (int column = 0; column < 8; column++) sums[column] += a[row][k] * b[k][column];
    }
    for (int column = 0; column < 8; column++) {
      Slot& slot = lanes[row % 8 * 4 + column / 2];
      slot.word[D_WORDS + row / 8 * 2 + column % 2] = bits_as<uint32_t>(sums[column]);
    }
  }
}

inline void complete_bf16(Slot* lanes) {
  float a[16][16], b[16][8];
  auto half = [](uint32_t word, int upper) { return bits_as<float>(upper ? word & 0xFFFF0000u : word << 16); };
  for (int lane = 0; lane < WARP; lane++) {
    const uint32_t* word = lanes[lane].word;
    int g = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; i++) {
      for (int upper = 0; upper < 2; upper++) {
        a[g + i % 2 * 8][2 * t + upper + i / 2 * 8] = half(word[i], upper);
      }
    }
    for (int i = 0; i < 2; i++) {
      for (int upper = 0; upper < 2; upper++) b[2 * t + upper + i * 8][g] = half(word[B_WORDS + i], upper);
    }
  }
  multiply<16>(lanes, a, b);
}

// The lower thirteen bits of an operand are ignored, rounded or not.
inline void complete_tf32(Slot* lanes) {
  float a[16][8], b[8][8];
  for (int lane = 0; lane < WARP; lane++) {
    const uint32_t* word = lanes[lane].word;
    int g = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; i++) a[g + i % 2 * 8][t + i / 2 * 4] = bits_as<float>(word[i] & ~0x1FFFu);
    for (int i = 0; i < 2; i++) b[t + i * 4][g] = bits_as<float>(word[B_WORDS + i] & ~0x1FFFu);
  }
  multiply<8>(lanes, a, b);
}

inline void multiply_with(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                          void (*complete)(Slot*), const char* what) {
  Slot slot = {};
  memcpy(slot.word, a, sizeof a);
  memcpy(slot.word + B_WORDS, b, sizeof b);
  memcpy(slot.word + D_WORDS, d, sizeof d);
  const Slot* slots = meet_all(slot, what, complete);
  memcpy(d, slots[thread->lane].word + D_WORDS, sizeof d);
}

inline void multiply_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  multiply_with(d, a, b, complete_bf16, "mma.sync.m16n8k16");
}

inline void multiply_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  multiply_with(d, a, b, complete_tf32, "mma.sync.m16n8k8");
}

}  // namespace emulator
