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

namespace ashlar::sched {

/// Run by one thread at a time; cancelled and waited for by any. A slice touches the first line alone.
class alignas(64) Task {
 public:
  Task(Vcpu& vcpu, const RunLimits& limits, RunOptions options)
      : vcpu_(vcpu),
        frame_(&vcpu.frame()),
        fuel_(limits.fuel.value_or(~std::uint64_t{0})),
        priority_(options.priority),
        options_(std::move(options)) {}

  RunPriority priority() const noexcept { return priority_; }

  /// Has the processor fetch what a slice will touch: the task itself, and the vCPU, which reads the task.
  /// While it waits in a queue that the caller has locked.
  void fetch() const noexcept { __builtin_prefetch(this, 1); }
  void fetch_vcpu() const noexcept {
    const auto lines = [](const void* from, std::size_t bytes) {
      for (std::size_t at = 0; at < bytes; at += 64)
        __builtin_prefetch(static_cast<const char*>(from) + at, 1);
    };
    // About the slots of a guest with integer and float registers, if it has so many.
    constexpr std::size_t kSlots = 512;
    constexpr std::size_t kBehind = 128;  // engine::VcpuData's pointers and first counters
    const auto* const frame = reinterpret_cast<const char*>(frame_);
    const char* const end = reinterpret_cast<const char*>(&vcpu_);
    const char* const slots = frame + sizeof(VcpuHot);
    const char* const begin = frame - sizeof(VcpuCold);
    lines(begin, static_cast<std::size_t>(std::min(end, slots + kSlots) - begin));
    lines(end, 64 + kBehind);
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
    // Whoever cancels from here on has halted the vCPU, or will.
    if (is_cancelled()) return cancelled();
    RunLimits slice;
    slice.fuel = std::min(fuel, fuel_ - done_);
    ExecutionResult result;
    try {
      result = engine.run(vcpu_, slice);
    } catch (...) {
      failure_ = std::current_exception();
      return Slice::over;
    }
    done_ += result.instructions;
    tier_ = result.tier;
    if (is_cancelled()) return cancelled();
    if (result.reason == ExitReason::fuel && done_ < fuel_) return Slice::again;
    result.instructions = done_;
    result_ = result;
    if (result.reason == ExitReason::fuel) return Slice::over;
    if (!options_.on_stop) return Slice::over;
    try {
      switch (options_.on_stop(vcpu_, result_)) {
        case StopAction::finish:
          return Slice::over;
        case StopAction::resume:
          return done_ >= fuel_ ? out_of_fuel() : Slice::again;
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
    return done_ < fuel_ || out_of_fuel() != Slice::over;
  }
  /// Its end without another slice.
  Slice cancelled() {
    result_ = {};
    result_.reason = ExitReason::halted;
    result_.tier = tier_;
    result_.next = vcpu_.key();
    result_.instructions = done_;
    return Slice::over;
  }

  /// The result is there: wakes who waits. By the thread that has run it last; the vCPU is its owner's again.
  void finish() {
    const std::coroutine_handle<> waiting = continuation_;
    {
      std::lock_guard lock(mutex_);
      // A halt that came too late for the last slice is not for the owner's next run.
      if (is_cancelled())
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
    // Whether it is in a slice now or not: that slices need not say so is worth two locked instructions each.
    vcpu_.request_halt();
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

  bool is_cancelled() const noexcept { return (state_.load(std::memory_order_acquire) & kCancelled) != 0; }

  static constexpr std::uint32_t kCancelled = 1, kOver = 2;

  Vcpu& vcpu_;
  VcpuFrame* const frame_;
  const std::uint64_t fuel_;  ///< all ones: no limit
  std::uint64_t done_ = 0;    ///< instructions
  std::atomic<std::uint32_t> state_{0};
  const RunPriority priority_;
  Tier tier_ = Tier::none;  ///< of the last slice
  // From here on what a slice does not touch that is followed by another.
  std::exception_ptr failure_;
  const RunOptions options_;
  ExecutionResult result_;
  std::coroutine_handle<> continuation_;
  std::optional<std::stop_callback<Cancel>> on_stop_;
  mutable std::mutex mutex_;
  mutable std::condition_variable over_;
};

}  // namespace ashlar::sched
