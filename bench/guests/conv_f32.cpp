// Single-precision image convolution, pooling and a dense layer, as a small neural network runs them.
#include <vector>

#include "bench.hpp"

int main(int argc, char** argv) {
  const long rounds = size_argument(argc, argv, 340);
  const int n = 64, channels = 8;
  std::vector<float> image(size_t(n * n)), out(size_t(n * n * channels)), kernel(size_t(25 * channels)),
      dense(1024 * 10);
  Rng rng;
  for (auto& v : image) v = float(rng.unit());
  for (auto& v : kernel) v = float(rng.unit() - 0.5);
  for (auto& v : dense) v = float(rng.unit() - 0.5);
  double total = 0;
  for (long r = 0; r < rounds; r++) {
    for (int c = 0; c < channels; c++)
      for (int y = 2; y < n - 2; y++)
        for (int x = 2; x < n - 2; x++) {
          float s = 0;
          for (int ky = 0; ky < 5; ky++)
            for (int kx = 0; kx < 5; kx++)
              s += image[size_t((y + ky - 2) * n + x + kx - 2)] * kernel[size_t(c * 25 + ky * 5 + kx)];
          out[size_t((c * n + y) * n + x)] = s > 0 ? s : 0.01f * s;
        }
    float pooled[1024];
    for (int i = 0; i < 1024; i++) {
      float best = -1e9f;
      for (int k = 0; k < 32; k++) best = out[size_t(i * 32 + k)] > best ? out[size_t(i * 32 + k)] : best;
      pooled[i] = best;
    }
    for (int o = 0; o < 10; o++) {
      float s = 0;
      for (int i = 0; i < 1024; i++) s += pooled[i] * dense[size_t(o * 1024 + i)];
      total += double(s);
    }
    image[size_t(r) % image.size()] *= 0.5f;
  }
  std::printf("conv_f32 %.4g\n", total);
  return 0;
}
