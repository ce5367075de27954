// See patch.hpp.
#include "host/a64/patch.hpp"

#include <atomic>

namespace ashlar::host_a64 {

namespace {

/// A branch by `distance` bytes, which is in reach.
std::uint32_t branch_by(std::int64_t distance) {
  return 0x1400'0000u | (static_cast<std::uint32_t>(distance >> 2) & 0x03ff'ffffu);
}

void store_branch(std::byte* site_rw, std::int64_t distance) {
  std::atomic_ref<std::uint32_t>(*reinterpret_cast<std::uint32_t*>(site_rw))
      .store(branch_by(distance), std::memory_order_release);
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
