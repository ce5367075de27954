// Floating-point opcodes on the host's float unit, exact to the bit and the flag; the softfloat reference
// takes over where the unit can't serve. Included by interpreter.cpp only, which is compiled with the float
// environment honoured.
//
// Flags: an operation leaves its exceptions in the host's sticky flags, except where it goes through the
// reference, which ORs them into the frame. The guest's flags are the union of both.
#pragma once

#include <bit>
#include <cfenv>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include <ashlar/float_env.hpp>
#include <ashlar/ir.hpp>
#include <ashlar/vcpu_frame.hpp>

#include "base/float_unit.hpp"
#include "ir/float_semantics.hpp"
#include "ir/op_table.hpp"
#include "ir/softfloat.hpp"

namespace ashlar::interp {

namespace semantics = ir::semantics;
using ir::Inst;
using ir::Opcode;

/// FloatFlags of the host's sticky flags: of the unit that guest code uses, not of <cfenv>'s others.
inline std::uint8_t host_float_flags() noexcept { return float_unit::flags_of(float_unit::read()); }
inline void clear_host_float_flags() noexcept {
  float_unit::write(float_unit::without_flags(float_unit::read()));
}

/// The reference, for `inst` of opcode `op` (prepared code may have another in its place) and its operand
/// words.
[[gnu::noinline, gnu::cold]] inline std::uint64_t soft_float(Opcode op, const Inst* inst,
                                                             const std::uint64_t* base) noexcept {
  const ir::Form form = ir::op_info(op).form;
  const bool two = form == ir::Form::rr || form == ir::Form::rrx || form == ir::Form::rrr;
  const std::uint64_t b = two ? base[inst->b.word] : 0;
  const std::uint64_t c = form == ir::Form::rrr ? base[inst->c().word] : 0;
  std::uint8_t flags = 0;
  const std::uint64_t result = semantics::eval_float(op, inst->rounding(), base[inst->a.word], b, c, flags);
  reinterpret_cast<VcpuFrame*>(const_cast<std::uint64_t*>(base))->cold().float_flags |= flags;
  return result;
}

/// On hosts that judge tininess before rounding the host's underflow flag is clear before each operation that
/// may raise it; this decides by the reference whether the guest's is to be set, and clears the host's again.
[[gnu::noinline, gnu::cold]] inline void decide_underflow(Opcode op, const Inst* inst,
                                                          const std::uint64_t* base) noexcept {
  if (std::fetestexcept(FE_UNDERFLOW) == 0) return;
  std::feclearexcept(FE_UNDERFLOW);
  (void)soft_float(op, inst, base);  // the other flags that it finds are set on the host already
}

/// The values of an instruction's operands; those that its form lacks are 0.
struct Operands {
  std::uint64_t a, b, c;
};

namespace detail {

template <typename F>
using BitsOf = std::conditional_t<sizeof(F) == 4, std::uint32_t, std::uint64_t>;

template <typename F>
[[gnu::always_inline]] inline F read_float(std::uint64_t word) {
  if constexpr (sizeof(F) == 4) {
    return std::bit_cast<float>(semantics::unbox32(word));
  } else {
    return std::bit_cast<double>(word);
  }
}

template <typename F>
[[gnu::always_inline]] inline std::uint64_t write_float(F value) {
  if constexpr (sizeof(F) == 4) {
    const bool nan = __builtin_isunordered(value, value);
    return semantics::box32(nan ? semantics::kCanonicalNan32 : std::bit_cast<std::uint32_t>(value));
  } else {
    const bool nan = __builtin_isunordered(value, value);
    return nan ? semantics::kCanonicalNan64 : std::bit_cast<std::uint64_t>(value);
  }
}

template <typename F>
[[gnu::always_inline]] inline bool maybe_tiny(F value) {
  constexpr BitsOf<F> kSign = BitsOf<F>{1} << (8 * sizeof(F) - 1);
  constexpr BitsOf<F> kMinNormal = BitsOf<F>{1} << (sizeof(F) == 4 ? 23 : 52);
  return (std::bit_cast<BitsOf<F>>(value) & ~kSign) <= kMinNormal;
}

enum class Arithmetic { none, add, sub, mul, div, sqrt, madd, msub, nmsub, nmadd, min, max, eq, lt, le };

constexpr Arithmetic arithmetic_of(Opcode op) {
  using enum Opcode;
  switch (op) {
    case fadd32:
    case fadd64:
      return Arithmetic::add;
    case fsub32:
    case fsub64:
      return Arithmetic::sub;
    case fmul32:
    case fmul64:
      return Arithmetic::mul;
    case fdiv32:
    case fdiv64:
      return Arithmetic::div;
    case fsqrt32:
    case fsqrt64:
      return Arithmetic::sqrt;
    case fmadd32:
    case fmadd64:
      return Arithmetic::madd;
    case fmsub32:
    case fmsub64:
      return Arithmetic::msub;
    case fnmsub32:
    case fnmsub64:
      return Arithmetic::nmsub;
    case fnmadd32:
    case fnmadd64:
      return Arithmetic::nmadd;
    case fmin32:
    case fmin64:
      return Arithmetic::min;
    case fmax32:
    case fmax64:
      return Arithmetic::max;
    case feq32:
    case feq64:
      return Arithmetic::eq;
    case flt32:
    case flt64:
      return Arithmetic::lt;
    case fle32:
    case fle64:
      return Arithmetic::le;
    default:
      return Arithmetic::none;
  }
}

constexpr bool is_binary32(Opcode op) {
  const std::string_view name = ir::op_info(op).name;
  return name.size() > 2 && name.substr(name.size() - 2) == "32";
}

template <Arithmetic kind, typename F>
[[gnu::always_inline]] inline F apply(F a, F b, F c) {
  using enum Arithmetic;
  if constexpr (kind == add) return a + b;
  if constexpr (kind == sub) return a - b;
  if constexpr (kind == mul) return a * b;
  if constexpr (kind == div) return a / b;
  if constexpr (sizeof(F) == 4) {
    if constexpr (kind == sqrt) return __builtin_sqrtf(a);
    if constexpr (kind == madd) return __builtin_fmaf(a, b, c);
    if constexpr (kind == msub) return __builtin_fmaf(a, b, -c);
    if constexpr (kind == nmsub) return __builtin_fmaf(-a, b, c);
    if constexpr (kind == nmadd) return __builtin_fmaf(-a, b, -c);
  } else {
    if constexpr (kind == sqrt) return __builtin_sqrt(a);
    if constexpr (kind == madd) return __builtin_fma(a, b, c);
    if constexpr (kind == msub) return __builtin_fma(a, b, -c);
    if constexpr (kind == nmsub) return __builtin_fma(-a, b, c);
    if constexpr (kind == nmadd) return __builtin_fma(-a, b, -c);
  }
}

constexpr bool is_fused(Arithmetic kind) { return kind >= Arithmetic::madd && kind <= Arithmetic::nmadd; }

/// add … nmadd: rounded arithmetic.
template <Opcode op, typename F>
[[gnu::always_inline]] inline std::uint64_t rounded(const Inst* inst, const std::uint64_t* base,
                                                    const Operands& operands, bool early_tininess) {
  constexpr Arithmetic kind = arithmetic_of(op);
  constexpr bool unary = kind == Arithmetic::sqrt;
  const F a = read_float<F>(operands.a);
  const F b = unary ? F{} : read_float<F>(operands.b);
  const F c = is_fused(kind) ? read_float<F>(operands.c) : F{};
  if constexpr (unary) {
    // Negative operands give NaN, which compilers take as a reason to call libm for errno's sake.
    if (std::signbit(a)) [[unlikely]]
      return soft_float(op, inst, base);
  }
  const F result = apply<kind, F>(a, b, c);
  if constexpr (is_fused(kind)) {
    // Hosts disagree whether infinity times zero plus a quiet NaN is invalid.
    if (__builtin_isunordered(result, result)) [[unlikely]]
      return soft_float(op, inst, base);
  }
  if constexpr (kind == Arithmetic::mul || kind == Arithmetic::div || is_fused(kind)) {
    if (early_tininess && maybe_tiny(result)) [[unlikely]]
      decide_underflow(op, inst, base);
  }
  return write_float<F>(result);
}

/// min, max, eq, lt, le: exact.
template <Opcode op, typename F>
[[gnu::always_inline]] inline std::uint64_t compared(const Inst* inst, const std::uint64_t* base,
                                                     const Operands& operands) {
  constexpr Arithmetic kind = arithmetic_of(op);
  const F a = read_float<F>(operands.a);
  const F b = read_float<F>(operands.b);
  // A quiet comparison: at most a signaling NaN sets invalid, which it does for all of these opcodes.
  if (__builtin_isunordered(a, b)) [[unlikely]]
    return soft_float(op, inst, base);
  using enum Arithmetic;
  if constexpr (kind == eq) return a == b;
  if constexpr (kind == lt) return a < b;
  if constexpr (kind == le) return a <= b;
  if constexpr (kind == min || kind == max) {
    using Bits = BitsOf<F>;
    if (a == b) {  // the same, or zeros of any sign: -0 counts as less
      const Bits x = std::bit_cast<Bits>(a), y = std::bit_cast<Bits>(b);
      const Bits r = kind == min ? x | y : x & y;
      return sizeof(F) == 4 ? semantics::box32(static_cast<std::uint32_t>(r)) : r;
    }
    const bool first = (a < b) == (kind == min);
    const Bits r = std::bit_cast<Bits>(first ? a : b);
    return sizeof(F) == 4 ? semantics::box32(static_cast<std::uint32_t>(r)) : r;
  }
}

/// The integer nearest to `a` in the host's rounding mode, for |a| < 2^63.
[[gnu::always_inline]] inline std::int64_t to_integer(double a) { return __builtin_llrint(a); }
[[gnu::always_inline]] inline std::int64_t to_integer(float a) { return __builtin_llrintf(a); }

/// {i,u}{32,64}_from_f{32,64}. `truncate` if the rounding mode is rtz, else it is the host's.
template <Opcode op, typename F>
[[gnu::always_inline]] inline std::uint64_t integer_from(const Inst* inst, const std::uint64_t* base,
                                                         const Operands& operands, bool truncate) {
  using enum Opcode;
  constexpr bool i32 = op == i32_from_f32 || op == i32_from_f64;
  constexpr bool u32 = op == u32_from_f32 || op == u32_from_f64;
  constexpr bool i64 = op == i64_from_f32 || op == i64_from_f64;
  const F a = read_float<F>(operands.a);
  constexpr F two63 = static_cast<F>(9223372036854775808.0);
  const auto convert = [&](F v) {
    return static_cast<std::uint64_t>(truncate ? static_cast<std::int64_t>(v) : to_integer(v));
  };
  // Inside these bounds no rounding mode leaves the target's range. Comparing must not raise invalid for a
  // quiet NaN before the reference has: it raises it anyway, for any NaN.
  if constexpr (i32) {
    if (a >= F{-2147483648.0} && a <= static_cast<F>(sizeof(F) == 4 ? 2147483520.0 : 2147483647.0)) [[likely]]
      return convert(a);
  } else if constexpr (u32) {
    if (a >= F{0} && a <= static_cast<F>(sizeof(F) == 4 ? 4294967040.0 : 4294967295.0)) [[likely]]
      return convert(a);
  } else if constexpr (i64) {
    if (a >= -two63 && a < two63) [[likely]]
      return convert(a);
  } else {
    if (a >= F{0} && a < two63) [[likely]]
      return convert(a);
    if (a >= two63 && a < 2 * two63) {  // an integer already: nothing is rounded
      return static_cast<std::uint64_t>(static_cast<std::int64_t>(a - two63)) ^ semantics::kSign64;
    }
  }
  return soft_float(op, inst, base);
}

/// f{32,64}_from_{i,u}{32,64}.
template <Opcode op, typename F>
[[gnu::always_inline]] inline std::uint64_t float_from(std::uint64_t a) {
  using enum Opcode;
  F result;
  if constexpr (op == f32_from_i32 || op == f64_from_i32) {
    result = static_cast<F>(static_cast<std::int32_t>(a));
  } else if constexpr (op == f32_from_u32 || op == f64_from_u32) {
    result = static_cast<F>(static_cast<std::int64_t>(a & 0xffff'ffff));
  } else if constexpr (op == f32_from_i64 || op == f64_from_i64) {
    result = static_cast<F>(static_cast<std::int64_t>(a));
  } else if (static_cast<std::int64_t>(a) >= 0) {
    result = static_cast<F>(static_cast<std::int64_t>(a));
  } else {
    // Half of it, with the lost bit kept sticky, rounds the same way; doubling is exact. Compilers' own
    // sequences give -0 for 0 when rounding down.
    const F half = static_cast<F>(static_cast<std::int64_t>((a >> 1) | (a & 1)));
    result = half + half;
  }
  if constexpr (sizeof(F) == 4) return semantics::box32(std::bit_cast<std::uint32_t>(result));
  return std::bit_cast<BitsOf<F>>(result);
}

}  // namespace detail

/// The value of a float arithmetic opcode. `operands` are those of `inst`, which `base` has as well.
/// `host_rounding` is the host's mode now; `early_tininess` whether the host judges tininess before rounding.
template <Opcode op>
[[gnu::always_inline]] inline std::uint64_t eval_host_float(const Inst* inst, const std::uint64_t* base,
                                                            const Operands& operands,
                                                            RoundingMode host_rounding, bool early_tininess) {
  using enum Opcode;
  constexpr detail::Arithmetic kind = detail::arithmetic_of(op);
  constexpr bool rounds = (ir::op_info(op).effects & ir::kRounds) != 0;
  constexpr bool to_int = rounds && ir::op_info(op).dst == ir::ValueClass::I;
  if constexpr (to_int) {
    const RoundingMode mode = inst->rounding();
    if (mode != RoundingMode::rtz && mode != host_rounding) [[unlikely]]
      return soft_float(op, inst, base);
    using F = std::conditional_t<detail::is_binary32(op), float, double>;
    return detail::integer_from<op, F>(inst, base, operands, mode == RoundingMode::rtz);
  } else {
    if constexpr (rounds) {
      if (inst->rounding() != host_rounding) [[unlikely]]
        return soft_float(op, inst, base);
    }
    if constexpr (kind != detail::Arithmetic::none) {
      using F = std::conditional_t<detail::is_binary32(op), float, double>;
      if constexpr (rounds) {
        return detail::rounded<op, F>(inst, base, operands, early_tininess);
      } else {
        return detail::compared<op, F>(inst, base, operands);
      }
    } else if constexpr (op == f64_from_f32) {
      return detail::write_float<double>(static_cast<double>(detail::read_float<float>(operands.a)));
    } else if constexpr (op == f32_from_f64) {
      const float result = static_cast<float>(detail::read_float<double>(operands.a));
      if (early_tininess && detail::maybe_tiny(result)) [[unlikely]]
        decide_underflow(op, inst, base);
      return detail::write_float<float>(result);
    } else {
      constexpr bool to32 =
          op == f32_from_i32 || op == f32_from_u32 || op == f32_from_i64 || op == f32_from_u64;
      return detail::float_from<op, std::conditional_t<to32, float, double>>(operands.a);
    }
  }
}

}  // namespace ashlar::interp
