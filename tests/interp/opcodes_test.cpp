// Every opcode that gives a value, alone in a block, against the IR's reference semantics: integer ones
// against `fold`, float ones against softfloat in every combination of the instruction's and the host's
// rounding mode, flags included.
#include <cfenv>
#include <vector>

#include <doctest/doctest.h>

#include "interp/mini_engine.hpp"
#include "ir/float_semantics.hpp"
#include "ir/op_table.hpp"
#include "ir/semantics.hpp"

using namespace ashlar;
using namespace ashlar::test;
using ir::Form;
using ir::Inst;
using ir::Opcode;
using ir::Value;

namespace {

class Random {
 public:
  std::uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }
  std::uint64_t below(std::uint64_t n) { return next() % n; }

 private:
  std::uint64_t state_ = 0x9e3779b97f4a7c15;
};

std::uint64_t integer_operand(Random& random) {
  static constexpr std::uint64_t kSpecial[] = {0,
                                               1,
                                               2,
                                               31,
                                               32,
                                               63,
                                               64,
                                               0x7f,
                                               0x80,
                                               0xff,
                                               0x7fff,
                                               0x8000,
                                               0xffff,
                                               0x7fffffff,
                                               0x80000000,
                                               0xffffffff,
                                               0x100000000,
                                               0x7fffffffffffffff,
                                               0x8000000000000000,
                                               ~0ull,
                                               ~1ull,
                                               0xffffffff80000000};
  return random.below(3) == 0 ? random.next() : kSpecial[random.below(std::size(kSpecial))];
}

std::uint64_t float_operand(Random& random, bool narrow) {
  static constexpr std::uint32_t kNarrow[] = {
      0,          0x80000000, 1,          0x80000001, 0x007fffff, 0x00800000, 0x80800000, 0x00800001,
      0x3f800000, 0xbf800000, 0x3f000000, 0x3fc00000, 0x40200000, 0x4effffff, 0x4f000000, 0xcf000000,
      0x4f7fffff, 0x4f800000, 0x5effffff, 0x5f000000, 0xdf000000, 0x5f7fffff, 0x5f800000, 0x7f7fffff,
      0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001, 0x7f800001, 0xff812345, 0x1f800000, 0x20000000};
  static constexpr std::uint64_t kWide[] = {0,
                                            1ull << 63,
                                            1,
                                            (1ull << 63) | 1,
                                            0x000fffffffffffff,
                                            0x0010000000000000,
                                            0x8010000000000000,
                                            0x0010000000000001,
                                            0x3ff0000000000000,
                                            0xbff0000000000000,
                                            0x3fe0000000000000,
                                            0x3ff8000000000000,
                                            0x4004000000000000,
                                            0x41dfffffffc00000,
                                            0x41dfffffffe00000,
                                            0x41e0000000000000,
                                            0xc1e0000000000000,
                                            0xc1e0000000100000,
                                            0x41efffffffe00000,
                                            0x41effffffff00000,
                                            0x41f0000000000000,
                                            0x43dfffffffffffff,
                                            0x43e0000000000000,
                                            0xc3e0000000000000,
                                            0xc3e0000000000001,
                                            0x43efffffffffffff,
                                            0x43f0000000000000,
                                            0x7fefffffffffffff,
                                            0x7ff0000000000000,
                                            0xfff0000000000000,
                                            0x7ff8000000000000,
                                            0xfff8000000000001,
                                            0x7ff0000000000001,
                                            0xfff4000000000000,
                                            0x3810000000000000,
                                            0x380fffffffffffff,
                                            0x380ffffff0000000,
                                            0x36a0000000000000,
                                            0x369fffffffffffff,
                                            0x47efffffe0000000,
                                            0x47effffff0000000,
                                            0x1ff0000000000000,
                                            0x2000000000000000};
  const std::uint64_t kind = random.below(8);
  if (narrow) {
    std::uint32_t bits = kNarrow[random.below(std::size(kNarrow))];
    if (kind < 3) bits = static_cast<std::uint32_t>(random.next());
    if (kind == 3)
      bits = static_cast<std::uint32_t>((random.next() & 0x807fffff) | ((random.below(60) + 100) << 23));
    if (kind == 4) bits += static_cast<std::uint32_t>(random.below(3)) - 1;
    return random.below(16) == 0 ? random.next() : ir::semantics::box32(bits);
  }
  std::uint64_t bits = kWide[random.below(std::size(kWide))];
  if (kind < 3) bits = random.next();
  if (kind == 3) bits = (random.next() & 0x800fffffffffffff) | ((random.below(120) + 970) << 52);
  if (kind == 4) bits += random.below(3) - 1;
  return bits;
}

