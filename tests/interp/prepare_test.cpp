// Prepared code does what the IR does: every opcode of fused.inc, on operands that alias in every way, with
// exits and faults in either half.
#include <array>
#include <atomic>
#include <cfenv>
#include <cstring>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "interp/mini_engine.hpp"
#include "interp/prepare.hpp"
#include "ir/op_table.hpp"

using namespace ashlar;
using namespace ashlar::test;
using interp::Outcome;
using interp::Source;
using ir::Form;
using ir::Inst;
using ir::Opcode;
using ir::Value;

namespace {

std::uint64_t random_state = 88172645463325252;
std::uint64_t random_below(std::uint64_t n) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state % n;
}

const std::uint64_t kPage = FlatMemory::page_size();

/// A random instruction of this opcode on slots 0..3; of addresses, most are valid.
Inst random_inst(Opcode op) {
  const Form form = ir::info(op).form;
  const auto any = [] {
    return random_below(8) == 0 ? Value::zero() : slot(static_cast<unsigned>(random_below(4)));
  };
  Inst inst;
  inst.op = op;
  inst.a = interp::reads_a(op) ? any() : Value::none();
  inst.b = interp::reads_b(op) ? any() : Value::none();
  if (ir::info(op).dst != ir::ValueClass::N) inst.dst = slot(static_cast<unsigned>(random_below(4)));
  unsigned aux = 0, aux2 = 0;
  if (op == Opcode::ubfx64 || op == Opcode::sbfx64) {
    aux = static_cast<unsigned>(random_below(64));
    aux2 = 1 + static_cast<unsigned>(random_below(64 - aux));
  }
  if ((ir::info(op).effects & ir::kRounds) != 0) aux = random_below(4) == 0 ? 1 : 0;
  inst.imm = static_cast<std::int32_t>(random_below(64)) - 8;
  inst.ext = Inst::pack(form == Form::rrr ? any() : Value::none(), aux, aux2);
  if (form == Form::c64) inst.ext = static_cast<std::uint32_t>(random_below(3));
  if (form == Form::xrr || form == Form::xri || form == Form::jmp) inst.ext = Inst::pack_exit(1);
  if (form == Form::brr || form == Form::bri) inst.ext = Inst::pack_exit(1) | 2 << 16;
  if (form == Form::ind) inst.imm = 0;
  return inst;
}

struct Result {
  Outcome outcome{};
  BlockKey next;
  Fault fault;
  std::vector<std::uint64_t> slots;
  std::vector<std::byte> memory;
  std::uint8_t flags = 0;
};

/// Runs `insts` as IR or prepared.
Result execute(const std::vector<Inst>& insts, bool prepared, const std::array<std::uint64_t, 4>& values) {
  static auto memory = [] {
    auto made = FlatMemory::create({16 * kPage});
    REQUIRE(made);
    REQUIRE(made.value()->map({{kPage}, 2 * kPage}, Perm::read | Perm::write));
    return made.value();
  }();
  static MiniEngine engine(4, memory.get());
  std::vector<std::byte> contents(2 * kPage);
  for (std::size_t i = 0; i < 512; ++i)
    contents[i] = contents[2 * kPage - 512 + i] = static_cast<std::byte>(i * 37 + 11);
  REQUIRE(memory->write({kPage}, contents) == contents.size());
  const ir::Exit exits[] = {{{{0x500}}}, {{{0x600}}}, {{{0x700}}}};
  std::vector<ir::Boundary> boundaries;
  for (std::size_t i = 0; i < insts.size(); ++i)
    boundaries.push_back({{0x100 + 4 * i}, static_cast<std::uint16_t>(i), 4});
  ir::Block::Parts parts;
  parts.key = {{0x100}};
  parts.insts = insts;
  parts.exits = exits;
  parts.boundaries = boundaries;
  interp::CodeBlock* const code = engine.add(parts);
  std::vector<Inst> copy(insts.size());
  if (prepared) {
    interp::prepare(insts, copy);
    code->insts = copy.data();
  }
  for (unsigned i = 0; i < 4; ++i) engine.set(i, values[i]);
  engine.vcpu->set_pc({0x100});
  engine.vcpu->set_float_flags(0);
  std::feclearexcept(FE_ALL_EXCEPT);
  Result result;
  result.outcome = engine.step();
  result.flags = static_cast<std::uint8_t>(engine.vcpu->float_flags() | std::fetestexcept(FE_ALL_EXCEPT));
  result.next = engine.vcpu->key();
  if (result.outcome == Outcome::fault) result.fault = engine.fault();
  for (unsigned i = 0; i < 4; ++i) result.slots.push_back(engine[i]);
  result.memory.resize(2 * kPage);
  REQUIRE(memory->read({kPage}, result.memory) == result.memory.size());
  return result;
}

