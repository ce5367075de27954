// Huffman coding: count, build the tree with a heap, encode to bits, decode bit by bit, compare.
#include <queue>
#include <vector>

#include "bench.hpp"

struct Node {
  uint32_t weight;
  int left, right, symbol;
};

static std::vector<Node> nodes;
static uint32_t code[256];
static int length[256];

static void assign(int n, uint32_t bits, int depth) {
  if (nodes[size_t(n)].symbol >= 0) {
    code[nodes[size_t(n)].symbol] = bits;
    length[nodes[size_t(n)].symbol] = depth;
    return;
  }
  assign(nodes[size_t(n)].left, bits << 1, depth + 1);
  assign(nodes[size_t(n)].right, bits << 1 | 1, depth + 1);
}

int main(int argc, char** argv) {
  const long rounds = size_argument(argc, argv, 30);
  Rng rng;
  std::vector<uint8_t> data(300000), back(300000);
  for (auto& b : data) b = uint8_t(rng.below(1 + rng.below(1 + rng.below(96))));
  Checksum sum;
  for (long r = 0; r < rounds; r++) {
    uint32_t freq[256] = {};
    for (uint8_t b : data) freq[b]++;
    nodes.clear();
    auto heavier = [](int a, int b) {
      const Node &x = nodes[size_t(a)], &y = nodes[size_t(b)];
      return x.weight != y.weight ? x.weight > y.weight : a > b;
    };
    std::priority_queue<int, std::vector<int>, decltype(heavier)> heap(heavier);
    for (int s = 0; s < 256; s++)
      if (freq[s]) {
        nodes.push_back({freq[s], -1, -1, s});
        heap.push(int(nodes.size()) - 1);
      }
    while (heap.size() > 1) {
      int a = heap.top();
      heap.pop();
      int b = heap.top();
      heap.pop();
      nodes.push_back({nodes[size_t(a)].weight + nodes[size_t(b)].weight, a, b, -1});
      heap.push(int(nodes.size()) - 1);
    }
    int root = heap.top();
    assign(root, 0, 0);
    std::vector<uint8_t> bits;
    uint64_t acc = 0;
    int have = 0;
    for (uint8_t b : data) {
      acc = acc << length[b] | code[b];
      have += length[b];
      while (have >= 8) bits.push_back(uint8_t(acc >> (have -= 8)));
    }
    bits.push_back(uint8_t(acc << (8 - have)));
    size_t pos = 0;
    for (auto& out : back) {
      int n = root;
      while (nodes[size_t(n)].symbol < 0) {
        bool bit = bits[pos >> 3] >> (7 - (pos & 7)) & 1;
        n = bit ? nodes[size_t(n)].right : nodes[size_t(n)].left;
        pos++;
      }
      out = uint8_t(nodes[size_t(n)].symbol);
    }
    if (back != data) return 1;
    sum.add(bits.size());
    data[rng.below(300000)] ^= 1;
  }
  return report("huffman", sum.hash);
}
