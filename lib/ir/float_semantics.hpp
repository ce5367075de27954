// The value semantics of the floating-point opcodes: bit operations inline, arithmetic as the exact reference
// that every engine takes as its slow path. The expressions stand in float_semantics.inc; any room may use
// these functions.
#pragma once

#include <bit>
#include <cstdint>

#include <ashlar/float_env.hpp>
#include <ashlar/ir.hpp>

#include "ir/op_table.hpp"

namespace ashlar::ir::semantics {

inline constexpr std::uint32_t kSign32 = 0x8000'0000;
inline constexpr std::uint64_t kSign64 = 0x8000'0000'0000'0000;
inline constexpr std::uint32_t kCanonicalNan32 = 0x7fc0'0000;
inline constexpr std::uint64_t kCanonicalNan64 = 0x7ff8'0000'0000'0000;

/// Whether a float value holds a binary32.
constexpr bool is_boxed32(std::uint64_t v) { return (v >> 32) == 0xffff'ffff; }
/// The binary32 that a binary32 operation reads.
constexpr std::uint32_t unbox32(std::uint64_t v) {
  return is_boxed32(v) ? static_cast<std::uint32_t>(v) : kCanonicalNan32;
}
constexpr std::uint64_t box32(std::uint32_t v) { return 0xffff'ffff'0000'0000 | v; }

constexpr bool is_nan32(std::uint32_t v) { return (v & ~kSign32) > 0x7f80'0000; }
constexpr bool is_nan64(std::uint64_t v) { return (v & ~kSign64) > 0x7ff0'0000'0000'0000; }

namespace detail {

constexpr std::uint64_t sx(std::int64_t v) { return static_cast<std::uint64_t>(v); }

/// One of fclass's ten bits for a number with `significand` bits behind the exponent.
template <typename Bits>
constexpr std::uint64_t classify_as(Bits v, unsigned significand) {
  const Bits one = 1;
  const Bits sign = one << (8 * sizeof(Bits) - 1);
  const Bits magnitude = v & ~sign;
  const Bits infinity = (sign - 1) - ((one << significand) - 1);
  const bool negative = (v & sign) != 0;
  if (magnitude > infinity) return (v >> (significand - 1)) & 1 ? 1 << 9 : 1 << 8;
  if (magnitude == infinity) return negative ? 1 << 0 : 1 << 7;
  if (magnitude == 0) return negative ? 1 << 3 : 1 << 4;
  if (magnitude >> significand == 0) return negative ? 1 << 2 : 1 << 5;
  return negative ? 1 << 1 : 1 << 6;
}
constexpr std::uint64_t classify(std::uint32_t v) { return classify_as<std::uint32_t>(v, 23); }
constexpr std::uint64_t classify(std::uint64_t v) { return classify_as<std::uint64_t>(v, 52); }

template <Opcode op>
struct FloatBitsOf;
#define ASHLAR_FLOAT_BITS(name, ...)                                                        \
  template <>                                                                               \
  struct FloatBitsOf<Opcode::name> {                                                        \
    static constexpr std::uint64_t get(std::uint64_t a, [[maybe_unused]] std::uint64_t b) { \
      return __VA_ARGS__;                                                                   \
    }                                                                                       \
  };
#include "ir/float_semantics.inc"
#undef ASHLAR_FLOAT_BITS

}  // namespace detail

/// The value of a float opcode that neither rounds nor touches flags: moves, fsgnj*, fclass*.
template <Opcode op>
constexpr std::uint64_t eval_float_bits(std::uint64_t a, std::uint64_t b = 0) {
  return detail::FloatBitsOf<op>::get(a, b);
}

/// Whether eval_float_bits knows `op`.
constexpr bool is_float_bits(Opcode op) {
  switch (op) {
#define ASHLAR_FLOAT_BITS(name, ...) \
  case Opcode::name:                 \
    return true;
#include "ir/float_semantics.inc"
#undef ASHLAR_FLOAT_BITS
    default:
      return false;
  }
}

/// Whether `op` is floating-point arithmetic: eval_float and is_float_bits are disjoint, and cover all
/// opcodes with float operands but loads and stores.
constexpr bool is_float_arithmetic(Opcode op) {
  switch (op) {
#define ASHLAR_FLOAT_VALUE(name, ...) \
  case Opcode::name:                  \
    return true;
#include "ir/float_semantics.inc"
#undef ASHLAR_FLOAT_VALUE
    default:
      return false;
  }
}

/// The exact value of any float opcode (is_float_bits or is_float_arithmetic) for the rounding mode `rm`; ORs
/// the exceptions that it raises into `flags` (FloatFlags bits). Uses no host float unit. Opcodes of a fixed
/// rounding ignore `rm`.
std::uint64_t eval_float(Opcode op, RoundingMode rm, std::uint64_t a, std::uint64_t b, std::uint64_t c,
                         std::uint8_t& flags) noexcept;

/// The same with the instruction's own rounding mode.
inline std::uint64_t eval_float(const Inst& inst, std::uint64_t a, std::uint64_t b, std::uint64_t c,
                                std::uint8_t& flags) noexcept {
  return eval_float(inst.op, inst.rounding(), a, b, c, flags);
}

namespace detail {

constexpr bool float_complete() {
  for (std::size_t i = 0; i < kOpcodeCount; ++i) {
    const Opcode op = static_cast<Opcode>(i);
    const OpInfo& line = op_info(op);
    const bool memory = (line.effects & (kReadsMemory | kWritesMemory)) != 0;
    const bool is_float = !memory && (line.dst == ValueClass::F || line.src == ValueClass::F);
    const bool arithmetic = is_float && (line.effects & kFloatFlags) != 0;
    if (is_float_arithmetic(op) != arithmetic || is_float_bits(op) != (is_float && !arithmetic)) return false;
  }
  return true;
}
static_assert(float_complete(), "a float opcode of opcodes.inc has no line in float_semantics.inc");

}  // namespace detail

}  // namespace ashlar::ir::semantics
