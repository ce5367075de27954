// Spot checks of the value semantics by literals that were worked out by hand, from the comments of
// opcodes.inc.
#include <cstdint>

#include <doctest/doctest.h>
#include <ashlar/ir.hpp>

#include "ir/float_semantics.hpp"
#include "ir/semantics.hpp"

using namespace ashlar;
using namespace ashlar::ir::semantics;
using ir::Inst;
using ir::Opcode;
using ir::Value;

namespace {

constexpr std::uint64_t kMin = 0x8000000000000000, kMax = 0x7fffffffffffffff, kOnes = ~std::uint64_t{0};
constexpr unsigned kAllOnes = 0, kZero = 1;  // division rules

#define EVAL(op, ...) (eval<Opcode::op>(__VA_ARGS__))

struct FloatResult {
  std::uint64_t value;
  unsigned flags;
  bool operator==(const FloatResult&) const = default;
};

FloatResult real(Opcode op, RoundingMode rm, std::uint64_t a, std::uint64_t b = 0, std::uint64_t c = 0) {
  std::uint8_t flags = 0;
  const std::uint64_t value = eval_float(op, rm, a, b, c, flags);
  return {value, flags};
}

}  // namespace

namespace doctest {
template <>
struct StringMaker<FloatResult> {
  static String convert(const FloatResult& r) {
    char text[48];
    std::snprintf(text, sizeof text, "0x%llx, flags %u", static_cast<unsigned long long>(r.value), r.flags);
    return text;
  }
};
}  // namespace doctest

TEST_CASE("addition and subtraction by width") {
  CHECK(EVAL(add64, kMax, 1) == kMin);
  CHECK(EVAL(add64, kOnes, 1) == 0);
  CHECK(EVAL(add32, 0xffffffff, 1) == 0);
  CHECK(EVAL(add32, 0x7fffffff, 1) == 0x80000000);
  CHECK(EVAL(add32s, 0x7fffffff, 1) == 0xffffffff80000000);
  CHECK(EVAL(add32s, 0x100000000, 0x200000005) == 5);
  CHECK(EVAL(sub64, 0, 1) == kOnes);
  CHECK(EVAL(sub32, 0, 1) == 0xffffffff);
  CHECK(EVAL(sub32s, 0, 1) == kOnes);
  CHECK(EVAL(sub32s, 0x80000000, 1) == 0x7fffffff);
}

TEST_CASE("logic") {
  CHECK(EVAL(andn64, 0xff, 0x0f) == 0xf0);
  CHECK(EVAL(orn64, 0, 0) == kOnes);
  CHECK(EVAL(xnor64, 5, 5) == kOnes);
  CHECK(EVAL(xnor64, 5, 4) == 0xfffffffffffffffe);
}

TEST_CASE("shifts and rotates take counts modulo the width") {
  CHECK(EVAL(shl64, 1, 63) == kMin);
  CHECK(EVAL(shl64, 1, 64) == 1);
  CHECK(EVAL(shl64_i, 1, kOnes) == kMin);
  CHECK(EVAL(shl32, 1, 31) == 0x80000000);
  CHECK(EVAL(shl32, 1, 32) == 1);
  CHECK(EVAL(shl32s, 1, 31) == 0xffffffff80000000);
  CHECK(EVAL(shl32s, 3, 31) == 0xffffffff80000000);
  CHECK(EVAL(shr64, kMin, 63) == 1);
  CHECK(EVAL(shr64, kMin, 64) == kMin);
  CHECK(EVAL(shr32, kOnes, 0) == 0xffffffff);
  CHECK(EVAL(shr32, 0xdeadbeef80000000, 31) == 1);
  CHECK(EVAL(shr32s, 0x80000000, 0) == 0xffffffff80000000);
  CHECK(EVAL(shr32s, 0x80000000, 32) == 0xffffffff80000000);
  CHECK(EVAL(shr32s, 0x80000000, 1) == 0x40000000);
  CHECK(EVAL(sar64, kMin, 63) == kOnes);
  CHECK(EVAL(sar64, kMin, 65) == 0xc000000000000000);
  CHECK(EVAL(sar32, 0x80000000, 4) == 0xf8000000);
  CHECK(EVAL(sar32s, 0x80000000, 4) == 0xfffffffff8000000);
  CHECK(EVAL(sar32s, 0xf00000007fffffff, 31) == 0);
  CHECK(EVAL(rotl64, 0x8000000000000001, 1) == 3);
  CHECK(EVAL(rotl64, 5, 64) == 5);
  CHECK(EVAL(rotl32s, 0x40000000, 1) == 0xffffffff80000000);
  CHECK(EVAL(rotl32s, 0x80000001, 33) == 3);
  CHECK(EVAL(rotr64, 1, 1) == kMin);
  CHECK(EVAL(rotr32, 1, 1) == 0x80000000);
  CHECK(EVAL(rotr32, 0xaaaaaaaa00000001, 32) == 1);
  CHECK(EVAL(rotr32s, 1, 1) == 0xffffffff80000000);
  CHECK(EVAL(rotr64_i, 0x10, 4) == 1);
  CHECK(EVAL(addshl64, 3, 1, 0, 63) == 0x8000000000000001);
  CHECK(EVAL(addshl64, 7, 5, 0, 0) == 12);
  CHECK(EVAL(addshl_u32, 0xffffffff00000002, 1, 0, 31) == 0x100000001);
  CHECK(EVAL(shl_u32, kOnes, 0, 0, 63) == kMin);
  CHECK(EVAL(shl_u32, kOnes, 0, 0, 4) == 0xffffffff0);
}

