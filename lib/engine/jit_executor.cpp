// Tier 1 as an execution engine: the dispatcher between emitted code and the cache. What emitted code does
// not do (fault handling, the last instructions before fuel runs out, blocks for which there is no code
// memory) the interpreter does.
#include <algorithm>
#include <limits>

#include <ashlar/engine.hpp>

#include "base/assert.hpp"
#include "base/float_unit.hpp"
#include "codegen/restore.hpp"
#include "engine/jit_vcpu.hpp"
#include "engine/session.hpp"
#include "interp/interpreter.hpp"
#include "mem/fault_info.hpp"
#include "mem/reservations.hpp"

namespace ashlar {

using cache::CodeCache;
using cache::Flavour;
using cache::Translation;
using codegen::ExitKind;
using codegen::HostExit;
using engine::IrBlock;
using engine::IrCache;
using engine::Jit;
using engine::JitVcpu;
using engine::Session;
using interp::Outcome;

namespace {

ExecutionResult of_reason(ExitReason reason, Tier tier = Tier::jit) {
  ExecutionResult result;
  result.tier = tier;
  result.reason = reason;
  return result;
}

/// One call of the executor.
class Dispatcher {
 public:
  Dispatcher(ExecutionContext::Impl& context, Vcpu& vcpu, bool count_fuel)
      : context_(context), session_(context, vcpu), frame_(vcpu.frame()), vcpu_(vcpu), jit_(context.jit()) {
    flavour_.count_fuel = count_fuel;
    if (jit_.available()) mine_ = &session_.data().jit(jit_);
  }

  Session& session() { return session_; }

  ExecutionResult run() {
    flavour_.linked = true;
    Translation* from = nullptr;
    std::uint32_t exit = 0;
    for (;;) {
      if (session_.attention()) {
        from = nullptr;
        if (session_.attend()) return of_reason(ExitReason::halted);
      }
      if (flavour_.count_fuel && frame_.hot.fuel <= 0) return of_reason(ExitReason::fuel);
      const BlockKey key = session_.key();
      Jit::Got got;
      codegen::JumpCache* jumps = nullptr;
      if (mine_ != nullptr) {
        jumps = &mine_->select(key.mode, flavour_);
        if (session_.attention()) continue;
        got = get(key);
        if (got.translation == nullptr && got.fault.kind != FaultKind::none)
          return session_.fault(got.fault, Tier::jit);
      }
      if (got.translation == nullptr) {
        from = nullptr;
        if (auto stopped = interpret(0, nullptr)) return *stopped;
        continue;
      }
      if (from != nullptr) {
        if (jit_.code().link(*from, exit, *got.translation)) session_.stats().add(Stat::links);
      } else {
        JitVcpu::enter(*jumps, *got.translation);
      }
      from = nullptr;
      enter(*got.translation, key.mode);
      VcpuCold& cold = frame_.cold();
      const auto* at = reinterpret_cast<const std::byte*>(cold.exit_info);
      switch (static_cast<HostExit>(cold.exit_code)) {
        case HostExit::site: {
          const CodeCache::ExitRef ref = jit_.code().site_of(at);
          ASHLAR_ASSERT(ref.from != nullptr, "emitted code left by an exit that is not known");
          const codegen::ExitSite& site = ref.from->exits()[ref.exit].site;
          session_.set_key(site.target);
          switch (site.kind) {
            case ExitKind::direct:
            case ExitKind::call:
              from = ref.from;
              exit = ref.exit;
              break;
            case ExitKind::attention:
              break;
            case ExitKind::fuel:
              if (auto stopped = interpret(0, nullptr)) return *stopped;
              break;
            case ExitKind::stop:
              if (auto stopped = stop(site.stop_reason, site.detail, Tier::jit)) return *stopped;
              break;
          }
          break;
        }
        case HostExit::jump:
          session_.stats().add(Stat::jump_cache_misses);
          break;
        case HostExit::mode:
          break;
        case HostExit::check_fault:
        case HostExit::access_fault:
          if (auto stopped = recover(key.mode)) return *stopped;
          break;
        case HostExit::helper_exit:
          break;
      }
    }
  }

