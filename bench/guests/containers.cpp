// The C++ library's containers as programs use them: map, unordered_map, vector, string, set, deque, sort,
// stringstream.
#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>

#include "bench.hpp"

int main(int argc, char** argv) {
  const long rounds = size_argument(argc, argv, 10);
  Rng rng;
  Checksum sum;
  for (long r = 0; r < rounds; r++) {
    std::map<uint32_t, uint32_t> tree;
    std::unordered_map<std::string, int> words;
    std::vector<std::string> list;
    for (int i = 0; i < 30000; i++) {
      uint32_t v = rng.below(20000);
      tree[v] += uint32_t(i);
      std::string s = "item" + std::to_string(v);
      words[s]++;
      list.push_back(std::move(s));
    }
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
    for (const auto& [k, v] : tree) sum.add(uint64_t(k) << 32 | v);
    for (const auto& s : list) sum.add(uint64_t(words[s]));
    std::set<int> live;
    std::deque<int> order;
    for (int i = 0; i < 20000; i++) {
      int v = int(rng.below(5000));
      if (live.insert(v).second) order.push_back(v);
      if (order.size() > 1000) {
        live.erase(order.front());
        order.pop_front();
      }
    }
    sum.add(live.size());
    std::ostringstream out;
    for (int v : order) out << v << ' ' << double(v) / 4 << '\n';
    for (char c : out.str()) sum.add(uint8_t(c));
  }
  return report("containers", sum.hash);
}
