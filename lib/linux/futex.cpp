// Wait queues.
#include "linux/futex.hpp"

#include <algorithm>
#include <cerrno>

#include "linux/thread.hpp"

namespace ashlar::linux_user {

std::int64_t FutexTable::wait(Thread& thread, std::uint64_t at, std::uint32_t expected, std::uint32_t bits,
                              const std::optional<Deadline>& deadline) {
  if ((at & 3) != 0 || bits == 0) return -EINVAL;
  Waiter waiter{&thread, at, bits};
  {
    const std::scoped_lock lock(mutex_);
    std::uint32_t value = 0;
    if (!memory_.get(at, value)) return -EFAULT;
    if (value != expected) return -EAGAIN;
    bucket(at).push_back(&waiter);
  }
  bool in_time = true;
  for (;;) {
    {
      const std::scoped_lock lock(mutex_);
      if (waiter.woken) return 0;
      const bool stop = thread.interrupted();
      if (stop || !in_time) {
        bucket(waiter.at).remove(&waiter);
        return stop ? -EINTR : -ETIMEDOUT;
      }
    }
    // May wake for no reason: what is left over from other waits.
    in_time = thread.parker.park(deadline);
  }
}

std::int64_t FutexTable::wake_locked(std::uint64_t at, std::uint64_t count, std::uint32_t bits) {
  std::list<Waiter*>& list = bucket(at);
  std::int64_t woken = 0;
  for (auto it = list.begin(); it != list.end() && static_cast<std::uint64_t>(woken) < count;) {
    Waiter* waiter = *it;
    if (waiter->at != at || (waiter->bits & bits) == 0) {
      ++it;
      continue;
    }
    it = list.erase(it);
    waiter->woken = true;
    waiter->thread->parker.unpark();
    ++woken;
  }
  return woken;
}

std::int64_t FutexTable::wake(std::uint64_t at, std::uint64_t count, std::uint32_t bits) {
  if ((at & 3) != 0 || bits == 0) return -EINVAL;
  const std::scoped_lock lock(mutex_);
  return wake_locked(at, count, bits);
}

std::int64_t FutexTable::requeue(std::uint64_t at, std::uint64_t to, std::uint64_t wake_count,
                                 std::uint64_t move_count, const std::uint32_t* expected) {
  if (((at | to) & 3) != 0) return -EINVAL;
  const std::scoped_lock lock(mutex_);
  if (expected != nullptr) {
    std::uint32_t value = 0;
    if (!memory_.get(at, value)) return -EFAULT;
    if (value != *expected) return -EAGAIN;
  }
  std::int64_t result = wake_locked(at, wake_count, ~0u);
  if (at == to) return result;
  std::list<Waiter*>& from = bucket(at);
  std::uint64_t moved = 0;
  for (auto it = from.begin(); it != from.end() && moved < move_count;) {
    Waiter* waiter = *it;
    if (waiter->at != at) {
      ++it;
      continue;
    }
    // erase first: both addresses may share a bucket.
    it = from.erase(it);
    waiter->at = to;
    bucket(to).push_back(waiter);
    ++moved;
  }
  return result + static_cast<std::int64_t>(moved);
}

}  // namespace ashlar::linux_user
