// Both tiers as one execution engine; the choice is the dispatcher's, by the selector's rules. See
// <ashlar/hybrid.hpp>.
#include <ashlar/hybrid.hpp>

#include <algorithm>
#include <optional>

#include "engine/compile_queue.hpp"
#include "engine/context.hpp"
#include "engine/dispatcher.hpp"
#include "engine/tier_selector.hpp"

namespace ashlar {
namespace {

HybridConfig in_range(HybridConfig config) {
  config.warm_executions = std::max(config.warm_executions, 1u);
  config.hot_executions = std::max(config.hot_executions, config.warm_executions);
  config.compile_threads = std::max(config.compile_threads, 1u);
  config.queue_capacity = std::max<std::size_t>(config.queue_capacity, 1);
  return config;
}

}  // namespace

struct HybridExecutor::Impl {
  Impl(ExecutionContext& of, const HybridConfig& config) : context(of) {
    if (config.mode != CompileMode::caller) {
      const unsigned threads = config.mode == CompileMode::workers ? config.compile_threads : 0;
      queue.emplace(context.impl(), config.queue_capacity, threads);
      if (config.setup_after <= 1) queue->start();
    }
    selector.emplace(config, queue ? &*queue : nullptr);
  }

  ExecutionContext& context;
  std::optional<engine::CompileQueue> queue;
  std::optional<engine::TierSelector> selector;
};

HybridExecutor::HybridExecutor(ExecutionContext& context, const HybridConfig& config)
    : impl_(std::make_unique<Impl>(context, in_range(config))) {}
HybridExecutor::~HybridExecutor() = default;

ExecutionResult HybridExecutor::execute_block(Vcpu& vcpu, BlockKey key) {
  return engine::execute_one_dispatched(impl_->context.impl(), vcpu, key, &*impl_->selector);
}

std::size_t HybridExecutor::execute_blocks(Vcpu& vcpu, std::span<const BlockKey> keys,
                                           std::span<ExecutionResult> results) {
  return engine::execute_dispatched(impl_->context.impl(), vcpu, keys, results, &*impl_->selector);
}

ExecutionResult HybridExecutor::run(Vcpu& vcpu, const RunLimits& limits) {
  return engine::run_dispatched(impl_->context.impl(), vcpu, limits, &*impl_->selector);
}

void HybridExecutor::flush() { impl_->context.flush(); }
void HybridExecutor::invalidate(GuestRange range) { impl_->context.invalidate(range); }
StatsSnapshot HybridExecutor::stats() const { return impl_->context.stats(); }

void HybridExecutor::set_preference(TierPreference preference) noexcept {
  impl_->selector->set_preference(preference);
  impl_->context.impl().registry()->attend_all(kAttendPolicy);
}
TierPreference HybridExecutor::preference() const noexcept { return impl_->selector->preference(); }

std::size_t HybridExecutor::compile_pending(std::size_t limit) {
  return impl_->queue ? impl_->queue->compile(limit) : 0;
}
void HybridExecutor::wait_for_compilations() {
  if (impl_->queue) impl_->queue->wait_until_idle();
}
std::size_t HybridExecutor::pending() const { return impl_->queue ? impl_->queue->size() : 0; }

}  // namespace ashlar
