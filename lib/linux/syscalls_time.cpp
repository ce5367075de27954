// System calls on clocks, sleeps and timers.
#include <sys/time.h>
#include <time.h>

#include "linux/file_access.hpp"
#include "linux/kernel.hpp"
#include "linux/syscalls.hpp"

namespace ashlar::linux_user {
namespace {

// Clock ids are the same on every architecture. Those of other processes (negative numbers made from a pid)
// are not passed on; the two CPU clocks are this process's and this thread's.
constexpr std::uint64_t kProcessCpu = 2, kThreadCpu = 3, kLastClock = 11;

bool known_clock(std::uint64_t clock) {
  return (clock & 0xffffffff) <= kLastClock && (clock & 0xffffffff) != 10;
}
clockid_t host_clock(std::uint64_t clock) { return static_cast<clockid_t>(clock & 0xffffffff); }

// The clock that a wait on `clock` is measured by.
bool wait_clock(std::uint64_t clock, clockid_t& out) {
  switch (clock & 0xffffffff) {
    case 0:   // CLOCK_REALTIME
    case 11:  // CLOCK_TAI
    case 8:   // CLOCK_REALTIME_ALARM
      out = CLOCK_REALTIME;
      return true;
    case 1:  // CLOCK_MONOTONIC
    case 7:  // CLOCK_BOOTTIME
    case 9:  // CLOCK_BOOTTIME_ALARM
      out = CLOCK_MONOTONIC;
      return true;
    default:
      return false;
  }
}

timespec host(const abi::Timespec& t) { return {static_cast<time_t>(t.sec), static_cast<long>(t.nsec)}; }

std::int64_t sleep_until(Thread& thread, const Deadline& deadline, std::uint64_t rest_at) {
  while (!thread.interrupted()) {
    if (!thread.parker.park(deadline) || deadline.passed()) return 0;
  }
  if (rest_at != 0) {
    const timespec left = deadline.left();
    const abi::Timespec rest{left.tv_sec, left.tv_nsec};
    if (!thread.kernel.user.put(rest_at, rest)) return -EFAULT;
  }
  return abi::kRestartNohand;
}

}  // namespace

std::int64_t sys_clock_gettime(Thread& thread, const SyscallArgs& a) {
  timespec now{};
  if (!known_clock(a[0])) return -EINVAL;
  if (::clock_gettime(host_clock(a[0]), &now) != 0) return -errno;
  const abi::Timespec guest{now.tv_sec, now.tv_nsec};
  return thread.kernel.user.put(a[1], guest) ? 0 : -EFAULT;
}

std::int64_t sys_clock_getres(Thread& thread, const SyscallArgs& a) {
  timespec resolution{};
  if (!known_clock(a[0])) return -EINVAL;
  if (::clock_getres(host_clock(a[0]), &resolution) != 0) return -errno;
  const abi::Timespec guest{resolution.tv_sec, resolution.tv_nsec};
  return a[1] == 0 || thread.kernel.user.put(a[1], guest) ? 0 : -EFAULT;
}

std::int64_t sys_gettimeofday(Thread& thread, const SyscallArgs& a) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const abi::Timeval guest{now.tv_sec, now.tv_nsec / 1000};
  const std::int32_t zone[2] = {0, 0};
  if (a[0] != 0 && !thread.kernel.user.put(a[0], guest)) return -EFAULT;
  return a[1] == 0 || thread.kernel.user.put(a[1], zone) ? 0 : -EFAULT;
}

std::int64_t sys_nanosleep(Thread& thread, const SyscallArgs& a) {
  abi::Timespec wanted{};
  if (!thread.kernel.user.get(a[0], wanted)) return -EFAULT;
  if (!is_valid(wanted)) return -EINVAL;
  return sleep_until(thread, Deadline::after(host(wanted)), a[1]);
}

std::int64_t sys_clock_nanosleep(Thread& thread, const SyscallArgs& a) {
  clockid_t clock = CLOCK_MONOTONIC;
  abi::Timespec wanted{};
  if ((a[0] & 0xffffffff) == kThreadCpu) return -EINVAL;
  if (!wait_clock(a[0], clock)) return (a[0] & 0xffffffff) == kProcessCpu ? -EOPNOTSUPP : -EINVAL;
  if (!thread.kernel.user.get(a[2], wanted)) return -EFAULT;
  if (!is_valid(wanted)) return -EINVAL;
  const bool absolute = (a[1] & 1) != 0;
  // A relative sleep is not affected by clock changes, whatever the clock.
  const Deadline deadline = absolute ? Deadline{clock, host(wanted)} : Deadline::after(host(wanted));
  return sleep_until(thread, deadline, absolute ? 0 : a[3]);
}

