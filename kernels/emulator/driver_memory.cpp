// Device and page-locked memory, copies and fills.
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "emulator/driver.h"
#include "emulator/memory.h"
#include "emulator/settings.h"
#include "emulator/threads.h"

using namespace emulator;

namespace {

// Page-locked memory, by its first address.
std::mutex mutex;
std::map<uintptr_t, size_t> pinned;

bool is_pinned(const void* pointer, size_t bytes) {
  std::lock_guard<std::mutex> lock(mutex);
  auto after = pinned.upper_bound(uintptr_t(pointer));
  if (after == pinned.begin()) return false;
  auto [begin, length] = *std::prev(after);
  size_t offset = uintptr_t(pointer) - begin;
  return offset <= length && bytes <= length - offset;
}

void* pointer_to(CUdeviceptr address) { return reinterpret_cast<void*>(address); }

// Device memory; kernels reach page-locked memory as well, so copies may.
bool on_device(CUdeviceptr address, size_t bytes) {
  return is_allocated(pointer_to(address), bytes) || is_pinned(pointer_to(address), bytes);
}

CUresult refuse_range(const char* what, CUdeviceptr address, size_t bytes) {
  return refuse(CUDA_ERROR_INVALID_VALUE, "%s of %zu bytes at %#lx, which lie in no allocation%s", what, bytes,
                address, describe(address).c_str());
}

CUresult fill(CUdeviceptr to, const void* pattern, size_t width, size_t count, CUstream stream) {
  if (!on_device(to, width * count)) return refuse_range("fill", to, width * count);
  if (to % width) return refuse(CUDA_ERROR_INVALID_VALUE, "fill of an address that is not aligned to %zu", width);
  std::vector<char> element(static_cast<const char*>(pattern), static_cast<const char*>(pattern) + width);
  return submit(stream, [=] {
    for (size_t i = 0; i < count; i++) memcpy(pointer_to(to + i * width), element.data(), width);
  });
}

}  // namespace

DRIVER_FUNCTION cuMemAlloc_v2(CUdeviceptr* address, size_t bytes) {
  if (!bytes) return CUDA_ERROR_INVALID_VALUE;
  if (captures_strictly()) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  void* pointer = allocate(bytes);
  *address = CUdeviceptr(pointer);
  return pointer ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

// An allocation within a graph would belong to the graph, which nothing here asks for.
DRIVER_FUNCTION cuMemAllocAsync(CUdeviceptr* address, size_t bytes, CUstream stream) {
  if (is_capturing(stream)) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  return cuMemAlloc_v2(address, bytes);
}

DRIVER_FUNCTION cuMemFree_v2(CUdeviceptr address) {
  if (captures_strictly()) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  if (!address) return CUDA_SUCCESS;
  finish_all();
  if (release(pointer_to(address))) return CUDA_SUCCESS;
  return refuse(CUDA_ERROR_INVALID_VALUE, "to free %#lx, which was not allocated", address);
}

DRIVER_FUNCTION cuMemFreeAsync(CUdeviceptr address, CUstream stream) {
  if (is_capturing(stream)) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  if (!on_device(address, 1)) return refuse(CUDA_ERROR_INVALID_VALUE, "to free %#lx, which was not allocated", address);
  return submit(stream, [=] { release(pointer_to(address)); });
}

DRIVER_FUNCTION cuMemGetInfo_v2(size_t* free, size_t* total) {
  *total = settings().memory;
  *free = *total - memory_in_use();
  return CUDA_SUCCESS;
}

DRIVER_FUNCTION cuMemHostAlloc(void** pointer, size_t bytes, unsigned) {
  if (!bytes) return CUDA_ERROR_INVALID_VALUE;
  if (captures_strictly()) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  constexpr size_t PAGE = 4096;
  *pointer = aligned_alloc(PAGE, (bytes + PAGE - 1) / PAGE * PAGE);
  if (!*pointer) return CUDA_ERROR_OUT_OF_MEMORY;
  memset(*pointer, POISON, bytes);
  std::lock_guard<std::mutex> lock(mutex);
  pinned[uintptr_t(*pointer)] = bytes;
  return CUDA_SUCCESS;
}

DRIVER_FUNCTION cuMemAllocHost_v2(void** pointer, size_t bytes) { return cuMemHostAlloc(pointer, bytes, 0); }

DRIVER_FUNCTION cuMemFreeHost(void* pointer) {
  finish_all();
  std::lock_guard<std::mutex> lock(mutex);
  if (!pinned.erase(uintptr_t(pointer))) return CUDA_ERROR_INVALID_VALUE;
  free(pointer);
  return CUDA_SUCCESS;
}

// From page-locked memory the copy reads when its turn comes; from other memory the driver takes the bytes at once.
DRIVER_FUNCTION cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t bytes, CUstream stream) {
  if (!on_device(to, bytes)) return refuse_range("copy to the device", to, bytes);
  if (is_pinned(from, bytes) || is_capturing(stream)) return submit(stream, [=] { memcpy(pointer_to(to), from, bytes); });
  std::vector<char> taken(static_cast<const char*>(from), static_cast<const char*>(from) + bytes);
  return submit(stream, [to, taken = std::move(taken)] { memcpy(pointer_to(to), taken.data(), taken.size()); });
}

// To memory that is not page-locked the driver copies before it returns.
DRIVER_FUNCTION cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t bytes, CUstream stream) {
  if (!on_device(from, bytes)) return refuse_range("copy from the device", from, bytes);
  CUresult submitted = submit(stream, [=] { memcpy(to, pointer_to(from), bytes); });
  if (!is_pinned(to, bytes) && !is_capturing(stream)) finish(stream);
  return submitted;
}

DRIVER_FUNCTION cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  if (!on_device(from, bytes)) return refuse_range("copy from the device", from, bytes);
  if (!on_device(to, bytes)) return refuse_range("copy to the device", to, bytes);
  return submit(stream, [=] { memmove(pointer_to(to), pointer_to(from), bytes); });
}

// Copies without a stream wait for everything, more than the driver promises.
DRIVER_FUNCTION cuMemcpyHtoD_v2(CUdeviceptr to, const void* from, size_t bytes) {
  finish_all();
  return cuMemcpyHtoDAsync_v2(to, from, bytes, nullptr);
}

DRIVER_FUNCTION cuMemcpyDtoH_v2(void* to, CUdeviceptr from, size_t bytes) {
  finish_all();
  return cuMemcpyDtoHAsync_v2(to, from, bytes, nullptr);
}

DRIVER_FUNCTION cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream stream) {
  if (!on_device(to, count)) return refuse_range("fill", to, count);
  return submit(stream, [=] { memset(pointer_to(to), value, count); });
}

DRIVER_FUNCTION cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count, CUstream stream) {
  return fill(to, &value, sizeof value, count, stream);
}
