// The interpreter's control flow: loops, exits, exact fuel, attention, helpers, single blocks, heat.
#include <chrono>
#include <thread>

#include <doctest/doctest.h>

#include "base/float_unit.hpp"
#include "interp/mini_engine.hpp"

using namespace ashlar;
using namespace ashlar::test;
using interp::Outcome;
using ir::Opcode;
using ir::StopReason;
using ir::Value;

namespace {

constexpr GuestAddr kStart{0x1000}, kLoop{0x1008}, kEnd{0x2000};

/// r1 = sum of 1..r0, by a block that initialises and one that loops. 2 + 3 * r0 + 1 guest instructions, with
/// the stop.
void add_sum(MiniEngine& engine) {
  BlockBuilder b;
  b.begin({kStart});
  b.guest_instruction({0x1000}, 4);
  b.const64(slot(1), 0);
  b.guest_instruction({0x1004}, 4);
  b.jump(kLoop);
  engine.add(b);
  b.begin({kLoop});
  b.guest_instruction({0x1008}, 4);
  b.rr(Opcode::add64, slot(1), slot(1), slot(0));
  b.guest_instruction({0x100c}, 4);
  b.ri(Opcode::add64_i, slot(0), slot(0), -1);
  b.guest_instruction({0x1010}, 4);
  b.branch(Opcode::br_ne_i, slot(0), 0, kLoop, kEnd);
  engine.add(b);
  b.begin({kEnd});
  b.guest_instruction(kEnd, 4);
  b.stop(StopReason::syscall, kEnd + 4, 5);
  engine.add(b);
}

/// A block of six guest instructions with two IR instructions each, one of them a side exit taken when r0 is
/// 1, and r1 counting.
void add_straight(MiniEngine& engine) {
  BlockBuilder b;
  b.begin({{0x100}});
  for (unsigned i = 0; i < 6; ++i) {
    b.guest_instruction({0x100 + 4 * i}, 4);
    b.ri(Opcode::add64_i, slot(2), slot(2), 1);
    if (i == 3) {
      b.exit_if(Opcode::exit_eq_i, slot(0), 1, {0x300});
    } else if (i < 5) {
      b.ri(Opcode::add64_i, slot(1), slot(1), 1);
    } else {
      b.jump({0x200});
    }
  }
  engine.add(b);
  for (const std::uint64_t at : {0x200u, 0x300u}) {
    b.begin({{at}});
    b.guest_instruction({at}, 4);
    b.stop(StopReason::guest_exit, {at + 4}, static_cast<std::int32_t>(at));
    engine.add(b);
  }
}

}  // namespace

TEST_CASE("a loop runs without asking again once its exits are known") {
  MiniEngine engine;
  add_sum(engine);
  engine.set(0, 1000);
  engine.vcpu->set_pc(kStart);
  REQUIRE(engine.run() == Outcome::stop);
  CHECK(engine.state.stop_reason == StopReason::syscall);
  CHECK(engine.state.detail == 5);
  CHECK(engine.vcpu->pc() == kEnd + 4);
  CHECK(engine[1] == 500500);
  CHECK(engine.lookups == 3);
  CHECK(engine.blocks_run == 1002);
}

TEST_CASE("side exits are taken or not") {
  MiniEngine engine;
  add_straight(engine);
  for (const std::uint64_t taken : {0u, 1u}) {
    engine.set(0, taken);
    engine.set(1, 0);
    engine.set(2, 0);
    engine.vcpu->set_pc({0x100});
    REQUIRE(engine.run() == Outcome::stop);
    CHECK(engine.state.detail == (taken ? 0x300 : 0x200));
    CHECK(engine[1] == (taken ? 3 : 4));
    CHECK(engine[2] == (taken ? 4 : 6));
  }
}

