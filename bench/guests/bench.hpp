// Shared by every benchmark guest: the size argument, a small deterministic generator, and the printed
// checksum. Guests are plain programs: they include nothing of Ashlar, and print the same line on every host.
#pragma once
#include <cinttypes>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

inline long size_argument(int argc, char** argv, long fallback) {
  return argc > 1 ? std::strtol(argv[1], nullptr, 10) : fallback;
}

// xorshift64*: the same sequence everywhere.
struct Rng {
  uint64_t state = 0x9E3779B97F4A7C15ull;
  uint64_t next() {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545F4914F6CDD1Dull;
  }
  uint32_t below(uint32_t n) { return static_cast<uint32_t>((next() >> 32) * n >> 32); }
  double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }
};

// FNV-1a over 64-bit words.
struct Checksum {
  uint64_t hash = 0xcbf29ce484222325ull;
  void add(uint64_t v) {
    hash ^= v;
    hash *= 0x100000001b3ull;
    hash ^= hash >> 29;
  }
};

inline int report(const char* name, uint64_t checksum) {
  std::printf("%s %016" PRIx64 "\n", name, checksum);
  return 0;
}

// Floating-point results are printed with few enough digits that fused and unfused arithmetic agree.
inline int report(const char* name, double value) {
  std::printf("%s %.7g\n", name, value);
  return 0;
}
