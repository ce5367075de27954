// Wait queues.
#include "linux/futex.hpp"

#include <algorithm>
#include <cerrno>

#include "linux/kernel.hpp"
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
  return sleep(waiter, deadline);
}

std::int64_t FutexTable::sleep(Waiter& waiter, const std::optional<Deadline>& deadline) {
  bool in_time = true;
  for (;;) {
    {
      const std::scoped_lock lock(mutex_);
      if (waiter.woken) return 0;
      const bool stop = waiter.thread->interrupted();
      if (stop || !in_time) {
        bucket(waiter.at).remove(&waiter);
        return stop ? -EINTR : -ETIMEDOUT;
      }
    }
    // May wake for no reason: what is left over from other waits.
    in_time = waiter.thread->parker.park(deadline);
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

std::int64_t FutexTable::lock_pi(Thread& thread, std::uint64_t at, const std::optional<Deadline>& deadline,
                                 bool only_try) {
  if ((at & 3) != 0) return -EINVAL;
  FlatMemory& memory = memory_.flat();
  const auto self = static_cast<std::uint32_t>(thread.tid);
  Waiter waiter{&thread, at, ~0u};
  for (;;) {
    {
      const std::scoped_lock lock(mutex_);
      std::uint32_t word = 0;
      if (!memory_.get(at, word)) return -EFAULT;
      if ((word & kTidMask) == self) {
        // An unlock has handed it to us, or we had it all along.
        return waiter.woken ? 0 : -EDEADLK;
      }
      if ((word & kTidMask) == 0) {
        const bool others =
            std::any_of(bucket(at).begin(), bucket(at).end(), [&](const Waiter* w) { return w->at == at; });
        const std::uint32_t mine = self | (word & kOwnerDied) | (others ? kWaiters : 0);
        const auto exchanged = memory.compare_exchange({at}, word, mine);
        if (exchanged == FlatMemory::Exchange::fault) return -EFAULT;
        if (exchanged == FlatMemory::Exchange::done) return 0;
        continue;
      }
      if (only_try) return -EAGAIN;
      if (!thread.kernel.find_thread(static_cast<std::int32_t>(word & kTidMask))) return -ESRCH;
      if ((word & kWaiters) == 0) {
        const auto exchanged = memory.compare_exchange({at}, word, word | kWaiters);
        if (exchanged == FlatMemory::Exchange::fault) return -EFAULT;
        if (exchanged == FlatMemory::Exchange::differs) continue;
      }
      waiter.woken = false;
      bucket(at).push_back(&waiter);
    }
    if (const std::int64_t error = sleep(waiter, deadline); error != 0) return error;
  }
}

std::int64_t FutexTable::unlock_pi(Thread& thread, std::uint64_t at) {
  if ((at & 3) != 0) return -EINVAL;
  const std::scoped_lock lock(mutex_);
  std::uint32_t word = 0;
  if (!memory_.get(at, word)) return -EFAULT;
  std::list<Waiter*>& list = bucket(at);
  for (;;) {
    if ((word & kTidMask) != static_cast<std::uint32_t>(thread.tid)) return -EPERM;
    const auto first = std::find_if(list.begin(), list.end(), [&](const Waiter* w) { return w->at == at; });
    const std::uint32_t next =
        first == list.end() ? 0 : kWaiters | static_cast<std::uint32_t>((*first)->thread->tid);
    const auto exchanged = memory_.flat().compare_exchange({at}, word, next);
    if (exchanged == FlatMemory::Exchange::fault) return -EFAULT;
    if (exchanged == FlatMemory::Exchange::differs) continue;
    if (first != list.end()) wake_locked(at, 1, ~0u);
    return 0;
  }
}

void FutexTable::owner_died(Thread& thread, std::uint64_t at) {
  const std::scoped_lock lock(mutex_);
  std::uint32_t word = 0;
  if ((at & 3) != 0 || !memory_.get(at, word)) return;
  for (;;) {
    if ((word & kTidMask) != static_cast<std::uint32_t>(thread.tid)) return;
    const auto exchanged = memory_.flat().compare_exchange({at}, word, (word & kWaiters) | kOwnerDied);
    if (exchanged == FlatMemory::Exchange::fault) return;
    if (exchanged == FlatMemory::Exchange::done) break;
  }
  if ((word & kWaiters) != 0) wake_locked(at, 1, ~0u);
}

}  // namespace ashlar::linux_user
