// Host memory faults (SIGSEGV, SIGBUS) turned into results. One process-wide handler, installed on first use,
// serves the interpreter and guarded copies through a per-thread stack of guards, and emitted code through
// hooks; everything else goes on to whoever handled the signals before. Used by mem, interp and the engine.
#pragma once

#include <csetjmp>
#include <csignal>
#include <cstddef>
#include <cstdint>

namespace ashlar::mem {

/// Half-open range of host addresses.
struct HostRange {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
};

/// Tried before the guards, in the order of registration, inside the signal handler: must be
/// async-signal-safe. Returns true when it has changed `ucontext` so that execution goes on elsewhere; false
/// leaves the fault to the next.
using HostFaultHook = bool (*)(siginfo_t* info, void* ucontext) noexcept;

/// Installs the handlers, once in the life of the process: whoever installs others later must chain to these.
/// Thread-safe; cheap after the first time.
void install_fault_handlers() noexcept;

/// Registers a hook for the life of the process (and installs the handlers). Idempotent for a hook that is
/// there. False when kMaxFaultHooks others are registered.
inline constexpr std::size_t kMaxFaultHooks = 8;
bool add_host_fault_hook(HostFaultHook hook) noexcept;

/// Catches faults of this thread at addresses in `range`. Usage, in a function that keeps no locals of its
/// own alive in registers across the sigsetjmp:
///
///   FaultGuard guard(range);
///   if (sigsetjmp(guard.env(), 0) == 0) { guard.arm(); ...accesses...; } else { ...guard.fault_addr()... }
///
/// The mask need not be saved (the handler runs with SA_NODEFER). Guards nest; only the innermost is asked,
/// so that no jump passes over the frames of an inner one. A caught fault disarms the guard. Nothing with a
/// destructor may be alive between the guard and the access.
class FaultGuard {
 public:
  explicit FaultGuard(HostRange range) noexcept;
  ~FaultGuard();
  FaultGuard(const FaultGuard&) = delete;
  FaultGuard& operator=(const FaultGuard&) = delete;

  sigjmp_buf& env() noexcept { return env_; }
  void arm() noexcept { set_armed(true); }
  /// Faults pass this guard by, as during calls of foreign code from under it.
  void disarm() noexcept { set_armed(false); }

  /// After a caught fault: the host address, and whether it was SIGBUS.
  std::uintptr_t fault_addr() const noexcept { return fault_addr_; }
  bool bus() const noexcept { return bus_; }

  /// For the handler: jumps if the fault is this guard's, with the float unit as it was when the fault
  /// happened.
  void take(std::uintptr_t addr, bool bus, const void* ucontext) noexcept;

 private:
  void set_armed(bool on) noexcept {
    asm volatile("" ::: "memory");
    armed_ = on;
    asm volatile("" ::: "memory");
  }

  HostRange range_;
  FaultGuard* outer_;
  volatile std::sig_atomic_t armed_ = 0;
  std::uintptr_t fault_addr_ = 0;
  bool bus_ = false;
  sigjmp_buf env_;
};

/// Copies `n` bytes; false when an access inside `range` faulted, in which case some bytes of `to`, not
/// necessarily the first, may have been written. Faults outside `range` are not caught.
bool guarded_copy(void* to, const void* from, std::size_t n, HostRange range) noexcept;

}  // namespace ashlar::mem
