// Barriers, votes and shuffles: whatever makes threads wait for each other.
//
// An operation of a warp is a rendezvous: every lane of the mask deposits a slot, the last one to arrive
// does what there is to do for all of them, and each takes its part of the result.
#pragma once

#include <cstring>

#include "emulator/threads.h"

namespace emulator {

void synchronise_block();

// Takes the thread that has finished out of whatever others wait for it in.
void leave_block();

// Deposits `slot` and waits for the other lanes of `mask`. The last lane to arrive runs `complete` on the slots
// of all.
const Meeting& meet(uint32_t mask, const Slot& slot, const char* what, void (*complete)(Slot*) = nullptr);

template <class T>
Slot slot_of(T value) {
  static_assert(sizeof(T) <= sizeof(Slot));
  Slot slot;
  memcpy(slot.word, &value, sizeof(T));
  return slot;
}

template <class T>
T value_of(const Slot& slot) {
  T value;
  memcpy(&value, slot.word, sizeof(T));
  return value;
}

// What lane `source` brought; from a lane that takes no part, poison.
template <class T>
T shuffle(uint32_t mask, T value, int source, const char* what) {
  const Meeting& meeting = meet(mask, slot_of(value), what);
  if (meeting.lanes >> source & 1) return value_of<T>(meeting.slots[source]);
  Slot poison;
  memset(&poison, POISON, sizeof poison);
  return value_of<T>(poison);
}

inline uint32_t vote(uint32_t mask, bool predicate, const char* what) {
  const Meeting& meeting = meet(mask, slot_of(uint32_t(predicate)), what);
  uint32_t ballot = 0;
  for (int lane = 0; lane < WARP; lane++) {
    if (meeting.lanes >> lane & 1 && meeting.slots[lane].word[0]) ballot |= 1u << lane;
  }
  return ballot;
}

}  // namespace emulator

inline void __syncthreads() { emulator::synchronise_block(); }

inline void __syncwarp(uint32_t mask = ~0u) { emulator::meet(mask, emulator::Slot{}, "__syncwarp"); }

inline uint32_t __ballot_sync(uint32_t mask, int predicate) {
  return emulator::vote(mask, predicate != 0, "__ballot_sync");
}

inline int __any_sync(uint32_t mask, int predicate) {
  return emulator::vote(mask, predicate != 0, "__any_sync") != 0;
}

inline int __all_sync(uint32_t mask, int predicate) {
  return emulator::vote(mask, predicate == 0, "__all_sync") == 0;
}

// The lanes that have not left the kernel: an upper bound of what a chip would answer.
inline uint32_t __activemask() { return emulator::thread->warp->alive; }

template <class T>
T __shfl_sync(uint32_t mask, T value, int source, int width = 32) {
  int first = emulator::thread->lane & ~(width - 1);
  return emulator::shuffle(mask, value, first | (source & (width - 1)), "__shfl_sync");
}

template <class T>
T __shfl_xor_sync(uint32_t mask, T value, int bits, int width = 32) {
  int lane = emulator::thread->lane, source = lane ^ bits;
  bool inside = source < (lane & ~(width - 1)) + width;
  return emulator::shuffle(mask, value, inside ? source : lane, "__shfl_xor_sync");
}

template <class T>
T __shfl_down_sync(uint32_t mask, T value, unsigned distance, int width = 32) {
  int lane = emulator::thread->lane, source = lane + int(distance);
  bool inside = source < (lane & ~(width - 1)) + width;
  return emulator::shuffle(mask, value, inside ? source : lane, "__shfl_down_sync");
}

template <class T>
T __shfl_up_sync(uint32_t mask, T value, unsigned distance, int width = 32) {
  int lane = emulator::thread->lane, source = lane - int(distance);
  bool inside = source >= (lane & ~(width - 1));
  return emulator::shuffle(mask, value, inside ? source : lane, "__shfl_up_sync");
}
