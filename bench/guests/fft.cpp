// In-place radix-2 FFT of complex doubles, forward and back.
#include <cmath>
#include <vector>

#include "bench.hpp"

struct Complex {
  double re, im;
};

static void fft(std::vector<Complex>& a, const std::vector<Complex>& roots, bool inverse) {
  size_t n = a.size();
  for (size_t i = 1, j = 0; i < n; i++) {
    size_t bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) std::swap(a[i], a[j]);
  }
  for (size_t len = 2; len <= n; len <<= 1) {
    size_t stride = n / len, half = len / 2;
    for (size_t i = 0; i < n; i += len)
      for (size_t k = 0; k < half; k++) {
        Complex w = roots[k * stride];
        if (inverse) w.im = -w.im;
        Complex x = a[i + k], y = a[i + k + half];
        Complex t = {y.re * w.re - y.im * w.im, y.re * w.im + y.im * w.re};
        a[i + k] = {x.re + t.re, x.im + t.im};
        a[i + k + half] = {x.re - t.re, x.im - t.im};
      }
  }
}

int main(int argc, char** argv) {
  const long rounds = size_argument(argc, argv, 700);
  const size_t n = 1 << 14;
  std::vector<Complex> a(n), roots(n / 2);
  Rng rng;
  for (auto& c : a) c = {rng.unit() - 0.5, rng.unit() - 0.5};
  for (size_t i = 0; i < n / 2; i++) {
    double angle = -2 * 3.141592653589793 * double(i) / double(n);
    roots[i] = {std::cos(angle), std::sin(angle)};
  }
  double energy = 0;
  for (long r = 0; r < rounds; r++) {
    fft(a, roots, r & 1);
    if (r & 1)
      for (auto& c : a) c.re /= double(n), c.im /= double(n);
    energy += a[size_t(r) % n].re * a[size_t(r) % n].re + a[5].im * a[5].im;
  }
  return report("fft", energy);
}
