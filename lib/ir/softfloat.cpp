// The arithmetic behind softfloat.hpp. Operands of either format unpack to one form (Real, below) whose
// operations know no format; `round_to` alone turns a Real back into bits, and with `rounds_away` makes every
// rounding choice.
#include "ir/softfloat.hpp"

#include <algorithm>
#include <bit>
#include <cfenv>
#include <limits>
#include <type_traits>

namespace ashlar::softfloat {
namespace {

__extension__ typedef unsigned __int128 U128;

template <typename BitsType, int fraction_width>
struct Format {
  using Bits = BitsType;
  static constexpr int fraction_bits = fraction_width;
  static constexpr int sign_shift = std::numeric_limits<Bits>::digits - 1;
  static constexpr int exponent_limit =
      (1 << (sign_shift - fraction_bits)) - 1;  // the field of infinities and NaNs
  static constexpr int bias = exponent_limit / 2;
  static constexpr Bits sign_bit = Bits{1} << sign_shift;
  static constexpr Bits hidden_bit = Bits{1} << fraction_bits;
  static constexpr Bits fraction_mask = hidden_bit - 1;
  static constexpr Bits quiet_bit = hidden_bit >> 1;
  static constexpr Bits infinity = Bits{exponent_limit} << fraction_bits;
  static constexpr Bits canonical_nan = infinity | quiet_bit;
};

using F32 = Format<std::uint32_t, 23>;
using F64 = Format<std::uint64_t, 52>;
static_assert(F32::canonical_nan == f32_canonical_nan && F64::canonical_nan == f64_canonical_nan);

// A finite number: significand * 2^(exponent - unit_bit<Word>), the significand's leading one at unit_bit, or
// a significand of 0 for zero. One bit above stays free for a carry. The lowest bit is sticky: it is also set
// when anything non-zero was cut off below it. Both formats leave at least ten bits below their own
// precision, so a sticky bit never reaches a rounding position, not even after a subtraction that cancels one
// leading bit.
template <typename Word>
struct Real {
  bool negative;
  int exponent;
  Word significand;
};

template <typename Word>
inline constexpr int unit_bit = static_cast<int>(sizeof(Word)) * 8 - 2;

inline int leading_zeros(std::uint64_t value) noexcept { return std::countl_zero(value); }

inline int leading_zeros(U128 value) noexcept {
  const auto high = static_cast<std::uint64_t>(value >> 64);
  return high != 0 ? std::countl_zero(high) : 64 + std::countl_zero(static_cast<std::uint64_t>(value));
}

// Signs, alignments and carries of operands are as good as random, so the functions from here to `round_to`
// choose by arithmetic: a mispredicted branch costs more than the rest of an addition.
template <typename Word>
inline Word shift_right_sticky(Word value, int count) noexcept {
  constexpr int last = static_cast<int>(sizeof(Word)) * 8 - 1;
  // Shifting everything out, and shifting out all but the top bit, both leave just the sticky bit.
  const int shift = std::min(count, last);
  const Word lost = value & ((Word{1} << shift) - 1);
  return (value >> shift) | static_cast<Word>(lost != 0);
}

// Brings a non-zero value, whose top bit may be in use, to its normal place.
template <typename Word>
inline Real<Word> normalised(bool negative, int exponent, Word value) noexcept {
  const int zeros = leading_zeros(value);
  const Word top = value << zeros;
  return {negative, exponent + 1 - zeros, (top >> 1) | (top & 1)};
}

template <typename F>
inline bool is_negative(typename F::Bits bits) noexcept {
  return (bits & F::sign_bit) != 0;
}

template <typename F>
inline typename F::Bits magnitude(typename F::Bits bits) noexcept {
  return bits & ~F::sign_bit;
}

template <typename F>
inline typename F::Bits with_sign(bool negative, typename F::Bits bits) noexcept {
  return bits | (static_cast<typename F::Bits>(negative) << F::sign_shift);
}

template <typename F>
inline bool is_finite(typename F::Bits bits) noexcept {
  return (bits & F::infinity) != F::infinity;
}

template <typename F>
inline bool is_nan(typename F::Bits bits) noexcept {
  return magnitude<F>(bits) > F::infinity;
}

template <typename F>
inline bool is_signaling(typename F::Bits bits) noexcept {
  return is_nan<F>(bits) && (bits & F::quiet_bit) == 0;
}

template <typename F>
inline typename F::Bits invalid_result(std::uint8_t& flags) noexcept {
  flags |= FloatFlags::invalid;
  return F::canonical_nan;
}

template <typename F, typename... Operands>
inline typename F::Bits nan_result(std::uint8_t& flags, Operands... operands) noexcept {
  if ((is_signaling<F>(operands) || ...)) flags |= FloatFlags::invalid;
  return F::canonical_nan;
}

template <typename F>
inline Real<std::uint64_t> unpack(typename F::Bits bits) noexcept {
  constexpr int spare = unit_bit<std::uint64_t> - F::fraction_bits;
  const int field = static_cast<int>(magnitude<F>(bits) >> F::fraction_bits);
  const std::uint64_t fraction = bits & F::fraction_mask;
  if (field != 0) [[likely]]
    return {is_negative<F>(bits), field - F::bias, (fraction | F::hidden_bit) << spare};
  if (fraction == 0) return {is_negative<F>(bits), 0, 0};
  const int shift = leading_zeros(fraction) - 1;
  return {is_negative<F>(bits), 1 - F::bias - (shift - spare), fraction << shift};
}

// Whether a magnitude cut down to a whole number of units (odd or even) moves one unit away from zero, given
// the part that was cut off and what half a unit is in the same scale.
inline bool rounds_away(RoundingMode rm, bool negative, bool odd, std::uint64_t rest,
                        std::uint64_t half) noexcept {
  switch (rm) {
    case RoundingMode::rne:
      return (rest > half) | ((rest == half) & odd);
    case RoundingMode::rtz:
      return false;
    case RoundingMode::rdn:
      return negative && rest != 0;
    case RoundingMode::rup:
      return !negative && rest != 0;
    case RoundingMode::rmm:
      return rest >= half;
  }
  return false;
}

template <typename F>
typename F::Bits overflowed(bool negative, RoundingMode rm, std::uint8_t& flags) noexcept {
  flags |= FloatFlags::overflow | FloatFlags::inexact;
  // Everything beyond the largest finite number counts as more than half a unit away from it.
  const bool to_infinity = rounds_away(rm, negative, true, 2, 1);
  return with_sign<F>(negative, F::infinity - (to_infinity ? 0 : 1));
}

// The bits of a non-zero number.
template <typename F>
typename F::Bits round_to(Real<std::uint64_t> value, RoundingMode rm, std::uint8_t& flags) noexcept {
  constexpr int cut = unit_bit<std::uint64_t> - F::fraction_bits;
  constexpr std::uint64_t half = std::uint64_t{1} << (cut - 1);
  constexpr std::uint64_t rest_mask = (std::uint64_t{1} << cut) - 1;
  constexpr std::uint64_t all_ones = (std::uint64_t{1} << (F::fraction_bits + 1)) - 1;

  int field = value.exponent + F::bias;
  std::uint64_t significand = value.significand;
  bool tiny = false;
  if (field <= 0) [[unlikely]] {
    // Tiny after rounding: rounded as if the exponent were unbounded, it still lies below the smallest
    // normal.
    const bool reaches_normal = field == 0 && (significand >> cut) == all_ones &&
                                rounds_away(rm, value.negative, true, significand & rest_mask, half);
    tiny = !reaches_normal;
    significand = shift_right_sticky(significand, 1 - field);
    field = 1;
  } else if (field >= F::exponent_limit) [[unlikely]] {
    return overflowed<F>(value.negative, rm, flags);
  }

  const std::uint64_t rest = significand & rest_mask;
  std::uint64_t kept = significand >> cut;
  kept += rounds_away(rm, value.negative, (kept & 1) != 0, rest, half);
  // The leading one, when present, is what lifts field - 1 to field; a carry out of the fraction lifts it
  // again.
  const auto packed =
      static_cast<typename F::Bits>((static_cast<typename F::Bits>(field - 1) << F::fraction_bits) + kept);
  if (packed >= F::infinity) [[unlikely]]
    return overflowed<F>(value.negative, rm, flags);
  if (rest != 0) flags |= FloatFlags::inexact | (tiny ? FloatFlags::underflow : 0);
  return with_sign<F>(value.negative, packed);
}

// x + y, both non-zero. Cancellation to exactly zero leaves a significand of 0.
template <typename Word>
Real<Word> sum(Real<Word> x, Real<Word> y) noexcept {
  const bool swapped = x.exponent < y.exponent;
  const Word larger = swapped ? y.significand : x.significand;
  const Word smaller = swapped ? x.significand : y.significand;
  const int exponent = swapped ? y.exponent : x.exponent;
  const int distance = swapped ? y.exponent - x.exponent : x.exponent - y.exponent;
  const Word aligned = shift_right_sticky(smaller, distance);
  const Word opposed = Word{0} - static_cast<Word>(x.negative != y.negative);  // all ones: subtract
  // Only numbers of one exponent can come in the wrong order.
  const Word reversed = opposed & (Word{0} - static_cast<Word>(larger < aligned));
  const Word total = larger + ((aligned ^ opposed) - opposed);
  const bool negative = (swapped ? y.negative : x.negative) != (reversed != 0);
  if (total == 0) return {false, 0, 0};
  return normalised(negative, exponent, (total ^ reversed) - reversed);
}

// x * y, both non-zero, exact.
inline Real<U128> product(Real<std::uint64_t> x, Real<std::uint64_t> y) noexcept {
  const U128 full = static_cast<U128>(x.significand) * y.significand;  // leading one at bit 124 or 125
  const int carry = static_cast<int>(full >> 125);
  return {x.negative != y.negative, x.exponent + y.exponent + carry, full << (2 - carry)};
}

inline Real<U128> widen(Real<std::uint64_t> x) noexcept {
  return {x.negative, x.exponent, static_cast<U128>(x.significand) << 64};
}

inline Real<std::uint64_t> narrow(Real<U128> x) noexcept {
  return {x.negative, x.exponent, static_cast<std::uint64_t>(shift_right_sticky(x.significand, 64))};
}

// x / y, both non-zero.
inline Real<std::uint64_t> quotient(Real<std::uint64_t> x, Real<std::uint64_t> y) noexcept {
  const bool below_one = x.significand < y.significand;
  const U128 dividend = static_cast<U128>(x.significand) << (below_one ? 63 : 62);
  const auto whole = static_cast<std::uint64_t>(dividend / y.significand);
  const bool exact = static_cast<U128>(whole) * y.significand == dividend;
  return {x.negative != y.negative, x.exponent - y.exponent - (below_one ? 1 : 0), whole | (exact ? 0 : 1)};
}

// The square root of a positive x.
inline Real<std::uint64_t> square_root(Real<std::uint64_t> x) noexcept {
  const std::uint64_t radicand = x.significand << (x.exponent & 1);  // in [2^62, 2^64), exponent now even
  // Newton's iteration from a parabola that is within 0.51 % of the root everywhere (its coefficients are in
  // units of 2^-32). Two steps square that down to less than a unit of a 32-bit root; the third goes on to 64
  // bits, the root of radicand * 2^64, give or take four units.
  const std::uint64_t high = radicand >> 32;
  std::uint64_t short_root = 0x4255'9763 + ((high * (0x1'0d76'6fd7 - ((high * 0x5117'c6f5) >> 32))) >> 32);
  short_root = (short_root + radicand / short_root) >> 1;
  short_root = (short_root + radicand / short_root) >> 1;
  const auto last_quotient = static_cast<std::uint64_t>((static_cast<U128>(radicand) << 31) / short_root);
  std::uint64_t root = (short_root << 31) + last_quotient;
  // The low ten bits lie below every format's rounding position. Unless they are near the end of their range,
  // those units can neither carry out of them nor hide an exact root, and all that matters is that they are
  // not zero.
  bool exact = false;
  if (((root + 8) & 0x3ff) <= 16) [[unlikely]] {
    const U128 target = static_cast<U128>(radicand) << 64;
    while (static_cast<U128>(root) * root > target) --root;
    while (target - static_cast<U128>(root) * root > static_cast<U128>(root) * 2) ++root;
    exact = static_cast<U128>(root) * root == target;
  }
  return {false, x.exponent >> 1, shift_right_sticky(root, 1) | (exact ? 0 : 1)};
}

