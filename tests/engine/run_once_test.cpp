// Blocks that run once: nothing of them is kept, and nothing else is different.
#include <doctest/doctest.h>

#include <ashlar/hybrid.hpp>

#include "engine/toy_guest.hpp"
#include "support/counted.hpp"

namespace ashlar::test {
namespace {

struct ForgetfulMachine : ToyMachine {
  explicit ForgetfulMachine(std::vector<Helper> helpers = {}, TranslateLimits limits = {})
      : ToyMachine(std::move(helpers), limits, false) {}

  /// So many blocks, each of which adds 1 and goes on to the next, and a system call.
  void chain(int blocks) {
    std::uint64_t at = kToyCode;
    for (int i = 0; i < blocks; ++i, at += 0x40) code({toy(Toy::add, 1), toy(Toy::jump, 15)}, at);
    code({toy(Toy::call)}, at);
  }
};

template <typename Executor>
void runs_chain_three_times() {
  ForgetfulMachine m;
  m.chain(20);
  Executor executor(*m.context);
  auto cpu = m.vcpu();
  for (unsigned time = 1; time <= 4; ++time) {
    CAPTURE(time);
    cpu->set_pc({kToyCode});
    CHECK(executor.run(*cpu).reason == ExitReason::syscall);
    CHECK(cpu->slot(0) == 20 * time);
    CHECK(m.frontend.translations == (time == 1 ? 21u : 42u));
    CHECK_COUNTED(m.stat(Stat::ir_blocks_live) == (time == 1 ? 0u : 21u));
    CHECK_COUNTED(m.stat(Stat::interpreter_blocks) == 21 * time);
  }
}

TEST_CASE("a block is kept from the second time on that it is run") {
  runs_chain_three_times<InterpreterExecutor>();
  runs_chain_three_times<HybridExecutor>();
}

TEST_CASE("between blocks that run once, a warm one is interpreted rather than entered compiled") {
  // A block that goes to the next of 60 that each come back to it.
  ForgetfulMachine m({{"next", [](Vcpu& vcpu, std::uint64_t, std::uint64_t, std::uint64_t) noexcept {
                         vcpu.set_slot(4, vcpu.slot(4) + 0x40);
                         return std::uint64_t{0};
                       }}});
  m.code({toy(Toy::helper, 0), toy(Toy::jump_x4, 0)});
  constexpr int kBlocks = 60;
  std::uint64_t at = kToyCode;
  for (int i = 0; i < kBlocks; ++i) {
    at += 0x40;
    m.code({toy(Toy::add, 1), toy(Toy::jump_x4, -(i + 1) * 0x40)}, at);
  }
  m.code({toy(Toy::call)}, at + 0x40);
  HybridConfig config;
  config.warm_executions = 5;
  HybridExecutor hybrid(*m.context, config);
  auto cpu = m.vcpu();
  cpu->set_slot(4, kToyCode);
  CHECK(hybrid.run(*cpu).reason == ExitReason::syscall);
  CHECK(cpu->slot(0) == kBlocks);
  CHECK_COUNTED(m.stat(Stat::jit_entries) == 0);

  // Where it goes on to what is compiled, its own code is run: it does not stay with the interpreter.
  m.code({toy(Toy::add, 1), toy(Toy::loop, -1), toy(Toy::jump, 14)}, kToyCode + 0x4000);
  m.code({toy(Toy::add, 1), toy(Toy::call)}, kToyCode + 0x4040);
  cpu->set_slot(3, 1000);
  cpu->set_pc({kToyCode + 0x4000});
  CHECK(hybrid.run(*cpu).reason == ExitReason::syscall);
  CHECK(cpu->slot(0) == kBlocks + 1001);
  if (m.stat(Stat::blocks_compiled) != 0) CHECK_COUNTED(m.stat(Stat::interpreter_blocks) < 2 * kBlocks + 20);
}

TEST_CASE("execute_block keeps at once") {
  ForgetfulMachine m;
  m.chain(1);
  HybridExecutor hybrid(*m.context);
  auto cpu = m.vcpu();
  CHECK_FALSE(hybrid.execute_block(*cpu, {{kToyCode}}).cache_hit);
  CHECK(hybrid.execute_block(*cpu, {{kToyCode}}).cache_hit);
  CHECK(m.frontend.translations == 1);
}

TEST_CASE("the first time counts towards the threshold") {
  ForgetfulMachine m;
  m.code({toy(Toy::add, 1), toy(Toy::call)});
  HybridConfig config;
  config.warm_executions = 5;
  HybridExecutor hybrid(*m.context, config);
  auto cpu = m.vcpu();
  for (int i = 1; i <= 8; ++i) {
    CAPTURE(i);
    cpu->set_pc({kToyCode});
    const ExecutionResult result = hybrid.run(*cpu);
    CHECK(result.reason == ExitReason::syscall);
    if (m.stat(Stat::blocks_compiled) == 0 && i >= 5) return;  // there is no executable memory
    CHECK(result.tier == (i < 5 ? Tier::interpreter : Tier::jit));
  }
}

TEST_CASE("a compiler is set up when enough blocks have become due") {
  for (const std::uint32_t after : {1u, 3u}) {
    CAPTURE(after);
    ForgetfulMachine m;
    m.code({toy(Toy::add, 1), toy(Toy::call)});
    HybridConfig config;
    config.warm_executions = 5;
    config.setup_after = after;
    HybridExecutor hybrid(*m.context, config);
    auto cpu = m.vcpu();
    unsigned first = 0;
    for (unsigned i = 1; i <= 40 && first == 0; ++i) {
      cpu->set_pc({kToyCode});
      CHECK(hybrid.run(*cpu).reason == ExitReason::syscall);
      CHECK(cpu->slot(0) == i);
      if (m.stat(Stat::blocks_compiled) != 0) first = i;
    }
    if (first == 0) return;  // there is no executable memory
    // What is put off is interpreted that time, which counts.
    CHECK(first == 5 + 4 * (after - 1));
  }
}

TEST_CASE("faults, fuel and halts in a block that runs once") {
  ForgetfulMachine m;
  m.code({toy(Toy::add, 1), toy(Toy::add, 1), toy(Toy::load, 0), toy(Toy::add, 1), toy(Toy::call)});
  InterpreterExecutor executor(*m.context);
  auto cpu = m.vcpu();
  cpu->set_slot(2, 0x80000);
  const ExecutionResult fault = executor.run(*cpu);
  CHECK(fault.reason == ExitReason::fault);
  CHECK(fault.fault.addr.value == 0x80000);
  CHECK(cpu->pc().value == kToyCode + 8);
  CHECK(cpu->slot(0) == 2);
  CHECK_COUNTED(m.stat(Stat::ir_blocks_live) == 0);

  m.code({toy(Toy::add, 1), toy(Toy::add, 1), toy(Toy::add, 1), toy(Toy::call)}, kToyCode + 0x100);
  cpu->set_pc({kToyCode + 0x100});
  const ExecutionResult spent = executor.run(*cpu, {.fuel = 2});
  CHECK(spent.reason == ExitReason::fuel);
  CHECK(spent.instructions == 2);
  CHECK(cpu->pc().value == kToyCode + 0x108);
  CHECK(cpu->slot(0) == 4);

  cpu->set_pc({kToyCode + 0x100});
  cpu->request_halt();
  CHECK(executor.run(*cpu).reason == ExitReason::halted);
  CHECK(cpu->slot(0) == 4);
}

ExecutionContext* invalidated = nullptr;

TEST_CASE("a helper that invalidates the block it is called from, which runs once") {
  ForgetfulMachine m({{"invalidate", [](Vcpu&, std::uint64_t, std::uint64_t, std::uint64_t) noexcept {
                         invalidated->invalidate({{kToyCode}, 0x100});
                         return std::uint64_t{7};
                       }}});
  invalidated = m.context.get();
  m.code({toy(Toy::add, 1), toy(Toy::helper, 0), toy(Toy::add, 1), toy(Toy::call)});
  HybridExecutor hybrid(*m.context);
  auto cpu = m.vcpu();
  for (unsigned i = 1; i <= 3; ++i) {
    cpu->set_pc({kToyCode});
    CHECK(hybrid.run(*cpu).reason == ExitReason::syscall);
    CHECK(cpu->slot(0) == 2 * i);
    CHECK(cpu->slot(7) == 7);
  }
}

TEST_CASE("more different blocks than are remembered") {
  // Addresses that share their bit: from the second on each is kept at once.
  ForgetfulMachine m;
  m.code({toy(Toy::add, 1), toy(Toy::call)});
  InterpreterExecutor executor(*m.context);
  auto cpu = m.vcpu();
  for (unsigned time = 1; time <= 3; ++time) {
    for (std::uint64_t mode = 0; mode < 300; ++mode) {
      cpu->set_pc({kToyCode});
      cpu->frame().cold().mode = mode;
      CHECK(executor.run(*cpu).reason == ExitReason::syscall);
    }
  }
  CHECK(cpu->slot(0) == 900);
  CHECK_COUNTED(m.stat(Stat::ir_blocks_live) == 300);
  CHECK(m.frontend.translations < 600);  // modes beyond 255 share bits with others
}

}  // namespace
}  // namespace ashlar::test