  ExecutionResult execute_one(const BlockKey& key) {
    flavour_.linked = false;
    session_.set_key(key);
    ExecutionResult result = of_reason(ExitReason::block_done);
    if (session_.attention() && session_.attend()) {
      result.reason = ExitReason::halted;
      result.next = key;
      return result;
    }
    Jit::Got got;
    if (mine_ != nullptr) got = get(key);
    result.cache_hit = got.hit;
    if (got.translation == nullptr) {
      if (got.fault.kind != FaultKind::none) {
        result = session_.fault(got.fault, Tier::none);
      } else if (auto stopped = interpret(0, nullptr)) {
        result = *stopped;
      } else {
        result.tier = Tier::interpreter;
      }
      result.next = session_.key();
      return result;
    }
    const std::uint32_t exit = enter_single(*got.translation, key.mode);
    if (exit == codegen::kSingleFault) {
      if (auto stopped = recover(key.mode)) result = *stopped;
    } else if (exit != codegen::kSingleJump) {
      const codegen::ExitSite& site = got.translation->exits()[exit].site;
      session_.set_key(site.target);
      if (site.kind == ExitKind::stop) {
        if (auto stopped = stop(site.stop_reason, site.detail, Tier::jit)) result = *stopped;
      }
      if (session_.attention() && session_.attend()) result.reason = ExitReason::halted;
    }
    result.cache_hit = got.hit;
    result.next = session_.key();
    return result;
  }

  /// Compiles the cold ones of a batch together.
  void prepare(std::span<const BlockKey> keys) {
    if (mine_ == nullptr) return;
    flavour_.linked = false;
    session_.float_env().leave(frame_);
    CodeCache::Removed removed;
    jit_.prepare(keys, flavour_, session_.stats(), removed);
    context_.see_off(removed);
  }

 private:
  Jit::Got get(const BlockKey& key) {
    if (Translation* found = jit_.code().find(key, flavour_)) {
      session_.stats().add(Stat::lookup_hits);
      jit_.code().touch(*found);
      return {found, {}, true};
    }
    session_.float_env().leave(frame_);
    CodeCache::Removed removed;
    const Jit::Got got = jit_.get(key, flavour_, session_.stats(), removed);
    context_.see_off(removed);
    return got;
  }

  void prepare_float_unit(std::uint64_t mode) {
    session_.float_env().leave(frame_);
    frame_.cold().guest_float_control = float_unit::guest_word(context_.frontend().rounding(mode));
  }
  void fold_float_flags() {
    if (const std::uint8_t raised = float_unit::flags_of(frame_.cold().float_status))
      frame_.cold().float_flags |= raised;
  }

  void enter(const Translation& translation, std::uint64_t mode) {
    prepare_float_unit(mode);
    session_.stats().add(Stat::jit_entries);
    jit_.enter_linked()(&frame_, translation.code());
    fold_float_flags();
    // Emitted code does not follow the mode: it is the same in all blocks that are linked.
    if (static_cast<HostExit>(frame_.cold().exit_code) == HostExit::jump) frame_.cold().mode = mode;
  }
  std::uint32_t enter_single(const Translation& translation, std::uint64_t mode) {
    session_.float_env().leave(frame_);
    session_.stats().add(Stat::jit_entries);
    const bool floats = translation.uses_float();
    if (floats) prepare_float_unit(mode);
    const std::uint32_t exit = jit_.enter_single()(&frame_, translation.code(), floats);
    if (floats) fold_float_flags();
    return exit;
  }

  std::optional<ExecutionResult> stop(ir::StopReason reason, std::int32_t detail, Tier tier) {
    if (reason == ir::StopReason::instruction_fence) {
      session_.fence_instructions();
      return std::nullopt;
    }
    ExecutionResult result = of_reason(engine::exit_reason_of(reason), tier);
    result.detail = detail;
    if (result.reason == ExitReason::syscall) session_.stats().add(Stat::syscalls);
    return result;
  }

