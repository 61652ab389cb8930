// Devices, contexts, attributes and the names of errors.
#include <algorithm>
#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <map>

#include "emulator/driver.h"
#include "emulator/faults.h"
#include "emulator/limits.h"
#include "emulator/memory.h"
#include "emulator/settings.h"

using namespace emulator;

namespace {

std::atomic<bool> initialised{false};
// A context is the address of its device's number.
int contexts[64];
thread_local void* current_context;

constexpr int MOST_DEVICES = int(sizeof contexts / sizeof *contexts);

int device_count() { return std::min(settings().devices, MOST_DEVICES); }

bool is_device(int device) { return device >= 0 && device < device_count(); }

// By the numbers of CUdevice_attribute; what is not listed is zero.
const std::map<int, int>& attributes() {
  static const std::map<int, int> table = {
      {1, MOST_THREADS},                  // MAX_THREADS_PER_BLOCK
      {2, MOST_THREADS},                  // MAX_BLOCK_DIM_X
      {3, MOST_THREADS},                  // MAX_BLOCK_DIM_Y
      {4, MOST_BLOCK_Z},                  // MAX_BLOCK_DIM_Z
      {5, int(MOST_GRID_X)},              // MAX_GRID_DIM_X
      {6, int(MOST_GRID_YZ)},             // MAX_GRID_DIM_Y
      {7, int(MOST_GRID_YZ)},             // MAX_GRID_DIM_Z
      {8, int(SHARED_WITHOUT_ASKING)},    // MAX_SHARED_MEMORY_PER_BLOCK
      {10, WARP},                         // WARP_SIZE
      {12, 65536},                        // MAX_REGISTERS_PER_BLOCK
      {13, 1410000},                      // CLOCK_RATE, kHz
      {16, MULTIPROCESSORS},              // MULTIPROCESSOR_COUNT
      {19, 1},                            // CAN_MAP_HOST_MEMORY
      {31, 1},                            // CONCURRENT_KERNELS
      {36, 1215000},                      // MEMORY_CLOCK_RATE, kHz
      {37, 5120},                         // GLOBAL_MEMORY_BUS_WIDTH, bits
      {38, 40 << 20},                     // L2_CACHE_SIZE
      {39, THREADS_A_MULTIPROCESSOR},     // MAX_THREADS_PER_MULTIPROCESSOR
      {40, 2},                            // ASYNC_ENGINE_COUNT
      {41, 1},                            // UNIFIED_ADDRESSING
      {75, settings().target / 10},       // COMPUTE_CAPABILITY_MAJOR
      {76, settings().target % 10},       // COMPUTE_CAPABILITY_MINOR
      {78, 1},                            // STREAM_PRIORITIES_SUPPORTED
      {81, int(most_shared()) + 1024},    // MAX_SHARED_MEMORY_PER_MULTIPROCESSOR
      {82, 65536},                        // MAX_REGISTERS_PER_MULTIPROCESSOR
      {97, int(most_shared())},           // MAX_SHARED_MEMORY_PER_BLOCK_OPTIN
      {106, 32},                          // MAX_BLOCKS_PER_MULTIPROCESSOR
      {115, 1},                           // MEMORY_POOLS_SUPPORTED
  };
  return table;
}

struct ErrorText {
  const char* name;
  const char* text;
};

const std::map<int, ErrorText>& errors() {
#define ERROR(name, text) {name, {#name, text}}
  static const std::map<int, ErrorText> table = {
      ERROR(CUDA_SUCCESS, "no error"),
      ERROR(CUDA_ERROR_INVALID_VALUE, "invalid argument"),
      ERROR(CUDA_ERROR_OUT_OF_MEMORY, "out of memory"),
      ERROR(CUDA_ERROR_NOT_INITIALIZED, "initialization error"),
      ERROR(CUDA_ERROR_NO_DEVICE, "no CUDA-capable device is detected"),
      ERROR(CUDA_ERROR_INVALID_DEVICE, "invalid device ordinal"),
      ERROR(CUDA_ERROR_INVALID_CONTEXT, "invalid device context"),
      ERROR(CUDA_ERROR_NO_BINARY_FOR_GPU, "no kernel image is available for execution on the device"),
      ERROR(CUDA_ERROR_INVALID_PTX, "a PTX JIT compilation failed"),
      ERROR(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, "the provided PTX was compiled with an unsupported toolchain"),
      ERROR(CUDA_ERROR_INVALID_HANDLE, "invalid resource handle"),
      ERROR(CUDA_ERROR_NOT_FOUND, "named symbol not found"),
      ERROR(CUDA_ERROR_NOT_READY, "device not ready"),
      ERROR(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "too many resources requested for launch"),
      ERROR(CUDA_ERROR_NOT_SUPPORTED, "operation not supported"),
      ERROR(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "operation not permitted when stream is capturing"),
      ERROR(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "operation failed due to a previous error during capture"),
      ERROR(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, "capture was not initiated in this stream"),
      ERROR(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, "capturing stream has unjoined work"),
      ERROR(CUDA_ERROR_CAPTURED_EVENT, "operation not permitted on an event last recorded in a capturing stream"),
  };
#undef ERROR
  return table;
}

}  // namespace

