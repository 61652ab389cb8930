// What the environment asks of the emulator, read once when it is first needed.
#pragma once

#include <cstddef>
#include <string>

namespace emulator {

enum class Order { Forward, Reverse, Random };

// A fault planted in every launch whose kernel's name begins with `planted_kernel`, to prove that tests notice: of
// several blocks the last is left out, or the first two pointers change places.
enum class Planted { None, ShortGrid, SwappedArguments };

struct Settings {
  Order order = Order::Forward;         // FASTLEARN_EMULATOR_ORDER=forward|reverse|random: of blocks and threads
  bool deferred = false;                // FASTLEARN_EMULATOR_STREAMS=eager|deferred: work waits for a host's wait
  int threads = 1;                      // FASTLEARN_EMULATOR_THREADS: of the operating system, for one launch
  int target = 80;                      // FASTLEARN_EMULATOR_TARGET: compute capability, 75, 80, 86, 89, 90
  int devices = 1;                      // FASTLEARN_EMULATOR_DEVICES
  size_t memory = size_t(4) << 30;      // FASTLEARN_EMULATOR_MEMORY: bytes a device, or 512M, 4G
  int driver_version = 12000;           // FASTLEARN_EMULATOR_DRIVER_VERSION: as cuDriverGetVersion says it
  Planted planted = Planted::None;      // FASTLEARN_EMULATOR_FAULT=short-grid|swapped-arguments[:kernel]
  std::string planted_kernel;
};

// Ends the process with a message when a value means nothing.
const Settings& settings();

}  // namespace emulator
