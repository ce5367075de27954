// Queueing and compiling in the background; see compile_queue.hpp.
#include "engine/compile_queue.hpp"

#include <algorithm>
#include <chrono>
#include <system_error>

#include "base/stats_cells.hpp"

namespace ashlar::engine {

using cache::Translation;

namespace {

/// Takes the lock without sleeping: who lets a lock go wakes who sleeps for it, and that would be a vCPU.
void take_awake(std::unique_lock<std::mutex>& lock) {
  while (!lock.try_lock()) std::this_thread::yield();
}

}  // namespace

class CompileQueue::Worker {
 public:
  explicit Worker(ExecutionContext::Impl& context) : context_(context) {
    context_.epochs().add(participant_);
    context_.stats().attach(stats_);
  }
  ~Worker() {
    context_.stats().detach(stats_);
    context_.epochs().remove(participant_);
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void compile(const Request& request) {
    context_.epochs().enter(participant_);
    // Gone when the guest's code has changed meanwhile; then it must become hot anew.
    if (IrBlock* const block = context_.ir_cache().find(request.key); block != nullptr && !available_) {
      block->refused.store(true, std::memory_order_relaxed);
    } else if (block != nullptr) {
      cache::CodeCache::Removed removed;
      const Jit::Got got = context_.jit().get(request.key, request.flavour, stats_, removed, block);
      context_.see_off(removed);
      if (got.refused) block->refused.store(true, std::memory_order_relaxed);
      // So that interpreters leave at its next entry.
      if (got.translation != nullptr) block->executions.store(request.heat, std::memory_order_relaxed);
    }
    context_.epochs().leave(participant_);
  }

 private:
  ExecutionContext::Impl& context_;
  const bool available_ = context_.jit().available();
  cache::EpochParticipant participant_;
  StatsCell stats_;
};

CompileQueue::CompileQueue(ExecutionContext::Impl& context, std::size_t capacity, unsigned threads)
    : context_(context), capacity_(capacity), wanted_threads_(threads) {
  // Written once, so that vCPUs find the memory there.
  requests_.resize(capacity);
  requests_.clear();
}

void CompileQueue::start() {
  context_.jit();
  std::lock_guard lock(mutex_);
  start_threads();
}

/// Under the lock. Where the host has no more threads there are fewer, and perhaps none: everything is
/// interpreted.
void CompileQueue::start_threads() {
  if (threads_.size() == wanted_threads_ || no_more_threads_) return;
  try {
    while (threads_.size() < wanted_threads_) threads_.emplace_back([this] { work(); });
  } catch (const std::system_error&) {
    no_more_threads_ = true;
  }
}

CompileQueue::~CompileQueue() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    leaving_.store(true, std::memory_order_relaxed);
    context_.stats().subtract(Stat::compile_queue_length, requests_.size());
    requests_.clear();
  }
  filled_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool CompileQueue::offer(const BlockKey& key, cache::Flavour flavour, std::uint32_t heat) {
  bool wake = false;
  {
    std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock || stopping_) return false;
    const auto same = std::find_if(requests_.begin(), requests_.end(), [&](const Request& request) {
      return request.key == key && request.flavour == flavour;
    });
    if (same != requests_.end()) {
      same->heat += heat;
      return true;
    }
    start_threads();
    const Request request{key, flavour, heat, offers_++};
    if (requests_.size() < capacity_) {
      requests_.push_back(request);
      waiting_.store(requests_.size(), std::memory_order_relaxed);
      context_.stats().add(Stat::compile_queue_length);
    } else {
      const auto coldest =
          std::min_element(requests_.begin(), requests_.end(),
                           [](const Request& a, const Request& b) { return a.heat < b.heat; });
      context_.stats().add(Stat::compile_requests_dropped);
      if (coldest == requests_.end() || coldest->heat >= heat) return false;
      *coldest = request;
    }
    wake = needs_waking();
  }
  if (wake) filled_.notify_one();
  return true;
}

bool CompileQueue::take(Request& request) {
  const auto hottest =
      std::max_element(requests_.begin(), requests_.end(), [](const Request& a, const Request& b) {
        return a.heat != b.heat ? a.heat < b.heat : a.order > b.order;
      });
  if (hottest == requests_.end()) return false;
  request = *hottest;
  *hottest = requests_.back();
  requests_.pop_back();
  waiting_.store(requests_.size(), std::memory_order_relaxed);
  context_.stats().subtract(Stat::compile_queue_length);
  return true;
}

std::size_t CompileQueue::compile(std::size_t limit) {
  Worker worker(context_);
  std::size_t taken = 0;
  for (Request request; taken < limit; ++taken) {
    {
      std::lock_guard lock(mutex_);
      if (!take(request)) break;
    }
    worker.compile(request);
  }
  return taken;
}

void CompileQueue::work() {
  Worker worker(context_);
  std::unique_lock lock(mutex_, std::defer_lock);
  take_awake(lock);
  for (;;) {
    rest(lock);
    if (stopping_) return;
    Request request;
    if (!take(request)) continue;
    ++busy_;
    lock.unlock();
    worker.compile(request);
    take_awake(lock);
    --busy_;
    if (busy_ == 0 && requests_.empty()) idle_.notify_all();
  }
}

/// Until there is something to do. Waking a thread keeps who offers from running for ten microseconds, or for
/// a hundred on a virtual machine. Where there was something to do there is more soon: a thread that has
/// become idle looks by itself from time to time, and needs to be woken only when nothing has come for long.
void CompileQueue::rest(std::unique_lock<std::mutex>& lock) {
  constexpr int kTurns = 100;
  constexpr std::chrono::microseconds kNap{100}, kLong{20'000};
  const auto nothing = [this] { return waiting_.load(std::memory_order_relaxed) == 0; };
  if (!requests_.empty() || stopping_) return;
  ++watching_;
  lock.unlock();
  for (int i = 0; i < kTurns && nothing(); ++i) std::this_thread::yield();
  for (int i = 0; i < kLong / kNap && nothing() && !leaving_.load(std::memory_order_relaxed); ++i)
    std::this_thread::sleep_for(kNap);
  take_awake(lock);
  --watching_;
  ++asleep_;
  filled_.wait(lock, [this] { return stopping_ || !requests_.empty(); });
  --asleep_;
}

/// Whether who has put something into the queue is to wake a thread. Under the lock.
bool CompileQueue::needs_waking() const {
  // Those that are awake come back; that there is more than they can do shows after some requests.
  constexpr std::size_t kMany = 16;
  return asleep_ != 0 && (watching_ + busy_ == 0 || requests_.size() % kMany == 0);
}

void CompileQueue::wait_until_idle() {
  std::unique_lock lock(mutex_);
  if (threads_.empty()) return;
  idle_.wait(lock, [this] { return stopping_ || (busy_ == 0 && requests_.empty()); });
}

std::size_t CompileQueue::size() const {
  std::lock_guard lock(mutex_);
  return requests_.size();
}

}  // namespace ashlar::engine
