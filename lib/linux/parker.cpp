// Parking on one futex word of the host's.
#include "linux/parker.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace ashlar::linux_user {
namespace {

constexpr long kNanos = 1'000'000'000;

long futex(std::atomic<std::uint32_t>& word, int op, std::uint32_t value, const timespec* timeout,
           std::uint32_t bits) {
  return ::syscall(SYS_futex, &word, op | FUTEX_PRIVATE_FLAG, value, timeout, nullptr, bits);
}

}  // namespace

Deadline Deadline::after(timespec relative, clockid_t clock) {
  Deadline d{clock, {}};
  ::clock_gettime(clock, &d.at);
  if (__builtin_add_overflow(d.at.tv_sec, relative.tv_sec, &d.at.tv_sec)) {
    d.at = {INT64_MAX, 0};
    return d;
  }
  d.at.tv_nsec += relative.tv_nsec;
  if (d.at.tv_nsec >= kNanos) {
    d.at.tv_nsec -= kNanos;
    if (d.at.tv_sec < INT64_MAX) ++d.at.tv_sec;
  }
  return d;
}

timespec Deadline::left() const {
  timespec now{};
  ::clock_gettime(clock, &now);
  timespec left{};
  if (__builtin_sub_overflow(at.tv_sec, now.tv_sec, &left.tv_sec)) return {at.tv_sec < 0 ? 0 : INT64_MAX, 0};
  left.tv_nsec = at.tv_nsec - now.tv_nsec;
  if (left.tv_nsec < 0) {
    left.tv_nsec += kNanos;
    --left.tv_sec;
  }
  if (left.tv_sec < 0) return {0, 0};
  return left;
}

bool Deadline::passed() const {
  const timespec rest = left();
  return rest.tv_sec == 0 && rest.tv_nsec == 0;
}

void Parker::unpark() noexcept {
  if (state_.exchange(kNotified) == kParked) futex(state_, FUTEX_WAKE, 1, nullptr, 0);
}

bool Parker::park(const std::optional<Deadline>& deadline) noexcept {
  std::uint32_t expected = kEmpty;
  if (state_.compare_exchange_strong(expected, kParked)) {
    const bool realtime = deadline && deadline->clock == CLOCK_REALTIME;
    // FUTEX_WAIT_BITSET takes an absolute time; negative ones are invalid, and long past.
    bool timed_out = false;
    if (!deadline || deadline->at.tv_sec >= 0) {
      const long r = futex(state_, FUTEX_WAIT_BITSET | (realtime ? FUTEX_CLOCK_REALTIME : 0), kParked,
                           deadline ? &deadline->at : nullptr, FUTEX_BITSET_MATCH_ANY);
      timed_out = r != 0 && errno == ETIMEDOUT;
    } else {
      timed_out = true;
    }
    // Whoever notified us meanwhile counts as having woken us.
    if (state_.exchange(kEmpty) == kNotified) return true;
    return !timed_out;
  }
  state_.store(kEmpty);
  return true;
}

}  // namespace ashlar::linux_user