TEST_CASE("every comparison exits and branches as it says") {
  const Opcode sides[] = {Opcode::exit_eq,  Opcode::exit_ne,  Opcode::exit_lts,
                          Opcode::exit_ltu, Opcode::exit_ges, Opcode::exit_geu};
  const Opcode sides_i[] = {Opcode::exit_eq_i,  Opcode::exit_ne_i,  Opcode::exit_lts_i,
                            Opcode::exit_ltu_i, Opcode::exit_ges_i, Opcode::exit_geu_i};
  const Opcode branches[] = {Opcode::br_eq,  Opcode::br_ne,  Opcode::br_lts,
                             Opcode::br_ltu, Opcode::br_ges, Opcode::br_geu};
  const Opcode branches_i[] = {Opcode::br_eq_i,  Opcode::br_ne_i,  Opcode::br_lts_i,
                               Opcode::br_ltu_i, Opcode::br_ges_i, Opcode::br_geu_i};
  const std::int64_t values[] = {0, 1, -1, 7, INT32_MIN, INT32_MAX};
  MiniEngine engine;
  for (int op = 0; op < 6; ++op) {
    for (const std::int64_t a : values) {
      for (const std::int64_t b : values) {
        const auto ua = static_cast<std::uint64_t>(a), ub = static_cast<std::uint64_t>(b);
        const bool expected[] = {a == b, a != b, a < b, ua < ub, a >= b, ua >= ub};
        for (int form = 0; form < 4; ++form) {
          BlockBuilder builder;
          builder.begin({{0x100}});
          const auto imm = static_cast<std::int32_t>(b);
          if (form == 0) builder.exit_if(sides[op], slot(0), slot(1), {0x300});
          if (form == 1) builder.exit_if(sides_i[op], slot(0), imm, {0x300});
          if (form == 2) builder.branch(branches[op], slot(0), slot(1), {0x300}, {0x200});
          if (form == 3) builder.branch(branches_i[op], slot(0), imm, {0x300}, {0x200});
          if (form < 2) builder.jump({0x200});
          engine.add(builder);
          engine.set(0, ua);
          engine.set(1, ub);
          engine.vcpu->set_pc({0x100});
          REQUIRE(engine.step() == Outcome::lookup);
          REQUIRE(engine.vcpu->pc().value == (expected[op] ? 0x300 : 0x200));
          REQUIRE(engine.state.from == engine.find({{0x100}}));
        }
      }
    }
  }
}

TEST_CASE("fuel is exact at every value, and a run in pieces ends as a run in one") {
  MiniEngine whole;
  add_sum(whole);
  whole.set(0, 5);
  whole.vcpu->set_pc(kStart);
  REQUIRE(whole.run() == Outcome::stop);
  constexpr std::int64_t kTotal = 2 + 15 + 1;
  for (std::int64_t fuel = 0; fuel <= kTotal + 3; ++fuel) {
    MiniEngine engine;
    add_sum(engine);
    engine.state.count_fuel = true;
    engine.set(0, 5);
    engine.vcpu->set_pc(kStart);
    engine.fuel() = fuel;
    const Outcome outcome = engine.run();
    // The first 2 + 3k instructions leave the pc at the loop's start.
    if (fuel < kTotal) {
      REQUIRE(outcome == Outcome::fuel);
      REQUIRE(engine.fuel() == 0);
      const std::int64_t in_loop = fuel - 2;
      const std::uint64_t pc = fuel < 2             ? 0x1000 + 4 * static_cast<std::uint64_t>(fuel)
                               : fuel == kTotal - 1 ? kEnd.value
                                                    : 0x1008 + 4 * static_cast<std::uint64_t>(in_loop % 3);
      REQUIRE(engine.vcpu->pc().value == pc);
      const std::uint64_t decremented = fuel < 2 ? 0 : static_cast<std::uint64_t>((in_loop + 1) / 3);
      REQUIRE(engine[0] == 5 - decremented);
      // The middle of a block is a block's beginning for whoever goes on; here one instruction is enough to
      // see that it is right.
    } else {
      REQUIRE(outcome == Outcome::stop);
      REQUIRE(engine.fuel() == fuel - kTotal);
      REQUIRE(engine[1] == whole[1]);
    }
  }
}

