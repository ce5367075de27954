// engine_bench: several vCPUs over one cache, the pauses that compiling makes, memory for 10,000 vCPUs.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "engine/bench.hpp"

namespace ashlar::bench {
namespace {

constexpr unsigned kVcpus[] = {1, 2, 4, 8, 16};

/// Runs `each` vCPUs of the ring on a thread each, all beginning together; gives wall-clock and CPU seconds.
struct Spent {
  double wall = 0;
  double cpu = 0;
};
template <typename Function>
Spent side_by_side(unsigned count, Function&& each) {
  std::vector<std::thread> all;
  std::vector<double> cpu(count);
  std::atomic<unsigned> ready{0};
  std::atomic<bool> go{false};
  for (unsigned i = 0; i < count; ++i) {
    all.emplace_back([&, i] {
      ready.fetch_add(1);
      go.wait(false);
      const double begin = thread_time();
      each(i);
      cpu[i] = thread_time() - begin;
    });
  }
  while (ready.load() != count) std::this_thread::yield();
  const double begin = now();
  go = true;
  go.notify_all();
  for (std::thread& thread : all) thread.join();
  Spent spent{now() - begin, 0};
  for (const double time : cpu) spent.cpu += time;
  return spent;
}

}  // namespace

void threads() {
  Ring ring(512);
  HybridExecutor engine(*ring.context);
  for (const unsigned count : kVcpus) {
    std::vector<double> wall, cpu;
    for (int round = 0; round < 5; ++round) {
      const std::uint64_t fuel = 200'000'000 / count;
      const Spent spent = side_by_side(count, [&](unsigned) {
        auto vcpu = ring.vcpu();
        engine.run(*vcpu, {fuel});
      });
      const double done = static_cast<double>(fuel) * count / 1e6;
      wall.push_back(done / spent.wall);
      cpu.push_back(done / spent.cpu);
    }
    const std::string name = "threads/" + std::to_string(count) + "_vcpus/";
    print(name + "together", median(wall), "M instructions/s");
    print(name + "per_cpu_second", median(cpu), "M instructions/s");
  }
}

void compile_together() {
  constexpr std::uint64_t kBlocks = 8000;
  for (const unsigned count : kVcpus) {
    std::vector<double> cpu, compiled;
    for (int round = 0; round < 5; ++round) {
      Ring ring(kBlocks);
      JitExecutor engine(*ring.context);
      std::vector<std::unique_ptr<Vcpu>> vcpus;
      for (unsigned i = 0; i < count; ++i) vcpus.push_back(ring.vcpu());
      const Spent spent =
          side_by_side(count, [&](unsigned i) { engine.run(*vcpus[i], {kBlocks * kRingBlock}); });
      cpu.push_back(spent.cpu / kBlocks);
      compiled.push_back(static_cast<double>(engine.stats()[Stat::blocks_compiled]) / kBlocks);
    }
    const std::string name = "together/" + std::to_string(count) + "_vcpus/";
    print(name + "cpu_time_per_block", median(cpu) * 1e9, "ns");
    print(name + "compiles_per_block", median(compiled), "compiles");
  }
}

void pauses() {
  for (const CompileMode mode : {CompileMode::caller, CompileMode::workers}) {
    Ring ring(4000);
    HybridConfig config;
    config.mode = mode;
    HybridExecutor engine(*ring.context, config);
    auto cpu = ring.vcpu();
    engine.run(*cpu, {kRingBlock * 4000 * 400});
    const StatsSnapshot stats = engine.stats();
    const std::string name = mode == CompileMode::caller ? "pauses/caller/" : "pauses/workers/";
    const auto pauses = [&](const char* what, Stat stat) {
      print(name + what, static_cast<double>(stats[stat]), "pauses");
    };
    pauses("below_10_us", Stat::compile_pauses_10us);
    pauses("10_to_50_us", Stat::compile_pauses_50us);
    pauses("50_to_250_us", Stat::compile_pauses_250us);
    pauses("250_us_to_1_ms", Stat::compile_pauses_1ms);
    pauses("longer", Stat::compile_pauses_longer);
    print(name + "longest", static_cast<double>(stats[Stat::compile_pause_longest]), "ns");
    print(name + "compiled", static_cast<double>(stats[Stat::blocks_compiled]), "blocks");
  }
}

namespace {

/// Tells from within the one thread that runs vCPUs how long it takes from run to run: its own clock is
/// exact.
class Timed final : public ExecutionEngine {
 public:
  Timed(ExecutionEngine& engine, std::uint64_t pass) : engine_(engine), pass_(pass) {}
  ExecutionResult run(Vcpu& vcpu, const RunLimits& limits) override {
    if (++runs_ % pass_ == 0) {
      const double time = thread_time();
      if (runs_ > pass_) least = std::min(least, (time - began_) / static_cast<double>(pass_));
      began_ = time;
      ++passes;
    }
    return engine_.run(vcpu, limits);
  }
  ExecutionResult execute_block(Vcpu& vcpu, BlockKey key) override {
    return engine_.execute_block(vcpu, key);
  }
  std::size_t execute_blocks(Vcpu& vcpu, std::span<const BlockKey> keys,
                             std::span<ExecutionResult> results) override {
    return engine_.execute_blocks(vcpu, keys, results);
  }
  void flush() override { engine_.flush(); }
  void invalidate(GuestRange range) override { engine_.invalidate(range); }
  StatsSnapshot stats() const override { return engine_.stats(); }

