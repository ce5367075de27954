// System calls on open files: reading, writing, seeking, descriptor flags, locks, terminals.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <span>
#include <vector>

#include "linux/file_access.hpp"
#include "linux/kernel.hpp"
#include "linux/syscalls.hpp"

namespace ashlar::linux_user {
namespace {

// A write to a pipe without readers: the host's SIGPIPE is blocked and taken away, the guest gets its own.
std::int64_t after_write(Thread& thread, std::int64_t result) {
  if (result == -EPIPE) {
    discard_sigpipe();
    abi::SigInfo info{};
    info.signo = abi::kSigPipe;
    info.code = abi::kSiUser;
    info.rt = {thread.kernel.pid, ::getuid(), 0};
    thread.kernel.send(thread, info);
  }
  return result;
}

std::int64_t transfer(Thread& thread, const SyscallArgs& a, bool store, bool positioned) {
  const FilePtr file = usable_file(thread, a[0]);
  if (!file) return -EBADF;
  UserMemory& user = thread.kernel.user;
  const auto buffer = user.host(a[1], a[2], store ? AccessKind::store : AccessKind::load);
  if (a[2] != 0 && buffer.empty()) return -EFAULT;
  const int fd = file->fd.get();
  const auto offset = static_cast<off_t>(a[3]);
  const std::int64_t result = file_call(thread, *file, [&]() -> ssize_t {
    if (store) {
      return positioned ? ::pread(fd, buffer.data(), buffer.size(), offset)
                        : ::read(fd, buffer.data(), buffer.size());
    }
    return positioned ? ::pwrite(fd, buffer.data(), buffer.size(), offset)
                      : ::write(fd, buffer.data(), buffer.size());
  });
  if (store && result > 0) user.stored(a[1], static_cast<std::uint64_t>(result));
  return store ? result : after_write(thread, result);
}

// The vectored calls; `offset` -1: at the file's position. `flags` are RWF_ flags.
std::int64_t transfer_vector(Thread& thread, const SyscallArgs& a, bool store, std::int64_t offset,
                             int flags) {
  const FilePtr file = usable_file(thread, a[0]);
  if (!file) return -EBADF;
  UserMemory& user = thread.kernel.user;
  if (a[2] > 1024) return -EINVAL;
  std::vector<abi::Iovec> guest(a[2]);
  if (!user.read(a[1], std::as_writable_bytes(std::span{guest}))) return -EFAULT;
  std::vector<iovec> host;
  std::uint64_t total = 0;
  for (const abi::Iovec& part : guest) {
    if (part.len > static_cast<std::uint64_t>(INT64_MAX) - total) return -EINVAL;
    total += part.len;
  }
  for (const abi::Iovec& part : guest) {
    if (part.len == 0) continue;
    const auto span = user.host(part.base, part.len, store ? AccessKind::store : AccessKind::load);
    if (span.empty()) {
      if (host.empty()) return -EFAULT;
      break;
    }
    host.push_back({span.data(), span.size()});
    if (span.size() != part.len) break;
  }
  const int fd = file->fd.get();
  const int count = static_cast<int>(host.size());
  const std::int64_t result = file_call(thread, *file, [&]() -> ssize_t {
    if (flags == 0 && offset == -1)
      return store ? ::readv(fd, host.data(), count) : ::writev(fd, host.data(), count);
    return store ? ::preadv2(fd, host.data(), count, offset, flags)
                 : ::pwritev2(fd, host.data(), count, offset, flags);
  });
  if (store && result > 0) {
    auto left = static_cast<std::uint64_t>(result);
    for (const abi::Iovec& part : guest) {
      user.stored(part.base, std::min(left, part.len));
      left -= std::min(left, part.len);
    }
  }
  return store ? result : after_write(thread, result);
}

}  // namespace

std::int64_t sys_read(Thread& thread, const SyscallArgs& a) { return transfer(thread, a, true, false); }
std::int64_t sys_write(Thread& thread, const SyscallArgs& a) { return transfer(thread, a, false, false); }
std::int64_t sys_pread64(Thread& thread, const SyscallArgs& a) { return transfer(thread, a, true, true); }
std::int64_t sys_pwrite64(Thread& thread, const SyscallArgs& a) { return transfer(thread, a, false, true); }
std::int64_t sys_readv(Thread& thread, const SyscallArgs& a) {
  return transfer_vector(thread, a, true, -1, 0);
}
std::int64_t sys_writev(Thread& thread, const SyscallArgs& a) {
  return transfer_vector(thread, a, false, -1, 0);
}

// The offset of the p...v calls is one register on 64-bit guests; the next is unused.
std::int64_t sys_preadv(Thread& thread, const SyscallArgs& a) {
  const auto offset = static_cast<std::int64_t>(a[3]);
  return offset < 0 ? -EINVAL : transfer_vector(thread, a, true, offset, 0);
}
std::int64_t sys_pwritev(Thread& thread, const SyscallArgs& a) {
  const auto offset = static_cast<std::int64_t>(a[3]);
  return offset < 0 ? -EINVAL : transfer_vector(thread, a, false, offset, 0);
}
std::int64_t sys_preadv2(Thread& thread, const SyscallArgs& a) {
  const auto offset = static_cast<std::int64_t>(a[3]);
  return offset < -1 ? -EINVAL : transfer_vector(thread, a, true, offset, as_int(a[5]));
}
std::int64_t sys_pwritev2(Thread& thread, const SyscallArgs& a) {
  const auto offset = static_cast<std::int64_t>(a[3]);
  return offset < -1 ? -EINVAL : transfer_vector(thread, a, false, offset, as_int(a[5]));
}

std::int64_t sys_lseek(Thread& thread, const SyscallArgs& a) {
  const FilePtr file = usable_file(thread, a[0]);
  if (!file) return -EBADF;
  return result_of(::lseek(file->fd.get(), static_cast<off_t>(a[1]), as_int(a[2])));
}

std::int64_t sys_close(Thread& thread, const SyscallArgs& a) { return thread.kernel.fds.close(as_fd(a[0])); }

std::int64_t sys_close_range(Thread& thread, const SyscallArgs& a) {
  constexpr std::uint64_t kUnshare = 2, kCloexec = 4;
  if ((a[2] & ~(kUnshare | kCloexec)) != 0) return -EINVAL;
  return thread.kernel.fds.close_range(a[0] & 0xffffffff, a[1] & 0xffffffff, (a[2] & kCloexec) != 0);
}

std::int64_t sys_dup(Thread& thread, const SyscallArgs& a) {
  FilePtr file = thread.kernel.fds.get(as_fd(a[0]));
  return file ? thread.kernel.fds.add(std::move(file), false) : -EBADF;
}

std::int64_t sys_dup3(Thread& thread, const SyscallArgs& a) {
  if ((a[2] & ~std::uint64_t{abi::kCloexec}) != 0) return -EINVAL;
  return thread.kernel.fds.dup_to(as_fd(a[0]), as_fd(a[1]), a[2] != 0);
}

std::int64_t sys_pipe2(Thread& thread, const SyscallArgs& a) {
  constexpr std::uint64_t kAllowed = abi::kCloexec | abi::kNonblock | abi::kDirect;
  if ((a[1] & ~kAllowed) != 0) return -EINVAL;
  std::array<int, 2> host{};
  if (::pipe2(host.data(), host_open_flags(static_cast<std::uint32_t>(a[1])) | O_CLOEXEC) != 0) return -errno;
  const bool cloexec = (a[1] & abi::kCloexec) != 0;
  std::array<std::int32_t, 2> guest{};
  for (std::size_t i = 0; i < 2; ++i) {
    auto file = std::make_shared<File>();
    file->fd = HostFd(host[i]);
    file->kind = FileKind::stream;
    const std::int64_t fd = thread.kernel.fds.add(std::move(file), cloexec);
    if (fd < 0) {
      if (i == 0) ::close(host[1]);
      if (i == 1) thread.kernel.fds.close(guest[0]);
      return fd;
    }
    guest[i] = static_cast<std::int32_t>(fd);
  }
  if (thread.kernel.user.put(a[0], guest)) return 0;
  for (const std::int32_t fd : guest) thread.kernel.fds.close(fd);
  return -EFAULT;
}

std::int64_t sys_fcntl(Thread& thread, const SyscallArgs& a) {
  // Commands of include/uapi/asm-generic/fcntl.h, which 64-bit hosts share.
  enum : std::uint64_t {
    kDupfd = 0,
    kGetfd = 1,
    kSetfd = 2,
    kGetfl = 3,
    kSetfl = 4,
    kGetlk = 5,
    kSetlk = 6,
    kSetlkw = 7,
    kOfdGetlk = 36,
    kOfdSetlk = 37,
    kOfdSetlkw = 38,
    kDupfdCloexec = 1030,
    kSetpipeSz = 1031,
    kGetpipeSz = 1032,
    kAddSeals = 1033,
    kGetSeals = 1034,
  };
  FdTable& fds = thread.kernel.fds;
  FilePtr file = fds.get(as_fd(a[0]));
  if (!file) return -EBADF;
  const int fd = file->fd.get();
  switch (a[1]) {
    case kDupfd:
    case kDupfdCloexec:
      if (a[2] >= FdTable::kDefaultLimit) return -EINVAL;
      return fds.add(std::move(file), a[1] == kDupfdCloexec, a[2]);
    case kGetfd:
      return fds.cloexec(as_fd(a[0]));
    case kSetfd:
      return fds.set_cloexec(as_fd(a[0]), (a[2] & 1) != 0);
    case kGetfl: {
      const int flags = ::fcntl(fd, F_GETFL);
      if (flags == -1) return -errno;
      // Our own opens add O_NOFOLLOW.
      std::uint32_t guest = guest_open_flags(flags & ~O_NOFOLLOW);
      if (!file->guest_path.empty()) guest |= abi::kLargefile;
      return guest;
    }
    case kSetfl: {
      constexpr std::uint32_t kChangeable = abi::kAppend | abi::kNonblock | abi::kDirect;
      return result_of(::fcntl(fd, F_SETFL, host_open_flags(static_cast<std::uint32_t>(a[2]) & kChangeable)));
    }
    case kGetlk:
    case kSetlk:
    case kSetlkw:
    case kOfdGetlk:
    case kOfdSetlk:
    case kOfdSetlkw: {
      abi::Flock guest{};
      if (!thread.kernel.user.get(a[2], guest)) return -EFAULT;
      struct flock host {};
      host.l_type = guest.type;
      host.l_whence = guest.whence;
      host.l_start = guest.start;
      host.l_len = guest.len;
      host.l_pid = guest.pid;
      const bool waits = a[1] == kSetlkw || a[1] == kOfdSetlkw;
      const auto call = [&] { return ::fcntl(fd, static_cast<int>(a[1]), &host); };
      const std::int64_t result = waits ? host_call(thread, call) : result_of(call());
      if (result == -EINTR && waits) return abi::kRestartSys;
      if (result < 0) return result;
      if (a[1] == kGetlk || a[1] == kOfdGetlk) {
        guest.type = host.l_type;
        guest.whence = host.l_whence;
        guest.start = host.l_start;
        guest.len = host.l_len;
        guest.pid = host.l_pid;
        if (!thread.kernel.user.put(a[2], guest)) return -EFAULT;
      }
      return 0;
    }
    case kSetpipeSz:
    case kGetpipeSz:
    case kAddSeals:
    case kGetSeals:
      return result_of(::fcntl(fd, static_cast<int>(a[1]), as_int(a[2])));
    default:
      return -EINVAL;  // among them F_SETOWN: signals to host processes
  }
}

std::int64_t sys_flock(Thread& thread, const SyscallArgs& a) {
  const FilePtr file = usable_file(thread, a[0]);
  if (!file) return -EBADF;
  const std::int64_t result = host_call(thread, [&] { return ::flock(file->fd.get(), as_int(a[1])); });
  return result == -EINTR ? abi::kRestartSys : result;
}

std::int64_t sys_ioctl(Thread& thread, const SyscallArgs& a) {
  // Only what can neither inject input into a terminal nor reach the host beyond the file. The numbers are
  // those of include/uapi/asm-generic/ioctls.h; sizes are of what the argument points to.
  struct Allowed {
    std::uint32_t guest;
    unsigned long host;
    std::uint8_t size;
    bool in, out;
  };
  constexpr std::uint8_t kTermiosSize =
      36;  // the kernel's struct termios, alike on every host with these numbers
  static constexpr std::array<Allowed, 8> kAllowed = {{
      {0x5401, TCGETS, kTermiosSize, false, true},
      {0x5402, TCSETS, kTermiosSize, true, false},
      {0x5403, TCSETSW, kTermiosSize, true, false},
      {0x5404, TCSETSF, kTermiosSize, true, false},
      {0x5413, TIOCGWINSZ, 8, false, true},
      {0x541b, FIONREAD, 4, false, true},
      {0x5421, FIONBIO, 4, true, false},
      {0x540f, TIOCGPGRP, 4, false, true},
  }};
  FilePtr file = usable_file(thread, a[0]);
  if (!file) return -EBADF;
  const auto request = static_cast<std::uint32_t>(a[1]);
  if (request == 0x5451 || request == 0x5450)
    return thread.kernel.fds.set_cloexec(as_fd(a[0]), request == 0x5451);
  for (const Allowed& allowed : kAllowed) {
    if (allowed.guest != request) continue;
    std::array<std::byte, 64> argument{};
    const auto bytes = std::span{argument}.first(allowed.size);
    if (allowed.in && !thread.kernel.user.read(a[2], bytes)) return -EFAULT;
    if (::ioctl(file->fd.get(), allowed.host, argument.data()) == -1) return -errno;
    if (allowed.out && !thread.kernel.user.write(a[2], bytes)) return -EFAULT;
    return 0;
  }
  return -ENOTTY;
}

std::int64_t sys_getdents64(Thread& thread, const SyscallArgs& a) {
  const FilePtr file = usable_file(thread, a[0]);
  if (!file) return -EBADF;
  // linux_dirent64 is the same on every architecture.
  const auto buffer = thread.kernel.user.host(a[1], a[2] & 0xffffffff, AccessKind::store);
  if (buffer.empty()) return -EFAULT;
  const std::int64_t result =
      result_of(::syscall(SYS_getdents64, file->fd.get(), buffer.data(), buffer.size()));
  if (result > 0) thread.kernel.user.stored(a[1], static_cast<std::uint64_t>(result));
  return result;
}

std::int64_t sys_ftruncate(Thread& thread, const SyscallArgs& a) {
  const FilePtr file = usable_file(thread, a[0]);
  return file ? result_of(::ftruncate(file->fd.get(), static_cast<off_t>(a[1]))) : -EBADF;
}

std::int64_t sys_fallocate(Thread& thread, const SyscallArgs& a) {
  const FilePtr file = usable_file(thread, a[0]);
  if (!file) return -EBADF;
  return result_of(
      ::fallocate(file->fd.get(), as_int(a[1]), static_cast<off_t>(a[2]), static_cast<off_t>(a[3])));
}

std::int64_t sys_fsync(Thread& thread, const SyscallArgs& a) {
  const FilePtr file = usable_file(thread, a[0]);
  return file ? result_of(::fsync(file->fd.get())) : -EBADF;
}

std::int64_t sys_fdatasync(Thread& thread, const SyscallArgs& a) {
  const FilePtr file = usable_file(thread, a[0]);
  return file ? result_of(::fdatasync(file->fd.get())) : -EBADF;
}

std::int64_t sys_syncfs(Thread& thread, const SyscallArgs& a) {
  const FilePtr file = usable_file(thread, a[0]);
  return file ? result_of(::fsync(file->fd.get())) : -EBADF;
}

std::int64_t sys_fadvise64(Thread& thread, const SyscallArgs& a) {
  const FilePtr file = usable_file(thread, a[0]);
  if (!file) return -EBADF;
  return -::posix_fadvise(file->fd.get(), static_cast<off_t>(a[1]), static_cast<off_t>(a[2]), as_int(a[3]));
}

std::int64_t sys_sendfile(Thread& thread, const SyscallArgs& a) {
  const FilePtr out = usable_file(thread, a[0]);
  const FilePtr in = usable_file(thread, a[1]);
  if (!out || !in) return -EBADF;
  off_t offset = 0;
  if (a[2] != 0 && !thread.kernel.user.get(a[2], offset)) return -EFAULT;
  const File& slow = in->kind == FileKind::stream ? *in : *out;
  const std::int64_t result = file_call(thread, slow, [&] {
    return ::sendfile(out->fd.get(), in->fd.get(), a[2] != 0 ? &offset : nullptr, a[3]);
  });
  if (result >= 0 && a[2] != 0 && !thread.kernel.user.put(a[2], offset)) return -EFAULT;
  return after_write(thread, result);
}

std::int64_t sys_copy_file_range(Thread& thread, const SyscallArgs& a) {
  const FilePtr in = usable_file(thread, a[0]);
  const FilePtr out = usable_file(thread, a[2]);
  if (!in || !out) return -EBADF;
  off64_t in_offset = 0;
  off64_t out_offset = 0;
  UserMemory& user = thread.kernel.user;
  if (a[1] != 0 && !user.get(a[1], in_offset)) return -EFAULT;
  if (a[3] != 0 && !user.get(a[3], out_offset)) return -EFAULT;
  const std::int64_t result =
      result_of(::copy_file_range(in->fd.get(), a[1] != 0 ? &in_offset : nullptr, out->fd.get(),
                                  a[3] != 0 ? &out_offset : nullptr, a[4], static_cast<unsigned>(a[5])));
  if (result < 0) return result;
  if (a[1] != 0 && !user.put(a[1], in_offset)) return -EFAULT;
  if (a[3] != 0 && !user.put(a[3], out_offset)) return -EFAULT;
  return result;
}

std::int64_t sys_memfd_create(Thread& thread, const SyscallArgs& a) {
  std::string name;
  if (const std::int64_t error = thread.kernel.user.string(a[0], name, 250); error != 0) {
    return error == -ENAMETOOLONG ? -EINVAL : error;
  }
  constexpr std::uint64_t kCloexec = 1, kAllowSealing = 2;
  if ((a[1] & ~(kCloexec | kAllowSealing)) != 0) return -EINVAL;
  auto file = std::make_shared<File>();
  file->fd = HostFd(::memfd_create(name.c_str(), static_cast<unsigned>(a[1] | kCloexec)));
  if (!file->fd) return -errno;
  return thread.kernel.fds.add(std::move(file), (a[1] & kCloexec) != 0);
}

}  // namespace ashlar::linux_user
