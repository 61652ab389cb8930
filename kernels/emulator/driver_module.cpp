// Modules, functions and launches.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "emulator/driver.h"
#include "emulator/kernel.h"
#include "emulator/limits.h"
#include "emulator/ptx.h"
#include "emulator/settings.h"
#include "emulator/threads.h"

using namespace emulator;

namespace {

struct Function {
  const Kernel* kernel;
  PtxEntry entry;
  size_t most_dynamic_shared = 0;  // raised by cuFuncSetAttribute
};

struct Module {
  Ptx ptx;
  std::vector<std::unique_ptr<Function>> functions;
};

// The driver's options that are of use here, by their numbers in CUjit_option.
constexpr int ERROR_LOG_BUFFER = 5, ERROR_LOG_BUFFER_SIZE = 6;

void write_log(const std::string& text, unsigned count, const int* options, void** values) {
  char* buffer = nullptr;
  size_t size = 0;
  for (unsigned i = 0; i < count; i++) {
    if (options[i] == ERROR_LOG_BUFFER) buffer = static_cast<char*>(values[i]);
    if (options[i] == ERROR_LOG_BUFFER_SIZE) size = size_t(values[i]) & 0xFFFFFFFFu;
  }
  if (buffer && size) snprintf(buffer, size, "%s", text.c_str());
}

// A kernel's arguments, copied when it is launched: the host's go away.
class Arguments {
 public:
  Arguments(const Kernel& kernel, void* const* given) {
    for (size_t i = 0; i < kernel.parameters.size(); i++) {
      const auto* from = static_cast<const char*>(given[i]);
      values_.emplace_back((kernel.parameters[i].bytes + sizeof(Word) - 1) / sizeof(Word));
      memcpy(values_.back().data(), from, kernel.parameters[i].bytes);
    }
    for (auto& value : values_) pointers_.push_back(value.data());
  }

  void swap(size_t a, size_t b) { std::swap(pointers_[a], pointers_[b]); }

  void* const* pointers() const { return pointers_.data(); }

 private:
  struct alignas(16) Word {
    char bytes[16];
  };
  std::vector<std::vector<Word>> values_;
  std::vector<void*> pointers_;
};

// A host that passes too few arguments ends its list with a null pointer, if it is lucky.
bool lacks_an_argument(const Kernel& kernel, void* const* given) {
  for (size_t i = 0; i < kernel.parameters.size(); i++) {
    if (!given || !given[i]) return true;
  }
  return false;
}

bool plants(Planted fault, const Kernel& kernel) {
  const Settings& wanted = settings();
  return wanted.planted == fault && std::string(kernel.name).rfind(wanted.planted_kernel, 0) == 0;
}

// Swaps the first two pointers, as a host would that has mistaken their order.
void swap_pointers(const Kernel& kernel, Arguments& arguments) {
  std::vector<size_t> places;
  for (size_t i = 0; i < kernel.parameters.size(); i++) {
    if (kernel.parameters[i].is_pointer) places.push_back(i);
  }
  if (places.size() >= 2) arguments.swap(places[0], places[1]);
}

size_t volume(const dim3& size) { return size_t(size.x) * size.y * size.z; }

// Whether a chip would take the launch.
CUresult check(const Function& function, const dim3& grid, const dim3& block, size_t dynamic_shared) {
  const char* name = function.kernel->name;
  if (!volume(grid) || grid.x > MOST_GRID_X || grid.y > MOST_GRID_YZ || grid.z > MOST_GRID_YZ) {
    return refuse(CUDA_ERROR_INVALID_VALUE, "%s on a grid of (%u, %u, %u) blocks", name, grid.x, grid.y, grid.z);
  }
  if (!volume(block) || volume(block) > MOST_THREADS || block.z > MOST_BLOCK_Z) {
    return refuse(CUDA_ERROR_INVALID_VALUE, "%s in blocks of (%u, %u, %u) threads", name, block.x, block.y, block.z);
  }
  if (volume(block) > size_t(function.kernel->most_threads)) {
    return refuse(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "%s in blocks of %zu threads; it is built for at most %d", name,
                  volume(block), function.kernel->most_threads);
  }
  size_t fixed = function.entry.static_shared;
  size_t most = std::max(SHARED_WITHOUT_ASKING, fixed + function.most_dynamic_shared);
  if (fixed + dynamic_shared > most) {
    return refuse(CUDA_ERROR_INVALID_VALUE,
                  "%s with %zu + %zu bytes of static and dynamic shared memory, where its attribute allows %zu", name,
                  fixed, dynamic_shared, most);
  }
  return CUDA_SUCCESS;
}

}  // namespace