// The sign of an exact zero sum of operands that are not zeros of one sign (IEEE 754-2019, section 6.3).
template <typename F>
inline typename F::Bits zero_sum(RoundingMode rm) noexcept {
  return with_sign<F>(rm == RoundingMode::rdn, 0);
}

template <typename F>
typename F::Bits add(typename F::Bits a, typename F::Bits b, RoundingMode rm, std::uint8_t& flags) noexcept {
  if (!is_finite<F>(a) || !is_finite<F>(b)) [[unlikely]] {
    if (is_nan<F>(a) || is_nan<F>(b)) return nan_result<F>(flags, a, b);
    if (is_finite<F>(b)) return a;
    if (is_finite<F>(a) || a == b) return b;
    return invalid_result<F>(flags);
  }
  if (magnitude<F>(b) == 0) return magnitude<F>(a) != 0 || a == b ? a : zero_sum<F>(rm);
  if (magnitude<F>(a) == 0) return b;
  const Real<std::uint64_t> exact = sum(unpack<F>(a), unpack<F>(b));
  return exact.significand == 0 ? zero_sum<F>(rm) : round_to<F>(exact, rm, flags);
}

template <typename F>
typename F::Bits mul(typename F::Bits a, typename F::Bits b, RoundingMode rm, std::uint8_t& flags) noexcept {
  const bool negative = is_negative<F>(a ^ b);
  const bool has_zero = magnitude<F>(a) == 0 || magnitude<F>(b) == 0;
  if (!is_finite<F>(a) || !is_finite<F>(b)) [[unlikely]] {
    if (is_nan<F>(a) || is_nan<F>(b)) return nan_result<F>(flags, a, b);
    return has_zero ? invalid_result<F>(flags) : with_sign<F>(negative, F::infinity);
  }
  if (has_zero) return with_sign<F>(negative, 0);
  return round_to<F>(narrow(product(unpack<F>(a), unpack<F>(b))), rm, flags);
}

