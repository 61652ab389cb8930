// The table of kernels, filled before the driver's first call.
#include "emulator/kernel.h"

#include <map>

#include "emulator/faults.h"

namespace emulator {
namespace {

std::map<std::string, Kernel>& kernels() {
  static std::map<std::string, Kernel> table;
  return table;
}

}  // namespace

bool register_kernel(const Kernel& kernel) {
  if (!kernels().emplace(kernel.name, kernel).second) fault("two kernels are called %s", kernel.name);
  return true;
}

const Kernel* find_kernel(const std::string& name) {
  auto found = kernels().find(name);
  return found == kernels().end() ? nullptr : &found->second;
}

}  // namespace emulator
