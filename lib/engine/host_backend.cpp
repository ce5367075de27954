// See host_backend.hpp.
#include "engine/host_backend.hpp"

namespace ashlar::engine {

std::unique_ptr<codegen::Backend> make_host_backend() {
#if defined(__x86_64__)
  return codegen::make_x64_backend(codegen::detect_host_features());
#else
  return nullptr;
#endif
}

Result<std::unique_ptr<codegen::Backend>> make_named_backend(std::string_view arch) {
  if (arch == "x64") return codegen::make_x64_backend(codegen::detect_host_features());
  if (arch == "a64")
    return Error{ErrorCode::not_supported,
                 "this build has no AArch64 emitter, so there is no a64 code to show"};
  return Error{ErrorCode::invalid_argument,
               "'" + std::string(arch) + "' is no host architecture; there are x64 and a64"};
}

}  // namespace ashlar::engine