template <typename F>
typename F::Bits div(typename F::Bits a, typename F::Bits b, RoundingMode rm, std::uint8_t& flags) noexcept {
  const bool negative = is_negative<F>(a ^ b);
  if (!is_finite<F>(a) || !is_finite<F>(b)) [[unlikely]] {
    if (is_nan<F>(a) || is_nan<F>(b)) return nan_result<F>(flags, a, b);
    if (is_finite<F>(a)) return with_sign<F>(negative, 0);
    return is_finite<F>(b) ? with_sign<F>(negative, F::infinity) : invalid_result<F>(flags);
  }
  if (magnitude<F>(b) == 0) {
    if (magnitude<F>(a) == 0) return invalid_result<F>(flags);
    flags |= FloatFlags::divide_by_zero;
    return with_sign<F>(negative, F::infinity);
  }
  if (magnitude<F>(a) == 0) return with_sign<F>(negative, 0);
  return round_to<F>(quotient(unpack<F>(a), unpack<F>(b)), rm, flags);
}

template <typename F>
typename F::Bits sqrt(typename F::Bits a, RoundingMode rm, std::uint8_t& flags) noexcept {
  if (is_nan<F>(a)) return nan_result<F>(flags, a);
  if (magnitude<F>(a) == 0 || a == F::infinity) return a;
  if (is_negative<F>(a)) return invalid_result<F>(flags);
  return round_to<F>(square_root(unpack<F>(a)), rm, flags);
}

