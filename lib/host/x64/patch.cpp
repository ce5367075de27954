// See patch.hpp.
#include "host/x64/patch.hpp"

#include <atomic>
#include <cstring>

namespace ashlar::host_x64 {

bool X64Patcher::retarget(std::byte* site_rw, const std::byte* site, const std::byte* target) const noexcept {
  const std::int64_t displacement = target - (site + 4);
  if (displacement != static_cast<std::int32_t>(displacement)) return false;
  const auto at = reinterpret_cast<std::uintptr_t>(site_rw);
  auto* word = reinterpret_cast<std::uint64_t*>(at & ~std::uintptr_t{7});
  const std::size_t shift = at & 7;
  std::uint64_t value = std::atomic_ref<std::uint64_t>(*word).load(std::memory_order_relaxed);
  std::byte bytes[8];
  std::memcpy(bytes, &value, 8);
  const auto narrow = static_cast<std::int32_t>(displacement);
  std::memcpy(bytes + shift, &narrow, 4);
  std::memcpy(&value, bytes, 8);
  std::atomic_ref<std::uint64_t>(*word).store(value, std::memory_order_release);
  return true;
}

}  // namespace ashlar::host_x64
