// What the emulator reads from PTX: not the instructions, but whether a driver would load it and what each entry
// takes.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace emulator {

struct PtxEntry {
  std::vector<size_t> parameters;  // bytes each
  size_t static_shared = 0;        // bytes
};

struct Ptx {
  int version = 0;               // 80 for 8.0
  int target = 0;                // 80 for sm_80
  bool only_this_target = false;  // sm_90a
  std::map<std::string, PtxEntry> entries;
};

// Throws nothing: what cannot be read is left zero or out.
Ptx read_ptx(const std::string& text);

// Empty if the emulated device takes it and every entry agrees with its kernel's source; otherwise why not.
std::string objection(const Ptx& ptx);

// As above with the driver's error code.
int error_of(const Ptx& ptx);

}  // namespace emulator
