// System calls on the process: identity, limits, resources, scheduling, the machine.
#include <sched.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "linux/file_access.hpp"
#include "linux/kernel.hpp"
#include "linux/syscalls.hpp"

namespace ashlar::linux_user {
namespace {

bool is_self(Thread& thread, std::uint64_t pid) {
  return as_int(pid) == 0 || as_int(pid) == thread.kernel.pid ||
         thread.kernel.find_thread(as_int(pid)) != nullptr;
}

// Identities can be "changed" to what they are.
std::int64_t keep_id(std::uint64_t wanted, std::uint32_t real, std::uint32_t effective) {
  const auto id = static_cast<std::uint32_t>(wanted);
  return id == ~std::uint32_t{0} || id == real || id == effective ? 0 : -EPERM;
}
std::int64_t keep_uid(std::uint64_t wanted) { return keep_id(wanted, ::getuid(), ::geteuid()); }
std::int64_t keep_gid(std::uint64_t wanted) { return keep_id(wanted, ::getgid(), ::getegid()); }

std::int64_t put_ids(Thread& thread, const SyscallArgs& a, std::uint32_t real, std::uint32_t effective) {
  UserMemory& user = thread.kernel.user;
  return user.put(a[0], real) && user.put(a[1], effective) && user.put(a[2], effective) ? 0 : -EFAULT;
}

std::int64_t get_limit(Thread& thread, std::uint64_t resource, std::uint64_t at) {
  if (resource >= abi::kRlimitCount) return -EINVAL;
  const std::scoped_lock lock(thread.kernel.limits_mutex);
  return thread.kernel.user.put(at, thread.kernel.limits[resource]) ? 0 : -EFAULT;
}

// Limits are the guest's own bookkeeping, but for the number of descriptors.
std::int64_t set_limit(Thread& thread, std::uint64_t resource, const abi::Rlimit& limit) {
  if (resource >= abi::kRlimitCount || limit.cur > limit.max) return -EINVAL;
  const std::scoped_lock lock(thread.kernel.limits_mutex);
  if (limit.max > thread.kernel.limits[resource].max) return -EPERM;
  thread.kernel.limits[resource] = limit;
  if (resource == abi::kRlimitNofile) thread.kernel.fds.set_limit(limit.cur);
  return 0;
}

}  // namespace

std::int64_t sys_getpid(Thread& thread, const SyscallArgs&) { return thread.kernel.pid; }
// The parent is outside of what the guest can see, as in a process id name space of its own.
std::int64_t sys_getppid(Thread&, const SyscallArgs&) { return 0; }
std::int64_t sys_gettid(Thread& thread, const SyscallArgs&) { return thread.tid; }
std::int64_t sys_getuid(Thread&, const SyscallArgs&) { return ::getuid(); }
std::int64_t sys_geteuid(Thread&, const SyscallArgs&) { return ::geteuid(); }
std::int64_t sys_getgid(Thread&, const SyscallArgs&) { return ::getgid(); }
std::int64_t sys_getegid(Thread&, const SyscallArgs&) { return ::getegid(); }
std::int64_t sys_setuid(Thread&, const SyscallArgs& a) { return keep_uid(a[0]); }
std::int64_t sys_setgid(Thread&, const SyscallArgs& a) { return keep_gid(a[0]); }
std::int64_t sys_setreuid(Thread&, const SyscallArgs& a) { return std::min(keep_uid(a[0]), keep_uid(a[1])); }
std::int64_t sys_setregid(Thread&, const SyscallArgs& a) { return std::min(keep_gid(a[0]), keep_gid(a[1])); }
std::int64_t sys_setresuid(Thread&, const SyscallArgs& a) {
  return std::min({keep_uid(a[0]), keep_uid(a[1]), keep_uid(a[2])});
}
std::int64_t sys_setresgid(Thread&, const SyscallArgs& a) {
  return std::min({keep_gid(a[0]), keep_gid(a[1]), keep_gid(a[2])});
}
std::int64_t sys_getresuid(Thread& thread, const SyscallArgs& a) {
  return put_ids(thread, a, ::getuid(), ::geteuid());
}
std::int64_t sys_getresgid(Thread& thread, const SyscallArgs& a) {
  return put_ids(thread, a, ::getgid(), ::getegid());
}
std::int64_t sys_getpgid(Thread& thread, const SyscallArgs& a) {
  return is_self(thread, a[0]) ? thread.kernel.pid : -ESRCH;
}
std::int64_t sys_getsid(Thread& thread, const SyscallArgs& a) {
  return is_self(thread, a[0]) ? thread.kernel.pid : -ESRCH;
}

std::int64_t sys_exit_group(Thread& thread, const SyscallArgs& a) {
  ExitStatus status;
  status.status = as_int(a[0]) & 0xff;
  thread.kernel.end(std::move(status));
  thread.finish();
  return kNoResult;
}

std::int64_t sys_uname(Thread& thread, const SyscallArgs& a) {
  abi::Utsname name{};
  const auto set = [](char(&field)[65], const char* text) { std::strncpy(field, text, sizeof field - 1); };
  set(name.sysname, "Linux");
  set(name.nodename, "ashlar");
  // glibc refuses kernels older than the one it was built for; this is the release whose calls are provided.
  set(name.release, "6.1.0");
  set(name.version, "#1 SMP");
  set(name.machine, "riscv64");
  set(name.domainname, "(none)");
  return thread.kernel.user.put(a[0], name) ? 0 : -EFAULT;
}

std::int64_t sys_getrlimit(Thread& thread, const SyscallArgs& a) { return get_limit(thread, a[0], a[1]); }

std::int64_t sys_setrlimit(Thread& thread, const SyscallArgs& a) {
  abi::Rlimit limit{};
  return thread.kernel.user.get(a[1], limit) ? set_limit(thread, a[0], limit) : -EFAULT;
}

std::int64_t sys_prlimit64(Thread& thread, const SyscallArgs& a) {
  if (!is_self(thread, a[0])) return -ESRCH;
  abi::Rlimit next{};
  if (a[2] != 0 && !thread.kernel.user.get(a[2], next)) return -EFAULT;
  if (a[1] >= abi::kRlimitCount) return -EINVAL;
  abi::Rlimit before{};
  {
    const std::scoped_lock lock(thread.kernel.limits_mutex);
    before = thread.kernel.limits[a[1]];
  }
  if (a[2] != 0) {
    if (const std::int64_t error = set_limit(thread, a[1], next); error != 0) return error;
  }
  return a[3] == 0 || thread.kernel.user.put(a[3], before) ? 0 : -EFAULT;
}

std::int64_t sys_getrusage(Thread& thread, const SyscallArgs& a) {
  const std::int32_t who = as_int(a[0]);
  if (who < -1 || who > 1) return -EINVAL;
  abi::Rusage guest{};
  if (who != -1) {  // RUSAGE_CHILDREN: there are none
    struct rusage host {};
    ::getrusage(who == 1 ? RUSAGE_THREAD : RUSAGE_SELF, &host);
    guest.utime = {host.ru_utime.tv_sec, host.ru_utime.tv_usec};
    guest.stime = {host.ru_stime.tv_sec, host.ru_stime.tv_usec};
    guest.rest[0] = host.ru_maxrss;
    guest.rest[4] = host.ru_minflt;
    guest.rest[5] = host.ru_majflt;
    guest.rest[7] = host.ru_inblock;
    guest.rest[8] = host.ru_oublock;
    guest.rest[12] = host.ru_nvcsw;
    guest.rest[13] = host.ru_nivcsw;
  }
  return thread.kernel.user.put(a[1], guest) ? 0 : -EFAULT;
}

std::int64_t sys_times(Thread& thread, const SyscallArgs& a) {
  struct tms host {};
  const clock_t now = ::times(&host);
  // AT_CLKTCK says 100 ticks a second.
  const long host_ticks = std::max(1L, ::sysconf(_SC_CLK_TCK));
  const auto ticks = [&](clock_t t) { return static_cast<std::int64_t>(t) * 100 / host_ticks; };
  const std::int64_t guest[4] = {ticks(host.tms_utime), ticks(host.tms_stime), 0, 0};
  if (a[0] != 0 && !thread.kernel.user.put(a[0], guest)) return -EFAULT;
  return ticks(now);
}

std::int64_t sys_sysinfo(Thread& thread, const SyscallArgs& a) {
  struct sysinfo host {};
  ::sysinfo(&host);
  // The guest's machine has as much memory as its window.
  abi::Sysinfo guest{};
  guest.uptime = host.uptime;
  guest.totalram = thread.kernel.memory->size();
  guest.freeram = std::min<std::uint64_t>(host.freeram * host.mem_unit, guest.totalram);
  guest.procs = 1;
  guest.mem_unit = 1;
  return thread.kernel.user.put(a[0], guest) ? 0 : -EFAULT;
}

std::int64_t sys_getrandom(Thread& thread, const SyscallArgs& a) {
  if ((a[2] & ~std::uint64_t{7}) != 0) return -EINVAL;
  const auto buffer = thread.kernel.user.host(a[0], a[1], AccessKind::store);
  if (a[1] != 0 && buffer.empty()) return -EFAULT;
  const std::int64_t result =
      result_of(::getrandom(buffer.data(), buffer.size(), static_cast<unsigned>(a[2] & 1)));
  if (result > 0) thread.kernel.user.stored(a[0], static_cast<std::uint64_t>(result));
  return result;
}

std::int64_t sys_prctl(Thread& thread, const SyscallArgs& a) {
  // include/uapi/linux/prctl.h
  enum : std::int32_t {
    kGetDumpable = 3,
    kSetDumpable = 4,
    kSetName = 15,
    kGetName = 16,
    kCapbsetRead = 23,
    kSetTimerslack = 29,
    kGetTimerslack = 30,
    kSetNoNewPrivs = 38,
    kGetNoNewPrivs = 39,
    kSetVma = 0x53564d41
  };
  switch (as_int(a[0])) {
    case kGetDumpable:
      return 1;
    case kSetDumpable:
      return a[1] <= 1 ? 0 : -EINVAL;
    case kSetName: {
      std::string name;
      const std::int64_t error = thread.kernel.user.string(a[1], name, 15);
      if (error == -EFAULT) return error;
      thread.name = name;  // cut to 15 characters
      return 0;
    }
    case kGetName: {
      char name[16] = {};
      std::strncpy(name, thread.name.c_str(), sizeof name - 1);
      return thread.kernel.user.put(a[1], name) ? 0 : -EFAULT;
    }
    case kCapbsetRead:
      return 0;  // no capability
    case kSetTimerslack:
      return 0;
    case kGetTimerslack:
      return 50000;
    case kSetNoNewPrivs:
      return a[1] == 1 ? 0 : -EINVAL;
    case kGetNoNewPrivs:
      return 1;  // nothing can be executed anyway
    case kSetVma:
      return 0;  // names of mappings show nowhere
    default:
      return -EINVAL;
  }
}

std::int64_t sys_getcpu(Thread& thread, const SyscallArgs& a) {
  const int cpu = ::sched_getcpu();
  const std::uint32_t values[2] = {cpu < 0 ? 0u : static_cast<std::uint32_t>(cpu), 0};
  for (std::size_t i = 0; i < 2; ++i) {
    if (a[i] != 0 && !thread.kernel.user.put(a[i], values[i])) return -EFAULT;
  }
  return 0;
}

std::int64_t sys_sched_yield(Thread&, const SyscallArgs&) {
  ::sched_yield();
  return 0;
}

std::int64_t sys_sched_getaffinity(Thread& thread, const SyscallArgs& a) {
  if (!is_self(thread, a[0])) return -ESRCH;
  cpu_set_t host;
  CPU_ZERO(&host);
  if (::sched_getaffinity(0, sizeof host, &host) != 0) return -errno;
  // The kernel's result is the size of its own mask; as many bytes as hold the last CPU, in whole words.
  std::size_t bytes = 8;
  for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &host)) bytes = (cpu / 64 + 1) * 8;
  }
  if ((a[1] & 7) != 0 || a[1] < bytes) return -EINVAL;
  const auto mask = std::as_bytes(std::span{&host, 1}).first(bytes);
  return thread.kernel.user.write(a[2], mask) ? static_cast<std::int64_t>(bytes) : -EFAULT;
}