void compare(const std::vector<Inst>& insts) {
  std::array<std::uint64_t, 4> values;
  const std::uint64_t bases[] = {kPage + 64, kPage + 200, 3 * kPage - 80, kPage + 3};
  for (auto& value : values) {
    const std::uint64_t kind = random_below(8);
    value = kind < 5    ? bases[random_below(4)]
            : kind == 5 ? random_below(3)
            : kind == 6 ? ~random_below(9)
                        : random_below(~0ull);
    if (kind == 7 && random_below(2) == 0) value = 0x3ff0000000000000 + (random_below(64) << 46);
  }
  const Result plain = execute(insts, false, values);
  const Result prepared = execute(insts, true, values);
  REQUIRE(prepared.outcome == plain.outcome);
  REQUIRE(prepared.next == plain.next);
  REQUIRE(prepared.slots == plain.slots);
  REQUIRE(prepared.memory == plain.memory);
  REQUIRE(prepared.flags == plain.flags);
  REQUIRE(prepared.fault.kind == plain.fault.kind);
  REQUIRE(prepared.fault.access == plain.fault.access);
  REQUIRE(prepared.fault.addr == plain.fault.addr);
}

Inst stop() {
  return {Opcode::stop, {}, {}, {}, 0, Inst::pack_exit(0, static_cast<unsigned>(ir::StopReason::guest_exit))};
}

bool is_terminal(Opcode op) { return (ir::info(op).effects & ir::kTerminal) != 0; }

/// Makes `inst` take its operand from `last` as `source` says.
void aim(Inst& inst, Source source, Value last) {
  if (source == Source::a) inst.a = last;
  if (source == Source::b) inst.b = last;
}

