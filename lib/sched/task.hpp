// A run that a scheduler does: what was asked for, how far it is, who waits for it. For the scheduler's
// files.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>

#include <ashlar/scheduler.hpp>

#include "engine/vcpu_data.hpp"

namespace ashlar::sched {

/// Run by one thread at a time; cancelled and waited for by any.
class Task {
 public:
  Task(Vcpu& vcpu, const RunLimits& limits, RunOptions options)
      : vcpu_(vcpu), limits_(limits), options_(std::move(options)) {}

  RunPriority priority() const noexcept { return options_.priority; }
  const RunOptions& options() const noexcept { return options_; }
  Vcpu& vcpu() noexcept { return vcpu_; }

  /// Has the processor fetch what a slice will touch, stage by stage: each but the first reads what the one
  /// before has asked for. While it waits in a queue that the caller has locked.
  static constexpr std::size_t kStages = 4;
  void fetch(std::size_t stage) noexcept {
    const auto lines = [](const void* from, std::size_t bytes) {
      for (std::size_t at = 0; at < bytes; at += 64)
        __builtin_prefetch(static_cast<const char*>(from) + at, 1);
    };
    switch (stage) {
      case 0:
        return lines(this, sizeof(Task));
      case 1:
        return lines(&vcpu_, sizeof(Vcpu));
      case 2: {
        constexpr std::size_t kSlots = 256;  // about; the neighbours do no harm
        return lines(&vcpu_.frame().cold(), sizeof(VcpuCold) + sizeof(VcpuHot) + kSlots);
      }
      default:
        if (const void* const data = vcpu_.frame().cold().engine) lines(data, sizeof(engine::VcpuData));
    }
  }

  /// Before it is queued: who is resumed at the end, instead of waking waiters alone.
  void resume_at_end(std::coroutine_handle<> waiting) noexcept { continuation_ = waiting; }
  /// Before it is queued: makes the options' stop token cancel the task. Keeps the task alive until it is
  /// over.
  void watch(const std::shared_ptr<Task>& self) {
    if (!options_.stop.stop_possible()) return;
    on_stop_.emplace(options_.stop, Cancel{self});
  }

  enum class Slice : std::uint8_t { again, over, hand_off };
  /// One slice of at most `fuel` instructions. `over`: finish() is to be called.
  Slice run_slice(ExecutionEngine& engine, std::uint64_t fuel) {
    // Whoever cancels from here on halts the vCPU.
    if ((state_.fetch_or(kRunning, std::memory_order_acq_rel) & kCancelled) != 0) return cancelled();
    RunLimits slice;
    slice.fuel = limits_.fuel ? std::min(fuel, *limits_.fuel - result_.instructions) : fuel;
    ExecutionResult result;
    try {
      result = engine.run(vcpu_, slice);
    } catch (...) {
      failure_ = std::current_exception();
    }
    const std::uint32_t state = state_.fetch_and(~kRunning, std::memory_order_acq_rel);
    result.instructions += result_.instructions;
    result_ = result;
    if (failure_ != nullptr) return Slice::over;
    if ((state & kCancelled) != 0) return cancelled();
    if (result.reason == ExitReason::fuel)
      return limits_.fuel && result.instructions >= *limits_.fuel ? Slice::over : Slice::again;
    if (!options_.on_stop) return Slice::over;
    try {
      switch (options_.on_stop(vcpu_, result_)) {
        case StopAction::finish:
          return Slice::over;
        case StopAction::resume:
          return limits_.fuel && result.instructions >= *limits_.fuel ? out_of_fuel() : Slice::again;
        case StopAction::hand_off:
          return options_.blocking ? Slice::hand_off : Slice::over;
      }
    } catch (...) {
      failure_ = std::current_exception();
    }
    return Slice::over;
  }
  /// What may block. False: it is over.
  bool call_blocking() {
    try {
      if (!options_.blocking(vcpu_, result_)) return false;
    } catch (...) {
      failure_ = std::current_exception();
      return false;
    }
    return !(limits_.fuel && result_.instructions >= *limits_.fuel) || out_of_fuel() != Slice::over;
  }
  /// Its end without another slice.
  Slice cancelled() {
    result_.reason = ExitReason::halted;
    result_.next = vcpu_.key();
    result_.fault = {};
    return Slice::over;
  }

  /// The result is there: wakes who waits. By the thread that has run it last; the vCPU is its owner's again.
  void finish() {
    const std::coroutine_handle<> waiting = continuation_;
    {
      std::lock_guard lock(mutex_);
      // A halt that came too late for the last slice is not for the owner's next run.
      if ((state_.load(std::memory_order_acquire) & kCancelled) != 0)
        vcpu_.frame().hot.attention.fetch_and(~std::uint32_t{kAttendHalt}, std::memory_order_seq_cst);
      state_.fetch_or(kOver, std::memory_order_acq_rel);
      over_.notify_all();
    }
    if (waiting) waiting.resume();
  }
  /// Lets go of the stop token; not from within its callback's thread while that holds a lock we need.
  void unwatch() { on_stop_.reset(); }

  bool ready() const noexcept { return (state_.load(std::memory_order_acquire) & kOver) != 0; }
  void wait() const {
    std::unique_lock lock(mutex_);
    over_.wait(lock, [this] { return ready(); });
  }
  bool wait_for(std::chrono::nanoseconds time) const {
    std::unique_lock lock(mutex_);
    return over_.wait_for(lock, time, [this] { return ready(); });
  }
  /// Precondition: ready.
  ExecutionResult result() const {
    if (failure_ != nullptr) std::rethrow_exception(failure_);
    return result_;
  }
  bool cancel() {
    // Under the lock: the vCPU may be gone as soon as the task is over.
    std::lock_guard lock(mutex_);
    const std::uint32_t before = state_.fetch_or(kCancelled, std::memory_order_acq_rel);
    if ((before & kOver) != 0) return false;
    if ((before & kRunning) != 0) vcpu_.request_halt();
    return true;
  }

 private:
  struct Cancel {
    std::weak_ptr<Task> task;
    void operator()() const {
      if (const auto alive = task.lock()) alive->cancel();
    }
  };
  Slice out_of_fuel() {
    result_.reason = ExitReason::fuel;
    result_.next = vcpu_.key();
    return Slice::over;
  }

  static constexpr std::uint32_t kRunning = 1, kCancelled = 2, kOver = 4;

  Vcpu& vcpu_;
  const RunLimits limits_;
  const RunOptions options_;
  std::atomic<std::uint32_t> state_{0};
  ExecutionResult result_;
  std::exception_ptr failure_;
  std::coroutine_handle<> continuation_;
  std::optional<std::stop_callback<Cancel>> on_stop_;
  mutable std::mutex mutex_;
  mutable std::condition_variable over_;
};

}  // namespace ashlar::sched
