// IEEE 754 binary32 and binary64 arithmetic in integers, with RISC-V's choice of values. The reference for
// the floating-point opcodes, and their slow path where the host's unit cannot serve: RMM rounding, a static
// rounding mode other than the current one, and underflow on hosts that judge tininess before rounding.
// Anybody may call it.
//
// Every function takes and returns bit patterns, touches neither global state nor the host's floating-point
// environment (hence is thread-safe and leaves sticky host flags alone), and ORs the exceptions that it
// raises into `flags` (a set of ashlar::FloatFlags). `rm` must be one of the five RoundingMode values.
//
// Value rules (RISC-V F and D extensions, version 2.2; IEEE 754-2019 where they are silent):
//  - a NaN result is always the canonical quiet NaN; payloads and signs of NaN operands are not propagated;
//  - tininess is detected after rounding; underflow is raised only for results that are tiny and inexact;
//  - subnormals are honoured on input and output.
#pragma once

#include <cstdint>

#include "ashlar/float_env.hpp"

namespace ashlar::softfloat {

using ashlar::RoundingMode;

inline constexpr std::uint32_t f32_canonical_nan = 0x7fc0'0000;
inline constexpr std::uint64_t f64_canonical_nan = 0x7ff8'0000'0000'0000;

std::uint32_t f32_add(std::uint32_t a, std::uint32_t b, RoundingMode rm, std::uint8_t& flags) noexcept;
std::uint32_t f32_sub(std::uint32_t a, std::uint32_t b, RoundingMode rm, std::uint8_t& flags) noexcept;
std::uint32_t f32_mul(std::uint32_t a, std::uint32_t b, RoundingMode rm, std::uint8_t& flags) noexcept;
std::uint32_t f32_div(std::uint32_t a, std::uint32_t b, RoundingMode rm, std::uint8_t& flags) noexcept;
std::uint32_t f32_sqrt(std::uint32_t a, RoundingMode rm, std::uint8_t& flags) noexcept;
std::uint64_t f64_add(std::uint64_t a, std::uint64_t b, RoundingMode rm, std::uint8_t& flags) noexcept;
std::uint64_t f64_sub(std::uint64_t a, std::uint64_t b, RoundingMode rm, std::uint8_t& flags) noexcept;
std::uint64_t f64_mul(std::uint64_t a, std::uint64_t b, RoundingMode rm, std::uint8_t& flags) noexcept;
std::uint64_t f64_div(std::uint64_t a, std::uint64_t b, RoundingMode rm, std::uint8_t& flags) noexcept;
std::uint64_t f64_sqrt(std::uint64_t a, RoundingMode rm, std::uint8_t& flags) noexcept;

// a * b + c with one rounding. The other three fused forms flip sign bits: a * b - c flips c's, -(a * b) + c
// flips a's, -(a * b) - c flips both. Infinity times zero raises invalid even when c is a quiet NaN (F
// extension, section "Single-Precision Floating-Point Computational Instructions").
std::uint32_t f32_fma(std::uint32_t a, std::uint32_t b, std::uint32_t c, RoundingMode rm,
                      std::uint8_t& flags) noexcept;
std::uint64_t f64_fma(std::uint64_t a, std::uint64_t b, std::uint64_t c, RoundingMode rm,
                      std::uint8_t& flags) noexcept;

// IEEE 754-2019 minimumNumber and maximumNumber: -0 is less than +0, a single NaN gives the other operand,
// two NaNs give the canonical one; a signaling NaN raises invalid.
std::uint32_t f32_min(std::uint32_t a, std::uint32_t b, std::uint8_t& flags) noexcept;
std::uint32_t f32_max(std::uint32_t a, std::uint32_t b, std::uint8_t& flags) noexcept;
std::uint64_t f64_min(std::uint64_t a, std::uint64_t b, std::uint8_t& flags) noexcept;
std::uint64_t f64_max(std::uint64_t a, std::uint64_t b, std::uint8_t& flags) noexcept;

// Comparisons are false when an operand is NaN. `eq` is quiet (invalid for signaling NaNs only); `lt` and
// `le` are signaling (invalid for any NaN).
bool f32_eq(std::uint32_t a, std::uint32_t b, std::uint8_t& flags) noexcept;
bool f32_lt(std::uint32_t a, std::uint32_t b, std::uint8_t& flags) noexcept;
bool f32_le(std::uint32_t a, std::uint32_t b, std::uint8_t& flags) noexcept;
bool f64_eq(std::uint64_t a, std::uint64_t b, std::uint8_t& flags) noexcept;
bool f64_lt(std::uint64_t a, std::uint64_t b, std::uint8_t& flags) noexcept;
bool f64_le(std::uint64_t a, std::uint64_t b, std::uint8_t& flags) noexcept;

// The 10-bit one-hot mask of RISC-V fclass: bit 0 -infinity, 1 negative normal, 2 negative subnormal, 3 -0, 4
// +0, 5 positive subnormal, 6 positive normal, 7 +infinity, 8 signaling NaN, 9 quiet NaN.
std::uint32_t f32_classify(std::uint32_t a) noexcept;
std::uint32_t f64_classify(std::uint64_t a) noexcept;

std::uint64_t f32_to_f64(std::uint32_t a, std::uint8_t& flags) noexcept;
std::uint32_t f64_to_f32(std::uint64_t a, RoundingMode rm, std::uint8_t& flags) noexcept;

// To integer. A rounded value outside the target's range saturates and raises invalid, never inexact; NaN
// gives the target's maximum (F extension, table "Domains of float-to-integer conversions").
std::int32_t f32_to_i32(std::uint32_t a, RoundingMode rm, std::uint8_t& flags) noexcept;
std::uint32_t f32_to_u32(std::uint32_t a, RoundingMode rm, std::uint8_t& flags) noexcept;
std::int64_t f32_to_i64(std::uint32_t a, RoundingMode rm, std::uint8_t& flags) noexcept;
std::uint64_t f32_to_u64(std::uint32_t a, RoundingMode rm, std::uint8_t& flags) noexcept;
std::int32_t f64_to_i32(std::uint64_t a, RoundingMode rm, std::uint8_t& flags) noexcept;
std::uint32_t f64_to_u32(std::uint64_t a, RoundingMode rm, std::uint8_t& flags) noexcept;
std::int64_t f64_to_i64(std::uint64_t a, RoundingMode rm, std::uint8_t& flags) noexcept;
std::uint64_t f64_to_u64(std::uint64_t a, RoundingMode rm, std::uint8_t& flags) noexcept;

// From integer. Zero gives +0.
std::uint32_t f32_from_i32(std::int32_t a, RoundingMode rm, std::uint8_t& flags) noexcept;
std::uint32_t f32_from_u32(std::uint32_t a, RoundingMode rm, std::uint8_t& flags) noexcept;
std::uint32_t f32_from_i64(std::int64_t a, RoundingMode rm, std::uint8_t& flags) noexcept;
std::uint32_t f32_from_u64(std::uint64_t a, RoundingMode rm, std::uint8_t& flags) noexcept;
std::uint64_t f64_from_i32(std::int32_t a, RoundingMode rm, std::uint8_t& flags) noexcept;
std::uint64_t f64_from_u32(std::uint32_t a, RoundingMode rm, std::uint8_t& flags) noexcept;
std::uint64_t f64_from_i64(std::int64_t a, RoundingMode rm, std::uint8_t& flags) noexcept;
std::uint64_t f64_from_u64(std::uint64_t a, RoundingMode rm, std::uint8_t& flags) noexcept;

// Whether the host's unit raises underflow for an inexact result that is tiny before rounding but rounds to
// the smallest normal number (IEEE 754 allows either; RISC-V and x86 judge after rounding, Arm before). Where
// true, a host underflow flag is not yet a guest underflow flag: ask this room. Measured on the first call,
// in the default environment, which is restored afterwards; the answer is cached. Thread-safe.
bool host_detects_tininess_before_rounding() noexcept;

}  // namespace ashlar::softfloat