/// Puts `inst` in front of a stop.
void one_instruction(MiniEngine& engine, const Inst& inst, RoundingMode host) {
  const Inst stop{Opcode::stop, {}, {},
                  {},           0,  Inst::pack_exit(0, static_cast<unsigned>(ir::StopReason::guest_exit))};
  const Inst insts[] = {inst, stop};
  const ir::Exit exits[] = {{BlockKey::from_id(2)}};
  ir::Block::Parts parts;
  parts.key = BlockKey::from_id(1);
  parts.insts = insts;
  parts.exits = exits;
  parts.temp_count = 4;
  parts.host_rounding = host;
  engine.add(parts);
  engine.vcpu->set_pc({1});
}

struct Operands {
  Value dst = Value::none(), a = Value::none(), b = Value::none(), c = Value::none();
};

/// Distinct slots, or the same for several operands, or temporaries, or the zero word.
Operands choose(Random& random) {
  const Value pool[] = {slot(0), slot(1), slot(15), Value::temp(0), Value::temp(3), Value::zero()};
  Operands chosen;
  chosen.dst = pool[random.below(5)];
  chosen.a = pool[random.below(6)];
  chosen.b = pool[random.below(6)];
  chosen.c = pool[random.below(6)];
  return chosen;
}

int host_mode(RoundingMode mode) {
  switch (mode) {
    case RoundingMode::rtz:
      return FE_TOWARDZERO;
    case RoundingMode::rdn:
      return FE_DOWNWARD;
    case RoundingMode::rup:
      return FE_UPWARD;
    case RoundingMode::rne:
    case RoundingMode::rmm:
      return FE_TONEAREST;
  }
  return FE_TONEAREST;
}

std::uint8_t guest_flags(MiniEngine& engine) {
  const int raised = std::fetestexcept(FE_ALL_EXCEPT);
  std::uint8_t flags = engine.vcpu->float_flags();
  if (raised & FE_INEXACT) flags |= inexact;
  if (raised & FE_UNDERFLOW) flags |= underflow;
  if (raised & FE_OVERFLOW) flags |= overflow;
  if (raised & FE_DIVBYZERO) flags |= divide_by_zero;
  if (raised & FE_INVALID) flags |= invalid;
  return flags;
}

}  // namespace

TEST_CASE("integer opcodes give what fold gives, whatever their operands alias") {
  MiniEngine engine;
  Random random;
  VcpuFrame& frame = engine.vcpu->frame();
  int tested = 0;
  for (std::size_t i = 0; i < ir::kOpcodeCount; ++i) {
    const Opcode op = static_cast<Opcode>(i);
    if (!ir::semantics::is_pure_integer(op)) continue;
    ++tested;
    CAPTURE(ir::info(op).name);
    const Form form = ir::info(op).form;
    for (int round = 0; round < 400; ++round) {
      const Operands v = choose(random);
      Inst inst;
      inst.op = op;
      inst.dst = v.dst;
      if (form != Form::c64) inst.a = v.a;
      if (form == Form::rr || form == Form::rrx || form == Form::rrr) inst.b = v.b;
      unsigned aux = 0, aux2 = 0;
      if (form == Form::rx || form == Form::rrx) aux = static_cast<unsigned>(random.below(2));
      if (op == Opcode::addshl64 || op == Opcode::shl_u32) aux = static_cast<unsigned>(random.below(64));
      if (op == Opcode::addshl_u32) aux = static_cast<unsigned>(random.below(32));
      if (op == Opcode::ubfx64 || op == Opcode::sbfx64) {
        aux = static_cast<unsigned>(random.below(64));
        aux2 = 1 + static_cast<unsigned>(random.below(64 - aux));
      }
      if (form == Form::ri) inst.imm = static_cast<std::int32_t>(integer_operand(random));
      if (form == Form::c64) {
        const std::uint64_t constant = integer_operand(random);
        inst.imm = static_cast<std::int32_t>(constant);
        inst.ext = static_cast<std::uint32_t>(constant >> 32);
      } else {
        inst.ext = Inst::pack(form == Form::rrr ? v.c : Value::none(), aux, aux2);
      }
      for (const Value value : {v.a, v.b, v.c, v.dst}) {
        if (!value.is_zero()) frame[value] = integer_operand(random);
      }
      const auto read = [&](Value value) { return value.is_none() ? 0 : frame[value]; };
      std::uint64_t expected = 0;
      REQUIRE(
          ir::semantics::fold(inst, read(inst.a), read(inst.b), form == Form::rrr ? read(v.c) : 0, expected));
      one_instruction(engine, inst, RoundingMode::rne);
      REQUIRE(engine.step() == interp::Outcome::stop);
      REQUIRE(frame[v.dst] == expected);
      REQUIRE(frame.cold().zero == 0);
    }
  }
  CHECK(tested > 100);
}

