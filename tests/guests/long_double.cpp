// Quadruple-precision long double in software, __int128, and complex numbers.
#include <cmath>
#include <complex>
#include <cstdio>
#include <limits>

static void show(const char* name, long double v) { std::printf("%-10s %.36Lg %La\n", name, v, v); }

int main() {
  long double third = 1.0L / 3, root = sqrtl(2), e = expl(1), pi = acosl(-1);
  show("third", third), show("root", root), show("e", e), show("pi", pi);
  show("sin", sinl(1)), show("pow", powl(1.1L, 100)), show("log", logl(10)), show("fma", fmal(third, 3, -1));
  show("max", std::numeric_limits<long double>::max()),
      show("min", std::numeric_limits<long double>::denorm_min());
  long double sum = 0;
  for (int i = 1; i <= 2000; i++) sum += 1.0L / i / i;
  show("zeta", sum);
  double d = static_cast<double>(third);
  float f = static_cast<float>(pi);
  long l = static_cast<long>(pi * 1e15L);
  std::printf("%a %a %ld %d %d\n", d, double(f), l, third < 1, std::isnan(std::nanl("")));
  show("trunc", truncl(pi * 1e20L)), show("mod", fmodl(1e30L, 7.3L)),
      show("from", (long double)0x7fffffffffffffff);
  long double parsed;
  std::sscanf("1.18973149535723176508575932662800702e+4932", "%Lf", &parsed);
  show("parsed", parsed);

  unsigned __int128 big = 1;
  for (int i = 2; i < 34; i++) big *= unsigned(i);
  std::printf("33! %llx%016llx\n", (unsigned long long)(big >> 64), (unsigned long long)big);
  unsigned __int128 q = big / 1000000007, r = big % 1000000007;
  std::printf("div %llx%016llx %llu\n", (unsigned long long)(q >> 64), (unsigned long long)q,
              (unsigned long long)r);
  __int128 negative = -__int128(big >> 3);
  std::printf("neg %llx %a\n", (unsigned long long)(negative / 12345678901234567 >> 3), double(negative));
  std::complex<double> z(1, 2), w = std::exp(z) * std::pow(z, 3) / (z - 1.5);
  std::printf("complex %.15g %.15g %.15g\n", w.real(), w.imag(), std::abs(w));
  return 0;
}
