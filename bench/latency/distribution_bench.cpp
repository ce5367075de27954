// How single executions are distributed, not only how long they take on average: counters p01 to p999, in ns.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "latency/bench_names.hpp"
#include "latency/rig.hpp"

namespace ashlar::bench {
namespace {

constexpr std::size_t kKeys = 2048;
/// Executions of a cached block between two looks at the clock.
constexpr int kGroup = 32;

double nanoseconds() {
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void report(benchmark::State& state, std::vector<double>& samples) {
  std::sort(samples.begin(), samples.end());
  constexpr struct {
    const char* name;
    double part;
  } kPoints[] = {{"p01", 0.01}, {"p05", 0.05}, {"p10", 0.1},  {"p25", 0.25}, {"p50", 0.5},
                 {"p75", 0.75}, {"p90", 0.9},  {"p95", 0.95}, {"p99", 0.99}, {"p999", 0.999}};
  const double last = static_cast<double>(samples.size() - 1);
  for (const auto& point : kPoints)
    state.counters[point.name] = samples[static_cast<std::size_t>(point.part * last)];
}

void cold(benchmark::State& state, Kind kind, unsigned size) {
  Rig rig;
  const auto block = make_block(kind, size);
  const auto keys = rig.put_copies(block, kKeys);
  const BlockKey other = rig.put_copies(block, 1)[0];
  // What looking at the clock takes is not the block's.
  double clock = 1e9;
  for (int i = 0; i < 1000; ++i) {
    const double begin = nanoseconds();
    clock = std::min(clock, nanoseconds() - begin);
  }
  std::vector<double> samples;
  while (state.KeepRunningBatch(kKeys)) {
    state.PauseTiming();
    rig.context().flush();
    rig.execute_or_die(other);
    state.ResumeTiming();
    for (const BlockKey& key : keys) {
      const double begin = nanoseconds();
      benchmark::DoNotOptimize(rig.execute(key));
      samples.push_back(nanoseconds() - begin - clock);
    }
  }
  report(state, samples);
}

void cached(benchmark::State& state, Kind kind, unsigned size, Tiers tiers) {
  Rig rig({.tiers = tiers});
  const BlockKey key = rig.put_copies(make_block(kind, size), 1)[0];
  rig.execute_or_die(key);
  std::vector<double> samples;
  while (state.KeepRunningBatch(kGroup)) {
    const double begin = nanoseconds();
    for (int i = 0; i < kGroup; ++i) benchmark::DoNotOptimize(rig.execute(key));
    samples.push_back((nanoseconds() - begin) / kGroup);
  }
  report(state, samples);
}

const Register all([] {
  // As many samples each time, whatever one costs.
  add("distribution/compile", cold, Kind::integer, 20u)->Iterations(16 * kKeys);
  add("distribution/hit", cached, Kind::integer, 20u, Tiers::jit)->Iterations(20000 * kGroup);
  add("distribution/interpret", cached, Kind::integer, 20u, Tiers::interpreter)->Iterations(20000 * kGroup);
});

}  // namespace
}  // namespace ashlar::bench
