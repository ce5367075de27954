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

}  // namespace ashlar::engine
