// Several vCPUs in compiled code of one context while that code is invalidated, flushed, rewritten and
// evicted under them. Meant for ThreadSanitizer and AddressSanitizer as well, which see everything but the
// emitted code itself. ASHLAR_SEED=n repeats a run with another seed.
#include <array>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "engine/toy_guest.hpp"
#include "support/counted.hpp"
#include "support/native_machine.hpp"
#include "support/rng.hpp"
#include "support/test_guest.hpp"

namespace ashlar::test {
namespace {

std::uint64_t seed() {
  const char* given = std::getenv("ASHLAR_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 0) : 20240815;
}

/// Blocks of all kinds in a chain whose sum does not depend on when they are translated. With little room for
/// code they don't all fit.
constexpr int kBlocks = 1000;
constexpr int kLoop = 500;
constexpr std::uint64_t kStride = 0x20;
constexpr std::uint64_t kSum = std::uint64_t{kBlocks} * (kBlocks + 1) / 2;

struct JitMachine : ToyMachine {
  explicit JitMachine(CodeMemoryMode kind, std::uint64_t code_limit) {
    ContextConfig config;
    config.frontend = &frontend;
    config.memory = memory.get();
    config.code_memory = kind;
    config.code_limit = code_limit;
    auto created = ExecutionContext::create(config);
    REQUIRE(created);
    context = std::move(created.value());
  }
  void write_block(int i) {
    const std::uint64_t at = kToyCode + static_cast<std::uint64_t>(i) * kStride;
    const auto next = static_cast<std::int32_t>(kStride);
    if (i + 1 == kBlocks) {
      code({toy(Toy::add, i + 1), toy(Toy::call)}, at);
    } else if (i % 7 == 3) {
      code({toy(Toy::add, i + 1), toy(Toy::jump_x4, (i + 1) * next)}, at);
    } else if (i % 200 == 100) {
      code({toy(Toy::add, i + 1), toy(Toy::fence), toy(Toy::jump, next / 4 - 2)}, at);
    } else if (i == kLoop) {  // three rounds of adding 0
      code({toy(Toy::add, i + 1), toy(Toy::add, 0), toy(Toy::loop, -1), toy(Toy::jump, next / 4 - 3)}, at);
    } else {
      code({toy(Toy::add, i + 1), toy(Toy::jump, next / 4 - 1)}, at);
    }
  }
  void start(Vcpu& cpu) {
    cpu.set_slot(0, 0);
    cpu.set_slot(3, 3);
    cpu.set_slot(4, kToyCode);
    cpu.set_pc({kToyCode});
  }
};

/// From the start to the system call in one of the ways that there are.
ExecutionResult run_somehow(ExecutionEngine& engine, Vcpu& cpu, Rng& rng) {
  ExecutionResult result;
  const unsigned way = rng.below(10);
  if (way < 2) {
    do result = engine.run(cpu, {1 + rng.below(500)});
    while (result.reason == ExitReason::fuel);
  } else if (way == 2) {
    do result = engine.execute_block(cpu, cpu.key());
    while (result.reason == ExitReason::block_done);
  } else if (way == 3) {
    // Compiled together; executed as far as the blocks follow each other.
    std::array<BlockKey, 8> keys;
    std::array<ExecutionResult, 8> results;
    do {
      const BlockKey first = cpu.key();
      for (std::size_t i = 0; i < keys.size(); ++i)
        keys[i] = {{(first.addr.value / kStride + i) * kStride}, first.mode};
      keys[0] = first;
      if (keys.back().addr.value >= kToyCode + kBlocks * kStride || (first.addr.value & (kStride - 1)) != 0) {
        result = engine.execute_block(cpu, first);
        continue;
      }
      // A block that goes elsewhere than to its neighbour ends what can be executed in this order.
      const std::size_t i = (first.addr.value - kToyCode) / kStride;
      std::size_t straight = 1;
      while (straight < keys.size() && i + straight - 1 != kLoop && (i + straight - 1) % 200 != 100)
        ++straight;
      const std::size_t done = engine.execute_blocks(cpu, std::span(keys).first(straight), results);
      result = results[done - 1];
    } while (result.reason == ExitReason::block_done);
  } else {
    result = engine.run(cpu);
  }
  return result;
}

void stress(CodeMemoryMode kind, std::uint64_t code_limit, std::uint64_t least_runs) {
  JitMachine m(kind, code_limit);
  for (int i = 0; i < kBlocks; ++i) m.write_block(i);
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> runs{0}, wrong{0};
  std::mutex first_mutex;
  std::string first;  // what went wrong first
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Rng rng(seed() * 100 + t);
      JitExecutor jit(*m.context);
      InterpreterExecutor interpreter(*m.context);
      auto cpu = m.vcpu();
      while (!stop) {
        if (rng.percent(5)) cpu = m.vcpu();  // vCPUs come and go
        m.start(*cpu);
        ExecutionEngine& engine = rng.percent(10) ? static_cast<ExecutionEngine&>(interpreter) : jit;
        const ExecutionResult result = run_somehow(engine, *cpu, rng);
        if (result.reason != ExitReason::syscall || cpu->slot(0) != kSum) {
          const std::lock_guard lock(first_mutex);
          if (wrong++ == 0)
            first = std::string(to_string(result.reason)) + " at " + hex(cpu->pc().value) + ", fault at " +
                    hex(result.fault.addr.value) + ", tier " + std::to_string(static_cast<int>(result.tier)) +
                    ", sum " + std::to_string(cpu->slot(0)) + " instead of " + std::to_string(kSum);
        }
        ++runs;
      }
    });
  }
  Rng rng(seed());
  JitExecutor executor(*m.context);
  for (int i = 0; i < 200 || runs < least_runs; ++i) {
    const int block = static_cast<int>(rng.below(kBlocks));
    switch (rng.below(6)) {
      case 0:
        executor.flush();
        break;
      case 1:
        m.write_block(block);  // the same code again: the memory's way to tell
        break;
      case 2:
        (void)m.context->stats();
        break;
      case 3:
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        break;
      default:
        executor.invalidate(
            {{kToyCode + static_cast<std::uint64_t>(block) * kStride}, 1 + rng.below(4 * kStride)});
    }
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  MESSAGE("seed " << seed() << ": " << runs.load() << " runs");
  CHECK(first == "");
  CHECK(wrong == 0);
  CHECK_COUNTED(m.stat(Stat::links) > 0);
  CHECK_COUNTED(m.stat(Stat::unlinks) > 0);
  m.context->flush();
  CHECK_COUNTED(m.stat(Stat::code_bytes_live) == 0);
  CHECK_COUNTED(m.stat(Stat::ir_blocks_live) == 0);
}

TEST_CASE("a block that is interpreted instead is executed, whoever wants attention in front of it") {
  JitMachine m(CodeMemoryMode::none, 64 << 10);
  m.code({toy(Toy::add, 1), toy(Toy::jump, 1), toy(Toy::add, 2), toy(Toy::jump, 1), toy(Toy::call)});
  auto cpu = m.vcpu();
  // Behind the engine's own look at the attention bits, and before the interpreter's.
  m.frontend.during_translation = [&] { cpu->request_attention(kAttendFlush); };
  JitExecutor executor(*m.context);
  const BlockKey keys[] = {{{kToyCode}}, {{kToyCode + 8}}};
  ExecutionResult results[2];
  CHECK(executor.execute_blocks(*cpu, keys, results) == 2);
  CHECK(results[0].reason == ExitReason::block_done);
  CHECK(results[0].next == keys[1]);
  CHECK(cpu->slot(0) == 3);
}

TEST_CASE("a system call is reported before a wish to halt that came in its block") {
  const auto ask = [](Vcpu& cpu, std::uint64_t, std::uint64_t, std::uint64_t) noexcept -> std::uint64_t {
    cpu.request_halt();
    return 0;
  };
  ToyMachine m({{"ask", ask}});
  m.code({toy(Toy::helper, 0), toy(Toy::call)});
  JitExecutor jit(*m.context);
  InterpreterExecutor interpreter(*m.context);
  for (ExecutionEngine* engine :
       {static_cast<ExecutionEngine*>(&interpreter), static_cast<ExecutionEngine*>(&jit)}) {
    auto cpu = m.vcpu();
    const ExecutionResult result = engine->execute_block(*cpu, cpu->key());
    CHECK(result.reason == ExitReason::syscall);
    CHECK(result.next == BlockKey{{kToyCode + 8}});
    CHECK(engine->execute_block(*cpu, cpu->key()).reason == ExitReason::halted);
  }
}

TEST_CASE("compiled code invalidated, flushed and rewritten under running vCPUs") {
  if (!NativeMachine::available()) return;
  stress(CodeMemoryMode::automatic, std::uint64_t{16} << 20, 200);
}

TEST_CASE("the same in memory that is switched between writable and executable") {
  if (!NativeMachine::available()) return;
  stress(CodeMemoryMode::toggled, std::uint64_t{16} << 20, 100);
}

TEST_CASE("the same with room for a part of the code only: evictions") {
  if (!NativeMachine::available()) return;
  stress(CodeMemoryMode::automatic, 64 << 10, 100);
}

TEST_CASE("a limit that is too small for the code: translations are evicted, and every run is right") {
  if (!NativeMachine::available()) return;
  JitMachine m(CodeMemoryMode::automatic, 64 << 10);
  for (int i = 0; i < kBlocks; ++i) m.write_block(i);
  JitExecutor executor(*m.context);
  auto cpu = m.vcpu();
  for (int round = 0; round < 10; ++round) {
    m.start(*cpu);
    CHECK(executor.run(*cpu).reason == ExitReason::syscall);
    CHECK(cpu->slot(0) == kSum);
    m.start(*cpu);
    ExecutionResult result;
    do result = executor.execute_block(*cpu, cpu->key());
    while (result.reason == ExitReason::block_done);
    CHECK(result.reason == ExitReason::syscall);
    CHECK(cpu->slot(0) == kSum);
  }
  CHECK_COUNTED(m.stat(Stat::evictions) > 0);
  CHECK_COUNTED(m.stat(Stat::code_bytes_live) <= 64 << 10);
}

TEST_CASE("compiled code rewritten under running vCPUs: old or new, and new once they have been told") {
  if (!NativeMachine::available()) return;
  ToyMachine m;
  m.code({toy(Toy::add, 1), toy(Toy::loop, -1), toy(Toy::call)});
  std::atomic<std::int32_t> announced{1};
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      JitExecutor executor(*m.context);
      auto cpu = m.vcpu();
      while (!stop) {
        const auto least = static_cast<std::uint64_t>(announced.load());
        constexpr std::uint64_t kRounds = 50;
        cpu->set_slot(0, 0);
        cpu->set_slot(3, kRounds);
        cpu->set_pc({kToyCode});
        if (executor.run(*cpu).reason != ExitReason::syscall) ++wrong;
        if (cpu->slot(0) < least * kRounds) ++wrong;  // a block from before the change was executed
      }
    });
  }
  for (std::int32_t i = 2; i < 300; ++i) {
    m.code({toy(Toy::add, i)});
    announced = i;
    if (i % 16 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("contexts with compiled code and vCPUs that go in any order, in several threads") {
  if (!NativeMachine::available()) return;
  for (int round = 0; round < 20; ++round) {
    auto m = std::make_unique<ToyMachine>();
    m->code({toy(Toy::add, 1), toy(Toy::call)});
    std::vector<std::unique_ptr<Vcpu>> vcpus;
    for (int i = 0; i < 3; ++i) {
      vcpus.push_back(m->vcpu());
      CHECK(JitExecutor(*m->context).run(*vcpus.back()).reason == ExitReason::syscall);
    }
    std::thread context_goes([&] { m->context.reset(); });
    std::thread vcpus_go([&] { vcpus.clear(); });
    context_goes.join();
    vcpus_go.join();
  }
}

}  // namespace
}  // namespace ashlar::test
