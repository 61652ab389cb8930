// Runs grids: a fiber for each thread of a block, the blocks one after another, on one thread of the
// operating system or several. What makes fibers wait is in warp.cpp.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "emulator/faults.h"
#include "emulator/settings.h"
#include "emulator/threads.h"
#include "emulator/warp.h"

// Saves the registers that a call preserves and the stack pointer, and goes on where another fiber saved its own.
extern "C" __attribute__((visibility("hidden"))) void emulator_switch(void** save, void* resume);
asm(R"(
.text
.globl emulator_switch
.hidden emulator_switch
.type emulator_switch, @function
emulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size emulator_switch, .-emulator_switch
)");

namespace emulator {

EMULATOR_CURRENT Thread* thread;
EMULATOR_CURRENT Block* block;
EMULATOR_CURRENT unsigned char* dynamic_shared;

namespace {

constexpr size_t STACK = 128 << 10;
// Whole pages, and more than any chip has.
constexpr size_t SHARED_SPACE = 256 << 10;
constexpr int SAVED_REGISTERS = 6;

unsigned char* map_pages(size_t bytes) {
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* map = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (map == MAP_FAILED) fault("no memory for the emulator's own stacks");
  return static_cast<unsigned char*>(map);
}

// Makes a page one that nobody may touch.
void forbid_page(unsigned char* page) {
  if (mprotect(page, size_t(sysconf(_SC_PAGESIZE)), PROT_NONE)) fault("cannot protect a page of the emulator's");
}

// What a thread of the operating system needs to run blocks.
struct Worker {
  unsigned char* stacks = map_pages(STACK * MOST_THREADS);
  unsigned char* shared_end = map_pages(SHARED_SPACE * 2) + SHARED_SPACE;
  std::vector<Thread> threads{MOST_THREADS};
  std::vector<int> order;
  Block block{};
  void* stack_pointer = nullptr;

  Worker() {
    for (int i = 0; i < MOST_THREADS; i++) forbid_page(stacks + STACK * i);
    forbid_page(shared_end);
  }
};

thread_local Worker* worker;

// Workers that nobody uses. Programs start many threads one after the other, and a worker maps many pages.
std::mutex spare_mutex;
std::vector<Worker*> spare;

struct Borrowed {
  Borrowed() {
    std::lock_guard<std::mutex> lock(spare_mutex);
    worker = spare.empty() ? new Worker : spare.back();
    if (!spare.empty()) spare.pop_back();
  }