// Scheduling is the host's business: requests are checked for sense and have no effect.
std::int64_t sys_sched_setaffinity(Thread& thread, const SyscallArgs& a) {
  return is_self(thread, a[0]) ? 0 : -ESRCH;
}
std::int64_t sys_sched_getscheduler(Thread& thread, const SyscallArgs& a) {
  return is_self(thread, a[0]) ? 0 : -ESRCH;
}
std::int64_t sys_sched_setscheduler(Thread& thread, const SyscallArgs& a) {
  if (!is_self(thread, a[0])) return -ESRCH;
  return a[1] == 0 ? 0 : -EPERM;  // SCHED_OTHER only
}
std::int64_t sys_sched_setparam(Thread& thread, const SyscallArgs& a) {
  std::int32_t priority = 0;
  if (!is_self(thread, a[0])) return -ESRCH;
  if (!thread.kernel.user.get(a[1], priority)) return -EFAULT;
  return priority == 0 ? 0 : -EINVAL;
}
std::int64_t sys_sched_getparam(Thread& thread, const SyscallArgs& a) {
  const std::int32_t priority = 0;
  if (!is_self(thread, a[0])) return -ESRCH;
  return thread.kernel.user.put(a[1], priority) ? 0 : -EFAULT;
}
std::int64_t sys_sched_get_priority_max(Thread&, const SyscallArgs& a) {
  return a[0] == 1 || a[0] == 2 ? 99 : a[0] == 0 || a[0] == 3 || a[0] == 5 || a[0] == 6 ? 0 : -EINVAL;
}
std::int64_t sys_sched_get_priority_min(Thread&, const SyscallArgs& a) {
  return a[0] == 1 || a[0] == 2 ? 1 : a[0] == 0 || a[0] == 3 || a[0] == 5 || a[0] == 6 ? 0 : -EINVAL;
}
std::int64_t sys_sched_rr_get_interval(Thread& thread, const SyscallArgs& a) {
  const abi::Timespec none{0, 0};
  if (!is_self(thread, a[0])) return -ESRCH;
  return thread.kernel.user.put(a[1], none) ? 0 : -EFAULT;
}
// The kernel's result is 20 less the nice value.
std::int64_t sys_getpriority(Thread&, const SyscallArgs&) { return 20; }
std::int64_t sys_setpriority(Thread&, const SyscallArgs& a) { return as_int(a[2]) >= 0 ? 0 : -EACCES; }

