// CRC-32 over a buffer: one table look-up per byte, and a slice-by-four pass.
#include <vector>

#include "bench.hpp"

static uint32_t table[4][256];

static void fill_table() {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t c = i;
    for (int k = 0; k < 8; k++) c = (c & 1) ? 0xEDB88320u ^ (c >> 1) : c >> 1;
    table[0][i] = c;
  }
  for (int s = 1; s < 4; s++)
    for (int i = 0; i < 256; i++) table[s][i] = (table[s - 1][i] >> 8) ^ table[0][table[s - 1][i] & 255];
}

static uint32_t by_byte(uint32_t crc, const uint8_t* p, size_t n) {
  crc = ~crc;
  while (n--) crc = table[0][(crc ^ *p++) & 255] ^ (crc >> 8);
  return ~crc;
}

static uint32_t by_word(uint32_t crc, const uint8_t* p, size_t n) {
  crc = ~crc;
  for (; n >= 4; n -= 4, p += 4) {
    crc ^= uint32_t(p[0]) | uint32_t(p[1]) << 8 | uint32_t(p[2]) << 16 | uint32_t(p[3]) << 24;
    crc =
        table[3][crc & 255] ^ table[2][(crc >> 8) & 255] ^ table[1][(crc >> 16) & 255] ^ table[0][crc >> 24];
  }
  while (n--) crc = table[0][(crc ^ *p++) & 255] ^ (crc >> 8);
  return ~crc;
}

int main(int argc, char** argv) {
  const long rounds = size_argument(argc, argv, 300);
  fill_table();
  std::vector<uint8_t> data(256 * 1024);
  Rng rng;
  for (auto& b : data) b = uint8_t(rng.next());
  Checksum sum;
  uint32_t crc = 0;
  for (long r = 0; r < rounds; r++) {
    crc = by_byte(crc, data.data(), data.size());
    uint32_t other = by_word(crc, data.data(), data.size());
    sum.add(uint64_t(crc) << 32 | other);
    data[size_t(r) % data.size()] ^= uint8_t(crc);
  }
  return report("crc32", sum.hash);
}
