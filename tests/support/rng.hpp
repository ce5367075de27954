// A small random generator that gives the same numbers with every standard library, and the values at which
// integer and floating-point operations go wrong. For tests.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>

namespace ashlar::test {

/// splitmix64.
class Rng {
 public:
  explicit Rng(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  /// 0 <= result < n; n at least 1.
  unsigned below(std::uint64_t n) { return static_cast<unsigned>(next() % n); }
  bool percent(unsigned p) { return below(100) < p; }
  template <typename List>
  const auto& pick(const List& list) {
    return list[below(std::size(list))];
  }

 private:
  std::uint64_t state_;
};

inline constexpr std::array<std::uint64_t, 26> kIntegers = {
    0,
    1,
    2,
    7,
    31,
    32,
    33,
    63,
    64,
    65,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0x7fffffff,
    0x80000000,
    0xffffffff,
    0x100000000,
    0x7fffffffffffffff,
    0x8000000000000000,
    0xffffffff80000000,
    0xffffffff7fffffff,
    0x0123456789abcdef,
    0xfffffffffffffffe,
    0xffffffffffffffff,
};

inline constexpr std::array<std::int32_t, 16> kImmediates = {
    0, 1, -1, 2, 7, 8, 31, 32, 33, 63, 64, -8, 0x7ff, -2048, INT32_MAX, INT32_MIN,
};

/// binary32, without their boxes: zeros, ones, subnormals, edges of ranges and of exact integers, infinities,
/// NaNs.
inline constexpr std::array<std::uint32_t, 26> kFloats32 = {
    0x00000000, 0x80000000, 0x3f800000, 0xbf800000, 0x00000001, 0x80000001, 0x007fffff,
    0x00800000, 0x80800000, 0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000,
    0xffc00001, 0x7f800001, 0xffbfffff, 0x3f000000, 0x3fc00000, 0x40490fdb, 0x4b800000,
    0x4f000000, 0xcf000000, 0x5f000000, 0x33800001, 0x3eaaaaab,
};

inline constexpr std::array<std::uint64_t, 27> kFloats64 = {
    0x0000000000000000, 0x8000000000000000, 0x3ff0000000000000, 0xbff0000000000000, 0x0000000000000001,
    0x8000000000000001, 0x000fffffffffffff, 0x0010000000000000, 0x8010000000000000, 0x7fefffffffffffff,
    0xffefffffffffffff, 0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000, 0xfff8000000000001,
    0x7ff0000000000001, 0xfff7ffffffffffff, 0x3fe0000000000000, 0x3ff8000000000000, 0x400921fb54442d18,
    0x41dfffffffc00000, 0x41e0000000000000, 0xc1e0000000200000, 0x43e0000000000000, 0x43f0000000000000,
    0x380fffffe0000000, 0x3fd5555555555555,
};

}  // namespace ashlar::test
