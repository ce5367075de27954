// The oracles of softfloat's suite: operand lists, the host's floating-point unit with its flags (four
// rounding modes), and for RMM, which hosts lack, a fixed-point accumulator wide enough to hold every exact
// result.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cfenv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "ir/softfloat.hpp"

namespace softfloat_test {

namespace sf = ashlar::softfloat;
using ashlar::FloatFlags;
using ashlar::RoundingMode;
using u8 = std::uint8_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i32 = std::int32_t;
using i64 = std::int64_t;
__extension__ typedef unsigned __int128 U128;

inline constexpr std::size_t random_cases = 80'000;  // per operation, format and rounding mode

// The functions of softfloat.hpp by the host type that they stand for.
template <typename T>
struct Soft;

template <>
struct Soft<float> {
  using Bits = u32;
  static constexpr Bits nan = sf::f32_canonical_nan;
  static constexpr auto add = sf::f32_add, sub = sf::f32_sub, mul = sf::f32_mul, div = sf::f32_div;
  static constexpr auto sqrt = sf::f32_sqrt;
  static constexpr auto fma = sf::f32_fma;
  static constexpr auto min = sf::f32_min, max = sf::f32_max;
  static constexpr auto eq = sf::f32_eq, lt = sf::f32_lt, le = sf::f32_le;
  static constexpr auto classify = sf::f32_classify;
  static constexpr auto to_i32 = sf::f32_to_i32;
  static constexpr auto to_u32 = sf::f32_to_u32;
  static constexpr auto to_i64 = sf::f32_to_i64;
  static constexpr auto to_u64 = sf::f32_to_u64;
  static constexpr auto from_i32 = sf::f32_from_i32;
  static constexpr auto from_u32 = sf::f32_from_u32;
  static constexpr auto from_i64 = sf::f32_from_i64;
  static constexpr auto from_u64 = sf::f32_from_u64;
};

template <>
struct Soft<double> {
  using Bits = u64;
  static constexpr Bits nan = sf::f64_canonical_nan;
  static constexpr auto add = sf::f64_add, sub = sf::f64_sub, mul = sf::f64_mul, div = sf::f64_div;
  static constexpr auto sqrt = sf::f64_sqrt;
  static constexpr auto fma = sf::f64_fma;
  static constexpr auto min = sf::f64_min, max = sf::f64_max;
  static constexpr auto eq = sf::f64_eq, lt = sf::f64_lt, le = sf::f64_le;
  static constexpr auto classify = sf::f64_classify;
  static constexpr auto to_i32 = sf::f64_to_i32;
  static constexpr auto to_u32 = sf::f64_to_u32;
  static constexpr auto to_i64 = sf::f64_to_i64;
  static constexpr auto to_u64 = sf::f64_to_u64;
  static constexpr auto from_i32 = sf::f64_from_i32;
  static constexpr auto from_u32 = sf::f64_from_u32;
  static constexpr auto from_i64 = sf::f64_from_i64;
  static constexpr auto from_u64 = sf::f64_from_u64;
};

template <typename T>
using Bits = typename Soft<T>::Bits;

template <typename T>
struct Layout {
  using B = Bits<T>;
  static constexpr int precision = std::numeric_limits<T>::digits;
  static constexpr int fraction_bits = precision - 1;
  static constexpr int limit =
      2 * std::numeric_limits<T>::max_exponent - 1;  // the exponent field of infinity
  static constexpr int bias = limit / 2;
  static constexpr B sign = B{1} << (sizeof(B) * 8 - 1);
  static constexpr B fraction = (B{1} << fraction_bits) - 1;
  static constexpr B infinity = B{limit} << fraction_bits;
  static constexpr B quiet = B{1} << (fraction_bits - 1);
  static constexpr B min_normal = B{1} << fraction_bits;

  static bool is_nan(B b) { return (b & ~sign) > infinity; }
  static bool is_signaling(B b) { return is_nan(b) && (b & quiet) == 0; }
  static bool is_finite(B b) { return (b & ~sign) < infinity; }
  static int field(B b) { return static_cast<int>((b & ~sign) >> fraction_bits); }
};

class SavedEnvironment {
 public:
  SavedEnvironment() { std::fegetenv(&saved_); }
  ~SavedEnvironment() { std::fesetenv(&saved_); }
  SavedEnvironment(const SavedEnvironment&) = delete;
  SavedEnvironment& operator=(const SavedEnvironment&) = delete;