TEST_CASE("fuel inside a block: stops, side exits and what they cost") {
  for (std::int64_t fuel = 0; fuel <= 9; ++fuel) {
    for (const std::uint64_t taken : {0u, 1u}) {
      MiniEngine engine;
      add_straight(engine);
      engine.state.count_fuel = true;
      engine.set(0, taken);
      engine.vcpu->set_pc({0x100});
      engine.fuel() = fuel;
      const Outcome outcome = engine.run();
      const std::int64_t straight = taken ? 4 : 6;
      const std::int64_t total = straight + 1;
      CAPTURE(fuel);
      CAPTURE(taken);
      REQUIRE(outcome == (fuel < total ? Outcome::fuel : Outcome::stop));
      REQUIRE(engine.fuel() == (fuel < total ? 0 : fuel - total));
      const auto done = static_cast<std::uint64_t>(std::min(fuel, straight));
      REQUIRE(engine[2] == done);
      REQUIRE(engine[1] == std::min<std::uint64_t>(done, 3) + (done > 4 ? 1 : 0));
      if (fuel < straight) REQUIRE(engine.vcpu->pc().value == 0x100 + 4 * done);
      if (fuel == straight) REQUIRE(engine.vcpu->pc().value == (taken ? 0x300 : 0x200));
    }
  }
}

TEST_CASE("a breakpoint is not an executed instruction, a system call is") {
  for (const StopReason reason :
       {StopReason::breakpoint, StopReason::syscall, StopReason::illegal_instruction}) {
    MiniEngine engine;
    BlockBuilder b;
    b.begin({{0x100}});
    b.guest_instruction({0x100}, 4);
    b.ri(Opcode::add64_i, slot(0), slot(0), 1);
    b.guest_instruction({0x104}, 4);
    b.stop(reason, {0x104});
    engine.add(b);
    engine.state.count_fuel = true;
    engine.fuel() = 10;
    engine.vcpu->set_pc({0x100});
    REQUIRE(engine.step() == Outcome::stop);
    CHECK(engine.fuel() == (reason == StopReason::syscall ? 8 : 9));
  }
}

TEST_CASE("indirect jumps go through the table, and change of mode always asks") {
  MiniEngine engine;
  BlockBuilder b;
  b.begin({{0x100}, 3});
  b.ri(Opcode::add64_i, slot(0), slot(0), -1);
  b.exit_if(Opcode::exit_eq_i, slot(0), 0, kEnd);
  b.jump_indirect(slot(1), 4);
  engine.add(b);
  engine.set(0, 10);
  engine.set(1, 0xfc);
  engine.vcpu->set_pc({0x100});
  engine.vcpu->set_mode(3);
  CHECK(engine.run() == Outcome::lookup);
  CHECK(engine.lookups == 1);
  CHECK(engine.blocks_run == 10);
  CHECK(engine.vcpu->key() == BlockKey{kEnd, 3});

  b.begin({{0x500}, 3});
  b.jump_mode(slot(2), slot(3));
  engine.add(b);
  engine.set(2, 0x100);
  engine.set(3, 9);
  engine.vcpu->set_pc({0x500});
  CHECK(engine.step() == Outcome::lookup);
  CHECK(engine.state.from == nullptr);
  CHECK(engine.vcpu->key() == BlockKey{{0x100}, 9});

  // Without a table every indirect jump asks.
  engine.state.jump_table = nullptr;
  engine.set(0, 10);
  engine.vcpu->set_pc({0x100});
  engine.vcpu->set_mode(3);
  CHECK(engine.step() == Outcome::lookup);
  CHECK(engine[0] == 9);
}

TEST_CASE("an empty table entry is not a block, even for address 0") {
  MiniEngine engine;
  BlockBuilder b;
  b.begin({{0x100}});
  b.jump_indirect(Value::zero(), 0);
  engine.add(b);
  engine.vcpu->set_pc({0x100});
  CHECK(engine.step() == Outcome::lookup);
  CHECK(engine.vcpu->pc().value == 0);
}

