// What a HybridExecutor decides by and where it puts what is to be compiled elsewhere: the shared half of its
// policy. Used by the dispatcher and the executor.
#pragma once

#include <atomic>
#include <cstdint>

#include <ashlar/hybrid.hpp>

#include "engine/compile_queue.hpp"
#include "engine/tier_policy.hpp"

namespace ashlar::engine {

/// Thread-safe.
class TierSelector {
 public:
  /// `queue`: where blocks wait to be compiled; null: their finder compiles them.
  TierSelector(const HybridConfig& config, CompileQueue* queue)
      : warm_(config.warm_executions),
        hot_(config.hot_executions),
        setup_after_(config.setup_after),
        queue_(queue) {
    preference_.store(config.preference, std::memory_order_relaxed);
  }

  TierPreference preference() const noexcept { return preference_.load(std::memory_order_acquire); }
  void set_preference(TierPreference preference) noexcept {
    preference_.store(preference, std::memory_order_seq_cst);
  }
  TierRules rules() const noexcept { return {preference(), warm_, hot_}; }
  CompileQueue* queue() const noexcept { return queue_; }
  /// To be called when a block is due while there is no compiler: whether to make one.
  bool worth_a_compiler() noexcept {
    return asked_.fetch_add(1, std::memory_order_relaxed) + 1 >= setup_after_;
  }

 private:
  std::atomic<TierPreference> preference_;
  const std::uint32_t warm_, hot_, setup_after_;
  std::atomic<std::uint32_t> asked_{0};
  CompileQueue* const queue_;
};

}  // namespace ashlar::engine