TEST_CASE("multiplication") {
  CHECK(EVAL(mul64, 0x100000000, 0x100000000) == 0);
  CHECK(EVAL(mul32, 0xffffffff, 0xffffffff) == 1);
  CHECK(EVAL(mul32, 0x10000, 0x8000) == 0x80000000);
  CHECK(EVAL(mul32s, 0x10000, 0x8000) == 0xffffffff80000000);
  CHECK(EVAL(mulh_s64, kOnes, kOnes) == 0);
  CHECK(EVAL(mulh_s64, kMin, kMin) == 0x4000000000000000);
  CHECK(EVAL(mulh_s64, kMin, kMax) == 0xc000000000000000);
  CHECK(EVAL(mulh_s64, kMin, 1) == kOnes);
  CHECK(EVAL(mulh_s64, 1, kMin) == kOnes);
  CHECK(EVAL(mulh_s64, kOnes, 1) == kOnes);
  CHECK(EVAL(mulh_u64, kOnes, kOnes) == 0xfffffffffffffffe);
  CHECK(EVAL(mulh_u64, kMin, 2) == 1);
  CHECK(EVAL(mulh_su64, kOnes, kOnes) == kOnes);
  CHECK(EVAL(mulh_su64, kMin, kOnes) == kMin);
  CHECK(EVAL(mulh_su64, 1, kOnes) == 0);
  CHECK(EVAL(mulh_su64, kMax, 2) == 0);
  CHECK(EVAL(mulh_su64, kMax, kOnes) == 0x7ffffffffffffffe);
}

TEST_CASE("division by zero and overflow, by rule") {
  CHECK(EVAL(div_s64, 7, 0, 0, kAllOnes) == kOnes);
  CHECK(EVAL(div_s64, 7, 0, 0, kZero) == 0);
  CHECK(EVAL(div_u64, 7, 0, 0, kAllOnes) == kOnes);
  CHECK(EVAL(div_u64, 7, 0, 0, kZero) == 0);
  CHECK(EVAL(rem_s64, kMin, 0, 0, kAllOnes) == kMin);
  CHECK(EVAL(rem_u64, 9, 0, 0, kZero) == 9);
  for (const unsigned rule : {kAllOnes, kZero}) {
    CHECK(EVAL(div_s64, kMin, kOnes, 0, rule) == kMin);
    CHECK(EVAL(rem_s64, kMin, kOnes, 0, rule) == 0);
    CHECK(EVAL(div_u64, kMin, kOnes, 0, rule) == 0);
    CHECK(EVAL(rem_u64, kMin, kOnes, 0, rule) == kMin);
    CHECK(EVAL(div_s32s, 0x80000000, 0xffffffff, 0, rule) == 0xffffffff80000000);
    CHECK(EVAL(rem_s32s, 0x80000000, 0xffffffff, 0, rule) == 0);
    CHECK(EVAL(div_s64, static_cast<std::uint64_t>(-7), 2, 0, rule) == static_cast<std::uint64_t>(-3));
    CHECK(EVAL(rem_s64, static_cast<std::uint64_t>(-7), 2, 0, rule) == kOnes);
    CHECK(EVAL(rem_s64, 7, static_cast<std::uint64_t>(-2), 0, rule) == 1);
    CHECK(EVAL(div_u32s, 0x1fffffffe, 1, 0, rule) == 0xfffffffffffffffe);
    CHECK(EVAL(rem_u32s, 0xfffffffe, 0xffffffff, 0, rule) == 0xfffffffffffffffe);
    // Only the low halves divide.
    CHECK(EVAL(div_s32s, 0xaaaaaaaa00000006, 0xbbbbbbbb00000003, 0, rule) == 2);
  }
  CHECK(EVAL(div_s32s, 5, 0x100000000, 0, kAllOnes) == kOnes);
  CHECK(EVAL(div_s32s, 5, 0x100000000, 0, kZero) == 0);
  CHECK(EVAL(div_u32s, 5, 0, 0, kAllOnes) == kOnes);
  CHECK(EVAL(rem_u32s, 0x80000000, 0, 0, kAllOnes) == 0xffffffff80000000);
  CHECK(EVAL(rem_s32s, 0x180000000, 0, 0, kZero) == 0xffffffff80000000);
}

