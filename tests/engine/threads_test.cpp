// Several vCPUs on one context while its blocks come and go. Meant for ThreadSanitizer and AddressSanitizer
// as well.
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "engine/toy_guest.hpp"
#include "support/counted.hpp"
#include "support/rng.hpp"

namespace ashlar::test {
namespace {

/// Nothing in this executable compiles, hence nothing else registers.
TEST_CASE("a context registers the process for what a compiler needs, while there may be one thread only") {
  const auto synchronise = [] {
    return syscall(__NR_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0) == 0;
  };
  const long known = syscall(__NR_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
  if (known < 0 || (known & MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE) == 0) return;
  const ToyMachine m;
  CHECK(synchronise());
}

TEST_CASE("threads that ask for one block at a time translate it once") {
  for (int round = 0; round < 20; ++round) {
    ToyMachine m;
    m.code({toy(Toy::add, 1), toy(Toy::call)});
    m.frontend.during_translation = [] { std::this_thread::yield(); };
    std::vector<std::thread> threads;
    std::atomic<int> ready{0};
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        auto cpu = m.vcpu();
        ++ready;
        while (ready < 4) std::this_thread::yield();
        if (InterpreterExecutor(*m.context).run(*cpu).reason != ExitReason::syscall)
          FAIL_CHECK("not a syscall");
        if (cpu->slot(0) != 1) FAIL_CHECK("wrong sum");
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(m.frontend.translations == 1);
  }
}

/// A program of linked blocks, conditional loops and indirect jumps whose result does not depend on when it
/// is translated: kBlocks blocks in a chain over several pages; block i adds i + 1.
constexpr int kBlocks = 64;
constexpr std::uint64_t kStride = 0x100;
constexpr std::uint64_t kSum = kBlocks * (kBlocks + 1) / 2;

void write_chain(ToyMachine& m) {
  for (int i = 0; i < kBlocks; ++i) {
    const std::uint64_t at = kToyCode + static_cast<std::uint64_t>(i) * kStride;
    if (i + 1 == kBlocks) {
      m.code({toy(Toy::add, i + 1), toy(Toy::call)}, at);
    } else if (i % 3 == 2) {
      m.code({toy(Toy::add, i + 1), toy(Toy::jump_x4, (i + 1) * static_cast<int>(kStride))}, at);
    } else {
      m.code({toy(Toy::add, i + 1), toy(Toy::jump, static_cast<int>(kStride) / 4 - 1)}, at);
    }
  }
}

TEST_CASE("running, invalidating, flushing and fencing at the same time") {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    CAPTURE(seed);
    // Every other time blocks are run once before they are kept.
    ToyMachine m({}, {}, seed % 2 == 0);
    write_chain(m);
    std::atomic<bool> stop{false};
    constexpr int kThreads = 4;
    std::atomic<std::uint64_t> runs{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        Rng rng(seed * 100 + static_cast<std::uint64_t>(t));
        InterpreterExecutor executor(*m.context);
        auto cpu = m.vcpu();
        while (!stop) {
          if (rng.percent(5)) cpu = m.vcpu();  // vCPUs come and go
          cpu->set_slot(0, 0);
          cpu->set_slot(4, kToyCode);
          cpu->set_pc({kToyCode});
          ExecutionResult result;
          if (rng.percent(30)) {
            do result = executor.run(*cpu, {1 + rng.below(20)});
            while (result.reason == ExitReason::fuel);
          } else if (rng.percent(30)) {
            do result = executor.execute_block(*cpu, cpu->key());
            while (result.reason == ExitReason::block_done);
          } else {
            result = executor.run(*cpu);
          }
          if (result.reason != ExitReason::syscall || cpu->slot(0) != kSum) FAIL_CHECK("a run went wrong");
          ++runs;
        }
      });
    }
    Rng rng(seed);
    InterpreterExecutor executor(*m.context);
    for (int i = 0; i < 400 || runs < 400; ++i) {
      const std::uint64_t block = rng.below(kBlocks);
      const GuestRange range{{kToyCode + block * kStride}, 1 + rng.below(2 * kStride)};
      switch (rng.below(8)) {
        case 0:
          executor.flush();
          break;
        case 1:
          // The same code again: the observer's way.
          m.code({toy(Toy::add, static_cast<std::int32_t>(block) + 1)}, kToyCode + block * kStride);
          break;
        case 2:
          (void)m.context->stats();
          break;
        case 3:
          CHECK(m.context->dump_ir({range.begin}, true));
          break;
        case 4:
          std::this_thread::yield();
          break;
        default:
          executor.invalidate(range);
      }
    }
    stop = true;
    for (std::thread& thread : threads) thread.join();
    CHECK_COUNTED(m.stat(Stat::ir_blocks_live) <=
                  2 * kBlocks);  // fuel also ends between a block's two instructions
    m.context->flush();
    CHECK_COUNTED(m.stat(Stat::ir_blocks_live) == 0);
    MESSAGE("seed " << seed << ": " << runs.load() << " runs");
  }
}

TEST_CASE("code rewritten under running vCPUs: old or new, and new once they have been told") {
  ToyMachine m;
  m.code({toy(Toy::add, 1), toy(Toy::loop, -1), toy(Toy::call)});
  std::atomic<std::int32_t> announced{1};
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      InterpreterExecutor executor(*m.context);
      auto cpu = m.vcpu();
      while (!stop) {
        const auto least = static_cast<std::uint64_t>(announced.load());
        constexpr std::uint64_t kRounds = 50;
        cpu->set_slot(0, 0);
        cpu->set_slot(3, kRounds);
        cpu->set_pc({kToyCode});
        if (executor.run(*cpu).reason != ExitReason::syscall) FAIL_CHECK("not a syscall");
        // The increment grows: every round adds at least what was announced before the run began.
        if (cpu->slot(0) < least * kRounds) FAIL_CHECK("a block from before the change was executed");
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
}

TEST_CASE("contexts and vCPUs that go in any order, in several threads") {
  for (int round = 0; round < 30; ++round) {
    auto m = std::make_unique<ToyMachine>();
    m->code({toy(Toy::add, 1), toy(Toy::call)});
    std::vector<std::unique_ptr<Vcpu>> vcpus;
    for (int i = 0; i < 3; ++i) {
      vcpus.push_back(m->vcpu());
      CHECK(InterpreterExecutor(*m->context).run(*vcpus.back()).reason == ExitReason::syscall);
    }
    std::thread context_goes([&] { m->context.reset(); });
    std::thread vcpus_go([&] { vcpus.clear(); });
    context_goes.join();
    vcpus_go.join();
  }
}

}  // namespace
}  // namespace ashlar::test
