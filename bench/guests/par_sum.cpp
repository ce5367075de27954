// Two threads hash disjoint parts of an array and add their results under a mutex, round after round.
#include <mutex>
#include <thread>
#include <vector>

#include "bench.hpp"

int main(int argc, char** argv) {
  const long rounds = size_argument(argc, argv, 220);
  std::vector<uint32_t> data(1 << 19);
  Rng rng;
  for (auto& v : data) v = uint32_t(rng.next() >> 32);
  std::mutex mutex;
  uint64_t total = 0;
  auto work = [&](size_t from, size_t to) {
    for (long r = 0; r < rounds; r++) {
      uint64_t local = uint64_t(r);
      for (size_t i = from; i < to; i++) local = (local ^ data[i]) * 0x9E3779B97F4A7C15ull + (local >> 31);
      std::lock_guard lock(mutex);
      total += local;
    }
  };
  std::thread other(work, data.size() / 2, data.size());
  work(0, data.size() / 2);
  other.join();
  return report("par_sum", total);
}
