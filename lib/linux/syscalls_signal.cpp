// System calls on signals.
#include <unistd.h>

#include "linux/file_access.hpp"
#include "linux/kernel.hpp"
#include "linux/syscalls.hpp"

namespace ashlar::linux_user {
namespace {

bool is_signal(std::int32_t signal) { return signal >= 1 && signal <= abi::kSigCount; }

abi::SigInfo sender_info(Thread& thread, std::int32_t signal, std::int32_t code) {
  abi::SigInfo info{};
  info.signo = signal;
  info.code = code;
  info.rt = {thread.kernel.pid, ::getuid(), 0};
  return info;
}

// Sends, having checked the number: 0 only asks whether the target exists.
std::int64_t send_to_thread(Thread& thread, std::int32_t tid, const abi::SigInfo& info) {
  if (tid <= 0 || info.signo < 0 || info.signo > abi::kSigCount) return -EINVAL;
  const auto target = thread.kernel.find_thread(tid);
  if (!target) return -ESRCH;
  return info.signo == 0 ? 0 : thread.kernel.send(*target, info);
}

std::int64_t send_to_process(Thread& thread, std::int32_t pid, const abi::SigInfo& info) {
  if (info.signo < 0 || info.signo > abi::kSigCount) return -EINVAL;
  // 0 and -pgid are the guest's own process group, which has one member. Everything else is the host's.
  if (pid != 0 && pid != thread.kernel.pid && pid != -thread.kernel.pid) {
    return thread.kernel.refuse("a signal to a process outside", std::to_string(pid),
                                pid == -1 ? EPERM : ESRCH);
  }
  return info.signo == 0 ? 0 : thread.kernel.send_process(info);
}

// What a program may claim about a signal that it queues.
std::int64_t read_queued(Thread& thread, std::uint64_t at, std::uint64_t signal, abi::SigInfo& info) {
  if (!thread.kernel.user.get(at, info)) return -EFAULT;
  info.signo = as_int(signal);
  if (info.code >= 0 || info.code == abi::kSiTkill) return -EPERM;
  return 0;
}

}  // namespace

std::int64_t sys_kill(Thread& thread, const SyscallArgs& a) {
  return send_to_process(thread, as_int(a[0]), sender_info(thread, as_int(a[1]), abi::kSiUser));
}

std::int64_t sys_tkill(Thread& thread, const SyscallArgs& a) {
  return send_to_thread(thread, as_int(a[0]), sender_info(thread, as_int(a[1]), abi::kSiTkill));
}

std::int64_t sys_tgkill(Thread& thread, const SyscallArgs& a) {
  if (as_int(a[0]) <= 0) return -EINVAL;
  if (as_int(a[0]) != thread.kernel.pid) return -ESRCH;
  return send_to_thread(thread, as_int(a[1]), sender_info(thread, as_int(a[2]), abi::kSiTkill));
}

std::int64_t sys_rt_sigqueueinfo(Thread& thread, const SyscallArgs& a) {
  abi::SigInfo info{};
  if (const std::int64_t error = read_queued(thread, a[2], a[1], info); error != 0) return error;
  return send_to_process(thread, as_int(a[0]), info);
}

std::int64_t sys_rt_tgsigqueueinfo(Thread& thread, const SyscallArgs& a) {
  abi::SigInfo info{};
  if (const std::int64_t error = read_queued(thread, a[3], a[2], info); error != 0) return error;
  if (as_int(a[0]) != thread.kernel.pid) return -ESRCH;
  return send_to_thread(thread, as_int(a[1]), info);
}

std::int64_t sys_rt_sigaction(Thread& thread, const SyscallArgs& a) {
  if (a[3] != sizeof(abi::SigSet)) return -EINVAL;
  const std::int32_t signal = as_int(a[0]);
  if (!is_signal(signal)) return -EINVAL;
  const bool fixed = (abi::sig_bit(signal) & kUnblockable) != 0;
  if (a[1] != 0 && fixed) return -EINVAL;
  abi::SigAction next{};
  if (a[1] != 0 && !thread.kernel.user.get(a[1], next)) return -EFAULT;
  Signals& signals = thread.kernel.signals;
  abi::SigAction before{};
  bool drop = false;
  {
    const std::scoped_lock lock(signals.mutex);
    before = signals.actions[static_cast<std::size_t>(signal)];
    if (a[1] != 0) {
      next.mask &= ~kUnblockable;
      signals.actions[static_cast<std::size_t>(signal)] = next;
      // POSIX: setting a signal to be ignored discards what is pending.
      drop = signals.ignored(signal);
      if (drop) signals.pending.discard(signal);
    }
  }
  if (drop) {
    thread.kernel.for_each_thread([&](Thread& t) {
      const std::scoped_lock lock(signals.mutex);
      t.signals.pending.discard(signal);
    });
  }
  return a[2] == 0 || thread.kernel.user.put(a[2], before) ? 0 : -EFAULT;
}

std::int64_t sys_rt_sigprocmask(Thread& thread, const SyscallArgs& a) {
  if (a[3] != sizeof(abi::SigSet)) return -EINVAL;
  abi::SigSet set = 0;
  if (a[1] != 0 && !thread.kernel.user.get(a[1], set)) return -EFAULT;
  abi::SigSet before = 0;
  {
    const std::scoped_lock lock(thread.kernel.signals.mutex);
    abi::SigSet& blocked = thread.signals.blocked;
    before = blocked;
    if (a[1] != 0) {
      switch (as_int(a[0])) {
        case 0:
          blocked |= set;
          break;  // SIG_BLOCK
        case 1:
          blocked &= ~set;
          break;  // SIG_UNBLOCK
        case 2:
          blocked = set;
          break;  // SIG_SETMASK
        default:
          return -EINVAL;
      }
      blocked &= ~kUnblockable;
      if (((thread.signals.pending.set() | thread.kernel.signals.pending.set()) & ~blocked) != 0) {
        thread.attention().store(true);
      }
    }
  }
  if (a[1] != 0) thread.kernel.retarget();
  return a[2] == 0 || thread.kernel.user.put(a[2], before) ? 0 : -EFAULT;
}

std::int64_t sys_rt_sigpending(Thread& thread, const SyscallArgs& a) {
  if (a[1] > sizeof(abi::SigSet)) return -EINVAL;
  abi::SigSet set = 0;
  {
    const std::scoped_lock lock(thread.kernel.signals.mutex);
    set = (thread.signals.pending.set() | thread.kernel.signals.pending.set()) & thread.signals.blocked;
  }
  return thread.kernel.user.write(a[0], std::as_bytes(std::span{&set, 1}).first(a[1])) ? 0 : -EFAULT;
}

std::int64_t sys_rt_sigsuspend(Thread& thread, const SyscallArgs& a) {
  if (a[0] == 0) return -EFAULT;
  TemporaryMask mask(thread);
  if (const std::int64_t error = mask.set(a[0], a[1]); error != 0) return error;
  while (!thread.must_stop()) thread.parker.park({});
  return mask.finish(-EINTR);
}

std::int64_t sys_rt_sigtimedwait(Thread& thread, const SyscallArgs& a) {
  if (a[3] != sizeof(abi::SigSet)) return -EINVAL;
  abi::SigSet set = 0;
  if (!thread.kernel.user.get(a[0], set)) return -EFAULT;
  std::optional<abi::Timespec> timeout;
  if (const std::int64_t error = read_timeout(thread, a[2], timeout); error != 0) return error;
  std::optional<Deadline> deadline;
  if (timeout)
    deadline = Deadline::after({static_cast<time_t>(timeout->sec), static_cast<long>(timeout->nsec)});
  set &= ~kUnblockable;

  Signals& signals = thread.kernel.signals;
  const auto take = [&](bool waiting) {
    const std::scoped_lock lock(signals.mutex);
    std::optional<abi::SigInfo> info = thread.signals.pending.take(set);
    if (!info) info = signals.pending.take(set);
    thread.signals.awaited = !info && waiting ? set : 0;
    return info;
  };
  std::optional<abi::SigInfo> info;
  for (bool in_time = true; !(info = take(in_time));) {
    if (!in_time) return -EAGAIN;
    if (thread.must_stop()) {
      // Another signal, or an awaited one that came just now.
      if ((info = take(false))) break;
      thread.attention().store(true);
      return abi::kRestartNohand;
    }
    in_time = thread.parker.park(deadline);
  }
  if (a[1] != 0 && !thread.kernel.user.put(a[1], *info)) return -EFAULT;
  return info->signo;
}

std::int64_t sys_rt_sigreturn(Thread& thread, const SyscallArgs&) {
  thread.sigreturn();
  return kNoResult;
}

std::int64_t sys_sigaltstack(Thread& thread, const SyscallArgs& a) {
  abi::StackT next{};
  if (a[0] != 0 && !thread.kernel.user.get(a[0], next)) return -EFAULT;
  abi::StackT before{};
  {
    const std::scoped_lock lock(thread.kernel.signals.mutex);
    const bool in_use = thread.signals.on_alt_stack(thread.reg(2));
    before = thread.signals.alt_stack;
    before.flags = before.size == 0 ? abi::kSsDisable : in_use ? abi::kSsOnstack : 0;
    if (a[0] != 0) {
      if (in_use) return -EPERM;
      if (next.flags == abi::kSsDisable) {
        next = {0, abi::kSsDisable, 0, 0};
      } else if (next.flags != 0 && next.flags != abi::kSsOnstack) {
        return -EINVAL;
      } else if (next.size < abi::kMinSigStackSize) {
        return -ENOMEM;
      }
      next.flags = next.size == 0 ? abi::kSsDisable : 0;
      next.pad = 0;
      thread.signals.alt_stack = next;
    }
  }
  return a[1] == 0 || thread.kernel.user.put(a[1], before) ? 0 : -EFAULT;
}

}  // namespace ashlar::linux_user
