// The dispatcher's loop; see dispatcher.hpp.
#include "engine/dispatcher.hpp"

#include <algorithm>
#include <chrono>
#include <limits>

#include "base/assert.hpp"
#include "codegen/restore.hpp"
#include "interp/interpreter.hpp"
#include "mem/fault_info.hpp"
#include "mem/reservations.hpp"

namespace ashlar::engine {

using cache::CodeCache;
using cache::Flavour;
using cache::Translation;
using codegen::ExitKind;
using codegen::HostExit;
using interp::Outcome;

namespace {

ExecutionResult of_reason(ExitReason reason, Tier tier = Tier::jit) {
  ExecutionResult result;
  result.tier = tier;
  result.reason = reason;
  return result;
}

constexpr std::uint32_t kHotEntriesBehindOnce = 2;

/// Counts a pause by its length.
void count_pause(LiveStats& live, StatsCell& stats, std::uint64_t ns) {
  constexpr struct {
    std::uint64_t below;
    Stat stat;
  } kPauses[] = {
      {10'000, Stat::compile_pauses_10us},
      {50'000, Stat::compile_pauses_50us},
      {250'000, Stat::compile_pauses_250us},
      {1'000'000, Stat::compile_pauses_1ms},
      {~std::uint64_t{0}, Stat::compile_pauses_longer},
  };
  for (const auto& pause : kPauses) {
    if (ns >= pause.below) continue;
    stats.add(pause.stat);
    break;
  }
  live.raise(Stat::compile_pause_longest, ns);
}

/// How long its scope has kept a vCPU from running.
class Pause {
 public:
  Pause(LiveStats& live, StatsCell& stats) : live_(live), stats_(stats) {
    if constexpr (kCounting) begin_ = std::chrono::steady_clock::now();
  }
  ~Pause() {
    if constexpr (!kCounting) return;
    const auto time = std::chrono::steady_clock::now() - begin_;
    count_pause(
        live_, stats_,
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(time).count()));
  }
  Pause(const Pause&) = delete;
  Pause& operator=(const Pause&) = delete;

 private:
  LiveStats& live_;
  StatsCell& stats_;
  std::chrono::steady_clock::time_point begin_;
};

}  // namespace

Dispatcher::Choice Dispatcher::choose(const BlockKey& key, From from) {
  if (selector_ != nullptr) return choose_by_policy(key, from);
  Choice choice;
  choice.alone = true;
  if (mine_ == nullptr) return choice;
  const Jit::Got got = get(key);
  choice.translation = got.translation;
  choice.fault = got.fault;
  choice.hit = got.hit;
  return choice;
}

Dispatcher::Choice Dispatcher::choose_by_policy(const BlockKey& key, From from) {
  const TierRules rules = selector_->rules();
  Choice choice;
  TierCounters counters;
  counters.near = from == From::emitted || from == From::emitted_exit;
  if (jit_ == nullptr) adopt_compiler();
  Translation* const found = mine_ != nullptr ? jit_->code().find(key, flavour_) : nullptr;
  counters.compiled = found != nullptr;
  const auto run_found = [&] {
    session_.stats().add(Stat::lookup_hits);
    jit_->code().touch(*found);
    choice.translation = found;
    choice.hit = true;
    return choice;
  };
  // What the counters can't change needs none.
  if (choose_tier(counters, rules) == TierChoice::run_compiled) return run_found();
  if (rules.threshold() == 0 && selector_->queue() == nullptr && (mine_ != nullptr || get_compiler())) {
    const Jit::Got got = compile(key, nullptr);
    choice.translation = got.translation;
    choice.fault = got.fault;
    choice.hit = got.hit;
    choice.alone = true;
    return choice;
  }

  // What compiled code comes to needs no IR for the interpreter, if there is none.
  if (compiles_next(key, counters, rules)) {
    const Jit::Got got = compile(key, nullptr);
    if (got.translation != nullptr || got.fault.kind != FaultKind::none) {
      choice.translation = got.translation;
      choice.fault = got.fault;
      choice.hit = got.hit;
      return choice;
    }
  }

  choice.block = may_run_once(from) ? session_.find_not_once(key) : session_.find(key);
  IrBlock* const block = choice.block.block;
  if (block == nullptr) {
    choice.fault = choice.block.fault;
    return choice;
  }
  choice.hit = choice.block.hit;
  if (choice.block.unpublished) return choice;
  counters.executions = block->executions.load(std::memory_order_relaxed) + 1;
  counters.refused = !compiles() || block->refused.load(std::memory_order_relaxed);
  switch (choose_tier(counters, rules)) {
    case TierChoice::run_compiled:
      return run_found();
    case TierChoice::compile: {
      if (CompileQueue* const queue = selector_->queue()) {
        if (jit_ != nullptr || selector_->worth_a_compiler()) {
          const Pause pause(context_.stats(), session_.stats());
          queue->offer(key, flavour_, std::max(counters.executions, rules.threshold()));
        }
      } else if (mine_ != nullptr || get_compiler()) {
        const Jit::Got got = compile(key, block);
        choice.translation = got.translation;
        if (got.translation != nullptr) {
          choice.hit = got.hit;
          return choice;
        }
        if (got.refused) block->refused.store(true, std::memory_order_relaxed);
      }
      // Interpreted meanwhile, or for good: counts anew, and is not asked about at each entry.
      block->executions.store(0, std::memory_order_relaxed);
      return choice;
    }
    case TierChoice::interpret:
      if (counters.refused && counters.executions >= rules.threshold())
        block->executions.store(0, std::memory_order_relaxed);
      return choice;
  }
  return choice;
}

bool Dispatcher::compiles_next(const BlockKey& key, const TierCounters& counters, const TierRules& rules) {
  if (mine_ == nullptr || selector_->queue() != nullptr) return false;
  return choose_tier(counters, rules) == TierChoice::compile && context_.ir_cache().find(key) == nullptr;
}

void Dispatcher::adopt_compiler() {
  jit_ = context_.jit_if_made();
  if (jit_ != nullptr && jit_->available()) mine_ = &session_.data().jit(*jit_);
}

bool Dispatcher::get_compiler() {
  if (jit_ == nullptr && context_.jit_if_made() == nullptr && selector_->worth_a_compiler()) {
    session_.float_env().leave(frame_);
    const Pause pause(context_.stats(), session_.stats());
    context_.jit();
  }
  if (jit_ == nullptr) adopt_compiler();
  return mine_ != nullptr;
}

Jit::Got Dispatcher::compile(const BlockKey& key, const IrBlock* source) {
  session_.float_env().leave(frame_);
  context_.ir_cache().first_use(key);
  CodeCache::Removed removed;
  const Pause pause(context_.stats(), session_.stats());
  const Jit::Got got = jit_->get(key, flavour_, session_.stats(), removed, source);
  context_.see_off(removed);
  return got;
}

Jit::Got Dispatcher::get(const BlockKey& key) {
  if (Translation* found = jit_->code().find(key, flavour_)) {
    session_.stats().add(Stat::lookup_hits);
    jit_->code().touch(*found);
    return {found, {}, true};
  }
  return compile(key, nullptr);
}

ExecutionResult Dispatcher::run() {
  choose_flavour(true);
  interp::RunState state;
  if (selector_ != nullptr) prepare_to_interpret(state);
  // The exit by which the last block was left, if it is to be linked to the next one: of emitted code, or of
  // an interpreted block.
  Translation* from = nullptr;
  IrBlock* interpreted_from = nullptr;
  std::uint32_t exit = 0;
  From asked_from = From::elsewhere;
  for (;;) {
    if (session_.attention()) {
      from = nullptr;
      interpreted_from = nullptr;
      if (session_.attend()) return of_reason(ExitReason::halted);
    }
    if (flavour_.count_fuel && frame_.hot.fuel <= 0) return of_reason(ExitReason::fuel);
    const BlockKey key = session_.key();
    if (selector_ != nullptr && may_run_once(asked_from)) {
      if (IrCache::Got once; session_.find_once(key, once)) {
        from = nullptr;
        interpreted_from = nullptr;
        asked_from = From::elsewhere;
        if (once.block == nullptr) return session_.fault(once.fault, Tier::interpreter);
        // What calls code that runs once is often warm itself. Interpreting it between two such blocks costs
        // less than the way to its compiled code and back.
        state.hot_entries = kHotEntriesBehindOnce;
        if (auto stopped = interpret_from(*once.block, state, interpreted_from, exit)) return *stopped;
        if (interpreted_from == once.block) interpreted_from = nullptr;
        continue;
      }
    }
    codegen::JumpCache* jumps = nullptr;
    if (mine_ != nullptr) {
      flavour_.plan = jit_->plan_number();
      jumps = &JitVcpu::select(frame_, session_.data().tables(), key.mode, flavour_);
      if (session_.attention()) continue;
    }
    Translation* const known = jumps != nullptr ? find_known(key) : nullptr;
    const Choice choice = known != nullptr ? Choice{known, {}, {}, true, false} : choose(key, asked_from);
    if (choice.translation == nullptr) {
      from = nullptr;
      IrBlock* const previous = std::exchange(interpreted_from, nullptr);
      if (choice.fault.kind != FaultKind::none)
        return session_.fault(choice.fault, selector_ != nullptr ? Tier::interpreter : Tier::jit);
      IrBlock* const block = choice.block.block;
      if (choice.alone || block == nullptr) {
        if (auto stopped = interpret_one(0, block)) return *stopped;
        continue;
      }
      if (previous != nullptr && !choice.block.unpublished) {
        session_.link(*previous, exit, *block);
      } else {
        session_.remember(choice.block);
      }
      asked_from = From::elsewhere;
      state.hot_entries = 0;
      if (auto stopped = interpret_from(*block, state, interpreted_from, exit)) return *stopped;
      if (choice.block.unpublished && interpreted_from == block) interpreted_from = nullptr;
      continue;
    }
    interpreted_from = nullptr;
    // There is a compiler since just now, or another plan of registers.
    if (jumps == nullptr || choice.translation->flavour().plan != flavour_.plan) {
      from = nullptr;
      continue;
    }
    if (from != nullptr) {
      if (jit_->code().link(*from, exit, *choice.translation)) session_.stats().add(Stat::links);
    } else {
      JitVcpu::enter(*jumps, *choice.translation);
    }
    session_.data().tables().current_translations->entered_at(key.addr) = choice.translation;
    from = nullptr;
    asked_from = From::elsewhere;
    enter(*choice.translation, key.mode);
    VcpuCold& cold = frame_.cold();
    const auto* at = reinterpret_cast<const std::byte*>(cold.exit_info);
    switch (static_cast<HostExit>(cold.exit_code)) {
      case HostExit::site: {
        const CodeCache::ExitRef ref = jit_->code().site_of(at);
        ASHLAR_ASSERT(ref.from != nullptr, "emitted code left by an exit that is not known");
        if (ref.exit == Translation::kNoExit) {
          const BlockKey hot = ref.from->key();
          session_.set_key(hot);
          session_.float_env().leave(frame_);
          context_.block_is_hot(hot, session_.stats());
          break;
        }
        const codegen::ExitSite& site = ref.from->exits()[ref.exit].site;
        session_.set_key(site.target);
        switch (site.kind) {
          case ExitKind::direct:
          case ExitKind::call:
            from = ref.from;
            exit = ref.exit;
            asked_from = From::emitted_exit;
            break;
          case ExitKind::attention:
            break;
          case ExitKind::fuel:
            if (frame_.hot.fuel <= 0) break;
            if (auto stopped = interpret_one(0, nullptr)) return *stopped;
            break;
          case ExitKind::stop:
            if (auto stopped = stop(site.stop_reason, site.detail, Tier::jit)) return *stopped;
            break;
        }
        break;
      }
      case HostExit::jump:
        session_.stats().add(Stat::jump_cache_misses);
        asked_from = From::emitted;
        break;
      case HostExit::mode:
        break;
      case HostExit::check_fault:
      case HostExit::access_fault:
        if (auto stopped = recover(key.mode)) return *stopped;
        break;
    }
  }
}

void Dispatcher::execute_one(BlockKey key, std::span<const BlockKey>& due, ExecutionResult& result) {
  choose_flavour(false);
  session_.set_key(key);
  result = {};
  result.tier = Tier::jit;
  if (session_.attention() && session_.attend()) [[unlikely]] {
    result.reason = ExitReason::halted;
    result.next = key;
    return;
  }
  if (const Translation* const found = find_compiled(key)) [[likely]] {
    result.cache_hit = true;
    run_single(*found, key.mode, result);
  } else {
    if (due.size() > 1) prepare(due);
    due = {};
    execute_missing(key, result);
  }
  // A stop is reported before anybody's wish to halt is.
  if (result.reason == ExitReason::block_done && session_.attention() && session_.attend()) [[unlikely]]
    result.reason = ExitReason::halted;
  result.next = session_.key();
}

inline Translation* Dispatcher::find_known(const BlockKey& key) {
  if (selector_ != nullptr && selector_->preference() == TierPreference::interpreter) return nullptr;
  Translation* const known = session_.data().tables().current_translations->known(key.addr);
  if (known != nullptr) jit_->code().touch(*known);
  return known;
}

inline Translation* Dispatcher::find_compiled(BlockKey key) {
  if (mine_ == nullptr) return nullptr;
  // As choose_tier decides whatever the counters are.
  if (selector_ != nullptr && selector_->preference() == TierPreference::interpreter) return nullptr;
  Translation* const found = jit_->code().find(key, flavour_);
  if (found == nullptr) return nullptr;
  session_.stats().add(Stat::lookup_hits);
  jit_->code().touch(*found);
  return found;
}

void Dispatcher::execute_missing(const BlockKey& key, ExecutionResult& result) {
  const Choice choice = choose(key, From::caller);
  if (choice.translation != nullptr) {
    run_single(*choice.translation, key.mode, result);
  } else if (choice.fault.kind != FaultKind::none) {
    result = session_.fault(choice.fault, Tier::none);
  } else if (auto stopped = interpret_one(0, choice.block.block)) {
    result = *stopped;
  } else {
    result.tier = Tier::interpreter;
  }
  result.cache_hit = choice.hit;
}

inline void Dispatcher::run_single(const Translation& translation, std::uint64_t mode,
                                   ExecutionResult& result) {
  // From the next time on execute_block takes the short way.
  session_.data().enter_single(*jit_, translation);
  settle(translation.code(), enter_single(translation, mode), mode, result);
}

void Dispatcher::finish_one(const void* code, std::uint32_t exit, std::uint64_t mode,
                            ExecutionResult& result) {
  choose_flavour(false);
  settle(code, exit, mode, result);
  if (result.reason == ExitReason::block_done && session_.attention() && session_.attend())
    result.reason = ExitReason::halted;
}

void Dispatcher::settle(const void* code, std::uint32_t exit, std::uint64_t mode, ExecutionResult& result) {
  if (exit == codegen::kSingleDone || exit == codegen::kSingleDoneInMode) return;
  std::optional<ExecutionResult> stopped;
  if (exit == codegen::kSingleFault) [[unlikely]] {
    stopped = recover(mode);
  } else {
    const Translation* const left = jit_->code().find_by_pc(code);
    ASHLAR_ASSERT(left != nullptr, "a block that has been run is not known");
    const codegen::ExitSite& site = left->exits()[exit - codegen::kSingleSite].site;
    session_.set_key(site.target);
    if (site.kind == ExitKind::stop) stopped = stop(site.stop_reason, site.detail, Tier::jit);
  }
  if (!stopped) return;
  const bool hit = result.cache_hit;
  result = *stopped;
  result.cache_hit = hit;
}

void Dispatcher::prepare(std::span<const BlockKey> keys) {
  if (mine_ == nullptr && (selector_ == nullptr || jit_ != nullptr)) return;
  choose_flavour(false);
  session_.float_env().leave(frame_);
  std::vector<BlockKey> due;
  if (selector_ != nullptr) {
    if (selector_->queue() != nullptr) return;
    const TierRules rules = selector_->rules();
    for (const BlockKey& key : keys) {
      TierCounters counters;
      counters.compiled = mine_ != nullptr && jit_->code().find(key, flavour_) != nullptr;
      if (const IrBlock* const block = context_.ir_cache().find(key)) {
        counters.executions = block->executions.load(std::memory_order_relaxed) + 1;
        counters.refused = block->refused.load(std::memory_order_relaxed);
      }
      if (choose_tier(counters, rules) == TierChoice::compile) due.push_back(key);
    }
    keys = due;
  }
  if (keys.empty() || (mine_ == nullptr && !get_compiler())) return;
  CodeCache::Removed removed;
  const Pause pause(context_.stats(), session_.stats());
  jit_->prepare(keys, flavour_, session_.stats(), removed);
  context_.see_off(removed);
}

void Dispatcher::enter(const Translation& translation, std::uint64_t mode) {
  session_.float_env().leave(frame_);
  jit_->begin_floats(frame_, mode);
  session_.stats().add(Stat::jit_entries);
  const RegisterPlan& plan = jit_->plan(translation.flavour().plan);
  mine_->follow(frame_, plan);
  plan.enter_linked(&frame_, translation.code());
  Jit::end_floats(frame_);
  // Emitted code does not follow the mode: it is the same in all blocks that are linked.
  if (static_cast<HostExit>(frame_.cold().exit_code) == HostExit::jump) frame_.cold().mode = mode;
}
std::uint32_t Dispatcher::enter_single(const Translation& translation, std::uint64_t mode) {
  session_.float_env().leave(frame_);
  session_.stats().add(Stat::jit_entries);
  return jit_->run_single(frame_, translation.code(), translation.uses_float(), mode);
}

KnownRun Dispatcher::run_known(std::span<const BlockKey> keys, std::span<ExecutionResult> results) {
  session_.float_env().leave(frame_);
  return run_known_inside(context_, vcpu_, keys, results, selector_);
}

std::optional<ExecutionResult> Dispatcher::stop(ir::StopReason reason, std::int32_t detail, Tier tier) {
  if (reason == ir::StopReason::instruction_fence) {
    session_.fence_instructions();
    return std::nullopt;
  }
  ExecutionResult result = of_reason(exit_reason_of(reason), tier);
  result.detail = detail;
  if (result.reason == ExitReason::syscall) session_.stats().add(Stat::syscalls);
  return result;
}

/// After a fault in emitted code: rebuilds the frame, and the interpreter goes on with the block; it is the
/// judge of faults.
std::optional<ExecutionResult> Dispatcher::recover(std::uint64_t mode) {
  VcpuCold& cold = frame_.cold();
  const auto* at = reinterpret_cast<const std::byte*>(cold.exit_info);
  const bool check = static_cast<HostExit>(cold.exit_code) == HostExit::check_fault;
  const CodeCache::FaultRef ref = check ? jit_->code().check_fault(at) : jit_->code().access_fault(at);
  ASHLAR_ASSERT(ref.site != nullptr, "emitted code faulted at a place that is not known");
  if (!check) mem::abandon_store_conditional(cold, reinterpret_cast<const void*>(cold.fault_addr));
  std::span<const codegen::Resident> residents = ref.in->residents();
  if (residents.empty() && ref.in->flavour().linked) residents = jit_->plan(ref.in->flavour().plan).residents;
  codegen::restore_frame(frame_, *ref.site, ref.in->write_backs(), residents, session_.data().tables().dump);
  const BlockKey key = ref.in->key();
  session_.float_env().leave(frame_);
  const IrCache::Got got = session_.find(key);
  const CodeDigest made_from = Jit::digest_of(*ref.in);
  if (got.block != nullptr && got.block->digest().kind == made_from.kind &&
      got.block->digest().hash == made_from.hash) {
    session_.set_key(key);
    return interpret_one(ref.site->inst, got.block);
  }
  // The guest's code has changed meanwhile: what the emitted code was made from is gone. The guest
  // instruction is done anew as it is now.
  session_.set_key({ref.site->guest_pc, mode});
  return interpret_one(0, nullptr);
}

void Dispatcher::prepare_to_interpret(interp::RunState& state) {
  state.helpers = context_.frontend().helpers();
  state.memory = vcpu_.memory();
  state.count_fuel = flavour_.count_fuel;
}

std::optional<ExecutionResult> Dispatcher::interpret_from(IrBlock& block, interp::RunState& state,
                                                          IrBlock*& from, std::uint32_t& exit) {
  // At least 2, so that a block that was set back to 0 is entered.
  state.hot_threshold = compiles() ? std::max(selector_->rules().threshold(), 2u) : ~0u;
  Outcome outcome;
  if (auto stopped = interpret(state, block, outcome)) return stopped;
  if (outcome == Outcome::lookup) {
    from = static_cast<IrBlock*>(state.from);
    exit = state.exit;
  }
  return std::nullopt;
}

std::optional<ExecutionResult> Dispatcher::interpret(interp::RunState& state, IrBlock& block,
                                                     Outcome& outcome) {
  state.first = &block;
  state.jump_table = &session_.data().table_for(block);
  session_.float_env().enter(frame_, block.block->host_rounding());
  outcome = interp::run(frame_, state);
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

std::optional<ExecutionResult> Dispatcher::interpret_one(std::uint32_t start_inst, IrBlock* block) {
  for (;;) {
    if (block == nullptr) {
      const IrCache::Got got = session_.find(session_.key());
      if (got.block == nullptr) return session_.fault(got.fault, Tier::interpreter);
      block = got.block;
    }
    interp::RunState state;
    prepare_to_interpret(state);
    state.single_block = true;
    state.start_inst = start_inst;
    Outcome outcome;
    auto stopped = interpret(state, *block, outcome);
    session_.float_env().leave(frame_);
    if (stopped || start_inst != 0 || state.blocks != 0) return stopped;
    if (outcome != Outcome::attention && outcome != Outcome::hot) return stopped;
    // In front of the block: somebody wants attention, or it has become hot, which means nothing here.
    if (session_.attention() && session_.attend()) return of_reason(ExitReason::halted, Tier::interpreter);
    block = nullptr;
  }
}

ExecutionResult run_dispatched(ExecutionContext::Impl& context, Vcpu& vcpu, const RunLimits& limits,
                               TierSelector* selector) {
  Dispatcher dispatcher(context, vcpu, limits.fuel.has_value(), selector);
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
  const auto fuel = static_cast<std::int64_t>(std::min(limits.fuel.value_or(0), kMost));
  vcpu.frame().hot.fuel = fuel;
  ExecutionResult result = dispatcher.run();
  if (limits.fuel) result.instructions = static_cast<std::uint64_t>(fuel - vcpu.frame().hot.fuel);
  result.next = vcpu.key();
  return result;
}

std::size_t execute_dispatched(ExecutionContext::Impl& context, Vcpu& vcpu, std::span<const BlockKey> keys,
                               std::span<ExecutionResult> results, TierSelector* selector) {
  const std::size_t count = std::min(keys.size(), results.size());
  keys = keys.first(count);
  results = results.first(count);
  KnownRun known = run_known(context, vcpu, keys, results, selector);
  std::size_t done = known.done;
  if (known.ended || done == count) return done;
  Dispatcher dispatcher(context, vcpu, false, selector);
  // What is missing is made ready together with those behind it, once.
  std::span<const BlockKey> due = keys.subspan(done);
  for (;;) {
    dispatcher.execute_one(keys[done], due, results[done]);
    if (results[done++].reason != ExitReason::block_done || done == count) return done;
    known = dispatcher.run_known(keys.subspan(done), results.subspan(done));
    done += known.done;
    if (known.ended || done == count) return done;
    if (!due.empty()) due = keys.subspan(done);
  }
}

}  // namespace ashlar::engine
