// Safepoints, trimming of code memory, and execution counts.
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <ashlar/hybrid.hpp>

#include "engine/toy_guest.hpp"
#include "support/counted.hpp"

namespace ashlar::test {
namespace {

/// Each round adds 1 to x0 and takes 1 from x3, in one block: at a boundary their sum is what it was.
void write_loop(ToyMachine& m) { m.code({toy(Toy::add, 1), toy(Toy::loop, -1), toy(Toy::call)}); }
constexpr std::uint64_t kRounds = std::uint64_t{1} << 60;

std::vector<std::unique_ptr<ExecutionEngine>> engines_of(ExecutionContext& context) {
  std::vector<std::unique_ptr<ExecutionEngine>> all;
  all.push_back(std::make_unique<InterpreterExecutor>(context));
  all.push_back(std::make_unique<JitExecutor>(context));
  all.push_back(std::make_unique<HybridExecutor>(context));
  return all;
}

TEST_CASE("a safepoint without vCPUs, with one at rest, and one that throws") {
  ToyMachine m;
  write_loop(m);
  int calls = 0;
  m.context->at_safepoint([&](std::span<Vcpu* const> vcpus) {
    CHECK(vcpus.empty());
    ++calls;
  });
  auto cpu = m.vcpu();
  cpu->set_slot(3, 2);
  InterpreterExecutor engine(*m.context);
  engine.run(*cpu);
  m.context->at_safepoint([&](std::span<Vcpu* const> vcpus) {
    REQUIRE(vcpus.size() == 1);
    CHECK(vcpus[0] == cpu.get());
    m.context->flush();  // the context can be used
    ++calls;
  });
  CHECK_THROWS_AS(m.context->at_safepoint([](std::span<Vcpu* const>) { throw std::runtime_error("no"); }),
                  std::runtime_error);
  CHECK(calls == 2);
  cpu->set_pc({kToyCode});
  cpu->set_slot(3, 2);
  CHECK(engine.run(*cpu).reason == ExitReason::syscall);
}

TEST_CASE("vCPUs that run are at block boundaries, stand still, and go on") {
  ToyMachine m;
  write_loop(m);
  const auto engines = engines_of(*m.context);
  std::vector<std::unique_ptr<Vcpu>> vcpus;
  for (int i = 0; i < 3; ++i) {
    vcpus.push_back(m.vcpu());
    vcpus.back()->set_slot(3, kRounds);
  }
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      ExecutionResult result;
      // One in slices, which end and begin while safepoints come.
      do result = engines[i]->run(*vcpus[i], i == 2 ? RunLimits{999} : RunLimits{});
      while (result.reason == ExitReason::fuel);
      if (result.reason != ExitReason::halted) FAIL_CHECK("not halted");
    });
  }
  std::uint64_t moved = 0, last = 0;
  // Until there have been some between which the vCPUs got on; how many that takes is the machine's matter.
  for (int i = 0; i < 200 || moved <= 10; ++i) {
    m.context->at_safepoint([&](std::span<Vcpu* const> all) {
      std::uint64_t sum = 0;
      for (Vcpu* vcpu : all) {
        const std::uint64_t done = vcpu->slot(0);
        // Fuel also ends between a block's two instructions.
        if (done + vcpu->slot(3) - kRounds > 1) FAIL_CHECK("not at a boundary");
        sum += done;
      }
      for (int n = 0; n < 100; ++n) {
        std::uint64_t again = 0;
        for (Vcpu* vcpu : all) again += vcpu->slot(0);
        if (again != sum) FAIL_CHECK("a vCPU ran during a safepoint");
      }
      if (all.size() == 3 && sum != last) ++moved;
      last = sum;
    });
    if (i % 16 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  for (const auto& vcpu : vcpus) vcpu->request_halt();
  // A run in slices may use the halt up between two: ask until all have ended.
  std::atomic<bool> ended{false};
  std::thread asker([&] {
    while (!ended) {
      for (const auto& vcpu : vcpus) vcpu->request_halt();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  for (std::thread& thread : threads) thread.join();
  ended = true;
  asker.join();
}

TEST_CASE("vCPUs may come and go while there are safepoints") {
  ToyMachine m;
  write_loop(m);
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      HybridExecutor engine(*m.context);
      while (!stop) {
        auto cpu = m.vcpu();
        cpu->set_slot(3, 100);
        if (engine.run(*cpu).reason != ExitReason::syscall) FAIL_CHECK("not a syscall");
        if (cpu->slot(0) != 100) FAIL_CHECK("wrong sum");
      }
    });
  }
  for (int i = 0; i < 300; ++i) {
    m.context->at_safepoint([&](std::span<Vcpu* const> all) {
      for (Vcpu* vcpu : all)
        if (vcpu->slot(0) + vcpu->slot(3) != 100) FAIL_CHECK("not at a boundary");
    });
    if (i % 16 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

TEST_CASE("trim gives code memory back, and guests go on") {
  ToyMachine m;
  JitExecutor jit(*m.context);
  auto cpu = m.vcpu();
  for (std::uint64_t i = 0; i < 64; ++i) m.code({toy(Toy::add, 1), toy(Toy::call)}, kToyCode + 0x100 * i);
  for (std::uint64_t i = 0; i < 64; ++i) {
    cpu->set_pc({kToyCode + 0x100 * i});
    CHECK(jit.run(*cpu).reason == ExitReason::syscall);
  }
  const std::uint64_t live = m.stat(Stat::code_bytes_live);
  if (live == 0) return;  // no compiled code on this host
  CHECK(m.context->trim(0) == 0);
  CHECK_COUNTED(m.stat(Stat::code_bytes_live) == live);
  const std::uint64_t trimmed = m.context->trim(1);
  CHECK(trimmed > 0);
  CHECK_COUNTED(m.stat(Stat::code_bytes_live) == live - trimmed);
  CHECK(m.context->trim(~std::uint64_t{0}) == live - trimmed);
  CHECK_COUNTED(m.stat(Stat::code_bytes_live) == 0);
  CHECK_COUNTED(m.stat(Stat::code_bytes_retired) == 0);  // nobody is inside
  CHECK(m.context->trim(1000) == 0);
  for (std::uint64_t i = 0; i < 64; ++i) {
    cpu->set_pc({kToyCode + 0x100 * i});
    CHECK(jit.run(*cpu).reason == ExitReason::syscall);
  }
  CHECK(cpu->slot(0) == 128);
  CHECK_COUNTED(m.stat(Stat::code_bytes_live) == live);
}

TEST_CASE("execution counts: the busiest block first") {
  ToyMachine m;
  write_loop(m);
  InterpreterExecutor engine(*m.context);
  auto cpu = m.vcpu();
  cpu->set_slot(3, 50);
  engine.run(*cpu);
  const auto counts = m.context->block_executions(10);
  REQUIRE(counts.size() == 2);
  CHECK(counts[0].key.addr.value == kToyCode);
  CHECK(counts[0].executions == 50);
  CHECK(counts[1].key.addr.value == kToyCode + 8);
  CHECK(counts[1].executions == 1);
  CHECK(m.context->block_executions(1).size() == 1);
  CHECK(m.context->block_executions(0).empty());
}

}  // namespace
}  // namespace ashlar::test