struct FusedTwo {
  Opcode first;
  Source source1;
  Opcode second;
  Source source2;
  std::uint16_t fused;
};
constexpr FusedTwo kTwos[] = {
#define ASHLAR_ONE(op, source)
#define ASHLAR_TWO(first, source1, second, source2)                 \
  {Opcode::first, Source::source1, Opcode::second, Source::source2, \
   static_cast<std::uint16_t>(interp::FusedOpcode::first##_##source1##_##second##_##source2)},
#include "interp/fused.inc"
#undef ASHLAR_ONE
#undef ASHLAR_TWO
};
struct FusedOne {
  Opcode op;
  Source source;
  std::uint16_t fused;
};
constexpr FusedOne kOnes[] = {
#define ASHLAR_ONE(op, source) \
  {Opcode::op, Source::source, static_cast<std::uint16_t>(interp::FusedOpcode::op##_##source)},
#define ASHLAR_TWO(first, source1, second, source2)
#include "interp/fused.inc"
#undef ASHLAR_ONE
#undef ASHLAR_TWO
};

}  // namespace

TEST_CASE("every fused opcode is found, and does what its instructions do") {
  std::size_t found = 0;
  for (const FusedTwo& two : kTwos) {
    CAPTURE(ir::info(two.first).name);
    CAPTURE(ir::info(two.second).name);
    bool seen = false;
    for (int round = 0; round < 60; ++round) {
      std::vector<Inst> insts;
      // In front: something with a result, for the first half to take. Not part of a pair with it, or the
      // pair would not be seen.
      insts.push_back(random_inst(Opcode::orcb64));
      Inst first = random_inst(two.first), second = random_inst(two.second);
      if (two.source1 != Source::m) aim(first, two.source1, insts.back().dst);
      const bool has_result = ir::info(two.first).dst != ir::ValueClass::N;
      if (two.source2 != Source::m) aim(second, two.source2, has_result ? first.dst : insts[0].dst);
      insts.push_back(first);
      insts.push_back(second);
      if (!is_terminal(two.second)) insts.push_back(stop());
      std::vector<Inst> prepared(insts.size());
      interp::prepare(insts, prepared);
      seen = seen || static_cast<std::uint16_t>(prepared[1].op) == two.fused;
      compare(insts);
    }
    found += seen;
    CHECK(seen);
  }
  CHECK(found == std::size(kTwos));
  for (const FusedOne& one : kOnes) {
    CAPTURE(ir::info(one.op).name);
    bool seen = false;
    for (int round = 0; round < 60; ++round) {
      std::vector<Inst> insts{random_inst(Opcode::orcb64), random_inst(one.op)};
      aim(insts[1], one.source, insts[0].dst);
      if (!is_terminal(one.op)) insts.push_back(stop());
      std::vector<Inst> prepared(insts.size());
      interp::prepare(insts, prepared);
      seen = seen || static_cast<std::uint16_t>(prepared[1].op) == one.fused;
      compare(insts);
    }
    CHECK(seen);
  }
}

TEST_CASE("long random blocks of fusible instructions") {
  for (int round = 0; round < 3000; ++round) {
    std::vector<Inst> insts;
    const std::size_t count = random_below(24);
    for (std::size_t i = 0; i < count; ++i) {
      const FusedTwo& two = kTwos[random_below(std::size(kTwos))];
      insts.push_back(random_inst(two.first));
      if (!is_terminal(two.second) && random_below(2) == 0) insts.push_back(random_inst(two.second));
    }
    insts.push_back(stop());
    compare(insts);
  }
}

TEST_CASE("execution can begin at any instruction of prepared code, and with exact fuel") {
  const Opcode ops[] = {Opcode::add64_i, Opcode::shl64_i, Opcode::add64, Opcode::add64,
                        Opcode::xor64,   Opcode::add64_i, Opcode::mov64};
  for (int round = 0; round < 200; ++round) {
    std::vector<Inst> insts;
    for (int i = 0; i < 12; ++i) insts.push_back(random_inst(ops[random_below(std::size(ops))]));
    insts.push_back(stop());
    std::vector<ir::Boundary> boundaries;
    for (std::size_t i = 0; i < insts.size(); ++i)
      boundaries.push_back({{0x100 + 4 * i}, static_cast<std::uint16_t>(i), 4});
    const ir::Exit exits[] = {{{{0x500}}}};
    ir::Block::Parts parts;
    parts.key = {{0x100}};
    parts.insts = insts;
    parts.exits = exits;
    parts.boundaries = boundaries;
    std::vector<Inst> copy(insts.size());
    interp::prepare(insts, copy);
    MiniEngine whole(4), pieces(4);
    whole.add(parts)->insts = copy.data();
    pieces.add(parts)->insts = copy.data();
    for (unsigned i = 0; i < 4; ++i) {
      const std::uint64_t value = random_below(~0ull);
      whole.set(i, value);
      pieces.set(i, value);
    }
    whole.vcpu->set_pc({0x100});
    REQUIRE(whole.step() == Outcome::stop);
    // The same in three pieces: exact fuel, then from inside the block with exact fuel, then from inside
    // without counting.
    const auto first = static_cast<std::int64_t>(random_below(12));
    const auto second = static_cast<std::int64_t>(random_below(static_cast<std::uint64_t>(13 - first)));
    pieces.vcpu->set_pc({0x100});
    pieces.state.count_fuel = true;
    pieces.fuel() = first;
    REQUIRE(pieces.step() == Outcome::fuel);
    REQUIRE(pieces.vcpu->pc().value == 0x100 + 4 * static_cast<std::uint64_t>(first));
    const auto go_on = [&](std::int64_t at) {
      pieces.vcpu->set_pc({0x100});
      pieces.state.start_inst = static_cast<std::uint32_t>(at);
      const Outcome outcome = pieces.step();
      pieces.state.start_inst = 0;
      return outcome;
    };
    if (first != 0) {
      pieces.fuel() = second;
      REQUIRE(go_on(first) == Outcome::fuel);
      REQUIRE(pieces.fuel() == 0);
      REQUIRE(pieces.vcpu->pc().value == 0x100 + 4 * static_cast<std::uint64_t>(first + second));
    }
    pieces.state.count_fuel = random_below(2) == 0;
    pieces.fuel() = 100;
    const std::int64_t done = first == 0 ? 0 : first + second;
    REQUIRE(go_on(done) == Outcome::stop);
    if (pieces.state.count_fuel) REQUIRE(pieces.fuel() == 100 - (13 - done));
    for (unsigned i = 0; i < 4; ++i) REQUIRE(pieces[i] == whole[i]);
  }
}

TEST_CASE("an access that fails at first and is tried again inside a pair goes on rightly") {
  // Another thread takes and gives the page; the fused load must see its address again after a retry.
  auto made = FlatMemory::create({16 * kPage});
  REQUIRE(made);
  auto memory = made.value();
  REQUIRE(memory->map({{kPage}, kPage}, Perm::read | Perm::write));
  MiniEngine engine(8, memory.get());
  BlockBuilder b;
  b.begin({{0x100}});
  b.guest_instruction({0x100}, 4);
  b.ri(Opcode::shl64_i, slot(1), slot(0), 3);
  b.guest_instruction({0x104}, 4);
  b.rr(Opcode::add64, slot(1), slot(1), slot(2));
  b.guest_instruction({0x108}, 4);
  b.load(Opcode::ld32s, slot(1), slot(1), 0);
  b.guest_instruction({0x10c}, 4);
  b.rr(Opcode::add64, slot(3), slot(3), slot(1));
  b.guest_instruction({0x110}, 4);
  b.ri(Opcode::add64_i, slot(4), slot(4), 1);
  b.guest_instruction({0x114}, 4);
  b.jump({0x100});
  interp::CodeBlock* const code = engine.add(b);
  std::vector<Inst> copy(code->block->insts().size());
  interp::prepare(code->block->insts(), copy);
  code->insts = copy.data();
  engine.set(0, 8);
  engine.set(2, kPage);
  engine.vcpu->set_pc({0x100});
  const std::uint32_t three = 3;
  std::atomic<bool> stop{false};
  REQUIRE(memory->write({kPage + 64}, std::as_bytes(std::span(&three, 1))) == 4);
  std::thread other([&] {
    for (int i = 0; i < 3000; ++i) {
      REQUIRE(memory->protect({{kPage}, kPage}, Perm::none));
      REQUIRE(memory->protect({{kPage}, kPage}, Perm::read | Perm::write));
    }
    stop = true;
    engine.vcpu->request_halt();
  });
  while (!stop) {
    const Outcome outcome = engine.run();
    if (outcome == Outcome::attention) break;
    REQUIRE(outcome == Outcome::fault);
    REQUIRE(engine.vcpu->pc().value == 0x108);
    REQUIRE(engine.fault().addr.value == kPage + 64);
    engine.vcpu->set_pc({0x100});
  }
  other.join();
  CHECK(engine[3] == 3 * engine[4]);
}
