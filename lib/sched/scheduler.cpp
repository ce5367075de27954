// Workers, stealing, and the threads for what blocks; see <ashlar/scheduler.hpp>.
#include <ashlar/scheduler.hpp>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "sched/run_queue.hpp"
#include "sched/task.hpp"

namespace ashlar {

using sched::RunQueue;
using sched::Task;
using TaskPtr = std::shared_ptr<Task>;

class Scheduler::Impl {
 public:
  Impl(ExecutionEngine& engine, const SchedulerConfig& config) : engine_(engine), config_(config) {
    const unsigned host = std::max(std::thread::hardware_concurrency(), 1u);
    const unsigned count = config.workers != 0 ? config.workers : host;
    for (unsigned i = 0; i < count; ++i) workers_.push_back(std::make_unique<Worker>());
    for (unsigned i = 0; i < count; ++i) workers_[i]->thread = std::thread([this, i] { work(*workers_[i]); });
  }

  ~Impl() {
    {
      // What blocks first: it comes back to the workers.
      std::unique_lock lock(blocking_mutex_);
      stopping_.store(true, std::memory_order_seq_cst);
      blocking_idle_.wait(lock, [this] { return blocked_.empty() && blocking_busy_ == 0; });
      blocking_stop_ = true;
    }
    blocking_filled_.notify_all();
    for (std::thread& thread : blocking_threads_) thread.join();
    {
      std::lock_guard lock(sleep_mutex_);
      ending_ = true;
    }
    work_came_.notify_all();
    for (const auto& worker : workers_) worker->thread.join();
    // A continuation of the last runs may have submitted more.
    for (bool more = true; more;) {
      more = false;
      for (const auto& worker : workers_) {
        while (TaskPtr task = worker->queue.pop()) {
          end(*task);
          more = true;
        }
      }
    }
  }

  void submit(const TaskPtr& task) {
    task->watch(task);
    const std::size_t at = next_worker_.fetch_add(1, std::memory_order_relaxed) % workers_.size();
    workers_[at]->queue.push(task);
    wake_one();
  }

  std::uint64_t slices() const noexcept {
    std::uint64_t sum = 0;
    for (const auto& worker : workers_) sum += worker->slices.load(std::memory_order_relaxed);
    return sum;
  }
  std::uint64_t steals() const noexcept {
    std::uint64_t sum = 0;
    for (const auto& worker : workers_) sum += worker->steals.load(std::memory_order_relaxed);
    return sum;
  }
  unsigned workers() const noexcept { return static_cast<unsigned>(workers_.size()); }

 private:
  struct alignas(64) Worker {
    RunQueue queue;
    std::atomic<std::uint64_t> slices{0}, steals{0};
    std::thread thread;
  };

  void wake_one() {
    // Of this and the one in `sleep` one comes first: the sleeper sees the task, or we see the sleeper.
    if (sleepers_.fetch_add(0, std::memory_order_acq_rel) == 0) return;
    { std::lock_guard lock(sleep_mutex_); }
    work_came_.notify_one();
  }

  TaskPtr steal(Worker& thief) {
    const std::size_t count = workers_.size();
    const std::size_t first = thief.steals.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i < count; ++i) {
      Worker& victim = *workers_[(first + i) % count];
      if (&victim == &thief || victim.queue.size() == 0) continue;
      std::vector<TaskPtr> stolen = victim.queue.steal();
      if (stolen.empty()) continue;
      thief.steals.store(first + stolen.size(), std::memory_order_relaxed);
      for (std::size_t k = 1; k < stolen.size(); ++k) thief.queue.push(std::move(stolen[k]));
      return std::move(stolen.front());
    }
    return nullptr;
  }

  /// Null: the scheduler ends.
  TaskPtr find_work(Worker& worker) {
    for (;;) {
      if (TaskPtr task = worker.queue.pop()) return task;
      if (TaskPtr task = steal(worker)) return task;
      if (!sleep()) return nullptr;
    }
  }
  /// False: the scheduler ends, and nothing waits.
  bool sleep() {
    std::unique_lock lock(sleep_mutex_);
    sleepers_.fetch_add(1, std::memory_order_acq_rel);
    const auto waiting = [this] {
      return std::any_of(workers_.begin(), workers_.end(),
                         [](const auto& worker) { return worker->queue.size() != 0; });
    };
    bool more = waiting();
    if (!more && !ending_) work_came_.wait(lock, [&] { return (more = waiting()) || ending_; });
    sleepers_.fetch_sub(1, std::memory_order_relaxed);
    return more;
  }

