// Streams, events, capture and graphs.
//
// A stream runs each operation when it is given, or, if the environment asks for deferred streams, not before the
// host waits for it: then a host that reads or frees too early is found out. A graph is the list of the operations
// that were captured, in the order in which they were given, which respects every event between its streams.
#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "emulator/driver.h"
#include "emulator/settings.h"

using namespace emulator;

namespace emulator {

struct Graph {
  std::vector<Operation> operations;
  std::set<CUstream> unjoined;  // streams that took part since the first one last waited for them
  CUstream origin = nullptr;
};

struct Stream {
  std::shared_ptr<Graph> capture;
  std::deque<Operation> pending;
};

// `recorded` counts what the host asked for, `completed` what the stream has reached.
struct EventState {
  uint64_t recorded = 0, completed = 0;
  double milliseconds = 0;
  CUstream stream = nullptr;
  std::shared_ptr<Graph> capture;
};

}  // namespace emulator

using Event = std::shared_ptr<EventState>;

namespace {

// Deferred operations of all streams run under one lock, since one may wait for another's.
std::recursive_mutex device;
std::set<CUstream> streams;
Stream null_stream;
thread_local int strict_captures;

constexpr int RELAXED_CAPTURE = 2;

Stream& stream_of(CUstream handle) { return handle ? *handle : null_stream; }

double now() {
  auto time = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(time).count();
}

bool run_next(Stream& stream) {
  if (stream.pending.empty()) return false;
  Operation next = std::move(stream.pending.front());
  stream.pending.pop_front();
  next();
  return true;
}

// Runs the event's stream until it has passed the recording that was the last when this was called.
void reach(const Event& event, uint64_t recording) {
  std::lock_guard<std::recursive_mutex> lock(device);
  while (event->completed < recording && run_next(stream_of(event->stream))) {
  }
}

void complete(const Event& event, uint64_t recording) {
  std::lock_guard<std::recursive_mutex> lock(device);
  if (event->completed < recording) event->completed = recording;
  event->milliseconds = now();
}

// A stream that waits for an event of a capture becomes part of it.
void join_capture(CUstream handle, const Event& event) {
  Graph& graph = *event->capture;
  if (handle == graph.origin) {
    graph.unjoined.erase(event->stream);
  } else {
    stream_of(handle).capture = event->capture;
    graph.unjoined.insert(handle);
  }
}

}  // namespace

bool emulator::is_capturing(CUstream stream) { return stream_of(stream).capture != nullptr; }

bool emulator::captures_strictly() { return strict_captures > 0; }

CUresult emulator::submit(CUstream handle, Operation operation) {
  Stream& stream = stream_of(handle);
  if (stream.capture) {
    stream.capture->operations.push_back(std::move(operation));
    if (handle != stream.capture->origin) stream.capture->unjoined.insert(handle);
  } else if (settings().deferred) {
    std::lock_guard<std::recursive_mutex> lock(device);
    stream.pending.push_back(std::move(operation));
  } else {
    operation();
  }
  return CUDA_SUCCESS;
}

void emulator::finish(CUstream handle) {
  if (!settings().deferred) return;
  std::lock_guard<std::recursive_mutex> lock(device);
  while (run_next(stream_of(handle))) {
  }
}

void emulator::finish_all() {
  if (!settings().deferred) return;
  std::lock_guard<std::recursive_mutex> lock(device);
  finish(nullptr);
  for (CUstream stream : streams) finish(stream);
}

DRIVER_FUNCTION cuStreamCreate(CUstream* handle, unsigned) {
  std::lock_guard<std::recursive_mutex> lock(device);
  *handle = new Stream;
  streams.insert(*handle);
  return CUDA_SUCCESS;
}

DRIVER_FUNCTION cuStreamDestroy_v2(CUstream handle) {
  std::lock_guard<std::recursive_mutex> lock(device);
  finish(handle);
  if (!streams.erase(handle)) return CUDA_ERROR_INVALID_HANDLE;
  delete handle;
  return CUDA_SUCCESS;
}

DRIVER_FUNCTION cuStreamSynchronize(CUstream handle) {
  if (is_capturing(handle) || captures_strictly()) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  finish(handle);
  return CUDA_SUCCESS;
}