template <typename F>
typename F::Bits fma(typename F::Bits a, typename F::Bits b, typename F::Bits c, RoundingMode rm,
                     std::uint8_t& flags) noexcept {
  const bool negative = is_negative<F>(a ^ b);
  const bool has_zero = magnitude<F>(a) == 0 || magnitude<F>(b) == 0;
  if (!is_finite<F>(a) || !is_finite<F>(b) || !is_finite<F>(c)) [[unlikely]] {
    if (is_nan<F>(a) || is_nan<F>(b)) return nan_result<F>(flags, a, b, c);
    const bool infinite_product = !is_finite<F>(a) || !is_finite<F>(b);
    if (infinite_product && has_zero) return invalid_result<F>(flags);
    if (is_nan<F>(c)) return nan_result<F>(flags, c);
    if (!infinite_product) return c;
    if (!is_finite<F>(c) && is_negative<F>(c) != negative) return invalid_result<F>(flags);
    return with_sign<F>(negative, F::infinity);
  }
  if (has_zero) {
    if (magnitude<F>(c) != 0 || is_negative<F>(c) == negative) return c;
    return zero_sum<F>(rm);
  }
  Real<U128> exact = product(unpack<F>(a), unpack<F>(b));
  if (magnitude<F>(c) != 0) {
    // A product has at least 20 spare bits below its last one: whenever aligning it loses any, the addend is
    // so much larger that their difference keeps all but one of its leading bits.
    exact = sum(exact, widen(unpack<F>(c)));
    if (exact.significand == 0) return zero_sum<F>(rm);
  }
  return round_to<F>(narrow(exact), rm, flags);
}

