// The emulator's own tests: right kernels give what a plain computation gives, and every wrong one of kernels.cu is
// found out with the message that it should give. They call the driver as a program would.
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "emulator/driver.h"
#include "emulator/faults.h"

extern "C" {
CUresult cuInit(unsigned);
CUresult cuMemAlloc_v2(CUdeviceptr*, size_t);
CUresult cuMemFree_v2(CUdeviceptr);
CUresult cuMemHostAlloc(void**, size_t, unsigned);
CUresult cuMemcpyHtoD_v2(CUdeviceptr, const void*, size_t);
CUresult cuMemcpyDtoH_v2(void*, CUdeviceptr, size_t);
CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr, const void*, size_t, CUstream);
CUresult cuModuleLoadData(void**, const void*);
CUresult cuModuleGetFunction(void**, void*, const char*);
CUresult cuFuncSetAttribute(void*, int, int);
CUresult cuLaunchKernel(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, CUstream, void**,
                        void**);
CUresult cuStreamCreate(CUstream*, unsigned);
CUresult cuStreamSynchronize(CUstream);
CUresult cuStreamBeginCapture_v2(CUstream, int);
CUresult cuStreamEndCapture(CUstream, void**);
CUresult cuStreamWaitEvent(CUstream, void*, unsigned);
CUresult cuEventCreate(void**, unsigned);
CUresult cuEventRecord(void*, CUstream);
CUresult cuGraphInstantiateWithFlags(void**, void*, unsigned long long);
CUresult cuGraphLaunch(void*, CUstream);
}

namespace {

int failures = 0;

void expect(bool holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "  FAILED: %s\n", what);
  failures++;
}

uint32_t random_bits() {
  static uint64_t state = 1;
  state = state * 6364136223846793005u + 1442695040888963407u;
  return uint32_t(state >> 33);
}

float random_float() { return float(int(random_bits() % 2001) - 1000) / 512.0f; }

std::vector<float> random_floats(size_t count) {
  std::vector<float> values(count);
  for (float& value : values) value = random_float();
  return values;
}

float widened(uint16_t bits) {
  uint32_t word = uint32_t(bits) << 16;
  float value;
  memcpy(&value, &word, sizeof value);
  return value;
}

// Random values that bf16 and tf32 hold exactly.
std::vector<uint16_t> random_halves(size_t count) {
  std::vector<uint16_t> values(count);
  for (uint16_t& value : values) value = uint16_t(0x3F00 + random_bits() % 0x100);
  return values;
}

// ---- The driver, as far as tests need it ----------------------------------------------------------------------

CUdeviceptr device_memory(size_t bytes) {
  CUdeviceptr address = 0;
  if (cuMemAlloc_v2(&address, bytes) != CUDA_SUCCESS) abort();
  return address;
}

template <class T>
CUdeviceptr upload(const std::vector<T>& values) {
  CUdeviceptr address = device_memory(values.size() * sizeof(T));
  cuMemcpyHtoD_v2(address, values.data(), values.size() * sizeof(T));
  return address;
}

template <class T>
std::vector<T> download(CUdeviceptr address, size_t count) {
  std::vector<T> values(count);
  cuMemcpyDtoH_v2(values.data(), address, count * sizeof(T));
  return values;
}

