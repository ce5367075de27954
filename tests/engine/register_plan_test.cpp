// Registers go to the slots that a program uses: whatever plan there is, and whenever it changes, results are
// those of the interpreter.
#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <ashlar/ashlar.hpp>

#include "support/counted.hpp"

namespace ashlar {
namespace {

constexpr unsigned kGroups = 6, kGroupSize = 8;
constexpr unsigned kCounter = kGroups * kGroupSize, kRounds = kCounter + 1, kSlots = kRounds + 1;

/// A guest of phases: in phase g the slots of group g are added to, twice `kRounds` times, in a loop of two
/// blocks. More slots than any host has registers, those of the first groups ranked first. Block 16 g begins
/// phase g, 16 g + 4 is the loop's first half, 16 g + 8 the second; behind the last phase there is a call.
class PhasesFrontend final : public Frontend {
 public:
  PhasesFrontend() {
    for (unsigned i = 0; i < kSlots; ++i)
      layout_.slots.push_back(
          {"r" + std::to_string(i), SlotClass::integer, static_cast<std::uint8_t>(200 - i)});
  }
  const StateLayout& layout() const noexcept override { return layout_; }
  TranslateResult translate(BlockKey key, GuestMemory*, const TranslateLimits&,
                            BlockBuilder& out) const override {
    using enum ir::Opcode;
    using ir::Value;
    const std::uint64_t group = key.addr.value / 16, part = key.addr.value % 16;
    const auto slot = [&](unsigned i) { return Value::slot(static_cast<unsigned>(group) * kGroupSize + i); };
    out.guest_instruction(key.addr, 4);
    if (group == kGroups) {
      out.stop(ir::StopReason::syscall, key.addr + 4);
    } else if (part == 0) {
      out.r(mov64, Value::slot(kCounter), Value::slot(kRounds));
      out.jump(key.addr + 4);
    } else if (part == 4) {
      for (unsigned i = 0; i < kGroupSize; ++i) out.ri(add64_i, slot(i), slot(i), static_cast<int>(i + 1));
      out.jump(key.addr + 4);
    } else {
      for (unsigned i = 0; i < kGroupSize; ++i) out.rr(add64, slot(i), slot(i), slot((i + 1) % kGroupSize));
      out.ri(add64_i, Value::slot(kCounter), Value::slot(kCounter), -1);
      out.branch(br_ne_i, Value::slot(kCounter), 0, {{key.addr.value - 4}}, key.addr + 8);
    }
    return {};
  }

  std::string disassemble(GuestAddr, GuestMemory*, unsigned* length) const override {
    *length = 4;
    return "phase";
  }

