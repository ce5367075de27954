// What it takes to make a block: everything together through the public door, and phase by phase.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "codegen/backend.hpp"
#include "codegen/plan.hpp"
#include "engine/host_backend.hpp"
#include "engine/translator.hpp"
#include "latency/bench_names.hpp"
#include "latency/rig.hpp"
#include "mem/layout.hpp"
#include "opt/optimise.hpp"

namespace ashlar::bench {
namespace {

/// Blocks between two flushes, which are not timed.
constexpr std::size_t kFresh = 1024;

/// execute_block of keys that nobody has asked for yet: look-up, translation, compiling, publication, one
/// execution.
void cold(benchmark::State& state, Kind kind, unsigned size, Tiers tiers) {
  Rig rig({.tiers = tiers});
  const auto block = make_block(kind, size);
  const auto keys = rig.put_copies(block, kFresh);
  const BlockKey other = rig.put_copies(block, 1)[0];
  while (state.KeepRunningBatch(kFresh)) {
    state.PauseTiming();
    rig.context().flush();
    rig.execute_or_die(other);  // attends to the flush
    state.ResumeTiming();
    for (const BlockKey& key : keys) benchmark::DoNotOptimize(rig.execute(key));
  }
  state.SetItemsProcessed(state.iterations());
}

/// A batch of five cold blocks; the time is that of the batch.
void cold_batch(benchmark::State& state, Kind kind, unsigned size) {
  constexpr std::size_t kBatch = 5, kBatches = 200;
  Rig rig;
  const auto block = make_block(kind, size);
  const auto keys = rig.put_copies(block, kBatch * kBatches);
  const BlockKey other = rig.put_copies(block, 1)[0];
  std::array<ExecutionResult, kBatch> results;
  while (state.KeepRunningBatch(kBatches)) {
    state.PauseTiming();
    rig.context().flush();
    rig.execute_or_die(other);
    state.ResumeTiming();
    for (std::size_t i = 0; i < kBatches; ++i) {
      const auto batch = std::span(keys).subspan(i * kBatch, kBatch);
      if (rig.executor().execute_blocks(rig.vcpu(), batch, results) != kBatch) die("a batch stopped early");
    }
  }
}

void translate(benchmark::State& state, Kind kind, unsigned size) {
  Rig rig;
  const BlockKey key = rig.put_copies(make_block(kind, size), 1)[0];
  engine::TranslationBuffers buffers;
  StatsCell uncounted;
  for (auto _ : state) benchmark::DoNotOptimize(rig.inside().translator().translate(key, buffers, uncounted));
}

ir::BlockPtr ir_of(Rig& rig, Kind kind, unsigned size) {
  const BlockKey key = rig.put_copies(make_block(kind, size), 1)[0];
  engine::TranslationBuffers buffers;
  auto translated = rig.inside().translator().translate_only(key, buffers);
  if (translated.block == nullptr) die("a block could not be translated");
  return std::move(translated.block);
}

void optimise(benchmark::State& state, Kind kind, unsigned size) {
  Rig rig;
  const ir::BlockPtr block = ir_of(rig, kind, size);
  opt::Optimiser optimiser;
  for (auto _ : state) benchmark::DoNotOptimize(&optimiser.optimise(*block));
}

/// The passes in front of emission: next uses, dead stores, bounds checks, joins. Part of what `emit` times.
void plan(benchmark::State& state, Kind kind, unsigned size) {
  Rig rig;
  const ir::BlockPtr block = ir_of(rig, kind, size);
  opt::Optimiser optimiser;
  const ir::Block& optimised = optimiser.optimise(*block);
  codegen::Plan plan;
  for (auto _ : state) {
    plan.analyse(optimised, mem::kDisplacementSlack, true);
    benchmark::DoNotOptimize(&plan);
  }
}

/// The plan, then registers and emission together: one walk over the block gives out registers as it emits.
void emit(benchmark::State& state, Kind kind, unsigned size, const char* arch) {
  Rig rig;
  const ir::BlockPtr block = ir_of(rig, kind, size);
  opt::Optimiser optimiser;
  const ir::Block& optimised = optimiser.optimise(*block);
  auto backend = engine::make_named_backend(arch);
  if (!backend) die(backend.error().message.c_str());
  const auto compiler = (*backend)->make_compiler(rig.frontend().layout());
  codegen::Emitted emitted;
  for (auto _ : state) {
    if (!compiler->compile(optimised, {}, emitted)) die("a block could not be compiled");
  }
  state.counters["code_bytes"] = static_cast<double>(emitted.code.size());
}

/// From the emitted record to the index: claim, make (reserve, write, commit), publish.
void publish(benchmark::State& state, Kind kind, unsigned size) {
  Rig rig;
  const ir::BlockPtr block = ir_of(rig, kind, size);
  opt::Optimiser optimiser;
  const auto backend = engine::make_host_backend(rig.context().config().code_limit);
  const auto compiler = backend->make_compiler(rig.frontend().layout());
  codegen::Emitted emitted;
  if (!compiler->compile(optimiser.optimise(*block), {}, emitted)) die("a block could not be compiled");
  cache::CodeCache& code = rig.code();
  cache::EpochDomain& epochs = rig.inside().epochs();
  const cache::Flavour flavour;
  while (state.KeepRunningBatch(kFresh)) {
    state.PauseTiming();
    rig.context().flush();
    epochs.reclaim();
    {
      const cache::EpochScope scope(epochs);
      state.ResumeTiming();
      for (std::size_t i = 0; i < kFresh; ++i) {
        emitted.key.addr.value = Rig::kCode + 4 * size * i;
        emitted.guest_ranges[0].begin = emitted.key.addr;
        if (!code.claim(emitted.key, flavour, cache::OnBusy::wait).claimed) die("a key was there already");
        cache::CodeCache::Making making{&emitted, {}};
        if (code.make(std::span(&making, 1), flavour) != cache::CodeCache::Outcome::made)
          die("no room in code memory");
        code.publish(code.lock(), std::span(&making.made, 1));
      }
      state.PauseTiming();
    }
    state.ResumeTiming();
  }
}

const Register all([] {
  constexpr unsigned kSizes[] = {1, 5, 20, 100};
  for (const Kind kind : kKinds) {
    for (const unsigned size : kSizes) {
      const std::string block = std::string(to_string(kind)) + "/" + std::to_string(size);
      add("compile/" + block, cold, kind, size, Tiers::jit);
      add("prepare_to_interpret/" + block, cold, kind, size, Tiers::interpreter);
      add("phase/translate/" + block, translate, kind, size);
      add("phase/optimise/" + block, optimise, kind, size);
      add("phase/plan/" + block, plan, kind, size);
      add("phase/emit_x64/" + block, emit, kind, size, "x64");
      add("phase/emit_a64/" + block, emit, kind, size, "a64");
      add("phase/publish/" + block, publish, kind, size);
    }
  }
  add("compile_batch_of_5/integer/20", cold_batch, Kind::integer, 20u);
});

}  // namespace
}  // namespace ashlar::bench