TEST_CASE("minimum and maximum") {
  CHECK(EVAL(min_s64, kMin, kMax) == kMin);
  CHECK(EVAL(min_u64, kMin, kMax) == kMax);
  CHECK(EVAL(max_s64, kOnes, 0) == 0);
  CHECK(EVAL(max_u64, kOnes, 0) == kOnes);
}

TEST_CASE("extension and bit fields") {
  CHECK(EVAL(sext8, 0x180) == 0xffffffffffffff80);
  CHECK(EVAL(sext8, 0xff7f) == 0x7f);
  CHECK(EVAL(sext16, 0x8000) == 0xffffffffffff8000);
  CHECK(EVAL(sext32, 0x80000000) == 0xffffffff80000000);
  CHECK(EVAL(zext8, 0xfff) == 0xff);
  CHECK(EVAL(zext16, 0xfffff) == 0xffff);
  CHECK(EVAL(zext32, kOnes) == 0xffffffff);
  CHECK(EVAL(ubfx64, 0xabcd, 0, 0, 4, 8) == 0xbc);
  CHECK(EVAL(ubfx64, kOnes, 0, 0, 0, 64) == kOnes);
  CHECK(EVAL(ubfx64, kMin, 0, 0, 63, 1) == 1);
  CHECK(EVAL(sbfx64, 0xabcd, 0, 0, 4, 8) == 0xffffffffffffffbc);
  CHECK(EVAL(sbfx64, 0x700, 0, 0, 8, 4) == 7);
  CHECK(EVAL(sbfx64, kMin, 0, 0, 63, 1) == kOnes);
  CHECK(EVAL(sbfx64, kMin, 0, 0, 0, 64) == kMin);
}

TEST_CASE("bit counting and single bits") {
  CHECK(EVAL(clz64, 0) == 64);
  CHECK(EVAL(clz64, 1) == 63);
  CHECK(EVAL(clz64, kMin) == 0);
  CHECK(EVAL(clz32, 0xffffffff00000000) == 32);
  CHECK(EVAL(clz32, 0xffffffff00000001) == 31);
  CHECK(EVAL(ctz64, 0) == 64);
  CHECK(EVAL(ctz64, kMin) == 63);
  CHECK(EVAL(ctz32, 0xffffffff00000000) == 32);
  CHECK(EVAL(ctz32, 0x180000000) == 31);
  CHECK(EVAL(popcnt64, kOnes) == 64);
  CHECK(EVAL(popcnt32, kOnes) == 32);
  CHECK(EVAL(bswap64, 0x0102030405060708) == 0x0807060504030201);
  CHECK(EVAL(orcb64, 0x0100800000ff0001) == 0xff00ff0000ff00ff);
  CHECK(EVAL(orcb64, 0) == 0);
  CHECK(EVAL(orcb64, kOnes) == kOnes);
  CHECK(EVAL(bset64, 0, 64) == 1);
  CHECK(EVAL(bset64, 0, 63) == kMin);
  CHECK(EVAL(bclr64, kOnes, 127) == kMax);
  CHECK(EVAL(binv64, 1, 0) == 0);
  CHECK(EVAL(bext64, kMin, kOnes) == 1);
  CHECK(EVAL(bext64_i, 2, 0) == 0);
}

