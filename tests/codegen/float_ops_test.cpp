// Every float opcode as emitted code against the IR's reference (softfloat), values and flags: all rounding
// modes of the instruction and of the host, operands that alias the result, and operands whose results lie
// around the smallest normal number, where hosts and guest disagree on underflow.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <ashlar/block_builder.hpp>
#include <ashlar/ir_text.hpp>

#include "ir/float_semantics.hpp"
#include "ir/op_table.hpp"
#include "support/native_machine.hpp"
#include "support/rng.hpp"
#include "support/test_guest.hpp"

namespace ashlar {
namespace {

using ir::Form;
using ir::Opcode;
using ir::Value;
using test::BlockEnd;
using test::NativeMachine;
using test::Rng;

constexpr RoundingMode kModes[] = {RoundingMode::rne, RoundingMode::rtz, RoundingMode::rdn, RoundingMode::rup,
                                   RoundingMode::rmm};

/// A number whose product with its partner, quotient by it, or narrowing lies near the smallest normal one.
template <typename Bits>
Bits near_boundary(Rng& rng, unsigned significand, unsigned exponents, bool partner) {
  // Significands near all zeros or all ones; exponents that add up to the boundary's, or nearly.
  const Bits mask = (Bits{1} << significand) - 1;
  const Bits bits = (static_cast<Bits>(rng.below(3)) - 1) & mask;
  const unsigned bias = exponents / 2;
  unsigned exponent = partner ? bias + rng.below(3) - 1 : rng.below(3);
  if (rng.below(3) == 0) exponent = bias / 2 + 1 + rng.below(2);  // two such multiply to the boundary
  const Bits sign = static_cast<Bits>(rng.below(2));
  return sign << (8 * sizeof(Bits) - 1) | static_cast<Bits>(exponent) << significand | bits;
}

std::uint64_t float_operand(Rng& rng, bool single, bool partner) {
  static constexpr std::uint32_t kSingle[] = {0,          0x80000000, 1,          0x007fffff, 0x00800000,
                                              0x80800000, 0x3f800000, 0xbf800000, 0x4effffff, 0x4f000000,
                                              0xcf000000, 0x4f800000, 0x5f000000, 0xdf000000, 0x5f800000,
                                              0x7f7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001,
                                              0x7f800001, 0x3f000000, 0xbf7fffff, 0x3fc00000, 0x40200000};
  static constexpr std::uint64_t kDouble[] = {
      0,
      1ull << 63,
      1,
      0x000fffffffffffff,
      0x0010000000000000,
      0x8010000000000000,
      0x3ff0000000000000,
      0xbff0000000000000,
      0x41dfffffffe00000,
      0xc1e0000000100000,
      0x41efffffffe00000,
      0x41f0000000000000,
      0x43e0000000000000,
      0xc3e0000000000000,
      0x43f0000000000000,
      0x7fefffffffffffff,
      0x7ff0000000000000,
      0xfff0000000000000,
      0x7ff8000000000000,
      0xfff8000000000001,
      0x7ff0000000000001,
      0x3810000000000000,  // the smallest normal binary32, and its neighbours
      0x380fffffffffffff,
      0x380ffffff0000000,
      0x380fffffe0000000,
      0x380ffffff8000000,
      0xb80ffffff0000001,
      0x3fe0000000000000,
      0x3ff8000000000000,
  };
  const unsigned kind = static_cast<unsigned>(rng.below(8));
  if (single) {
    std::uint32_t bits = kSingle[rng.below(std::size(kSingle))];
    if (kind < 2) bits = static_cast<std::uint32_t>(rng.next());
    if (kind >= 5) bits = near_boundary<std::uint32_t>(rng, 23, 255, partner);
    return rng.below(24) == 0 ? rng.next() : ir::semantics::box32(bits);
  }
  std::uint64_t bits = kDouble[rng.below(std::size(kDouble))];
  if (kind < 2) bits = rng.next();
  if (kind >= 5) bits = near_boundary<std::uint64_t>(rng, 52, 2047, partner);
  return bits;
}

std::uint64_t integer_operand(Rng& rng) {
  static constexpr std::uint64_t kSpecial[] = {
      0, 1, ~0ull, 0x7fffffff, 0x80000000, 0xffffffff, 1ull << 63, ~0ull >> 1, 0xffffff7fffffffff, 0x1000001};
  return rng.below(2) == 0 ? rng.next() : kSpecial[rng.below(std::size(kSpecial))];
}

bool reads_binary32(Opcode op) {
  const std::string name = ir::info(op).name;
  return name.ends_with("32") && name != "bits32_from_f";
}

struct Case {
  Opcode op;
  RoundingMode mode, host;
  Value dst, a, b, c;
};

/// The opcode, and the flags behind it in x5.
ir::BlockPtr block_of(const Case& t) {
  const Form form = ir::info(t.op).form;
  const bool rounds = (ir::info(t.op).effects & ir::kRounds) != 0;
  ir::Inst inst;
  inst.op = t.op;
  inst.dst = t.dst;
  inst.a = t.a;
  if (form == Form::rr || form == Form::rrx || form == Form::rrr) inst.b = t.b;
  inst.ext =
      ir::Inst::pack(form == Form::rrr ? t.c : Value::none(), rounds ? static_cast<unsigned>(t.mode) : 0);
  ir::Inst flags;
  flags.op = Opcode::get_fflags;
  flags.dst = Value::slot(test::integer_slot(5));
  const ir::Inst stop{
      Opcode::stop, {}, {}, {}, 0, ir::Inst::pack_exit(0, static_cast<unsigned>(ir::StopReason::guest_exit))};
  const ir::Inst insts[] = {inst, flags, stop};
  const ir::Exit exits[] = {{BlockKey::from_id(2)}};
  ir::Block::Parts parts;
  parts.key = BlockKey::from_id(1);
  parts.insts = insts;
  parts.exits = exits;
  parts.host_rounding = t.host;
  return ir::Block::make(parts);
}

void check_op(NativeMachine& machine, Vcpu& vcpu, const Case& t, bool linked, Rng& rng, unsigned rounds) {
  const Form form = ir::info(t.op).form;
  const bool from_integer = ir::info(t.op).src == ir::ValueClass::I;
  const bool single = reads_binary32(t.op);
  const ir::BlockPtr block = block_of(t);
  codegen::CompileOptions options;
  options.linked = linked;
  VcpuFrame& frame = vcpu.frame();
  for (unsigned i = 0; i < rounds; ++i) {
    frame[t.a] = from_integer ? integer_operand(rng) : float_operand(rng, single, false);
    if (t.b != t.a) frame[t.b] = float_operand(rng, single, true);
    if (t.c != t.a && t.c != t.b) frame[t.c] = rng.below(3) == 0 ? 0 : float_operand(rng, single, false);
    const std::uint64_t a = frame[t.a], b = frame[t.b], c = form == Form::rrr ? frame[t.c] : 0;
    const auto had = static_cast<std::uint8_t>(rng.below(3) == 0 ? rng.below(32) : 0);
    std::uint8_t flags = had;
    const std::uint64_t wanted = ir::semantics::eval_float(t.op, t.mode, a, b, c, flags);
    vcpu.set_float_flags(had);
    vcpu.set_pc({1});
    const BlockEnd end = machine.run(vcpu, *block, options);
    const std::uint64_t got = frame[t.dst], seen = frame[Value::slot(test::integer_slot(5))];
    if (end.outcome != interp::Outcome::stop || got != wanted || seen != flags ||
        vcpu.float_flags() != flags) {
      const auto listing = machine.compiler().listing(*block, options);
      FAIL(ir::info(t.op).name, " a ", test::hex(a), " b ", test::hex(b), " c ", test::hex(c), ": ",
           test::hex(got), " against ", test::hex(wanted), ", flags ", seen, " and ", int{vcpu.float_flags()},
           " against ", int{flags}, " from ", int{had}, "\n", ir::print(*block, &test::test_layout()),
           listing ? listing.value() : listing.error().message);
    }
  }
}

void check_all(bool linked, const codegen::HostFeatures& features) {
  if (!NativeMachine::available()) return;
  NativeMachine machine(test::test_layout(), test::test_helpers(), features);
  const auto memory = test::make_test_memory();
  auto made = Vcpu::create(test::test_layout(), memory.get());
  REQUIRE(made);
  Rng rng(linked ? 7 : 8);
  int tested = 0;
  for (std::size_t n = 0; n < ir::kOpcodeCount; ++n) {
    const Opcode op = static_cast<Opcode>(n);
    if (!ir::semantics::is_float_arithmetic(op) && !ir::semantics::is_float_bits(op)) continue;
    ++tested;
    const bool rounded = (ir::info(op).effects & ir::kRounds) != 0;
    const auto slot = [](ir::ValueClass cls, unsigned i) {
      return Value::slot(cls == ir::ValueClass::F ? test::real_slot(i) : test::integer_slot(i));
    };
    const ir::ValueClass from = ir::info(op).src, to = ir::info(op).dst;
    for (const RoundingMode mode : kModes) {
      if (!rounded && mode != RoundingMode::rne) break;
      // All apart, the result in place of each operand, all the same; the last slot is in no register.
      Case t{op,           mode,          mode == RoundingMode::rmm ? RoundingMode::rne : mode,
             slot(to, 3),  slot(from, 0), slot(from, 1),
             slot(from, 2)};
      check_op(machine, **made, t, linked, rng, 60);
      t.host = kModes[rng.below(4)];
      check_op(machine, **made, t, linked, rng, 10);
      t.host = mode == RoundingMode::rmm ? RoundingMode::rne : mode;
      t.dst = slot(to, 0);
      check_op(machine, **made, t, linked, rng, 40);
      t.dst = slot(to, 1);
      check_op(machine, **made, t, linked, rng, 20);
      t.dst = slot(to, 2);
      check_op(machine, **made, t, linked, rng, 20);
      t.b = t.a;
      check_op(machine, **made, t, linked, rng, 10);
      t.dst = t.c = t.b = t.a;
      t.dst = slot(to, 0);
      check_op(machine, **made, t, linked, rng, 10);
      t.a = slot(from, test::kRealSlots - 1);
      t.dst = slot(to, test::kRealSlots - 2);
      check_op(machine, **made, t, linked, rng, 10);
    }
  }
  CHECK(tested > 50);
}

TEST_CASE("float opcodes in linked code") { check_all(true, codegen::detect_host_features()); }
TEST_CASE("float opcodes in code that is not linked") { check_all(false, codegen::detect_host_features()); }
TEST_CASE("float opcodes with the base instruction set") { check_all(true, codegen::HostFeatures{}); }

/// Multiplies f0 by f1 into f4, then f2 by f3 into f5.
TEST_CASE("an underflow that only the host sees does not hide or invent one") {
  if (!NativeMachine::available()) return;
  NativeMachine machine(test::test_layout(), test::test_helpers(), codegen::detect_host_features());
  const auto memory = test::make_test_memory();
  auto made = Vcpu::create(test::test_layout(), memory.get());
  REQUIRE(made);
  Vcpu& vcpu = **made;
  const auto f = [](unsigned i) { return Value::slot(test::real_slot(i)); };
  BlockBuilder b;
  b.begin(BlockKey::from_id(1));
  const auto rne = static_cast<unsigned>(RoundingMode::rne);
  b.rr(Opcode::fmul64, f(4), f(0), f(1), rne);
  b.get_fflags(Value::slot(test::integer_slot(5)));
  b.rr(Opcode::fmul64, f(5), f(2), f(3), rne);
  b.get_fflags(Value::slot(test::integer_slot(6)));
  b.stop(ir::StopReason::guest_exit, {2}, 0);
  const ir::BlockPtr block = b.build();
  // (1 + 2^-52) * (the largest subnormal) = (1 - 2^-104) * 2^-1022 rounds to 2^-1022 at once: not tiny.
  constexpr std::uint64_t kOneAndBit = 0x3ff0'0000'0000'0001, kLargestSubnormal = 0x000f'ffff'ffff'ffff;
  // (1 - 2^-53) * 2^-1022 has 53 bits: tiny, and rounded to 2^-1022 for want of exponents.
  constexpr std::uint64_t kBelowOne = 0x3fef'ffff'ffff'ffff, kSmallestNormal = 0x0010'0000'0000'0000;
  struct Sequence {
    std::uint64_t values[4];
    std::uint64_t first, second;
  };
  constexpr std::uint64_t kNx = inexact, kBoth = inexact | underflow;
  const Sequence sequences[] = {
      {{kOneAndBit, kLargestSubnormal, kOneAndBit, kLargestSubnormal}, kNx, kNx},
      {{kOneAndBit, kLargestSubnormal, kBelowOne, kSmallestNormal}, kNx, kBoth},
      {{kBelowOne, kSmallestNormal, kOneAndBit, kLargestSubnormal}, kBoth, kBoth},
      {{kLargestSubnormal, kBelowOne, kOneAndBit, kLargestSubnormal}, kBoth, kBoth},
      {{kOneAndBit, kLargestSubnormal, kSmallestNormal, kSmallestNormal}, kNx, kBoth},
      {{kSmallestNormal, kSmallestNormal, 0, kSmallestNormal}, kBoth, kBoth},
      {{0, kSmallestNormal, kOneAndBit, kLargestSubnormal}, 0, kNx},
      {{0x3ff0'0000'0000'0000, kSmallestNormal, kLargestSubnormal, 0x3ff0'0000'0000'0000}, 0, 0},
  };
  for (const Sequence& s : sequences) {
    for (const bool linked : {true, false}) {
      for (unsigned i = 0; i < 4; ++i) vcpu.frame()[f(i)] = s.values[i];
      vcpu.set_float_flags(0);
      vcpu.set_pc({1});
      codegen::CompileOptions options;
      options.linked = linked;
      REQUIRE(machine.run(vcpu, *block, options).outcome == interp::Outcome::stop);
      CAPTURE(s.values[0]);
      CAPTURE(s.values[2]);
      CHECK(vcpu.frame()[Value::slot(test::integer_slot(5))] == s.first);
      CHECK(vcpu.frame()[Value::slot(test::integer_slot(6))] == s.second);
      CHECK(vcpu.float_flags() == s.second);
    }
  }
}

/// Several instructions whose underflow may be judged together, over few registers, so that they overwrite
/// each other's operands; the flags are read behind all of them.
void check_sequences(bool single, unsigned count) {
  if (!NativeMachine::available()) return;
  static constexpr Opcode kDouble[] = {Opcode::fmul64,  Opcode::fmul64,   Opcode::fdiv64,   Opcode::fmadd64,
                                       Opcode::fmsub64, Opcode::fnmadd64, Opcode::fnmsub64, Opcode::fadd64,
                                       Opcode::fsub64,  Opcode::fsqrt64};
  static constexpr Opcode kSingle[] = {Opcode::fmul32,  Opcode::fmul32,   Opcode::fdiv32,   Opcode::fmadd32,
                                       Opcode::fmsub32, Opcode::fnmadd32, Opcode::fnmsub32, Opcode::fadd32,
                                       Opcode::fsub32,  Opcode::fsqrt32};
  NativeMachine machine(test::test_layout(), test::test_helpers(), codegen::detect_host_features());
  const auto memory = test::make_test_memory();
  auto made = Vcpu::create(test::test_layout(), memory.get());
  REQUIRE(made);
  Vcpu& vcpu = **made;
  Rng rng(single ? 21 : 22);
  // The last two are in no register.
  constexpr unsigned kSlots = 6;
  const auto slot = [](std::uint64_t i) {
    return Value::slot(test::real_slot(i < 4 ? static_cast<unsigned>(i)
                                             : test::kRealSlots - 1 - static_cast<unsigned>(i - 4)));
  };
  unsigned tiny = 0;
  for (unsigned n = 0; n < count; ++n) {
    std::vector<ir::Inst> insts(1 + rng.below(9));
    for (ir::Inst& inst : insts) {
      inst.op = single ? kSingle[rng.below(std::size(kSingle))] : kDouble[rng.below(std::size(kDouble))];
      const Form form = ir::info(inst.op).form;
      inst.dst = slot(rng.below(kSlots));
      inst.a = slot(rng.below(kSlots));
      if (form != Form::rx) inst.b = slot(rng.below(kSlots));
      inst.ext = ir::Inst::pack(form == Form::rrr ? slot(rng.below(kSlots)) : Value::none(),
                                static_cast<unsigned>(RoundingMode::rne));
    }
    const std::size_t length = insts.size();
    ir::Inst get;
    get.op = Opcode::get_fflags;
    get.dst = Value::slot(test::integer_slot(5));
    insts.push_back(get);
    insts.push_back({Opcode::stop,
                     {},
                     {},
                     {},
                     0,
                     ir::Inst::pack_exit(0, static_cast<unsigned>(ir::StopReason::guest_exit))});
    const ir::Exit exits[] = {{BlockKey::from_id(2)}};
    ir::Block::Parts parts;
    parts.key = BlockKey::from_id(1);
    parts.insts = insts;
    parts.exits = exits;
    const ir::BlockPtr block = ir::Block::make(parts);
    codegen::CompileOptions options;
    options.linked = rng.below(4) != 0;
    for (unsigned round = 0; round < 20; ++round) {
      std::uint64_t wanted[kSlots];
      for (unsigned i = 0; i < kSlots; ++i) {
        wanted[i] = rng.below(8) == 0 ? 0 : float_operand(rng, single, rng.below(2) == 0);
        if (single && wanted[i] == 0) wanted[i] = ir::semantics::box32(0);
        vcpu.frame()[slot(i)] = wanted[i];
      }
      const auto value = [&](Value v) -> std::uint64_t& {
        unsigned i = 0;
        while (slot(i) != v) ++i;
        return wanted[i];
      };
      std::uint8_t flags = 0;
      for (std::size_t i = 0; i < length; ++i) {
        const ir::Inst& t = insts[i];
        const Form form = ir::info(t.op).form;
        value(t.dst) =
            ir::semantics::eval_float(t.op, RoundingMode::rne, value(t.a), form == Form::rx ? 0 : value(t.b),
                                      form == Form::rrr ? value(t.c()) : 0, flags);
      }
      tiny += (flags & underflow) != 0;
      vcpu.set_float_flags(0);
      vcpu.set_pc({1});
      REQUIRE(machine.run(vcpu, *block, options).outcome == interp::Outcome::stop);
      bool right = vcpu.float_flags() == flags && vcpu.frame()[get.dst] == flags;
      for (unsigned i = 0; i < kSlots; ++i) right = right && vcpu.frame()[slot(i)] == wanted[i];
      if (!right) {
        const auto listing = machine.compiler().listing(*block, options);
        FAIL("flags ", int{vcpu.float_flags()}, " against ", int{flags}, "\n",
             ir::print(*block, &test::test_layout()), listing ? listing.value() : listing.error().message);
      }
    }
  }
  CHECK(tiny > count);
}

TEST_CASE("underflow of several double operations in a row") { check_sequences(false, 400); }
TEST_CASE("underflow of several single operations in a row") { check_sequences(true, 400); }

}  // namespace
}  // namespace ashlar
