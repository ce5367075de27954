// Everything at once, for ThreadSanitizer: executors of all kinds on one context while code is flushed,
// invalidated, rewritten, evicted and trimmed, preferences switch, executors come and go; and a scheduler
// with cancellation and safepoints. Seeds are printed when something fails, and can be given as
// ASHLAR_STRESS_SEED; ASHLAR_STRESS_ROUNDS makes it longer.
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <ashlar/hybrid.hpp>
#include <ashlar/scheduler.hpp>

#include "engine/toy_guest.hpp"
#include "support/counted.hpp"
#include "support/rng.hpp"

namespace ashlar::test {
namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 0) : otherwise;
}

/// Blocks in a chain over several pages, by direct and indirect jumps, with a loop in each that is run five
/// times: block i adds i + 1 each time.
constexpr int kBlocks = 48;
constexpr std::uint64_t kStride = 0x100;
constexpr std::uint64_t kSum = kBlocks * (kBlocks + 1) / 2;

void write_block(ToyMachine& m, int i) {
  const std::uint64_t at = kToyCode + static_cast<std::uint64_t>(i) * kStride;
  if (i + 1 == kBlocks) {
    m.code({toy(Toy::add, i + 1), toy(Toy::call)}, at);
  } else if (i % 3 == 2) {
    m.code({toy(Toy::add, i + 1), toy(Toy::jump_x4, (i + 1) * static_cast<int>(kStride))}, at);
  } else {
    m.code({toy(Toy::add, i + 1), toy(Toy::jump, static_cast<int>(kStride) / 4 - 1)}, at);
  }
}

void prepare(Vcpu& cpu) {
  cpu.set_slot(0, 0);
  cpu.set_slot(4, kToyCode);
  cpu.set_pc({kToyCode});
}

TEST_CASE("executors x flush x invalidate x evict x policy switches x shutdown") {
  const std::uint64_t rounds = from_environment("ASHLAR_STRESS_ROUNDS", 2);
  const std::uint64_t first = from_environment("ASHLAR_STRESS_SEED", 1);
  for (std::uint64_t seed = first; seed < first + rounds; ++seed) {
    CAPTURE(seed);
    // Registers are judged while the rest goes on; every other time blocks are run once before they are kept.
    ToyMachine m({}, {}, seed % 2 == 0, 500);
    for (int i = 0; i < kBlocks; ++i) write_block(m, i);
    HybridConfig background;
    background.mode = CompileMode::workers;
    background.warm_executions = 4;
    background.hot_executions = 40;
    background.queue_capacity = 16;
    HybridConfig calling = background;
    calling.mode = CompileMode::caller;
    HybridExecutor shared(*m.context, background), caller(*m.context, calling);
    JitExecutor jit(*m.context);
    InterpreterExecutor interpreter(*m.context);
    ExecutionEngine* const engines[] = {&shared, &caller, &jit, &interpreter};
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> runs{0};
    std::vector<std::thread> threads;
    for (std::uint64_t t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        Rng rng(seed * 100 + t);
        auto cpu = m.vcpu();
        while (!stop) {
          if (rng.percent(4)) cpu = m.vcpu();
          prepare(*cpu);
          ExecutionResult result;
          if (rng.percent(4)) {
            // An executor that ends while its workers are at it.
            HybridExecutor own(*m.context, background);
            result = own.run(*cpu);
          } else {
            ExecutionEngine& engine = *engines[rng.below(4)];
            if (rng.percent(30)) {
              do result = engine.run(*cpu, {1 + rng.below(20)});
              while (result.reason == ExitReason::fuel);
            } else if (rng.percent(30)) {
              do result = engine.execute_block(*cpu, cpu->key());
              while (result.reason == ExitReason::block_done);
            } else {
              result = engine.run(*cpu);
            }
          }
          if (result.reason != ExitReason::syscall || cpu->slot(0) != kSum) FAIL_CHECK("a run went wrong");
          ++runs;
        }
      });
    }
    Rng rng(seed);
    for (int i = 0; i < 300 || runs < 300; ++i) {
      const std::uint64_t block = rng.below(kBlocks);
      const BlockKey key{{kToyCode + block * kStride}};
      switch (rng.below(10)) {
        case 0:
          m.context->flush();
          break;
        case 1:
          write_block(m, static_cast<int>(block));
          break;
        case 2:
          (void)m.context->trim(rng.below(4096));
          break;
        case 3:
          shared.set_prefer_jit(rng.percent(50));
          break;
        case 4:
          caller.set_preference(rng.percent(50) ? TierPreference::balanced : TierPreference::jit);
          break;
        case 5:
          m.context->pin_to_interpreter(key);
          break;
        case 6:
          m.context->unpin(key);
          break;
        case 7:
          (void)m.context->stats();
          break;
        case 8:
          // Between runs the slots are their owners', who are not stopped.
          m.context->at_safepoint([&](std::span<Vcpu* const> vcpus) {
            if (vcpus.size() > 4) FAIL_CHECK("more vCPUs than threads");
          });
          break;
        default:
          m.context->invalidate({key.addr, 1 + rng.below(2 * kStride)});
      }
    }
    stop = true;
    for (std::thread& thread : threads) thread.join();
    m.context->flush();
    CHECK_COUNTED(m.stat(Stat::ir_blocks_live) == 0);
    shared.wait_for_compilations();
    m.context->flush();
    CHECK_COUNTED(m.stat(Stat::code_bytes_live) == 0);
    MESSAGE("seed " << seed << ": " << runs.load() << " runs");
  }
}

