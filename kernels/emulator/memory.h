// Device memory: poisoned when it is allocated, with pages around it that nobody may touch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace emulator {

// Null if the device's memory is full. The end lies against a guard page, to 16 bytes; what is left beside it
// is checked when the memory is freed.
void* allocate(size_t bytes);

// False if nothing was allocated there. A fault if a kernel wrote beside the allocation.
bool release(void* pointer);

size_t memory_in_use();

// Whether all of the range lies in one allocation.
bool is_allocated(const void* pointer, size_t bytes);

// Which allocation an address lies in, behind or before, in words that continue a sentence.
std::string describe(uintptr_t address);

}  // namespace emulator
