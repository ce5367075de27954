// What the file system calls share: looking up descriptors and paths, and calling the host on the result. For
// the syscalls_*.cpp files.
#pragma once

#include <cerrno>
#include <cstdint>
#include <utility>

#include "linux/contained_fs.hpp"
#include "linux/fd_table.hpp"
#include "linux/host_call.hpp"

struct stat;

namespace ashlar::linux_user {

class Thread;

/// The open file behind a guest descriptor that may be read or written; null (EBADF) also for O_PATH
/// descriptors.
FilePtr usable_file(Thread& thread, std::uint64_t fd);

/// Resolves the path at guest address `path_at` relative to `dirfd`. Returns 0 or -errno; logs refusals.
std::int64_t resolve_at(Thread& thread, std::uint64_t dirfd, std::uint64_t path_at, bool follow, Place& out);

/// Opens a place's file or directory on the host, never following a link there. `flags` are the host's. -1
/// and errno.
int open_place(const Place& place, int flags, unsigned mode = 0);

int host_open_flags(std::uint32_t guest_flags);
std::uint32_t guest_open_flags(int host_flags);

/// fstat for whatever a place is. Returns 0 or -errno.
std::int64_t stat_place(Thread& thread, const Place& place, struct stat& out);

inline std::int64_t result_of(std::int64_t host_result) { return host_result == -1 ? -errno : host_result; }

/// A host call on an open file that returns -1 and errno: interruptible if the file may block. An
/// interruption gives abi::kRestartSys (-512).
template <typename Call>
std::int64_t file_call(Thread& thread, const File& file, Call&& call) {
  if (file.kind != FileKind::stream) return result_of(static_cast<std::int64_t>(call()));
  const std::int64_t result = host_call(thread, std::forward<Call>(call));
  return result == -EINTR ? -512 : result;
}

}  // namespace ashlar::linux_user
