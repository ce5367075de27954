// From cold to hot: what the first N executions of a block take together, by execute_block, on each engine.
// Counters n1, n2, n4, ... in ns, medians over blocks that nobody has asked for before.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <vector>

#include "latency/bench_names.hpp"
#include "latency/rig.hpp"

namespace ashlar::bench {
namespace {

constexpr std::size_t kBlocks = 128;
constexpr std::size_t kPoints = 13;  // up to 4096 executions

double nanoseconds() {
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void curve(benchmark::State& state, Tiers tiers) {
  Rig rig({.tiers = tiers});
  const auto block = make_block(Kind::integer, 20);
  const auto warm_up = rig.put_copies(block, kBlocks);
  for (const BlockKey& key : warm_up) rig.execute_or_die(key);
  // What looking at the clock takes is not the block's.
  double clock = 1e9;
  for (int i = 0; i < 1000; ++i) {
    const double begin = nanoseconds();
    clock = std::min(clock, nanoseconds() - begin);
  }
  std::array<std::vector<double>, kPoints> samples;
  while (state.KeepRunningBatch(kBlocks)) {
    state.PauseTiming();
    const auto keys = rig.put_copies(block, kBlocks);
    state.ResumeTiming();
    for (const BlockKey& key : keys) {
      std::size_t done = 0;
      double spent = 0;
      for (std::size_t point = 0; point < kPoints; ++point) {
        const double begin = nanoseconds();
        for (; done < std::size_t{1} << point; ++done) benchmark::DoNotOptimize(rig.execute(key));
        spent += nanoseconds() - begin - clock;
        samples[point].push_back(spent);
      }
    }
  }
  for (std::size_t point = 0; point < kPoints; ++point) {
    auto& all = samples[point];
    std::nth_element(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2), all.end());
    state.counters["n" + std::to_string(std::size_t{1} << point)] = all[all.size() / 2];
  }
}

const Register all([] {
  add("cold_to_hot/interpreter", curve, Tiers::interpreter)->Iterations(kBlocks);
  add("cold_to_hot/jit", curve, Tiers::jit)->Iterations(kBlocks);
  add("cold_to_hot/hybrid", curve, Tiers::hybrid)->Iterations(kBlocks);
});

}  // namespace
}  // namespace ashlar::bench