 private:
  std::fenv_t saved_;
};

struct HostMode {
  RoundingMode mode;
  int host;
};
inline constexpr std::array<HostMode, 4> host_modes{{{RoundingMode::rne, FE_TONEAREST},
                                                     {RoundingMode::rtz, FE_TOWARDZERO},
                                                     {RoundingMode::rdn, FE_DOWNWARD},
                                                     {RoundingMode::rup, FE_UPWARD}}};

struct Outcome {
  u64 bits;
  u8 flags;
  bool underflow_undecided =
      false;  // the host judges tininess differently here; its underflow flag says nothing
};

inline u8 flag_if(bool raised, FloatFlags flag) { return raised ? static_cast<u8>(flag) : u8{0}; }

// Runs `operation` on the host's unit. It must read its operands from, and leave its result in, volatile
// objects: that is what keeps the arithmetic between the two calls.
template <typename T, typename Operation>
Outcome on_host(Operation operation) {
  std::feclearexcept(FE_ALL_EXCEPT);
  const T value = operation();
  const int raised = std::fetestexcept(FE_ALL_EXCEPT);
  u8 flags = 0;
  if (raised & FE_INEXACT) flags |= FloatFlags::inexact;
  if (raised & FE_UNDERFLOW) flags |= FloatFlags::underflow;
  if (raised & FE_OVERFLOW) flags |= FloatFlags::overflow;
  if (raised & FE_DIVBYZERO) flags |= FloatFlags::divide_by_zero;
  if (raised & FE_INVALID) flags |= FloatFlags::invalid;
  if constexpr (std::is_floating_point_v<T>) {
    const auto bits = std::bit_cast<Bits<T>>(value);
    // The one case where hosts may differ: tiny before rounding, but not after.
    const bool undecided = sf::host_detects_tininess_before_rounding() &&
                           (flags & FloatFlags::underflow) != 0 &&
                           (bits & ~Layout<T>::sign) == Layout<T>::min_normal;
    return {Layout<T>::is_nan(bits) ? Soft<T>::nan : bits, flags, undecided};
  } else {
    return {static_cast<u64>(value), flags};
  }
}

inline bool agrees(const Outcome& soft, const Outcome& host) {
  const u8 ignored = flag_if(host.underflow_undecided, FloatFlags::underflow);
  return soft.bits == host.bits && ((soft.flags ^ host.flags) & ~ignored) == 0;
}

// Counts comparisons; the first few disagreements are printed, all of them fail the test case.
class Tally {
 public:
  explicit Tally(std::string name) : name_(std::move(name)) {}
  ~Tally() {
    CHECK_MESSAGE(checked_ > 0, name_);
    CHECK_MESSAGE(failed_ == 0, name_, ": ", failed_, " of ", checked_, " differ");
  }
  Tally(const Tally&) = delete;
  Tally& operator=(const Tally&) = delete;

  void compare(Outcome soft, Outcome expected, RoundingMode mode, std::array<u64, 3> operands) {
    ++checked_;
    if (agrees(soft, expected) || failed_++ >= 5) return;
    const auto hex = [](u64 value) {
      std::string text = "0x0000000000000000";
      for (std::size_t i = text.size() - 1; i > 1; --i, value >>= 4) text[i] = "0123456789abcdef"[value & 15];
      return text;
    };
    MESSAGE(name_, " mode ", static_cast<int>(mode), " operands ", hex(operands[0]), " ", hex(operands[1]),
            " ", hex(operands[2]), ": got ", hex(soft.bits), " flags ", static_cast<int>(soft.flags),
            ", expected ", hex(expected.bits), " flags ", static_cast<int>(expected.flags));
  }