// Numbers in their order, -0 before +0; meaningless for NaNs.
template <typename F>
inline typename F::Bits order_key(typename F::Bits bits) noexcept {
  return is_negative<F>(bits) ? ~bits : bits | F::sign_bit;
}

template <typename F, bool want_less>
typename F::Bits select(typename F::Bits a, typename F::Bits b, std::uint8_t& flags) noexcept {
  if (is_nan<F>(a) || is_nan<F>(b)) [[unlikely]] {
    const auto nan = nan_result<F>(flags, a, b);
    return !is_nan<F>(a) ? a : !is_nan<F>(b) ? b : nan;
  }
  return (order_key<F>(a) < order_key<F>(b)) == want_less ? a : b;
}

template <typename F>
bool eq(typename F::Bits a, typename F::Bits b, std::uint8_t& flags) noexcept {
  if (is_nan<F>(a) || is_nan<F>(b)) {
    nan_result<F>(flags, a, b);
    return false;
  }
  return a == b || magnitude<F>(a | b) == 0;
}

template <typename F, bool or_equal>
bool less(typename F::Bits a, typename F::Bits b, std::uint8_t& flags) noexcept {
  if (is_nan<F>(a) || is_nan<F>(b)) {
    flags |= FloatFlags::invalid;
    return false;
  }
  if (a == b || magnitude<F>(a | b) == 0) return or_equal;
  return order_key<F>(a) < order_key<F>(b);
}

template <typename F>
std::uint32_t classify(typename F::Bits bits) noexcept {
  if (is_nan<F>(bits)) return is_signaling<F>(bits) ? 1u << 8 : 1u << 9;
  // Distance from zero on either side: 0 zero, 1 subnormal, 2 normal, 3 infinity.
  const auto size = magnitude<F>(bits);
  const int distance = size == 0 ? 0 : size < F::hidden_bit ? 1 : size < F::infinity ? 2 : 3;
  return 1u << (is_negative<F>(bits) ? 3 - distance : 4 + distance);
}

template <typename F, typename Int>
Int to_integer(typename F::Bits bits, RoundingMode rm, std::uint8_t& flags) noexcept {
  constexpr Int highest = std::numeric_limits<Int>::max();
  constexpr Int lowest = std::numeric_limits<Int>::min();
  const bool negative = is_negative<F>(bits);
  const auto saturated = [&] {
    flags |= FloatFlags::invalid;
    return negative && !is_nan<F>(bits) ? lowest : highest;
  };
  if (!is_finite<F>(bits)) return saturated();
  const Real<std::uint64_t> value = unpack<F>(bits);
  if (value.exponent > 63) return saturated();

  // The magnitude as 64 bits of integer and 64 of fraction (the last one sticky), cut between the two.
  const U128 fixed = shift_right_sticky(static_cast<U128>(value.significand) << 65, 63 - value.exponent);
  const auto rest = static_cast<std::uint64_t>(fixed);
  auto whole = static_cast<std::uint64_t>(fixed >> 64);
  // Cannot wrap: with a fraction to round, no format's integer part fills 64 bits.
  whole += rounds_away(rm, negative, (whole & 1) != 0, rest, std::uint64_t{1} << 63);
  const std::uint64_t limit =
      negative ? std::uint64_t{0} - static_cast<std::uint64_t>(lowest) : static_cast<std::uint64_t>(highest);
  if (whole > limit) return saturated();
  if (rest != 0) flags |= FloatFlags::inexact;
  return static_cast<Int>(negative ? std::uint64_t{0} - whole : whole);
}

