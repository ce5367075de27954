// See known_blocks.hpp. Each instruction here is some percent of a call.
#include "engine/known_blocks.hpp"

#include <algorithm>
#include <array>

#include "codegen/runtime.hpp"
#include "engine/dispatcher.hpp"

namespace ashlar::engine {

namespace {

using Singles = VcpuTables::Singles;

/// So many blocks are entered together.
constexpr std::size_t kBatch = 64;

/// What is not a plain end: a fault, a stop, a wish for attention.
[[gnu::noinline, gnu::cold]] void finish(ExecutionContext::Impl& context, Vcpu& vcpu, TierSelector* selector,
                                         const void* code, std::uint32_t exit, std::uint64_t mode,
                                         ExecutionResult& result) {
  Dispatcher dispatcher(context, vcpu, false, selector, Session::Place::inside);
  dispatcher.finish_one(code, exit, mode, result);
  result.next = vcpu.key();
}

[[gnu::noinline]] ExecutionResult execute_unknown(ExecutionContext::Impl& context, Vcpu& vcpu, BlockKey key,
                                                  TierSelector* selector) {
  ExecutionResult result;
  std::span<const BlockKey> due;
  Dispatcher(context, vcpu, false, selector).execute_one(key, due, result);
  return result;
}

/// The vCPU's data if it knows any blocks that may be run, or null.
VcpuData* data_of(const ExecutionContext::Impl& context, Vcpu& vcpu, const TierSelector* selector) {
  auto* const data = static_cast<VcpuData*>(vcpu.frame().cold().engine);
  if (data == nullptr || !data->belongs_to(context) || data->singles() == nullptr) return nullptr;
  // As choose_tier decides whatever the counters are.
  if (selector != nullptr && selector->preference() == TierPreference::interpreter) return nullptr;
  return data;
}

bool attention(const VcpuFrame& frame) { return frame.hot.attention.load(std::memory_order_relaxed) != 0; }

/// The result of a block that has ended.
void set_done(ExecutionResult& result, const BlockKey& next) {
  result = {};
  result.tier = Tier::jit;
  result.cache_hit = true;
  result.next = next;
}

/// Runs what has been found, and leaves. A function of its own, which builds its result in place.
[[gnu::always_inline]] inline ExecutionResult run_found(ExecutionContext::Impl& context, Vcpu& vcpu,
                                                        const BlockKey& key, TierSelector* selector,
                                                        VcpuData& data, std::size_t index) {
  VcpuFrame& frame = vcpu.frame();
  Jit& jit = *context.jit_if_made();
  StatsCell& stats = data.stats();
  stats.add(Stat::runs);
  stats.add(Stat::lookup_hits);
  stats.add(Stat::jit_entries);
  const Singles& singles = *data.singles();
  const Singles::Entry& entry = singles.entries[index];
  const void* const code = entry.code;
  jit.code().touch(*entry.last_use);
  frame.cold().mode = key.mode;
  const std::uint32_t exit = jit.run_single(frame, code, singles.uses_float[index], key.mode);
  ExecutionResult result;
  set_done(result, Session::key_of(frame));
  if (exit != codegen::kSingleDone || attention(frame)) [[unlikely]]
    finish(context, vcpu, selector, code, exit, key.mode, result);
  data.end();
  context.epochs().leave(data.participant());
  return result;
}

}  // namespace

ExecutionResult execute_one_dispatched(ExecutionContext::Impl& context, Vcpu& vcpu, BlockKey key,
                                       TierSelector* selector) {
  VcpuData* const data = data_of(context, vcpu, selector);
  if (data == nullptr) [[unlikely]]
    return execute_unknown(context, vcpu, key, selector);
  const std::size_t index = Singles::index(key.addr.value);
  // Who removes translations says so before they are freed: what is found without attention being wanted
  // stays while we are inside.
  context.epochs().enter(data->participant());
  const Singles::Entry& entry = data->singles()->entries[index];
  if (entry.addr == key.addr.value && entry.mode == key.mode && entry.code != nullptr &&
      !attention(vcpu.frame())) [[likely]]
    return run_found(context, vcpu, key, selector, *data, index);
  context.epochs().leave(data->participant());
  return execute_unknown(context, vcpu, key, selector);
}

KnownRun run_known_inside(ExecutionContext::Impl& context, Vcpu& vcpu, std::span<const BlockKey> keys,
                          std::span<ExecutionResult> results, TierSelector* selector) {
  KnownRun run;
  VcpuData* const data = data_of(context, vcpu, selector);
  if (data == nullptr) return run;
  VcpuFrame& frame = vcpu.frame();
  Jit& jit = *context.jit_if_made();
  std::array<codegen::BatchStep, kBatch + 1> steps;
  // Attention is looked at here, and by emitted code behind each block.
  while (run.done < keys.size() && !run.ended && !attention(frame)) {
    const Singles& singles = *data->singles();
    const std::uint64_t mode = keys[run.done].mode;
    const std::size_t most = std::min(keys.size() - run.done, kBatch);
    std::size_t count = 0;
    bool uses_float = false;
    for (; count < most; ++count) {
      const BlockKey& key = keys[run.done + count];
      const std::size_t index = Singles::index(key.addr.value);
      const Singles::Entry& entry = singles.entries[index];
      if (entry.addr != key.addr.value || entry.mode != key.mode || key.mode != mode || entry.code == nullptr)
        break;
      jit.code().touch(*entry.last_use);
      uses_float |= singles.uses_float[index];
      steps[count].code = entry.code;
    }
    if (count == 0) break;
    steps[count].code = nullptr;

    frame.cold().mode = mode;
    const std::uint32_t exit = jit.run_batch(frame, steps.data(), uses_float, mode);
    const auto ended =
        static_cast<std::size_t>(static_cast<codegen::BatchStep*>(frame.cold().batch_step) - steps.data());
    for (std::size_t i = 0; i < ended; ++i) set_done(results[run.done + i], {{steps[i].next}, mode});
    run.done += ended;
    std::size_t entered = ended;
    const void* code = nullptr;
    if (exit != codegen::kSingleDone) {
      code = steps[ended].code;
      set_done(results[run.done++], Session::key_of(frame));
      ++entered;
    }
    data->stats().add(Stat::lookup_hits, entered);
    data->stats().add(Stat::jit_entries, entered);
    if (entered == 0) break;
    if (exit != codegen::kSingleDone || attention(frame)) [[unlikely]] {
      ExecutionResult& last = results[run.done - 1];
      finish(context, vcpu, selector, code, exit, mode, last);
      run.ended = last.reason != ExitReason::block_done;
    }
  }
  return run;
}

KnownRun run_known(ExecutionContext::Impl& context, Vcpu& vcpu, std::span<const BlockKey> keys,
                   std::span<ExecutionResult> results, TierSelector* selector) {
  VcpuData* const data = data_of(context, vcpu, selector);
  if (data == nullptr) return {};
  context.epochs().enter(data->participant());
  const KnownRun run = run_known_inside(context, vcpu, keys, results, selector);
  // If there is more to be done, the dispatcher's session counts the call.
  if (run.ended || run.done == keys.size()) data->stats().add(Stat::runs);
  if (run.done != 0) data->end();
  context.epochs().leave(data->participant());
  return run;
}

}  // namespace ashlar::engine
