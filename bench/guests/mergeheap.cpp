// Merge sort and heap sort over 64-bit records with a key and a payload.
#include <vector>

#include "bench.hpp"

struct Record {
  uint32_t key, payload;
};

static void merge_sort(Record* a, Record* tmp, size_t n) {
  if (n < 8) {
    for (size_t i = 1; i < n; i++) {
      Record r = a[i];
      size_t j = i;
      for (; j && a[j - 1].key > r.key; j--) a[j] = a[j - 1];
      a[j] = r;
    }
    return;
  }
  size_t half = n / 2;
  merge_sort(a, tmp, half);
  merge_sort(a + half, tmp, n - half);
  for (size_t i = 0; i < half; i++) tmp[i] = a[i];
  size_t i = 0, j = half, k = 0;
  while (i < half && j < n) a[k++] = a[j].key < tmp[i].key ? a[j++] : tmp[i++];
  while (i < half) a[k++] = tmp[i++];
}

static void sift(Record* a, size_t i, size_t n) {
  Record r = a[i];
  for (;;) {
    size_t c = 2 * i + 1;
    if (c >= n) break;
    if (c + 1 < n && a[c + 1].key > a[c].key) c++;
    if (a[c].key <= r.key) break;
    a[i] = a[c];
    i = c;
  }
  a[i] = r;
}

static void heap_sort(Record* a, size_t n) {
  for (size_t i = n / 2; i--;) sift(a, i, n);
  for (size_t i = n; --i;) {
    Record r = a[0];
    a[0] = a[i];
    a[i] = r;
    sift(a, 0, i);
  }
}

int main(int argc, char** argv) {
  const long rounds = size_argument(argc, argv, 10);
  const size_t n = 150000;
  Rng rng;
  Checksum sum;
  std::vector<Record> a(n), b(n), tmp(n);
  for (long r = 0; r < rounds; r++) {
    for (size_t i = 0; i < n; i++) a[i] = {uint32_t(rng.next() >> 32), uint32_t(i)};
    b = a;
    merge_sort(a.data(), tmp.data(), n);
    heap_sort(b.data(), n);
    for (size_t i = 0; i < n; i += 500) sum.add(a[i].payload), sum.add(b[i].key);
  }
  return report("mergeheap", sum.hash);
}