template <typename F, typename Int>
typename F::Bits from_integer(Int value, RoundingMode rm, std::uint8_t& flags) noexcept {
  if (value == 0) return 0;
  const bool negative = value < 0;
  const auto extended = static_cast<std::uint64_t>(value);
  const std::uint64_t size = negative ? std::uint64_t{0} - extended : extended;
  return round_to<F>(normalised(negative, unit_bit<std::uint64_t>, size), rm, flags);
}

template <typename From, typename To>
typename To::Bits convert(typename From::Bits bits, RoundingMode rm, std::uint8_t& flags) noexcept {
  if (is_nan<From>(bits)) {
    nan_result<From>(flags, bits);
    return To::canonical_nan;
  }
  const bool negative = is_negative<From>(bits);
  if (!is_finite<From>(bits)) return with_sign<To>(negative, To::infinity);
  if (magnitude<From>(bits) == 0) return with_sign<To>(negative, 0);
  return round_to<To>(unpack<From>(bits), rm, flags);
}

bool measure_tininess_before_rounding() noexcept {
  std::fenv_t saved;
  std::fegetenv(&saved);
  std::fesetenv(FE_DFL_ENV);
  std::feclearexcept(FE_ALL_EXCEPT);
  // (1 + u) * (1 - u) times the smallest normal number: less than that number by u^2, and nearest to it.
  volatile double a = std::numeric_limits<double>::min() * (1 + std::numeric_limits<double>::epsilon());
  volatile double b = 1 - std::numeric_limits<double>::epsilon();
  volatile double result = a * b;
  const bool raised = std::fetestexcept(FE_UNDERFLOW) != 0;
  std::fesetenv(&saved);
  static_cast<void>(result);
  return raised;
}

}  // namespace

using u8 = std::uint8_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i32 = std::int32_t;
using i64 = std::int64_t;

// Subtraction may flip the sign of a NaN operand, which changes neither its kind nor the result.
u32 f32_add(u32 a, u32 b, RoundingMode rm, u8& flags) noexcept { return add<F32>(a, b, rm, flags); }
u32 f32_sub(u32 a, u32 b, RoundingMode rm, u8& flags) noexcept {
  return add<F32>(a, b ^ F32::sign_bit, rm, flags);
}
u32 f32_mul(u32 a, u32 b, RoundingMode rm, u8& flags) noexcept { return mul<F32>(a, b, rm, flags); }
u32 f32_div(u32 a, u32 b, RoundingMode rm, u8& flags) noexcept { return div<F32>(a, b, rm, flags); }
u32 f32_sqrt(u32 a, RoundingMode rm, u8& flags) noexcept { return sqrt<F32>(a, rm, flags); }
u32 f32_fma(u32 a, u32 b, u32 c, RoundingMode rm, u8& flags) noexcept { return fma<F32>(a, b, c, rm, flags); }
u64 f64_add(u64 a, u64 b, RoundingMode rm, u8& flags) noexcept { return add<F64>(a, b, rm, flags); }
u64 f64_sub(u64 a, u64 b, RoundingMode rm, u8& flags) noexcept {
  return add<F64>(a, b ^ F64::sign_bit, rm, flags);
}
u64 f64_mul(u64 a, u64 b, RoundingMode rm, u8& flags) noexcept { return mul<F64>(a, b, rm, flags); }
u64 f64_div(u64 a, u64 b, RoundingMode rm, u8& flags) noexcept { return div<F64>(a, b, rm, flags); }
u64 f64_sqrt(u64 a, RoundingMode rm, u8& flags) noexcept { return sqrt<F64>(a, rm, flags); }
u64 f64_fma(u64 a, u64 b, u64 c, RoundingMode rm, u8& flags) noexcept { return fma<F64>(a, b, c, rm, flags); }

