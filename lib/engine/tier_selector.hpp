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
      : warm_(config.warm_executions), hot_(config.hot_executions), queue_(queue) {
    preference_.store(config.preference, std::memory_order_relaxed);
  }

  TierPreference preference() const noexcept { return preference_.load(std::memory_order_acquire); }
  void set_preference(TierPreference preference) noexcept {
    preference_.store(preference, std::memory_order_seq_cst);
  }
  TierRules rules() const noexcept { return {preference(), warm_, hot_}; }
  CompileQueue* queue() const noexcept { return queue_; }

 private:
  std::atomic<TierPreference> preference_;
  const std::uint32_t warm_, hot_;
  CompileQueue* const queue_;
};

}  // namespace ashlar::engine
