// See known_blocks.hpp. Each instruction here is some percent of a call.
#include "engine/known_blocks.hpp"

#include <algorithm>

#include "codegen/runtime.hpp"
#include "engine/dispatcher.hpp"

namespace ashlar::engine {

namespace {

/// What is not a plain end: a fault, a stop, a wish for attention.
[[gnu::noinline, gnu::cold]] void finish(ExecutionContext::Impl& context, Vcpu& vcpu, TierSelector* selector,
                                         const cache::Translation& translation, std::uint32_t exit,
                                         std::uint64_t mode, ExecutionResult& result) {
  Dispatcher dispatcher(context, vcpu, false, selector, Session::Place::inside);
  dispatcher.finish_one(translation, exit, mode, result);
}

}  // namespace

KnownRun run_known(ExecutionContext::Impl& context, Vcpu& vcpu, std::span<const BlockKey> keys,
                   std::span<ExecutionResult> results, TierSelector* selector) {
  VcpuFrame& frame = vcpu.frame();
  auto* const data = static_cast<VcpuData*>(frame.cold().engine);
  if (data == nullptr || !data->belongs_to(context)) return {};
  const VcpuTables::Singles* const known = data->singles();
  Jit* const jit = context.jit_if_made();
  if (known == nullptr || jit == nullptr) return {};
  // As choose_tier decides whatever the counters are.
  if (selector != nullptr && selector->preference() == TierPreference::interpreter) return {};

  KnownRun run;
  const std::size_t count = std::min(keys.size(), results.size());
  StatsCell& stats = data->stats();
  context.epochs().enter(data->participant());
  while (run.done < count && !run.ended) {
    // Who removes translations says so before they are freed: what is found without attention being wanted
    // stays while we are inside.
    if (frame.hot.attention.load(std::memory_order_relaxed) != 0) break;
    const std::uint64_t addr = keys[run.done].addr.value, mode = keys[run.done].mode;
    const VcpuTables::Singles::Entry& entry = known->entries[VcpuTables::Singles::index(addr)];
    if (entry.addr != addr || entry.mode != mode || entry.translation == nullptr) break;
    const cache::Translation& translation = *entry.translation;
    stats.add(Stat::lookup_hits);
    stats.add(Stat::jit_entries);
    jit->code().touch(*entry.last_use);
    Session::set_key_of(frame, {{addr}, mode});
    const std::uint32_t exit = jit->run_single(frame, translation, mode);

    ExecutionResult& result = results[run.done++];
    result = {};
    result.tier = Tier::jit;
    result.cache_hit = true;
    bool plain = exit == codegen::kSingleJump;
    if (exit < codegen::kSingleFault) {
      const codegen::ExitSite& site = translation.exits()[exit].site;
      Session::set_key_of(frame, site.target);
      plain = site.kind != codegen::ExitKind::stop;
    }
    if (!plain || frame.hot.attention.load(std::memory_order_relaxed) != 0) [[unlikely]] {
      finish(context, vcpu, selector, translation, exit, mode, result);
      run.ended = result.reason != ExitReason::block_done;
    }
    result.next = Session::key_of(frame);
  }
  if (run.done != 0) stats.add(Stat::runs);
  data->end();
  context.epochs().leave(data->participant());
  return run;
}

}  // namespace ashlar::engine
