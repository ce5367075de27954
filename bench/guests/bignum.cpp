// Multiple-precision arithmetic on 64-bit limbs: factorial, squaring and Montgomery powers (mul and mulhu).
#include <vector>

#include "bench.hpp"

using Limbs = std::vector<uint64_t>;
using Wide = unsigned __int128;

static Limbs multiply(const Limbs& a, const Limbs& b) {
  Limbs r(a.size() + b.size());
  for (size_t i = 0; i < a.size(); i++) {
    uint64_t carry = 0;
    for (size_t j = 0; j < b.size(); j++) {
      Wide t = Wide(a[i]) * b[j] + r[i + j] + carry;
      r[i + j] = uint64_t(t);
      carry = uint64_t(t >> 64);
    }
    r[i + b.size()] = carry;
  }
  while (r.size() > 1 && !r.back()) r.pop_back();
  return r;
}

static void times(Limbs& a, uint64_t m) {
  uint64_t carry = 0;
  for (auto& limb : a) {
    Wide t = Wide(limb) * m + carry;
    limb = uint64_t(t);
    carry = uint64_t(t >> 64);
  }
  if (carry) a.push_back(carry);
}

static uint64_t montgomery(uint64_t a, uint64_t b, uint64_t n, uint64_t inverse) {
  Wide t = Wide(a) * b;
  uint64_t m = uint64_t(t) * inverse;
  uint64_t high = uint64_t((Wide(m) * n) >> 64);
  uint64_t top = uint64_t(t >> 64);
  return top >= high ? top - high : top - high + n;
}

int main(int argc, char** argv) {
  const long rounds = size_argument(argc, argv, 12);
  Checksum sum;
  for (long r = 0; r < rounds; r++) {
    Limbs f{1};
    for (uint64_t i = 2; i < 2500; i++) times(f, i + uint64_t(r));
    Limbs square = multiply(f, f);
    Limbs cube = multiply(square, f);
    for (size_t i = 0; i < cube.size(); i += 7) sum.add(cube[i]);
    uint64_t n = 0xFFFFFFFFFFFFFFC5ull, inverse = 1;
    for (int i = 0; i < 6; i++) inverse *= 2 - n * inverse;
    uint64_t x = 3 + uint64_t(r);
    for (int i = 0; i < 4000000; i++) x = montgomery(x, x ^ 1, n, inverse);
    sum.add(x);
  }
  return report("bignum", sum.hash);
}
