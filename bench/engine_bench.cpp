// What the engine costs around guest code: a slice of the scheduler, a run, a block, a batch; two vCPUs over
// one cache; the pauses that compiling makes, in the caller and in the background; memory for 10,000 vCPUs.
// Prints a line for each. Usage: engine_bench [name...]
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <ashlar/ashlar.hpp>

using namespace ashlar;
using ir::Opcode;
using ir::Value;

namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Blocks 1..count in a ring, each of eight instructions; block i goes on to i + 1.
struct Ring {
  explicit Ring(std::uint64_t count,
                const StateLayout& state = {{{"a", SlotClass::integer, 1}, {"b", SlotClass::integer, 1}}})
      : layout(state), store(layout) {
    BlockBuilder b;
    for (std::uint64_t id = 1; id <= count; ++id) {
      b.begin(BlockKey::from_id(id));
      for (int i = 0; i < 8; ++i) {
        b.guest_instruction({id * 64 + static_cast<std::uint64_t>(i)}, 1);
        if (i < 7) {
          b.rr(i % 2 == 0 ? Opcode::add64 : Opcode::xor64, Value::slot(static_cast<unsigned>(i) % 2),
               Value::slot(0), Value::slot(1));
        } else {
          b.jump({id == count ? 1 : id + 1});
        }
      }
      if (!store.add(id, b)) std::abort();
    }
    context = ExecutionContext::create({.frontend = &store}).value();
  }
  std::unique_ptr<Vcpu> vcpu() {
    auto made = Vcpu::create(store.layout(), nullptr).value();
    made->set_slot(1, 1);
    made->set_pc({1});
    return made;
  }
  StateLayout layout;
  BlockStore store;
  std::unique_ptr<ExecutionContext> context;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void slices() {
  Ring ring(4);
  JitExecutor engine(*ring.context);
  constexpr std::uint64_t kSlice = 2'000, kTotal = 40'000'000;
  for (const std::size_t count : {1, 2, 100}) {
    std::vector<double> alone, bare, scheduled;
    for (int round = 0; round < 5; ++round) {
      auto cpu = ring.vcpu();
      engine.run(*cpu, {1000});
      double begin = now();
      engine.run(*cpu, {kTotal});
      alone.push_back(now() - begin);
      begin = now();
      for (std::uint64_t done = 0; done < kTotal; done += kSlice) engine.run(*cpu, {kSlice});
      bare.push_back(now() - begin);
      SchedulerConfig config;
      config.workers = 1;
      config.slice = kSlice;
      auto scheduler = Scheduler::create(engine, config).value();
      std::vector<std::unique_ptr<Vcpu>> vcpus;
      for (std::size_t i = 0; i < count; ++i) {
        vcpus.push_back(ring.vcpu());
        engine.run(*vcpus.back(), {1000});
      }
      begin = now();
      std::vector<RunFuture> futures;
      for (auto& vcpu : vcpus) futures.push_back(scheduler->submit(*vcpu, {kTotal / count}));
      for (const RunFuture& future : futures) future.wait();
      scheduled.push_back(now() - begin);
    }
    const double n = static_cast<double>(kTotal / kSlice);
    std::printf(
        "slices: %zu vCPUs, %llu instructions each: work %.0f ns, run() adds %.0f ns, the scheduler %.0f "
        "ns\n",
        count, static_cast<unsigned long long>(kSlice), median(alone) / n * 1e9,
        (median(bare) - median(alone)) / n * 1e9, (median(scheduled) - median(bare)) / n * 1e9);
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
      constexpr int kTimes = 2000;
      double begin = now();
      for (int i = 0; i < kTimes; ++i) engine->execute_block(*cpu, keys[static_cast<std::size_t>(i) % 64]);
      single.push_back((now() - begin) / kTimes);
      begin = now();
      for (int i = 0; i < kTimes / 64; ++i) engine->execute_blocks(*cpu, keys, results);
      batch.push_back((now() - begin) / (kTimes / 64 * 64));
    }
    std::printf("blocks: %s: execute_block %.1f ns, in a batch of 64 %.1f ns each\n", name,
                median(single) * 1e9, median(batch) * 1e9);
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
      const double begin = now();
      if (batch) {
        engine.execute_blocks(*cpu, keys, results);
      } else {
        for (const BlockKey& key : keys) engine.execute_block(*cpu, key);
      }
      times.push_back((now() - begin) / kCount);
    }
    return median(times) * 1e9;
  };
  std::printf(
      "cold: %llu blocks of 8 instructions: compiled one by one %.0f ns each, in a batch %.0f ns; "
      "interpreted %.0f and %.0f ns\n",
      static_cast<unsigned long long>(kCount), measure(false, TierPreference::jit),
      measure(true, TierPreference::jit), measure(false, TierPreference::balanced),
      measure(true, TierPreference::balanced));
}

