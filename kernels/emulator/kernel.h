// The kernels that the emulator was built with: each file's registration lists them with their parameters.
#pragma once

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "emulator/threads.h"

namespace emulator {

struct Parameter {
  size_t bytes;
  bool is_pointer;
};

struct Kernel {
  const char* name;
  int most_threads;
  void (*body)(void* const* arguments);
  Shared (*static_shared)();
  std::vector<Parameter> parameters;
};

// Ends the process if there are two of one name.
bool register_kernel(const Kernel& kernel);

// Null if the emulator was built without it.
const Kernel* find_kernel(const std::string& name);

// Of the arguments of __launch_bounds__, the one that counts here.
constexpr int most_threads(int threads, int /* blocks_a_multiprocessor */ = 1) { return threads; }

// Calls a kernel with arguments as the driver takes them: a pointer to each.
template <auto FUNCTION>
struct Entry;

template <class... Parameters, void (*FUNCTION)(Parameters...)>
struct Entry<FUNCTION> {
  template <size_t... I>
  static void call(void* const* arguments, std::index_sequence<I...>) {
    FUNCTION(*static_cast<std::remove_const_t<Parameters>*>(arguments[I])...);
  }
  static void body(void* const* arguments) { call(arguments, std::index_sequence_for<Parameters...>{}); }
  static bool add(const char* name, int most_threads, Shared (*shared)()) {
    return register_kernel({name, most_threads, body, shared, {{sizeof(Parameters), std::is_pointer_v<Parameters>}...}});
  }
};

}  // namespace emulator

// Marks where the shared arrays of this file begin and end among the thread's variables: the assembler puts its
// subsections in the order of their numbers, and the compiler writes to the first.
#define EMULATED_FILE                                                       \
  asm(".section .tbss, \"awT\", @nobits\n emulator_begin: .zero 1\n"        \
      ".subsection 1\n emulator_end: .zero 1\n .text");                      \
  extern __thread unsigned char emulator_begin, emulator_end;               \
  static emulator::Shared emulator_shared() { return {&emulator_begin, &emulator_end}; }

#define EMULATED_KERNEL(name, ...) \
  static const bool emulated_##name =  \
      emulator::Entry<&name>::add(#name, emulator::most_threads(__VA_ARGS__), emulator_shared);
