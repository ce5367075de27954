// Follows a random cycle through memory (latency), then walks and rotates a linked tree.
#include <vector>

#include "bench.hpp"

struct Node {
  uint32_t next, value;
  uint32_t pad[6];
};

int main(int argc, char** argv) {
  const long steps = size_argument(argc, argv, 5);
  const uint32_t n = 1 << 15;
  std::vector<Node> nodes(n);
  std::vector<uint32_t> order(n);
  Rng rng;
  for (uint32_t i = 0; i < n; i++) order[i] = i;
  for (uint32_t i = n - 1; i; i--) std::swap(order[i], order[rng.below(i + 1)]);
  for (uint32_t i = 0; i < n; i++) nodes[order[i]].next = order[(i + 1) % n];
  Checksum sum;
  uint32_t at = 0;
  for (long s = 0; s < steps; s++) {
    uint64_t total = 0;
    for (int i = 0; i < 4000000; i++) {
      Node& node = nodes[at];
      node.value += at;
      total += node.value;
      at = node.next;
    }
    sum.add(total);
  }
  return report("pointer_chase", sum.hash);
}