void threads() {
  Ring ring(512);
  HybridExecutor engine(*ring.context);
  const auto throughput = [&](unsigned count) {
    std::vector<double> results;
    for (int round = 0; round < 5; ++round) {
      std::vector<std::thread> all;
      const double begin = now();
      constexpr std::uint64_t kFuel = 200'000'000;
      for (unsigned i = 0; i < count; ++i) {
        all.emplace_back([&] {
          auto cpu = ring.vcpu();
          engine.run(*cpu, {kFuel});
        });
      }
      for (std::thread& thread : all) thread.join();
      results.push_back(count * static_cast<double>(kFuel) / (now() - begin));
    }
    return median(results);
  };
  const double one = throughput(1), two = throughput(2);
  std::printf(
      "threads: two vCPUs over one cache do %.2f times what one does (%.0f million instructions a second)\n",
      two / one, one / 1e6);
}

void pauses() {
  for (const CompileMode mode : {CompileMode::caller, CompileMode::workers}) {
    Ring ring(4000);
    HybridConfig config;
    config.mode = mode;
    HybridExecutor engine(*ring.context, config);
    auto cpu = ring.vcpu();
    engine.run(*cpu, {8ull * 4000 * 400});
    const StatsSnapshot stats = engine.stats();
    const auto n = [&](Stat stat) { return static_cast<unsigned long long>(stats[stat]); };
    std::printf(
        "pauses: compiling %s: %llu below 10 us, %llu to 50, %llu to 250, %llu to 1 ms, %llu longer; longest "
        "%.1f us; %llu blocks compiled\n",
        mode == CompileMode::caller ? "in the caller" : "in the background", n(Stat::compile_pauses_10us),
        n(Stat::compile_pauses_50us), n(Stat::compile_pauses_250us), n(Stat::compile_pauses_1ms),
        n(Stat::compile_pauses_longer), static_cast<double>(stats[Stat::compile_pause_longest]) / 1e3,
        n(Stat::blocks_compiled));
  }
}

std::uint64_t resident() {
  std::FILE* const file = std::fopen("/proc/self/statm", "r");
  unsigned long long size = 0, pages = 0;
  if (file == nullptr || std::fscanf(file, "%llu %llu", &size, &pages) != 2) return 0;
  std::fclose(file);
  return pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

void many() {
  Ring ring(64);
  HybridExecutor engine(*ring.context);
  {
    auto warm = ring.vcpu();
    engine.run(*warm, {1'000'000});
  }
  constexpr std::size_t kCount = 10'000;
  const std::uint64_t before = resident();
  std::vector<std::unique_ptr<Vcpu>> vcpus;
  for (std::size_t i = 0; i < kCount; ++i) vcpus.push_back(ring.vcpu());
  const std::uint64_t made = resident();
  SchedulerConfig config;
  config.slice = 1'000;
  auto scheduler = Scheduler::create(engine, config).value();
  const double begin = now();
  std::vector<RunFuture> futures;
  for (auto& vcpu : vcpus) futures.push_back(scheduler->submit(*vcpu, {20'000}));
  for (const RunFuture& future : futures) future.wait();
  const double time = now() - begin;
  std::printf(
      "many: %zu vCPUs: %.1f KiB each, %.1f when they have run; %.0f ns for a slice of 1000 instructions on "
      "%u workers\n",
      kCount, static_cast<double>(made - before) / kCount / 1024,
      static_cast<double>(resident() - before) / kCount / 1024,
      time * scheduler->workers() / static_cast<double>(scheduler->slices()) * 1e9, scheduler->workers());
}

}  // namespace

int main(int argc, char** argv) {
  const std::pair<const char*, std::function<void()>> all[] = {
      {"slices", slices},   {"blocks", blocks}, {"cold", cold_batch},
      {"threads", threads}, {"pauses", pauses}, {"many", many},
  };
  for (const auto& [name, function] : all) {
    const bool wanted = argc == 1 || std::any_of(argv + 1, argv + argc, [&](const char* arg) {
                          return std::strcmp(arg, name) == 0;
                        });
    if (wanted) function();
  }
  return 0;
}
