// Blocks under ids: registering, replacing, and running them.
#include <doctest/doctest.h>

#include <ashlar/ashlar.hpp>

namespace ashlar {
namespace {

using ir::Opcode;
using ir::StopReason;
using ir::Value;

StateLayout two_slots() {
  StateLayout layout;
  layout.slots = {{"a", SlotClass::integer, 1}, {"b", SlotClass::integer, 1}};
  return layout;
}

BlockBuilder adds(std::int32_t n, std::uint64_t next) {
  BlockBuilder builder;
  builder.begin({});
  builder.ri(Opcode::add64_i, Value::slot(0), Value::slot(0), n);
  builder.jump({next});
  return builder;
}

BlockBuilder stops(std::int32_t detail) {
  BlockBuilder builder;
  builder.begin({});
  builder.stop(StopReason::guest_exit, {}, detail);
  return builder;
}

struct Machine {
  Machine() {
    ContextConfig config;
    config.keep_blocks_run_once = true;
    config.frontend = &store;
    auto made = ExecutionContext::create(config);
    REQUIRE(made);
    context = std::move(made.value());
    auto cpu = Vcpu::create(store.layout(), nullptr);
    REQUIRE(cpu);
    vcpu = std::move(cpu.value());
  }
  BlockStore store{two_slots()};
  std::unique_ptr<ExecutionContext> context;
  std::unique_ptr<Vcpu> vcpu;
};

TEST_CASE("ids are unique, and known or not") {
  BlockStore store(two_slots());
  CHECK(store.size() == 0);
  CHECK(store.add(7, adds(1, 8)));
  const auto again = store.add(7, adds(2, 8));
  REQUIRE_FALSE(again);
  CHECK(again.error().code == ErrorCode::already_exists);
  CHECK(store.contains(7));
  CHECK_FALSE(store.contains(8));
  CHECK(store.replace(8, *adds(3, 7).build()));
  CHECK(store.replace(8, *adds(4, 7).build()));
  CHECK(store.size() == 2);
  CHECK(store.remove(7));
  const auto gone = store.remove(7);
  REQUIRE_FALSE(gone);
  CHECK(gone.error().code == ErrorCode::unknown_block);
  CHECK(store.size() == 1);
}

TEST_CASE("a block that does not verify is refused and leaves the id free") {
  BlockStore store(two_slots());
  BlockBuilder builder;
  builder.begin({});
  builder.ri(Opcode::add64_i, Value::slot(2), Value::slot(0), 1);  // there are two slots
  builder.jump({1});
  const auto added = store.add(1, builder);
  REQUIRE_FALSE(added);
  CHECK(added.error().code == ErrorCode::invalid_ir);
  CHECK_FALSE(store.contains(1));

  BlockBuilder calls;
  calls.begin({});
  calls.call_helper(Value::slot(0), 0);
  calls.jump({1});
  CHECK_FALSE(store.add(1, calls));  // no helpers were given
}

TEST_CASE("unknown ids are fetch faults") {
  Machine m;
  REQUIRE(m.store.add(1, adds(5, 2)));
  InterpreterExecutor executor(*m.context);
  m.vcpu->set_pc({1});
  const ExecutionResult result = executor.run(*m.vcpu);
  CHECK(result.reason == ExitReason::fault);
  CHECK(result.fault.kind == FaultKind::unmapped);
  CHECK(result.fault.access == AccessKind::fetch);
  CHECK(result.fault.addr == GuestAddr{2});
  CHECK(result.next == BlockKey::from_id(2));
  CHECK(m.vcpu->slot(0) == 5);
  // Once it is there the vCPU goes on.
  REQUIRE(m.store.add(2, stops(9)));
  CHECK(executor.run(*m.vcpu).detail == 9);
  // Another mode is another block, which is not there.
  CHECK(executor.execute_block(*m.vcpu, {{1}, 3}).reason == ExitReason::fault);
}

TEST_CASE("replacing takes effect with invalidation by range_of, for linked blocks too") {
  Machine m;
  REQUIRE(m.store.add(1, adds(1, 2)));
  REQUIRE(m.store.add(2, adds(10, 3)));
  REQUIRE(m.store.add(3, stops(0)));
  InterpreterExecutor executor(*m.context);
  const auto run = [&] {
    m.vcpu->set_slot(0, 0);
    m.vcpu->set_pc({1});
    CHECK(executor.run(*m.vcpu).reason == ExitReason::guest_exit);
    return m.vcpu->slot(0);
  };
  CHECK(run() == 11);
  REQUIRE(m.store.replace(2, *adds(20, 3).build()));
  CHECK(run() == 11);  // what is translated stays
  executor.invalidate(BlockStore::range_of(2));
  CHECK(run() == 21);
  REQUIRE(m.store.remove(2));
  executor.invalidate(BlockStore::range_of(1));
  CHECK(run() == 21);
  executor.flush();
  m.vcpu->set_pc({1});
  CHECK(executor.run(*m.vcpu).reason == ExitReason::fault);
}

TEST_CASE("exits keep their numbers") {
  Machine m;
  const ir::Exit exits[] = {{BlockKey::from_id(9)}, {BlockKey::from_id(5)}, {BlockKey::from_id(6)}};
  ir::Inst branch;
  branch.op = Opcode::br_ne_i;
  branch.a = Value::slot(0);
  branch.ext = ir::Inst::pack_exit(1, 0) | 2u << 16;
  ir::Block::Parts parts;
  parts.insts = {&branch, 1};
  parts.exits = exits;
  REQUIRE(m.store.add(1, *ir::Block::make(parts)));
  InterpreterExecutor executor(*m.context);
  CHECK(executor.execute_block(*m.vcpu, BlockKey::from_id(1)).next == BlockKey::from_id(6));
  m.vcpu->set_slot(0, 1);
  CHECK(executor.execute_block(*m.vcpu, BlockKey::from_id(1)).next == BlockKey::from_id(5));
}

}  // namespace
}  // namespace ashlar
