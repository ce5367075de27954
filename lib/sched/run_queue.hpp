// The runs that wait at one worker, by priority. For the scheduler's files.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "sched/task.hpp"

namespace ashlar::sched {

/// Thread-safe: its worker rotates, others push and steal.
class alignas(64) RunQueue {
 public:
  using TaskPtr = std::shared_ptr<Task>;

  void push(TaskPtr task) {
    std::lock_guard lock(mutex_);
    put(std::move(task));
  }
  TaskPtr pop() {
    std::lock_guard lock(mutex_);
    return get();
  }
  /// Puts a task behind the others and takes the next; the same one, if there is no other. One lock for a
  /// slice.
  TaskPtr exchange(TaskPtr task) {
    if (size() == 0) return task;
    std::lock_guard lock(mutex_);
    put(std::move(task));
    TaskPtr next = get();
    fetch_ahead();
    return next;
  }
  /// Takes about half of what waits, those who would have come first.
  std::vector<TaskPtr> steal() {
    std::lock_guard lock(mutex_);
    std::vector<TaskPtr> stolen;
    const std::size_t count = (size_.load(std::memory_order_relaxed) + 1) / 2;
    while (stolen.size() < count) stolen.push_back(get());
    return stolen;
  }
  /// About.
  std::size_t size() const noexcept { return size_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kPriorities = 3;
  static constexpr unsigned kTurns = 8;

  void put(TaskPtr task) {
    waiting_[static_cast<std::size_t>(task->priority())].push_back(std::move(task));
    size_.store(size_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  TaskPtr get() {
    // Turn 0 of 8 is the lowest priority's, turn 1 the middle's; all others are the highest's.
    const unsigned turn = turn_++ % kTurns;
    if (turn < kPriorities - 1 && !waiting_[turn].empty()) return take(waiting_[turn]);
    for (std::size_t i = kPriorities; i-- > 0;)
      if (!waiting_[i].empty()) return take(waiting_[i]);
    return nullptr;
  }
  /// Where so many wait that they are no longer in the processor's caches when their turn comes: what the
  /// next ones will touch is fetched during the slices before theirs, the task first, which says where the
  /// vCPU is.
  void fetch_ahead() const noexcept {
    constexpr std::size_t kMany = 64, kTask = 4, kVcpu = 1;
    if (size() < kMany) return;
    for (std::size_t i = kPriorities; i-- > 0;) {
      if (waiting_[i].size() < kMany) continue;
      waiting_[i][kTask]->fetch();
      waiting_[i][kVcpu]->fetch_vcpu();
      return;
    }
  }
  TaskPtr take(std::deque<TaskPtr>& from) {
    TaskPtr task = std::move(from.front());
    from.pop_front();
    size_.store(size_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
    return task;
  }

  std::mutex mutex_;
  std::array<std::deque<TaskPtr>, kPriorities> waiting_;
  unsigned turn_ = kPriorities - 1;
  std::atomic<std::size_t> size_{0};
};

}  // namespace ashlar::sched
