// The value semantics of the pure integer opcodes, once, for the interpreter, constant folding and tests. The
// expressions stand in semantics.inc; any room may use these functions.
//
//   eval<op>(a, b, c, aux, aux2)   the value of a pure integer opcode; b of an _i opcode is its sign-extended
//   immediate fold(inst, a, b, c, out)       the same at run time, taking immediate and aux from the
//   instruction holds(condition, a, b)         comparisons: set_*, exit_* and br_* opcodes (condition_of says
//   which) rmw<op>(old, b), rmw(op, …)    what an atomic fetch-and-modify stores
//
// No operand value is undefined behaviour; aux and aux2 are in the range that the verifier demands.
#pragma once

#include <bit>
#include <cstdint>

#include <ashlar/ir.hpp>

#include "ir/op_table.hpp"

namespace ashlar::ir::semantics {

enum class Condition : std::uint8_t { eq, ne, lts, ltu, ges, geu };

namespace detail {

constexpr std::int64_t sgn(std::uint64_t v) { return static_cast<std::int64_t>(v); }
constexpr bool negative(std::uint64_t v) { return (v >> 63) != 0; }
constexpr std::uint32_t lo32(std::uint64_t v) { return static_cast<std::uint32_t>(v); }
constexpr std::uint64_t zx32(std::uint64_t v) { return lo32(v); }
constexpr std::uint64_t sx32(std::uint64_t v) {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(lo32(v))));
}
constexpr std::uint64_t sar(std::uint64_t v, std::uint64_t by) {
  return static_cast<std::uint64_t>(sgn(v) >> by);
}
constexpr std::uint64_t bit(std::uint64_t number) { return std::uint64_t{1} << (number & 63); }

constexpr std::uint64_t mulh_u(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<Wide>(a) * b) >> 64);
}

constexpr std::uint64_t quotient_by_zero(unsigned rule) {
  return rule == static_cast<unsigned>(DivisionRule::all_ones) ? ~std::uint64_t{0} : 0;
}
constexpr std::uint64_t div_u(std::uint64_t a, std::uint64_t b, unsigned rule) {
  return b == 0 ? quotient_by_zero(rule) : a / b;
}
constexpr std::uint64_t rem_u(std::uint64_t a, std::uint64_t b) { return b == 0 ? a : a % b; }
// Dividing by -1 is negation: the only quotient that overflows then wraps to itself.
constexpr std::uint64_t div_s(std::uint64_t a, std::uint64_t b, unsigned rule) {
  if (b == 0) return quotient_by_zero(rule);
  if (b == ~std::uint64_t{0}) return 0 - a;
  return static_cast<std::uint64_t>(sgn(a) / sgn(b));
}
constexpr std::uint64_t rem_s(std::uint64_t a, std::uint64_t b) {
  if (b == 0) return a;
  if (b == ~std::uint64_t{0}) return 0;
  return static_cast<std::uint64_t>(sgn(a) % sgn(b));
}

constexpr std::uint64_t field_u(std::uint64_t v, unsigned lowest, unsigned width) {
  return (v << ((64 - lowest - width) & 63)) >> ((64 - width) & 63);
}
constexpr std::uint64_t field_s(std::uint64_t v, unsigned lowest, unsigned width) {
  return sar(v << ((64 - lowest - width) & 63), (64 - width) & 63);
}

constexpr std::uint64_t orcb(std::uint64_t v) {
  constexpr std::uint64_t low7 = 0x7f7f7f7f7f7f7f7f;
  // Bit 7 of each byte: whether the byte has any bit. The sum of two seven-bit numbers stays in its byte.
  const std::uint64_t any = (((v & low7) + low7) | v) & ~low7;
  return (any >> 7) * 0xff;
}

}  // namespace detail

constexpr bool holds(Condition condition, std::uint64_t a, std::uint64_t b) {
  using namespace detail;
  switch (condition) {
#define ASHLAR_COMPARE(family, expression) \
  case Condition::family:                  \
    return expression;
#include "ir/semantics.inc"
#undef ASHLAR_COMPARE
  }
  return false;
}

/// Whether `op` is a set_*, exit_* or br_* opcode.
constexpr bool is_comparison(Opcode op) {
  switch (op) {
#define ASHLAR_COMPARE(family, expression) \
  case Opcode::set_##family:               \
  case Opcode::set_##family##_i:           \
  case Opcode::exit_##family:              \
  case Opcode::exit_##family##_i:          \
  case Opcode::br_##family:                \
  case Opcode::br_##family##_i:            \
    return true;
#include "ir/semantics.inc"
#undef ASHLAR_COMPARE
    default:
      return false;
  }
}

/// What a comparison compares by. Precondition: is_comparison(op).
constexpr Condition condition_of(Opcode op) {
  switch (op) {
#define ASHLAR_COMPARE(family, expression) \
  case Opcode::set_##family:               \
  case Opcode::set_##family##_i:           \
  case Opcode::exit_##family:              \
  case Opcode::exit_##family##_i:          \
  case Opcode::br_##family:                \
  case Opcode::br_##family##_i:            \
    return Condition::family;
#include "ir/semantics.inc"
#undef ASHLAR_COMPARE
    default:
      return Condition::eq;
  }
}

