// Conway's game of life on a torus of bytes, with neighbours counted the plain way.
#include <vector>

#include "bench.hpp"

int main(int argc, char** argv) {
  const long steps = size_argument(argc, argv, 1200);
  const int w = 256, h = 256;
  std::vector<uint8_t> a(w * h), b(w * h);
  Rng rng;
  for (auto& c : a) c = rng.below(3) == 0;
  Checksum sum;
  for (long s = 0; s < steps; s++) {
    int alive = 0;
    for (int y = 0; y < h; y++) {
      const uint8_t* up = &a[size_t((y + h - 1) % h * w)];
      const uint8_t* mid = &a[size_t(y * w)];
      const uint8_t* down = &a[size_t((y + 1) % h * w)];
      for (int x = 0; x < w; x++) {
        int l = (x + w - 1) % w, r = (x + 1) % w;
        int n = up[l] + up[x] + up[r] + mid[l] + mid[r] + down[l] + down[x] + down[r];
        uint8_t c = n == 3 || (n == 2 && mid[x]);
        b[size_t(y * w + x)] = c;
        alive += c;
      }
    }
    a.swap(b);
    sum.add(uint64_t(alive));
  }
  return report("life", sum.hash);
}