 private:
  std::string name_;
  u64 checked_ = 0;
  u64 failed_ = 0;
};

// --- Operands ---

template <typename T>
std::vector<Bits<T>> special_values() {
  using L = Layout<T>;
  const auto of = [](T value) { return std::bit_cast<Bits<T>>(value); };
  std::vector<Bits<T>> values{0,
                              1,
                              2,
                              L::fraction,
                              L::min_normal - 2,
                              L::min_normal,
                              L::min_normal + 1,
                              2 * L::min_normal,
                              L::min_normal | (L::fraction >> 1),
                              static_cast<Bits<T>>(Bits<T>{L::precision} << L::fraction_bits),
                              of(T(0.25)),
                              of(T(0.5)) - 1,
                              of(T(0.5)),
                              of(T(0.5)) + 1,
                              of(T(1)) - 1,
                              of(T(1)),
                              of(T(1)) + 1,
                              of(std::numeric_limits<T>::epsilon()),
                              of(std::numeric_limits<T>::epsilon() / 2),
                              of(T(1.5)),
                              of(T(2)) - 1,
                              of(T(2)),
                              of(T(2.5)),
                              of(T(3)),
                              of(T(2147483648.0)) - 1,
                              of(T(2147483648.0)),
                              of(T(2147483647.5)),
                              of(T(4294967296.0)) - 1,
                              of(T(4294967295.5)),
                              of(T(9223372036854775808.0)) - 1,
                              of(T(9223372036854775808.0)),
                              of(T(9223372036854775808.0)) + 1,
                              of(T(18446744073709551616.0)) - 1,
                              of(T(18446744073709551616.0)),
                              L::infinity - 1,
                              (L::infinity - 1) & ~L::fraction,
                              L::infinity,
                              L::infinity | 1,
                              L::infinity | (L::quiet - 1),
                              L::infinity | L::quiet,
                              L::infinity | L::quiet | 5,
                              L::infinity | L::fraction};
  const std::size_t positive = values.size();
  for (std::size_t i = 0; i < positive; ++i) values.push_back(values[i] | L::sign);
  return values;
}

// The same cases on every host: no two draws stand in one expression whose order is unspecified.
template <typename T>
class Generator {
  using L = Layout<T>;
  using B = Bits<T>;

 public:
  explicit Generator(u64 seed) : state_(seed) {}

