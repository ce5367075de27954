// See host_backend.hpp.
#include "engine/host_backend.hpp"

namespace ashlar::engine {

namespace {

#if defined(__x86_64__)
constexpr std::string_view kOwn = "x64";
#elif defined(__aarch64__)
constexpr std::string_view kOwn = "a64";
#else
constexpr std::string_view kOwn;
#endif

/// Of another machine than this nothing is known: code for it uses all that back ends know to use.
codegen::HostFeatures features_for(std::string_view arch) {
  if (arch == kOwn) return codegen::detect_host_features();
  codegen::HostFeatures all;
  all.bmi1 = all.bmi2 = all.lzcnt = all.popcnt = all.sse41 = all.avx = all.fma = true;
  all.lse = true;
  return all;
}

std::unique_ptr<codegen::Backend> make_backend(std::string_view arch, const codegen::HostFeatures& features) {
  if (arch == "x64") return codegen::make_x64_backend(features);
  if (arch == "a64") return codegen::make_a64_backend(features);
  return nullptr;
}

}  // namespace

std::unique_ptr<codegen::Backend> make_host_backend(std::uint64_t code_limit) {
  if (kOwn.empty()) return nullptr;
  codegen::HostFeatures features = codegen::detect_host_features();
  // The runtime's own code and rounding up to pages take less than the rest of what a branch reaches.
  constexpr std::uint64_t kReach = std::uint64_t{126} << 20;
  features.far_code = code_limit > kReach;
  return make_backend(kOwn, features);
}

Result<std::unique_ptr<codegen::Backend>> make_named_backend(std::string_view arch) {
  if (auto backend = make_backend(arch, features_for(arch))) return backend;
  return Error{ErrorCode::invalid_argument,
               "'" + std::string(arch) + "' is no host architecture; there are x64 and a64"};
}

}  // namespace ashlar::engine