namespace detail {

// Primary templates without a body: using eval or rmw with another opcode does not compile.
template <Opcode op>
struct ValueOf;
template <Opcode op>
struct RmwOf;

#define ASHLAR_VALUE(name, ...)                                                                            \
  template <>                                                                                              \
  struct ValueOf<Opcode::name> {                                                                           \
    static constexpr std::uint64_t get([[maybe_unused]] std::uint64_t a, [[maybe_unused]] std::uint64_t b, \
                                       [[maybe_unused]] std::uint64_t c, [[maybe_unused]] unsigned aux,    \
                                       [[maybe_unused]] unsigned aux2) {                                   \
      return __VA_ARGS__;                                                                                  \
    }                                                                                                      \
  };
#define ASHLAR_RMW(name, ...)                                                                 \
  template <>                                                                                 \
  struct RmwOf<Opcode::name> {                                                                \
    static constexpr std::uint64_t get([[maybe_unused]] std::uint64_t old, std::uint64_t b) { \
      return __VA_ARGS__;                                                                     \
    }                                                                                         \
  };
#include "ir/semantics.inc"
#undef ASHLAR_VALUE
#undef ASHLAR_RMW

}  // namespace detail

/// The value that `op` gives.
template <Opcode op>
constexpr std::uint64_t eval(std::uint64_t a, std::uint64_t b = 0, std::uint64_t c = 0, unsigned aux = 0,
                             unsigned aux2 = 0) {
  return detail::ValueOf<op>::get(a, b, c, aux, aux2);
}

/// Whether eval knows `op`: its value depends on nothing but integer operands, and it does nothing else.
constexpr bool is_pure_integer(Opcode op) {
  switch (op) {
#define ASHLAR_VALUE(name, ...) \
  case Opcode::name:            \
    return true;
#include "ir/semantics.inc"
#undef ASHLAR_VALUE
    default:
      return false;
  }
}

/// The value of `inst` for operand values a, b, c; those of operands that its form lacks are not looked at.
/// False, and `out` as it was, unless is_pure_integer(inst.op).
constexpr bool fold(const Inst& inst, std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t& out) {
  const Form form = op_info(inst.op).form;
  if (form == Form::ri) b = static_cast<std::uint64_t>(static_cast<std::int64_t>(inst.imm));
  if (form == Form::c64) b = inst.imm64();
  switch (inst.op) {
#define ASHLAR_VALUE(name, ...)                                 \
  case Opcode::name:                                            \
    out = eval<Opcode::name>(a, b, c, inst.aux(), inst.aux2()); \
    return true;
#include "ir/semantics.inc"
#undef ASHLAR_VALUE
    default:
      return false;
  }
}

/// What the fetch-and-modify `op` stores when it finds `old` (as its dst reads it: 32-bit values
/// sign-extended). Only the low half counts for 32-bit opcodes.
template <Opcode op>
constexpr std::uint64_t rmw(std::uint64_t old, std::uint64_t b) {
  return detail::RmwOf<op>::get(old, b);
}

/// Whether rmw knows `op`.
constexpr bool is_rmw(Opcode op) {
  switch (op) {
#define ASHLAR_RMW(name, ...) \
  case Opcode::name:          \
    return true;
#include "ir/semantics.inc"
#undef ASHLAR_RMW
    default:
      return false;
  }
}

/// The same at run time. Precondition: is_rmw(op).
constexpr std::uint64_t rmw(Opcode op, std::uint64_t old, std::uint64_t b) {
  switch (op) {
#define ASHLAR_RMW(name, ...) \
  case Opcode::name:          \
    return rmw<Opcode::name>(old, b);
#include "ir/semantics.inc"
#undef ASHLAR_RMW
    default:
      return 0;
  }
}

namespace detail {

// The switches above have a default, so the table is asked here whether they forget an opcode of theirs.
constexpr bool complete() {
  for (std::size_t i = 0; i < kOpcodeCount; ++i) {
    const Opcode op = static_cast<Opcode>(i);
    const OpInfo& line = op_info(op);
    const bool pure =
        line.dst == ValueClass::I && line.src != ValueClass::F && (line.effects & ~kCommutative) == 0;
    const bool compares =
        line.form == Form::xrr || line.form == Form::xri || line.form == Form::brr || line.form == Form::bri;
    const bool modifies = line.form == Form::amo && (line.effects & kState) == 0;
    if (pure != is_pure_integer(op) || modifies != is_rmw(op)) return false;
    if (compares && !is_comparison(op)) return false;
  }
  return true;
}
static_assert(complete(), "an opcode of opcodes.inc has no line in semantics.inc");

}  // namespace detail

}  // namespace ashlar::ir::semantics
