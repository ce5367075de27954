// Futexes of one guest process, kept here rather than in the host's kernel: a guest word is read through the
// memory's checks, a wait can be interrupted without a race, and a wake without waiters costs no host call.
// For the futex system call and thread exit. Two mappings of one file are different futexes: keys are guest
// addresses.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>

#include "linux/parker.hpp"
#include "linux/user_memory.hpp"

namespace ashlar::linux_user {

class Thread;

class FutexTable {
 public:
  explicit FutexTable(UserMemory& memory) : memory_(memory) {}

  /// Waits on the word while it holds `expected`. 0, -EAGAIN, -EFAULT, -ETIMEDOUT, or -EINTR when the thread
  /// must see to a signal.
  std::int64_t wait(Thread& thread, std::uint64_t at, std::uint32_t expected, std::uint32_t bits,
                    const std::optional<Deadline>& deadline);
  /// Wakes up to `count` waiters whose bits meet `bits`; returns how many.
  std::int64_t wake(std::uint64_t at, std::uint64_t count, std::uint32_t bits = ~0u);
  /// Wakes `wake_count`, moves up to `move_count` more to `to`. With `expected`, -EAGAIN if the word at `at`
  /// differs.
  std::int64_t requeue(std::uint64_t at, std::uint64_t to, std::uint64_t wake_count, std::uint64_t move_count,
                       const std::uint32_t* expected);
  /// FUTEX_LOCK_PI and FUTEX_TRYLOCK_PI without the inheritance of priorities, which guest threads do not
  /// have: the word holds the owner's thread id, and unlocking hands it to the waiter that came first.
  std::int64_t lock_pi(Thread& thread, std::uint64_t at, const std::optional<Deadline>& deadline,
                       bool only_try);
  std::int64_t unlock_pi(Thread& thread, std::uint64_t at);
  /// The word of a robust mutex whose holder `thread` ends.
  void owner_died(Thread& thread, std::uint64_t at);

  // The bits of such words (include/uapi/linux/futex.h).
  static constexpr std::uint32_t kWaiters = 0x80000000, kOwnerDied = 0x40000000, kTidMask = 0x3fffffff;

 private:
  struct Waiter {
    Thread* thread;
    std::uint64_t at;
    std::uint32_t bits;
    bool woken = false;
  };
  std::int64_t sleep(Waiter& waiter, const std::optional<Deadline>& deadline);
  std::int64_t wake_locked(std::uint64_t at, std::uint64_t count, std::uint32_t bits);

  UserMemory& memory_;
  // One lock: it is held for a few list steps only. A waiter is in the list, under its current address, until
  // woken; it leaves under the lock, so whoever finds it there may unpark its thread.
  std::mutex mutex_;
  static constexpr std::size_t kBuckets = 64;
  std::array<std::list<Waiter*>, kBuckets> waiters_;
  std::list<Waiter*>& bucket(std::uint64_t at) { return waiters_[(at >> 2) % kBuckets]; }
};

}  // namespace ashlar::linux_user
