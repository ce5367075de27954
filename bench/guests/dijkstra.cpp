// Dijkstra's shortest paths on a random graph with a binary heap, and breadth-first search on a grid.
#include <queue>
#include <vector>

#include "bench.hpp"

struct Edge {
  uint32_t to, cost;
};

int main(int argc, char** argv) {
  const long rounds = size_argument(argc, argv, 24);
  const uint32_t n = 20000;
  Rng rng;
  std::vector<std::vector<Edge>> graph(n);
  for (uint32_t i = 0; i < n; i++)
    for (int k = 0; k < 6; k++) graph[i].push_back({rng.below(n), 1 + rng.below(100)});
  std::vector<uint8_t> wall(300 * 300);
  for (auto& c : wall) c = rng.below(4) == 0;
  Checksum sum;
  for (long r = 0; r < rounds; r++) {
    std::vector<uint32_t> distance(n, ~0u);
    using Item = std::pair<uint32_t, uint32_t>;
    std::priority_queue<Item, std::vector<Item>, std::greater<Item>> heap;
    uint32_t start = rng.below(n);
    distance[start] = 0;
    heap.push({0, start});
    while (!heap.empty()) {
      auto [d, v] = heap.top();
      heap.pop();
      if (d != distance[v]) continue;
      for (const Edge& e : graph[v])
        if (d + e.cost < distance[e.to]) {
          distance[e.to] = d + e.cost;
          heap.push({d + e.cost, e.to});
        }
    }
    for (uint32_t i = 0; i < n; i += 100) sum.add(distance[i]);
    std::vector<int> step(300 * 300, -1);
    std::queue<int> queue;
    queue.push(int(rng.below(300 * 300)));
    step[size_t(queue.front())] = 0;
    int seen = 0;
    while (!queue.empty()) {
      int p = queue.front();
      queue.pop();
      seen++;
      int x = p % 300, y = p / 300;
      const int dx[] = {1, -1, 0, 0}, dy[] = {0, 0, 1, -1};
      for (int k = 0; k < 4; k++) {
        int nx = x + dx[k], ny = y + dy[k], q = ny * 300 + nx;
        if (nx < 0 || ny < 0 || nx >= 300 || ny >= 300 || wall[size_t(q)] || step[size_t(q)] >= 0) continue;
        step[size_t(q)] = step[size_t(p)] + 1;
        queue.push(q);
      }
    }
    sum.add(uint64_t(seen));
  }
  return report("dijkstra", sum.hash);
}