TEST_CASE("comparisons and select") {
  CHECK(EVAL(set_lts, kMin, 0) == 1);
  CHECK(EVAL(set_ltu, kMin, 0) == 0);
  CHECK(EVAL(set_ges, 0, kOnes) == 1);
  CHECK(EVAL(set_geu, 0, kOnes) == 0);
  CHECK(EVAL(set_ges, 5, 5) == 1);
  CHECK(EVAL(set_ltu, 5, 5) == 0);
  CHECK(EVAL(set_eq, 0, 0x100000000) == 0);
  CHECK(EVAL(set_ne, 0, 0x100000000) == 1);
  CHECK(EVAL(select, 1, 2, 0) == 2);
  CHECK(EVAL(select, 1, 2, kMin) == 1);
  CHECK(condition_of(Opcode::exit_geu_i) == Condition::geu);
  CHECK(condition_of(Opcode::br_lts) == Condition::lts);
  CHECK(condition_of(Opcode::set_ne_i) == Condition::ne);
  CHECK_FALSE(is_comparison(Opcode::add64));
}

TEST_CASE("fold takes immediates and aux from the instruction") {
  std::uint64_t out = 42;
  CHECK(fold({Opcode::add64_i, Value::slot(0), Value::slot(0), {}, -1, Inst::pack({})}, 5, 99, 99, out));
  CHECK(out == 4);
  CHECK(fold({Opcode::set_ltu_i, Value::slot(0), Value::slot(0), {}, -1, Inst::pack({})}, 5, 0, 0, out));
  CHECK(out == 1);
  CHECK(fold({Opcode::const64, Value::slot(0), {}, {}, static_cast<std::int32_t>(0x89abcdef), 0x01234567}, 0,
             0, 0, out));
  CHECK(out == 0x0123456789abcdef);
  CHECK(fold({Opcode::div_u64, Value::slot(0), Value::slot(0), Value::slot(0), 0, Inst::pack({}, kZero)}, 5,
             0, 0, out));
  CHECK(out == 0);
  CHECK(
      fold({Opcode::ubfx64, Value::slot(0), Value::slot(0), {}, 0, Inst::pack({}, 8, 4)}, 0xabcd, 0, 0, out));
  CHECK(out == 0xb);
  out = 42;
  CHECK_FALSE(fold({Opcode::ld64, Value::slot(0), Value::slot(0), {}, 0, Inst::pack({})}, 5, 0, 0, out));
  CHECK_FALSE(fold({Opcode::fadd64, Value::slot(0), Value::slot(0), {}, 0, Inst::pack({})}, 5, 0, 0, out));
  CHECK(out == 42);
}

TEST_CASE("read-modify-write") {
  CHECK(static_cast<std::uint32_t>(rmw<Opcode::fetch_add32>(kOnes, 1)) == 0);
  CHECK(rmw<Opcode::fetch_add64>(kMax, 1) == kMin);
  // The operand's upper half does not take part.
  CHECK(static_cast<std::uint32_t>(rmw<Opcode::fetch_min_s32>(5, 0x7fffffff00000006)) == 5);
  CHECK(static_cast<std::uint32_t>(rmw<Opcode::fetch_min_s32>(5, 0x00000000ffffffff)) == 0xffffffff);
  CHECK(static_cast<std::uint32_t>(rmw<Opcode::fetch_max_s32>(0xffffffff80000000, 0)) == 0);
  CHECK(static_cast<std::uint32_t>(rmw<Opcode::fetch_max_u32>(0xffffffff80000000, 0xffffffff00000000)) ==
        0x80000000);
  CHECK(static_cast<std::uint32_t>(rmw<Opcode::fetch_min_u32>(0xffffffff80000000, 3)) == 3);
  CHECK(rmw<Opcode::fetch_min_u64>(kOnes, 3) == 3);
  CHECK(rmw<Opcode::fetch_min_s64>(kOnes, 3) == kOnes);
  CHECK(rmw<Opcode::swap64>(1, 2) == 2);
  CHECK(rmw(Opcode::fetch_xor64, 6, 3) == 5);
  CHECK_FALSE(is_rmw(Opcode::lr64));
  CHECK_FALSE(is_rmw(Opcode::sc32));
}

