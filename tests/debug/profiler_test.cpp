// The profiler: executions are exact, and samples find the block that takes the time.
#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <thread>

#include <ashlar/debug.hpp>

#include "engine/toy_guest.hpp"
#include "support/native_machine.hpp"

namespace ashlar::test {
namespace {

std::string name_of(GuestAddr at) { return at.value == kToyCode ? "loop" : ""; }

struct Profiled : ToyMachine {
  Profiled() {
    auto made = debug::make_profiler(&name_of);
    REQUIRE(made);
    profiler = std::move(made).value();
    ContextConfig config;
    config.frontend = &frontend;
    config.memory = memory.get();
    config.code_listeners = {profiler.get()};
    config.count_executions = true;
    auto created = ExecutionContext::create(config);
    REQUIRE(created);
    context = std::move(created.value());
    code({toy(Toy::add, 1), toy(Toy::loop, -1), toy(Toy::call)});
  }
  void run(std::uint64_t rounds) {
    auto cpu = vcpu();
    cpu->set_slot(3, rounds);
    CHECK(JitExecutor(*context).run(*cpu).reason == ExitReason::syscall);
    CHECK(cpu->slot(0) == rounds);
  }
  // Behind ToyMachine's context, which uses no listener, and before ours: it must outlive that.
  std::unique_ptr<debug::Profiler> profiler;
  ~Profiled() { context.reset(); }
};

TEST_CASE("blocks count their executions, in all of their translations together") {
  if (!NativeMachine::available()) return;
  Profiled m;
  m.run(100);
  debug::Profile profile = m.profiler->profile();
  REQUIRE(profile.blocks.size() == 2);
  CHECK(profile.blocks[0].key == BlockKey{{kToyCode}});
  CHECK(profile.blocks[0].executions == 100);
  CHECK(profile.blocks[0].guest_instructions == 2);
  CHECK(profile.blocks[0].symbol == "loop [0x10000]");
  CHECK(profile.blocks[1].key == BlockKey{{kToyCode + 8}});
  CHECK(profile.blocks[1].executions == 1);
  CHECK(profile.blocks[1].symbol == "guest [0x10008]");
  CHECK(profile.samples == 0);

  // Another flavour, another translation.
  auto cpu = m.vcpu();
  cpu->set_slot(3, 7);
  CHECK(JitExecutor(*m.context).execute_block(*cpu, {{kToyCode}}).reason == ExitReason::block_done);
  CHECK(JitExecutor(*m.context).run(*cpu, {1000}).reason == ExitReason::syscall);
  m.context->flush();
  m.run(10);
  profile = m.profiler->profile();
  REQUIRE(profile.blocks.size() == 2);
  CHECK(profile.blocks[0].executions == 117);
  CHECK(profile.blocks[1].executions == 3);
  const std::string table = profile.to_table(1);
  CHECK(table.find("2 blocks, executed 120 times") != std::string::npos);
  CHECK(table.find(" 117 ") != std::string::npos);
  CHECK(table.find("loop [0x10000]\n") != std::string::npos);
  CHECK(table.find("guest") == std::string::npos);
}

TEST_CASE("samples are the block's in which the thread was") {
  if (!NativeMachine::available()) return;
  Profiled m;
  std::thread([&] {
    CHECK(m.profiler->sample_this_thread());
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (m.profiler->profile().samples_in_blocks < 20 && std::chrono::steady_clock::now() < end)
      m.run(50'000'000);
  }).join();
  const debug::Profile profile = m.profiler->profile();
  CHECK(profile.samples_in_blocks >= 20);
  CHECK(profile.samples >= profile.samples_in_blocks);
  CHECK(profile.lost == 0);
  REQUIRE(profile.blocks.size() == 2);
  CHECK(profile.blocks[0].symbol == "loop [0x10000]");
  CHECK(profile.blocks[0].samples >= profile.samples * 9 / 10);
  CHECK(profile.blocks[0].samples + profile.blocks[1].samples == profile.samples_in_blocks);
  CHECK(profile.to_table(20).find("samples") != std::string::npos);
}

TEST_CASE("one profiler at a time; the next may come when it has gone") {
  {
    auto first = debug::make_profiler(nullptr);
    REQUIRE(first);
    const auto second = debug::make_profiler(nullptr);
    REQUIRE_FALSE(second);
    CHECK(second.error().code == ErrorCode::invalid_argument);
    CHECK(first.value()->profile().to_table(5).find("0 samples") != std::string::npos);
  }
  CHECK(debug::make_profiler(nullptr));
}

TEST_CASE("code that takes another's place takes its samples from then on only") {
  auto made = debug::make_profiler(nullptr);
  REQUIRE(made);
  debug::Profiler& profiler = *made.value();
  const std::byte code[64]{};
  PublishedCode one{{{0x1000}}, code, std::span(code).first(32), {}},
      two{{{0x2000}}, code + 16, std::span(code).first(32), {}};
  profiler.code_published(one);
  profiler.code_published(two);
  const debug::Profile profile = profiler.profile();
  REQUIRE(profile.blocks.size() == 2);
  CHECK(profile.blocks[0].executions == 0);
  CHECK(profile.blocks[0].symbol == "guest [0x1000]");
}

}  // namespace
}  // namespace ashlar::test
