// The guest's interval timers (setitimer's ITIMER_REAL and timer_create's), which send guest signals. One
// host thread per process waits for the next; it exists once a timer was armed.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <thread>

#include "linux/abi.hpp"
#include "linux/parker.hpp"

namespace ashlar::linux_user {

struct Kernel;

class Timers {
 public:
  explicit Timers(Kernel& kernel) : kernel_(kernel) {}
  ~Timers();

  /// setitimer(ITIMER_REAL): `next` null only asks. Returns what was set before.
  abi::Itimerspec real_timer(const abi::Itimerspec* next);

  struct Target {
    std::int32_t signal = 0;  // 0: none is sent
    std::int32_t tid = 0;     // 0: the process
    std::uint64_t value = 0;
  };
  /// timer_create and its relatives. Results are an id, 0, an overrun count, or -errno.
  std::int64_t create(clockid_t clock, const Target& target, bool value_is_id);
  std::int64_t remove(std::int32_t id);
  std::int64_t set(std::int32_t id, bool absolute, const abi::Itimerspec& next, abi::Itimerspec& before);
  std::int64_t get(std::int32_t id, abi::Itimerspec& now) const;
  std::int64_t overrun(std::int32_t id) const;

 private:
  struct Timer {
    clockid_t clock = CLOCK_MONOTONIC;
    Target target;
    bool armed = false;
    Deadline next;
    timespec interval{};
    std::int32_t overrun = 0;
  };
  static constexpr std::int32_t kReal = -1;
  static constexpr std::size_t kMaxTimers = 1024;

  static abi::Itimerspec state_of(const Timer& timer);
  void arm(Timer& timer, bool absolute, const abi::Itimerspec& next);
  void serve();
  void fire(std::int32_t id, Timer& timer);

  Kernel& kernel_;
  mutable std::mutex mutex_;
  std::map<std::int32_t, Timer> timers_;
  std::int32_t next_id_ = 0;
  std::thread server_;
  Parker wake_;
  std::atomic<bool> stop_{false};
};

}  // namespace ashlar::linux_user