TEST_CASE("float bits") {
  CHECK(unbox32(0xffffffff3f800000) == 0x3f800000);
  CHECK(unbox32(0xfffffffe3f800000) == 0x7fc00000);
  CHECK(unbox32(0) == 0x7fc00000);
  CHECK(box32(0) == 0xffffffff00000000);
  CHECK(eval_float_bits<Opcode::fmov>(0x7ff0000000000001) == 0x7ff0000000000001);
  CHECK(eval_float_bits<Opcode::f_from_bits32>(0x123456789) == 0xffffffff23456789);
  CHECK(eval_float_bits<Opcode::bits32_from_f>(0x80000000) == 0xffffffff80000000);
  CHECK(eval_float_bits<Opcode::bits64_from_f>(0x80000000) == 0x80000000);
  CHECK(eval_float_bits<Opcode::fsgnj64>(0xffffffffffffffff, 0) == 0x7fffffffffffffff);
  CHECK(eval_float_bits<Opcode::fsgnjn64>(1, 0) == 0x8000000000000001);
  CHECK(eval_float_bits<Opcode::fsgnjx64>(kMin, kMin) == 0);
  CHECK(eval_float_bits<Opcode::fsgnj32>(0xffffffff3f800000, 0xffffffff80000000) == 0xffffffffbf800000);
  // An operand without its box is the canonical NaN, whose sign is plus.
  CHECK(eval_float_bits<Opcode::fsgnj32>(0, 0xffffffff80000000) == 0xffffffffffc00000);
  CHECK(eval_float_bits<Opcode::fsgnj32>(0xffffffffbf800000, 0x80000000) == 0xffffffff3f800000);
  CHECK(eval_float_bits<Opcode::fsgnjn32>(0xffffffff3f800000, 0xffffffff3f800000) == 0xffffffffbf800000);
}

TEST_CASE("fclass") {
  const std::uint32_t singles[] = {0xff800000, 0xbf800000, 0x80000001, 0x80000000, 0,
                                   0x007fffff, 0x00800000, 0x7f800000, 0x7f800001, 0x7fc00000};
  const std::uint64_t doubles[] = {0xfff0000000000000,
                                   0xbff0000000000000,
                                   0x8000000000000001,
                                   kMin,
                                   0,
                                   0x000fffffffffffff,
                                   0x0010000000000000,
                                   0x7ff0000000000000,
                                   0xfff0000000000001,
                                   0xfff8000000000000};
  for (unsigned i = 0; i < 10; ++i) {
    CHECK(eval_float_bits<Opcode::fclass32>(0xffffffff00000000 | singles[i]) == 1u << i);
    CHECK(eval_float_bits<Opcode::fclass64>(doubles[i]) == 1u << i);
  }
  CHECK(eval_float_bits<Opcode::fclass32>(0) == 1u << 9);
}

