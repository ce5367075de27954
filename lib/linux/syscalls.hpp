// The table of system calls, and what their files share. Called by Thread only.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "linux/abi.hpp"
#include "linux/parker.hpp"

namespace ashlar::linux_user {

class Thread;

using SyscallArgs = std::array<std::uint64_t, 6>;

/// "Leave the registers alone": the call has set them itself, or the thread ends.
inline constexpr std::int64_t kNoResult = INT64_MIN;

/// Makes the system call `number`. The result is the guest's: a value, -errno, kNoResult, or one of
/// abi::kRestart...
std::int64_t call_system(Thread& thread, std::uint64_t number, const SyscallArgs& args);
/// The call's name, or null for a number that is not known.
const char* syscall_name(std::uint64_t number);

#define ASHLAR_SYSCALL(number, name) std::int64_t sys_##name(Thread& thread, const SyscallArgs& args);
#define ASHLAR_SYSCALL_FIXED(number, name, result)
#include "linux/syscalls.inc"
#undef ASHLAR_SYSCALL
#undef ASHLAR_SYSCALL_FIXED

/// Gives up the robust mutexes that a thread holds as it ends (kernel/futex/core.c, exit_robust_list).
void release_robust_list(Thread& thread);

// Arguments are registers; narrower parameters take their low bits.
constexpr std::int32_t as_fd(std::uint64_t arg) { return static_cast<std::int32_t>(arg); }
constexpr std::int32_t as_int(std::uint64_t arg) { return static_cast<std::int32_t>(arg); }

constexpr bool is_valid(const abi::Timespec& t) {
  return t.sec >= 0 && t.nsec >= 0 && t.nsec < 1'000'000'000;
}
/// Reads a timespec that may be absent (address 0). Returns 0, -EFAULT or -EINVAL.
std::int64_t read_timeout(Thread& thread, std::uint64_t at, std::optional<abi::Timespec>& out);

/// While a call replaces the signal mask (ppoll and relatives): sets it, and puts it back unless a signal
/// interrupted the call: then the delivery does. `at` may be 0: no change. Returns 0, -EFAULT or -EINVAL.
class TemporaryMask {
 public:
  explicit TemporaryMask(Thread& thread) : thread_(thread) {}
  std::int64_t set(std::uint64_t at, std::uint64_t size);
  void set(abi::SigSet mask);
  /// `result`: of the call, where -EINTR stands for an interruption. Returns what the guest's call returns.
  std::int64_t finish(std::int64_t result);

 private:
  Thread& thread_;
  bool active_ = false;
};

}  // namespace ashlar::linux_user
