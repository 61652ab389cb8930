// Reads PTX as far as a loader must, and compares it with the kernels that the emulator was built with.
#include "emulator/ptx.h"

#include <cctype>
#include <cstdlib>

#include "emulator/driver.h"
#include "emulator/kernel.h"
#include "emulator/settings.h"

namespace emulator {
namespace {

// The number after `key`, without its point: ".version 8.0" is 80.
int number_after(const std::string& text, const std::string& key) {
  size_t at = text.find(key);
  if (at == std::string::npos) return 0;
  int number = 0;
  for (at += key.size(); at < text.size() && (isdigit(text[at]) || text[at] == '.'); at++) {
    if (text[at] != '.') number = number * 10 + (text[at] - '0');
  }
  return number;
}

// Bytes of the type in a declaration such as ".param .align 4 .b8 name[24]" or ".param .u64 name".
size_t declared_bytes(const std::string& declaration) {
  size_t bits = 0;
  for (const char* kind : {" .b", " .u", " .s", " .f"}) {
    size_t at = declaration.find(kind);
    if (at == std::string::npos || !isdigit(declaration[at + 3])) continue;
    bits = strtoul(declaration.c_str() + at + 3, nullptr, 10);
  }
  size_t bracket = declaration.find('[');
  size_t count = bracket == std::string::npos ? 1 : strtoul(declaration.c_str() + bracket + 1, nullptr, 10);
  return bits / 8 * count;
}

std::vector<size_t> read_parameters(const std::string& list) {
  std::vector<size_t> parameters;
  for (size_t at = 0; (at = list.find(".param", at)) != std::string::npos;) {
    size_t end = list.find_first_of(",)", at);
    parameters.push_back(declared_bytes(list.substr(at, end - at)));
    at = end == std::string::npos ? list.size() : end;
  }
  return parameters;
}

// The shared arrays declared in `text`, with their names.
std::map<std::string, size_t> shared_arrays(const std::string& text) {
  std::map<std::string, size_t> arrays;
  for (size_t at = 0; (at = text.find(".shared .align", at)) != std::string::npos; at++) {
    std::string declaration = text.substr(at, text.find(';', at) - at);
    size_t bracket = declaration.find('['), name = declaration.rfind(' ', bracket) + 1;
    if (bracket == std::string::npos) continue;
    arrays[declaration.substr(name, bracket - name)] = declared_bytes(declaration);
  }
  return arrays;
}

// Arrays of the module count for the entries that name them.
size_t static_shared(const std::string& body, const std::map<std::string, size_t>& arrays) {
  size_t bytes = 0;
  for (const auto& [name, size] : arrays) {
    size_t at = body.find(name);
    if (at != std::string::npos) bytes += size;
  }
  return bytes;
}

std::string listed(const std::vector<size_t>& sizes) {
  std::string text;
  for (size_t size : sizes) text += (text.empty() ? "" : ", ") + std::to_string(size);
  return text.empty() ? "nothing" : text;
}

std::vector<size_t> sizes_of(const Kernel& kernel) {
  std::vector<size_t> sizes;
  for (const Parameter& parameter : kernel.parameters) sizes.push_back(parameter.bytes);
  return sizes;
}

// The newest PTX that a driver of the emulated version reads: 8.0 came with 12.0, 9.0 with 13.0.
int newest_version() {
  int version = settings().driver_version;
  return (version / 1000 - 4) * 10 + version % 1000 / 10;
}

std::string stale_entry(const Ptx& ptx) {
  for (const auto& [name, entry] : ptx.entries) {
    const Kernel* kernel = find_kernel(name);
    if (!kernel || sizes_of(*kernel) == entry.parameters) continue;
    return "the PTX of " + name + " is stale: its parameters have " + listed(entry.parameters) +
           " bytes, those of the source " + listed(sizes_of(*kernel)) + "; run `cargo xtask ptx`";
  }
  return "";
}

bool suits_target(const Ptx& ptx) {
  return ptx.only_this_target ? ptx.target == settings().target : ptx.target <= settings().target;
}

}  // namespace

Ptx read_ptx(const std::string& text) {
  Ptx ptx;
  ptx.version = number_after(text, ".version ");
  ptx.target = number_after(text, ".target sm_");
  size_t target = text.find(".target sm_");
  ptx.only_this_target = target != std::string::npos && text.find('a', target + 11) < text.find_first_of(",\n", target);
  auto arrays = shared_arrays(text);
  const std::string key = ".entry ";
  for (size_t at = 0; (at = text.find(key, at)) != std::string::npos;) {
    size_t name = at + key.size(), open = text.find('(', name), close = text.find(')', open);
    size_t next = text.find(key, close);
    if (close == std::string::npos) break;
    PtxEntry& entry = ptx.entries[text.substr(name, open - name)];
    entry.parameters = read_parameters(text.substr(open, close + 1 - open));
    entry.static_shared = static_shared(text.substr(close, next - close), arrays);
    at = close;
  }
  return ptx;
}

int error_of(const Ptx& ptx) {
  if (!ptx.version || !ptx.target) return CUDA_ERROR_INVALID_PTX;
  if (ptx.version > newest_version()) return CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
  if (!suits_target(ptx)) return CUDA_ERROR_NO_BINARY_FOR_GPU;
  return stale_entry(ptx).empty() ? CUDA_SUCCESS : CUDA_ERROR_INVALID_PTX;
}

std::string objection(const Ptx& ptx) {
  switch (error_of(ptx)) {
    case CUDA_SUCCESS: return "";
    case CUDA_ERROR_UNSUPPORTED_PTX_VERSION:
      return "PTX version " + std::to_string(ptx.version) + " (in tenths); this driver reads up to " +
             std::to_string(newest_version());
    case CUDA_ERROR_NO_BINARY_FOR_GPU:
      return "PTX for sm_" + std::to_string(ptx.target) + "; the device is sm_" + std::to_string(settings().target);
    default: break;
  }
  std::string stale = stale_entry(ptx);
  return stale.empty() ? "this is no PTX: .version or .target is missing" : stale;
}

}  // namespace emulator