 private:
  StateLayout layout_;
};

struct Machine {
  explicit Machine(std::uint32_t learn_after) {
    ContextConfig config;
    config.frontend = &frontend;
    config.learn_registers_after = learn_after;
    auto created = ExecutionContext::create(config);
    REQUIRE(created);
    context = std::move(created.value());
  }
  std::unique_ptr<Vcpu> vcpu(std::uint64_t rounds, unsigned phase = 0) const {
    auto made = Vcpu::create(frontend.layout(), nullptr);
    REQUIRE(made);
    (*made)->set_pc({phase * 16u});
    (*made)->set_slot(kRounds, rounds);
    return std::move(made.value());
  }
  std::uint64_t stat(Stat s) const { return context->stats()[s]; }
  PhasesFrontend frontend;
  std::unique_ptr<ExecutionContext> context;
};

std::vector<std::uint64_t> slots_of(const Vcpu& vcpu) {
  std::vector<std::uint64_t> all;
  for (unsigned i = 0; i < kSlots; ++i) all.push_back(vcpu.slot(i));
  return all;
}

std::vector<std::uint64_t> interpreted(std::uint64_t rounds, unsigned phase = 0) {
  Machine m(0);
  InterpreterExecutor interpreter(*m.context);
  const auto vcpu = m.vcpu(rounds, phase);
  REQUIRE(interpreter.run(*vcpu, {}).reason == ExitReason::syscall);
  return slots_of(*vcpu);
}

TEST_CASE("a plan changes with the program, twice at most, and nothing else changes") {
  for (const unsigned phase : {0u, 1u, kGroups - 1}) {
    const std::vector<std::uint64_t> wanted = interpreted(2000, phase);
    for (const std::uint32_t after : {0u, 1u, 2u, 10u, 100u, 1999u, 100000u}) {
      CAPTURE(phase);
      CAPTURE(after);
      Machine m(after);
      JitExecutor jit(*m.context);
      const auto vcpu = m.vcpu(2000, phase);
      CHECK(jit.run(*vcpu, {}).reason == ExitReason::syscall);
      CHECK(slots_of(*vcpu) == wanted);
      const std::uint64_t plans = m.stat(Stat::register_plans);
      CHECK_COUNTED(plans <= 2);
      const bool never = after == 0 || after == 100000;
      if (never) CHECK_COUNTED(plans == 0);
      // No host's registers go as far as the last group.
      if (!never && phase == kGroups - 1) CHECK_COUNTED(plans >= 1);
    }
  }
}

TEST_CASE("a plan waits until blocks have been executed often enough to pay for making them anew") {
  // The last phase: three blocks, of which two are a loop.
  for (const std::uint64_t rounds : {15u, 200u}) {
    CAPTURE(rounds);
    Machine m(5);
    JitExecutor jit(*m.context);
    const auto vcpu = m.vcpu(rounds, kGroups - 1);
    CHECK(jit.run(*vcpu, {}).reason == ExitReason::syscall);
    CHECK(slots_of(*vcpu) == interpreted(rounds, kGroups - 1));
    CHECK_COUNTED((m.stat(Stat::register_plans) != 0) == (rounds == 200));
  }
}

TEST_CASE("what is hot is made anew once it need not count any more") {
  Machine m(50);
  JitExecutor jit(*m.context);
  const auto vcpu = m.vcpu(100000);
  CHECK(jit.run(*vcpu, {}).reason == ExitReason::syscall);
  // The two halves of the first phase's loop, at each of the two verdicts; what came later was not told to
  // count.
  CHECK_COUNTED(m.stat(Stat::blocks_compiled) == 3 * kGroups + 1 + 2 * 2);
}

/// Keeps how many bytes each code of a block has, in the order in which it was made.
class Sizes final : public CodeListener {
 public:
  void runtime_published(const void*, std::span<const std::byte>) override {}
  void code_published(const PublishedCode& published) override {
    of[published.key.addr.value].push_back(published.code.size());
  }
  std::map<std::uint64_t, std::vector<std::size_t>> of;
};

TEST_CASE("blocks are optimised when they have become warm, or at once where nothing counts") {
  using enum ir::Opcode;
  using ir::Value;
  constexpr std::uint64_t kFirst = 1, kSecond = 2, kCold = 3, kEnd = 4;
  StateLayout layout;
  for (const char* name : {"x", "n"}) layout.slots.push_back({name, SlotClass::integer, 100});
  const Value x = Value::slot(0), n = Value::slot(1);
  // Adds 2 + 3 the long way, and goes on.
  const auto put = [&](BlockStore& store, std::uint64_t id, auto&& finish) {
    BlockBuilder out;
    out.begin(BlockKey::from_id(id));
    out.guest_instruction({id * 16}, 4);
    const Value a = out.temp(), b = out.temp(), sum = out.temp();
    out.const64(a, 2);
    out.const64(b, 3);
    out.rr(add64, sum, a, b);
    out.rr(add64, x, x, sum);
    finish(out);
    REQUIRE(store.add(id, out));
  };
  const auto run = [&](std::uint32_t learn_after, std::uint64_t rounds) {
    BlockStore store(layout);
    put(store, kFirst, [&](BlockBuilder& out) { out.jump({kSecond}); });
    put(store, kSecond, [&](BlockBuilder& out) {
      out.ri(add64_i, n, n, -1);
      out.branch(br_ne_i, n, 0, {{kFirst}}, {kCold});
    });
    put(store, kCold, [&](BlockBuilder& out) { out.jump({kEnd}); });
    put(store, kEnd, [&](BlockBuilder& out) { out.stop(ir::StopReason::syscall, {kEnd}); });
    Sizes sizes;
    ContextConfig config;
    config.frontend = &store;
    config.learn_registers_after = learn_after;
    config.code_listeners = {&sizes};
    auto context = ExecutionContext::create(config);
    REQUIRE(context);
    JitExecutor jit(**context);
    auto vcpu = Vcpu::create(layout, nullptr);
    REQUIRE(vcpu);
    (*vcpu)->set_pc({kFirst});
    (*vcpu)->set_slot(1, rounds);
    CHECK(jit.run(**vcpu, {}).reason == ExitReason::syscall);
    CHECK((*vcpu)->slot(0) == 5 * (2 * rounds + 2));
    return sizes.of;
  };
  const auto at_once = run(0, 1000);
  for (const std::uint64_t id : {kFirst, kSecond, kCold}) REQUIRE(at_once.at(id).size() == 1);
  auto learning = run(100, 50);
  for (const std::uint64_t id : {kFirst, kSecond, kCold}) {
    CAPTURE(id);
    REQUIRE(learning.at(id).size() == 1);  // nothing was warm
    CHECK(learning.at(id)[0] > at_once.at(id)[0]);
  }
  // With the first verdict they are optimised and go on counting, with the second they do not count any more.
  learning = run(100, 1'000'000);
  for (const std::uint64_t id : {kFirst, kSecond}) {
    CAPTURE(id);
    const std::vector<std::size_t>& made = learning.at(id);
    REQUIRE(made.size() == 3);
    CHECK(made[0] > made[1]);
    CHECK(made[1] > made[2]);
    CHECK(made[2] == at_once.at(id)[0]);
  }
  CHECK(learning.at(kCold) == at_once.at(kCold));
}

TEST_CASE("who stops in between goes on under another plan") {
  const std::vector<std::uint64_t> wanted = interpreted(300);
  for (const std::uint64_t slice : {7u, 100u, 1001u}) {
    CAPTURE(slice);
    Machine m(5);
    JitExecutor jit(*m.context);
    const auto vcpu = m.vcpu(300);
    // With fuel and without in turn: different code, the same plan.
    for (bool fuel = true;; fuel = !fuel) {
      RunLimits limits;
      if (fuel) limits.fuel = slice;
      const ExecutionResult result = jit.run(*vcpu, limits);
      if (result.reason == ExitReason::syscall) break;
      REQUIRE(result.reason == ExitReason::fuel);
    }
    CHECK(slots_of(*vcpu) == wanted);
  }
}

TEST_CASE("several vCPUs, in different phases, while plans change under them") {
  const std::vector<std::uint64_t> wanted = interpreted(5000);
  for (int round = 0; round < 20; ++round) {
    Machine m(round % 2 == 0 ? 3 : 500);
    JitExecutor jit(*m.context);
    constexpr unsigned kThreads = 3;
    std::vector<std::unique_ptr<Vcpu>> vcpus;
    for (unsigned t = 0; t < kThreads; ++t) vcpus.push_back(m.vcpu(5000));
    std::vector<std::thread> threads;
    for (const auto& vcpu : vcpus) threads.emplace_back([&jit, &vcpu] { jit.run(*vcpu, {}); });
    for (std::thread& thread : threads) thread.join();
    for (const auto& vcpu : vcpus) CHECK(slots_of(*vcpu) == wanted);
    CHECK_COUNTED(m.stat(Stat::register_plans) <= 2);
  }
}

}  // namespace
}  // namespace ashlar
