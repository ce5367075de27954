// A hand-written quicksort of 32-bit keys, and libc's qsort with a comparison callback.
#include <vector>

#include "bench.hpp"

static void quick(int32_t* a, long lo, long hi) {
  while (lo < hi) {
    int32_t p = a[(lo + hi) / 2];
    long i = lo, j = hi;
    while (i <= j) {
      while (a[i] < p) i++;
      while (a[j] > p) j--;
      if (i <= j) {
        int32_t t = a[i];
        a[i++] = a[j];
        a[j--] = t;
      }
    }
    if (j - lo < hi - i) {
      quick(a, lo, j);
      lo = i;
    } else {
      quick(a, i, hi);
      hi = j;
    }
  }
}

static int compare(const void* x, const void* y) {
  int32_t a = *static_cast<const int32_t*>(x), b = *static_cast<const int32_t*>(y);
  return (a > b) - (a < b);
}

int main(int argc, char** argv) {
  const long rounds = size_argument(argc, argv, 12);
  Rng rng;
  Checksum sum;
  std::vector<int32_t> a(200000), b;
  for (long r = 0; r < rounds; r++) {
    for (auto& v : a) v = int32_t(rng.next() >> 33);
    b.assign(a.begin(), a.begin() + 50000);
    quick(a.data(), 0, long(a.size()) - 1);
    std::qsort(b.data(), b.size(), sizeof b[0], compare);
    for (size_t i = 0; i < a.size(); i += 1000) sum.add(uint64_t(a[i]));
    for (size_t i = 0; i < b.size(); i += 1000) sum.add(uint64_t(b[i]));
  }
  return report("quicksort", sum.hash);
}
