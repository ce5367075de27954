// The floating-point environment of a guest as plain data: rounding modes and exception flags. Any file may
// include it. The values are RISC-V's encodings, which are IEEE 754-2019's five rounding directions
// (section 4.3) and five exceptions (section 7) in one fixed order; other guests map theirs onto these.
#pragma once

#include <cstdint>

namespace ashlar {

/// Where a result that has no exact representation goes. Source: RISC-V F extension, section "Floating-Point
/// Control and Status Register", table "Rounding mode encoding" (frm and the instructions' rm field).
enum class RoundingMode : std::uint8_t {
  rne = 0,  ///< to nearest, ties to even
  rtz = 1,  ///< towards zero
  rdn = 2,  ///< down, towards minus infinity
  rup = 3,  ///< up, towards plus infinity
  rmm = 4,  ///< to nearest, ties to the larger magnitude; few hosts have it
};

/// Accrued exception flags, one bit each; a set of them travels as a std::uint8_t in 0..31. Source: RISC-V F
/// extension, section "Floating-Point Control and Status Register" (fcsr), table "Accrued exception flag
/// encoding" (NX, UF, OF, DZ, NV).
enum FloatFlags : std::uint8_t {
  inexact = 1,         ///< NX: the result was rounded
  underflow = 2,       ///< UF: the result was tiny (judged after rounding) and inexact
  overflow = 4,        ///< OF: the rounded result exceeded the largest finite number
  divide_by_zero = 8,  ///< DZ: an exact infinity came from finite operands
  invalid = 16,        ///< NV: no usefully defined result
};

}  // namespace ashlar
