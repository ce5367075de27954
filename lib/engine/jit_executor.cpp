// Tier 1 as an execution engine: the dispatcher, compiling everything.
#include <ashlar/engine.hpp>

#include "engine/dispatcher.hpp"

namespace ashlar {

JitExecutor::JitExecutor(ExecutionContext& context) : context_(context) { context.impl().jit(); }

ExecutionResult JitExecutor::execute_block(Vcpu& vcpu, BlockKey key) {
  return engine::execute_one_dispatched(context_.impl(), vcpu, key, nullptr);
}

std::size_t JitExecutor::execute_blocks(Vcpu& vcpu, std::span<const BlockKey> keys,
                                        std::span<ExecutionResult> results) {
  return engine::execute_dispatched(context_.impl(), vcpu, keys, results, nullptr);
}

ExecutionResult JitExecutor::run(Vcpu& vcpu, const RunLimits& limits) {
  return engine::run_dispatched(context_.impl(), vcpu, limits, nullptr);
}

void JitExecutor::flush() { context_.flush(); }
void JitExecutor::invalidate(GuestRange range) { context_.invalidate(range); }
StatsSnapshot JitExecutor::stats() const { return context_.stats(); }

}  // namespace ashlar
