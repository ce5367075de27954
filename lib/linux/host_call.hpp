// Host system calls that may block for long, made so that signals for the guest interrupt them. For system
// calls on pipes, terminals and the like.
//
// interrupt() sends a host signal to a thread inside such a call. A signal that arrives after the last look
// at the attention flag but before the host's kernel has put the thread to sleep would be lost, so the
// handler, as long as it finds the thread inside a call, has a timer send the signal again a millisecond
// later.
#pragma once

#include <sys/types.h>
#include <time.h>

#include <atomic>
#include <cerrno>
#include <cstdint>

namespace ashlar::linux_user {

class Thread;

struct HostCallState {
  std::atomic<bool> inside{false};
  /// The host thread, once it runs.
  std::atomic<pid_t> host_tid{0};
  bool has_timer = false;
  timer_t timer{};
};

/// Installs the handler, once and for good: a late signal must not meet the default action, which is to die.
void install_interrupt_handler();

/// Prepares the calling host thread to run `thread`, and undoes that: the interrupting signal is unblocked,
/// SIGPIPE blocked.
class HostThreadScope {
 public:
  explicit HostThreadScope(Thread& thread);
  ~HostThreadScope();
  HostThreadScope(const HostThreadScope&) = delete;
  HostThreadScope& operator=(const HostThreadScope&) = delete;

 private:
  Thread& thread_;
  sigset_t saved_;
};

int interrupt_signal() noexcept;
/// Sends the signal if the thread is inside a call.
void interrupt_host_call(HostCallState& state) noexcept;
/// Takes away the SIGPIPE that a failed write left pending.
void discard_sigpipe() noexcept;

void enter_host_call(Thread& thread);
/// Marks the call as over. True if it must be made again: it was interrupted (`error` is EINTR), but not for
/// the guest.
bool leave_host_call(Thread& thread, int error);
bool host_call_must_not_start(Thread& thread);

/// Makes a host call that returns -1 and errno on failure. Returns its result or -errno; -EINTR only when the
/// guest has a signal to see to.
template <typename Call>
std::int64_t host_call(Thread& thread, Call&& call) {
  for (;;) {
    enter_host_call(thread);
    std::int64_t result = -1;
    int error = EINTR;
    if (!host_call_must_not_start(thread)) {
      result = static_cast<std::int64_t>(call());
      error = result == -1 ? errno : 0;
    }
    if (leave_host_call(thread, error)) continue;
    return error != 0 ? -error : result;
  }
}

}  // namespace ashlar::linux_user