TEST_CASE("float arithmetic by opcode") {
  constexpr auto rne = RoundingMode::rne;
  const std::uint64_t one = 0x3ff0000000000000, two = 0x4000000000000000, three = 0x4008000000000000;
  const std::uint64_t four = 0x4010000000000000, minus_one = 0xbff0000000000000,
                      minus_two = 0xc000000000000000;
  const std::uint64_t nan = 0x7ff8000000000000, snan = 0x7ff0000000000001, inf = 0x7ff0000000000000;
  CHECK(real(Opcode::fadd64, rne, one, two) == FloatResult{three, 0});
  CHECK(real(Opcode::fsub64, rne, one, two) == FloatResult{minus_one, 0});
  CHECK(real(Opcode::fmul64, rne, two, two) == FloatResult{four, 0});
  CHECK(real(Opcode::fdiv64, rne, four, two) == FloatResult{two, 0});
  CHECK(real(Opcode::fdiv64, rne, one, 0) == FloatResult{inf, divide_by_zero});
  CHECK(real(Opcode::fdiv64, rne, 0, 0) == FloatResult{nan, invalid});
  CHECK(real(Opcode::fsqrt64, rne, four) == FloatResult{two, 0});
  CHECK(real(Opcode::fsqrt64, rne, minus_one) == FloatResult{nan, invalid});
  CHECK(real(Opcode::fadd64, rne, 0xfff8000000000123, one) == FloatResult{nan, 0});
  CHECK(real(Opcode::fadd64, rne, snan, one) == FloatResult{nan, invalid});
  // x - x is +0, but -0 when rounding down.
  CHECK(real(Opcode::fsub64, rne, one, one) == FloatResult{0, 0});
  CHECK(real(Opcode::fsub64, RoundingMode::rdn, one, one) == FloatResult{kMin, 0});
  // The four fused forms: 2 * 2 with 1.
  CHECK(real(Opcode::fmadd64, rne, two, two, minus_one) == FloatResult{three, 0});
  CHECK(real(Opcode::fmsub64, rne, two, two, one) == FloatResult{three, 0});
  CHECK(real(Opcode::fnmsub64, rne, two, one, one) == FloatResult{minus_one, 0});
  CHECK(real(Opcode::fnmadd64, rne, one, one, one) == FloatResult{minus_two, 0});
  CHECK(real(Opcode::fmadd64, rne, inf, 0, nan) == FloatResult{nan, invalid});
  // 1 + 2^-53 in each direction.
  const std::uint64_t tiny = 0x3ca0000000000000;
  CHECK(real(Opcode::fadd64, rne, one, tiny) == FloatResult{one, inexact});
  CHECK(real(Opcode::fadd64, RoundingMode::rtz, one, tiny) == FloatResult{one, inexact});
  CHECK(real(Opcode::fadd64, RoundingMode::rdn, one, tiny) == FloatResult{one, inexact});
  CHECK(real(Opcode::fadd64, RoundingMode::rup, one, tiny) == FloatResult{one + 1, inexact});
  CHECK(real(Opcode::fadd64, RoundingMode::rmm, one, tiny) == FloatResult{one + 1, inexact});
  // binary32 is boxed and reads boxes.
  CHECK(real(Opcode::fadd32, rne, box32(0x3f800000), box32(0x40000000)) == FloatResult{box32(0x40400000), 0});
  CHECK(real(Opcode::fadd32, rne, 0x3f800000, box32(0x40000000)) == FloatResult{box32(0x7fc00000), 0});
  CHECK(real(Opcode::fmadd32, rne, box32(0x40000000), box32(0x40000000), 0) ==
        FloatResult{box32(0x7fc00000), 0});
  CHECK(real(Opcode::fsqrt32, rne, box32(0x40800000)) == FloatResult{box32(0x40000000), 0});
  CHECK(real(Opcode::fmul32, rne, box32(0x7f7fffff), box32(0x40000000)) ==
        FloatResult{box32(0x7f800000), overflow | inexact});
  CHECK(real(Opcode::fmul32, RoundingMode::rtz, box32(0x7f7fffff), box32(0x40000000)) ==
        FloatResult{box32(0x7f7fffff), overflow | inexact});
}

TEST_CASE("float minimum, maximum and comparisons") {
  constexpr auto rne = RoundingMode::rne;
  const std::uint64_t one = 0x3ff0000000000000, nan = 0x7ff8000000000000, snan = 0xfff0000000000001;
  CHECK(real(Opcode::fmin64, rne, 0, kMin) == FloatResult{kMin, 0});
  CHECK(real(Opcode::fmin64, rne, kMin, 0) == FloatResult{kMin, 0});
  CHECK(real(Opcode::fmax64, rne, 0, kMin) == FloatResult{0, 0});
  CHECK(real(Opcode::fmax64, rne, kMin, 0) == FloatResult{0, 0});
  CHECK(real(Opcode::fmin64, rne, nan, one) == FloatResult{one, 0});
  CHECK(real(Opcode::fmax64, rne, one, snan) == FloatResult{one, invalid});
  CHECK(real(Opcode::fmin64, rne, 0xfff8000000000001, nan) == FloatResult{nan, 0});
  CHECK(real(Opcode::fmin32, rne, 0, box32(0x3f800000)) == FloatResult{box32(0x3f800000), 0});
  CHECK(real(Opcode::feq64, rne, 0, kMin) == FloatResult{1, 0});
  CHECK(real(Opcode::feq64, rne, nan, nan) == FloatResult{0, 0});
  CHECK(real(Opcode::feq64, rne, snan, one) == FloatResult{0, invalid});
  CHECK(real(Opcode::flt64, rne, kMin, 0) == FloatResult{0, 0});
  CHECK(real(Opcode::flt64, rne, 0, one) == FloatResult{1, 0});
  CHECK(real(Opcode::flt64, rne, nan, one) == FloatResult{0, invalid});
  CHECK(real(Opcode::fle64, rne, one, one) == FloatResult{1, 0});
  CHECK(real(Opcode::fle32, rne, box32(0x3f800000), 0) == FloatResult{0, invalid});
}

