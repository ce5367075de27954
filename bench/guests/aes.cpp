// AES-128 encryption with one 256-entry table of 32-bit words, in counter-like chaining.
#include "bench.hpp"

static uint8_t sbox[256];
static uint32_t te[256];

static uint8_t xtime(uint8_t x) { return uint8_t(x << 1 ^ (x & 0x80 ? 0x1b : 0)); }
static uint8_t mul(uint8_t a, uint8_t b) {
  uint8_t r = 0;
  for (; b; b >>= 1, a = xtime(a))
    if (b & 1) r ^= a;
  return r;
}
static uint32_t rotl(uint32_t x, int n) { return x << n | x >> (32 - n); }

static void fill_tables() {
  for (int i = 0; i < 256; i++) {
    uint8_t inv = 0;
    for (int j = 1; j < 256 && i; j++)
      if (mul(uint8_t(i), uint8_t(j)) == 1) inv = uint8_t(j);
    uint8_t s = 0x63;
    for (int r = 0; r < 5; r++) s ^= uint8_t(inv << r | inv >> (8 - r));
    sbox[i] = s;
    te[i] = uint32_t(xtime(s)) | uint32_t(s) << 8 | uint32_t(s) << 16 | uint32_t(uint8_t(xtime(s) ^ s)) << 24;
  }
}

int main(int argc, char** argv) {
  const long blocks = size_argument(argc, argv, 2500000);
  fill_tables();
  uint32_t rk[44] = {0x16157e2b, 0xa6d2ae28, 0x8815f7ab, 0x3c4fcf09};
  uint8_t rcon = 1;
  for (int i = 4; i < 44; i++) {
    uint32_t t = rk[i - 1];
    if (i % 4 == 0) {
      t = rotl(t, 24);
      t = uint32_t(sbox[t & 255]) | uint32_t(sbox[t >> 8 & 255]) << 8 | uint32_t(sbox[t >> 16 & 255]) << 16 |
          uint32_t(sbox[t >> 24]) << 24;
      t ^= rcon;
      rcon = xtime(rcon);
    }
    rk[i] = rk[i - 4] ^ t;
  }
  uint32_t s[4] = {1, 2, 3, 4};
  for (long b = 0; b < blocks; b++) {
    for (int i = 0; i < 4; i++) s[i] ^= rk[i];
    for (int round = 1; round < 10; round++) {
      uint32_t t[4];
      for (int i = 0; i < 4; i++)
        t[i] = te[s[i] & 255] ^ rotl(te[s[(i + 1) & 3] >> 8 & 255], 8) ^
               rotl(te[s[(i + 2) & 3] >> 16 & 255], 16) ^ rotl(te[s[(i + 3) & 3] >> 24], 24) ^
               rk[round * 4 + i];
      for (int i = 0; i < 4; i++) s[i] = t[i];
    }
    uint32_t t[4];
    for (int i = 0; i < 4; i++)
      t[i] = (uint32_t(sbox[s[i] & 255]) | uint32_t(sbox[s[(i + 1) & 3] >> 8 & 255]) << 8 |
              uint32_t(sbox[s[(i + 2) & 3] >> 16 & 255]) << 16 | uint32_t(sbox[s[(i + 3) & 3] >> 24]) << 24) ^
             rk[40 + i];
    for (int i = 0; i < 4; i++) s[i] = t[i];
  }
  Checksum sum;
  for (uint32_t v : s) sum.add(v);
  return report("aes", sum.hash);
}
