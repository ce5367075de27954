// Lets a guest thread's host thread sleep until another one wakes it, without losing a wake-up that comes
// just before. For futexes, sleeps and signal waits.
#pragma once

#include <time.h>

#include <atomic>
#include <cstdint>
#include <optional>

namespace ashlar::linux_user {

/// An absolute point in time of CLOCK_REALTIME or CLOCK_MONOTONIC.
struct Deadline {
  clockid_t clock = CLOCK_MONOTONIC;
  timespec at{};

  static Deadline after(timespec relative, clockid_t clock = CLOCK_MONOTONIC);
  bool passed() const;
  /// What is left until then, zero if passed.
  timespec left() const;
};

class Parker {
 public:
  /// Ends the current or the next `park`. Any thread.
  void unpark() noexcept;
  /// Waits; returns at once if unparked since the last call. May also return for no reason, so callers check
  /// what they wait for in a loop. Returns false when the deadline has passed.
  bool park(const std::optional<Deadline>& deadline) noexcept;

 private:
  enum : std::uint32_t { kEmpty, kNotified, kParked };
  std::atomic<std::uint32_t> state_{kEmpty};
};

}  // namespace ashlar::linux_user
