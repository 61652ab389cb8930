// What a CUDA thread, a warp and a block are under the emulator, and the launch of a grid.
//
// Every CUDA thread is a fiber that runs until it waits for others; a block runs on one thread of the
// operating system, blocks one after another on each. The scheduler is in scheduler.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

struct uint3 {
  unsigned x, y, z;
};

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

namespace emulator {

constexpr int WARP = 32;
constexpr int MOST_THREADS = 1024;
// All bits set is not-a-number in f32 and bf16 and an index that is out of every bound.
constexpr int POISON = 0xFF;

// What one lane brings to an operation of its warp, or takes from it.
struct Slot {
  uint32_t word[12];
};

// One operation: the lanes that take part in it and what they bring.
struct Meeting {
  uint32_t lanes = 0;
  Slot slots[WARP];
};

// The operations of the lanes of one mask. Two meetings alternate, so that a lane that runs ahead to the
// next operation does not overwrite what a slower one has yet to read.
struct Rendezvous {
  uint32_t mask = 0;
  uint64_t generation = 0;
  const char* what = nullptr;
  void (*complete)(Slot* slots) = nullptr;
  Meeting meetings[2];
};

struct Warp {
  uint32_t alive = 0;
  std::deque<Rendezvous> rendezvous;
};

// A cp.async that was issued and not yet waited for.
struct Copy {
  void* to;
  const void* from;
  uint32_t bytes;
  uint32_t zeros;
  uint32_t group;
};

// A thread waits while `*word == value`.
struct Wait {
  const uint64_t* word;
  uint64_t value;
  const char* what;
};

struct Thread {
  void* stack_pointer;
  uint3 index;
  int number;
  int lane;
  Warp* warp;
  bool done;
  Wait wait;
  std::vector<Copy> copies;
  uint32_t copy_group;
};

// The static shared arrays of one file.
struct Shared {
  unsigned char* begin;
  unsigned char* end;
};

// One grid to run. `body` calls the kernel with its arguments; blocks from `blocks` on are left out.
struct Launch {
  const char* kernel;
  dim3 grid, block;
  size_t blocks;
  size_t dynamic_shared;
  Shared (*static_shared)();
  void (*body)(void* const* arguments);
  void* const* arguments;
};

struct Block {
  const Launch* launch;
  uint3 index;
  int alive;
  int arrived;
  uint64_t generation;
  Warp warps[MOST_THREADS / WARP];
};

// What the calling thread of the operating system is running; null outside of kernels.
#define EMULATOR_CURRENT __thread __attribute__((visibility("hidden")))
extern EMULATOR_CURRENT Thread* thread;
extern EMULATOR_CURRENT Block* block;
extern EMULATOR_CURRENT unsigned char* dynamic_shared;

// Runs the whole grid and returns when it has finished.
void run(const Launch& launch);

// Lets other threads of the block run until `*word != value`.
void wait_while(const uint64_t* word, uint64_t value, const char* what);

}  // namespace emulator
