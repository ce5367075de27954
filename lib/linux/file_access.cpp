// Descriptors, paths and open flags.
#include "linux/file_access.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>

#include "linux/kernel.hpp"
#include "linux/syscalls.hpp"

namespace ashlar::linux_user {
namespace {

struct FlagPair {
  std::uint32_t guest;
  int host;
};

// Hosts number some of these differently. O_SYNC contains O_DSYNC and O_TMPFILE contains O_DIRECTORY on every
// host, as for the guest, hence the masks that are compared whole.
constexpr std::array<FlagPair, 13> kOpenFlags = {{
    {abi::kCreat, O_CREAT},
    {abi::kExcl, O_EXCL},
    {abi::kNoctty, O_NOCTTY},
    {abi::kTrunc, O_TRUNC},
    {abi::kAppend, O_APPEND},
    {abi::kNonblock, O_NONBLOCK},
    {abi::kDsync, O_DSYNC},
    {abi::kSync | abi::kDsync, O_SYNC},
    {abi::kDirect, O_DIRECT},
    {abi::kDirectory, O_DIRECTORY},
    {abi::kNofollow, O_NOFOLLOW},
    {abi::kPath, O_PATH},
    {abi::kTmpfile | abi::kDirectory, O_TMPFILE},
}};

}  // namespace

int host_open_flags(std::uint32_t guest_flags) {
  int flags = static_cast<int>(guest_flags & abi::kAccessMode);
  for (const FlagPair& pair : kOpenFlags) {
    if ((guest_flags & pair.guest) == pair.guest) flags |= pair.host;
  }
  return flags;
}

std::uint32_t guest_open_flags(int host_flags) {
  std::uint32_t flags = static_cast<std::uint32_t>(host_flags) & abi::kAccessMode;
  for (const FlagPair& pair : kOpenFlags) {
    if ((host_flags & pair.host) == pair.host) flags |= pair.guest;
  }
  return flags;
}

FilePtr usable_file(Thread& thread, std::uint64_t fd) {
  FilePtr file = thread.kernel.fds.get(as_fd(fd));
  return file && file->kind != FileKind::path ? file : nullptr;
}

std::int64_t resolve_at(Thread& thread, std::uint64_t dirfd, std::uint64_t path_at, bool follow, Place& out) {
  Kernel& kernel = thread.kernel;
  std::string path;
  if (const std::int64_t error = kernel.user.string(path_at, path); error != 0) return error;
  Base base;
  if (!path.empty() && path[0] != '/') {
    if (as_fd(dirfd) == abi::kAtFdCwd) {
      const std::scoped_lock lock(kernel.fs_mutex);
      base = kernel.cwd;
    } else {
      FilePtr dir = kernel.fds.get(as_fd(dirfd));
      if (!dir) return -EBADF;
      if (dir->kind != FileKind::directory &&
          (dir->kind != FileKind::path || kind_of(dir->fd.get()) != FileKind::directory)) {
        return -ENOTDIR;
      }
      base = {SharedFd(dir, &dir->fd), dir->guest_path};
    }
  }
  const int error = kernel.fs->resolve(base, path, follow, out);
  if (error == EACCES) return kernel.refuse("access to a file that is not granted", path, EACCES);
  return -error;
}

int open_place(const Place& place, int flags, unsigned mode) {
  return ::openat(place.dir->get(), place.name.c_str(), flags | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, mode);
}

std::int64_t stat_place(Thread& thread, const Place& place, struct stat& out) {
  out = {};
  switch (place.kind) {
    case PlaceKind::entry:
    case PlaceKind::self:
      return result_of(::fstatat(place.dir->get(), place.name.c_str(), &out, AT_SYMLINK_NOFOLLOW));
    case PlaceKind::virtual_dir:
      out.st_mode = S_IFDIR | 0555;
      out.st_nlink = 2;
      out.st_blksize = 4096;
      out.st_ino = 1;
      return 0;
    case PlaceKind::device:
      return result_of(::stat(place.name.c_str(), &out));
    case PlaceKind::program:
      return result_of(::fstat(thread.kernel.program.get(), &out));
    case PlaceKind::descriptor: {
      const FilePtr file = thread.kernel.fds.get(place.descriptor);
      return file ? result_of(::fstat(file->fd.get(), &out)) : -ENOENT;
    }
  }
  return -ENOENT;
}

}  // namespace ashlar::linux_user
