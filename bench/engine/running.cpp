// engine_bench: one thread. A slice of the scheduler, a block, a batch, and what it costs to be watched.
#include <chrono>

#include "engine/bench.hpp"

namespace ashlar::bench {

void slices() {
  Ring ring(4);
  JitExecutor engine(*ring.context);
  constexpr std::uint64_t kSlice = 2'000, kTotal = 100'000'000;
  for (const std::size_t count : {1, 2, 100}) {
    std::vector<double> alone, bare, scheduled;
    for (int round = 0; round < 5; ++round) {
      auto cpu = ring.vcpu();
      engine.run(*cpu, {1000});
      double begin = process_time();
      engine.run(*cpu, {kTotal});
      alone.push_back(process_time() - begin);
      begin = process_time();
      for (std::uint64_t done = 0; done < kTotal; done += kSlice) engine.run(*cpu, {kSlice});
      bare.push_back(process_time() - begin);
      SchedulerConfig config;
      config.workers = 1;
      config.slice = kSlice;
      auto scheduler = need(Scheduler::create(engine, config));
      std::vector<std::unique_ptr<Vcpu>> vcpus;
      for (std::size_t i = 0; i < count; ++i) {
        vcpus.push_back(ring.vcpu());
        engine.run(*vcpus.back(), {1000});
      }
      begin = process_time();
      std::vector<RunFuture> futures;
      for (auto& vcpu : vcpus) futures.push_back(scheduler->submit(*vcpu, {kTotal / count}));
      for (const RunFuture& future : futures) future.wait();
      scheduled.push_back(process_time() - begin);
    }
    const double slices = static_cast<double>(kTotal / kSlice);
    const std::string name = "slices/" + std::to_string(count) + "_vcpus/";
    print(name + "work", median(alone) / slices * 1e9, "ns");
    print(name + "run_adds", (median(bare) - median(alone)) / slices * 1e9, "ns");
    print(name + "scheduler_adds", (median(scheduled) - median(bare)) / slices * 1e9, "ns");
  }
}

void blocks() {
  Ring ring(64);
  JitExecutor jit(*ring.context);
  HybridExecutor hybrid(*ring.context);
  InterpreterExecutor interpreter(*ring.context);
  std::vector<BlockKey> keys;
  for (std::uint64_t id = 1; id <= 64; ++id) keys.push_back(BlockKey::from_id(id));
  std::vector<ExecutionResult> results(keys.size());
  const std::pair<const char*, ExecutionEngine*> engines[] = {
      {"interp", &interpreter}, {"jit", &jit}, {"hybrid", &hybrid}};
  for (const auto& [name, engine] : engines) {
    auto cpu = ring.vcpu();
    std::vector<double> single, batch;
    for (int round = 0; round < 50; ++round) {
      constexpr int kTimes = 2048;
      double begin = thread_time();
      for (int i = 0; i < kTimes; ++i) engine->execute_block(*cpu, keys[static_cast<std::size_t>(i) % 64]);
      single.push_back((thread_time() - begin) / kTimes);
      begin = thread_time();
      for (int i = 0; i < kTimes / 64; ++i) engine->execute_blocks(*cpu, keys, results);
      batch.push_back((thread_time() - begin) / kTimes);
    }
    print(std::string("blocks/") + name + "/execute_block", median(single) * 1e9, "ns");
    print(std::string("blocks/") + name + "/in_batch_of_64", median(batch) * 1e9, "ns");
  }
}

void cold_batch() {
  constexpr std::uint64_t kCount = 200;
  const auto measure = [&](bool batch, TierPreference preference) {
    std::vector<double> times;
    for (int round = 0; round < 15; ++round) {
      Ring ring(kCount);
      HybridConfig config;
      config.preference = preference;
      HybridExecutor engine(*ring.context, config);
      auto cpu = ring.vcpu();
      engine.execute_block(*cpu, BlockKey::from_id(1));
      std::vector<BlockKey> keys;
      for (std::uint64_t id = 1; id <= kCount; ++id) keys.push_back(BlockKey::from_id(id));
      std::vector<ExecutionResult> results(kCount);
      const double begin = thread_time();
      if (batch) {
        engine.execute_blocks(*cpu, keys, results);
      } else {
        for (const BlockKey& key : keys) engine.execute_block(*cpu, key);
      }
      times.push_back((thread_time() - begin) / kCount);
    }
    return median(times) * 1e9;
  };
  print("cold/compiled/one_by_one", measure(false, TierPreference::jit), "ns");
  print("cold/compiled/in_batch_of_200", measure(true, TierPreference::jit), "ns");
  print("cold/interpreted/one_by_one", measure(false, TierPreference::balanced), "ns");
  print("cold/interpreted/in_batch_of_200", measure(true, TierPreference::balanced), "ns");
}

void watching() {
  constexpr std::uint64_t kFuel = 20'000'000, kSlice = 2'000;
  // Short runs, so that counters and dispatcher are busy.
  const auto measure = [&](const ContextConfig& config, std::chrono::microseconds interval) {
    Ring ring(512, config);
    HybridExecutor engine(*ring.context);
    auto cpu = ring.vcpu();
    engine.run(*cpu, {kFuel});
    std::unique_ptr<StatsWatcher> watcher;
    std::uint64_t runs = 0;
    if (interval.count() != 0) {
      watcher = std::make_unique<StatsWatcher>(
          *ring.context, interval,
          [&](const StatsSnapshot& delta, const StatsSnapshot&) { runs += delta[Stat::runs]; });
    }
    std::vector<double> times;
    for (int round = 0; round < 9; ++round) {
      const double begin = thread_time();
      for (std::uint64_t done = 0; done < kFuel; done += kSlice) engine.run(*cpu, {kSlice});
      times.push_back((thread_time() - begin) / static_cast<double>(kFuel / kRingBlock));
    }
    watcher.reset();
    if (interval.count() != 0 && runs == 0) fail("the watcher saw no run");
    return median(times) * 1e9;
  };
  using std::chrono::microseconds;
  print("watching/nobody", measure({}, microseconds(0)), "ns/block");
  print("watching/every_10_ms", measure({}, microseconds(10'000)), "ns/block");
  print("watching/every_100_us", measure({}, microseconds(100)), "ns/block");
  ContextConfig counting;
  counting.count_executions = true;
  print("watching/blocks_count_executions", measure(counting, microseconds(0)), "ns/block");

  Ring ring(512);
  HybridExecutor engine(*ring.context);
  auto cpu = ring.vcpu();
  engine.run(*cpu, {kFuel});
  constexpr int kTimes = 2000;
  std::uint64_t sum = 0;
  const double begin = thread_time();
  for (int i = 0; i < kTimes; ++i) sum += ring.context->stats()[Stat::runs];
  if (sum == 0) fail("the stats counted no run");
  print("watching/one_snapshot", (thread_time() - begin) / kTimes * 1e9, "ns");
}

}  // namespace ashlar::bench