CUresult emulator::refuse(CUresult error, const char* format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  fprintf(stderr, "CPU emulator: refused: %s\n", text);
  return error;
}

DRIVER_FUNCTION cuInit(unsigned) {
  if (!initialised.exchange(true)) catch_traps();
  return device_count() ? CUDA_SUCCESS : CUDA_ERROR_NO_DEVICE;
}

DRIVER_FUNCTION cuDriverGetVersion(int* version) {
  *version = settings().driver_version;
  return CUDA_SUCCESS;
}

DRIVER_FUNCTION cuDeviceGetCount(int* count) {
  if (!initialised) return CUDA_ERROR_NOT_INITIALIZED;
  *count = device_count();
  return CUDA_SUCCESS;
}

DRIVER_FUNCTION cuDeviceGet(int* device, int ordinal) {
  if (!initialised) return CUDA_ERROR_NOT_INITIALIZED;
  if (!is_device(ordinal)) return CUDA_ERROR_INVALID_DEVICE;
  *device = ordinal;
  return CUDA_SUCCESS;
}

DRIVER_FUNCTION cuDeviceGetName(char* name, int length, int device) {
  if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  snprintf(name, size_t(length), "CPU emulator (sm_%d)", settings().target);
  return CUDA_SUCCESS;
}

DRIVER_FUNCTION cuDeviceTotalMem_v2(size_t* bytes, int device) {
  if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  *bytes = settings().memory;
  return CUDA_SUCCESS;
}

DRIVER_FUNCTION cuDeviceGetAttribute(int* value, int attribute, int device) {
  if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  auto found = attributes().find(attribute);
  *value = found == attributes().end() ? 0 : found->second;
  return CUDA_SUCCESS;
}

DRIVER_FUNCTION cuDevicePrimaryCtxRetain(void** context, int device) {
  if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  contexts[device] = device;
  *context = &contexts[device];
  return CUDA_SUCCESS;
}

DRIVER_FUNCTION cuDevicePrimaryCtxRelease_v2(int device) {
  return is_device(device) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

DRIVER_FUNCTION cuCtxSetCurrent(void* context) {
  current_context = context;
  return CUDA_SUCCESS;
}

DRIVER_FUNCTION cuCtxGetCurrent(void** context) {
  *context = current_context;
  return CUDA_SUCCESS;
}

DRIVER_FUNCTION cuCtxSynchronize() {
  if (!current_context) return CUDA_ERROR_INVALID_CONTEXT;
  if (captures_strictly()) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  finish_all();
  return CUDA_SUCCESS;
}

DRIVER_FUNCTION cuGetErrorName(int error, const char** name) {
  auto found = errors().find(error);
  *name = found == errors().end() ? nullptr : found->second.name;
  return *name ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

DRIVER_FUNCTION cuGetErrorString(int error, const char** text) {
  auto found = errors().find(error);
  *text = found == errors().end() ? nullptr : found->second.text;
  return *text ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
