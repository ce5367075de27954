// softfloat against its oracles (softfloat_oracles.hpp): every operation, all five rounding modes, values and
// flags.
#include "ir/softfloat.hpp"

#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <cfenv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "softfloat_oracles.hpp"

namespace {

using namespace softfloat_test;

// --- Arithmetic ---

template <typename T>
void check_arithmetic(Op op, const char* name, int arity) {
  using L = Layout<T>;
  const SavedEnvironment saved;
  Tally tally(std::string(std::is_same_v<T, float> ? "f32_" : "f64_") + name);
  const auto list = operand_list<T>(arity, static_cast<u64>(op) + 1);
  // Whether infinity * 0 + quiet NaN is invalid is the implementation's choice; RISC-V makes it (see "fixed
  // cases").
  const Triple<T> optional{L::infinity, 0, Soft<T>::nan};
  const bool host_raises = (run_host<T>(Op::fma, optional).flags & FloatFlags::invalid) != 0;
  const auto outcome = [&](const Triple<T>& t, RoundingMode mode) {
    u8 flags = 0;
    const auto bits = run_soft<T>(op, t, mode, flags);
    if (op == Op::fma && !host_raises && L::is_nan(t[2]) && !L::is_signaling(t[2]) &&
        is_invalid_product<T>(t[0], t[1])) {
      flags &= static_cast<u8>(~FloatFlags::invalid);
    }
    return Outcome{bits, flags};
  };
  for (const auto [mode, host] : host_modes) {
    std::fesetround(host);
    for (const auto& t : list) tally.compare(outcome(t, mode), run_host<T>(op, t), mode, {t[0], t[1], t[2]});
  }
  for (const auto& t : list) {
    tally.compare(outcome(t, RoundingMode::rmm), rmm_expected<T>(op, t), RoundingMode::rmm,
                  {t[0], t[1], t[2]});
  }
}

// --- Conversions ---

// Rounds with the host (std::round's ties go away from zero: RMM), then applies RISC-V's saturation.
template <typename T, typename Int>
Outcome expected_integer(Bits<T> bits, RoundingMode mode) {
  using Limits = std::numeric_limits<Int>;
  using L = Layout<T>;
  const T value = std::bit_cast<T>(bits);
  const auto saturated = [](Int to) { return Outcome{static_cast<u64>(to), FloatFlags::invalid}; };
  if (L::is_nan(bits)) return saturated(Limits::max());
  const T two63 = T(9223372036854775808.0);
  if (value >= two63) {  // an integer by its size
    if (Limits::digits < 64 || value >= 2 * two63) return saturated(Limits::max());
    return {static_cast<u64>(value), 0};
  }
  if (value < -two63) return saturated(Limits::min());
  Outcome rounded;
  if (mode == RoundingMode::rmm) {
    const T whole = std::round(value);
    rounded = {static_cast<u64>(static_cast<i64>(whole)), flag_if(whole != value, FloatFlags::inexact)};
  } else {
    volatile T operand = value;
    rounded = on_host<i64>([&]() -> i64 {
      volatile i64 result = std::llrint(operand);
      return result;
    });
  }
  const auto result = static_cast<i64>(rounded.bits);
  if (result < 0 && (!Limits::is_signed || result < static_cast<i64>(Limits::min())))
    return saturated(Limits::min());
  if (result > 0 && static_cast<u64>(result) > static_cast<u64>(Limits::max()))
    return saturated(Limits::max());
  return rounded;
}

template <typename T, typename Int, typename Function>
void check_to_integer(Function soft, const char* name) {
  const SavedEnvironment saved;
  Tally tally(std::string(std::is_same_v<T, float> ? "f32_" : "f64_") + name);
  auto list = operand_list<T>(1, 77);
  Generator<T> generator(78);
  for (std::size_t i = 0; i < random_cases; ++i) {  // integers and halves of every size
    const T value = static_cast<T>(static_cast<i64>(generator.next()) >> (generator.next() % 64));
    list.push_back({std::bit_cast<Bits<T>>(generator.next() % 2 ? value / 2 : value), 0, 0});
  }
  const auto check = [&](RoundingMode mode) {
    for (const auto& t : list) {
      u8 flags = 0;
      const Int result = soft(t[0], mode, flags);
      tally.compare({static_cast<u64>(result), flags}, expected_integer<T, Int>(t[0], mode), mode,
                    {t[0], 0, 0});
    }
  };
  for (const auto [mode, host] : host_modes) {
    std::fesetround(host);
    check(mode);
  }
  check(RoundingMode::rmm);
}

// The host's conversion, with unsigned 64-bit values halved (the lost bit kept sticky) where they would not
// fit.
template <typename T, typename Int>
Outcome convert_on_host(Int value) {
  const auto wide = static_cast<u64>(value);
  const bool halve = !std::is_signed_v<Int> && (wide >> 63) != 0;
  volatile i64 operand = static_cast<i64>(halve ? (wide >> 1) | (wide & 1) : wide);
  volatile T result = 0;
  return on_host<T>([&]() -> T {
    result = static_cast<T>(operand);
    if (halve) result = result * 2;
    return result;
  });
}

template <typename T, typename Int, typename Function>
void check_from_integer(Function soft, const char* name) {
  const SavedEnvironment saved;
  Tally tally(std::string(std::is_same_v<T, float> ? "f32_" : "f64_") + name);
  std::vector<Int> list{0, 1, 2, 3, std::numeric_limits<Int>::max(), std::numeric_limits<Int>::min()};
  Generator<T> generator(99);
  for (int bit = 0; bit < std::numeric_limits<Int>::digits; ++bit) {
    for (const u64 near : {u64{0}, u64{1}, ~u64{0}}) {
      list.push_back(static_cast<Int>((u64{1} << bit) + near));
      list.push_back(static_cast<Int>(0 - (u64{1} << bit) - near));
      for (int second = 0; second < bit; ++second)
        list.push_back(static_cast<Int>((u64{1} << bit) + (u64{1} << second) + near));
    }
  }
  for (std::size_t i = 0; i < random_cases; ++i)
    list.push_back(static_cast<Int>(static_cast<i64>(generator.next()) >> (generator.next() % 64)));
  for (const auto [mode, host] : host_modes) {
    std::fesetround(host);
    for (const Int value : list) {
      u8 flags = 0;
      const auto bits = soft(value, mode, flags);
      tally.compare({bits, flags}, convert_on_host<T>(value), mode, {static_cast<u64>(value), 0, 0});
    }
  }
  std::fesetround(FE_TOWARDZERO);
  for (const Int value : list) {
    const bool negative = value < 0;
    const u64 size = negative ? 0 - static_cast<u64>(value) : static_cast<u64>(value);
    const auto truncated = static_cast<Bits<T>>(convert_on_host<T>(value).bits);
    const Outcome expected = rmm_from<T>(truncated, [&](Dyadic v) {
      Exact difference;
      difference.add(false, size >> 32, 1, 32);
      difference.add(false, size & 0xffff'ffff, 1, 0);
      difference.add(true, v.significand, 1, v.exponent);
      return difference.sign();
    });
    u8 flags = 0;
    const auto bits = soft(value, RoundingMode::rmm, flags);
    tally.compare({bits, flags}, expected, RoundingMode::rmm, {static_cast<u64>(value), 0, 0});
  }
}

// --- Comparisons, minimum, maximum, class ---

template <typename T>
void check_order() {
  using L = Layout<T>;
  using S = Soft<T>;
  const SavedEnvironment saved;
  Tally tally(std::is_same_v<T, float> ? "f32 order" : "f64 order");
  for (const auto& t : operand_list<T>(2, 55)) {
    const auto a = t[0], b = t[1];
    const T x = std::bit_cast<T>(a), y = std::bit_cast<T>(b);
    const bool a_nan = L::is_nan(a), b_nan = L::is_nan(b), any_nan = a_nan || b_nan;
    const u8 if_signaling = flag_if(L::is_signaling(a) || L::is_signaling(b), FloatFlags::invalid);
    const u8 if_nan = flag_if(any_nan, FloatFlags::invalid);
    const auto check = [&](auto soft, u64 expected, u8 expected_flags) {
      u8 flags = 0;
      const u64 bits = soft(a, b, flags);
      tally.compare({bits, flags}, {expected, expected_flags}, RoundingMode::rne, {a, b, 0});
    };
    check(S::eq, !any_nan && x == y, if_signaling);
    check(S::lt, !any_nan && x < y, if_nan);
    check(S::le, !any_nan && x <= y, if_nan);
    Bits<T> least = S::nan, most = S::nan;
    if (!any_nan) {
      const bool a_first = x < y || (x == y && std::signbit(x));
      least = a_first ? a : b;
      most = a_first ? b : a;
    } else if (!a_nan || !b_nan) {
      least = most = a_nan ? b : a;
    }
    check(S::min, least, if_signaling);
    check(S::max, most, if_signaling);

    u32 expected_class = 0;
    switch (std::fpclassify(x)) {
      case FP_INFINITE:
        expected_class = std::signbit(x) ? 1 : 128;
        break;
      case FP_NORMAL:
        expected_class = std::signbit(x) ? 2 : 64;
        break;
      case FP_SUBNORMAL:
        expected_class = std::signbit(x) ? 4 : 32;
        break;
      case FP_ZERO:
        expected_class = std::signbit(x) ? 8 : 16;
        break;
      case FP_NAN:
        expected_class = L::is_signaling(a) ? 256 : 512;
        break;
    }
    tally.compare({S::classify(a), 0}, {expected_class, 0}, RoundingMode::rne, {a, 0, 0});
  }
}

}  // namespace

TEST_CASE("the probe leaves the host's environment alone and tells the truth") {
  const SavedEnvironment saved;
  std::fesetround(FE_UPWARD);
  std::feclearexcept(FE_ALL_EXCEPT);
  std::feraiseexcept(FE_DIVBYZERO);
  const bool before = sf::host_detects_tininess_before_rounding();
  CHECK(std::fegetround() == FE_UPWARD);
  CHECK(std::fetestexcept(FE_ALL_EXCEPT) == FE_DIVBYZERO);

  // The same question put in single precision.
  std::fesetround(FE_TONEAREST);
  std::feclearexcept(FE_ALL_EXCEPT);
  volatile float a = std::numeric_limits<float>::min() * (1 + std::numeric_limits<float>::epsilon());
  volatile float b = 1 - std::numeric_limits<float>::epsilon();
  volatile float r = a * b;
  CHECK((std::fetestexcept(FE_UNDERFLOW) != 0) == before);
  CHECK(r == std::numeric_limits<float>::min());
}

TEST_CASE("softfloat leaves the host's environment alone") {
  const SavedEnvironment saved;
  std::feclearexcept(FE_ALL_EXCEPT);
  u8 flags = 0;
  for (const u64 a : special_values<double>()) {
    for (const u64 b : special_values<double>()) {
      for (const auto op : {Op::add, Op::mul, Op::div, Op::sqrt, Op::fma})
        run_soft<double>(op, {a, b, a}, RoundingMode::rmm, flags);
    }
    sf::f64_to_i32(a, RoundingMode::rmm, flags);
    sf::f64_to_f32(a, RoundingMode::rmm, flags);
  }
  CHECK(flags == 31);
  CHECK(std::fetestexcept(FE_ALL_EXCEPT) == 0);
}

TEST_CASE("fixed cases") {
  const auto bits = [](auto value) {
    return std::bit_cast<std::conditional_t<sizeof(value) == 4, u32, u64>>(value);
  };
  const u32 inf32 = 0x7f80'0000;
  const u64 one = bits(1.0), half_ulp = bits(0x1p-53);
  u8 flags = 0;

  SUBCASE("flags accumulate") {
    flags = FloatFlags::overflow;
    CHECK(sf::f32_div(bits(1.0f), 0, RoundingMode::rne, flags) == inf32);
    CHECK(flags == (FloatFlags::overflow | FloatFlags::divide_by_zero));
  }
  SUBCASE("infinity times zero is invalid even beside a quiet NaN") {
    CHECK(sf::f32_fma(inf32, 0, 0x7fc0'0001, RoundingMode::rne, flags) == 0x7fc0'0000);
    CHECK(flags == FloatFlags::invalid);
    flags = 0;
    CHECK(sf::f64_fma(u64{1} << 63, u64{0x7ff} << 52, 0xfff8'0000'0000'0000, RoundingMode::rup, flags) ==
          sf::f64_canonical_nan);
    CHECK(flags == FloatFlags::invalid);
  }
  SUBCASE("ties") {
    CHECK(sf::f64_add(one, half_ulp, RoundingMode::rne, flags) == one);
    CHECK(sf::f64_add(one, half_ulp, RoundingMode::rmm, flags) == one + 1);
    CHECK(sf::f64_sub(bits(-1.0), half_ulp, RoundingMode::rmm, flags) == bits(-1.0) + 1);
    CHECK(sf::f64_sub(bits(-1.0), half_ulp, RoundingMode::rup, flags) == bits(-1.0));
    CHECK(sf::f64_sub(bits(-1.0), half_ulp, RoundingMode::rdn, flags) == bits(-1.0) + 1);
    CHECK(flags == FloatFlags::inexact);
    CHECK(sf::f32_from_u32(16'777'217, RoundingMode::rmm, flags) == bits(16'777'218.0f));
    CHECK(sf::f32_from_i32(-16'777'217, RoundingMode::rne, flags) == bits(-16'777'216.0f));
    CHECK(sf::f64_to_i32(bits(2.5), RoundingMode::rmm, flags) == 3);
    CHECK(sf::f64_to_i32(bits(-2.5), RoundingMode::rmm, flags) == -3);
    CHECK(sf::f64_to_i32(bits(-2.5), RoundingMode::rne, flags) == -2);
    CHECK(sf::f64_div(1, bits(2.0), RoundingMode::rmm, flags) == 1);
    CHECK(flags == (FloatFlags::inexact | FloatFlags::underflow));
  }
  SUBCASE("exact cancellation and signed zeros") {
    CHECK(sf::f64_sub(one, one, RoundingMode::rmm, flags) == 0);
    CHECK(sf::f64_sub(one, one, RoundingMode::rdn, flags) == u64{1} << 63);
    CHECK(sf::f64_fma(one, bits(-1.0), one, RoundingMode::rdn, flags) == u64{1} << 63);
    CHECK(sf::f64_sqrt(bits(-0.0), RoundingMode::rup, flags) == bits(-0.0));
    CHECK(sf::f64_min(bits(0.0), bits(-0.0), flags) == bits(-0.0));
    CHECK(sf::f64_max(bits(-0.0), bits(0.0), flags) == bits(0.0));
    CHECK(flags == 0);
  }
  SUBCASE("a single NaN yields to a number, in either place") {
    CHECK(sf::f32_min(0x7fc0'1234, bits(1.0f), flags) == bits(1.0f));
    CHECK(sf::f32_max(bits(1.0f), 0xffc0'0000, flags) == bits(1.0f));
    CHECK(flags == 0);
    CHECK(sf::f32_max(bits(1.0f), 0x7f80'0001, flags) == bits(1.0f));
    CHECK(flags == FloatFlags::invalid);
  }
  SUBCASE("saturation raises invalid alone") {
    CHECK(sf::f64_to_u32(bits(-0.5), RoundingMode::rtz, flags) == 0);
    CHECK(flags == FloatFlags::inexact);
    flags = 0;
    CHECK(sf::f64_to_u32(bits(-0.5), RoundingMode::rmm, flags) == 0);
    CHECK(flags == FloatFlags::invalid);
    flags = 0;
    CHECK(sf::f64_to_i32(bits(2147483647.5), RoundingMode::rmm, flags) == 2147483647);
    CHECK(flags == FloatFlags::invalid);
    flags = 0;
    CHECK(sf::f64_to_i32(bits(2147483647.5), RoundingMode::rtz, flags) == 2147483647);
    CHECK(flags == FloatFlags::inexact);
    flags = 0;
    CHECK(sf::f32_to_i64(0xffc0'0000, RoundingMode::rne, flags) == std::numeric_limits<i64>::max());
    CHECK(sf::f32_to_u64(0x7f80'0001, RoundingMode::rne, flags) == std::numeric_limits<u64>::max());
    CHECK(sf::f32_to_u64(0xff80'0000, RoundingMode::rne, flags) == 0);
    CHECK(flags == FloatFlags::invalid);
  }
  SUBCASE("tininess is judged after rounding") {
    const u64 min_normal = u64{1} << 52;
    CHECK(sf::f64_mul(min_normal + 1, one - 2, RoundingMode::rne, flags) == min_normal);
    CHECK(flags == FloatFlags::inexact);
    flags = 0;
    CHECK(sf::f64_mul(min_normal, one - 1, RoundingMode::rne, flags) ==
          min_normal);  // rounds up, but from a tiny number
    CHECK(flags == (FloatFlags::inexact | FloatFlags::underflow));
  }
  SUBCASE("overflow by mode") {
    const u32 largest = inf32 - 1;
    for (const auto mode : {RoundingMode::rne, RoundingMode::rup, RoundingMode::rmm}) {
      CHECK(sf::f32_mul(largest, largest, mode, flags) == inf32);
    }
    for (const auto mode : {RoundingMode::rtz, RoundingMode::rdn}) {
      CHECK(sf::f32_mul(largest, largest, mode, flags) == largest);
    }
    CHECK(sf::f32_mul(largest, largest | 0x8000'0000, RoundingMode::rdn, flags) == 0xff80'0000);
    CHECK(flags == (FloatFlags::overflow | FloatFlags::inexact));
  }
}

TEST_CASE_TEMPLATE("arithmetic agrees with the host and with exact sums", T, float, double) {
  check_arithmetic<T>(Op::add, "add", 2);
  check_arithmetic<T>(Op::sub, "sub", 2);
  check_arithmetic<T>(Op::mul, "mul", 2);
  check_arithmetic<T>(Op::div, "div", 2);
  check_arithmetic<T>(Op::sqrt, "sqrt", 1);
}

TEST_CASE_TEMPLATE("fused multiply-add agrees with the host and with exact sums", T, float, double) {
  check_arithmetic<T>(Op::fma, "fma", 3);
}

TEST_CASE_TEMPLATE("conversions to integers", T, float, double) {
  check_to_integer<T, i32>(Soft<T>::to_i32, "to_i32");
  check_to_integer<T, u32>(Soft<T>::to_u32, "to_u32");
  check_to_integer<T, i64>(Soft<T>::to_i64, "to_i64");
  check_to_integer<T, u64>(Soft<T>::to_u64, "to_u64");
}

TEST_CASE_TEMPLATE("conversions from integers", T, float, double) {
  check_from_integer<T, i32>(Soft<T>::from_i32, "from_i32");
  check_from_integer<T, u32>(Soft<T>::from_u32, "from_u32");
  check_from_integer<T, i64>(Soft<T>::from_i64, "from_i64");
  check_from_integer<T, u64>(Soft<T>::from_u64, "from_u64");
}

TEST_CASE("conversions between formats") {
  const SavedEnvironment saved;
  Tally narrowing("f64_to_f32"), widening("f32_to_f64");
  auto list = operand_list<double>(1, 11);
  Generator<double> generator(12);
  for (std::size_t i = 0; i < random_cases;
       ++i) {  // exponents in and around binary32's range, ties among them
    const u64 random = generator.next(), field = 1023 - 160 + generator.next() % 320;
    const u64 kept = generator.next() % 2 ? ~u64{0} << (generator.next() % 32) : ~u64{0};
    list.push_back({((random & kept) & 0x800f'ffff'ffff'ffff) | (field << 52), 0, 0});
  }
  const auto on_the_host = [](u64 a) {
    volatile double operand = std::bit_cast<double>(a);
    volatile float result = 0;
    return on_host<float>([&]() -> float {
      result = static_cast<float>(operand);
      return result;
    });
  };
  const auto narrow = [](u64 a, RoundingMode mode) {
    u8 flags = 0;
    const u32 bits = sf::f64_to_f32(a, mode, flags);
    return Outcome{bits, flags};
  };
  for (const auto [mode, host] : host_modes) {
    std::fesetround(host);
    for (const auto& t : list) narrowing.compare(narrow(t[0], mode), on_the_host(t[0]), mode, {t[0], 0, 0});
  }
  std::fesetround(FE_TOWARDZERO);
  for (const auto& t : list) {
    Outcome expected = on_the_host(t[0]);
    if (Layout<double>::is_finite(t[0])) {
      const Dyadic a = dyadic<double>(t[0]);
      expected = rmm_from<float>(static_cast<u32>(expected.bits), [&](Dyadic v) {
        Exact difference;
        difference.add(false, a.significand, 1, a.exponent);
        difference.add(true, v.significand, 1, v.exponent);
        return difference.sign();
      });
    }
    narrowing.compare(narrow(t[0], RoundingMode::rmm), expected, RoundingMode::rmm, {t[0], 0, 0});
  }
  std::fesetround(FE_TONEAREST);
  for (const auto& t : operand_list<float>(1, 13)) {
    volatile float operand = std::bit_cast<float>(t[0]);
    volatile double result = 0;
    const Outcome expected = on_host<double>([&]() -> double {
      result = operand;
      return result;
    });
    u8 flags = 0;
    const u64 bits = sf::f32_to_f64(t[0], flags);
    widening.compare({bits, flags}, expected, RoundingMode::rne, {t[0], 0, 0});
  }
}

TEST_CASE_TEMPLATE("comparisons, minimum, maximum and class", T, float, double) { check_order<T>(); }