  ~Borrowed() {
    std::lock_guard<std::mutex> lock(spare_mutex);
    spare.push_back(worker);
    worker = nullptr;
  }
};

void yield() { emulator_switch(&thread->stack_pointer, worker->stack_pointer); }

// Where every fiber begins and ends.
void enter() {
  const Launch& launch = *block->launch;
  launch.body(launch.arguments);
  leave_block();
  yield();
  __builtin_unreachable();
}

// A stack on which emulator_switch "returns" to enter().
void* fresh_stack(int number) {
  void** top = reinterpret_cast<void**>(worker->stacks + STACK * (number + 1)) - 2;
  *top = reinterpret_cast<void*>(enter);
  return top - SAVED_REGISTERS;
}

// `position` of `count` in the order asked for: a permutation that is the same every run.
size_t ordered(size_t position, size_t count) {
  constexpr size_t PRIME = 1000003;
  switch (settings().order) {
    case Order::Forward: return position;
    case Order::Reverse: return count - 1 - position;
    case Order::Random: break;
  }
  return count % PRIME ? (position * PRIME + 7) % count : count - 1 - position;
}

void start_threads(const Launch& launch, int count) {
  const dim3& size = launch.block;
  for (int i = 0; i < count; i++) {
    Thread& fiber = worker->threads[i];
    fiber.stack_pointer = fresh_stack(i);
    fiber.index = {i % size.x, i / size.x % size.y, i / (size.x * size.y)};
    fiber.number = i;
    fiber.lane = i % WARP;
    fiber.warp = &block->warps[i / WARP];
    fiber.done = false;
    fiber.wait = {};
    fiber.copies.clear();
    fiber.copy_group = 0;
  }
}

void start_warps(int count) {
  for (int first = 0; first < count; first += WARP) {
    Warp& warp = block->warps[first / WARP];
    int lanes = std::min(count - first, WARP);
    warp.alive = lanes == WARP ? ~0u : (1u << lanes) - 1;
    warp.rendezvous.clear();
  }
}

void poison_shared(const Launch& launch) {
  Shared fixed = launch.static_shared();
  memset(fixed.begin, POISON, size_t(fixed.end - fixed.begin));
  constexpr size_t ALIGNMENT = 128;
  size_t bytes = (launch.dynamic_shared + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  dynamic_shared = worker->shared_end - bytes;
  memset(dynamic_shared, POISON, bytes);
}

bool can_go_on(const Thread& fiber) {
  return !fiber.done && (!fiber.wait.word || *fiber.wait.word != fiber.wait.value);
}

void run_threads(int count) {
  while (block->alive) {
    bool moved = false;
    for (int number : worker->order) {
      Thread& fiber = worker->threads[number];
      if (!can_go_on(fiber)) continue;
      moved = true;
      thread = &fiber;
      emulator_switch(&worker->stack_pointer, fiber.stack_pointer);
      thread = nullptr;
    }
    if (!moved) report_deadlock(worker->threads.data(), count);
  }
}

void run_block(const Launch& launch, size_t index) {
  int count = int(launch.block.x * launch.block.y * launch.block.z);
  const dim3& grid = launch.grid;
  block = &worker->block;
  block->launch = &launch;
  block->index = {unsigned(index % grid.x), unsigned(index / grid.x % grid.y),
                  unsigned(index / (size_t(grid.x) * grid.y))};
  block->alive = count;
  block->arrived = 0;
  poison_shared(launch);
  start_warps(count);
  start_threads(launch, count);
  run_threads(count);
  block = nullptr;
}

// The blocks of one launch, taken by whoever is free.
struct Job {
  const Launch& launch;
  std::atomic<size_t> next{0};
};

void work_on(Job& job) {
  Borrowed borrowed;
  use_signal_stack();
  const Launch& launch = job.launch;
  int count = int(launch.block.x * launch.block.y * launch.block.z);
  worker->order.resize(count);
  for (int i = 0; i < count; i++) worker->order[i] = int(ordered(i, count));
  for (size_t i; (i = job.next++) < launch.blocks;) run_block(launch, ordered(i, launch.blocks));
}

// Threads of the operating system that help with one launch at a time.
class Crew {
 public:
  explicit Crew(int helpers) : helpers_(helpers) {
    for (int i = 0; i < helpers; i++) std::thread([this] { help(); }).detach();
  }

  void work(Job& job) {
    std::unique_lock<std::mutex> only(one_job_, std::try_to_lock);
    if (only && helpers_) share(job);
    work_on(job);
    if (only && helpers_) wait();
  }

 private:
  void share(Job& job) {
    std::lock_guard<std::mutex> lock(mutex_);
    job_ = &job;
    busy_ = helpers_;
    round_++;
    changed_.notify_all();
  }

  void wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return busy_ == 0; });
  }

  void help() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (uint64_t seen = 0;;) {
      changed_.wait(lock, [&] { return round_ != seen; });
      seen = round_;
      lock.unlock();
      work_on(*job_);
      lock.lock();
      if (--busy_ == 0) changed_.notify_all();
    }
  }

  const int helpers_;
  std::mutex one_job_, mutex_;
  std::condition_variable changed_;
  Job* job_ = nullptr;
  int busy_ = 0;
  uint64_t round_ = 0;
};

}  // namespace

void wait_while(const uint64_t* word, uint64_t value, const char* what) {
  thread->wait = {word, value, what};
  yield();
  thread->wait = {};
}

void run(const Launch& launch) {
  // Never destroyed: its threads live as long as the process.
  static Crew& crew = *new Crew(settings().threads - 1);
  Job job{launch};
  crew.work(job);
}

}  // namespace emulator