DRIVER_FUNCTION cuStreamWaitEvent(CUstream handle, Event* handle_of_event, unsigned) {
  Event event = *handle_of_event;
  if (event->capture) {
    if (!handle) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    join_capture(handle, event);
    return CUDA_SUCCESS;
  }
  return submit(handle, [event, recording = event->recorded] { reach(event, recording); });
}

DRIVER_FUNCTION cuEventCreate(Event** handle, unsigned) {
  *handle = new Event(std::make_shared<EventState>());
  return CUDA_SUCCESS;
}

DRIVER_FUNCTION cuEventDestroy_v2(Event* handle) {
  delete handle;
  return CUDA_SUCCESS;
}

DRIVER_FUNCTION cuEventRecord(Event* handle, CUstream stream) {
  Event event = *handle;
  event->stream = stream;
  event->capture = stream_of(stream).capture;
  if (event->capture) return CUDA_SUCCESS;
  uint64_t recording = ++event->recorded;
  return submit(stream, [=] { complete(event, recording); });
}

DRIVER_FUNCTION cuEventSynchronize(Event* handle) {
  Event event = *handle;
  if (event->capture) return CUDA_ERROR_CAPTURED_EVENT;
  if (captures_strictly()) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  reach(event, event->recorded);
  return CUDA_SUCCESS;
}

// Lets the event's stream move, so that a host that asks again and again gets its answer.
DRIVER_FUNCTION cuEventQuery(Event* handle) {
  Event event = *handle;
  if (event->capture) return CUDA_ERROR_CAPTURED_EVENT;
  std::lock_guard<std::recursive_mutex> lock(device);
  if (event->completed == event->recorded) return CUDA_SUCCESS;
  run_next(stream_of(event->stream));
  return CUDA_ERROR_NOT_READY;
}

DRIVER_FUNCTION cuEventElapsedTime(float* milliseconds, Event* start, Event* end) {
  for (const Event* event : {start, end}) {
    if (!(*event)->recorded) return CUDA_ERROR_INVALID_HANDLE;
    if ((*event)->completed < (*event)->recorded) return CUDA_ERROR_NOT_READY;
  }
  *milliseconds = float((*end)->milliseconds - (*start)->milliseconds);
  return CUDA_SUCCESS;
}

DRIVER_FUNCTION cuStreamBeginCapture_v2(CUstream handle, int mode) {
  if (!handle) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  if (is_capturing(handle)) return CUDA_ERROR_INVALID_VALUE;
  handle->capture = std::make_shared<Graph>();
  handle->capture->origin = handle;
  strict_captures += mode != RELAXED_CAPTURE;
  return CUDA_SUCCESS;
}

DRIVER_FUNCTION cuStreamIsCapturing(CUstream handle, int* status) {
  *status = is_capturing(handle);
  return CUDA_SUCCESS;
}

DRIVER_FUNCTION cuStreamEndCapture(CUstream handle, std::shared_ptr<Graph>** graph) {
  *graph = nullptr;
  std::shared_ptr<Graph> captured = stream_of(handle).capture;
  if (!captured || captured->origin != handle) return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
  strict_captures = 0;
  std::lock_guard<std::recursive_mutex> lock(device);
  for (CUstream stream : streams) {
    if (stream->capture == captured) stream->capture = nullptr;
  }
  if (!captured->unjoined.empty()) return CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
  *graph = new std::shared_ptr<Graph>(captured);
  return CUDA_SUCCESS;
}

DRIVER_FUNCTION cuGraphInstantiateWithFlags(std::shared_ptr<Graph>** executable, std::shared_ptr<Graph>* graph,
                                            unsigned long long) {
  *executable = new std::shared_ptr<Graph>(*graph);
  return CUDA_SUCCESS;
}

DRIVER_FUNCTION cuGraphUpload(std::shared_ptr<Graph>*, CUstream) { return CUDA_SUCCESS; }

DRIVER_FUNCTION cuGraphLaunch(std::shared_ptr<Graph>* executable, CUstream stream) {
  return submit(stream, [graph = *executable] {
    for (const Operation& operation : graph->operations) operation();
  });
}

DRIVER_FUNCTION cuGraphDestroy(std::shared_ptr<Graph>* graph) {
  delete graph;
  return CUDA_SUCCESS;
}

DRIVER_FUNCTION cuGraphExecDestroy(std::shared_ptr<Graph>* executable) {
  delete executable;
  return CUDA_SUCCESS;
}
