// LU factorisation with partial pivoting and solving, double precision.
#include <cmath>
#include <vector>

#include "bench.hpp"

int main(int argc, char** argv) {
  const long rounds = size_argument(argc, argv, 40);
  const int n = 300;
  double worst = 0, total = 0;
  Rng rng;
  for (long r = 0; r < rounds; r++) {
    std::vector<double> a(size_t(n * n)), b(size_t(n), 0.0);
    for (auto& v : a) v = rng.unit() - 0.5;
    for (int i = 0; i < n; i++)
      for (int j = 0; j < n; j++) b[size_t(i)] += a[size_t(i * n + j)];
    for (int k = 0; k < n; k++) {
      int pivot = k;
      for (int i = k + 1; i < n; i++)
        if (std::fabs(a[size_t(i * n + k)]) > std::fabs(a[size_t(pivot * n + k)])) pivot = i;
      if (pivot != k) {
        for (int j = 0; j < n; j++) std::swap(a[size_t(k * n + j)], a[size_t(pivot * n + j)]);
        std::swap(b[size_t(k)], b[size_t(pivot)]);
      }
      for (int i = k + 1; i < n; i++) {
        double f = a[size_t(i * n + k)] / a[size_t(k * n + k)];
        double *row = &a[size_t(i * n)], *from = &a[size_t(k * n)];
        for (int j = k; j < n; j++) row[j] -= f * from[j];
        b[size_t(i)] -= f * b[size_t(k)];
      }
    }
    for (int i = n - 1; i >= 0; i--) {
      double s = b[size_t(i)];
      for (int j = i + 1; j < n; j++) s -= a[size_t(i * n + j)] * b[size_t(j)];
      b[size_t(i)] = s / a[size_t(i * n + i)];
      worst = std::fmax(worst, std::fabs(b[size_t(i)] - 1));
      total += b[size_t(i)];
    }
  }
  if (worst > 1e-6) return 1;
  return report("linpack", total);
}