// A kernel by the PTX that would be committed for it: only its head matters to the emulator.
void* function(const std::string& name, const std::vector<std::string>& parameters) {
  std::string ptx = ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry " + name + "(\n";
  for (size_t i = 0; i < parameters.size(); i++) ptx += (i ? ",\n.param " : ".param ") + parameters[i];
  ptx += "\n)\n{\nret;\n}\n";
  void *module, *function;
  if (cuModuleLoadData(&module, ptx.c_str()) != CUDA_SUCCESS) return nullptr;
  return cuModuleGetFunction(&function, module, name.c_str()) == CUDA_SUCCESS ? function : nullptr;
}

constexpr const char* POINTER = ".u64 p";

CUresult launch(void* function, unsigned blocks, unsigned threads, std::vector<void*> arguments, unsigned shared = 0,
                CUstream stream = nullptr) {
  return cuLaunchKernel(function, blocks, 1, 1, threads, 1, 1, shared, stream, arguments.data(), nullptr);
}

// Launches a wrong kernel of the shape that all of them have and returns its output.
std::vector<float> run_wrong(const char* name, unsigned blocks, unsigned threads, unsigned shared = 0) {
  CUdeviceptr input = upload(random_floats(blocks * threads)), output = device_memory(blocks * threads * 4);
  launch(function(name, {POINTER, POINTER}), blocks, threads, {&input, &output}, shared);
  return download<float>(output, blocks * threads);
}

// ---- Right kernels --------------------------------------------------------------------------------------------

void sums_are_right() {
  constexpr int COUNT = 700;
  auto values = random_floats(COUNT);
  CUdeviceptr input = upload(values), output = device_memory(3 * 4);
  int count = COUNT;
  launch(function("block_sums", {POINTER, POINTER, ".u32 n"}), 3, 256, {&input, &output, &count});
  auto sums = download<float>(output, 3);
  for (int block = 0; block < 3; block++) {
    double sum = 0;
    for (int i = block * 256; i < COUNT && i < (block + 1) * 256; i++) sum += values[i];
    expect(std::abs(sums[block] - sum) < 1e-4, "the sum of a block");
  }
}

void products_of_bf16_are_right() {
  auto left = random_halves(16 * 16), right = random_halves(8 * 16);
  CUdeviceptr a = upload(left), b = upload(right), output = device_memory(16 * 8 * 4);
  launch(function("product_bf16", {POINTER, POINTER, POINTER}), 1, 32, {&a, &b, &output}, 24 * 16 * 2);
  auto product = download<float>(output, 16 * 8);
  for (int i = 0; i < 16 * 8; i++) {
    double sum = 0;
    for (int k = 0; k < 16; k++) sum += double(widened(left[i / 8 * 16 + k])) * widened(right[i % 8 * 16 + k]);
    expect(std::abs(product[i] - sum) < 1e-4, "an element of a bf16 product");
  }
}

void products_of_tf32_are_right() {
  std::vector<float> left, right;
  for (uint16_t half : random_halves(16 * 8)) left.push_back(widened(half));
  for (uint16_t half : random_halves(8 * 8)) right.push_back(widened(half));
  CUdeviceptr a = upload(left), b = upload(right), output = device_memory(16 * 8 * 4);
  launch(function("product_tf32", {POINTER, POINTER, POINTER}), 1, 32, {&a, &b, &output});
  auto product = download<float>(output, 16 * 8);
  for (int i = 0; i < 16 * 8; i++) {
    double sum = 0;
    for (int k = 0; k < 8; k++) sum += double(left[i / 8 * 8 + k]) * right[k * 8 + i % 8];
    expect(std::abs(product[i] - sum) < 1e-4, "an element of a tf32 product");
  }
}

void transposes_and_padded_copies_are_right() {
  auto values = random_halves(64);
  CUdeviceptr input = upload(values), output = device_memory(128), padded = device_memory(16);
  launch(function("transpose", {POINTER, POINTER, POINTER}), 1, 32, {&input, &output, &padded});
  auto transposed = download<uint16_t>(output, 64);
  for (int i = 0; i < 64; i++) expect(transposed[i] == values[i % 8 * 8 + i / 8], "an element of a transpose");
  auto row = download<uint16_t>(padded, 8);
  for (int i = 0; i < 8; i++) expect(row[i] == (i < 3 ? values[i] : 0), "an element of a padded copy");
}

struct Scaling {
  float factor;
  int count, stride;
};

void graphs_replay_what_was_captured() {
  auto values = random_floats(64);
  CUdeviceptr input = device_memory(256), output = device_memory(256);
  void* page_locked;
  cuMemHostAlloc(&page_locked, 256, 0);
  Scaling scaling = {2.0f, 64, 1};
  void* scale = function("scale", {POINTER, POINTER, ".align 4 .b8 s[12]"});
  CUstream first, second;
  cuStreamCreate(&first, 1);
  cuStreamCreate(&second, 1);
  void *copied, *scaled, *graph, *executable;
  cuEventCreate(&copied, 0);
  cuEventCreate(&scaled, 0);

  cuStreamBeginCapture_v2(first, 1);
  cuMemcpyHtoDAsync_v2(input, page_locked, 256, first);
  cuEventRecord(copied, first);
  cuStreamWaitEvent(second, copied, 0);
  launch(scale, 1, 64, {&input, &output, &scaling}, 0, second);
  cuEventRecord(scaled, second);
  expect(cuStreamSynchronize(first) == CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "no waiting while a graph is captured");
  cuStreamWaitEvent(first, scaled, 0);
  expect(cuStreamEndCapture(first, &graph) == CUDA_SUCCESS, "the capture ends well");
  expect(std::isnan(download<float>(output, 1)[0]), "nothing runs while a graph is captured");
  scaling.factor = 5.0f;

  cuGraphInstantiateWithFlags(&executable, graph, 0);
  for (int round = 1; round <= 2; round++) {
    auto* bytes = static_cast<float*>(page_locked);
    for (int i = 0; i < 64; i++) bytes[i] = values[i] * float(round);
    cuGraphLaunch(executable, first);
    cuStreamSynchronize(first);
    auto found = download<float>(output, 64);
    for (int i = 0; i < 64; i++) expect(found[i] == 2.0f * values[i] * float(round), "an element of a replay");
  }
}

void launches_that_no_chip_takes_are_refused() {
  CUdeviceptr memory = device_memory(256);
  Scaling scaling = {1.0f, 1, 1};
  void* scale = function("scale", {POINTER, POINTER, ".align 4 .b8 s[12]"});
  std::vector<void*> arguments = {&memory, &memory, &scaling};
  auto on_grid = [&](unsigned x, unsigned y) {
    return cuLaunchKernel(scale, x, y, 1, 1, 1, 1, 0, nullptr, arguments.data(), nullptr);
  };
  expect(on_grid(1, 65536) == CUDA_ERROR_INVALID_VALUE, "a grid that is too high");
  expect(on_grid(0, 1) == CUDA_ERROR_INVALID_VALUE, "an empty grid");
  expect(launch(scale, 1, 65, arguments) == CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "more threads than launch bounds");
  constexpr int DYNAMIC_SHARED = 8;
  expect(launch(scale, 1, 64, arguments, 49 << 10) == CUDA_ERROR_INVALID_VALUE, "shared memory not asked for");
  expect(cuFuncSetAttribute(scale, DYNAMIC_SHARED, 49 << 10) == CUDA_SUCCESS, "asking for shared memory");
  expect(launch(scale, 1, 64, arguments, 49 << 10) == CUDA_SUCCESS, "shared memory asked for");
  expect(cuFuncSetAttribute(scale, DYNAMIC_SHARED, 164 << 10) == CUDA_ERROR_INVALID_VALUE, "more than there is");
  expect(!function("scale", {POINTER, POINTER, ".align 4 .b8 s[16]"}), "a stale parameter list");
  void* module;
  const char* of_hopper = ".version 8.0\n.target sm_90a\n";
  expect(cuModuleLoadData(&module, of_hopper) == CUDA_ERROR_NO_BINARY_FOR_GPU, "PTX of another chip");
  const char* too_new = ".version 9.0\n.target sm_80\n";
  expect(cuModuleLoadData(&module, too_new) == CUDA_ERROR_UNSUPPORTED_PTX_VERSION, "PTX newer than the driver");
}

// ---- Wrong kernels --------------------------------------------------------------------------------------------

// A process of its own, whose message must contain `words`.
template <class Wrong>
void is_reported(const char* name, const char* words, Wrong wrong) {
  int ends[2];
  if (pipe(ends)) abort();
  pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    wrong();
    _exit(0);
  }
  close(ends[1]);
  std::string message;
  char buffer[512];
  for (ssize_t read_bytes; (read_bytes = read(ends[0], buffer, sizeof buffer)) > 0;) message.append(buffer, size_t(read_bytes));
  close(ends[0]);
  int status;
  waitpid(child, &status, 0);
  bool reported = WIFEXITED(status) && WEXITSTATUS(status) == emulator::FAULT_STATUS;
  if (reported && message.find(words) != std::string::npos && message.find(name) != std::string::npos) return;
  fprintf(stderr, "  FAILED: %s should be reported with \"%s\"; it said: %s\n", name, words, message.c_str());
  failures++;
}

