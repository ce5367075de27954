// The interpreter as an execution engine: results, fuel, halts, faults, and what is translated when.
#include <cfenv>
#include <thread>

#include <doctest/doctest.h>

#include "engine/toy_guest.hpp"
#include "support/counted.hpp"

namespace ashlar::test {
namespace {

constexpr std::uint64_t kNowhere = 0x80000;

TEST_CASE("contexts refuse what they can't work with") {
  CHECK_FALSE(ExecutionContext::create({}));
  ToyFrontend frontend;
  ContextConfig config;
  config.frontend = &frontend;
  config.code_limit = 1000;
  const auto refused = ExecutionContext::create(config);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::invalid_argument);
  config.code_limit = 1 << 20;
  config.translate.max_guest_insts = 0;
  CHECK_FALSE(ExecutionContext::create(config));
}

TEST_CASE("execute_block: one block, whatever the pc was, and whether it was there") {
  ToyMachine m;
  m.code({toy(Toy::add, 5), toy(Toy::add, 6), toy(Toy::jump, 2)});
  auto cpu = m.vcpu(kNowhere);
  InterpreterExecutor executor(*m.context);
  ExecutionResult result = executor.execute_block(*cpu, {{kToyCode}});
  CHECK(result.reason == ExitReason::block_done);
  CHECK(result.tier == Tier::interpreter);
  CHECK_FALSE(result.cache_hit);
  CHECK(result.next == BlockKey{{kToyCode + 16}});
  CHECK(cpu->pc() == GuestAddr{kToyCode + 16});
  CHECK(cpu->slot(0) == 11);
  for (int i = 2; i < 10; ++i) {
    result = executor.execute_block(*cpu, {{kToyCode}});
    CHECK(result.cache_hit);
    CHECK(cpu->slot(0) == 11u * static_cast<unsigned>(i));
  }
  CHECK(m.frontend.translations == 1);
  CHECK_COUNTED(m.stat(Stat::blocks_translated) == 1);
  CHECK_COUNTED(m.stat(Stat::guest_instructions_translated) == 3);
  CHECK_COUNTED(m.stat(Stat::runs) == 9);
  CHECK_COUNTED(m.stat(Stat::interpreter_blocks) == 9);
  CHECK_COUNTED(m.stat(Stat::ir_blocks_live) == 1);
  // Another vCPU finds it by the shared look-up.
  auto other = m.vcpu();
  CHECK(executor.execute_block(*other, {{kToyCode}}).cache_hit);
  CHECK(m.frontend.translations == 1);
}

TEST_CASE("execute_blocks: in order, until one ends otherwise") {
  ToyMachine m;
  m.code({toy(Toy::add, 1), toy(Toy::jump, 1), toy(Toy::add, 10), toy(Toy::jump, 1), toy(Toy::call)});
  auto cpu = m.vcpu();
  InterpreterExecutor executor(*m.context);
  const BlockKey a{{kToyCode}}, b{{kToyCode + 8}}, c{{kToyCode + 16}};
  const BlockKey keys[] = {b, a, b, c, a};
  ExecutionResult results[5];
  CHECK(executor.execute_blocks(*cpu, keys, results) == 4);
  CHECK(cpu->slot(0) == 21);
  CHECK_FALSE(results[0].cache_hit);
  CHECK_FALSE(results[1].cache_hit);
  CHECK(results[2].cache_hit);
  CHECK(results[2].next == c);
  CHECK(results[3].reason == ExitReason::syscall);
  CHECK(results[4].tier == Tier::none);
  CHECK_COUNTED(m.stat(Stat::runs) == 1);
  CHECK(executor.execute_blocks(*cpu, {}, {}) == 0);
}

TEST_CASE("run: stop reasons") {
  ToyMachine m;
  m.code({toy(Toy::add, 1), toy(Toy::call), toy(Toy::jump, 1), toy(Toy::illegal)});
  auto cpu = m.vcpu();
  InterpreterExecutor executor(*m.context);
  ExecutionResult result = executor.run(*cpu);
  CHECK(result.reason == ExitReason::syscall);
  CHECK(result.next.addr.value == kToyCode + 8);
  CHECK(result.instructions == 0);  // not counted
  result = executor.run(*cpu);
  CHECK(result.reason == ExitReason::illegal_instruction);
  CHECK(result.next.addr.value == kToyCode + 12);
  result = executor.run(*cpu);  // again, at the same place
  CHECK(result.reason == ExitReason::illegal_instruction);
  CHECK_COUNTED(m.stat(Stat::syscalls) == 1);
}

TEST_CASE("fuel is exact to the instruction at every value") {
  ToyMachine m;
  // Three rounds of add 1, add 2, loop; then add 100, call: 9 + 2 instructions.
  m.code({toy(Toy::add, 1), toy(Toy::add, 2), toy(Toy::loop, -2), toy(Toy::add, 100), toy(Toy::call)});
  InterpreterExecutor executor(*m.context);
  const std::uint64_t sums[] = {0, 1, 3, 3, 4, 6, 6, 7, 9, 9, 109, 109};
  const std::uint64_t offsets[] = {0, 4, 8, 0, 4, 8, 0, 4, 8, 12, 16, 20};
  for (int round = 0; round < 2; ++round) {
    for (std::uint64_t fuel = 0; fuel < 14; ++fuel) {
      CAPTURE(fuel);
      auto cpu = m.vcpu();
      cpu->set_slot(3, 3);
      const ExecutionResult result = executor.run(*cpu, {fuel});
      const std::uint64_t done = std::min<std::uint64_t>(fuel, 11);
      CHECK(result.instructions == done);
      CHECK(cpu->slot(0) == sums[done]);
      CHECK(cpu->pc().value == kToyCode + offsets[done]);
      CHECK(result.next == cpu->key());
      CHECK(result.reason == (fuel < 11 ? ExitReason::fuel : ExitReason::syscall));
      // The rest, in slices of one.
      std::uint64_t rest = done;
      while (rest < 11) {
        const ExecutionResult slice = executor.run(*cpu, {1});
        CHECK(slice.instructions == 1);
        ++rest;
        CHECK(cpu->slot(0) == sums[rest]);
        CHECK(slice.reason == (rest < 11 ? ExitReason::fuel : ExitReason::syscall));
      }
    }
  }
}

TEST_CASE("fuel beyond 63 bits is as good as none; without fuel the whole block is done") {
  ToyMachine m;
  m.code({toy(Toy::add, 1), toy(Toy::loop, -1), toy(Toy::call)});
  InterpreterExecutor executor(*m.context);
  auto cpu = m.vcpu();
  cpu->set_slot(3, 1000);
  const ExecutionResult result = executor.run(*cpu, {~std::uint64_t{0}});
  CHECK(result.reason == ExitReason::syscall);
  CHECK(result.instructions == 2001);
}

TEST_CASE("fuel of nothing translates nothing") {
  ToyMachine m;
  auto cpu = m.vcpu(kNowhere);
  InterpreterExecutor executor(*m.context);
  CHECK(executor.run(*cpu, {0}).reason == ExitReason::fuel);
  CHECK(m.frontend.translations == 0);
}

TEST_CASE("a halt is taken by one run, at once when none is running") {
  ToyMachine m;
  m.code({toy(Toy::add, 1), toy(Toy::call)});
  auto cpu = m.vcpu();
  InterpreterExecutor executor(*m.context);
  cpu->request_halt();
  CHECK(executor.run(*cpu).reason == ExitReason::halted);
  CHECK(cpu->slot(0) == 0);
  CHECK(cpu->pc().value == kToyCode);
  cpu->request_halt();
  CHECK(executor.execute_block(*cpu, {{kToyCode}}).reason == ExitReason::halted);
  CHECK(cpu->slot(0) == 0);
  CHECK(executor.run(*cpu).reason == ExitReason::syscall);
  CHECK(cpu->slot(0) == 1);
}

TEST_CASE("a halt from another thread stops a loop in linked blocks") {
  ToyMachine m;
  m.code({toy(Toy::add, 1), toy(Toy::jump, 1), toy(Toy::add, 1), toy(Toy::jump, -3)});
  auto cpu = m.vcpu();
  InterpreterExecutor executor(*m.context);
  for (int i = 0; i < 5; ++i) {
    std::thread halter([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      cpu->request_halt();
    });
    const ExecutionResult result = executor.run(*cpu);
    halter.join();
    CHECK(result.reason == ExitReason::halted);
    CHECK((cpu->pc().value == kToyCode || cpu->pc().value == kToyCode + 8));
  }
  CHECK_COUNTED(m.stat(Stat::links) == 2);
  CHECK(m.frontend.translations == 2);
}

TEST_CASE("a halt stops a loop of indirect jumps") {
  static std::atomic<int> rounds;
  rounds = 0;
  const Helper count{"count", [](Vcpu&, std::uint64_t, std::uint64_t, std::uint64_t) noexcept {
                       return static_cast<std::uint64_t>(++rounds);
                     }};
  ToyMachine m({count});
  m.code({toy(Toy::helper, 0), toy(Toy::jump_x4)});
  auto cpu = m.vcpu();
  cpu->set_slot(4, kToyCode);
  InterpreterExecutor executor(*m.context);
  std::thread halter([&] {
    while (rounds < 1000) std::this_thread::yield();
    cpu->request_halt();
  });
  CHECK(executor.run(*cpu).reason == ExitReason::halted);
  halter.join();
  CHECK(cpu->slot(7) >= 1000);
  // The vCPU's own table answered, not the shared one.
  CHECK_COUNTED(m.stat(Stat::lookup_hits) + m.stat(Stat::lookup_misses) < 5);
}

TEST_CASE("data faults are exact, and the vCPU goes on after repair") {
  ToyMachine m;
  m.code({toy(Toy::add, 1), toy(Toy::load, 8), toy(Toy::add, 10), toy(Toy::call)});
  auto cpu = m.vcpu();
  cpu->set_slot(2, kToyData + 0x1000 - 12);  // the last four bytes are not mapped
  InterpreterExecutor executor(*m.context);
  for (int i = 0; i < 2; ++i) {
    const ExecutionResult result =
        i == 0 ? executor.run(*cpu, {100}) : executor.execute_block(*cpu, {{kToyCode + 4}});
    CHECK(result.reason == ExitReason::fault);
    CHECK(result.tier == Tier::interpreter);
    CHECK(result.fault.kind == FaultKind::unmapped);
    CHECK(result.fault.access == AccessKind::load);
    CHECK(result.fault.addr.value == kToyData + 0x1000);
    CHECK(result.next.addr.value == kToyCode + 4);
    CHECK(cpu->slot(0) == 1);
    if (i == 0) CHECK(result.instructions == 1);
  }
  CHECK_COUNTED(m.stat(Stat::memory_faults) == 2);
  REQUIRE(m.memory->map({{kToyData + 0x1000}, 0x1000}, Perm::read));
  CHECK(executor.run(*cpu).reason == ExitReason::syscall);
  CHECK(cpu->slot(0) == 11);
}

TEST_CASE("vCPUs whose memories lie differently, in one context") {
  ToyMachine m;
  m.code({toy(Toy::load, 8), toy(Toy::add, 1), toy(Toy::loop, -2), toy(Toy::call)});
  // Other memory with the same contents, when all places are taken where its base would be a limit.
  std::vector<std::shared_ptr<FlatMemory>> others;
  do {
    auto made = FlatMemory::create({m.memory->size()});
    REQUIRE(made);
    others.push_back(made.value());
  } while (others.back()->base_is_limit() && others.size() < 64);
  FlatMemory& other = *others.back();
  CHECK_FALSE(other.base_is_limit());
  REQUIRE(other.map({{kToyData}, 0x1000}, Perm::read | Perm::write));
  auto here = m.vcpu();
  auto made = Vcpu::create(m.frontend.layout(), &other);
  REQUIRE(made);
  Vcpu& there = **made;
  JitExecutor executor(*m.context);
  // Up to 2^46, far beyond either window, and beyond what emitted code compares with.
  for (unsigned shift = 0; shift < 47; ++shift) {
    for (Vcpu* const cpu : {here.get(), &there}) {
      cpu->set_pc({kToyCode});
      cpu->set_slot(0, 0);
      cpu->set_slot(3, 5);
      cpu->set_slot(2, kToyData);
      CHECK(executor.run(*cpu).reason == ExitReason::syscall);
      CHECK(cpu->slot(0) == 5);
      cpu->set_pc({kToyCode});
      cpu->set_slot(2, kToyData + 0x1000 + (std::uint64_t{1} << shift));
      const ExecutionResult result = executor.run(*cpu);
      CHECK(result.reason == ExitReason::fault);
      CHECK(result.fault.addr.value == kToyData + 0x1008 + (std::uint64_t{1} << shift));
      const ExecutionResult one = executor.execute_block(*cpu, {{kToyCode}});
      CHECK(one.reason == ExitReason::fault);
    }
  }
}

TEST_CASE("a fault loses neither float flags nor the host's and the guest's rounding modes") {
  ToyMachine m;
  m.code({toy(Toy::mode, 1), toy(Toy::third), toy(Toy::load), toy(Toy::flags), toy(Toy::call)});
  auto cpu = m.vcpu();
  cpu->set_slot(ToyFrontend::kF0 + 1, 0x3ff0'0000'0000'0000);  // 1
  cpu->set_slot(ToyFrontend::kF0 + 2, 0x4008'0000'0000'0000);  // 3
  cpu->set_slot(2, kNowhere);
  InterpreterExecutor executor(*m.context);
  std::feclearexcept(FE_ALL_EXCEPT);
  volatile double large = 1e308;
  large = large * 10;  // in the unit that guest code uses, too
  std::fesetround(FE_UPWARD);
  const ExecutionResult result = executor.run(*cpu);
  const int host_mode = std::fegetround();
  const int host_flags = std::fetestexcept(FE_ALL_EXCEPT);
  std::fesetround(FE_TONEAREST);
  std::feclearexcept(FE_ALL_EXCEPT);
  CHECK(result.reason == ExitReason::fault);
  CHECK(host_mode == FE_UPWARD);
  CHECK(host_flags == (FE_OVERFLOW | FE_INEXACT));
  CHECK(cpu->float_flags() == inexact);
  CHECK(cpu->slot(ToyFrontend::kF0) == 0x3fd5'5555'5555'5555);
  cpu->set_slot(2, kToyData);
  CHECK(executor.run(*cpu).reason == ExitReason::syscall);
  CHECK(cpu->slot(6) == inexact);
}

TEST_CASE("guest rounding follows the mode, and host flags do not leak into the guest's") {
  ToyMachine m;
  m.code({toy(Toy::third), toy(Toy::flags), toy(Toy::call)});
  InterpreterExecutor executor(*m.context);
  const auto divide = [&](std::uint64_t mode, std::uint64_t numerator) {
    auto cpu = m.vcpu();
    cpu->set_mode(mode);
    cpu->set_slot(ToyFrontend::kF0 + 1, numerator);
    cpu->set_slot(ToyFrontend::kF0 + 2, 0x4008'0000'0000'0000);
    volatile double third = 1.0;
    third = third / 3.0;  // the host's flag is up
    CHECK(executor.run(*cpu).reason == ExitReason::syscall);
    CHECK(cpu->slot(6) == cpu->float_flags());
    return std::pair(cpu->slot(ToyFrontend::kF0), cpu->float_flags());
  };
  constexpr std::uint64_t kTwo = 0x4000'0000'0000'0000, kThree = 0x4008'0000'0000'0000;
  for (int i = 0; i < 2; ++i) {
    CHECK(divide(0, kTwo) == std::pair{std::uint64_t{0x3fe5'5555'5555'5555}, std::uint8_t{inexact}});
    CHECK(divide(1, kTwo | 1ull << 63) ==
          std::pair{std::uint64_t{0xbfe5'5555'5555'5555}, std::uint8_t{inexact}});
    CHECK(divide(0, kThree) == std::pair{std::uint64_t{0x3ff0'0000'0000'0000}, std::uint8_t{0}});
  }
}

TEST_CASE("fetch faults") {
  ToyMachine m;
  m.code({toy(Toy::add, 1), toy(Toy::jump_x4)});
  auto cpu = m.vcpu();
  cpu->set_slot(4, kToyData);
  InterpreterExecutor executor(*m.context);
  ExecutionResult result = executor.run(*cpu);
  CHECK(result.reason == ExitReason::fault);
  CHECK(result.fault.access == AccessKind::fetch);
  CHECK(result.fault.kind == FaultKind::protection);
  CHECK(result.next.addr.value == kToyData);
  CHECK(cpu->slot(0) == 1);
  result = executor.execute_block(*cpu, {{kNowhere}});
  CHECK(result.reason == ExitReason::fault);
  CHECK(result.fault.kind == FaultKind::unmapped);
  CHECK(result.tier == Tier::none);
  CHECK_COUNTED(m.stat(Stat::ir_blocks_live) == 1);
}

TEST_CASE("a helper may ask to leave the block") {
  const Helper leave{"leave", [](Vcpu& vcpu, std::uint64_t a, std::uint64_t, std::uint64_t) noexcept {
                       vcpu.request_attention(kAttendExit);
                       return a + vcpu.pc().value;
                     }};
  const Helper halt{"halt", [](Vcpu& vcpu, std::uint64_t, std::uint64_t, std::uint64_t) noexcept {
                      vcpu.request_attention(kAttendExit | kAttendHalt);
                      return std::uint64_t{7};
                    }};
  ToyMachine m({leave, halt});
  m.code({toy(Toy::add, 1), toy(Toy::helper, 0), toy(Toy::add, 1), toy(Toy::helper, 1), toy(Toy::add, 1),
          toy(Toy::call)});
  auto cpu = m.vcpu();
  InterpreterExecutor executor(*m.context);
  ExecutionResult result = executor.execute_block(*cpu, {{kToyCode}});
  CHECK(result.reason == ExitReason::block_done);
  CHECK(result.next.addr.value == kToyCode + 8);
  CHECK(cpu->slot(0) == 1);
  CHECK(cpu->slot(7) == 1 + kToyCode + 4);
  cpu->set_pc({kToyCode});
  result = executor.run(*cpu, {100});  // leaves, goes on by itself, and halts behind the second
  CHECK(result.reason == ExitReason::halted);
  CHECK(result.next.addr.value == kToyCode + 16);
  CHECK(result.instructions == 4);
  CHECK(executor.run(*cpu).reason == ExitReason::syscall);
  CHECK(cpu->slot(0) == 4);
}

TEST_CASE("a vCPU may move from context to context, and outlive them") {
  ToyMachine a;
  a.code({toy(Toy::add, 1), toy(Toy::call)});
  auto cpu = a.vcpu();
  {
    ContextConfig config = a.context->config();
    auto other = ExecutionContext::create(config);
    REQUIRE(other);
    InterpreterExecutor first(*a.context), second(**other);
    for (int i = 0; i < 3; ++i) {
      cpu->set_pc({kToyCode});
      CHECK(first.run(*cpu).reason == ExitReason::syscall);
      cpu->set_pc({kToyCode});
      CHECK(second.run(*cpu).reason == ExitReason::syscall);
    }
    CHECK_COUNTED((*other)->stats()[Stat::runs] == 3);
  }
  CHECK_COUNTED(a.stat(Stat::runs) == 3);
  CHECK(cpu->slot(0) == 6);
  cpu->set_pc({kToyCode});
  CHECK(InterpreterExecutor(*a.context).run(*cpu).reason == ExitReason::syscall);
  a.context.reset();
  cpu.reset();
}

TEST_CASE("dumps do not disturb the cache") {
  ToyMachine m;
  m.code({toy(Toy::add, 5), toy(Toy::call)});
  auto text = m.context->dump_ir({{kToyCode}}, false);
  REQUIRE(text);
  CHECK(text->find("add64") != std::string::npos);
  CHECK(m.context->dump_ir({{kToyCode}}, true));
  CHECK_COUNTED(m.stat(Stat::ir_blocks_live) == 0);
  const auto none = m.context->dump_ir({{kNowhere}}, false);
  REQUIRE_FALSE(none);
  CHECK(none.error().code == ErrorCode::unknown_block);
}

}  // namespace
}  // namespace ashlar::test