TEST_CASE("single blocks end with their successor's key, whatever is linked") {
  MiniEngine engine;
  add_sum(engine);
  engine.set(0, 3);
  engine.vcpu->set_pc(kStart);
  REQUIRE(engine.run() == Outcome::stop);  // links everything
  engine.state.single_block = true;
  engine.set(0, 2);
  engine.vcpu->set_pc(kStart);
  CHECK(engine.step() == Outcome::block_done);
  CHECK(engine.vcpu->pc() == kLoop);
  CHECK(engine.step() == Outcome::block_done);
  CHECK(engine.vcpu->pc() == kLoop);
  CHECK(engine.step() == Outcome::block_done);
  CHECK(engine.vcpu->pc() == kEnd);
  CHECK(engine.step() == Outcome::stop);
  CHECK(engine[1] == 3);
}

TEST_CASE("a block that becomes hot is reported before it runs, for as long as the run wants to know") {
  MiniEngine engine;
  add_sum(engine);
  engine.state.hot_threshold = 4;
  engine.set(0, 10);
  engine.vcpu->set_pc(kStart);
  REQUIRE(engine.run() == Outcome::hot);
  CHECK(engine.vcpu->pc() == kLoop);
  CHECK(engine[0] == 7);
  REQUIRE(engine.run() == Outcome::hot);
  CHECK(engine[0] == 7);
  engine.find({kLoop})->executions = 0;
  REQUIRE(engine.run() == Outcome::hot);
  CHECK(engine[0] == 4);
  engine.state.hot_threshold = ~0u;
  REQUIRE(engine.run() == Outcome::stop);
  CHECK(engine[1] == 55);
}

TEST_CASE("so many entries of hot blocks are allowed") {
  MiniEngine engine;
  add_sum(engine);
  engine.state.hot_threshold = 4;
  engine.state.hot_entries = 2;
  engine.set(0, 10);
  engine.vcpu->set_pc(kStart);
  REQUIRE(engine.run() == Outcome::hot);
  CHECK(engine.vcpu->pc() == kLoop);
  CHECK(engine[0] == 5);
  CHECK(engine.state.hot_entries == 0);
}

TEST_CASE("attention stops a loop: set before, and by another thread") {
  MiniEngine engine;
  BlockBuilder b;
  b.begin({{0x100}});
  b.ri(Opcode::add64_i, slot(0), slot(0), 1);
  b.jump({0x100});
  engine.add(b);
  engine.vcpu->set_pc({0x100});
  engine.vcpu->request_halt();
  CHECK(engine.run() == Outcome::attention);
  CHECK(engine[0] == 0);
  CHECK(engine.attention() == kAttendHalt);
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    engine.vcpu->request_halt();
  });
  CHECK(engine.run() == Outcome::attention);
  other.join();
  CHECK(engine[0] > 0);
  CHECK(engine.vcpu->pc().value == 0x100);
}

namespace {

std::uint64_t seen_pc = 0;

std::uint64_t sum_helper(Vcpu& vcpu, std::uint64_t a, std::uint64_t b, std::uint64_t c) noexcept {
  seen_pc = vcpu.pc().value;
  vcpu.set_slot(7, vcpu.slot(7) + 1);
  return a + 10 * b + 100 * c;
}

std::uint64_t leave_helper(Vcpu& vcpu, std::uint64_t, std::uint64_t, std::uint64_t) noexcept {
  seen_pc = vcpu.pc().value;
  vcpu.request_attention(kAttendExit);
  return 42;
}

/// Three guest instructions; the middle one calls helper `id` and then adds 1 to r2 as part of the same
/// instruction.
void add_calling(MiniEngine& engine, unsigned id, bool last) {
  BlockBuilder b;
  b.begin({{0x100}});
  b.guest_instruction({0x100}, 4);
  b.ri(Opcode::add64_i, slot(1), slot(1), 1);
  b.guest_instruction({0x104}, 4);
  b.call_helper(slot(3), id, slot(4), Value::none(), slot(5));
  b.ri(Opcode::add64_i, slot(2), slot(2), 1);
  if (!last) {
    b.guest_instruction({0x108}, 2);
    b.ri(Opcode::add64_i, slot(1), slot(1), 1);
  }
  b.jump({0x200});
  engine.add(b);
}

}  // namespace

