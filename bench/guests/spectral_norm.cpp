// The spectral norm of an infinite matrix by power iteration: divisions and conversions in the inner loop.
#include <cmath>
#include <vector>

#include "bench.hpp"

static double entry(int i, int j) { return 1.0 / ((i + j) * (i + j + 1) / 2 + i + 1); }

static void times(const std::vector<double>& v, std::vector<double>& out, bool transpose) {
  int n = int(v.size());
  for (int i = 0; i < n; i++) {
    double s = 0;
    for (int j = 0; j < n; j++) s += (transpose ? entry(j, i) : entry(i, j)) * v[size_t(j)];
    out[size_t(i)] = s;
  }
}

int main(int argc, char** argv) {
  const int n = int(size_argument(argc, argv, 1900));
  std::vector<double> u(size_t(n), 1), v(static_cast<size_t>(n)), t(static_cast<size_t>(n));
  for (int i = 0; i < 10; i++) {
    times(u, t, false), times(t, v, true);
    times(v, t, false), times(t, u, true);
  }
  double vbv = 0, vv = 0;
  for (int i = 0; i < n; i++) vbv += u[size_t(i)] * v[size_t(i)], vv += v[size_t(i)] * v[size_t(i)];
  return report("spectral_norm", std::sqrt(vbv / vv));
}
