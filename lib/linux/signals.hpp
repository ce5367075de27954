// The guest's signals: what is pending, blocked and handled, for the process and each thread. Host signals
// play no part here. For threads, timers and the signal system calls.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "linux/abi.hpp"

namespace ashlar::linux_user {

/// Signals that wait, in the order of arrival. Standard signals wait at most once, real-time signals queue.
class PendingSignals {
 public:
  /// False when a real-time signal's queue is full.
  bool add(const abi::SigInfo& info);
  /// Removes and returns the one that Linux would deliver first: synchronous faults, then the lowest number.
  std::optional<abi::SigInfo> take(abi::SigSet allowed);
  void discard(int signal);
  abi::SigSet set() const { return set_; }

 private:
  abi::SigSet set_ = 0;
  std::vector<abi::SigInfo> queue_;
};

/// The signal state of a thread; guarded by Signals::mutex, `blocked` is changed by its own thread only.
struct ThreadSignals {
  abi::SigSet blocked = 0;
  /// The mask to go back to once a signal was handled, while a system call has replaced it.
  std::optional<abi::SigSet> saved_mask;
  PendingSignals pending;
  abi::StackT alt_stack{0, abi::kSsDisable, 0, 0};
  /// What sigtimedwait waits for: such signals wake the thread though they are blocked.
  abi::SigSet awaited = 0;

  /// What the kernel's sas_ss_flags says for a stack pointer.
  bool on_alt_stack(std::uint64_t sp) const;
};

/// The signal state of a process.
struct Signals {
  std::mutex mutex;
  std::array<abi::SigAction, abi::kSigCount + 1> actions{};  // by number; 0 is not used
  PendingSignals pending;

  /// Whether an unblocked signal of this number would be dropped. Call with the mutex held.
  bool ignored(int signal) const;
};

/// Whether the default action of a signal is to do nothing. Stopping is among it: nothing here can be
/// stopped.
bool default_ignores(int signal);
/// SIGKILL and SIGSTOP.
inline constexpr abi::SigSet kUnblockable = abi::sig_bit(abi::kSigKill) | abi::sig_bit(abi::kSigStop);
/// "Segmentation fault" and the like.
const char* signal_text(int signal);

}  // namespace ashlar::linux_user
