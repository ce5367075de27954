// System calls on threads: clone, futexes, robust lists, exit.
#include <sys/syscall.h>

#include "linux/file_access.hpp"
#include "linux/kernel.hpp"
#include "linux/syscalls.hpp"

namespace ashlar::linux_user {
namespace {

constexpr unsigned kSp = 2, kTp = 4, kA0 = 10;
constexpr std::uint64_t kThreadFlags =
    abi::kCloneVm | abi::kCloneFs | abi::kCloneFiles | abi::kCloneSighand | abi::kCloneThread;

timespec host_time(const abi::Timespec& t) { return {static_cast<time_t>(t.sec), static_cast<long>(t.nsec)}; }

}  // namespace

void release_robust_list(Thread& thread) {
  constexpr int kLimit = 2048;  // ROBUST_LIST_LIMIT: the list may be a circle
  abi::RobustListHead head{};
  if (thread.robust_list == 0 || !thread.kernel.user.get(thread.robust_list, head)) return;
  const auto word_of = [&](std::uint64_t entry) {
    return (entry & ~std::uint64_t{1}) + static_cast<std::uint64_t>(head.futex_offset);
  };
  std::uint64_t entry = head.next;
  for (int i = 0; i < kLimit && (entry & ~std::uint64_t{1}) != thread.robust_list; ++i) {
    std::uint64_t next = 0;
    const bool more = thread.kernel.user.get(entry & ~std::uint64_t{1}, next);
    if (entry != head.pending) thread.kernel.futexes.owner_died(thread, word_of(entry));
    if (!more) break;
    entry = next;
  }
  if (head.pending != 0) thread.kernel.futexes.owner_died(thread, word_of(head.pending));
}

std::int64_t sys_clone(Thread& thread, const SyscallArgs& a) {
  const std::uint64_t flags = a[0];
  Kernel& kernel = thread.kernel;
  // A process of its own (fork, vfork) is not provided; clone can say so only by an error.
  if ((flags & kThreadFlags) != kThreadFlags) return kernel.refuse("clone", "a new process", ENOSYS);
  const Vcpu& parent = *thread.vcpu;
  auto created = Vcpu::create(parent.layout(), parent.memory());
  if (!created) return -EAGAIN;
  std::unique_ptr<Vcpu> vcpu = std::move(created).value();
  for (unsigned i = 0; i < parent.layout().slots.size(); ++i) vcpu->set_slot(i, parent.slot(i));
  vcpu->set_pc(parent.pc());
  vcpu->set_mode(parent.mode());
  vcpu->set_float_flags(parent.float_flags());

  const auto child = kernel.add_thread(std::move(vcpu));
  if (!child) return -EAGAIN;
  child->set_reg(kA0, 0);
  if (a[1] != 0) child->set_reg(kSp, a[1]);
  if ((flags & abi::kCloneSettls) != 0) child->set_reg(kTp, a[3]);
  child->name = thread.name;
  {
    const std::scoped_lock lock(kernel.signals.mutex);
    child->signals.blocked = thread.signals.blocked;
  }
  const std::int32_t tid = child->tid;
  if ((flags & abi::kCloneParentSettid) != 0) kernel.user.put(a[2], tid);
  if ((flags & abi::kCloneChildSettid) != 0) kernel.user.put(a[4], tid);
  if ((flags & abi::kCloneChildCleartid) != 0) child->clear_child_tid = a[4];
  return kernel.start(child) ? tid : -EAGAIN;
}

std::int64_t sys_exit(Thread& thread, const SyscallArgs&) {
  thread.finish();  // the status stays in a0: it is the process's if this is the last thread
  return kNoResult;
}

std::int64_t sys_set_tid_address(Thread& thread, const SyscallArgs& a) {
  thread.clear_child_tid = a[0];
  return thread.tid;
}

std::int64_t sys_set_robust_list(Thread& thread, const SyscallArgs& a) {
  if (a[1] != sizeof(abi::RobustListHead)) return -EINVAL;
  thread.robust_list = a[0];
  return 0;
}

std::int64_t sys_get_robust_list(Thread& thread, const SyscallArgs& a) {
  if (as_int(a[0]) != 0 && as_int(a[0]) != thread.tid) return -EPERM;
  const std::uint64_t size = sizeof(abi::RobustListHead);
  return thread.kernel.user.put(a[1], thread.robust_list) && thread.kernel.user.put(a[2], size) ? 0 : -EFAULT;
}

std::int64_t sys_futex(Thread& thread, const SyscallArgs& a) {
  // include/uapi/linux/futex.h
  enum : std::uint32_t {
    kLockPi = 6,
    kUnlockPi = 7,
    kTrylockPi = 8,
    kLockPi2 = 13,

    kWait = 0,
    kWake = 1,
    kRequeue = 3,
    kCmpRequeue = 4,
    kWaitBitset = 9,
    kWakeBitset = 10,
    kPrivate = 128,
    kRealtime = 256
  };
  const auto op = static_cast<std::uint32_t>(a[1]);
  const std::uint32_t command = op & ~(kPrivate | kRealtime);
  const auto value = static_cast<std::uint32_t>(a[2]);
  const auto value3 = static_cast<std::uint32_t>(a[5]);
  FutexTable& futexes = thread.kernel.futexes;
  // Counts are ints: negative ones mean none.
  const auto count = [](std::uint64_t arg) { return static_cast<std::uint64_t>(std::max(as_int(arg), 0)); };
  switch (command) {
    case kWait:
    case kWaitBitset: {
      std::optional<abi::Timespec> timeout;
      if (const std::int64_t error = read_timeout(thread, a[3], timeout); error != 0) return error;
      std::optional<Deadline> deadline;
      if (timeout) {
        const timespec t = host_time(*timeout);
        const clockid_t clock = (op & kRealtime) != 0 ? CLOCK_REALTIME : CLOCK_MONOTONIC;
        deadline = command == kWait ? Deadline::after(t) : Deadline{clock, t};
      }
      const std::uint32_t bits = command == kWait ? ~0u : value3;
      const std::int64_t result = futexes.wait(thread, a[0], value, bits, deadline);
      if (result != -EINTR) return result;
      return timeout ? abi::kRestartNohand : abi::kRestartSys;
    }
    case kWake:
      return futexes.wake(a[0], std::max<std::uint64_t>(count(a[2]), 1));
    case kWakeBitset:
      return futexes.wake(a[0], std::max<std::uint64_t>(count(a[2]), 1), value3);
    case kRequeue:
      return futexes.requeue(a[0], a[4], count(a[2]), count(a[3]), nullptr);
    case kCmpRequeue:
      return futexes.requeue(a[0], a[4], count(a[2]), count(a[3]), &value3);
    case kLockPi:
    case kLockPi2:
    case kTrylockPi: {
      std::optional<abi::Timespec> timeout;
      if (command != kTrylockPi) {
        if (const std::int64_t error = read_timeout(thread, a[3], timeout); error != 0) return error;
      }
      std::optional<Deadline> deadline;
      if (timeout) {
        const bool realtime = command == kLockPi || (op & kRealtime) != 0;
        deadline = Deadline{realtime ? CLOCK_REALTIME : CLOCK_MONOTONIC, host_time(*timeout)};
      }
      const std::int64_t result = futexes.lock_pi(thread, a[0], deadline, command == kTrylockPi);
      return result == -EINTR ? abi::kRestartNointr : result;
    }
    case kUnlockPi:
      return futexes.unlock_pi(thread, a[0]);
    default:
      return -ENOSYS;
  }
}

}  // namespace ashlar::linux_user