TEST_CASE("helpers see pc and state, give values, and may be without operands") {
  MiniEngine engine(16, nullptr, {{"sum", sum_helper}, {"leave", leave_helper}});
  add_calling(engine, 0, false);
  engine.set(4, 3);
  engine.set(5, 2);
  engine.vcpu->set_pc({0x100});
  CHECK(engine.run() == Outcome::lookup);
  CHECK(seen_pc == 0x104);
  CHECK(engine[3] == 203);
  CHECK(engine[7] == 1);
  CHECK(engine[1] == 2);
  BlockBuilder b;
  b.begin({{0x300}});
  b.call_helper(Value::none(), 0);
  b.jump({0x200});
  engine.add(b);
  engine.vcpu->set_pc({0x300});
  CHECK(engine.run() == Outcome::lookup);
  CHECK(engine[7] == 2);
}

std::uint64_t float_helper(Vcpu& vcpu, std::uint64_t, std::uint64_t, std::uint64_t) noexcept {
  volatile double one = 1, tiny = 1e-30;
  const bool nearest = one + tiny == one && one - tiny == one;
  const std::uint64_t seen = vcpu.float_flags() | (nearest ? 0 : 32);
  vcpu.set_float_flags(invalid);
  float_unit::write(float_unit::guest_word(RoundingMode::rdn));
  one = one / tiny * 1e300;  // overflow
  return seen;
}

TEST_CASE("helpers have the host's float environment, whatever the guest's is, and all of its flags") {
  MiniEngine engine(16, nullptr, {{"float", float_helper}});
  BlockBuilder b;
  b.begin({{0x1000}});
  b.set_host_rounding(RoundingMode::rup);
  b.call_helper(slot(2), 0);
  b.jump({0x2000});
  engine.add(b);
  engine.vcpu->set_pc({0x1000});
  engine.vcpu->set_float_flags(underflow);
  const float_unit::Word before = float_unit::read();
  float_unit::write(float_unit::guest_word(RoundingMode::rup));
  volatile double divisor = 3;
  divisor = 1 / divisor;  // inexact, as the guest's own operations would leave it
  CHECK(engine.run() == Outcome::lookup);
  CHECK(engine[2] == (underflow | inexact));
  CHECK(engine.vcpu->float_flags() == invalid);
  const float_unit::Word after = float_unit::read();
  float_unit::write(before);
  CHECK(after == float_unit::guest_word(RoundingMode::rup));
}

TEST_CASE("a helper that asks to leave gets it behind its guest instruction, with exact fuel") {
  for (const bool last : {false, true}) {
    for (const std::int64_t fuel : {-1, 2, 3, 9}) {  // -1: not counted
      MiniEngine engine(16, nullptr, {{"sum", sum_helper}, {"leave", leave_helper}});
      add_calling(engine, 1, last);
      BlockBuilder b;
      b.begin({{0x200}});
      b.jump({0x300});
      engine.add(b);
      engine.state.count_fuel = fuel >= 0;
      engine.fuel() = fuel;
      engine.vcpu->set_pc({0x100});
      CAPTURE(fuel);
      CAPTURE(last);
      Outcome outcome = engine.run();
      REQUIRE(outcome == Outcome::attention);
      CHECK(engine.attention() == kAttendExit);
      CHECK(engine[3] == 42);
      CHECK(engine[2] == 1);
      CHECK(engine[1] == 1);
      CHECK(engine.vcpu->pc().value == (last ? 0x200 : 0x108));
      if (fuel >= 0) CHECK(engine.fuel() == fuel - 2);
    }
  }
}
