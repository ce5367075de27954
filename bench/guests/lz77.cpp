// An LZ77 packer with hash chains, and its unpacker, over text made of repeated phrases.
#include <cstring>
#include <string>
#include <vector>

#include "bench.hpp"

static std::vector<uint8_t> pack(const std::string& in) {
  std::vector<int> head(1 << 14, -1), chain(in.size(), -1);
  std::vector<uint8_t> out;
  size_t i = 0;
  auto hash = [&](size_t p) {
    uint32_t v = uint8_t(in[p]) | uint32_t(uint8_t(in[p + 1])) << 8 | uint32_t(uint8_t(in[p + 2])) << 16;
    return v * 2654435761u >> 18;
  };
  auto remember = [&](size_t p) {
    if (p + 3 > in.size()) return;
    uint32_t h = hash(p);
    chain[p] = head[h];
    head[h] = int(p);
  };
  while (i < in.size()) {
    size_t best = 0, from = 0;
    if (i + 3 <= in.size()) {
      int tries = 24;
      for (int c = head[hash(i)]; c >= 0 && tries-- && i - size_t(c) < 65536; c = chain[size_t(c)]) {
        size_t n = 0;
        while (n < 130 && i + n < in.size() && in[size_t(c) + n] == in[i + n]) n++;
        if (n > best) best = n, from = size_t(c);
      }
    }
    if (best >= 4) {
      out.push_back(uint8_t(0x80 | (best - 4)));
      out.push_back(uint8_t(i - from)), out.push_back(uint8_t((i - from) >> 8));
      for (size_t e = i + best; i < e; i++) remember(i);
    } else {
      out.push_back(uint8_t(in[i]));
      remember(i++);
    }
  }
  return out;
}

static std::string unpack(const std::vector<uint8_t>& in) {
  std::string out;
  for (size_t i = 0; i < in.size();) {
    if (in[i] & 0x80) {
      size_t n = size_t(in[i] & 0x7f) + 4, distance = size_t(in[i + 1]) | size_t(in[i + 2]) << 8;
      for (size_t from = out.size() - distance; n--; from++) out += out[from];
      i += 3;
    } else {
      out += char(in[i++]);
    }
  }
  return out;
}

int main(int argc, char** argv) {
  const long rounds = size_argument(argc, argv, 25);
  Rng rng;
  std::vector<std::string> words;
  for (int i = 0; i < 800; i++) {
    std::string w;
    for (uint32_t n = 2 + rng.below(8); n--;) w += char('a' + rng.below(26));
    words.push_back(w);
  }
  Checksum sum;
  for (long r = 0; r < rounds; r++) {
    std::string text;
    while (text.size() < 250000) text += words[rng.below(1 + rng.below(800))] + ' ';
    auto packed = pack(text);
    if (unpack(packed) != text) return 1;
    sum.add(packed.size());
  }
  return report("lz77", sum.hash);
}
