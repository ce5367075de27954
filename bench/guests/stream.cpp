// Memory streams: copy, add, memset, memmove and strided sums over buffers larger than the caches near the
// core.
#include <cstring>
#include <vector>

#include "bench.hpp"

int main(int argc, char** argv) {
  const long rounds = size_argument(argc, argv, 220);
  const size_t n = 1 << 18;
  std::vector<uint64_t> a(n), b(n), c(n);
  for (size_t i = 0; i < n; i++) a[i] = i * 3, b[i] = i ^ 0x55;
  Checksum sum;
  for (long r = 0; r < rounds; r++) {
    for (size_t i = 0; i < n; i++) c[i] = a[i];
    for (size_t i = 0; i < n; i++) b[i] = c[i] + 3 * b[i];
    for (size_t i = 0; i < n; i++) a[i] = b[i] - (c[i] >> 1);
    std::memmove(c.data() + 1, c.data(), (n - 1) * sizeof c[0]);
    std::memset(c.data(), int(r), n / 4);
    auto* bytes = reinterpret_cast<const uint8_t*>(a.data());
    uint64_t total = 0;
    for (size_t i = 0; i < n * 8; i += 5) total += bytes[i];
    for (size_t i = 0; i < n; i += 8) total += c[i] + b[i];
    sum.add(total);
  }
  return report("stream", sum.hash);
}
