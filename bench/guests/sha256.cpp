// SHA-256 of a buffer, block by block: rotates, adds and 32-bit wrap-around.
#include <cstring>
#include <vector>

#include "bench.hpp"

static uint32_t k[64];

// The round constants are the fractional bits of the cube roots of the first 64 primes, found by integer
// search.
static void fill_constants() {
  int found = 0;
  for (uint32_t p = 2; found < 64; p++) {
    bool prime = true;
    for (uint32_t d = 2; d * d <= p; d++)
      if (p % d == 0) prime = false;
    if (!prime) continue;
    unsigned __int128 target = (unsigned __int128)p << 96;  // (root * 2^32)^3
    uint64_t root = 0;
    for (int bit = 36; bit >= 0; bit--) {
      uint64_t t = root | 1ull << bit;
      if ((unsigned __int128)t * t * t <= target && t < (1ull << 36)) root = t;
    }
    k[found++] = uint32_t(root);
  }
}

static inline uint32_t rotr(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void compress(uint32_t h[8], const uint8_t* p) {
  uint32_t w[64];
  for (int i = 0; i < 16; i++)
    w[i] =
        uint32_t(p[4 * i]) << 24 | uint32_t(p[4 * i + 1]) << 16 | uint32_t(p[4 * i + 2]) << 8 | p[4 * i + 3];
  for (int i = 16; i < 64; i++) {
    uint32_t s0 = rotr(w[i - 15], 7) ^ rotr(w[i - 15], 18) ^ w[i - 15] >> 3;
    uint32_t s1 = rotr(w[i - 2], 17) ^ rotr(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], hh = h[7];
  for (int i = 0; i < 64; i++) {
    uint32_t t1 = hh + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ((e & f) ^ (~e & g)) + k[i] + w[i];
    uint32_t t2 = (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    hh = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e, h[5] += f, h[6] += g, h[7] += hh;
}

int main(int argc, char** argv) {
  const long blocks = size_argument(argc, argv, 1000000);
  fill_constants();
  uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  uint8_t block[64];
  for (int i = 0; i < 64; i++) block[i] = uint8_t(i * 7);
  for (long i = 0; i < blocks; i++) {
    compress(h, block);
    std::memcpy(block, h, 32);
  }
  Checksum sum;
  for (uint32_t v : h) sum.add(v);
  return report("sha256", sum.hash);
}
