// Two threads take work items from an atomic counter and publish results with fetch_add and compare-exchange.
#include <atomic>
#include <thread>

#include "bench.hpp"

static std::atomic<uint64_t> next_item, total, maximum;
static std::atomic<uint32_t> histogram[64];

static uint64_t collatz(uint64_t n) {
  uint64_t steps = 0;
  for (; n != 1; steps++) n = n & 1 ? 3 * n + 1 : n / 2;
  return steps;
}

int main(int argc, char** argv) {
  const uint64_t items = uint64_t(size_argument(argc, argv, 1200000));
  auto work = [items] {
    for (;;) {
      uint64_t i = next_item.fetch_add(1, std::memory_order_relaxed);
      if (i >= items) break;
      uint64_t steps = collatz(i + 1);
      total.fetch_add(steps);
      histogram[steps & 63].fetch_add(1, std::memory_order_relaxed);
      uint64_t candidate = steps << 32 | (0xffffffffu - i), seen = maximum.load();
      while (candidate > seen && !maximum.compare_exchange_weak(seen, candidate)) {
      }
    }
  };
  std::thread other(work);
  work();
  other.join();
  Checksum sum;
  sum.add(total), sum.add(maximum);
  for (auto& h : histogram) sum.add(h);
  return report("par_atomics", sum.hash);
}
