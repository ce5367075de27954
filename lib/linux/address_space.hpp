// The guest's memory map beyond what FlatMemory knows: the heap, where mappings go, which of them are files.
// For the memory system calls. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>

#include <ashlar/memory.hpp>

#include "linux/fd_table.hpp"

namespace ashlar::linux_user {

class AddressSpace {
 public:
  explicit AddressSpace(FlatMemory& memory) : memory_(memory) {}

  /// The heap starts empty at `start`. Mappings are placed below `mmap_top`.
  void set_up(std::uint64_t start, std::uint64_t mmap_top);

  /// The brk system call: returns the end of the heap, moved if `end` is possible.
  std::uint64_t brk(std::uint64_t end);

  struct MapRequest {
    std::uint64_t at = 0, size = 0;
    Perm perm = Perm::none;
    bool fixed = false, no_replace = false, shared = false;
    FilePtr file;  // null: anonymous
    std::uint64_t offset = 0;
  };
  /// Results are addresses, 0, or -errno.
  std::int64_t map(const MapRequest& request);
  std::int64_t unmap(std::uint64_t at, std::uint64_t size);
  std::int64_t protect(std::uint64_t at, std::uint64_t size, Perm perm);
  std::int64_t remap(std::uint64_t at, std::uint64_t old_size, std::uint64_t new_size, std::uint64_t flags,
                     std::uint64_t to);
  /// MADV_DONTNEED: private pages read as zero, or as their file, from now on.
  std::int64_t discard(std::uint64_t at, std::uint64_t size);

 private:
  struct FileMapping {
    std::uint64_t end;
    FilePtr file;
    std::uint64_t offset;
    bool shared;
  };
  bool inside(std::uint64_t at, std::uint64_t size) const;
  void forget_files(std::uint64_t at, std::uint64_t end);
  const FileMapping* file_at(std::uint64_t at, std::uint64_t* begin) const;
  bool meets_file(std::uint64_t at, std::uint64_t end) const;

  FlatMemory& memory_;
  std::mutex mutex_;
  std::uint64_t brk_start_ = 0, brk_ = 0;
  std::uint64_t mmap_top_ = 0;
  std::map<std::uint64_t, FileMapping> files_;  // by first address
};

}  // namespace ashlar::linux_user
