// Base64 encode, decode and verify; then UTF-8 decode, upper-case and re-encode of mixed text.
#include <string>
#include <vector>

#include "bench.hpp"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static std::string encode(const std::vector<uint8_t>& in) {
  std::string out;
  out.reserve(in.size() / 3 * 4);
  for (size_t i = 0; i + 2 < in.size(); i += 3) {
    uint32_t v = uint32_t(in[i]) << 16 | uint32_t(in[i + 1]) << 8 | in[i + 2];
    for (int s = 18; s >= 0; s -= 6) out += digits[v >> s & 63];
  }
  return out;
}

static std::vector<uint8_t> decode(const std::string& in, const int8_t* value) {
  std::vector<uint8_t> out;
  out.reserve(in.size() / 4 * 3);
  for (size_t i = 0; i + 3 < in.size(); i += 4) {
    uint32_t v = 0;
    for (int k = 0; k < 4; k++) v = v << 6 | uint32_t(value[uint8_t(in[i + size_t(k)])]);
    out.push_back(uint8_t(v >> 16)), out.push_back(uint8_t(v >> 8)), out.push_back(uint8_t(v));
  }
  return out;
}

static void append(std::string& s, uint32_t c) {
  if (c < 0x80) {
    s += char(c);
  } else if (c < 0x800) {
    s += char(0xc0 | c >> 6), s += char(0x80 | (c & 63));
  } else if (c < 0x10000) {
    s += char(0xe0 | c >> 12), s += char(0x80 | (c >> 6 & 63)), s += char(0x80 | (c & 63));
  } else {
    s += char(0xf0 | c >> 18), s += char(0x80 | (c >> 12 & 63)), s += char(0x80 | (c >> 6 & 63));
    s += char(0x80 | (c & 63));
  }
}

static uint32_t next_char(const uint8_t*& p) {
  uint32_t c = *p++;
  if (c < 0x80) return c;
  int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
  c &= 0x3fu >> more;
  while (more--) c = c << 6 | (*p++ & 63u);
  return c;
}

int main(int argc, char** argv) {
  const long rounds = size_argument(argc, argv, 80);
  int8_t value[256] = {};
  for (int i = 0; i < 64; i++) value[uint8_t(digits[i])] = int8_t(i);
  Rng rng;
  std::vector<uint8_t> data(300000);
  for (auto& b : data) b = uint8_t(rng.next() >> 56);
  std::string text;
  for (int i = 0; i < 60000; i++) {
    uint32_t kind = rng.below(10);
    append(text, kind < 6   ? 'a' + rng.below(26)
                 : kind < 8 ? 0xe0 + rng.below(0x20)
                 : kind < 9 ? 0x430 + rng.below(32)
                            : 0x1f600 + rng.below(64));
  }
  Checksum sum;
  for (long r = 0; r < rounds; r++) {
    std::string coded = encode(data);
    data = decode(coded, value);
    sum.add(uint8_t(coded[size_t(r) * 31 % coded.size()]));
    data[size_t(r) % data.size()] ^= 0x55;
    std::string upper;
    const auto* p = reinterpret_cast<const uint8_t*>(text.data());
    const auto* end = p + text.size();
    while (p < end) {
      uint32_t c = next_char(p);
      if ((c >= 'a' && c <= 'z') || (c >= 0xe0 && c < 0xff && c != 0xf7) || (c >= 0x430 && c < 0x450))
        c -= 32;
      append(upper, c);
      sum.hash += c;
    }
    sum.add(upper.size());
  }
  return report("base64", sum.hash);
}
