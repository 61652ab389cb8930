// Barriers, rendezvous and asynchronous copies: the bookkeeping behind warp.h and tensor_cores.h.
#include "emulator/warp.h"

#include "emulator/faults.h"
#include "emulator/tensor_cores.h"

namespace emulator {
namespace {

void open_barrier(Block& block) {
  block.arrived = 0;
  block.generation++;
}

Meeting& current(Rendezvous& rendezvous) { return rendezvous.meetings[rendezvous.generation & 1]; }

// Whether all lanes have come that have not left the kernel.
bool is_complete(Rendezvous& rendezvous, const Warp& warp) {
  uint32_t awaited = rendezvous.mask & warp.alive, lanes = current(rendezvous).lanes;
  return lanes && (lanes & awaited) == awaited;
}

void finish(Rendezvous& rendezvous) {
  if (rendezvous.complete) rendezvous.complete(current(rendezvous).slots);
  rendezvous.generation++;
  current(rendezvous).lanes = 0;
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

const Meeting& meet(uint32_t mask, const Slot& slot, const char* what, void (*complete)(Slot*)) {
  const int lane = thread->lane;
  if (!(mask >> lane & 1)) fault("%s with the mask %08x, which leaves out lane %d itself", what, mask, lane);
  Warp& warp = *thread->warp;
  Rendezvous& rendezvous = rendezvous_of(warp, mask);
  Meeting& meeting = current(rendezvous);
  if (meeting.lanes && rendezvous.what != what) {
    fault("%s meets %s: the lanes of a warp took different ways", what, rendezvous.what);
  }
  rendezvous.what = what;
  rendezvous.complete = complete;
  meeting.slots[lane] = slot;
  meeting.lanes |= 1u << lane;
  if (is_complete(rendezvous, warp)) {
    finish(rendezvous);
  } else {
    wait_while(&rendezvous.generation, rendezvous.generation, what);
  }
  return meeting;
}

void leave_block() {
  Warp& warp = *thread->warp;
  thread->done = true;
  warp.alive &= ~(1u << thread->lane);
  for (Rendezvous& rendezvous : warp.rendezvous) {
    if (is_complete(rendezvous, warp)) finish(rendezvous);
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