  void work(Worker& worker) {
    while (TaskPtr task = find_work(worker)) {
      while (task != nullptr) {
        if (stopping_.load(std::memory_order_relaxed)) {
          end(*task);
          break;
        }
        worker.slices.store(worker.slices.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        switch (task->run_slice(engine_, config_.slice)) {
          case Task::Slice::again:
            task = worker.queue.exchange(std::move(task));
            // Somebody sleeps while work waits here: it is his.
            if (sleepers_.load(std::memory_order_relaxed) != 0 && worker.queue.size() != 0) wake_one();
            break;
          case Task::Slice::over:
            finish(*task);
            task = worker.queue.pop();
            break;
          case Task::Slice::hand_off:
            hand_off(std::move(task));
            task = worker.queue.pop();
            break;
        }
      }
    }
  }

  static void finish(Task& task) {
    task.unwatch();
    task.finish();
  }
  static void end(Task& task) {
    task.cancelled();
    finish(task);
  }

  void hand_off(TaskPtr task) {
    {
      std::unique_lock lock(blocking_mutex_);
      if (stopping_.load(std::memory_order_relaxed)) {
        lock.unlock();
        end(*task);
        return;
      }
      blocked_.push_back(std::move(task));
      if (blocking_idle_threads_ < blocked_.size() && blocking_threads_.size() < config_.blocking_threads)
        blocking_threads_.emplace_back([this] { block(); });
    }
    blocking_filled_.notify_one();
  }

  void block() {
    std::unique_lock lock(blocking_mutex_);
    for (;;) {
      ++blocking_idle_threads_;
      blocking_filled_.wait(lock, [this] { return blocking_stop_ || !blocked_.empty(); });
      --blocking_idle_threads_;
      if (blocked_.empty()) return;
      TaskPtr task = std::move(blocked_.front());
      blocked_.pop_front();
      ++blocking_busy_;
      lock.unlock();
      if (stopping_.load(std::memory_order_relaxed)) {
        end(*task);
      } else if (task->call_blocking()) {
        Worker& worker = *workers_[next_worker_.fetch_add(1, std::memory_order_relaxed) % workers_.size()];
        worker.queue.push(std::move(task));
        wake_one();
      } else {
        finish(*task);
      }
      task.reset();
      lock.lock();
      --blocking_busy_;
      if (blocking_busy_ == 0 && blocked_.empty()) blocking_idle_.notify_all();
    }
  }

  ExecutionEngine& engine_;
  const SchedulerConfig config_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::atomic<std::size_t> next_worker_{0};
  std::atomic<bool> stopping_{false};

  std::mutex sleep_mutex_;
  std::condition_variable work_came_;
  std::atomic<unsigned> sleepers_{0};
  bool ending_ = false;

  std::mutex blocking_mutex_;
  std::condition_variable blocking_filled_, blocking_idle_;
  std::deque<TaskPtr> blocked_;
  std::vector<std::thread> blocking_threads_;
  std::size_t blocking_idle_threads_ = 0;
  unsigned blocking_busy_ = 0;
  bool blocking_stop_ = false;
};

Result<std::unique_ptr<Scheduler>> Scheduler::create(ExecutionEngine& engine, const SchedulerConfig& config) {
  if (config.slice == 0)
    return Error{ErrorCode::invalid_argument, "a scheduler's slice must have at least one instruction"};
  if (config.blocking_threads == 0)
    return Error{ErrorCode::invalid_argument, "a scheduler must be allowed a thread for what blocks"};
  return std::unique_ptr<Scheduler>(new Scheduler(std::make_unique<Impl>(engine, config)));
}

Scheduler::Scheduler(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Scheduler::~Scheduler() = default;

RunFuture Scheduler::submit(Vcpu& vcpu, const RunLimits& limits, RunOptions options) {
  auto task = std::make_shared<Task>(vcpu, limits, std::move(options));
  impl_->submit(task);
  return RunFuture(std::move(task));
}

void Scheduler::Awaitable::await_suspend(std::coroutine_handle<> waiting) {
  auto task = std::make_shared<Task>(vcpu_, limits_, std::move(options_));
  task->resume_at_end(waiting);
  future_ = RunFuture(task);
  // The coroutine, and this object in its frame, may go on and be gone before submit returns.
  scheduler_.impl_->submit(task);
}
ExecutionResult Scheduler::Awaitable::await_resume() { return future_.get(); }

std::uint64_t Scheduler::slices() const noexcept { return impl_->slices(); }
std::uint64_t Scheduler::steals() const noexcept { return impl_->steals(); }
unsigned Scheduler::workers() const noexcept { return impl_->workers(); }

bool RunFuture::ready() const noexcept { return task_->ready(); }
void RunFuture::wait() const { task_->wait(); }
bool RunFuture::wait_for(std::chrono::nanoseconds time) const { return task_->wait_for(time); }
ExecutionResult RunFuture::get() const {
  task_->wait();
  return task_->result();
}
bool RunFuture::cancel() const { return task_->cancel(); }

}  // namespace ashlar
