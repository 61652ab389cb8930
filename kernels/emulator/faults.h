// What happens when a kernel does what no kernel may: a message that says which kernel, block and thread,
// and the end of the process.
#pragma once

#include "emulator/threads.h"

namespace emulator {

// The exit status of a process that a fault has ended.
constexpr int FAULT_STATUS = 86;

// Reports a fault of the thread that is running, or of the host if none is, and ends the process.
[[noreturn]] void fault(const char* format, ...) __attribute__((format(printf, 1, 2)));

// Reports what the block's threads wait for, since none can go on, and ends the process.
[[noreturn]] void report_deadlock(const Thread* threads, int count);

// Turns accesses that the machine traps into faults. Those outside of kernels go to whoever handled them before.
void catch_traps();

// Gives the calling thread a stack on which to report that another one is full.
void use_signal_stack();

}  // namespace emulator
