// Sieve of Eratosthenes over bytes, then a prime-gap histogram.
#include <vector>

#include "bench.hpp"

int main(int argc, char** argv) {
  const long rounds = size_argument(argc, argv, 100);
  const uint32_t limit = 1000000;
  Checksum sum;
  for (long r = 0; r < rounds; r++) {
    std::vector<uint8_t> composite(limit + uint32_t(r), 0);
    uint32_t n = uint32_t(composite.size());
    for (uint32_t i = 2; i * i < n; i++)
      if (!composite[i])
        for (uint32_t j = i * i; j < n; j += i) composite[j] = 1;
    uint32_t last = 2, gaps[128] = {};
    for (uint32_t i = 3; i < n; i++)
      if (!composite[i]) gaps[i - last]++, last = i;
    for (uint32_t g : gaps) sum.add(g);
  }
  return report("sieve", sum.hash);
}