DRIVER_FUNCTION cuModuleLoadDataEx(Module** handle, const void* image, unsigned count, int* options, void** values) {
  Ptx ptx = read_ptx(static_cast<const char*>(image));
  std::string refused = objection(ptx);
  write_log(refused, count, options, values);
  if (!refused.empty()) return refuse(CUresult(error_of(ptx)), "a module: %s", refused.c_str());
  *handle = new Module{std::move(ptx), {}};
  return CUDA_SUCCESS;
}

DRIVER_FUNCTION cuModuleLoadData(Module** handle, const void* image) {
  return cuModuleLoadDataEx(handle, image, 0, nullptr, nullptr);
}

DRIVER_FUNCTION cuModuleUnload(Module* handle) {
  finish_all();
  delete handle;
  return CUDA_SUCCESS;
}

DRIVER_FUNCTION cuModuleGetFunction(Function** function, Module* handle, const char* name) {
  auto entry = handle->ptx.entries.find(name);
  if (entry == handle->ptx.entries.end()) return refuse(CUDA_ERROR_NOT_FOUND, "the PTX has no kernel %s", name);
  const Kernel* kernel = find_kernel(name);
  if (!kernel) {
    return refuse(CUDA_ERROR_NOT_FOUND, "the emulator was built without %s; run `cargo xtask emulator`", name);
  }
  handle->functions.push_back(std::make_unique<Function>(Function{kernel, entry->second}));
  *function = handle->functions.back().get();
  return CUDA_SUCCESS;
}

// By the numbers of CUfunction_attribute.
DRIVER_FUNCTION cuFuncGetAttribute(int* value, int attribute, Function* function) {
  switch (attribute) {
    case 0: *value = function->kernel->most_threads; break;              // MAX_THREADS_PER_BLOCK
    case 1: *value = int(function->entry.static_shared); break;          // SHARED_SIZE_BYTES
    case 5: case 6: *value = settings().target; break;                   // PTX_VERSION, BINARY_VERSION
    case 8: *value = int(std::max(SHARED_WITHOUT_ASKING, function->most_dynamic_shared)); break;
    default: *value = 0;
  }
  return CUDA_SUCCESS;
}

DRIVER_FUNCTION cuFuncSetAttribute(Function* function, int attribute, int value) {
  constexpr int MAX_DYNAMIC_SHARED_SIZE_BYTES = 8;
  if (attribute != MAX_DYNAMIC_SHARED_SIZE_BYTES) return CUDA_SUCCESS;
  if (value < 0 || size_t(value) + function->entry.static_shared > most_shared()) {
    return refuse(CUDA_ERROR_INVALID_VALUE, "%d bytes of dynamic shared memory for %s; the device has %zu", value,
                  function->kernel->name, most_shared());
  }
  function->most_dynamic_shared = size_t(value);
  return CUDA_SUCCESS;
}

DRIVER_FUNCTION cuLaunchKernel(Function* function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                               unsigned block_x, unsigned block_y, unsigned block_z, unsigned dynamic_shared,
                               CUstream stream, void** given, void**) {
  const Kernel& kernel = *function->kernel;
  dim3 grid(grid_x, grid_y, grid_z), block(block_x, block_y, block_z);
  CUresult checked = check(*function, grid, block, dynamic_shared);
  if (checked != CUDA_SUCCESS) return checked;
  if (lacks_an_argument(kernel, given)) {
    return refuse(CUDA_ERROR_INVALID_VALUE, "%s takes %zu arguments and was given fewer", kernel.name,
                  kernel.parameters.size());
  }
  auto arguments = std::make_shared<Arguments>(kernel, given);
  if (plants(Planted::SwappedArguments, kernel)) swap_pointers(kernel, *arguments);
  size_t blocks = volume(grid);
  if (blocks > 1 && plants(Planted::ShortGrid, kernel)) blocks--;
  return submit(stream, [=, &kernel] {
    run({kernel.name, grid, block, blocks, dynamic_shared, kernel.static_shared, kernel.body, arguments->pointers()});
  });
}
