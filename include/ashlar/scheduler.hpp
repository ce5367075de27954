// Many vCPUs on few threads: futures, coroutines, cancellation.
#pragma once

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>

#include <ashlar/engine.hpp>
#include <ashlar/export.hpp>
#include <ashlar/result.hpp>
#include <ashlar/vcpu.hpp>

namespace ashlar {

/// Among runs that wait for a worker, those of a higher priority go first; of every 8 turns of a worker one
/// goes to each lower priority that waits, so that nothing starves. Within a priority they go in turn.
enum class RunPriority : std::uint8_t { background, normal, urgent };

/// What a RunOptions::on_stop wants to happen with a run that has stopped.
enum class StopAction : std::uint8_t {
  finish,    ///< the run is over, with the result that on_stop was given
  resume,    ///< it was dealt with (a system call, say): go on
  hand_off,  ///< RunOptions::blocking is to be called, which may block; then go on
};

struct RunOptions {
  RunPriority priority = RunPriority::normal;
  /// Called on a worker when the vCPU stops for a reason other than the end of its slice, a fuel limit or a
  /// cancellation. Must not block: it would block the worker. Not set: every stop finishes the run.
  std::function<StopAction(Vcpu&, const ExecutionResult&)> on_stop;
  /// Called on a thread of its own after on_stop has returned hand_off, while the worker runs other vCPUs.
  /// False: the run is over, with the result that on_stop was given.
  std::function<bool(Vcpu&, const ExecutionResult&)> blocking;
  /// A stop request cancels the run, as RunFuture::cancel.
  std::stop_token stop;
};

struct SchedulerConfig {
  /// Threads that run vCPUs; 0: as many as the host has.
  unsigned workers = 0;
  /// Guest instructions that a vCPU may execute before others get their turn; at least 1.
  std::uint64_t slice = 20'000;
  /// Most threads for RunOptions::blocking; they are made when they are needed. More calls wait for one.
  unsigned blocking_threads = 64;
};

namespace sched {
class Task;
}

/// The result of a run that a scheduler does. Copies are of the same run. All methods are thread-safe.
class ASHLAR_API RunFuture {
 public:
  RunFuture() = default;
  /// Refers to a run: not made by the default constructor. The rest requires it.
  bool valid() const noexcept { return task_ != nullptr; }
  bool ready() const noexcept;
  void wait() const;
  /// False: it was not ready in time.
  bool wait_for(std::chrono::nanoseconds time) const;
  /// Waits. `instructions` is the sum of all slices. Rethrows what on_stop, blocking or the engine threw; the
  /// vCPU is then where it was when they were called.
  ExecutionResult get() const;
  /// Asks the run to end with ExitReason::halted, at a block boundary, soon. A run that waits for its turn
  /// ends when that comes. While RunOptions::blocking is being called it ends when that returns. False: it
  /// was over.
  bool cancel() const;

 private:
  friend class Scheduler;
  explicit RunFuture(std::shared_ptr<sched::Task> task) : task_(std::move(task)) {}
  std::shared_ptr<sched::Task> task_;
};

/// Runs any number of vCPUs on a few worker threads, in slices of fuel; workers without work steal.
/// Thread-safe. The engine and the vCPUs must outlive their runs; a vCPU is in one run at a time, and nobody
/// else touches it until that is over.
class ASHLAR_API Scheduler {
 public:
  /// invalid_argument for a slice of 0 or no blocking threads.
  static Result<std::unique_ptr<Scheduler>> create(ExecutionEngine& engine,
                                                   const SchedulerConfig& config = {});
  /// Cancels what is not over, and waits for it. Coroutines are resumed with ExitReason::halted.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  /// Runs the vCPU until something stops it, or `limits` do.
  RunFuture submit(Vcpu& vcpu, const RunLimits& limits = {}, RunOptions options = {});

  /// For coroutines: `ExecutionResult r = co_await scheduler.run(vcpu, limits);`. The run is submitted when
  /// it is awaited; the coroutine goes on, on the worker thread that ended the run. It must not block there
  /// for long, nor destroy the scheduler. Throws as RunFuture::get.
  class ASHLAR_API Awaitable {
   public:
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiting);
    ExecutionResult await_resume();

   private:
    friend class Scheduler;
    Awaitable(Scheduler& scheduler, Vcpu& vcpu, const RunLimits& limits, RunOptions options)
        : scheduler_(scheduler), vcpu_(vcpu), limits_(limits), options_(std::move(options)) {}
    Scheduler& scheduler_;
    Vcpu& vcpu_;
    RunLimits limits_;
    RunOptions options_;
    RunFuture future_;
  };
  Awaitable run(Vcpu& vcpu, const RunLimits& limits = {}, RunOptions options = {}) {
    return {*this, vcpu, limits, std::move(options)};
  }

  /// Slices run so far, and runs taken from another worker's queue.
  std::uint64_t slices() const noexcept;
  std::uint64_t steals() const noexcept;
  unsigned workers() const noexcept;

 private:
  class Impl;
  explicit Scheduler(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ashlar
