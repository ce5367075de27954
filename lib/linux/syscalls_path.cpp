// System calls that take paths. Each resolves its paths within the grants first (contained_fs.hpp), then
// works on one name in one directory, never following a link there.
#include <fcntl.h>
#include <linux/stat.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "linux/file_access.hpp"
#include "linux/kernel.hpp"
#include "linux/syscalls.hpp"

namespace ashlar::linux_user {
namespace {

// setuid and setgid bits could give a guest program's files the rights of whoever runs Ashlar.
constexpr std::uint32_t kModeBits = 01777;

std::uint32_t creation_mode(Thread& thread, std::uint64_t mode) {
  return static_cast<std::uint32_t>(mode) & kModeBits & ~thread.kernel.umask.load();
}

std::string proc_path(int host_fd) {
  char text[40];
  std::snprintf(text, sizeof text, "/proc/self/fd/%d", host_fd);
  return text;
}

// chmod of exactly what an O_PATH descriptor stands for.
std::int64_t chmod_fd(int host_fd, std::uint32_t mode) {
  return result_of(::chmod(proc_path(host_fd).c_str(), mode));
}

// The host's process has a umask too; a new file gets the mode that the guest's alone would give it.
void fix_mode(int host_fd, std::uint32_t mode) {
  struct stat st {};
  if (::fstat(host_fd, &st) == 0 && (st.st_mode & 0777) != (mode & 0777)) ::fchmod(host_fd, mode);
}

int open_entry(Thread& thread, const Place& place, int flags, std::uint32_t mode) {
  const auto call = [&](int f) {
    const std::int64_t r = host_call(thread, [&] { return open_place(place, f, mode); });
    if (r < 0) errno = static_cast<int>(-r);
    return r < 0 ? -1 : static_cast<int>(r);
  };
  if ((flags & O_TMPFILE) == O_TMPFILE) {
    const int fd = call(flags);
    if (fd >= 0) fix_mode(fd, mode);
    return fd;
  }
  if ((flags & O_CREAT) == 0) return call(flags);
  // Opening and creating are tried apart, so that it is known whether the file is new. Another thread may
  // create or remove it in between; a few rounds settle that.
  for (int round = 0; round < 16; ++round) {
    if ((flags & O_EXCL) == 0) {
      const int fd = call(flags & ~O_CREAT);
      if (fd >= 0 || errno != ENOENT) return fd;
    }
    const int fd = call(flags | O_EXCL);
    if (fd >= 0) {
      fix_mode(fd, mode);
      return fd;
    }
    if (errno != EEXIST || (flags & O_EXCL) != 0) return -1;
  }
  return -1;
}

std::int64_t add_file(Thread& thread, HostFd fd, std::string guest_path, bool path_only, bool cloexec) {
  auto file = std::make_shared<File>();
  file->kind = kind_of(fd.get());
  if (file->kind == FileKind::directory && is_procfs(fd.get())) return -EACCES;
  if (path_only) file->kind = FileKind::path;
  file->fd = std::move(fd);
  file->guest_path = std::move(guest_path);
  return thread.kernel.fds.add(std::move(file), cloexec);
}

std::int64_t open_at(Thread& thread, std::uint64_t dirfd, std::uint64_t path, std::uint32_t flags,
                     std::uint64_t mode) {
  const bool excl = (flags & (abi::kCreat | abi::kExcl)) == (abi::kCreat | abi::kExcl);
  const bool follow = (flags & abi::kNofollow) == 0 && !excl;
  Place place;
  if (const std::int64_t error = resolve_at(thread, dirfd, path, follow, place); error != 0) return error;
  const bool cloexec = (flags & abi::kCloexec) != 0;
  const bool path_only = (flags & abi::kPath) != 0;
  const int host_flags = host_open_flags(flags);
  switch (place.kind) {
    case PlaceKind::virtual_dir:
      return thread.kernel.refuse("listing a directory that is not granted", place.guest_path, EACCES);
    case PlaceKind::device: {
      if ((flags & abi::kDirectory) != 0) return -ENOTDIR;
      if (excl) return -EEXIST;
      HostFd fd(::open(place.name.c_str(), (host_flags & (O_ACCMODE | O_NONBLOCK)) | O_CLOEXEC | O_NOCTTY));
      if (!fd) return -errno;
      auto file = std::make_shared<File>();
      file->fd = std::move(fd);
      file->guest_path = place.guest_path;
      return thread.kernel.fds.add(std::move(file), cloexec);  // kind regular: none of them blocks
    }
    case PlaceKind::program: {
      if ((flags & abi::kAccessMode) != 0) return -ETXTBSY;
      HostFd fd(::open(proc_path(thread.kernel.program.get()).c_str(), O_RDONLY | O_CLOEXEC));
      if (!fd) return -errno;
      return add_file(thread, std::move(fd), place.guest_path, path_only, cloexec);
    }
    case PlaceKind::descriptor: {
      FilePtr file = thread.kernel.fds.get(place.descriptor);
      return file ? thread.kernel.fds.add(std::move(file), cloexec) : -ENOENT;
    }
    case PlaceKind::entry:
    case PlaceKind::self:
      break;
  }
  if (place.kind == PlaceKind::self && (flags & abi::kCreat) != 0 && (flags & abi::kDirectory) == 0)
    return -EISDIR;
  const int host_fd = open_entry(thread, place, host_flags, creation_mode(thread, mode));
  if (host_fd < 0) return errno == EINTR ? abi::kRestartSys : -errno;
  return add_file(thread, HostFd(host_fd), std::move(place.guest_path), path_only, cloexec);
}

abi::Stat to_guest(const struct stat& st) {
  abi::Stat g{};
  g.dev = st.st_dev;
  g.ino = st.st_ino;
  g.mode = st.st_mode;
  g.nlink = static_cast<std::uint32_t>(st.st_nlink);
  g.uid = st.st_uid;
  g.gid = st.st_gid;
  g.rdev = st.st_rdev;
  g.size = st.st_size;
  g.blksize = static_cast<std::int32_t>(st.st_blksize);
  g.blocks = st.st_blocks;
  g.atime = st.st_atim.tv_sec;
  g.atime_nsec = st.st_atim.tv_nsec;
  g.mtime = st.st_mtim.tv_sec;
  g.mtime_nsec = st.st_mtim.tv_nsec;
  g.ctime = st.st_ctim.tv_sec;
  g.ctime_nsec = st.st_ctim.tv_nsec;
  return g;
}

// What the ...at calls name: an open file (AT_EMPTY_PATH with an empty path), or a place.
struct Named {
  FilePtr file;
  Place place;
};

std::int64_t name_at(Thread& thread, std::uint64_t dirfd, std::uint64_t path, std::uint64_t flags,
                     bool follow, Named& out) {
  char first = 1;
  // Newer kernels take a null path for an empty one (AT_EMPTY_PATH).
  const bool empty =
      (flags & abi::kAtEmptyPath) != 0 && (path == 0 || (thread.kernel.user.get(path, first) && first == 0));
  if (!empty) return resolve_at(thread, dirfd, path, follow, out.place);
  if (as_fd(dirfd) == abi::kAtFdCwd) {
    const std::scoped_lock lock(thread.kernel.fs_mutex);
    const Base& cwd = thread.kernel.cwd;
    out.place = {cwd.dir ? PlaceKind::self : PlaceKind::virtual_dir, cwd.dir, ".", cwd.guest_path, -1};
    return 0;
  }
  out.file = thread.kernel.fds.get(as_fd(dirfd));
  return out.file ? 0 : -EBADF;
}

std::int64_t stat_named(Thread& thread, const Named& named, struct stat& st) {
  if (named.file) return result_of(::fstat(named.file->fd.get(), &st));
  return stat_place(thread, named.place, st);
}

// For calls that change a place: only entries of granted directories can be changed.
std::int64_t entry_at(Thread& thread, std::uint64_t dirfd, std::uint64_t path, bool follow,
                      int error_for_self, Place& out) {
  if (const std::int64_t error = resolve_at(thread, dirfd, path, follow, out); error != 0) return error;
  if (out.kind == PlaceKind::self || out.kind == PlaceKind::virtual_dir) return -error_for_self;
  return out.kind == PlaceKind::entry ? 0 : -EACCES;
}

std::int64_t access_at(Thread& thread, const SyscallArgs& a, std::uint64_t flags) {
  Named named;
  const bool follow = (flags & abi::kAtSymlinkNofollow) == 0;
  if ((a[2] & ~std::uint64_t{7}) != 0) return -EINVAL;
  if (const std::int64_t error = name_at(thread, a[0], a[1], flags, follow, named); error != 0) return error;
  const int mode = as_int(a[2]);
  const int host_flags = AT_SYMLINK_NOFOLLOW | ((flags & abi::kAtEaccess) != 0 ? AT_EACCESS : 0);
  if (named.file) return result_of(::faccessat(AT_FDCWD, proc_path(named.file->fd.get()).c_str(), mode, 0));
  const Place& place = named.place;
  switch (place.kind) {
    case PlaceKind::entry:
    case PlaceKind::self:
      return result_of(::faccessat(place.dir->get(), place.name.c_str(), mode, host_flags));
    case PlaceKind::virtual_dir:
      return (mode & 2) != 0 ? -EACCES : 0;
    case PlaceKind::device:
      return result_of(::access(place.name.c_str(), mode));
    case PlaceKind::program:
      return (mode & 2) != 0 ? -ETXTBSY : 0;
    case PlaceKind::descriptor:
      return thread.kernel.fds.get(place.descriptor) ? 0 : -ENOENT;
  }
  return -EACCES;
}

std::int64_t chmod_named(Thread&, const Named& named, std::uint64_t mode) {
  const std::uint32_t bits = static_cast<std::uint32_t>(mode) & kModeBits;
  if (named.file) return chmod_fd(named.file->fd.get(), bits);
  if (!named.place.on_host()) return -EPERM;
  const HostFd fd(open_place(named.place, O_PATH));
  if (!fd) return -errno;
  struct stat st {};
  if (::fstat(fd.get(), &st) == 0 && S_ISLNK(st.st_mode)) return -EOPNOTSUPP;
  return chmod_fd(fd.get(), bits);
}

std::int64_t put_statfs(Thread& thread, std::uint64_t at, int host_fd) {
  struct statfs host {};
  if (::fstatfs(host_fd, &host) != 0) return -errno;
  abi::Statfs guest{};
  guest.type = static_cast<std::uint64_t>(host.f_type);
  guest.bsize = static_cast<std::uint64_t>(host.f_bsize);
  guest.blocks = host.f_blocks;
  guest.bfree = host.f_bfree;
  guest.bavail = host.f_bavail;
  guest.files = host.f_files;
  guest.ffree = host.f_ffree;
  static_assert(sizeof guest.fsid == sizeof host.f_fsid);
  std::memcpy(guest.fsid, &host.f_fsid, sizeof guest.fsid);
  guest.namelen = static_cast<std::uint64_t>(host.f_namelen);
  guest.frsize = static_cast<std::uint64_t>(host.f_frsize);
  guest.flags = static_cast<std::uint64_t>(host.f_flags);
  return thread.kernel.user.put(at, guest) ? 0 : -EFAULT;
}

std::int64_t rename_at(Thread& thread, const SyscallArgs& a, std::uint64_t flags) {
  constexpr std::uint64_t kNoreplace = 1, kExchange = 2;
  if ((flags & ~(kNoreplace | kExchange)) != 0) return -EINVAL;
  Place from;
  Place to;
  if (const std::int64_t error = entry_at(thread, a[0], a[1], false, EBUSY, from); error != 0) return error;
  if (const std::int64_t error = entry_at(thread, a[2], a[3], false, EBUSY, to); error != 0) return error;
  return result_of(::syscall(SYS_renameat2, from.dir->get(), from.name.c_str(), to.dir->get(),
                             to.name.c_str(), static_cast<unsigned>(flags)));
}

}  // namespace

std::int64_t sys_openat(Thread& thread, const SyscallArgs& a) {
  return open_at(thread, a[0], a[1], static_cast<std::uint32_t>(a[2]), a[3]);
}

std::int64_t sys_openat2(Thread& thread, const SyscallArgs& a) {
  struct {
    std::uint64_t flags, mode, resolve;
  } how{};
  if (a[3] < sizeof how) return -EINVAL;
  if (a[3] > sizeof how) return -E2BIG;
  if (!thread.kernel.user.get(a[2], how)) return -EFAULT;
  // Restrictions of the walk are not provided; callers fall back to openat.
  if (how.resolve != 0) return -ENOSYS;
  return open_at(thread, a[0], a[1], static_cast<std::uint32_t>(how.flags), how.mode);
}

std::int64_t sys_newfstatat(Thread& thread, const SyscallArgs& a) {
  Named named;
  const bool follow = (a[3] & abi::kAtSymlinkNofollow) == 0;
  if (const std::int64_t error = name_at(thread, a[0], a[1], a[3], follow, named); error != 0) return error;
  struct stat st {};
  if (const std::int64_t error = stat_named(thread, named, st); error != 0) return error;
  return thread.kernel.user.put(a[2], to_guest(st)) ? 0 : -EFAULT;
}

std::int64_t sys_fstat(Thread& thread, const SyscallArgs& a) {
  const FilePtr file = thread.kernel.fds.get(as_fd(a[0]));
  if (!file) return -EBADF;
  struct stat st {};
  if (::fstat(file->fd.get(), &st) != 0) return -errno;
  return thread.kernel.user.put(a[1], to_guest(st)) ? 0 : -EFAULT;
}

std::int64_t sys_statx(Thread& thread, const SyscallArgs& a) {
  Named named;
  const bool follow = (a[2] & abi::kAtSymlinkNofollow) == 0;
  if (const std::int64_t error = name_at(thread, a[0], a[1], a[2], follow, named); error != 0) return error;
  // struct statx is the same on every architecture.
  struct statx stx {};
  const auto mask = static_cast<unsigned>(a[3]);
  constexpr int kEmpty = AT_EMPTY_PATH;
  const Place& place = named.place;
  int done = 0;
  if (named.file) {
    done = ::statx(named.file->fd.get(), "", kEmpty, mask, &stx);
  } else if (place.on_host()) {
    done = ::statx(place.dir->get(), place.name.c_str(), AT_SYMLINK_NOFOLLOW, mask, &stx);
  } else {
    struct stat st {};
    if (const std::int64_t error = stat_place(thread, place, st); error != 0) return error;
    stx.stx_mask = STATX_BASIC_STATS;
    stx.stx_blksize = static_cast<std::uint32_t>(st.st_blksize);
    stx.stx_nlink = static_cast<std::uint32_t>(st.st_nlink);
    stx.stx_uid = st.st_uid;
    stx.stx_gid = st.st_gid;
    stx.stx_mode = static_cast<std::uint16_t>(st.st_mode);
    stx.stx_ino = st.st_ino;
    stx.stx_size = static_cast<std::uint64_t>(st.st_size);
    stx.stx_blocks = static_cast<std::uint64_t>(st.st_blocks);
  }
  if (done != 0) return -errno;
  return thread.kernel.user.put(a[4], stx) ? 0 : -EFAULT;
}

std::int64_t sys_statfs(Thread& thread, const SyscallArgs& a) {
  Place place;
  if (const std::int64_t error =
          resolve_at(thread, static_cast<std::uint64_t>(abi::kAtFdCwd), a[0], true, place);
      error != 0)
    return error;
  if (!place.on_host()) return -EACCES;
  const HostFd fd(open_place(place, O_PATH));
  return fd ? put_statfs(thread, a[1], fd.get()) : -errno;
}

std::int64_t sys_fstatfs(Thread& thread, const SyscallArgs& a) {
  const FilePtr file = thread.kernel.fds.get(as_fd(a[0]));
  return file ? put_statfs(thread, a[1], file->fd.get()) : -EBADF;
}

std::int64_t sys_faccessat(Thread& thread, const SyscallArgs& a) { return access_at(thread, a, 0); }
std::int64_t sys_faccessat2(Thread& thread, const SyscallArgs& a) { return access_at(thread, a, a[3]); }

std::int64_t sys_truncate(Thread& thread, const SyscallArgs& a) {
  Place place;
  const auto cwd = static_cast<std::uint64_t>(abi::kAtFdCwd);
  if (const std::int64_t error = entry_at(thread, cwd, a[0], true, EISDIR, place); error != 0) return error;
  const HostFd fd(open_place(place, O_WRONLY | O_NONBLOCK));
  if (!fd) return -errno;
  return result_of(::ftruncate(fd.get(), static_cast<off_t>(a[1])));
}

std::int64_t sys_mkdirat(Thread& thread, const SyscallArgs& a) {
  Place place;
  if (const std::int64_t error = entry_at(thread, a[0], a[1], false, EEXIST, place); error != 0) return error;
  const std::uint32_t mode = creation_mode(thread, a[2]);
  if (::mkdirat(place.dir->get(), place.name.c_str(), mode) != 0) return -errno;
  const HostFd fd(open_place(place, O_RDONLY | O_DIRECTORY));
  if (fd) fix_mode(fd.get(), mode);
  return 0;
}

std::int64_t sys_unlinkat(Thread& thread, const SyscallArgs& a) {
  if ((a[2] & ~abi::kAtRemovedir) != 0) return -EINVAL;
  Place place;
  if (const std::int64_t error = entry_at(thread, a[0], a[1], false, EBUSY, place); error != 0) return error;
  return result_of(::unlinkat(place.dir->get(), place.name.c_str(), a[2] != 0 ? AT_REMOVEDIR : 0));
}

std::int64_t sys_symlinkat(Thread& thread, const SyscallArgs& a) {
  // The target may be any text: it is resolved within the grants when it is used.
  std::string target;
  if (const std::int64_t error = thread.kernel.user.string(a[0], target); error != 0) return error;
  Place place;
  if (const std::int64_t error = entry_at(thread, a[1], a[2], false, EEXIST, place); error != 0) return error;
  return result_of(::symlinkat(target.c_str(), place.dir->get(), place.name.c_str()));
}

std::int64_t sys_linkat(Thread& thread, const SyscallArgs& a) {
  if ((a[4] & ~abi::kAtSymlinkFollow) != 0) return -EINVAL;
  Place from;
  Place to;
  if (const std::int64_t error = entry_at(thread, a[0], a[1], a[4] != 0, EPERM, from); error != 0)
    return error;
  if (const std::int64_t error = entry_at(thread, a[2], a[3], false, EEXIST, to); error != 0) return error;
  return result_of(::linkat(from.dir->get(), from.name.c_str(), to.dir->get(), to.name.c_str(), 0));
}

std::int64_t sys_renameat(Thread& thread, const SyscallArgs& a) { return rename_at(thread, a, 0); }
std::int64_t sys_renameat2(Thread& thread, const SyscallArgs& a) {
  return rename_at(thread, a, a[4] & 0xffffffff);
}

std::int64_t sys_readlinkat(Thread& thread, const SyscallArgs& a) {
  if (as_int(a[3]) <= 0) return -EINVAL;
  Named named;
  if (const std::int64_t error = name_at(thread, a[0], a[1], abi::kAtEmptyPath, false, named); error != 0)
    return error;
  std::string target;
  const Place& place = named.place;
  if (named.file || place.on_host()) {
    char text[4096];
    const int dir = named.file ? named.file->fd.get() : place.dir->get();
    const ssize_t size = ::readlinkat(dir, named.file ? "" : place.name.c_str(), text, sizeof text);
    if (size < 0) return -errno;
    target.assign(text, static_cast<std::size_t>(size));
  } else if (place.kind == PlaceKind::program) {
    target = thread.kernel.program_path;
  } else if (place.kind == PlaceKind::descriptor) {
    const FilePtr file = thread.kernel.fds.get(place.descriptor);
    if (!file) return -ENOENT;
    target = file->guest_path.empty() ? "anon_inode:[stream]" : file->guest_path;
  } else {
    return -EINVAL;
  }
  const std::size_t size = std::min<std::size_t>(target.size(), static_cast<std::size_t>(as_int(a[3])));
  if (!thread.kernel.user.write(a[2], std::as_bytes(std::span{target}.first(size)))) return -EFAULT;
  return static_cast<std::int64_t>(size);
}

std::int64_t sys_fchmod(Thread& thread, const SyscallArgs& a) {
  const FilePtr file = usable_file(thread, a[0]);
  return file ? result_of(::fchmod(file->fd.get(), static_cast<std::uint32_t>(a[1]) & kModeBits)) : -EBADF;
}

std::int64_t sys_fchmodat(Thread& thread, const SyscallArgs& a) {
  Named named;
  if (const std::int64_t error = name_at(thread, a[0], a[1], 0, true, named); error != 0) return error;
  return chmod_named(thread, named, a[2]);
}

std::int64_t sys_fchmodat2(Thread& thread, const SyscallArgs& a) {
  Named named;
  const bool follow = (a[3] & abi::kAtSymlinkNofollow) == 0;
  if (const std::int64_t error = name_at(thread, a[0], a[1], a[3], follow, named); error != 0) return error;
  return chmod_named(thread, named, a[2]);
}

std::int64_t sys_fchown(Thread& thread, const SyscallArgs& a) {
  const FilePtr file = usable_file(thread, a[0]);
  if (!file) return -EBADF;
  return result_of(::fchown(file->fd.get(), static_cast<uid_t>(a[1]), static_cast<gid_t>(a[2])));
}

std::int64_t sys_fchownat(Thread& thread, const SyscallArgs& a) {
  Named named;
  const bool follow = (a[4] & abi::kAtSymlinkNofollow) == 0;
  if (const std::int64_t error = name_at(thread, a[0], a[1], a[4], follow, named); error != 0) return error;
  const auto uid = static_cast<uid_t>(a[2]);
  const auto gid = static_cast<gid_t>(a[3]);
  if (named.file) return result_of(::fchownat(named.file->fd.get(), "", uid, gid, AT_EMPTY_PATH));
  if (!named.place.on_host()) return -EPERM;
  return result_of(
      ::fchownat(named.place.dir->get(), named.place.name.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW));
}

std::int64_t sys_utimensat(Thread& thread, const SyscallArgs& a) {
  abi::Timespec guest[2]{};
  timespec times[2]{};
  if (a[2] != 0) {
    if (!thread.kernel.user.get(a[2], guest)) return -EFAULT;
    for (int i = 0; i < 2; ++i)
      times[i] = {static_cast<time_t>(guest[i].sec), static_cast<long>(guest[i].nsec)};
  }
  const timespec* host_times = a[2] != 0 ? times : nullptr;
  if (a[1] == 0) {
    const FilePtr file = usable_file(thread, a[0]);
    return file ? result_of(::futimens(file->fd.get(), host_times)) : -EBADF;
  }
  Named named;
  const bool follow = (a[3] & abi::kAtSymlinkNofollow) == 0;
  if (const std::int64_t error = name_at(thread, a[0], a[1], a[3], follow, named); error != 0) return error;
  if (named.file)
    return result_of(::utimensat(AT_FDCWD, proc_path(named.file->fd.get()).c_str(), host_times, 0));
  if (!named.place.on_host()) return -EPERM;
  return result_of(
      ::utimensat(named.place.dir->get(), named.place.name.c_str(), host_times, AT_SYMLINK_NOFOLLOW));
}

std::int64_t sys_umask(Thread& thread, const SyscallArgs& a) {
  return thread.kernel.umask.exchange(static_cast<std::uint32_t>(a[0]) & 0777);
}

std::int64_t sys_getcwd(Thread& thread, const SyscallArgs& a) {
  std::string path;
  {
    const std::scoped_lock lock(thread.kernel.fs_mutex);
    path = thread.kernel.cwd.guest_path.empty() ? "/" : thread.kernel.cwd.guest_path;
  }
  if (path.size() + 1 > a[1]) return -ERANGE;
  const auto bytes = std::as_bytes(std::span{path.c_str(), path.size() + 1});
  return thread.kernel.user.write(a[0], bytes) ? static_cast<std::int64_t>(bytes.size()) : -EFAULT;
}

std::int64_t sys_chdir(Thread& thread, const SyscallArgs& a) {
  Place place;
  const auto cwd = static_cast<std::uint64_t>(abi::kAtFdCwd);
  if (const std::int64_t error = resolve_at(thread, cwd, a[0], true, place); error != 0) return error;
  Base base{nullptr, place.guest_path == "/" ? "" : place.guest_path};
  if (place.on_host()) {
    HostFd fd(open_place(place, O_PATH | O_DIRECTORY));
    if (!fd) return -errno;
    if (is_procfs(fd.get())) return -EACCES;
    if (::faccessat(fd.get(), ".", X_OK, 0) != 0) return -errno;
    base.dir = std::make_shared<HostFd>(std::move(fd));
  } else if (place.kind != PlaceKind::virtual_dir) {
    return -ENOTDIR;
  }
  const std::scoped_lock lock(thread.kernel.fs_mutex);
  thread.kernel.cwd = std::move(base);
  return 0;
}

std::int64_t sys_fchdir(Thread& thread, const SyscallArgs& a) {
  const FilePtr file = thread.kernel.fds.get(as_fd(a[0]));
  if (!file) return -EBADF;
  if (kind_of(file->fd.get()) != FileKind::directory) return -ENOTDIR;
  const std::scoped_lock lock(thread.kernel.fs_mutex);
  thread.kernel.cwd = {SharedFd(file, &file->fd), file->guest_path == "/" ? "" : file->guest_path};
  return 0;
}

}  // namespace ashlar::linux_user
