// Pending sets and default actions.
#include "linux/signals.hpp"

#include <algorithm>
#include <bit>

namespace ashlar::linux_user {
namespace {

constexpr std::size_t kMaxQueued = 4096;  // of the order of RLIMIT_SIGPENDING
constexpr abi::SigSet kSynchronous = abi::sig_bit(abi::kSigSegv) | abi::sig_bit(abi::kSigBus) |
                                     abi::sig_bit(abi::kSigIll) | abi::sig_bit(abi::kSigTrap) |
                                     abi::sig_bit(abi::kSigFpe) | abi::sig_bit(abi::kSigSys);

}  // namespace

bool PendingSignals::add(const abi::SigInfo& info) {
  const abi::SigSet bit = abi::sig_bit(info.signo);
  if (info.signo < abi::kSigRtmin && (set_ & bit) != 0) return true;
  if (queue_.size() >= kMaxQueued) return false;
  queue_.push_back(info);
  set_ |= bit;
  return true;
}

std::optional<abi::SigInfo> PendingSignals::take(abi::SigSet allowed) {
  abi::SigSet candidates = set_ & allowed;
  if (candidates == 0) return std::nullopt;
  if ((candidates & kSynchronous) != 0) candidates &= kSynchronous;
  const int signal = std::countr_zero(candidates) + 1;
  const auto same = [signal](const abi::SigInfo& i) { return i.signo == signal; };
  const auto it = std::find_if(queue_.begin(), queue_.end(), same);
  const abi::SigInfo info = *it;
  const auto rest = queue_.erase(it);
  if (std::find_if(rest, queue_.end(), same) == queue_.end()) set_ &= ~abi::sig_bit(signal);
  return info;
}

void PendingSignals::discard(int signal) {
  std::erase_if(queue_, [signal](const abi::SigInfo& i) { return i.signo == signal; });
  set_ &= ~abi::sig_bit(signal);
}

bool ThreadSignals::on_alt_stack(std::uint64_t sp) const {
  return alt_stack.size != 0 && sp > alt_stack.sp && sp - alt_stack.sp <= alt_stack.size;
}

bool Signals::ignored(int signal) const {
  const std::uint64_t handler = actions[static_cast<std::size_t>(signal)].handler;
  return handler == abi::kSigIgn || (handler == abi::kSigDfl && default_ignores(signal));
}

bool default_ignores(int signal) {
  switch (signal) {
    case abi::kSigChld:
    case abi::kSigUrg:
    case abi::kSigWinch:
    case abi::kSigCont:
    case abi::kSigStop:
    case abi::kSigTstp:
    case abi::kSigTtin:
    case abi::kSigTtou:
      return true;
    default:
      return false;
  }
}

const char* signal_text(int signal) {
  static constexpr std::array<const char*, 32> kTexts = {
      "no signal",
      "Hangup",
      "Interrupt",
      "Quit",
      "Illegal instruction",
      "Trace/breakpoint trap",
      "Aborted",
      "Bus error",
      "Floating point exception",
      "Killed",
      "User defined signal 1",
      "Segmentation fault",
      "User defined signal 2",
      "Broken pipe",
      "Alarm clock",
      "Terminated",
      "Stack fault",
      "Child exited",
      "Continued",
      "Stopped (signal)",
      "Stopped",
      "Stopped (tty input)",
      "Stopped (tty output)",
      "Urgent I/O condition",
      "CPU time limit exceeded",
      "File size limit exceeded",
      "Virtual timer expired",
      "Profiling timer expired",
      "Window changed",
      "I/O possible",
      "Power failure",
      "Bad system call",
  };
  if (signal < 0 || signal >= static_cast<int>(kTexts.size())) return "Real-time signal";
  return kTexts[static_cast<std::size_t>(signal)];
}

}  // namespace ashlar::linux_user
