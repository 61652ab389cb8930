// Reports of faults: what was wrong, where, and with which order of blocks and threads it shows.
#include "emulator/faults.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <map>
#include <string>

#include "emulator/memory.h"
#include "emulator/settings.h"

namespace emulator {
namespace {

constexpr int TRAPS[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
struct sigaction previous[sizeof TRAPS / sizeof *TRAPS];

const char* name_of(Order order) {
  return order == Order::Forward ? "forward" : order == Order::Reverse ? "reverse" : "random";
}

std::string triple(unsigned x, unsigned y, unsigned z) {
  return "(" + std::to_string(x) + ", " + std::to_string(y) + ", " + std::to_string(z) + ")";
}

// Where the emulator is: the kernel, the block and, if one is running, the thread.
std::string place() {
  if (!block) return "";
  const Launch& launch = *block->launch;
  const uint3& at = block->index;
  std::string text = "  in kernel " + std::string(launch.kernel) + ", block " + triple(at.x, at.y, at.z) +
                     " of " + triple(launch.grid.x, launch.grid.y, launch.grid.z);
  if (thread) {
    const uint3& index = thread->index;
    text += ", thread " + triple(index.x, index.y, index.z);
  }
  text += " of " + triple(launch.block.x, launch.block.y, launch.block.z);
  text += ", order " + std::string(name_of(settings().order)) + "\n";
  // Tests run in threads of their names.
  char host[16] = "";
  pthread_getname_np(pthread_self(), host, sizeof host);
  return text + "  launched by the thread " + host + "\n";
}

[[noreturn]] void end(const std::string& what) {
  fprintf(stderr, "\nCPU emulator: %s\n%s", what.c_str(), place().c_str());
  fflush(stderr);
  _exit(FAULT_STATUS);
}

// How to find the line of the source.
std::string source_of(uintptr_t instruction) {
  Dl_info found;
  if (!dladdr(reinterpret_cast<void*>(instruction), &found) || !found.dli_fname) return "";
  char command[1024];
  snprintf(command, sizeof command, "\n  the line: addr2line -Cipfe %s 0x%lx", found.dli_fname,
           instruction - uintptr_t(found.dli_fbase));
  return command;
}

std::string describe_trap(int signal, const siginfo_t* information) {
  if (signal == SIGFPE) return "integer division by zero";
  // The compiler's own checks end in an instruction that does not exist.
  if (signal == SIGILL) return "misaligned access, or an index outside of an array";
  char address[32];
  snprintf(address, sizeof address, "%p", information->si_addr);
  if (!information->si_addr) return "access through a null pointer, or one that is not aligned to its type";
  return "out-of-bounds access at " + std::string(address) + describe(uintptr_t(information->si_addr));
}

void on_trap(int signal, siginfo_t* information, void* context) {
  if (!thread) {
    for (size_t i = 0; i < sizeof TRAPS / sizeof *TRAPS; i++) {
      if (TRAPS[i] == signal) sigaction(signal, &previous[i], nullptr);
    }
    return;
  }
  auto* machine = static_cast<ucontext_t*>(context);
  end(describe_trap(signal, information) + source_of(uintptr_t(machine->uc_mcontext.gregs[REG_RIP])));
}

}  // namespace

void fault(const char* format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  end(text);
}

void report_deadlock(const Thread* threads, int count) {
  std::map<std::string, std::string> waiting;
  std::map<std::string, int> numbers;
  constexpr int SHOWN = 8;
  int left = 0;
  for (int i = 0; i < count; i++) {
    if (threads[i].done) {
      left++;
      continue;
    }
    std::string what = threads[i].wait.what;
    if (++numbers[what] <= SHOWN) waiting[what] += " " + std::to_string(i);
  }
  std::string text = "deadlock: no thread of the block can go on";
  for (const auto& [what, listed] : waiting) {
    text += "\n  " + std::to_string(numbers[what]) + " wait at " + what + ":" + listed;
    if (numbers[what] > SHOWN) text += " ...";
  }
  end(text + "\n  " + std::to_string(left) + " have left the kernel");
}

void catch_traps() {
  struct sigaction action = {};
  action.sa_sigaction = on_trap;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (size_t i = 0; i < sizeof TRAPS / sizeof *TRAPS; i++) sigaction(TRAPS[i], &action, &previous[i]);
}

void use_signal_stack() {
  alignas(16) static thread_local char memory[64 << 10];
  static thread_local bool is_used = false;
  if (is_used) return;
  is_used = true;
  stack_t stack = {};
  stack.ss_sp = memory;
  stack.ss_size = sizeof memory;
  sigaltstack(&stack, nullptr);
}

}  // namespace emulator
