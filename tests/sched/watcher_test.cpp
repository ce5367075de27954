// Deltas of the stats, by poll and by callback.
#include <chrono>
#include <mutex>
#include <thread>

#include <doctest/doctest.h>

#include <ashlar/stats_watcher.hpp>

#include "engine/toy_guest.hpp"
#include "support/counted.hpp"

namespace ashlar::test {
namespace {

TEST_CASE("poll: what was counted since; gauges as they are" * counted()) {
  ToyMachine m;
  m.code({toy(Toy::add, 1), toy(Toy::call)});
  InterpreterExecutor engine(*m.context);
  auto cpu = m.vcpu();
  engine.run(*cpu);
  StatsWatcher watcher(*m.context);
  CHECK(watcher.poll()[Stat::runs] == 0);
  for (int i = 0; i < 3; ++i) {
    cpu->set_pc({kToyCode});
    engine.run(*cpu);
  }
  const StatsSnapshot delta = watcher.poll();
  CHECK(delta[Stat::runs] == 3);
  CHECK(delta[Stat::ir_blocks_live] == 1);
  CHECK(delta[Stat::blocks_translated] == 0);
  CHECK(watcher.poll()[Stat::runs] == 0);
}

TEST_CASE("callbacks: the deltas' sum is the total" * counted()) {
  ToyMachine m;
  m.code({toy(Toy::add, 1), toy(Toy::call)});
  InterpreterExecutor engine(*m.context);
  std::uint64_t runs = 0, polled = 0, last_total = 0, calls = 0;
  std::mutex mutex;
  {
    StatsWatcher watcher(*m.context, std::chrono::microseconds(200),
                         [&](const StatsSnapshot& delta, const StatsSnapshot& total) {
                           std::lock_guard lock(mutex);
                           runs += delta[Stat::runs];
                           last_total = total[Stat::runs];
                           ++calls;
                         });
    auto cpu = m.vcpu();
    for (int i = 0; i < 2000; ++i) {
      cpu->set_pc({kToyCode});
      engine.run(*cpu);
      if (i % 500 == 0) polled += watcher.poll()[Stat::runs];
      if (i % 100 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  CHECK(runs + polled == 2000);
  CHECK(last_total == 2000);
  CHECK(calls >= 2);
}

}  // namespace
}  // namespace ashlar::test
