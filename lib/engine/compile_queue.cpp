// Queueing and compiling in the background; see compile_queue.hpp.
#include "engine/compile_queue.hpp"

#include <algorithm>

#include "base/stats_cells.hpp"

namespace ashlar::engine {

using cache::Translation;

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
    if (IrBlock* const block = context_.ir_cache().find(request.key)) {
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
  cache::EpochParticipant participant_;
  StatsCell stats_;
};

CompileQueue::CompileQueue(ExecutionContext::Impl& context, std::size_t capacity, unsigned threads)
    : context_(context), capacity_(capacity) {
  requests_.reserve(capacity);
  for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

CompileQueue::~CompileQueue() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    context_.stats().subtract(Stat::compile_queue_length, requests_.size());
    requests_.clear();
  }
  filled_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool CompileQueue::offer(const BlockKey& key, cache::Flavour flavour, std::uint32_t heat) {
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
    const Request request{key, flavour, heat, offers_++};
    if (requests_.size() < capacity_) {
      requests_.push_back(request);
      context_.stats().add(Stat::compile_queue_length);
    } else {
      const auto coldest =
          std::min_element(requests_.begin(), requests_.end(),
                           [](const Request& a, const Request& b) { return a.heat < b.heat; });
      context_.stats().add(Stat::compile_requests_dropped);
      if (coldest == requests_.end() || coldest->heat >= heat) return false;
      *coldest = request;
    }
  }
  filled_.notify_one();
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
  std::unique_lock lock(mutex_);
  for (;;) {
    filled_.wait(lock, [this] { return stopping_ || !requests_.empty(); });
    if (stopping_) return;
    Request request;
    if (!take(request)) continue;
    ++busy_;
    lock.unlock();
    worker.compile(request);
    lock.lock();
    --busy_;
    if (busy_ == 0 && requests_.empty()) idle_.notify_all();
  }
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
