// Tier 0 as an execution engine: resolves blocks for the interpreter, links them, and turns its outcomes into
// results.
#include <algorithm>
#include <limits>

#include <ashlar/engine.hpp>

#include "base/assert.hpp"
#include "engine/session.hpp"
#include "interp/interpreter.hpp"
#include "mem/fault_info.hpp"

namespace ashlar {

using engine::IrBlock;
using engine::IrCache;
using engine::Session;
using interp::Outcome;

namespace {

/// What the interpreter needs to know of this vCPU, for all the runs of a session.
interp::RunState make_state(ExecutionContext::Impl& context, const Vcpu& vcpu) {
  interp::RunState state;
  state.helpers = context.frontend().helpers();
  state.memory = vcpu.memory();
  return state;
}

/// Runs from `block`.
Outcome interpret(Session& session, interp::RunState& state, IrBlock& block) {
  state.first = &block;
  state.jump_table = &session.data().table_for(block);
  session.float_env().enter(session.frame(), block.block->host_rounding());
  const Outcome outcome = interp::run(session.frame(), state);
  session.stats().add(Stat::interpreter_blocks, state.blocks);
  return outcome;
}

/// The result of a stop terminal that is the embedder's business.
ExecutionResult stopped(Session& session, const interp::RunState& state) {
  ExecutionResult result;
  result.tier = Tier::interpreter;
  result.reason = engine::exit_reason_of(state.stop_reason);
  result.detail = state.detail;
  if (result.reason == ExitReason::syscall) session.stats().add(Stat::syscalls);
  return result;
}

ExecutionResult of_reason(ExitReason reason) {
  ExecutionResult result;
  result.tier = Tier::interpreter;
  result.reason = reason;
  return result;
}

/// One block, inside a session.
ExecutionResult execute_one(Session& session, interp::RunState& state, const BlockKey& key) {
  session.set_key(key);
  ExecutionResult result = of_reason(ExitReason::block_done);
  for (;;) {
    if (session.attention() && session.attend()) {
      result.reason = ExitReason::halted;
      break;
    }
    const IrCache::Got got = session.find(key);
    if (got.block == nullptr) {
      result = session.fault(got.fault, Tier::none);
      break;
    }
    session.remember(got);
    const Outcome outcome = interpret(session, state, *got.block);
    // In front of the block: somebody wants attention, or the block has become hot, which means nothing here.
    if (state.blocks == 0 && (outcome == Outcome::attention || outcome == Outcome::hot)) continue;
    if (outcome == Outcome::fault) {
      result = session.fault(mem::load_fault(session.frame().cold()), Tier::interpreter);
    } else if (outcome == Outcome::stop && state.stop_reason == ir::StopReason::instruction_fence) {
      session.fence_instructions();
    } else if (outcome == Outcome::stop) {
      result = stopped(session, state);
    } else if (outcome == Outcome::attention && session.attend()) {  // a helper asked to leave the block
      result.reason = ExitReason::halted;
    }
    result.cache_hit = got.hit;
    break;
  }
  result.next = session.key();
  return result;
}

/// Blocks from the vCPU's pc on, inside a session, until something stops them.
ExecutionResult run_blocks(Session& session, interp::RunState& state) {
  // The exit by which the last block was left, if it is to be linked to the next one.
  IrBlock* from = nullptr;
  std::uint32_t exit = 0;
  for (;;) {
    if (session.attention()) {
      from = nullptr;
      if (session.attend()) return of_reason(ExitReason::halted);
    }
    if (state.count_fuel && session.frame().hot.fuel <= 0) return of_reason(ExitReason::fuel);
    const IrCache::Got got = session.find_next(session.key());
    if (got.block == nullptr) return session.fault(got.fault, Tier::interpreter);
    if (from != nullptr && !got.unpublished) {
      session.link(*from, exit, *got.block);
    } else {
      session.remember(got);
    }
    const Outcome outcome = interpret(session, state, *got.block);
    from = nullptr;
    switch (outcome) {
      case Outcome::lookup:
        from = static_cast<IrBlock*>(state.from);
        if (got.unpublished && from == got.block) from = nullptr;
        exit = state.exit;
        break;
      case Outcome::attention:
      case Outcome::hot:  // the interpreter alone has nothing better for a hot block; the count has gone past
                          // the threshold
      case Outcome::block_done:
        break;
      case Outcome::fuel:
        return of_reason(ExitReason::fuel);
      case Outcome::fault:
        return session.fault(mem::load_fault(session.frame().cold()), Tier::interpreter);
      case Outcome::stop:
        if (state.stop_reason != ir::StopReason::instruction_fence) return stopped(session, state);
        session.fence_instructions();
        break;
    }
  }
}

}  // namespace

ExitReason engine::exit_reason_of(ir::StopReason reason) noexcept {
  switch (reason) {
    case ir::StopReason::syscall:
      return ExitReason::syscall;
    case ir::StopReason::breakpoint:
      return ExitReason::breakpoint;
    case ir::StopReason::illegal_instruction:
      return ExitReason::illegal_instruction;
    case ir::StopReason::guest_exit:
      return ExitReason::guest_exit;
    case ir::StopReason::instruction_fence:
      break;
  }
  fatal("an instruction fence reached an embedder");
}

const char* to_string(ExitReason reason) noexcept {
  switch (reason) {
    case ExitReason::block_done:
      return "block_done";
    case ExitReason::fuel:
      return "fuel";
    case ExitReason::halted:
      return "halted";
    case ExitReason::syscall:
      return "syscall";
    case ExitReason::breakpoint:
      return "breakpoint";
    case ExitReason::illegal_instruction:
      return "illegal_instruction";
    case ExitReason::guest_exit:
      return "guest_exit";
    case ExitReason::fault:
      return "fault";
  }
  return "?";
}

InterpreterExecutor::InterpreterExecutor(ExecutionContext& context) : context_(context) {}

ExecutionResult InterpreterExecutor::execute_block(Vcpu& vcpu, BlockKey key) {
  Session session(context_.impl(), vcpu, IrBlock::Form::prepared);
  interp::RunState state = make_state(context_.impl(), vcpu);
  state.single_block = true;
  return execute_one(session, state, key);
}

std::size_t InterpreterExecutor::execute_blocks(Vcpu& vcpu, std::span<const BlockKey> keys,
                                                std::span<ExecutionResult> results) {
  Session session(context_.impl(), vcpu, IrBlock::Form::prepared);
  interp::RunState state = make_state(context_.impl(), vcpu);
  state.single_block = true;
  const std::size_t count = std::min(keys.size(), results.size());
  for (std::size_t i = 0; i < count; ++i) {
    results[i] = execute_one(session, state, keys[i]);
    if (results[i].reason != ExitReason::block_done) return i + 1;
  }
  return count;
}

ExecutionResult InterpreterExecutor::run(Vcpu& vcpu, const RunLimits& limits) {
  Session session(context_.impl(), vcpu, IrBlock::Form::prepared);
  interp::RunState state = make_state(context_.impl(), vcpu);
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
  const auto fuel = static_cast<std::int64_t>(std::min(limits.fuel.value_or(0), kMost));
  state.count_fuel = limits.fuel.has_value();
  session.frame().hot.fuel = fuel;
  ExecutionResult result = run_blocks(session, state);
  if (state.count_fuel) result.instructions = static_cast<std::uint64_t>(fuel - session.frame().hot.fuel);
  result.next = session.key();
  return result;
}

void InterpreterExecutor::flush() { context_.flush(); }
void InterpreterExecutor::invalidate(GuestRange range) { context_.invalidate(range); }
StatsSnapshot InterpreterExecutor::stats() const { return context_.stats(); }

}  // namespace ashlar
