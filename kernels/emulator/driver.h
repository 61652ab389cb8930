// What the parts of the stand-in driver share: error codes, streams, and the operations that streams run.
//
// Only what the project's host side and the tests call is here, with the behaviour that the driver's documentation
// promises. Devices, contexts and errors are in driver_device.cpp, memory in driver_memory.cpp, streams, events
// and graphs in driver_stream.cpp, modules and launches in driver_module.cpp.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#define DRIVER_FUNCTION extern "C" __attribute__((visibility("default"))) CUresult

enum CUresult {
  CUDA_SUCCESS = 0,
  CUDA_ERROR_INVALID_VALUE = 1,
  CUDA_ERROR_OUT_OF_MEMORY = 2,
  CUDA_ERROR_NOT_INITIALIZED = 3,
  CUDA_ERROR_NO_DEVICE = 100,
  CUDA_ERROR_INVALID_DEVICE = 101,
  CUDA_ERROR_INVALID_CONTEXT = 201,
  CUDA_ERROR_NO_BINARY_FOR_GPU = 209,
  CUDA_ERROR_INVALID_PTX = 218,
  CUDA_ERROR_UNSUPPORTED_PTX_VERSION = 222,
  CUDA_ERROR_INVALID_HANDLE = 400,
  CUDA_ERROR_NOT_FOUND = 500,
  CUDA_ERROR_NOT_READY = 600,
  CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES = 701,
  CUDA_ERROR_NOT_SUPPORTED = 801,
  CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED = 900,
  CUDA_ERROR_STREAM_CAPTURE_INVALIDATED = 901,
  CUDA_ERROR_STREAM_CAPTURE_UNMATCHED = 903,
  CUDA_ERROR_STREAM_CAPTURE_UNJOINED = 904,
  CUDA_ERROR_CAPTURED_EVENT = 907,
};

using CUdeviceptr = uint64_t;

namespace emulator {
struct Stream;
}
using CUstream = emulator::Stream*;

namespace emulator {

// A kernel, a copy or a fill with everything that it needs, so that it can run later and again.
using Operation = std::function<void()>;

// Runs the operation, or keeps it for later if the stream is captured or work is deferred.
CUresult submit(CUstream stream, Operation operation);

// Runs whatever was kept for later in every stream.
void finish_all();

// As above for one stream.
void finish(CUstream stream);

bool is_capturing(CUstream stream);

// Whether this thread captures in a mode that forbids calls which the graph could not hold.
bool captures_strictly();

// Says on standard error why a call is refused, since an error code alone says little; returns the code.
CUresult refuse(CUresult error, const char* format, ...) __attribute__((format(printf, 2, 3)));

}  // namespace emulator
