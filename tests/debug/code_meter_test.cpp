// The meter of code: ways are counted exactly, and listings weighed by them.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <ashlar/debug.hpp>

#include "engine/toy_guest.hpp"
#include "support/native_machine.hpp"

namespace ashlar::test {
namespace {

TEST_CASE("each instruction weighs what its way was taken") {
  const auto meter = debug::make_code_meter({});
  // Two guest instructions: each, the side exits of each, entered, taken, not taken.
  std::vector<std::uint64_t> ways = {100, 70, 30, 0, 2, 68, 1};
  PublishedCode code{{{0x1000}}, nullptr, {}, {}};
  code.ways = ways;
  meter->code_published(code);
  meter->code_published(code);  // another translation of the same block
  const std::string listing =
      "; 77 bytes for 2 guest instructions\n;  x1=rbx\n; entered\nmov rbx, 1\nL0:\n"
      "; 0x1000  beq a0, a1, 16\nnop\ncmp rbx, rcx\nje L1\n"
      "; 0x1004  bne a0, a1, -4\ncmp rbx, rcx\njne L2\n"
      "; not taken\njmp L3\n; seldom\nL3:\ncall rax\n"
      "; out of line\nL1:\n; seldom\nnop\n; exit 0\nmov rax, 1\nmov rcx, 2\njmp L4\n"
      "L2:\n; seldom\n; taken\njmp L0\n; seldom\nL4:\ncall rax\n";
  std::vector<std::string> asked;
  const debug::CodeMeasure measure = meter->measure([&](BlockKey key, std::string_view host, bool hot) {
    CHECK_FALSE(hot);  // the first form is the one that has counted
    CHECK(key == BlockKey{{0x1000}});
    asked.emplace_back(host);
    return Result<std::string>(listing);
  });
  CHECK(asked == std::vector<std::string>{"x64", "a64"});
  CHECK(measure.hosts == asked);
  REQUIRE(measure.blocks.size() == 1);
  CHECK(measure.blocks[0].guest_executed == 170);
  CHECK(measure.blocks[0].guest_instructions == 2);
  for (const debug::MeasuredBlock::Host& host : measure.blocks[0].hosts) {
    CHECK(host.bytes == 77);
    CHECK(host.executed == 2 + 100 * 3 + 70 * 2 + 1 + 30 * 3 + 68);
  }
  CHECK(measure.to_table(1).find("x64: 3.535 instructions executed, 38.5 bytes") != std::string::npos);

  // What can't be listed, or is another block by now, is said so.
  CHECK(meter
            ->measure([](BlockKey, std::string_view, bool) -> Result<std::string> {
              return Error{ErrorCode::unknown_block, "gone"};
            })
            .blocks_gone == 1);
  const debug::CodeMeasure other = meter->measure(
      [](BlockKey, std::string_view, bool) { return Result<std::string>("; guest 0x1000\nnop\n"); });
  CHECK(other.blocks_gone == 1);
  CHECK(other.blocks.empty());

  // A hot loop has each guest instruction twice.
  const debug::CodeMeasure doubled = meter->measure([&](BlockKey, std::string_view, bool hot) {
    std::string once = listing;
    once.replace(once.find("for 2 guest"), 5, "for 1");
    return Result<std::string>(hot ? once : "; guest 0x1000\nnop\n");
  });
  REQUIRE(doubled.blocks.size() == 1);
  CHECK(doubled.blocks[0].guest_instructions == 1);  // the listing says so
  CHECK(doubled.blocks[0].guest_executed == 170);
  CHECK(doubled.blocks[0].hosts[1].executed == measure.blocks[0].hosts[1].executed);
}

TEST_CASE("blocks count the ways through them") {
  if (!NativeMachine::available()) return;
  // 0: the loop's body is there twice from the beginning.
  std::uint64_t learn_after = 0;
  SUBCASE("hot from the beginning") {}
  SUBCASE("while learning") { learn_after = 1 << 20; }
  struct Measured : ToyMachine {
    std::unique_ptr<debug::CodeMeter> meter = debug::make_code_meter({});
    explicit Measured(std::uint64_t learn_after) {
      ContextConfig config;
      config.frontend = &frontend;
      config.memory = memory.get();
      config.code_listeners = {meter.get()};
      config.count_ways = true;
      config.learn_registers_after = learn_after;
      auto created = ExecutionContext::create(config);
      REQUIRE(created);
      context = std::move(created.value());
      code({toy(Toy::add, 1), toy(Toy::loop, -1), toy(Toy::call)});
    }
    ~Measured() { context.reset(); }
  } m(learn_after);
  auto cpu = m.vcpu();
  cpu->set_slot(3, 1000);
  CHECK(JitExecutor(*m.context).run(*cpu).reason == ExitReason::syscall);
  CHECK(cpu->slot(0) == 1000);
  const debug::CodeMeasure measure = m.meter->measure(
      [&](BlockKey key, std::string_view host, bool hot) { return m.context->dump_host(key, host, hot); });
  CHECK(measure.blocks_gone == 0);
  REQUIRE(measure.blocks.size() == 2);
  CHECK(measure.blocks[0].guest_executed == 2000);
  CHECK(measure.blocks[1].guest_executed == 1);
  for (const debug::MeasuredBlock& block : measure.blocks)
    for (const debug::MeasuredBlock::Host& host : block.hosts) {
      CHECK(host.executed >= block.guest_executed / 2);
      CHECK(host.executed <= 8 * block.guest_executed);
      CHECK(host.bytes != 0);
    }
}

}  // namespace
}  // namespace ashlar::test