  /// After a fault in emitted code: rebuilds the frame, and the interpreter goes on with the block; it is the
  /// judge of faults.
  std::optional<ExecutionResult> recover(std::uint64_t mode) {
    VcpuCold& cold = frame_.cold();
    const auto* at = reinterpret_cast<const std::byte*>(cold.exit_info);
    const bool check = static_cast<HostExit>(cold.exit_code) == HostExit::check_fault;
    const CodeCache::FaultRef ref = check ? jit_.code().check_fault(at) : jit_.code().access_fault(at);
    ASHLAR_ASSERT(ref.site != nullptr, "emitted code faulted at a place that is not known");
    if (!check) mem::abandon_store_conditional(cold, reinterpret_cast<const void*>(cold.fault_addr));
    std::span<const codegen::Resident> residents = ref.in->residents();
    if (residents.empty() && ref.in->flavour().linked) residents = jit_.residents();
    codegen::restore_frame(frame_, *ref.site, ref.in->write_backs(), residents, mine_->dump());
    const BlockKey key = ref.in->key();
    session_.float_env().leave(frame_);
    const IrCache::Got got = session_.find(key);
    const engine::CodeDigest made_from = Jit::digest_of(*ref.in);
    if (got.block != nullptr && got.block->digest().kind == made_from.kind &&
        got.block->digest().hash == made_from.hash) {
      session_.set_key(key);
      return interpret(ref.site->inst, got.block);
    }
    // The guest's code has changed meanwhile: what the emitted code was made from is gone. The guest
    // instruction is done anew as it is now.
    const auto pcs = ref.in->guest_pcs();
    session_.set_key({pcs.empty() ? key.addr : pcs[ref.site->guest_inst], mode});
    return interpret(0, nullptr);
  }

  /// Interprets the vCPU's next block, or `block` from an instruction on. Nothing: it is done.
  std::optional<ExecutionResult> interpret(std::uint32_t start_inst, IrBlock* block) {
    if (block == nullptr) {
      const IrCache::Got got = session_.find(session_.key());
      if (got.block == nullptr) return session_.fault(got.fault, Tier::interpreter);
      block = got.block;
    }
    interp::RunState state;
    state.helpers = context_.frontend().helpers();
    state.memory = vcpu_.memory();
    state.count_fuel = flavour_.count_fuel;
    state.single_block = true;
    state.first = block;
    state.start_inst = start_inst;
    state.jump_table = &session_.data().table_for(*block);
    session_.float_env().enter(block->block->host_rounding());
    const Outcome outcome = interp::run(frame_, state);
    session_.float_env().leave(frame_);
    session_.stats().add(Stat::interpreter_blocks, state.blocks);
    switch (outcome) {
      case Outcome::fault:
        return session_.fault(mem::load_fault(frame_.cold()), Tier::interpreter);
      case Outcome::fuel:
        return of_reason(ExitReason::fuel, Tier::interpreter);
      case Outcome::stop:
        return stop(state.stop_reason, state.detail, Tier::interpreter);
      case Outcome::lookup:
      case Outcome::attention:
      case Outcome::hot:
      case Outcome::block_done:
        return std::nullopt;
    }
    return std::nullopt;
  }

  ExecutionContext::Impl& context_;
  Session session_;
  VcpuFrame& frame_;
  Vcpu& vcpu_;
  Jit& jit_;
  JitVcpu* mine_ = nullptr;
  Flavour flavour_;
};

}  // namespace

JitExecutor::JitExecutor(ExecutionContext& context) : context_(context) { context.impl().jit(); }

ExecutionResult JitExecutor::execute_block(Vcpu& vcpu, BlockKey key) {
  return Dispatcher(context_.impl(), vcpu, false).execute_one(key);
}

std::size_t JitExecutor::execute_blocks(Vcpu& vcpu, std::span<const BlockKey> keys,
                                        std::span<ExecutionResult> results) {
  Dispatcher dispatcher(context_.impl(), vcpu, false);
  const std::size_t count = std::min(keys.size(), results.size());
  dispatcher.prepare(keys.first(count));
  for (std::size_t i = 0; i < count; ++i) {
    results[i] = dispatcher.execute_one(keys[i]);
    if (results[i].reason != ExitReason::block_done) return i + 1;
  }
  return count;
}

ExecutionResult JitExecutor::run(Vcpu& vcpu, const RunLimits& limits) {
  Dispatcher dispatcher(context_.impl(), vcpu, limits.fuel.has_value());
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
  const auto fuel = static_cast<std::int64_t>(std::min(limits.fuel.value_or(0), kMost));
  vcpu.frame().hot.fuel = fuel;
  ExecutionResult result = dispatcher.run();
  if (limits.fuel) result.instructions = static_cast<std::uint64_t>(fuel - vcpu.frame().hot.fuel);
  result.next = vcpu.key();
  return result;
}

void JitExecutor::flush() { context_.flush(); }
void JitExecutor::invalidate(GuestRange range) { context_.invalidate(range); }
StatsSnapshot JitExecutor::stats() const { return context_.stats(); }

}  // namespace ashlar