u32 f32_min(u32 a, u32 b, u8& flags) noexcept { return select<F32, true>(a, b, flags); }
u32 f32_max(u32 a, u32 b, u8& flags) noexcept { return select<F32, false>(a, b, flags); }
u64 f64_min(u64 a, u64 b, u8& flags) noexcept { return select<F64, true>(a, b, flags); }
u64 f64_max(u64 a, u64 b, u8& flags) noexcept { return select<F64, false>(a, b, flags); }

bool f32_eq(u32 a, u32 b, u8& flags) noexcept { return eq<F32>(a, b, flags); }
bool f32_lt(u32 a, u32 b, u8& flags) noexcept { return less<F32, false>(a, b, flags); }
bool f32_le(u32 a, u32 b, u8& flags) noexcept { return less<F32, true>(a, b, flags); }
bool f64_eq(u64 a, u64 b, u8& flags) noexcept { return eq<F64>(a, b, flags); }
bool f64_lt(u64 a, u64 b, u8& flags) noexcept { return less<F64, false>(a, b, flags); }
bool f64_le(u64 a, u64 b, u8& flags) noexcept { return less<F64, true>(a, b, flags); }

u32 f32_classify(u32 a) noexcept { return classify<F32>(a); }
u32 f64_classify(u64 a) noexcept { return classify<F64>(a); }

// Widening is always exact, so the mode given has no effect.
u64 f32_to_f64(u32 a, u8& flags) noexcept { return convert<F32, F64>(a, RoundingMode::rne, flags); }
u32 f64_to_f32(u64 a, RoundingMode rm, u8& flags) noexcept { return convert<F64, F32>(a, rm, flags); }

i32 f32_to_i32(u32 a, RoundingMode rm, u8& flags) noexcept { return to_integer<F32, i32>(a, rm, flags); }
u32 f32_to_u32(u32 a, RoundingMode rm, u8& flags) noexcept { return to_integer<F32, u32>(a, rm, flags); }
i64 f32_to_i64(u32 a, RoundingMode rm, u8& flags) noexcept { return to_integer<F32, i64>(a, rm, flags); }
u64 f32_to_u64(u32 a, RoundingMode rm, u8& flags) noexcept { return to_integer<F32, u64>(a, rm, flags); }
i32 f64_to_i32(u64 a, RoundingMode rm, u8& flags) noexcept { return to_integer<F64, i32>(a, rm, flags); }
u32 f64_to_u32(u64 a, RoundingMode rm, u8& flags) noexcept { return to_integer<F64, u32>(a, rm, flags); }
i64 f64_to_i64(u64 a, RoundingMode rm, u8& flags) noexcept { return to_integer<F64, i64>(a, rm, flags); }
u64 f64_to_u64(u64 a, RoundingMode rm, u8& flags) noexcept { return to_integer<F64, u64>(a, rm, flags); }

u32 f32_from_i32(i32 a, RoundingMode rm, u8& flags) noexcept { return from_integer<F32>(a, rm, flags); }
u32 f32_from_u32(u32 a, RoundingMode rm, u8& flags) noexcept { return from_integer<F32>(a, rm, flags); }
u32 f32_from_i64(i64 a, RoundingMode rm, u8& flags) noexcept { return from_integer<F32>(a, rm, flags); }
u32 f32_from_u64(u64 a, RoundingMode rm, u8& flags) noexcept { return from_integer<F32>(a, rm, flags); }
u64 f64_from_i32(i32 a, RoundingMode rm, u8& flags) noexcept { return from_integer<F64>(a, rm, flags); }
u64 f64_from_u32(u32 a, RoundingMode rm, u8& flags) noexcept { return from_integer<F64>(a, rm, flags); }
u64 f64_from_i64(i64 a, RoundingMode rm, u8& flags) noexcept { return from_integer<F64>(a, rm, flags); }
u64 f64_from_u64(u64 a, RoundingMode rm, u8& flags) noexcept { return from_integer<F64>(a, rm, flags); }

bool host_detects_tininess_before_rounding() noexcept {
  static const bool before = measure_tininess_before_rounding();
  return before;
}

}  // namespace ashlar::softfloat