void kernel_is_reported(const char* name, const char* words, unsigned threads = 32, unsigned shared = 0) {
  is_reported(name, words, [=] { run_wrong(name, 1, threads, shared); });
}

bool has_nan(const std::vector<float>& values) {
  for (float value : values) {
    if (std::isnan(value)) return true;
  }
  return false;
}

// Comes first: a process that has started the emulator's threads cannot go on as two.
void wrong_kernels_are_reported() {
  kernel_is_reported("divergent_barrier", "1 wait at __syncthreads: 0", 64);
  kernel_is_reported("diverging_warp", "took different ways");
  kernel_is_reported("absent_lane", "leaves out lane");
  kernel_is_reported("read_behind", "0 bytes behind an allocation of 128 bytes");
  kernel_is_reported("read_before", "before an allocation");
  kernel_is_reported("misaligned_pack", "misaligned access");
  kernel_is_reported("shared_index", "outside of an array");
  kernel_is_reported("dynamic_shared_index", "out-of-bounds");
  kernel_is_reported("misaligned_row", "not aligned to 16 bytes");
  is_reported("", "written behind an allocation of 100 bytes", [] {
    CUdeviceptr memory = device_memory(100);
    reinterpret_cast<char*>(memory)[100] = 1;
    cuMemFree_v2(memory);
  });
}

