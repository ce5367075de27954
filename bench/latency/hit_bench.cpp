// What a block costs that is there already: from C++ one by one and in batches, interpreted, and from block
// to block in emitted code.
#include <benchmark/benchmark.h>

#include <array>
#include <string>
#include <vector>

#include "latency/bench_names.hpp"
#include "latency/rig.hpp"

namespace ashlar::bench {
namespace {

void execute_block(benchmark::State& state, Kind kind, unsigned size, Tiers tiers) {
  Rig rig({.tiers = tiers});
  const BlockKey key = rig.put_copies(make_block(kind, size), 1)[0];
  rig.execute_or_die(key);
  for (auto _ : state) benchmark::DoNotOptimize(rig.execute(key));
}

/// The same over as many blocks as leave the first level of the host's caches.
void execute_many(benchmark::State& state, Kind kind, unsigned size) {
  constexpr std::size_t kBlocks = 4096;
  Rig rig;
  const auto keys = rig.put_copies(make_block(kind, size), kBlocks);
  for (const BlockKey& key : keys) rig.execute_or_die(key);
  std::size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(rig.execute(keys[i]));
    i = (i + 1289) % kBlocks;
  }
}

/// Per block of a batch.
void batch(benchmark::State& state, Kind kind, unsigned size, std::size_t count) {
  Rig rig;
  const auto keys = rig.put_copies(make_block(kind, size), count);
  std::vector<ExecutionResult> results(count);
  while (state.KeepRunningBatch(static_cast<benchmark::IterationCount>(count))) {
    if (rig.executor().execute_blocks(rig.vcpu(), keys, results) != count) die("a batch stopped early");
  }
}

// --- block to block ---
//
// Loops that count x20 down and end in a system call. One iteration of the benchmark is one transition.

constexpr unsigned kCounter = 20;

/// Runs from `entry`, `transitions` of them in each round of the guest's loop, `fuel` counted or not.
void go_round(benchmark::State& state, Rig& rig, GuestAddr entry, std::size_t transitions, bool fuel) {
  constexpr std::size_t kRounds = 4096;
  const auto run = [&] {
    rig.set(kCounter, kRounds);
    rig.vcpu().set_pc(entry);
    RunLimits limits;
    if (fuel) limits.fuel = std::uint64_t{1} << 40;
    if (rig.executor().run(rig.vcpu(), limits).reason != ExitReason::syscall) die("a loop did not end");
  };
  run();
  while (state.KeepRunningBatch(static_cast<benchmark::IterationCount>(kRounds * transitions))) run();
}

/// A ring of `blocks` that jump forward, each to the next, and the last of which decides whether to go round
/// again. Without `jumps`, the work alone in one block.
void linked(benchmark::State& state, unsigned blocks, bool fuel, bool jumps) {
  Rig rig({.extend = false});
  std::vector<std::uint32_t> code;
  for (unsigned i = 0; i < blocks; ++i) {
    code.push_back(addi(kCounter + 1, kCounter + 1, 1));
    if (!jumps || i + 1 == blocks) continue;
    code.push_back(jal(0, 8));
    code.push_back(kEcall);  // jumped over: a jump to the next instruction would be none
  }
  code.push_back(addi(kCounter, kCounter, -1));
  code.push_back(bne(kCounter, 0, -4 * static_cast<std::int32_t>(code.size())));
  code.push_back(kEcall);
  go_round(state, rig, rig.put(code), blocks, fuel);
}

/// The same by jumps to addresses in registers: the jump cache.
void indirect(benchmark::State& state, unsigned blocks) {
  constexpr unsigned kFirst = 22;  // the targets are in x22 and so on; no link register, so no return
  Rig rig;
  std::vector<std::uint32_t> code;
  std::vector<std::size_t> starts;
  for (unsigned i = 0; i < blocks; ++i) {
    starts.push_back(code.size());
    code.push_back(addi(kCounter + 1, kCounter + 1, 1));
    if (i + 1 < blocks) {
      code.push_back(jalr(0, kFirst + i + 1));
      continue;
    }
    code.push_back(addi(kCounter, kCounter, -1));
    code.push_back(beq(kCounter, 0, 8));
    code.push_back(jalr(0, kFirst));
    code.push_back(kEcall);
  }
  const GuestAddr entry = rig.put(code);
  for (unsigned i = 0; i < blocks; ++i) rig.set(kFirst + i, entry.value + 4 * starts[i]);
  go_round(state, rig, entry, blocks, false);
}

/// Calls of one function of two instructions from `calls` places: a call and a return are one transition
/// each.
void call_and_return(benchmark::State& state, unsigned calls) {
  Rig rig;
  std::vector<std::uint32_t> code;
  const std::size_t function = calls + 3;
  for (unsigned i = 0; i < calls; ++i)
    code.push_back(
        jal(1, 4 * (static_cast<std::int32_t>(function) - static_cast<std::int32_t>(code.size()))));
  code.push_back(addi(kCounter, kCounter, -1));
  code.push_back(bne(kCounter, 0, -4 * static_cast<std::int32_t>(code.size())));
  code.push_back(kEcall);
  code.push_back(addi(kCounter + 1, kCounter + 1, 1));
  code.push_back(kRet);
  go_round(state, rig, rig.put(code), 2 * calls, false);
}

const Register all([] {
  constexpr unsigned kSizes[] = {1, 5, 20, 100};
  for (const Kind kind : kKinds) {
    for (const unsigned size : kSizes) {
      const std::string block = std::string(to_string(kind)) + "/" + std::to_string(size);
      add("hit/execute_block/" + block, execute_block, kind, size, Tiers::jit);
      add("interpret/execute_block/" + block, execute_block, kind, size, Tiers::interpreter);
    }
  }
  for (const unsigned size : {1u, 20u}) {
    const std::string block = "integer/" + std::to_string(size);
    add("hit/execute_block_of_4096/" + block, execute_many, Kind::integer, size);
    add("hit/batch_of_5/" + block, batch, Kind::integer, size, std::size_t{5});
    add("hit/batch_of_64/" + block, batch, Kind::integer, size, std::size_t{64});
  }
  add("linked/ring_of_16", linked, 16u, false, true);
  add("linked/ring_of_16_work_alone", linked, 16u, false, false);
  add("linked/pair_with_fuel", linked, 2u, true, true);
  add("linked/pair_with_fuel_work_alone", linked, 2u, true, false);
  add("jump_cache/ring_of_8", indirect, 8u);
  add("return/calls_from_8_places", call_and_return, 8u);
});

}  // namespace
}  // namespace ashlar::bench
