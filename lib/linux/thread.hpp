// One guest thread and the host thread that runs it. For the process, the system calls, and whoever sends
// signals.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <ashlar/engine.hpp>
#include <ashlar/vcpu.hpp>

#include "linux/host_call.hpp"
#include "linux/parker.hpp"
#include "linux/signals.hpp"

namespace ashlar::linux_user {

struct Kernel;

class Thread {
 public:
  Thread(Kernel& kernel, std::int32_t tid, std::unique_ptr<Vcpu> vcpu);

  Kernel& kernel;
  const std::int32_t tid;
  const std::unique_ptr<Vcpu> vcpu;
  std::thread host;  // empty for the main thread

  ThreadSignals signals;
  Parker parker;
  HostCallState host_call;
  std::string name;
  std::uint64_t clear_child_tid = 0;
  std::uint64_t robust_list = 0;

  /// Register xn; n is 1..31.
  std::uint64_t reg(unsigned n) const;
  void set_reg(unsigned n, std::uint64_t value);
  std::uint32_t fcsr() const;
  void set_fcsr(std::uint32_t value);

  /// Runs guest code until the thread or the process ends, on the calling host thread.
  void run();
  /// The `exit` system call: run() returns when this call is done.
  void finish() { finished_ = true; }

  /// Makes the thread look at its signals soon, whatever it does. Any thread that keeps this one alive.
  void interrupt() noexcept;
  /// Whether a blocking system call should end now: the process ends, or a signal can be delivered.
  bool must_stop();
  /// The same for loops that sleep: cheap while nobody has called interrupt().
  bool interrupted() { return attention_.load() && must_stop(); }
  /// For HostCall: see there.
  bool settle_attention();
  std::atomic<bool>& attention() { return attention_; }

  /// Raises a signal that this thread's own instruction caused: it can't be blocked or ignored.
  void force_signal(const abi::SigInfo& info, const std::string& cause);
  /// The rt_sigreturn system call.
  void sigreturn();

 private:
  void on_syscall();
  void on_fault(const Fault& fault);
  void deliver_signals();
  bool handle_signal(const abi::SigInfo& info);
  void resolve_restart(bool handler_runs, bool sa_restart);
  bool push_frame(const abi::SigInfo& info, const abi::SigAction& action);
  void leave();

  std::atomic<bool> attention_{false};
  bool finished_ = false;
  // A system call that a signal interrupted, until it is known whether a handler runs.
  struct Restart {
    std::int64_t code;
    std::uint64_t a0;
  };
  std::optional<Restart> restart_;
};

}  // namespace ashlar::linux_user
