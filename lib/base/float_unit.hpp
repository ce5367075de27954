// The host float unit's control and status in a word: the few instructions that <cfenv> wraps in saves of the
// x87 unit, which guests never use and which cost sixty nanoseconds. Used around guest code: the interpreter,
// the engine, the fault handler.
#pragma once

#include <cstdint>

#include <ashlar/float_env.hpp>

#if defined(__x86_64__)
#include <xmmintrin.h>
#elif !defined(__aarch64__)
#include <cfenv>
#endif

namespace ashlar::float_unit {

/// x86-64: MXCSR. AArch64: FPSR in the upper half, FPCR in the lower. Elsewhere the rounding mode and the
/// flags of <cfenv>.
using Word = std::uint64_t;

#if defined(__x86_64__)

[[gnu::always_inline]] inline Word read() noexcept { return _mm_getcsr(); }
[[gnu::always_inline]] inline void write(Word word) noexcept { _mm_setcsr(static_cast<unsigned>(word)); }

/// The word for guest code: no flags, all exceptions masked, subnormals kept, this rounding mode (rmm counts
/// as rne).
constexpr Word guest_word(RoundingMode mode) noexcept {
  // MXCSR.RC: 0 nearest, 1 down, 2 up, 3 towards zero (Intel SDM volume 1, section 10.2.3).
  constexpr Word kControl[] = {0, 3, 1, 2, 0};
  return 0x1f80 | kControl[static_cast<unsigned>(mode)] << 13;
}

/// The accrued exception flags in a word, as FloatFlags bits.
constexpr std::uint8_t flags_of(Word word) noexcept {
  // MXCSR bits 0..5: IE, DE (no flag of IEEE 754's), ZE, OE, UE, PE.
  return static_cast<std::uint8_t>((word & 1) << 4 | (word & 4) << 1 | (word & 8) >> 1 | (word & 16) >> 3 |
                                   (word & 32) >> 5);
}
constexpr Word without_flags(Word word) noexcept { return word & ~Word{0x3f}; }

#elif defined(__aarch64__)

[[gnu::always_inline]] inline Word read() noexcept {
  std::uint64_t control, status;
  asm volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(control), "=r"(status)::"memory");
  return status << 32 | (control & 0xffff'ffff);
}
[[gnu::always_inline]] inline void write(Word word) noexcept {
  asm volatile("msr fpcr, %0\n\tmsr fpsr, %1" ::"r"(word & 0xffff'ffff), "r"(word >> 32) : "memory");
}

constexpr Word guest_word(RoundingMode mode) noexcept {
  // FPCR.RMode: 0 nearest, 1 up, 2 down, 3 towards zero; FPCR.DN: arithmetic makes no NaN but the default
  // one, which is the canonical one of the IR (Arm ARM, FPCR, and "NaN handling and the Default NaN").
  constexpr Word kControl[] = {0, 3, 2, 1, 0};
  constexpr Word kDefaultNan = 1 << 25;
  return kControl[static_cast<unsigned>(mode)] << 22 | kDefaultNan;
}

constexpr std::uint8_t flags_of(Word word) noexcept {
  // FPSR bits 0..4: IOC, DZC, OFC, UFC, IXC.
  const Word status = word >> 32;
  return static_cast<std::uint8_t>((status & 1) << 4 | (status & 2) << 2 | (status & 4) | (status & 8) >> 2 |
                                   (status & 16) >> 4);
}
constexpr Word without_flags(Word word) noexcept { return word & ~(Word{0x9f} << 32); }

#else

inline constexpr int kHostModes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD, FE_TONEAREST};

inline Word read() noexcept {
  const auto raised = static_cast<Word>(std::fetestexcept(FE_ALL_EXCEPT));
  return raised << 32 | static_cast<unsigned>(std::fegetround());
}
inline void write(Word word) noexcept {
  std::feclearexcept(FE_ALL_EXCEPT);
  if (const int raised = static_cast<int>(word >> 32)) std::feraiseexcept(raised);
  std::fesetround(static_cast<int>(word & 0xffff'ffff));
}
inline Word guest_word(RoundingMode mode) noexcept {
  return static_cast<unsigned>(kHostModes[static_cast<unsigned>(mode)]);
}
inline std::uint8_t flags_of(Word word) noexcept {
  const int raised = static_cast<int>(word >> 32);
  return static_cast<std::uint8_t>(
      ((raised & FE_INEXACT) != 0 ? inexact : 0) | ((raised & FE_UNDERFLOW) != 0 ? underflow : 0) |
      ((raised & FE_OVERFLOW) != 0 ? overflow : 0) | ((raised & FE_DIVBYZERO) != 0 ? divide_by_zero : 0) |
      ((raised & FE_INVALID) != 0 ? invalid : 0));
}
constexpr Word without_flags(Word word) noexcept { return word & 0xffff'ffff; }

#endif

}  // namespace ashlar::float_unit
