// Standard containers and algorithms at work, with a checksum per part.
#include <algorithm>
#include <any>
#include <array>
#include <bitset>
#include <deque>
#include <forward_list>
#include <list>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <queue>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include "guest.h"

template <class C>
static void show(const char* name, const C& c) {
  uint64_t h = fnv_start();
  for (const auto& v : c) h = fnv_add(h, uint64_t(v));
  std::printf("%-14s %016" PRIx64 "\n", name, h);
}

int main() {
  std::mt19937_64 rng(12345);
  std::vector<int> v(2000);
  for (auto& x : v) x = int(rng() % 1000);
  show("mt19937", v);
  auto s = v;
  std::sort(s.begin(), s.end());
  show("sort", s);
  s = v;
  std::stable_sort(s.begin(), s.end(), [](int a, int b) { return a % 10 < b % 10; });
  show("stable", s);
  s = v;
  std::nth_element(s.begin(), s.begin() + 700, s.end());
  std::printf("nth %d\n", s[700]);
  std::make_heap(s.begin(), s.end());
  std::sort_heap(s.begin(), s.end());
  show("heap", s);
  std::list<int> list(v.begin(), v.end());
  list.sort();
  list.unique();
  list.reverse();
  show("list", list);
  std::forward_list<int> fl(v.begin(), v.end());
  fl.sort();
  show("forward", fl);
  std::deque<int> dq;
  for (int x : v) x & 1 ? dq.push_back(x) : dq.push_front(x);
  show("deque", dq);
  std::map<std::string, int> counts;
  std::unordered_map<int, std::string> names;
  for (int x : v) counts["k" + std::to_string(x % 50)]++, names[x] += char('a' + x % 26);
  uint64_t h = fnv_start();
  for (auto& [k, n] : counts) h = fnv_add(h, k.size() * 1000 + uint64_t(n));
  size_t total = 0;
  for (auto& [k, n] : names) total += n.size() * size_t(k);
  std::printf("maps %016" PRIx64 " %zu %zu\n", h, total, names.size());
  std::multiset<int> ms(v.begin(), v.end());
  show("multiset", ms);
  ms.erase(ms.lower_bound(100), ms.upper_bound(800));
  show("erased", ms);
  std::priority_queue<int, std::vector<int>, std::greater<>> pq(v.begin(), v.end());
  h = fnv_start();
  while (!pq.empty()) h = fnv_add(h, uint64_t(pq.top())), pq.pop();
  std::printf("priority %016" PRIx64 "\n", h);
  std::bitset<200> bits;
  for (int x : v) bits.flip(size_t(x % 200));
  std::printf("bitset %zu %s\n", bits.count(), bits.to_string().substr(0, 40).c_str());
  std::variant<int, double, std::string> var = 3;
  std::string seen;
  for (int i = 0; i < 3; i++) {
    seen += std::visit(
        [](auto& x) -> std::string {
          if constexpr (std::is_same_v<std::decay_t<decltype(x)>, std::string>)
            return x;
          else
            return std::to_string(x) + ",";
        },
        var);
    if (i == 0)
      var = 2.5;
    else
      var = std::string("text");
  }
  std::any any = 5;
  std::optional<int> none;
  std::printf("%s %d %d\n", seen.c_str(), std::any_cast<int>(any), none.value_or(-1));
  auto shared = std::make_shared<std::vector<int>>(v);
  std::weak_ptr<std::vector<int>> weak = shared;
  auto copy = shared;
  std::printf("shared %ld %d", shared.use_count(), weak.expired());
  shared.reset(), copy.reset();
  std::printf(" %d\n", weak.expired());
  std::printf("sum %ld product %.6g\n", std::accumulate(v.begin(), v.end(), 0L),
              std::inner_product(v.begin(), v.end(), s.begin(), 0.0));
  std::uniform_real_distribution<double> real(-1, 1);
  std::normal_distribution<double> normal(0, 1);
  double r = 0, n = 0;
  for (int i = 0; i < 1000; i++) r += real(rng), n += normal(rng);
  std::printf("distributions %.9f %.9f\n", r, n);
  std::vector<int> perm{1, 2, 3, 4, 5, 6};
  int permutations = 0;
  do permutations++;
  while (std::next_permutation(perm.begin(), perm.end()));
  std::printf("permutations %d\n", permutations);
  return 0;
}
