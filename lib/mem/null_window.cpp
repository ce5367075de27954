// One inaccessible reservation for all vCPUs without memory; see null_window.hpp.
#include "mem/null_window.hpp"

#include <sys/mman.h>

#include "mem/layout.hpp"

namespace ashlar::mem {

std::byte* null_window() noexcept {
  static std::byte* const base = [] {
    void* region =
        mmap(nullptr, 2 * kGuardSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return region == MAP_FAILED ? nullptr : static_cast<std::byte*>(region) + kGuardSize;
  }();
  return base;
}

HostRange null_window_range() noexcept {
  const auto base = reinterpret_cast<std::uintptr_t>(null_window());
  return {base - kGuardSize, base + kGuardSize};
}

}  // namespace ashlar::mem
