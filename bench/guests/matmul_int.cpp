// 32-bit integer matrix product, plain triple loop.
// Built without vectorising: strided gathers would make the native program slower than scalar code.
#include <vector>

#include "bench.hpp"

int main(int argc, char** argv) {
  const long rounds = size_argument(argc, argv, 300);
  const int n = 96;
  std::vector<int32_t> a(n * n), b(n * n), c(n * n);
  Rng rng;
  for (auto& v : a) v = int32_t(rng.below(1000));
  for (auto& v : b) v = int32_t(rng.below(1000));
  Checksum sum;
  for (long r = 0; r < rounds; r++) {
    for (int i = 0; i < n; i++)
      for (int j = 0; j < n; j++) {
        int32_t s = 0;
        for (int k = 0; k < n; k++) s += a[size_t(i * n + k)] * b[size_t(k * n + j)];
        c[size_t(i * n + j)] = s & 1023;
      }
    a.swap(c);
  }
  for (auto v : a) sum.add(uint64_t(v));
  return report("matmul_int", sum.hash);
}
