// An open-addressing hash table of strings to counters, hand written: hashing, probing, growing, comparing.
#include <cstring>
#include <string>
#include <vector>

#include "bench.hpp"

struct Slot {
  const char* key;
  uint32_t length, hash;
  uint64_t count;
};

struct Table {
  std::vector<Slot> slots = std::vector<Slot>(64);
  size_t used = 0;

  static uint32_t hash_of(const char* s, uint32_t n) {
    uint32_t h = 2166136261u;
    for (uint32_t i = 0; i < n; i++) h = (h ^ uint8_t(s[i])) * 16777619u;
    return h | 1;
  }
  uint64_t& at(const char* s, uint32_t n) {
    if (used * 4 > slots.size() * 3) grow();
    uint32_t h = hash_of(s, n);
    size_t mask = slots.size() - 1, i = h & mask;
    for (;; i = (i + 1) & mask) {
      Slot& slot = slots[i];
      if (!slot.hash) {
        slot = {s, n, h, 0};
        used++;
        return slot.count;
      }
      if (slot.hash == h && slot.length == n && !std::memcmp(slot.key, s, n)) return slot.count;
    }
  }
  void grow() {
    std::vector<Slot> old(slots.size() * 2);
    old.swap(slots);
    size_t mask = slots.size() - 1;
    for (const Slot& s : old)
      if (s.hash) {
        size_t i = s.hash & mask;
        while (slots[i].hash) i = (i + 1) & mask;
        slots[i] = s;
      }
  }
};

int main(int argc, char** argv) {
  const long rounds = size_argument(argc, argv, 30);
  Rng rng;
  std::string text;
  std::vector<uint32_t> starts;
  for (int i = 0; i < 200000; i++) {
    starts.push_back(uint32_t(text.size()));
    uint32_t v = rng.below(1 + rng.below(40000));
    do text += char('a' + v % 26);
    while (v /= 26);
    text += "_w";
  }
  starts.push_back(uint32_t(text.size()));
  Checksum sum;
  for (long r = 0; r < rounds; r++) {
    Table table;
    for (size_t i = 0; i + 1 < starts.size(); i++)
      table.at(text.data() + starts[i], starts[i + 1] - starts[i]) += i;
    sum.add(table.used);
    for (const Slot& s : table.slots) sum.hash += s.count * s.hash;
  }
  return report("hashtable", sum.hash);
}
