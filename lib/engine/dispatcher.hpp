// The dispatcher between emitted code, the interpreter and the caches: one call of an executor on a vCPU.
// Used by the executors that compile; with a selector it chooses the tier of each block, without one it
// compiles everything.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include <ashlar/engine.hpp>

#include "engine/jit_vcpu.hpp"
#include "engine/known_blocks.hpp"
#include "engine/session.hpp"
#include "engine/tier_selector.hpp"

namespace ashlar::engine {

/// What emitted code does not do (fault handling, the last instructions before fuel runs out, blocks for
/// which there is no code memory) the interpreter does.
class Dispatcher {
 public:
  /// `selector`: null, or must outlive this.
  Dispatcher(ExecutionContext::Impl& context, Vcpu& vcpu, bool count_fuel, TierSelector* selector = nullptr,
             Session::Place place = Session::Place::outside)
      : context_(context),
        jit_(selector == nullptr ? &context.jit() : context.jit_if_made()),
        session_(context, vcpu, form(jit_, selector), place),
        frame_(vcpu.frame()),
        vcpu_(vcpu),
        selector_(selector) {
    flavour_.count_fuel = count_fuel;
    if (jit_ != nullptr && jit_->available()) mine_ = &session_.data().jit(*jit_);
  }

  /// From the vCPU's key until something stops it. The caller has set the frame's fuel.
  ExecutionResult run();
  /// `due`: what is to be executed next, from this one on; empty when it has been prepared, or if nothing is
  /// to be.
  void execute_one(BlockKey key, std::span<const BlockKey>& due, ExecutionResult& result);

  /// After a block of compiled code that was entered elsewhere: sees to what it has stopped for, and to
  /// attention.
  void finish_one(const void* code, std::uint32_t exit, std::uint64_t mode, ExecutionResult& result);
  /// Executes from the first key on what is known (known_blocks.hpp).
  KnownRun run_known(std::span<const BlockKey> keys, std::span<ExecutionResult> results);

 private:
  /// Compiles those of a batch together that execute_one would compile now.
  void prepare(std::span<const BlockKey> keys);
  /// What is compiled when it is warm need not be prepared for the interpreter.
  static IrBlock::Form form(const Jit* jit, const TierSelector* selector) {
    const bool interprets = (jit != nullptr && !jit->available()) ||
                            (selector != nullptr && selector->preference() == TierPreference::interpreter);
    return interprets ? IrBlock::Form::prepared : IrBlock::Form::plain;
  }
  /// Whether blocks can be compiled, as far as is known.
  bool compiles() const noexcept { return jit_ == nullptr || mine_ != nullptr; }
  /// Takes the compiler that somebody has made since, if somebody has.
  void adopt_compiler();
  /// Sees to a compiler, if it is worth while now. False: interpret.
  bool get_compiler();

  /// How the next block is to be executed.
  struct Choice {
    cache::Translation* translation = nullptr;  ///< null: interpret `block`, or there is a fault
    IrCache::Got block;                         ///< `block.block` null: not looked up
    Fault fault;
    bool hit = false;
    bool alone = false;  ///< interpret this one block, then choose again
  };
  /// Where a block is asked for from.
  enum class From : std::uint8_t {
    caller,       ///< execute_block
    elsewhere,    ///< run: its begin, the interpreter, a stop
    emitted,      ///< emitted code by an indirect jump
    emitted_exit  ///< emitted code by an exit, which leads nowhere else
  };
  /// Code for execute_block is found in tables that vCPUs of all memories share.
  void choose_flavour(bool linked) {
    flavour_.linked = linked;
    flavour_.base_is_limit = linked && vcpu_.memory() != nullptr && vcpu_.memory()->base_is_limit();
  }
  /// Next to code that is warm, blocks run more than once as a rule.
  bool may_run_once(From from) const noexcept {
    return (from == From::elsewhere || from == From::emitted) && selector_->rules().threshold() > 1;
  }
  Choice choose(const BlockKey& key, From from);
  /// A translation that the vCPU's tables know by themselves, or null. Precondition: the tables are selected
  /// for the key's mode. Without counters the policy would have it, too.
  cache::Translation* find_known(const BlockKey& key);
  Choice choose_by_policy(const BlockKey& key, From from);
  /// Whether the block, which the interpreter does not have, is due to be compiled nevertheless.
  bool compiles_next(const BlockKey& key, const TierCounters& counters, const TierRules& rules);
  /// Compiles in this thread; `source` as for Jit::get.
  Jit::Got compile(const BlockKey& key, const IrBlock* source);
  Jit::Got get(const BlockKey& key);

  void enter(const cache::Translation& translation, std::uint64_t mode);
  std::uint32_t enter_single(const cache::Translation& translation, std::uint64_t mode);

  std::optional<ExecutionResult> stop(ir::StopReason reason, std::int32_t detail, Tier tier);
  std::optional<ExecutionResult> recover(std::uint64_t mode);

  /// The translation that execute_one runs without asking the policy: it would take it.
  cache::Translation* find_compiled(BlockKey key);
  /// The block of the vCPU's key, which find_compiled has not found.
  void execute_missing(const BlockKey& key, ExecutionResult& result);
  /// What the single block at `code` has stopped for goes into the result.
  void settle(const void* code, std::uint32_t exit, std::uint64_t mode, ExecutionResult& result);
  /// Runs one block of compiled code, and settles.
  void run_single(const cache::Translation& translation, std::uint64_t mode, ExecutionResult& result);

  /// What is the same for all blocks.
  void prepare_to_interpret(interp::RunState& state);
  /// Calls the interpreter. Nothing: go on.
  std::optional<ExecutionResult> interpret(interp::RunState& state, IrBlock& block, interp::Outcome& outcome);
  /// The same until a block is hot, for a dispatcher with a selector. `from` and `exit`: the exit to be
  /// linked to the next block, if there is one.
  std::optional<ExecutionResult> interpret_from(IrBlock& block, interp::RunState& state, IrBlock*& from,
                                                std::uint32_t& exit);
  /// The vCPU's next block alone, or `block` from an instruction on. Nothing: it is done, also when somebody
  /// wanted attention in front of it.
  std::optional<ExecutionResult> interpret_one(std::uint32_t start_inst, IrBlock* block);

  ExecutionContext::Impl& context_;
  Jit* jit_;  ///< null until blocks become due: there is a selector, and a compiler only when it is needed
  Session session_;
  VcpuFrame& frame_;
  Vcpu& vcpu_;
  TierSelector* selector_;
  JitVcpu* mine_ = nullptr;  ///< null: nothing can be compiled, or not yet
  cache::Flavour flavour_;
};

/// The body of ExecutionEngine::run for executors that dispatch.
ExecutionResult run_dispatched(ExecutionContext::Impl& context, Vcpu& vcpu, const RunLimits& limits,
                               TierSelector* selector);
/// And of execute_block (known_blocks.cpp), execute_blocks.
ExecutionResult execute_one_dispatched(ExecutionContext::Impl& context, Vcpu& vcpu, BlockKey key,
                                       TierSelector* selector);
std::size_t execute_dispatched(ExecutionContext::Impl& context, Vcpu& vcpu, std::span<const BlockKey> keys,
                               std::span<ExecutionResult> results, TierSelector* selector);

}  // namespace ashlar::engine
