// Barriers, rendezvous and asynchronous copies: the bookkeeping behind warp.h and tensor_cores.h.
#include "warp.h"

#include "faults.h"
#include "tensor_cores.h"

namespace emulator {
namespace {

void open_barrier(Block& block) {
  block.arrived = 0;
  block.generation++;
}

// Lanes that have left the kernel are not waited for.
bool all_have_come(const Rendezvous& rendezvous, const Warp& warp) {
  uint32_t awaited = rendezvous.mask & warp.alive;
  return rendezvous.arrived && (rendezvous.arrived & awaited) == awaited;
}

void finish(Rendezvous& rendezvous) {
  if (rendezvous.complete) rendezvous.complete(rendezvous.slots[rendezvous.generation & 1]);
  rendezvous.arrived = 0;
  rendezvous.generation++;
}

Rendezvous& rendezvous_of(Warp& warp, uint32_t mask) {
  for (Rendezvous& known : warp.rendezvous) {
    if (known.mask == mask) return known;
  }
  warp.rendezvous.emplace_back();
  warp.rendezvous.back().mask = mask;
  return warp.rendezvous.back();
}

}  // namespace

void synchronise_block() {
  Block& here = *block;
  if (++here.arrived == here.alive) {
    open_barrier(here);
  } else {
    wait_while(&here.generation, here.generation, "__syncthreads");
  }
}

const Slot* meet(uint32_t mask, const Slot& slot, const char* what, void (*complete)(Slot*)) {
  uint32_t me = 1u << thread->lane;
  if (!(mask & me)) fault("%s with the mask %08x, which leaves out lane %d itself", what, mask, thread->lane);
  Warp& warp = *thread->warp;
  Rendezvous& rendezvous = rendezvous_of(warp, mask);
  if (rendezvous.arrived && rendezvous.what != what) {
    fault("%s meets %s: the lanes of a warp took different ways", what, rendezvous.what);
  }
  const uint64_t generation = rendezvous.generation;
  Slot* slots = rendezvous.slots[generation & 1];
  slots[thread->lane] = slot;
  rendezvous.what = what;
  rendezvous.complete = complete;
  rendezvous.arrived |= me;
  if (all_have_come(rendezvous, warp)) {
    finish(rendezvous);
  } else {
    wait_while(&rendezvous.generation, generation, what);
  }
  return slots;
}

void leave_block() {
  Warp& warp = *thread->warp;
  thread->done = true;
  warp.alive &= ~(1u << thread->lane);
  for (Rendezvous& rendezvous : warp.rendezvous) {
    if (all_have_come(rendezvous, warp)) finish(rendezvous);
  }
  if (--block->alive && block->arrived == block->alive) open_barrier(*block);
}

void issue_copy(void* to, const void* from, uint32_t bytes, int source_bytes) {
  if (uintptr_t(to) % bytes) fault("cp.async of %u bytes to an address that is not aligned to them", bytes);
  if (uintptr_t(from) % bytes) fault("cp.async of %u bytes from an address that is not aligned to them", bytes);
  if (source_bytes < 0 || uint32_t(source_bytes) > bytes) {
    fault("cp.async of %u bytes is told to read %d", bytes, source_bytes);
  }
  memset(to, POISON, bytes);
  uint32_t read = uint32_t(source_bytes);
  thread->copies.push_back({to, from, read, bytes - read, thread->copy_group});
}

void finish_copies(uint32_t pending) {
  auto& copies = thread->copies;
  size_t done = 0;
  for (; done < copies.size() && copies[done].group + pending < thread->copy_group; done++) {
    const Copy& copy = copies[done];
    memcpy(copy.to, copy.from, copy.bytes);
    memset(static_cast<char*>(copy.to) + copy.bytes, 0, copy.zeros);
  }
  copies.erase(copies.begin(), copies.begin() + long(done));
}

}  // namespace emulator