std::int64_t sys_riscv_hwprobe(Thread& thread, const SyscallArgs& a) {
  // Documentation/riscv/hwprobe.rst
  enum : std::int64_t { kMvendorid, kMarchid, kMimpid, kBaseBehavior, kImaExt0, kCpuperf0 };
  constexpr std::uint64_t kBaseIma = 1;
  constexpr std::uint64_t kExtFd = 1 << 0, kExtC = 1 << 1, kExtZba = 1 << 3, kExtZbb = 1 << 4,
                          kExtZbs = 1 << 5, kExtZicond = std::uint64_t{1} << 35;
  constexpr std::uint64_t kMisalignedFast = 3;
  if (a[4] != 0) return -EINVAL;
  if (a[1] > 4096) return -E2BIG;
  for (std::uint64_t i = 0; i < a[1]; ++i) {
    const std::uint64_t at = a[0] + i * sizeof(abi::HwprobePair);
    abi::HwprobePair pair{};
    if (!thread.kernel.user.get(at, pair)) return -EFAULT;
    pair.value = 0;
    switch (pair.key) {
      case kMvendorid:
      case kMarchid:
      case kMimpid:
        break;
      case kBaseBehavior:
        pair.value = kBaseIma;
        break;
      case kImaExt0:
        pair.value = kExtFd | kExtC | kExtZba | kExtZbb | kExtZbs | kExtZicond;
        break;
      case kCpuperf0:
        pair.value = kMisalignedFast;
        break;
      default:
        pair.key = -1;
    }
    if (!thread.kernel.user.put(at, pair)) return -EFAULT;
  }
  return 0;
}

}  // namespace ashlar::linux_user