  u64 next() {
    u64 z = (state_ += 0x9e37'79b9'7f4a'7c15);
    z = (z ^ (z >> 30)) * 0xbf58'476d'1ce4'e5b9;
    z = (z ^ (z >> 27)) * 0x94d0'49bb'1331'11eb;
    return z ^ (z >> 31);
  }

  B any() {
    const B random = static_cast<B>(next());
    switch (next() % 8) {
      case 0:
        return (random & L::sign) | ((random & L::fraction) >> (next() % L::fraction_bits));  // subnormal
      case 1:
        return specials_[next() % specials_.size()];
      case 2:
      case 3:
        return random & ~(L::fraction >> (next() % L::precision));  // trailing zeros: ties
      case 4:
        return random | (L::fraction >> (next() % L::precision));  // trailing ones: long carries
      case 5:
        return make(L::bias + spread(L::precision), random);  // near 1
      default:
        return random;
    }
  }

  // A companion of `a` whose sum, product or quotient with it lands somewhere interesting.
  B companion(B a) {
    B random = static_cast<B>(next());
    if (next() % 2) random &= ~(L::fraction >> (next() % L::precision));
    const int field = L::field(a);
    switch (next() % 8) {
      case 0:
        return make(field + spread(L::precision + 3), random);  // sums that overlap
      case 1:
        return (a ^ (random & L::sign)) + static_cast<B>(spread(3));  // cancellation
      case 2:
        return make(2 * L::bias - field + 1 - L::bias + spread(L::precision + 3),
                    random);  // product near tiny
      case 3:
        return make(field + L::bias - 1 + spread(L::precision + 3), random);  // quotient near tiny
      case 4:
        return make(3 * L::bias - field + spread(3), random);  // product near overflow
      case 5:
        return make(field - L::bias + spread(3), random);  // quotient near overflow
      default:
        return any();
    }
  }

  // A third operand to a * b.
  B addend(B a, B b) {
    volatile T x = std::bit_cast<T>(a), y = std::bit_cast<T>(b);
    volatile T z = x * y;
    const B bits = std::bit_cast<B>(static_cast<T>(z));
    const B product = L::is_nan(bits) ? Soft<T>::nan : bits;
    const B random = static_cast<B>(next());
    switch (next() % 4) {
      case 0:
        return any();
      case 1:
        return (product ^ L::sign) + static_cast<B>(spread(2));  // what is left is the product's error
      default: {
        const int field = L::field(a) + L::field(b) - L::bias + spread(2 * L::precision + 5);
        return make(field, random & ~(L::fraction >> (next() % L::precision)));
      }
    }
  }

 private:
  int spread(int distance) {
    return static_cast<int>(next() % static_cast<u64>(2 * distance + 1)) - distance;
  }

  static B make(int field, B sign_and_fraction) {
    return (static_cast<B>(std::clamp(field, 0, L::limit - 1)) << L::fraction_bits) |
           (sign_and_fraction & (L::sign | L::fraction));
  }

  u64 state_;
  std::vector<B> specials_ = special_values<T>();
};

template <typename T>
using Triple = std::array<Bits<T>, 3>;

// The special values' cross product in the first `arity` operands, then random cases.
template <typename T>
std::vector<Triple<T>> operand_list(int arity, u64 seed) {
  const auto specials = special_values<T>();
  const std::array<Bits<T>, 1> none{0};
  const std::span<const Bits<T>> second = arity > 1 ? std::span<const Bits<T>>(specials) : none;
  const std::span<const Bits<T>> third = arity > 2 ? std::span<const Bits<T>>(specials) : none;
  std::vector<Triple<T>> list;
  for (const auto a : specials)
    for (const auto b : second)
      for (const auto c : third) list.push_back({a, b, c});
  Generator<T> generator(seed);
  for (std::size_t i = 0; i < random_cases; ++i) {
    Triple<T> t{generator.any(), 0, 0};
    if (arity > 1) t[1] = generator.companion(t[0]);
    if (arity > 2) t[2] = generator.addend(t[0], t[1]);
    list.push_back(t);
  }
  return list;
}

// --- The operations, in both worlds ---

enum class Op { add, sub, mul, div, sqrt, fma };

template <typename T>
Bits<T> run_soft(Op op, const Triple<T>& t, RoundingMode mode, u8& flags) {
  using S = Soft<T>;
  switch (op) {
    case Op::add:
      return S::add(t[0], t[1], mode, flags);
    case Op::sub:
      return S::sub(t[0], t[1], mode, flags);
    case Op::mul:
      return S::mul(t[0], t[1], mode, flags);
    case Op::div:
      return S::div(t[0], t[1], mode, flags);
    case Op::sqrt:
      return S::sqrt(t[0], mode, flags);
    case Op::fma:
      return S::fma(t[0], t[1], t[2], mode, flags);
  }
  return 0;
}

template <typename T>
Outcome run_host(Op op, const Triple<T>& t) {
  volatile T a = std::bit_cast<T>(t[0]), b = std::bit_cast<T>(t[1]), c = std::bit_cast<T>(t[2]);
  volatile T r = 0;
  return on_host<T>([&]() -> T {
    switch (op) {
      case Op::add:
        r = a + b;
        break;
      case Op::sub:
        r = a - b;
        break;
      case Op::mul:
        r = a * b;
        break;
      case Op::div:
        r = a / b;
        break;
      case Op::sqrt:
        r = std::sqrt(a);
        break;
      case Op::fma:
        r = std::fma(a, b, c);
        break;
    }
    return r;
  });
}

template <typename T>
bool is_invalid_product(Bits<T> a, Bits<T> b) {
  using L = Layout<T>;
  const auto x = a & ~L::sign, y = b & ~L::sign;
  return (x == 0 && y == L::infinity) || (x == L::infinity && y == 0);
}

// --- The exact oracle for RMM ---

// A signed fixed-point number of 4,608 bits, the lowest worth 2^-2304: room for every product of two doubles.
class Exact {
 public:
  // Adds (or subtracts) x * y * 2^exponent; x and y below 2^56.
  void add(bool negative, u64 x, u64 y, int exponent) {
    const U128 product = static_cast<U128>(x) * y;
    const int position = exponent + 2304;
    const auto limb = static_cast<std::size_t>(position / 64);
    const int shift = position % 64;
    const u64 low = static_cast<u64>(product), high = static_cast<u64>(product >> 64);
    const std::array<u64, 3> parts{low << shift, shift ? (low >> (64 - shift)) | (high << shift) : high,
                                   shift ? high >> (64 - shift) : 0};
    u64 carry = 0;
    for (std::size_t i = limb; i < limbs_.size(); ++i) {
      const u64 part = i - limb < parts.size() ? parts[i - limb] : 0;
      if (i - limb >= parts.size() && carry == 0) break;
      const U128 sum = negative ? static_cast<U128>(limbs_[i]) - part - carry
                                : static_cast<U128>(limbs_[i]) + part + carry;
      limbs_[i] = static_cast<u64>(sum);
      carry = static_cast<u64>(sum >> 64) != 0;
    }
  }

