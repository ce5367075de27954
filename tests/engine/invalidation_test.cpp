// Guest code that changes: through the embedder, by mapping, by the guest itself with a fence, while it is
// translated.
#include <doctest/doctest.h>

#include "engine/toy_guest.hpp"
#include "support/counted.hpp"

namespace ashlar::test {
namespace {

std::uint64_t run(ToyMachine& m, Vcpu& cpu) {
  cpu.set_slot(0, 0);
  cpu.set_pc({kToyCode});
  CHECK(InterpreterExecutor(*m.context).run(cpu).reason == ExitReason::syscall);
  return cpu.slot(0);
}

TEST_CASE("a write by the embedder, in linked blocks") {
  ToyMachine m;
  m.code({toy(Toy::add, 1), toy(Toy::jump, 1), toy(Toy::add, 10), toy(Toy::call)});
  auto cpu = m.vcpu();
  CHECK(run(m, *cpu) == 11);
  CHECK(run(m, *cpu) == 11);
  m.code({toy(Toy::add, 20)}, kToyCode + 8);
  CHECK(run(m, *cpu) == 21);
  CHECK_COUNTED(m.stat(Stat::invalidations) == 1);
  CHECK_COUNTED(m.stat(Stat::unlinks) == 1);
  m.code({toy(Toy::add, 2)});
  CHECK(run(m, *cpu) == 22);
}

TEST_CASE("only what overlaps goes") {
  ToyMachine m;
  // Blocks at +0, +8 and, in another page, +0x1000.
  m.code({toy(Toy::add, 1), toy(Toy::jump, 1), toy(Toy::add, 10), toy(Toy::jump, 0x400 - 3)});
  m.code({toy(Toy::add, 100), toy(Toy::call)}, kToyCode + 0x1000);
  auto cpu = m.vcpu();
  CHECK(run(m, *cpu) == 111);
  CHECK(m.frontend.translations == 3);
  CHECK_COUNTED(m.stat(Stat::ir_blocks_live) == 3);
  m.context->invalidate({{kToyCode + 4}, 4});  // the jump of the first block
  CHECK_COUNTED(m.stat(Stat::ir_blocks_live) == 2);
  CHECK(run(m, *cpu) == 111);
  CHECK(m.frontend.translations == 4);
  m.context->invalidate({{kToyCode + 0x1008}, 0x2000});  // behind the last one
  m.context->invalidate({{kToyCode + 8}, 0});
  CHECK_COUNTED(m.stat(Stat::ir_blocks_live) == 3);
  m.context->invalidate(
      {{kToyCode + 7}, 0xffa});  // the last byte of the first, all of the second, the first byte of the third
  CHECK_COUNTED(m.stat(Stat::ir_blocks_live) == 0);
  CHECK(run(m, *cpu) == 111);
  m.context->invalidate({{}, ~std::uint64_t{0}});
  CHECK_COUNTED(m.stat(Stat::ir_blocks_live) == 0);
  CHECK_COUNTED(m.stat(Stat::blocks_invalidated) == 7);
}

TEST_CASE("unmapping, losing permission, mapping anew") {
  ToyMachine m;
  m.code({toy(Toy::add, 1), toy(Toy::call)});
  auto cpu = m.vcpu();
  InterpreterExecutor executor(*m.context);
  CHECK(run(m, *cpu) == 1);
  REQUIRE(m.memory->protect({{kToyCode}, 0x1000}, Perm::read));
  ExecutionResult result = executor.execute_block(*cpu, {{kToyCode}});
  CHECK(result.reason == ExitReason::fault);
  CHECK(result.fault.kind == FaultKind::protection);
  REQUIRE(m.memory->protect({{kToyCode}, 0x1000}, Perm::read | Perm::exec));
  CHECK(run(m, *cpu) == 1);
  REQUIRE(m.memory->unmap({{kToyCode}, 0x1000}));
  CHECK(executor.execute_block(*cpu, {{kToyCode}}).fault.kind == FaultKind::unmapped);
  REQUIRE(m.memory->map({{kToyCode}, 0x1000}, Perm::read | Perm::write | Perm::exec));
  CHECK(executor.execute_block(*cpu, {{kToyCode}}).reason == ExitReason::illegal_instruction);  // zeros
  m.code({toy(Toy::add, 3), toy(Toy::call)});
  CHECK(run(m, *cpu) == 3);
}

TEST_CASE("flush") {
  ToyMachine m;
  m.code({toy(Toy::add, 1), toy(Toy::jump_x4), toy(Toy::call)});
  auto cpu = m.vcpu();
  cpu->set_slot(4, kToyCode + 8);
  CHECK(run(m, *cpu) == 1);
  CHECK(m.frontend.translations == 2);
  m.context->flush();
  CHECK_COUNTED(m.stat(Stat::ir_blocks_live) == 0);
  CHECK(run(m, *cpu) == 1);
  CHECK(m.frontend.translations == 4);
  CHECK_COUNTED(m.stat(Stat::flushes) == 1);
  CHECK_COUNTED(m.stat(Stat::blocks_invalidated) == 2);
}

TEST_CASE("code that the guest rewrites is seen after a fence, and only what changed is translated again") {
  ToyMachine m;
  // Calls a routine at +0x100 by x4, which comes back by x4; rewrites it between.
  m.code({toy(Toy::add, 1), toy(Toy::store), toy(Toy::fence), toy(Toy::jump, 61)});
  m.code({toy(Toy::add, 10), toy(Toy::call)}, kToyCode + 0x100);
  auto cpu = m.vcpu();
  cpu->set_slot(2, kToyCode + 0x100);
  cpu->set_slot(1, toy(Toy::add, 10));  // writes what is there
  CHECK(run(m, *cpu) == 11);
  const int translated = m.frontend.translations;
  CHECK(run(m, *cpu) == 11);
  CHECK(m.frontend.translations == translated);
  cpu->set_slot(1, toy(Toy::add, 20));
  CHECK(run(m, *cpu) == 21);
  CHECK(m.frontend.translations == translated + 1);
  // A page that has lost its write permission since does not hide the change.
  m.code({toy(Toy::store), toy(Toy::call), toy(Toy::fence), toy(Toy::jump, 61)});
  cpu->set_slot(1, toy(Toy::add, 40));
  CHECK(run(m, *cpu) == 0);
  REQUIRE(m.memory->protect({{kToyCode}, 0x1000}, Perm::read | Perm::exec));
  CHECK(InterpreterExecutor(*m.context).run(*cpu).reason == ExitReason::syscall);
  CHECK(cpu->slot(0) == 40);
  // execute_block handles a fence by itself, too.
  const ExecutionResult fence = InterpreterExecutor(*m.context).execute_block(*cpu, {{kToyCode + 8}});
  CHECK(fence.reason == ExitReason::block_done);
  CHECK(fence.next.addr.value == kToyCode + 12);
}

TEST_CASE("a fence behind every instruction of a block that rewrites itself") {
  ToyMachine m;
  m.code({toy(Toy::store, 8), toy(Toy::fence), toy(Toy::add, 1), toy(Toy::call)});
  auto cpu = m.vcpu();
  cpu->set_slot(2, kToyCode);
  for (std::int32_t i = 1; i < 20; ++i) {
    cpu->set_slot(1, toy(Toy::add, i));
    CHECK(run(m, *cpu) == static_cast<std::uint64_t>(i));
  }
}

TEST_CASE("code that changes while it is translated is translated again") {
  ToyMachine m;
  m.code({toy(Toy::add, 1), toy(Toy::call)});
  bool once = true;
  m.frontend.during_translation = [&] {
    if (std::exchange(once, false)) m.code({toy(Toy::add, 2)});
  };
  auto cpu = m.vcpu();
  CHECK(run(m, *cpu) == 2);
  CHECK(m.frontend.translations == 2);
}

TEST_CASE("code that changes during every translation runs all the same, and is not kept") {
  ToyMachine m;
  m.code({toy(Toy::add, 1), toy(Toy::call)});
  m.frontend.during_translation = [&] { m.code({toy(Toy::add, 1)}); };
  auto cpu = m.vcpu();
  CHECK(run(m, *cpu) == 1);
  CHECK_COUNTED(m.stat(Stat::ir_blocks_live) == 0);
  m.frontend.during_translation = nullptr;
  CHECK(run(m, *cpu) == 1);
  CHECK_COUNTED(m.stat(Stat::ir_blocks_live) == 1);
}

TEST_CASE("many invalidations during a translation count as one of everything") {
  ToyMachine m;
  m.code({toy(Toy::add, 1), toy(Toy::call)});
  bool once = true;
  m.frontend.during_translation = [&] {
    if (!std::exchange(once, false)) return;
    m.code({toy(Toy::add, 3)});
    for (int i = 0; i < 200; ++i) m.context->invalidate({{kToyCode + 0x4000}, 4});
  };
  auto cpu = m.vcpu();
  CHECK(run(m, *cpu) == 3);
}

}  // namespace
}  // namespace ashlar::test