TEST_CASE("scheduler x cancel x safepoint x blocking x shutdown") {
  const std::uint64_t rounds = from_environment("ASHLAR_STRESS_ROUNDS", 2);
  const std::uint64_t first = from_environment("ASHLAR_STRESS_SEED", 1);
  for (std::uint64_t seed = first; seed < first + rounds; ++seed) {
    CAPTURE(seed);
    ToyMachine m;
    for (int i = 0; i < kBlocks; ++i) write_block(m, i);
    HybridConfig background;
    background.mode = CompileMode::workers;
    background.warm_executions = 4;
    HybridExecutor engine(*m.context, background);
    SchedulerConfig config;
    config.workers = 3;
    config.slice = 17;
    config.blocking_threads = 2;
    auto made = Scheduler::create(engine, config);
    REQUIRE(made);
    std::unique_ptr<Scheduler> scheduler = std::move(made).value();
    Rng rng(seed);
    struct Entry {
      std::unique_ptr<Vcpu> vcpu;
      RunFuture future;
      bool cancelled = false;
    };
    std::vector<Entry> entries(40);
    std::atomic<int> handed_off{0};
    std::uint64_t finished = 0, halted = 0;
    const auto submit = [&](Entry& entry) {
      if (entry.vcpu == nullptr || rng.percent(10)) entry.vcpu = m.vcpu();
      prepare(*entry.vcpu);
      RunOptions options;
      options.priority = static_cast<RunPriority>(rng.below(3));
      if (rng.percent(30)) {
        options.on_stop = [](Vcpu&, const ExecutionResult&) { return StopAction::hand_off; };
        options.blocking = [&](Vcpu&, const ExecutionResult&) {
          ++handed_off;
          std::this_thread::yield();
          return false;
        };
      }
      entry.cancelled = false;
      entry.future = scheduler->submit(*entry.vcpu, {}, std::move(options));
    };
    const auto collect = [&](Entry& entry) {
      const ExecutionResult result = entry.future.get();
      if (result.reason == ExitReason::halted) {
        if (!entry.cancelled) FAIL_CHECK("halted without being cancelled");
        ++halted;
      } else {
        if (result.reason != ExitReason::syscall || entry.vcpu->slot(0) != kSum)
          FAIL_CHECK("a run went wrong");
        ++finished;
      }
    };
    for (Entry& entry : entries) submit(entry);
    for (int i = 0; i < 1500; ++i) {
      Entry& entry = entries[rng.below(entries.size())];
      switch (rng.below(8)) {
        case 0:
          entry.cancelled |= entry.future.cancel();
          break;
        case 1:
          if (rng.percent(20)) {
            m.context->at_safepoint([&](std::span<Vcpu* const> vcpus) {
              for (const Vcpu* vcpu : vcpus)
                if (vcpu->slot(0) > kSum) FAIL_CHECK("a sum is too large");
            });
          }
          break;
        case 2:
          if (rng.percent(10)) m.context->flush();
          break;
        default:
          collect(entry);
          submit(entry);
      }
    }
    // Some are left for the next two to deal with: collected here, or cancelled by the destructor.
    for (std::size_t i = 0; i < entries.size(); i += 2) {
      collect(entries[i]);
      entries[i].vcpu.reset();
    }
    CHECK(finished > 100);
    CHECK(handed_off > 0);
    for (Entry& entry : entries) entry.cancelled = true;
    MESSAGE("seed " << seed << ": " << finished << " finished, " << halted << " cancelled, "
                    << scheduler->slices() << " slices, " << scheduler->steals() << " stolen");
    scheduler.reset();
    for (std::size_t i = 1; i < entries.size(); i += 2) {
      if (!entries[i].future.ready()) FAIL_CHECK("a run outlived its scheduler");
      collect(entries[i]);
    }
  }
}

}  // namespace
}  // namespace ashlar::test
