// The stats object: sums over cells and threads, gauges, text.
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <ashlar/stats.hpp>

#include "base/stats_cells.hpp"
#include "support/counted.hpp"

namespace ashlar {
namespace {

TEST_CASE("each counter is described once, by its name") {
  CHECK(std::string(info(Stat::runs).name) == "runs");
  CHECK(std::string(info(Stat::translate_time).unit) == "ns");
  for (std::size_t i = 0; i < kStatCount; ++i) {
    for (std::size_t k = i + 1; k < kStatCount; ++k) {
      CHECK(std::string(info(static_cast<Stat>(i)).name) != info(static_cast<Stat>(k)).name);
    }
  }
}

TEST_CASE("a snapshot sums shared values and cells, also of those that are gone" * test::counted()) {
  LiveStats stats;
  StatsCell a, b;
  stats.attach(a);
  stats.attach(b);
  a.add(Stat::runs, 3);
  b.add(Stat::runs, 4);
  b.add(Stat::links);
  stats.add(Stat::runs, 10);
  CHECK(stats.snapshot()[Stat::runs] == 17);
  CHECK(stats.snapshot()[Stat::links] == 1);
  stats.detach(a);
  CHECK(stats.snapshot()[Stat::runs] == 17);
  a.add(Stat::runs, 100);  // nobody's any more
  CHECK(stats.snapshot()[Stat::runs] == 17);
  stats.detach(a);  // a second time: nothing happens
  stats.detach(b);
  CHECK(stats.snapshot()[Stat::runs] == 17);
}

TEST_CASE("since takes differences of counters and keeps gauges" * test::counted()) {
  LiveStats stats;
  stats.add(Stat::links, 5);
  stats.add(Stat::code_bytes_live, 100);
  const StatsSnapshot before = stats.snapshot();
  stats.add(Stat::links, 2);
  stats.subtract(Stat::code_bytes_live, 40);
  const StatsSnapshot difference = stats.snapshot().since(before);
  CHECK(difference[Stat::links] == 2);
  CHECK(difference[Stat::code_bytes_live] == 60);
}

TEST_CASE("text forms") {
  StatsSnapshot snapshot;
  CHECK(snapshot.to_table().empty());
  snapshot.values[static_cast<std::size_t>(Stat::runs)] = 7;
  snapshot.values[static_cast<std::size_t>(Stat::interpreter_blocks)] = 12345;
  CHECK(snapshot.to_table() ==
        "runs                    7 calls   calls of run, execute_block and execute_blocks\n"
        "interpreter_blocks  12345 blocks  blocks executed by the interpreter\n");
  const std::string json = snapshot.to_json();
  CHECK(json.starts_with("{\"runs\": 7, \"interpreter_blocks\": 12345, \"jit_entries\": 0, "));
  CHECK(json.ends_with("\"syscalls\": 0}"));
}

TEST_CASE("counts of threads that come and go are never lost, and no snapshot goes back" * test::counted()) {
  LiveStats stats;
  constexpr int kThreads = 4, kRounds = 200, kBumps = 50;
  std::atomic<bool> done{false};
  std::thread watcher([&] {
    std::uint64_t last = 0;
    while (!done) {
      const std::uint64_t now = stats.snapshot()[Stat::runs];
      if (now < last) FAIL_CHECK("a counter went back");
      last = now;
      std::this_thread::yield();
    }
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        StatsCell cell;
        stats.attach(cell);
        for (int i = 0; i < kBumps; ++i) cell.add(Stat::runs);
        stats.detach(cell);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  done = true;
  watcher.join();
  CHECK(stats.snapshot()[Stat::runs] == kThreads * kRounds * kBumps);
}

}  // namespace
}  // namespace ashlar
