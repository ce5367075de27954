// Access to guest memory for system calls: every pointer that a guest passes goes through here. For the
// runner's own files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

#include <ashlar/memory.hpp>

namespace ashlar::linux_user {

class UserMemory {
 public:
  explicit UserMemory(FlatMemory& memory) : memory_(memory) {}

  /// Copies; false (EFAULT) when not all of it is accessible to the guest.
  bool read(std::uint64_t at, std::span<std::byte> to) const { return memory_.read({at}, to) == to.size(); }
  bool write(std::uint64_t at, std::span<const std::byte> from) {
    return memory_.write({at}, from) == from.size();
  }
  template <typename T>
  bool get(std::uint64_t at, T& out) const {
    static_assert(std::is_trivially_copyable_v<T>);
    return read(at, std::as_writable_bytes(std::span{&out, 1}));
  }
  template <typename T>
  bool put(std::uint64_t at, const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    return write(at, std::as_bytes(std::span{&value, 1}));
  }

  /// Reads a string that ends with 0. Returns 0, -EFAULT, or -ENAMETOOLONG when there is no 0 within `limit`
  /// bytes.
  std::int64_t string(std::uint64_t at, std::string& out, std::size_t limit = 4096) const;

  /// The host's view of as much of the range as the guest may access that way, from its start; empty when the
  /// first byte is refused. For the host's kernel to read or fill, which checks the pages again: another
  /// guest thread may unmap them meanwhile. After a host call that stored there, say so with `stored`.
  std::span<std::byte> host(std::uint64_t at, std::uint64_t size, AccessKind access) const;
  void stored(std::uint64_t at, std::uint64_t size);

  FlatMemory& flat() const { return memory_; }

 private:
  FlatMemory& memory_;
};

}  // namespace ashlar::linux_user