std::int64_t sys_setitimer(Thread& thread, const SyscallArgs& a) {
  if (as_int(a[0]) != 0) return -EINVAL;  // ITIMER_REAL only
  abi::Itimerval next{};
  if (a[1] != 0 && !thread.kernel.user.get(a[1], next)) return -EFAULT;
  const auto valid = [](const abi::Timeval& t) { return t.sec >= 0 && t.usec >= 0 && t.usec < 1'000'000; };
  if (!valid(next.interval) || !valid(next.value)) return -EINVAL;
  const abi::Itimerspec spec{{next.interval.sec, next.interval.usec * 1000},
                             {next.value.sec, next.value.usec * 1000}};
  const abi::Itimerspec before = thread.kernel.timers->real_timer(&spec);
  const abi::Itimerval out{{before.interval.sec, before.interval.nsec / 1000},
                           {before.value.sec, (before.value.nsec + 999) / 1000}};
  return a[2] == 0 || thread.kernel.user.put(a[2], out) ? 0 : -EFAULT;
}

std::int64_t sys_getitimer(Thread& thread, const SyscallArgs& a) {
  if (as_int(a[0]) != 0) return -EINVAL;
  const abi::Itimerspec now = thread.kernel.timers->real_timer(nullptr);
  const abi::Itimerval out{{now.interval.sec, now.interval.nsec / 1000},
                           {now.value.sec, (now.value.nsec + 999) / 1000}};
  return thread.kernel.user.put(a[1], out) ? 0 : -EFAULT;
}

std::int64_t sys_timer_create(Thread& thread, const SyscallArgs& a) {
  clockid_t clock = CLOCK_MONOTONIC;
  if (!wait_clock(a[0], clock)) return -EINVAL;
  // include/uapi/asm-generic/siginfo.h; SIGEV_THREAD is made by the C library from SIGEV_THREAD_ID.
  constexpr std::int32_t kSignal = 0, kNone = 1, kThreadId = 4;
  abi::Sigevent event{};
  event.signo = abi::kSigAlrm;
  if (a[1] != 0 && !thread.kernel.user.get(a[1], event)) return -EFAULT;
  Timers::Target target{event.signo, 0, event.value};
  if (event.notify == kNone) {
    target.signal = 0;
  } else if (event.notify != kSignal && event.notify != kThreadId) {
    return -EINVAL;
  } else if (event.signo < 1 || event.signo > abi::kSigCount) {
    return -EINVAL;
  }
  if (event.notify == kThreadId) {
    if (!thread.kernel.find_thread(event.tid)) return -EINVAL;
    target.tid = event.tid;
  }
  const std::int64_t id = thread.kernel.timers->create(clock, target, a[1] == 0);
  if (id < 0) return id;
  if (thread.kernel.user.put(a[2], static_cast<std::int32_t>(id))) return 0;
  thread.kernel.timers->remove(static_cast<std::int32_t>(id));
  return -EFAULT;
}

std::int64_t sys_timer_settime(Thread& thread, const SyscallArgs& a) {
  abi::Itimerspec next{};
  abi::Itimerspec before{};
  if (!thread.kernel.user.get(a[2], next)) return -EFAULT;
  if (!is_valid(next.interval) || !is_valid(next.value)) return -EINVAL;
  const std::int64_t result = thread.kernel.timers->set(as_int(a[0]), (a[1] & 1) != 0, next, before);
  if (result != 0) return result;
  return a[3] == 0 || thread.kernel.user.put(a[3], before) ? 0 : -EFAULT;
}

std::int64_t sys_timer_gettime(Thread& thread, const SyscallArgs& a) {
  abi::Itimerspec now{};
  const std::int64_t result = thread.kernel.timers->get(as_int(a[0]), now);
  if (result != 0) return result;
  return thread.kernel.user.put(a[1], now) ? 0 : -EFAULT;
}

std::int64_t sys_timer_getoverrun(Thread& thread, const SyscallArgs& a) {
  return thread.kernel.timers->overrun(as_int(a[0]));
}
std::int64_t sys_timer_delete(Thread& thread, const SyscallArgs& a) {
  return thread.kernel.timers->remove(as_int(a[0]));
}

}  // namespace ashlar::linux_user
