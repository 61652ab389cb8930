// Device memory is the host's, mapped page by page.
#include "emulator/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <mutex>

#include "emulator/faults.h"
#include "emulator/settings.h"

namespace emulator {
namespace {

constexpr size_t ALIGNMENT = 16;

struct Allocation {
  unsigned char* map;  // a guard page, slack, the memory, fewer than 16 bytes of slack, a guard page
  size_t mapped;
  unsigned char* begin;
  size_t bytes;
};

std::mutex mutex;
std::map<uintptr_t, Allocation> allocations;
size_t in_use;

size_t page() {
  static const size_t bytes = size_t(sysconf(_SC_PAGESIZE));
  return bytes;
}

size_t rounded(size_t bytes, size_t multiple) { return (bytes + multiple - 1) / multiple * multiple; }

bool is_poison(const unsigned char* begin, const unsigned char* end) {
  for (; begin < end; begin++) {
    if (*begin != POISON) return false;
  }
  return true;
}

void check_slack(const Allocation& allocation) {
  const unsigned char* end = allocation.begin + allocation.bytes;
  if (!is_poison(allocation.map + page(), allocation.begin)) {
    fault("something was written before an allocation of %zu bytes", allocation.bytes);
  }
  if (!is_poison(end, allocation.map + allocation.mapped - page())) {
    fault("something was written behind an allocation of %zu bytes", allocation.bytes);
  }
}

// The allocation that begins at or before the address.
const Allocation* at_or_before(uintptr_t address) {
  auto after = allocations.upper_bound(address);
  return after == allocations.begin() ? nullptr : &std::prev(after)->second;
}

}  // namespace

void* allocate(size_t bytes) {
  std::lock_guard<std::mutex> lock(mutex);
  if (bytes > settings().memory - in_use) return nullptr;
  size_t used = rounded(bytes, ALIGNMENT), mapped = rounded(used, page()) + 2 * page();
  void* map = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED) return nullptr;
  auto* first = static_cast<unsigned char*>(map);
  memset(first + page(), POISON, mapped - 2 * page());
  mprotect(first, page(), PROT_NONE);
  mprotect(first + mapped - page(), page(), PROT_NONE);
  unsigned char* begin = first + mapped - page() - used;
  allocations[uintptr_t(begin)] = {first, mapped, begin, bytes};
  in_use += bytes;
  return begin;
}

bool release(void* pointer) {
  std::lock_guard<std::mutex> lock(mutex);
  auto found = allocations.find(uintptr_t(pointer));
  if (found == allocations.end()) return false;
  check_slack(found->second);
  munmap(found->second.map, found->second.mapped);
  in_use -= found->second.bytes;
  allocations.erase(found);
  return true;
}

size_t memory_in_use() {
  std::lock_guard<std::mutex> lock(mutex);
  return in_use;
}

bool is_allocated(const void* pointer, size_t bytes) {
  std::lock_guard<std::mutex> lock(mutex);
  const Allocation* allocation = at_or_before(uintptr_t(pointer));
  if (!allocation) return false;
  size_t offset = size_t(static_cast<const unsigned char*>(pointer) - allocation->begin);
  return offset <= allocation->bytes && bytes <= allocation->bytes - offset;
}

std::string describe(uintptr_t address) {
  // The report of a fault must come even if the fault lies in here.
  std::unique_lock<std::mutex> lock(mutex, std::try_to_lock);
  if (!lock) return "";
  auto bytes = [](size_t count) { return std::to_string(count) + " bytes"; };
  for (const auto& [begin, allocation] : allocations) {
    // Each has the guard pages around it for itself.
    if (address - uintptr_t(allocation.map) >= allocation.mapped) continue;
    const std::string whole = " an allocation of " + bytes(allocation.bytes);
    if (address < begin) return ", " + bytes(begin - address) + " before" + whole;
    if (address - begin >= allocation.bytes) return ", " + bytes(address - begin - allocation.bytes) + " behind" + whole;
    return ", in" + whole;
  }
  return ", far from any allocation";
}

}  // namespace emulator
