// The Mandelbrot set by escape time in double precision. Built without fused operations: counts must not
// differ.
#include "bench.hpp"

int main(int argc, char** argv) {
  const int n = int(size_argument(argc, argv, 1200));
  Checksum sum;
  for (int y = 0; y < n; y++) {
    uint64_t row = 0;
    for (int x = 0; x < n; x++) {
      double cr = 3.0 * x / n - 2.0, ci = 2.0 * y / n - 1.0, zr = 0, zi = 0;
      int i = 0;
      for (; i < 200; i++) {
        double r2 = zr * zr, i2 = zi * zi;
        if (r2 + i2 > 4.0) break;
        zi = 2.0 * zr * zi + ci;
        zr = r2 - i2 + cr;
      }
      row = row * 31 + uint64_t(i);
    }
    sum.add(row);
  }
  return report("mandelbrot", sum.hash);
}