void what_was_not_written_is_not_a_number() {
  expect(has_nan(run_wrong("missing_barrier", 1, 128)), "a missing barrier leaves not-a-number");
  expect(has_nan(run_wrong("missing_wait", 1, 32)), "a missing wait leaves not-a-number");
  expect(has_nan(run_wrong("unwritten_shared", 2, 32)), "shared memory of a new block is poisoned");
}

// A host that changes a page-locked buffer before the copy from it is done.
void deferred_copies_read_when_they_are_waited_for() {
  const char* streams = getenv("FASTLEARN_EMULATOR_STREAMS");
  bool deferred = streams && !strcmp(streams, "deferred");
  CUdeviceptr memory = device_memory(4);
  CUstream stream;
  cuStreamCreate(&stream, 1);
  void* page_locked;
  cuMemHostAlloc(&page_locked, 4, 0);
  *static_cast<float*>(page_locked) = 1.0f;
  cuMemcpyHtoDAsync_v2(memory, page_locked, 4, stream);
  *static_cast<float*>(page_locked) = 2.0f;
  cuStreamSynchronize(stream);
  expect(download<float>(memory, 1)[0] == (deferred ? 2.0f : 1.0f), "a copy reads when its turn comes");
}

const char* library;

void the_library_opens_at_run_time() {
  void* opened = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  expect(opened, opened ? "" : dlerror());
  expect(opened && dlsym(opened, "cuInit"), "the library has the driver's functions");
}

struct Test {
  const char* name;
  void (*run)();
};

#define TEST(name) {#name, name}
const Test TESTS[] = {
    TEST(wrong_kernels_are_reported),
    TEST(what_was_not_written_is_not_a_number),
    TEST(the_library_opens_at_run_time),
    TEST(deferred_copies_read_when_they_are_waited_for),
    TEST(sums_are_right),
    TEST(products_of_bf16_are_right),
    TEST(products_of_tf32_are_right),
    TEST(transposes_and_padded_copies_are_right),
    TEST(graphs_replay_what_was_captured),
    TEST(launches_that_no_chip_takes_are_refused),
};

}  // namespace

// Takes the path of the library, as it was built.
int main(int count, char** arguments) {
  if (count != 2) abort();
  library = arguments[1];
  cuInit(0);
  for (const Test& test : TESTS) {
    int before = failures;
    test.run();
    printf("%s ... %s\n", test.name, failures == before ? "ok" : "FAILED");
  }
  return failures != 0;
}
