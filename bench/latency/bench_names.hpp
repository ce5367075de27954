// How the latency benchmarks are registered: under names like "hit/execute_block/integer/20", which
// tools/bench reads.
#pragma once

#include <benchmark/benchmark.h>

#include <string>
#include <utility>

namespace ashlar::bench {

/// Calls a function before main.
struct Register {
  template <typename Function>
  explicit Register(Function&& function) {
    function();
  }
};

template <typename Function, typename... Args>
benchmark::internal::Benchmark* add(const std::string& name, Function&& function, Args... args) {
  return benchmark::RegisterBenchmark(
             name.c_str(), [function, args...](benchmark::State& state) { function(state, args...); })
      ->Unit(benchmark::kNanosecond);
}

}  // namespace ashlar::bench
