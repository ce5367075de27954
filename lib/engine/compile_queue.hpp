// Blocks that wait to be compiled, and the threads that compile them. Owned by a HybridExecutor; vCPUs offer
// blocks from the dispatcher and never wait here.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <ashlar/types.hpp>

#include "cache/translation.hpp"
#include "engine/context.hpp"

namespace ashlar::engine {

/// Thread-safe. Bounded; each block and flavour waits once; the hottest goes first. It holds keys, no blocks:
/// whoever takes one looks it up, so that what has been invalidated meanwhile is not compiled.
class CompileQueue {
 public:
  /// `threads` 0: compile() must be called. The context must outlive the queue.
  CompileQueue(ExecutionContext::Impl& context, std::size_t capacity, unsigned threads);
  /// Drops what waits, lets the threads finish what they are at.
  ~CompileQueue();
  CompileQueue(const CompileQueue&) = delete;
  CompileQueue& operator=(const CompileQueue&) = delete;

  /// Has the threads begin, and what they need be set up, before there is something to compile.
  void start();
  /// Queues the block, or makes it hotter where it is. False, and nothing done, when all that waits is hotter
  /// or another thread is at the queue just now: ask again later. Waits for nobody.
  bool offer(const BlockKey& key, cache::Flavour flavour, std::uint32_t heat);
  /// Compiles up to `limit` blocks in this thread, which is not inside the epoch domain; gives how many it
  /// has taken.
  std::size_t compile(std::size_t limit);
  /// Until nothing waits or is being compiled.
  void wait_until_idle();
  std::size_t size() const;

 private:
  struct Request {
    BlockKey key;
    cache::Flavour flavour;
    std::uint32_t heat;
    std::uint64_t order;
  };
  /// A thread that compiles: its place in the epoch domain and its counters.
  class Worker;

  bool take(Request& request);
  void start_threads();
  void work();
  void rest(std::unique_lock<std::mutex>& lock);
  bool needs_waking() const;

  ExecutionContext::Impl& context_;
  const std::size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable filled_, idle_;
  std::vector<Request> requests_;
  std::uint64_t offers_ = 0;
  unsigned busy_ = 0, watching_ = 0, asleep_ = 0;  ///< threads
  bool stopping_ = false;
  std::atomic<bool> leaving_{false};     ///< stopping_, for who does not hold the lock
  std::atomic<std::size_t> waiting_{0};  ///< requests_.size(), for who does not hold the lock
  const unsigned wanted_threads_;
  bool no_more_threads_ = false;
  std::vector<std::thread> threads_;  ///< none until there is something to do
};

}  // namespace ashlar::engine