  int sign() const {
    if (limbs_.back() >> 63) return -1;
    return std::any_of(limbs_.begin(), limbs_.end(), [](u64 limb) { return limb != 0; }) ? 1 : 0;
  }

 private:
  std::array<u64, 72> limbs_{};
};

struct Dyadic {  // significand * 2^exponent
  u64 significand;
  int exponent;
};

template <typename T>
Dyadic dyadic(Bits<T> bits) {
  using L = Layout<T>;
  const int field = L::field(bits);
  const u64 fraction = bits & L::fraction;
  return {field ? fraction | L::min_normal : fraction, std::max(field, 1) - L::bias - L::fraction_bits};
}

// What RMM must give, from the host's truncated result and `compare(v)`, the sign of |exact result| - v.
template <typename T, typename Compare>
Outcome rmm_from(Bits<T> truncated, Compare compare) {
  using L = Layout<T>;
  const Dyadic near = dyadic<T>(truncated);
  if (compare(near) == 0) return {truncated, 0};
  const Dyadic middle{2 * near.significand + 1, near.exponent - 1};
  const Bits<T> result = truncated + (compare(middle) >= 0 ? 1 : 0);
  u8 flags = FloatFlags::inexact;
  if ((result & ~L::sign) == L::infinity) flags |= FloatFlags::overflow;
  // With unbounded exponents, this is where rounding starts to give the smallest normal number.
  const Dyadic not_tiny{(u64{2} << L::precision) - 1, 1 - L::bias - L::precision - 1};
  if (compare(not_tiny) < 0) flags |= FloatFlags::underflow;
  return {result, flags};
}

template <typename T>
Outcome rmm_expected(Op op, const Triple<T>& t) {
  using L = Layout<T>;
  const bool finite = L::is_finite(t[0]) && L::is_finite(t[1]) && L::is_finite(t[2]);
  const bool division_by_zero = op == Op::div && (t[1] & ~L::sign) == 0;
  const bool negative_root = op == Op::sqrt && (t[0] & L::sign) != 0;
  if (!finite || division_by_zero || negative_root) {  // nothing to round
    std::fesetround(FE_TONEAREST);
    return run_host<T>(op, t);
  }
  std::fesetround(FE_TOWARDZERO);
  const auto truncated = static_cast<Bits<T>>(run_host<T>(op, t).bits);
  const bool negative = (truncated & L::sign) != 0;
  const Dyadic a = dyadic<T>(t[0]), b = dyadic<T>(t[1]), c = dyadic<T>(t[2]);
  const auto sign_of = [&](int i) { return ((t[static_cast<std::size_t>(i)] & L::sign) != 0) != negative; };
  return rmm_from<T>(truncated, [&](Dyadic v) {
    Exact difference;
    switch (op) {
      case Op::add:
      case Op::sub:
        difference.add(sign_of(0), a.significand, 1, a.exponent);
        difference.add(sign_of(1) != (op == Op::sub), b.significand, 1, b.exponent);
        break;
      case Op::fma:
        difference.add(sign_of(2), c.significand, 1, c.exponent);
        [[fallthrough]];
      case Op::mul:
        difference.add(sign_of(0) != ((t[1] & L::sign) != 0), a.significand, b.significand,
                       a.exponent + b.exponent);
        break;
      case Op::div:  // |a / b| against v, times |b|
        difference.add(false, a.significand, 1, a.exponent);
        difference.add(true, v.significand, b.significand, v.exponent + b.exponent);
        return difference.sign();
      case Op::sqrt:
        difference.add(false, a.significand, 1, a.exponent);
        difference.add(true, v.significand, v.significand, 2 * v.exponent);
        return difference.sign();
    }
    difference.add(true, v.significand, 1, v.exponent);
    return difference.sign();
  });
}

}  // namespace softfloat_test
