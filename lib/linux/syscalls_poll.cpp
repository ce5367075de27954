// System calls that wait for files: poll, select, epoll, and the files made for them.
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include <fcntl.h>

#include <array>
#include <vector>

#include "linux/file_access.hpp"
#include "linux/kernel.hpp"
#include "linux/syscalls.hpp"

namespace ashlar::linux_user {
namespace {

// Poll's event bits are the same on every architecture that takes asm-generic's.
std::int64_t wait_for(Thread& thread, std::vector<pollfd>& fds, const std::optional<abi::Timespec>& timeout) {
  std::optional<Deadline> deadline;
  if (timeout)
    deadline = Deadline::after({static_cast<time_t>(timeout->sec), static_cast<long>(timeout->nsec)});
  return host_call(thread, [&] {
    timespec left{};
    if (deadline) left = deadline->left();
    return ::ppoll(fds.data(), fds.size(), deadline ? &left : nullptr, nullptr);
  });
}

std::int64_t add_stream(Thread& thread, int host_fd, bool cloexec) {
  if (host_fd < 0) return -errno;
  auto file = std::make_shared<File>();
  file->fd = HostFd(host_fd);
  file->kind = FileKind::stream;
  return thread.kernel.fds.add(std::move(file), cloexec);
}

}  // namespace

std::int64_t sys_ppoll(Thread& thread, const SyscallArgs& a) {
  UserMemory& user = thread.kernel.user;
  if (a[1] > FdTable::kDefaultLimit * 4) return -EINVAL;
  std::vector<abi::PollFd> guest(a[1]);
  std::optional<abi::Timespec> timeout;
  if (const std::int64_t error = read_timeout(thread, a[2], timeout); error != 0) return error;
  if (!user.read(a[0], std::as_writable_bytes(std::span{guest}))) return -EFAULT;

  std::vector<pollfd> host(guest.size());
  std::vector<FilePtr> files(guest.size());  // kept open while we wait
  bool invalid = false;
  for (std::size_t i = 0; i < guest.size(); ++i) {
    files[i] = usable_file(thread, static_cast<std::uint64_t>(guest[i].fd));
    host[i] = {files[i] ? files[i]->fd.get() : -1, guest[i].events, 0};
    if (!files[i] && guest[i].fd >= 0) invalid = true;
  }
  TemporaryMask mask(thread);
  if (const std::int64_t error = mask.set(a[3], a[4]); error != 0) return error;
  std::int64_t result = mask.finish(wait_for(thread, host, invalid ? abi::Timespec{0, 0} : timeout));
  if (result < 0) return result;
  for (std::size_t i = 0; i < guest.size(); ++i) {
    guest[i].revents = host[i].revents;
    if (!files[i] && guest[i].fd >= 0) {
      guest[i].revents = POLLNVAL;
      ++result;
    }
  }
  return user.write(a[0], std::as_bytes(std::span{guest})) ? result : -EFAULT;
}

std::int64_t sys_pselect6(Thread& thread, const SyscallArgs& a) {
  // read, write, exceptional: what to wait for, and what counts as ready.
  struct Set {
    short wanted, ready;
  };
  static constexpr std::array<Set, 3> kSets = {
      {{POLLIN, POLLIN | POLLHUP | POLLERR}, {POLLOUT, POLLOUT | POLLERR}, {POLLPRI, POLLPRI}}};
  UserMemory& user = thread.kernel.user;
  const std::int32_t count = as_int(a[0]);
  if (count < 0) return -EINVAL;
  const std::size_t fd_count = std::min<std::size_t>(static_cast<std::size_t>(count), FdTable::kDefaultLimit);
  const std::size_t words = (fd_count + 63) / 64;
  std::optional<abi::Timespec> timeout;
  if (const std::int64_t error = read_timeout(thread, a[4], timeout); error != 0) return error;
  std::array<std::vector<std::uint64_t>, 3> sets;
  for (std::size_t s = 0; s < 3; ++s) {
    sets[s].resize(words);
    if (a[1 + s] != 0 && !user.read(a[1 + s], std::as_writable_bytes(std::span{sets[s]}))) return -EFAULT;
  }
  std::vector<pollfd> host;
  std::vector<FilePtr> files;
  std::vector<std::size_t> numbers;
  for (std::size_t fd = 0; fd < fd_count; ++fd) {
    short events = 0;
    for (std::size_t s = 0; s < 3; ++s) {
      if ((sets[s][fd / 64] >> (fd % 64) & 1) != 0) events = static_cast<short>(events | kSets[s].wanted);
    }
    if (events == 0) continue;
    FilePtr file = usable_file(thread, fd);
    if (!file) return -EBADF;
    host.push_back({file->fd.get(), events, 0});
    files.push_back(std::move(file));
    numbers.push_back(fd);
  }
  TemporaryMask mask(thread);
  if (a[5] != 0) {
    std::uint64_t packed[2] = {};  // the address of the mask, and its size
    if (!user.get(a[5], packed)) return -EFAULT;
    if (const std::int64_t error = mask.set(packed[0], packed[1]); error != 0) return error;
  }
  const std::int64_t waited = mask.finish(wait_for(thread, host, timeout));
  if (waited < 0) return waited;
  std::int64_t result = 0;
  for (auto& set : sets) std::fill(set.begin(), set.end(), 0);
  for (std::size_t i = 0; i < host.size(); ++i) {
    for (std::size_t s = 0; s < 3; ++s) {
      if ((host[i].events & kSets[s].wanted) == 0 || (host[i].revents & kSets[s].ready) == 0) continue;
      sets[s][numbers[i] / 64] |= std::uint64_t{1} << (numbers[i] % 64);
      ++result;
    }
  }
  for (std::size_t s = 0; s < 3; ++s) {
    if (a[1 + s] != 0 && !user.write(a[1 + s], std::as_bytes(std::span{sets[s]}))) return -EFAULT;
  }
  return result;
}

std::int64_t sys_epoll_create1(Thread& thread, const SyscallArgs& a) {
  if ((a[0] & ~std::uint64_t{abi::kCloexec}) != 0) return -EINVAL;
  return add_stream(thread, ::epoll_create1(EPOLL_CLOEXEC), a[0] != 0);
}

std::int64_t sys_epoll_ctl(Thread& thread, const SyscallArgs& a) {
  const FilePtr epoll = usable_file(thread, a[0]);
  const FilePtr file = usable_file(thread, a[2]);
  if (!epoll || !file) return -EBADF;
  abi::EpollEvent guest{};
  if (as_int(a[1]) != EPOLL_CTL_DEL && !thread.kernel.user.get(a[3], guest)) return -EFAULT;
  // The host's structure is packed on some architectures.
  epoll_event host{};
  host.events = guest.events;
  host.data.u64 = guest.data;
  return result_of(::epoll_ctl(epoll->fd.get(), as_int(a[1]), file->fd.get(), &host));
}

std::int64_t sys_epoll_pwait(Thread& thread, const SyscallArgs& a) {
  const FilePtr epoll = usable_file(thread, a[0]);
  if (!epoll) return -EBADF;
  const std::int32_t max = as_int(a[2]);
  if (max <= 0 || max > 1 << 20) return -EINVAL;
  std::vector<epoll_event> host(static_cast<std::size_t>(std::min(max, 4096)));
  const std::int32_t timeout_ms = as_int(a[3]);
  std::optional<Deadline> deadline;
  if (timeout_ms >= 0) deadline = Deadline::after({timeout_ms / 1000, timeout_ms % 1000 * 1'000'000L});
  TemporaryMask mask(thread);
  if (const std::int64_t error = mask.set(a[4], a[5]); error != 0) return error;
  const std::int64_t result = mask.finish(host_call(thread, [&] {
    int left_ms = -1;
    if (deadline) {
      const timespec left = deadline->left();
      left_ms = static_cast<int>(left.tv_sec * 1000 + (left.tv_nsec + 999'999) / 1'000'000);
    }
    return ::epoll_wait(epoll->fd.get(), host.data(), static_cast<int>(host.size()), left_ms);
  }));
  for (std::int64_t i = 0; i < result; ++i) {
    const epoll_event& event = host[static_cast<std::size_t>(i)];
    const abi::EpollEvent guest{event.events, 0, event.data.u64};
    if (!thread.kernel.user.put(a[1] + static_cast<std::uint64_t>(i) * sizeof guest, guest)) return -EFAULT;
  }
  return result;
}

std::int64_t sys_eventfd2(Thread& thread, const SyscallArgs& a) {
  constexpr std::uint64_t kSemaphore = 1;
  if ((a[1] & ~(kSemaphore | abi::kCloexec | abi::kNonblock)) != 0) return -EINVAL;
  int flags = EFD_CLOEXEC;
  if ((a[1] & kSemaphore) != 0) flags |= EFD_SEMAPHORE;
  if ((a[1] & abi::kNonblock) != 0) flags |= EFD_NONBLOCK;
  return add_stream(thread, ::eventfd(static_cast<unsigned>(a[0]), flags), (a[1] & abi::kCloexec) != 0);
}

std::int64_t sys_timerfd_create(Thread& thread, const SyscallArgs& a) {
  const std::int32_t clock = as_int(a[0]);
  if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME) return -EINVAL;
  if ((a[1] & ~std::uint64_t{abi::kCloexec | abi::kNonblock}) != 0) return -EINVAL;
  const int flags = TFD_CLOEXEC | ((a[1] & abi::kNonblock) != 0 ? TFD_NONBLOCK : 0);
  return add_stream(thread, ::timerfd_create(clock, flags), (a[1] & abi::kCloexec) != 0);
}

std::int64_t sys_timerfd_settime(Thread& thread, const SyscallArgs& a) {
  const FilePtr file = usable_file(thread, a[0]);
  if (!file) return -EBADF;
  abi::Itimerspec guest{};
  if (!thread.kernel.user.get(a[2], guest)) return -EFAULT;
  const auto to_host = [](const abi::Timespec& t) {
    return timespec{static_cast<time_t>(t.sec), static_cast<long>(t.nsec)};
  };
  const itimerspec next{to_host(guest.interval), to_host(guest.value)};
  itimerspec before{};
  if (::timerfd_settime(file->fd.get(), as_int(a[1]), &next, &before) != 0) return -errno;
  const abi::Itimerspec out{{before.it_interval.tv_sec, before.it_interval.tv_nsec},
                            {before.it_value.tv_sec, before.it_value.tv_nsec}};
  return a[3] == 0 || thread.kernel.user.put(a[3], out) ? 0 : -EFAULT;
}

std::int64_t sys_timerfd_gettime(Thread& thread, const SyscallArgs& a) {
  const FilePtr file = usable_file(thread, a[0]);
  if (!file) return -EBADF;
  itimerspec now{};
  if (::timerfd_gettime(file->fd.get(), &now) != 0) return -errno;
  const abi::Itimerspec out{{now.it_interval.tv_sec, now.it_interval.tv_nsec},
                            {now.it_value.tv_sec, now.it_value.tv_nsec}};
  return thread.kernel.user.put(a[1], out) ? 0 : -EFAULT;
}

}  // namespace ashlar::linux_user
