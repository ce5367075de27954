// See patch.hpp.
#include "host/a64/patch.hpp"

#include <atomic>

namespace ashlar::host_a64 {

namespace {

/// Stores a branch by `distance` bytes, which is in reach: b or bl, as it was.
void store_branch(std::byte* site_rw, std::int64_t distance) {
  const std::atomic_ref<std::uint32_t> word(*reinterpret_cast<std::uint32_t*>(site_rw));
  constexpr std::uint32_t kDistance = 0x03ff'ffff;
  const std::uint32_t kind = word.load(std::memory_order_relaxed) & ~kDistance;
  word.store(kind | (static_cast<std::uint32_t>(distance >> 2) & kDistance), std::memory_order_release);
}

}  // namespace

bool A64Patcher::retarget(std::byte* site_rw, const std::byte* site, const std::byte* target) const noexcept {
  constexpr std::int64_t kReach = std::int64_t{128} << 20;
  const std::int64_t distance = target - site;
  if (distance >= -kReach && distance < kReach) {
    store_branch(site_rw, distance);
    return true;
  }
  if (!far_code_) return false;
  std::atomic_ref<std::int64_t>(*reinterpret_cast<std::int64_t*>(site_rw + kDistance))
      .store(distance, std::memory_order_release);
  store_branch(site_rw, kVeneer);
  return true;
}

}  // namespace ashlar::host_a64
