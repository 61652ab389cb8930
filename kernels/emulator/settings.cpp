// Reads the environment; what the settings mean is in settings.h.
#include "emulator/settings.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace emulator {
namespace {

constexpr int WRONG_SETTING = 2;

[[noreturn]] void refuse(const char* name, const char* value, const char* expected) {
  fprintf(stderr, "CPU emulator: %s=%s is not %s\n", name, value, expected);
  exit(WRONG_SETTING);
}

const char* variable(const char* name) {
  const char* value = getenv(name);
  return value && *value ? value : nullptr;
}

template <class T>
struct Choice {
  const char* name;
  T value;
};

template <class T, size_t N>
void choose(const char* name, T& setting, const Choice<T> (&choices)[N], const char* expected) {
  const char* value = variable(name);
  if (!value) return;
  for (const auto& choice : choices) {
    if (!strcmp(choice.name, value)) {
      setting = choice.value;
      return;
    }
  }
  refuse(name, value, expected);
}

void number(const char* name, int& setting, int least) {
  const char* value = variable(name);
  if (!value) return;
  char* end;
  long parsed = strtol(value, &end, 10);
  if (*end || parsed < least || parsed > 1 << 20) refuse(name, value, "a sensible number");
  setting = int(parsed);
}

void bytes(const char* name, size_t& setting) {
  const char* value = variable(name);
  if (!value) return;
  char* end;
  size_t parsed = strtoull(value, &end, 10);
  int shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
  if (end == value || end[shift != 0]) refuse(name, value, "a number of bytes such as 512M");
  setting = parsed << shift;
}

void planted(Settings& read) {
  const char* name = "FASTLEARN_EMULATOR_FAULT";
  const char* value = variable(name);
  if (!value) return;
  std::string kind = value;
  size_t colon = kind.find(':');
  if (colon != std::string::npos) {
    read.planted_kernel = kind.substr(colon + 1);
    kind.resize(colon);
  }
  if (kind == "short-grid") {
    read.planted = Planted::ShortGrid;
  } else if (kind == "swapped-arguments") {
    read.planted = Planted::SwappedArguments;
  } else {
    refuse(name, value, "short-grid or swapped-arguments, with :KERNEL or without");
  }
}

Settings read() {
  Settings read;
  const Choice<Order> orders[] = {
      {"forward", Order::Forward}, {"reverse", Order::Reverse}, {"random", Order::Random}};
  choose("FASTLEARN_EMULATOR_ORDER", read.order, orders, "forward, reverse or random");
  const Choice<bool> streams[] = {{"eager", false}, {"deferred", true}};
  choose("FASTLEARN_EMULATOR_STREAMS", read.deferred, streams, "eager or deferred");
  number("FASTLEARN_EMULATOR_THREADS", read.threads, 1);
  number("FASTLEARN_EMULATOR_TARGET", read.target, 50);
  number("FASTLEARN_EMULATOR_DEVICES", read.devices, 0);
  number("FASTLEARN_EMULATOR_DRIVER_VERSION", read.driver_version, 1000);
  bytes("FASTLEARN_EMULATOR_MEMORY", read.memory);
  planted(read);
  return read;
}

}  // namespace

const Settings& settings() {
  static const Settings once = read();
  return once;
}

}  // namespace emulator
