// The hybrid executor: its policy as a table, what is compiled when, switching, pins, and compiling in the
// background.
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <ashlar/hybrid.hpp>

#include "engine/tier_policy.hpp"
#include "engine/toy_guest.hpp"
#include "support/counted.hpp"

namespace ashlar::test {
namespace {

using engine::choose_tier;
using engine::TierChoice;
using engine::TierCounters;
using engine::TierRules;

bool compiles(ToyMachine& m) {
  m.code({toy(Toy::add, 1), toy(Toy::jump, 1)}, kToyCode + 0x7000);
  auto cpu = m.vcpu();
  return JitExecutor(*m.context).execute_block(*cpu, {{kToyCode + 0x7000}}).tier == Tier::jit;
}

HybridConfig warm_at(std::uint32_t warm) {
  HybridConfig config;
  config.warm_executions = warm;
  config.hot_executions = warm * 10;
  return config;
}

TEST_CASE("the policy, as a table") {
  using enum TierChoice;
  using enum TierPreference;
  struct Row {
    TierPreference preference;
    std::uint32_t executions;
    bool is_compiled, refused;
    TierChoice choice;
    bool near = false;
  };
  const Row rows[] = {
      {balanced, 1, false, false, interpret},
      {balanced, 9, false, false, interpret},
      {balanced, 10, false, false, compile},
      {balanced, 1000, false, false, compile},
      {balanced, 1000, false, true, interpret},
      {balanced, 1, true, false, run_compiled},
      {balanced, 1000, true, false, run_compiled},
      {balanced, 1, true, true, run_compiled},
      {jit, 0, false, false, compile},
      {jit, 1, false, false, compile},
      {jit, 1, false, true, interpret},
      {jit, 1, true, false, run_compiled},
      {interpreter, 1, false, false, interpret},
      {interpreter, 10, false, false, interpret},
      {interpreter, 99, false, false, interpret},
      {interpreter, 100, false, false, compile},
      {interpreter, 100, false, true, interpret},
      {interpreter, 99, true, false, interpret},
      {interpreter, 100, true, false, run_compiled},
      {balanced, 1, false, false, compile, true},
      {balanced, 1, false, true, interpret, true},
      {interpreter, 99, false, false, interpret, true},
      {interpreter, 100, false, false, compile, true},
  };
  for (const Row& row : rows) {
    CAPTURE(static_cast<int>(row.preference));
    CAPTURE(row.executions);
    CAPTURE(row.is_compiled);
    CAPTURE(row.refused);
    CHECK(choose_tier({row.executions, row.is_compiled, row.near, row.refused}, {row.preference, 10, 100}) ==
          row.choice);
  }
}

TEST_CASE("execute_block: interpreted until it is warm") {
  ToyMachine m;
  if (!compiles(m)) return;
  m.code({toy(Toy::add, 1), toy(Toy::jump, 5)});
  HybridExecutor hybrid(*m.context, warm_at(8));
  auto cpu = m.vcpu();
  const std::uint64_t before = m.stat(Stat::blocks_compiled);
  const std::uint64_t translated = m.stat(Stat::blocks_translated);
  for (int i = 1; i <= 20; ++i) {
    CAPTURE(i);
    const ExecutionResult result = hybrid.execute_block(*cpu, {{kToyCode}});
    CHECK(result.tier == (i < 8 ? Tier::interpreter : Tier::jit));
    CHECK(result.cache_hit == (i != 1 && i != 8));
    CHECK(cpu->slot(0) == static_cast<unsigned>(i));
    CHECK(result.next.addr.value == kToyCode + 24);
  }
  CHECK_COUNTED(m.stat(Stat::blocks_compiled) == before + 1);
  // The compiler has used the interpreter's IR.
  CHECK_COUNTED(m.stat(Stat::blocks_translated) == translated + 1);
}

TEST_CASE("run: cold code is not compiled, a loop is, and the numbers say so") {
  ToyMachine m;
  if (!compiles(m)) return;
  // 40 blocks in a row, then a loop of two blocks.
  std::uint64_t at = kToyCode;
  for (int i = 0; i < 40; ++i, at += 0x40) m.code({toy(Toy::add, 1), toy(Toy::jump, 15)}, at);
  m.code({toy(Toy::add, 1), toy(Toy::jump, 1), toy(Toy::loop, -2), toy(Toy::call)}, at);
  HybridExecutor hybrid(*m.context, warm_at(50));
  const std::uint64_t before = m.stat(Stat::blocks_compiled);
  auto cpu = m.vcpu();
  cpu->set_slot(3, 30);
  CHECK(hybrid.run(*cpu).reason == ExitReason::syscall);
  CHECK(cpu->slot(0) == 70);
  CHECK_COUNTED(m.stat(Stat::blocks_compiled) == before);
  CHECK_COUNTED(m.stat(Stat::jit_entries) == 1);  // of the probe
  cpu->set_pc({kToyCode});
  cpu->set_slot(3, 10'000);
  const ExecutionResult result = hybrid.run(*cpu);
  CHECK(result.reason == ExitReason::syscall);
  CHECK(result.tier == Tier::jit);  // the block behind the loop as well: compiled code has come to it
  CHECK(cpu->slot(0) == 70 + 40 + 10'000);
  CHECK_COUNTED(m.stat(Stat::blocks_compiled) <= before + 3);
  CHECK_COUNTED(m.stat(Stat::blocks_compiled) >= before + 2);
  CHECK_COUNTED(m.stat(Stat::interpreter_blocks) < 400);
}

TEST_CASE("fuel is exact while blocks go from one tier to the other") {
  ToyMachine m;
  m.code({toy(Toy::add, 1), toy(Toy::add, 2), toy(Toy::loop, -2), toy(Toy::add, 100), toy(Toy::call)});
  HybridExecutor hybrid(*m.context, warm_at(5));
  for (std::uint64_t slice = 1; slice < 12; ++slice) {
    CAPTURE(slice);
    auto cpu = m.vcpu();
    cpu->set_slot(3, 40);
    std::uint64_t done = 0;
    ExecutionResult result;
    do {
      result = hybrid.run(*cpu, {slice});
      done += result.instructions;
      if (result.reason == ExitReason::fuel) CHECK(result.instructions == slice);
    } while (result.reason == ExitReason::fuel);
    CHECK(result.reason == ExitReason::syscall);
    CHECK(done == 3 * 40 + 2);
    CHECK(cpu->slot(0) == 40 * 3 + 100);
    if (slice == 6) hybrid.flush();
  }
}

TEST_CASE("switching: the next block follows, also in a vCPU that runs" * counted()) {
  ToyMachine m;
  if (!compiles(m)) return;
  m.code({toy(Toy::add, 1), toy(Toy::jump, 5)});
  HybridConfig config = warm_at(1'000'000);
  config.hot_executions = 0xffff'ffff;
  HybridExecutor hybrid(*m.context, config);
  auto cpu = m.vcpu();
  CHECK(hybrid.preference() == TierPreference::balanced);
  const auto tier = [&] { return hybrid.execute_block(*cpu, {{kToyCode}}).tier; };
  CHECK(tier() == Tier::interpreter);
  hybrid.set_prefer_jit(true);
  CHECK(hybrid.preference() == TierPreference::jit);
  CHECK(tier() == Tier::jit);
  hybrid.set_prefer_jit(false);
  CHECK(hybrid.preference() == TierPreference::interpreter);
  CHECK(tier() == Tier::interpreter);
  hybrid.set_preference(TierPreference::balanced);
  CHECK(tier() == Tier::jit);  // it is there

  hybrid.set_prefer_jit(false);
  m.code({toy(Toy::add, 1), toy(Toy::loop, -1), toy(Toy::call)}, kToyCode + 0x100);
  auto runner = m.vcpu(kToyCode + 0x100);
  runner->set_slot(3, ~std::uint64_t{0});
  std::thread thread([&] { CHECK(hybrid.run(*runner).reason == ExitReason::halted); });
  const auto wait_for = [&](auto&& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition() && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return condition();
  };
  // A run's counters come when the interpreter leaves: that the JIT is entered shows that it has left.
  const std::uint64_t entries = m.stat(Stat::jit_entries);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  CHECK_COUNTED(m.stat(Stat::jit_entries) == entries);
  hybrid.set_prefer_jit(true);
  CHECK_COUNTED(wait_for([&] { return m.stat(Stat::jit_entries) > entries; }));
  // Back and forth: on a loaded machine the vCPU may sleep through some of the switches.
  const std::uint64_t interpreted = m.stat(Stat::interpreter_blocks);
  CHECK(wait_for([&] {
    hybrid.set_prefer_jit(false);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    hybrid.set_prefer_jit(true);
    return m.stat(Stat::interpreter_blocks) > interpreted;
  }));
  runner->request_halt();
  thread.join();
}

TEST_CASE("a pinned block is interpreted by every engine, and compiled again when it is free") {
  ToyMachine m;
  if (!compiles(m)) return;
  m.code({toy(Toy::add, 1), toy(Toy::jump, 1), toy(Toy::loop, -2), toy(Toy::call)});
  const BlockKey pinned{{kToyCode}};
  HybridExecutor hybrid(*m.context, warm_at(3));
  JitExecutor jit(*m.context);
  auto cpu = m.vcpu();
  for (int i = 0; i < 5; ++i) hybrid.execute_block(*cpu, pinned);
  CHECK(hybrid.execute_block(*cpu, pinned).tier == Tier::jit);
  m.context->pin_to_interpreter(pinned);
  m.context->pin_to_interpreter(pinned);
  for (ExecutionEngine* engine :
       {static_cast<ExecutionEngine*>(&hybrid), static_cast<ExecutionEngine*>(&jit)}) {
    for (int i = 0; i < 10; ++i) CHECK(engine->execute_block(*cpu, pinned).tier == Tier::interpreter);
    const std::uint64_t before = m.stat(Stat::interpreter_blocks);
    cpu->set_pc({kToyCode});
    cpu->set_slot(0, 0);
    cpu->set_slot(3, 1000);
    CHECK(engine->run(*cpu).reason == ExitReason::syscall);
    CHECK(cpu->slot(0) == 1000);
    CHECK_COUNTED(m.stat(Stat::interpreter_blocks) >= before + 1000);
  }
  hybrid.set_prefer_jit(true);
  CHECK(hybrid.execute_block(*cpu, pinned).tier == Tier::interpreter);
  m.context->unpin(pinned);
  CHECK(hybrid.execute_block(*cpu, pinned).tier == Tier::jit);
}

TEST_CASE("batch: what is due is compiled together") {
  ToyMachine m;
  if (!compiles(m)) return;
  std::vector<BlockKey> keys;
  for (std::uint64_t i = 0; i < 6; ++i) {
    m.code({toy(Toy::add, 1), toy(Toy::jump, 5)}, kToyCode + i * 0x80);
    keys.push_back({{kToyCode + i * 0x80}});
  }
  HybridExecutor hybrid(*m.context, warm_at(4));
  const std::uint64_t before = m.stat(Stat::blocks_compiled);
  auto cpu = m.vcpu();
  std::vector<ExecutionResult> results(keys.size());
  for (int round = 1; round <= 6; ++round) {
    REQUIRE(hybrid.execute_blocks(*cpu, keys, results) == keys.size());
    for (const ExecutionResult& result : results)
      CHECK(result.tier == (round < 4 ? Tier::interpreter : Tier::jit));
    CHECK_COUNTED(m.stat(Stat::blocks_compiled) == before + (round < 4 ? 0 : 6));
  }
  CHECK(cpu->slot(0) == 36);
}

TEST_CASE("manual mode: the queue is bounded, without doubles, the hottest first") {
  ToyMachine m;
  if (!compiles(m)) return;
  std::vector<BlockKey> keys;
  for (std::uint64_t i = 0; i < 6; ++i) {
    m.code({toy(Toy::add, 1), toy(Toy::jump, 5)}, kToyCode + i * 0x80);
    keys.push_back({{kToyCode + i * 0x80}});
  }
  HybridConfig config = warm_at(4);
  config.mode = CompileMode::manual;
  config.queue_capacity = 4;
  HybridExecutor hybrid(*m.context, config);
  const std::uint64_t before = m.stat(Stat::blocks_compiled);
  auto cpu = m.vcpu();
  const auto execute = [&](std::size_t i, int times) {
    Tier tier{};
    for (int n = 0; n < times; ++n) tier = hybrid.execute_block(*cpu, keys[i]).tier;
    return tier;
  };
  CHECK(execute(0, 3) == Tier::interpreter);
  CHECK(hybrid.pending() == 0);
  CHECK(execute(0, 1) == Tier::interpreter);
  CHECK(hybrid.pending() == 1);
  CHECK(execute(0, 20) == Tier::interpreter);
  CHECK(hybrid.pending() == 1);
  for (std::size_t i = 1; i < 6; ++i) execute(i, 4);
  CHECK(hybrid.pending() == 4);
  CHECK_COUNTED(m.stat(Stat::compile_queue_length) == 4);
  CHECK_COUNTED(m.stat(Stat::compile_requests_dropped) == 2);
  CHECK_COUNTED(m.stat(Stat::blocks_compiled) == before);
  // Block 0 has asked most often.
  CHECK(hybrid.compile_pending(1) == 1);
  CHECK(execute(0, 1) == Tier::jit);
  CHECK(execute(1, 1) == Tier::interpreter);
  CHECK(hybrid.compile_pending() == 3);
  CHECK(execute(1, 1) == Tier::jit);
  CHECK(execute(5, 1) == Tier::interpreter);
  CHECK(hybrid.pending() == 0);
  // The dropped ones ask again.
  execute(5, 4);
  CHECK(hybrid.compile_pending() == 1);
  CHECK(execute(5, 1) == Tier::jit);
  CHECK_COUNTED(m.stat(Stat::blocks_compiled) == before + 5);
  CHECK_COUNTED(m.stat(Stat::compile_queue_length) == 0);
}

TEST_CASE("what is invalidated while it waits is not compiled from old code") {
  ToyMachine m;
  if (!compiles(m)) return;
  HybridConfig config = warm_at(2);
  config.mode = CompileMode::manual;
  HybridExecutor hybrid(*m.context, config);
  auto cpu = m.vcpu();
  const BlockKey key{{kToyCode}};
  m.code({toy(Toy::add, 1), toy(Toy::jump, 5)});
  for (int i = 0; i < 2; ++i) hybrid.execute_block(*cpu, key);
  CHECK(hybrid.pending() == 1);
  m.code({toy(Toy::add, 100)});
  const std::uint64_t before = m.stat(Stat::blocks_compiled);
  CHECK(hybrid.compile_pending() == 1);
  CHECK_COUNTED(m.stat(Stat::blocks_compiled) == before);
  cpu->set_slot(0, 0);
  for (int i = 0; i < 4; ++i) {
    hybrid.execute_block(*cpu, key);
    hybrid.compile_pending();
  }
  CHECK(cpu->slot(0) == 400);
  CHECK(hybrid.execute_block(*cpu, key).tier == Tier::jit);
  CHECK(cpu->slot(0) == 500);
  // Waiting when the executor goes.
  m.code({toy(Toy::add, 7)});
  for (int i = 0; i < 2; ++i) hybrid.execute_block(*cpu, key);
  CHECK(hybrid.pending() == 1);
}

TEST_CASE("workers: the vCPU goes on, and finds the code later") {
  ToyMachine m;
  if (!compiles(m)) return;
  m.code({toy(Toy::add, 1), toy(Toy::loop, -1), toy(Toy::call)});
  HybridConfig config = warm_at(10);
  config.mode = CompileMode::workers;
  config.compile_threads = 2;
  HybridExecutor hybrid(*m.context, config);
  const std::uint64_t before = m.stat(Stat::jit_entries);
  auto cpu = m.vcpu();
  cpu->set_slot(3, 100);
  CHECK(hybrid.run(*cpu).reason == ExitReason::syscall);
  hybrid.wait_for_compilations();
  CHECK(hybrid.pending() == 0);
  cpu->set_pc({kToyCode});
  cpu->set_slot(3, 1'000'000);
  CHECK(hybrid.run(*cpu).reason == ExitReason::syscall);
  CHECK(cpu->slot(0) == 1'000'100);
  CHECK_COUNTED(m.stat(Stat::jit_entries) > before);
  CHECK_COUNTED(m.stat(Stat::interpreter_blocks) < 1'000'000);
}

TEST_CASE("pauses are counted" * counted()) {
  ToyMachine m;
  if (!compiles(m)) return;
  const auto pauses = [&] {
    return m.stat(Stat::compile_pauses_10us) + m.stat(Stat::compile_pauses_50us) +
           m.stat(Stat::compile_pauses_250us) + m.stat(Stat::compile_pauses_1ms) +
           m.stat(Stat::compile_pauses_longer);
  };
  const std::uint64_t before = pauses();
  m.code({toy(Toy::add, 1), toy(Toy::jump, 5)});
  HybridExecutor hybrid(*m.context, warm_at(2));
  auto cpu = m.vcpu();
  for (int i = 0; i < 10; ++i) hybrid.execute_block(*cpu, {{kToyCode}});
  CHECK(pauses() == before + 1);
  CHECK_COUNTED(m.stat(Stat::compile_pause_longest) > 0);
}

}  // namespace
}  // namespace ashlar::test