  double least = 1e9;  ///< CPU seconds; valid when no run is left
  std::atomic<int> passes{0};

 private:
  ExecutionEngine& engine_;
  const std::uint64_t pass_;
  std::uint64_t runs_ = 0;
  double began_ = 0;
};

}  // namespace

void many() {
  Ring ring(64);
  HybridExecutor engine(*ring.context);
  {
    auto warm = ring.vcpu();
    engine.run(*warm, {1'000'000});
  }
  constexpr std::size_t kCount = 10'000;
  constexpr std::uint64_t kSlice = 1'000;
  constexpr int kRounds = 10, kPasses = 5;
  const std::uint64_t before = resident();
  std::vector<std::unique_ptr<Vcpu>> vcpus;
  for (std::size_t i = 0; i < kCount; ++i) vcpus.push_back(ring.vcpu());
  const std::uint64_t made = resident();
  // As the plain loop below: what one thread does.
  SchedulerConfig config;
  config.workers = 1;
  config.slice = kSlice;
  Timed timed(engine, kCount);
  auto scheduler = need(Scheduler::create(timed, config));
  std::vector<RunFuture> futures;
  const auto submit = [&](std::uint64_t slices) {
    futures.clear();
    for (auto& vcpu : vcpus) futures.push_back(scheduler->submit(*vcpu, {slices * kSlice}));
  };
  // The least of several rounds, and of 10,000 slices each: other work on the machine only adds.
  constexpr double kNever = 1e9;
  double first = kNever, again = kNever, work = kNever, one = kNever, plain = kNever;
  const auto measure = [](double& least, auto&& run) {
    const double begin = process_time();
    run();
    least = std::min(least, (process_time() - begin) / kCount);
  };
  const auto submit_one = [&] {
    submit(1);
    for (const RunFuture& future : futures) future.wait();
  };
  measure(first, submit_one);
  const std::uint64_t ran = resident();
  auto alone = ring.vcpu();
  for (int round = 0; round < kRounds; ++round) {
    measure(again, submit_one);
    measure(work, [&] { engine.run(*alone, {kCount * kSlice}); });
    measure(one, [&] {
      for (std::size_t i = 0; i < kCount; ++i) engine.run(*alone, {kSlice});
    });
    for (int pass = 0; pass < kPasses; ++pass) {
      measure(plain, [&] {
        for (auto& vcpu : vcpus) engine.run(*vcpu, {kSlice});
      });
    }
    submit(1'000'000);
    for (const int until = timed.passes + kPasses + 2; timed.passes < until;)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    for (const RunFuture& future : futures) future.cancel();
    for (const RunFuture& future : futures) future.wait();
  }
  scheduler.reset();
  const double slice = timed.least;
  print("many/10000_vcpus/new", static_cast<double>(made - before) / kCount, "bytes/vCPU");
  print("many/10000_vcpus/have_run", static_cast<double>(ran - before) / kCount, "bytes/vCPU");
  print("many/10000_vcpus/submit_and_first_slice", first * 1e9, "ns");
  print("many/10000_vcpus/submit_and_one_slice", again * 1e9, "ns");
  print("many/10000_vcpus/slice_of_1000", slice * 1e9, "ns");
  print("many/10000_vcpus/slice_adds", (slice - work) * 1e9, "ns");
  print("many/10000_vcpus/of_this/run_with_fuel", (one - work) * 1e9, "ns");
  print("many/10000_vcpus/of_this/many_vcpus", (plain - one) * 1e9, "ns");
  print("many/10000_vcpus/of_this/scheduler", (slice - plain) * 1e9, "ns");
}

}  // namespace ashlar::bench
