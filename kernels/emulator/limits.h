// The limits of real chips that launches are held to, and the chip that the attributes describe.
#pragma once

#include <cstddef>

#include "emulator/settings.h"

namespace emulator {

constexpr size_t MOST_GRID_X = 0x7FFFFFFF;
constexpr size_t MOST_GRID_YZ = 65535;
constexpr int MOST_BLOCK_Z = 64;
constexpr size_t SHARED_WITHOUT_ASKING = 48 << 10;
constexpr int MULTIPROCESSORS = 108;
constexpr int THREADS_A_MULTIPROCESSOR = 2048;

// Shared memory that a block gets if its kernel's attribute asks for it.
inline size_t most_shared() {
  int target = settings().target;
  if (target >= 90) return 227 << 10;
  if (target >= 86) return 99 << 10;
  if (target >= 80) return 163 << 10;
  return 64 << 10;
}

}  // namespace emulator
