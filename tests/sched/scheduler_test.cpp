// The scheduler: results as without it, fairness, priorities, cancellation, coroutines, exceptions, what
// blocks, and many vCPUs.
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <coroutine>
#include <numeric>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <ashlar/hybrid.hpp>
#include <ashlar/scheduler.hpp>

#include "engine/toy_guest.hpp"

namespace ashlar::test {
namespace {

using namespace std::chrono_literals;

/// A loop of slot 3 rounds that adds 1, then a system call; again from the start behind that.
struct Bench {
  explicit Bench(const SchedulerConfig& config = {}) {
    m.code({toy(Toy::add, 1), toy(Toy::loop, -1), toy(Toy::call), toy(Toy::jump, -3)});
    engine = std::make_unique<HybridExecutor>(*m.context);
    auto made = Scheduler::create(*engine, config);
    REQUIRE(made);
    scheduler = std::move(made).value();
  }
  std::unique_ptr<Vcpu> vcpu(std::uint64_t rounds) {
    auto cpu = m.vcpu();
    cpu->set_slot(3, rounds);
    return cpu;
  }

  ToyMachine m;
  std::unique_ptr<HybridExecutor> engine;
  std::unique_ptr<Scheduler> scheduler;
};

SchedulerConfig workers(unsigned count, std::uint64_t slice) {
  SchedulerConfig config;
  config.workers = count;
  config.slice = slice;
  return config;
}

constexpr std::uint64_t kForever = ~std::uint64_t{0};

TEST_CASE("a scheduler refuses what makes no sense") {
  ToyMachine m;
  InterpreterExecutor engine(*m.context);
  CHECK_FALSE(Scheduler::create(engine, workers(1, 0)));
  SchedulerConfig config;
  config.blocking_threads = 0;
  CHECK_FALSE(Scheduler::create(engine, config));
}

TEST_CASE("submit: the result is that of one run, whatever the slices") {
  for (const std::uint64_t slice : {1, 7, 1000}) {
    CAPTURE(slice);
    Bench b(workers(2, slice));
    auto cpu = b.vcpu(50);
    const RunFuture future = b.scheduler->submit(*cpu);
    REQUIRE(future.valid());
    const ExecutionResult result = future.get();
    CHECK(future.ready());
    CHECK(result.reason == ExitReason::syscall);
    CHECK(result.instructions == 101);
    CHECK(result.next == cpu->key());
    CHECK(cpu->slot(0) == 50);
    CHECK_FALSE(future.cancel());
    // Fuel of the whole run: exact.
    cpu->set_slot(0, 0);
    cpu->set_slot(3, 1000);
    cpu->set_pc({kToyCode});
    const ExecutionResult limited = b.scheduler->submit(*cpu, {201}).get();
    CHECK(limited.reason == ExitReason::fuel);
    CHECK(limited.instructions == 201);
    CHECK(cpu->slot(0) == 101);
    CHECK(b.scheduler->submit(*cpu, {0}).get().reason == ExitReason::fuel);
  }
  CHECK_FALSE(RunFuture().valid());
}

TEST_CASE("cancel: while it waits, while it runs, and not afterwards") {
  Bench b(workers(1, 1'000'000));
  auto first = b.vcpu(kForever), second = b.vcpu(kForever);
  const RunFuture running = b.scheduler->submit(*first), waiting = b.scheduler->submit(*second);
  CHECK_FALSE(running.wait_for(5ms));
  CHECK(waiting.cancel());
  CHECK(waiting.cancel());
  CHECK(waiting.get().reason == ExitReason::halted);
  CHECK(running.cancel());
  const ExecutionResult result = running.get();
  CHECK(result.reason == ExitReason::halted);
  CHECK(result.instructions > 0);
  CHECK_FALSE(running.cancel());
  // The vCPU is as good as before: no halt is left over.
  first->set_slot(3, 2);
  first->set_pc({kToyCode});
  CHECK(b.engine->run(*first).reason == ExitReason::syscall);
  // A halt by the embedder ends a run, too.
  first->set_slot(3, kForever);
  first->set_pc({kToyCode});
  const RunFuture again = b.scheduler->submit(*first);
  std::this_thread::sleep_for(1ms);
  first->request_halt();
  CHECK(again.get().reason == ExitReason::halted);
}

TEST_CASE("a stop token cancels") {
  Bench b(workers(2, 1000));
  std::stop_source source;
  RunOptions options;
  options.stop = source.get_token();
  auto first = b.vcpu(kForever), second = b.vcpu(kForever);
  const RunFuture a = b.scheduler->submit(*first, {}, options), c = b.scheduler->submit(*second, {}, options);
  std::this_thread::sleep_for(1ms);
  source.request_stop();
  CHECK(a.get().reason == ExitReason::halted);
  CHECK(c.get().reason == ExitReason::halted);
  // Stopped before it began.
  CHECK(b.scheduler->submit(*first, {}, options).get().reason == ExitReason::halted);
}

TEST_CASE("the destructor cancels what is left") {
  std::vector<RunFuture> futures;
  Bench b(workers(2, 500));
  std::vector<std::unique_ptr<Vcpu>> vcpus;
  for (int i = 0; i < 20; ++i) {
    vcpus.push_back(b.vcpu(kForever));
    futures.push_back(b.scheduler->submit(*vcpus.back()));
  }
  std::this_thread::sleep_for(2ms);
  b.scheduler.reset();
  for (const RunFuture& future : futures) {
    REQUIRE(future.ready());
    CHECK(future.get().reason == ExitReason::halted);
  }
}

TEST_CASE("fairness: equals progress alike; priorities go first, and starve nobody") {
  Bench b(workers(1, 2'000));
  std::vector<std::unique_ptr<Vcpu>> vcpus;
  std::vector<RunFuture> futures;
  const auto submit = [&](RunPriority priority) {
    RunOptions options;
    options.priority = priority;
    vcpus.push_back(b.vcpu(kForever));
    futures.push_back(b.scheduler->submit(*vcpus.back(), {}, options));
  };
  // What the last four have done while all of them wait for the worker. Who is submitted first runs alone
  // until this thread comes to submit the second, which is no matter of fairness.
  const auto rounds = [&] {
    std::vector<std::uint64_t> all;
    b.m.context->at_safepoint([&](std::span<Vcpu* const>) {
      for (std::size_t i = vcpus.size() - 4; i < vcpus.size(); ++i) all.push_back(vcpus[i]->slot(0));
    });
    return all;
  };
  const auto progress = [&](std::uint64_t slices) {
    const std::vector<std::uint64_t> before = rounds();
    const std::uint64_t begin = b.scheduler->slices();
    while (b.scheduler->slices() < begin + slices) std::this_thread::sleep_for(1ms);
    std::vector<std::uint64_t> done = rounds();
    for (std::size_t i = 0; i < done.size(); ++i) done[i] -= before[i];
    for (const RunFuture& future : futures) future.cancel();
    for (const RunFuture& future : futures) CHECK(future.get().reason == ExitReason::halted);
    futures.clear();
    return done;
  };
  for (int i = 0; i < 4; ++i) submit(RunPriority::normal);
  std::vector<std::uint64_t> done = progress(400);
  const auto [least, most] = std::minmax_element(done.begin(), done.end());
  // A round is two instructions; the slices at both ends are cut.
  CHECK(*most - *least <= 2 * 2'000 / 2);

  submit(RunPriority::background);
  submit(RunPriority::normal);
  submit(RunPriority::urgent);
  submit(RunPriority::urgent);
  done = progress(800);
  CHECK(done[0] > 0);
  CHECK(done[1] > 0);
  CHECK(done[2] > done[1] * 2);
  CHECK(done[3] > done[0] * 2);
}

TEST_CASE("on_stop answers system calls, and what it throws comes out of get") {
  Bench b(workers(2, 100));
  auto cpu = b.vcpu(10);
  std::atomic<int> calls{0};
  RunOptions options;
  options.on_stop = [&](Vcpu& vcpu, const ExecutionResult& result) {
    CHECK(result.reason == ExitReason::syscall);
    if (++calls == 5) return StopAction::finish;
    vcpu.set_slot(3, 10);
    return StopAction::resume;
  };
  const ExecutionResult result = b.scheduler->submit(*cpu, {}, options).get();
  CHECK(result.reason == ExitReason::syscall);
  CHECK(calls == 5);
  CHECK(cpu->slot(0) == 50);

  calls = 0;
  options.on_stop = [&](Vcpu&, const ExecutionResult&) -> StopAction { throw std::runtime_error("refused"); };
  cpu->set_slot(3, 10);
  const RunFuture failing = b.scheduler->submit(*cpu, {}, options);
  CHECK_THROWS_AS(failing.get(), std::runtime_error);
  CHECK_THROWS_AS(failing.get(), std::runtime_error);
}

TEST_CASE("what blocks does not block a worker") {
  Bench b(workers(1, 1000));
  std::atomic<bool> release{false};
  std::atomic<int> blocked{0};
  RunOptions options;
  options.on_stop = [](Vcpu&, const ExecutionResult&) { return StopAction::hand_off; };
  options.blocking = [&](Vcpu& vcpu, const ExecutionResult&) {
    if (vcpu.slot(0) > 10) return false;
    ++blocked;
    while (!release) std::this_thread::sleep_for(1ms);
    vcpu.set_slot(3, 10);
    return true;
  };
  std::vector<std::unique_ptr<Vcpu>> vcpus;
  std::vector<RunFuture> futures;
  for (int i = 0; i < 8; ++i) {
    vcpus.push_back(b.vcpu(10));
    futures.push_back(b.scheduler->submit(*vcpus.back(), {}, options));
  }
  while (blocked < 8) std::this_thread::sleep_for(1ms);
  // Eight are blocked; the only worker is free.
  auto other = b.vcpu(1000);
  CHECK(b.scheduler->submit(*other).get().reason == ExitReason::syscall);
  for (const RunFuture& future : futures) CHECK_FALSE(future.ready());
  release = true;
  for (const RunFuture& future : futures) CHECK(future.get().reason == ExitReason::syscall);
  for (const auto& vcpu : vcpus) CHECK(vcpu->slot(0) == 20);
  // Cancelled while it blocks; and what it throws.
  release = false;
  options.blocking = [&](Vcpu&, const ExecutionResult&) {
    while (!release) std::this_thread::sleep_for(1ms);
    return true;
  };
  vcpus[0]->set_slot(3, 1);
  const RunFuture cancelled = b.scheduler->submit(*vcpus[0], {}, options);
  CHECK_FALSE(cancelled.wait_for(5ms));
  CHECK(cancelled.cancel());
  release = true;
  CHECK(cancelled.get().reason == ExitReason::halted);
  options.blocking = [](Vcpu&, const ExecutionResult&) -> bool { throw std::runtime_error("refused"); };
  vcpus[1]->set_slot(3, 1);
  CHECK_THROWS_AS(b.scheduler->submit(*vcpus[1], {}, options).get(), std::runtime_error);
}

/// A coroutine that starts at once and lets go of its frame at its end.
struct Detached {
  struct promise_type {
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

Detached add_up(Scheduler& scheduler, Vcpu& vcpu, int times, std::atomic<int>& done) {
  for (int i = 0; i < times; ++i) {
    vcpu.set_slot(3, 20);
    const ExecutionResult result = co_await scheduler.run(vcpu);
    if (result.reason != ExitReason::syscall) co_return;
  }
  ++done;
}

Detached halted(Scheduler& scheduler, Vcpu& vcpu, RunOptions options, std::atomic<int>& reason) {
  try {
    const ExecutionResult result = co_await scheduler.run(vcpu, {}, std::move(options));
    reason = static_cast<int>(result.reason);
  } catch (const std::runtime_error&) {
    reason = -1;
  }
}

TEST_CASE("coroutines: thousands of awaited runs, cancellation and exceptions") {
  Bench b(workers(2, 10));
  std::vector<std::unique_ptr<Vcpu>> vcpus;
  std::atomic<int> done{0};
  constexpr int kCoroutines = 50, kTimes = 40;
  for (int i = 0; i < kCoroutines; ++i) {
    vcpus.push_back(b.vcpu(0));
    add_up(*b.scheduler, *vcpus.back(), kTimes, done);
  }
  const auto end = std::chrono::steady_clock::now() + 60s;
  while (done < kCoroutines && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(1ms);
  REQUIRE(done == kCoroutines);
  for (const auto& vcpu : vcpus) CHECK(vcpu->slot(0) == 20 * kTimes);

  const auto wait = [&](std::atomic<int>& reason) {
    while (reason == 1000 && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(1ms);
    return reason.load();
  };
  std::stop_source source;
  RunOptions options;
  options.stop = source.get_token();
  std::atomic<int> reason{1000};
  vcpus[0]->set_slot(3, kForever);
  halted(*b.scheduler, *vcpus[0], options, reason);
  source.request_stop();
  CHECK(wait(reason) == static_cast<int>(ExitReason::halted));
  options = {};
  options.on_stop = [](Vcpu&, const ExecutionResult&) -> StopAction { throw std::runtime_error("refused"); };
  reason = 1000;
  vcpus[1]->set_slot(3, 5);
  halted(*b.scheduler, *vcpus[1], options, reason);
  CHECK(wait(reason) == -1);
  // The end of the scheduler resumes those that are left.
  reason = 1000;
  vcpus[2]->set_slot(3, kForever);
  halted(*b.scheduler, *vcpus[2], {}, reason);
  b.scheduler.reset();
  CHECK(reason == static_cast<int>(ExitReason::halted));
}

TEST_CASE("10,000 vCPUs") {
  constexpr std::size_t kVcpus = 10'000;
  Bench b(workers(2, 50));
  std::vector<std::unique_ptr<Vcpu>> vcpus;
  std::vector<RunFuture> futures;
  vcpus.reserve(kVcpus);
  for (std::size_t i = 0; i < kVcpus; ++i) {
    vcpus.push_back(b.vcpu(100 + i % 7));
    futures.push_back(b.scheduler->submit(*vcpus.back()));
  }
  bool good = true;
  for (std::size_t i = 0; i < kVcpus; ++i) {
    const ExecutionResult result = futures[i].get();
    good = good && result.reason == ExitReason::syscall && result.instructions == 2 * (100 + i % 7) + 1 &&
           vcpus[i]->slot(0) == 100 + i % 7;
  }
  CHECK(good);
  CHECK(b.scheduler->slices() >= kVcpus * 5);
}

}  // namespace
}  // namespace ashlar::test