TEST_CASE("float opcodes give the reference's values and flags in all rounding modes") {
  MiniEngine engine;
  Random random;
  VcpuFrame& frame = engine.vcpu->frame();
  constexpr RoundingMode kModes[] = {RoundingMode::rne, RoundingMode::rtz, RoundingMode::rdn,
                                     RoundingMode::rup, RoundingMode::rmm};
  const int before = std::fegetround();
  int tested = 0;
  for (std::size_t i = 0; i < ir::kOpcodeCount; ++i) {
    const Opcode op = static_cast<Opcode>(i);
    if (!ir::semantics::is_float_arithmetic(op) && !ir::semantics::is_float_bits(op)) continue;
    ++tested;
    const std::string name = ir::info(op).name;
    CAPTURE(name);
    const Form form = ir::info(op).form;
    const bool rounds = (ir::info(op).effects & ir::kRounds) != 0;
    const bool narrow = name.ends_with("32") && name != "bits32_from_f";
    const bool from_integer = ir::info(op).src == ir::ValueClass::I;
    for (int round = 0; round < 4000; ++round) {
      const RoundingMode mode = kModes[random.below(5)];
      const RoundingMode host =
          random.below(2) == 0 && mode != RoundingMode::rmm ? mode : kModes[random.below(4)];
      const Operands v = choose(random);
      Inst inst;
      inst.op = op;
      inst.dst = v.dst;
      inst.a = v.a;
      if (form == Form::rr || form == Form::rrx || form == Form::rrr) inst.b = v.b;
      inst.ext =
          Inst::pack(form == Form::rrr ? v.c : Value::none(), rounds ? static_cast<unsigned>(mode) : 0);
      for (const Value value : {v.a, v.b, v.c}) {
        if (!value.is_zero())
          frame[value] = from_integer ? integer_operand(random) : float_operand(random, narrow);
      }
      const std::uint64_t a = frame[v.a], b = inst.b.is_none() ? 0 : frame[v.b],
                          c = form == Form::rrr ? frame[v.c] : 0;
      std::uint8_t flags = 0;
      const std::uint64_t expected = ir::semantics::eval_float(op, mode, a, b, c, flags);
      one_instruction(engine, inst, host);
      // Flags only accumulate.
      const auto had = static_cast<std::uint8_t>(random.below(4) == 0 ? random.below(32) : 0);
      engine.vcpu->set_float_flags(had);
      std::feclearexcept(FE_ALL_EXCEPT);
      std::fesetround(host_mode(host));
      const interp::Outcome outcome = engine.step();
      const std::uint8_t raised = guest_flags(engine);
      std::fesetround(before);
      REQUIRE(outcome == interp::Outcome::stop);
      CAPTURE(static_cast<int>(mode));
      CAPTURE(static_cast<int>(host));
      CAPTURE(a);
      CAPTURE(b);
      CAPTURE(c);
      REQUIRE(frame[v.dst] == expected);
      REQUIRE(raised == (had | flags));
    }
  }
  std::feclearexcept(FE_ALL_EXCEPT);
  CHECK(tested > 50);
}

TEST_CASE("float flags are read from the host and the frame, and replaced in both") {
  MiniEngine engine;
  std::feclearexcept(FE_ALL_EXCEPT);
  BlockBuilder b;
  b.begin(BlockKey::from_id(1));
  const Value t = b.temp();
  b.const64(slot(1), 0x3ff0000000000000);
  b.const64(slot(2), 0);
  b.rr(Opcode::fdiv64, slot(3), slot(1), slot(2), 0);  // 1/0 on the host
  b.get_fflags(slot(4));
  b.rr(Opcode::fadd64, slot(5), slot(1), slot(1),
       static_cast<unsigned>(RoundingMode::rmm));  // exact, by the reference
  b.const64(t, 0x3ca0000000000000);
  b.rr(Opcode::fadd64, slot(5), slot(1), t,
       static_cast<unsigned>(RoundingMode::rmm));  // inexact, by the reference
  b.get_fflags(slot(6));
  b.const64(t, 0xfff2);
  b.set_fflags(t);
  b.get_fflags(slot(7));
  b.rr(Opcode::flt64, slot(8), slot(2), slot(1));
  b.get_fflags(slot(9));
  b.stop(ir::StopReason::guest_exit, {2}, 77);
  engine.add(b);
  engine.vcpu->set_pc({1});
  REQUIRE(engine.step() == interp::Outcome::stop);
  CHECK(engine[4] == divide_by_zero);
  CHECK(engine[6] == (divide_by_zero | inexact));
  CHECK(engine[7] == (invalid | underflow));
  CHECK(engine[8] == 1);
  CHECK(engine[9] == (invalid | underflow));
  CHECK(engine.vcpu->float_flags() == (invalid | underflow));
  CHECK(std::fetestexcept(FE_ALL_EXCEPT) == 0);
  std::feclearexcept(FE_ALL_EXCEPT);
}