TEST_CASE("conversions") {
  constexpr auto rne = RoundingMode::rne, rtz = RoundingMode::rtz, rup = RoundingMode::rup;
  const std::uint64_t one_half = 0x3fe0000000000000, two_and_half = 0x4004000000000000,
                      minus_half = 0xbfe0000000000000;
  const std::uint64_t nan = 0x7ff8000000000000, huge = 0x43f0000000000000 /* 2^64 */;
  CHECK(real(Opcode::i64_from_f64, rne, two_and_half) == FloatResult{2, inexact});
  CHECK(real(Opcode::i64_from_f64, RoundingMode::rmm, two_and_half) == FloatResult{3, inexact});
  CHECK(real(Opcode::i64_from_f64, rup, one_half) == FloatResult{1, inexact});
  CHECK(real(Opcode::i32_from_f64, rtz, 0xc1e0000000200000) == FloatResult{0xffffffff80000000, invalid});
  CHECK(real(Opcode::i32_from_f64, rtz, 0xc1e0000000100000) == FloatResult{0xffffffff80000000, inexact});
  CHECK(real(Opcode::i32_from_f64, rne, nan) == FloatResult{0x7fffffff, invalid});
  CHECK(real(Opcode::u32_from_f64, rne, nan) == FloatResult{0xffffffff, invalid});
  CHECK(real(Opcode::u32_from_f64, rne, minus_half) == FloatResult{0, inexact});
  CHECK(real(Opcode::u32_from_f64, RoundingMode::rdn, minus_half) == FloatResult{0, invalid});
  CHECK(real(Opcode::u64_from_f64, rne, huge) == FloatResult{kOnes, invalid});
  CHECK(real(Opcode::i64_from_f64, rne, huge) == FloatResult{kMax, invalid});
  CHECK(real(Opcode::i64_from_f32, rne, 0) == FloatResult{kMax, invalid});
  CHECK(real(Opcode::i32_from_f32, rne, box32(0xbf800000)) == FloatResult{kOnes, 0});
  CHECK(real(Opcode::u32_from_f32, rne, box32(0x4f7fffff)) == FloatResult{0xffffff00, 0});
  CHECK(real(Opcode::f64_from_i32, rne, 0xffffffff80000000) == FloatResult{0xc1e0000000000000, 0});
  CHECK(real(Opcode::f64_from_i32, rne, 0xfedcba987fffffff) == FloatResult{0x41dfffffffc00000, 0});
  CHECK(real(Opcode::f64_from_u32, rne, 0xffffffff80000000) == FloatResult{0x41e0000000000000, 0});
  CHECK(real(Opcode::f64_from_u64, rne, kOnes) == FloatResult{0x43f0000000000000, inexact});
  CHECK(real(Opcode::f64_from_u64, rtz, kOnes) == FloatResult{0x43efffffffffffff, inexact});
  CHECK(real(Opcode::f64_from_i64, rne, kMin) == FloatResult{0xc3e0000000000000, 0});
  CHECK(real(Opcode::f32_from_i32, rne, 0x7fffffff) == FloatResult{box32(0x4f000000), inexact});
  CHECK(real(Opcode::f32_from_u64, rup, 0x1000001) == FloatResult{box32(0x4b800001), inexact});
  CHECK(real(Opcode::f32_from_u32, rne, 0) == FloatResult{box32(0), 0});
  CHECK(real(Opcode::f32_from_i64, rne, kOnes) == FloatResult{box32(0xbf800000), 0});
  CHECK(real(Opcode::f64_from_f32, rne, box32(0x3f800000)) == FloatResult{0x3ff0000000000000, 0});
  CHECK(real(Opcode::f64_from_f32, rne, box32(0x7f800001)) == FloatResult{nan, invalid});
  CHECK(real(Opcode::f64_from_f32, rne, 0x3f800000) == FloatResult{nan, 0});
  CHECK(real(Opcode::f32_from_f64, rne, 0x7fefffffffffffff) ==
        FloatResult{box32(0x7f800000), overflow | inexact});
  CHECK(real(Opcode::f32_from_f64, rne, 1) == FloatResult{box32(0), underflow | inexact});
  CHECK(real(Opcode::f32_from_f64, rup, 1) == FloatResult{box32(1), underflow | inexact});
}
