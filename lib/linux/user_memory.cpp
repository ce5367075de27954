// Guest pointers: strings, and ranges handed to the host's kernel.
#include "linux/user_memory.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace ashlar::linux_user {

std::int64_t UserMemory::string(std::uint64_t at, std::string& out, std::size_t limit) const {
  out.clear();
  std::array<std::byte, 256> chunk;
  while (out.size() < limit) {
    const std::size_t want = std::min(chunk.size(), limit - out.size());
    const std::size_t got = memory_.read({at + out.size()}, std::span{chunk}.first(want));
    const void* end = std::memchr(chunk.data(), 0, got);
    const char* text = reinterpret_cast<const char*>(chunk.data());
    if (end != nullptr) {
      out.append(text, static_cast<const char*>(end));
      return 0;
    }
    if (got != want) return -EFAULT;
    out.append(text, got);
  }
  return -ENAMETOOLONG;
}

std::span<std::byte> UserMemory::host(std::uint64_t at, std::uint64_t size, AccessKind access) const {
  // Linux moves at most this much in one call (MAX_RW_COUNT).
  size = std::min<std::uint64_t>(size, 0x7ffff000);
  if (size == 0) return {};
  const Fault fault = memory_.check({at}, size, access);
  if (fault.kind != FaultKind::none) size = fault.addr.value - at;
  if (size == 0 || at >= memory_.size() || size > memory_.size() - at) return {};
  return {memory_.base() + at, static_cast<std::size_t>(size)};
}

void UserMemory::stored(std::uint64_t at, std::uint64_t size) {
  if (size == 0) return;
  const std::uint64_t page = FlatMemory::page_size();
  for (std::uint64_t p = at & ~(page - 1); p < at + size; p += page) {
    if (has(memory_.permissions({p}), Perm::exec)) {
      memory_.invalidate_code({{at}, size});
      return;
    }
  }
}

}  // namespace ashlar::linux_user
