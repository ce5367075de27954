/* Depth: 100,000 frames, big frames, alloca, variable-length arrays, mutual recursion through pointers, many
 * arguments. */
#define _GNU_SOURCE
#include <alloca.h>
#include <pthread.h>

#include "guest.h"

__attribute__((noinline)) static uint64_t down(int n, uint64_t x) {
  if (n == 0) return x;
  uint64_t r = down(n - 1, x * 31 + (uint64_t)n);
  return r ^ (uint64_t)n;
}
typedef uint64_t (*step)(int, uint64_t, const void*);
static uint64_t even(int n, uint64_t x, const void* other) {
  return n == 0 ? x : ((step)other)(n - 1, x + 1, (void*)even) + 1;
}
static uint64_t odd(int n, uint64_t x, const void* other) {
  return n == 0 ? x : ((step)other)(n - 1, x * 3, (void*)odd) ^ 5;
}

__attribute__((noinline)) static int big_frame(int n) {
  char room[50000];
  memset(room, n, sizeof room);
  if (n > 0) room[n * 100] = (char)big_frame(n - 1);
  int sum = 0;
  for (unsigned i = 0; i < sizeof room; i += 1000) sum += room[i];
  return sum & 127;
}
__attribute__((noinline)) static uint64_t with_alloca(int n) {
  unsigned char* p = alloca((size_t)(n * 37 + 1));
  int vla[n + 1];
  for (int i = 0; i <= n; i++) vla[i] = i * n;
  memset(p, n, (size_t)(n * 37 + 1));
  uint64_t below = n ? with_alloca(n - 1) : 0;
  return below + p[n * 37] + (uint64_t)vla[n / 2];
}
__attribute__((noinline)) static double many(int a, double b, long c, float d, char e, double f, short g,
                                             double h, long i, long j, double k, long l, double m, double n,
                                             double o, double p, double q, int r) {
  return a + b + (double)c + (double)d + e + f + g + h + (double)i + (double)j + k + (double)l + m + n + o +
         p + q * r;
}
struct big {
  long v[9];
};
__attribute__((noinline)) static struct big by_value(struct big b, int n) {
  b.v[n % 9] += n;
  return n ? by_value(b, n - 1) : b;
}

static void* in_thread(void* arg) {
  printf("in a thread %016" PRIx64 "\n", down(20000, (uint64_t)(long)arg));
  return NULL;
}

int main(void) {
  printf("down %016" PRIx64 "\n", down(100000, 7));
  printf("down again %016" PRIx64 "\n", down(99999, 8));
  printf("mutual %" PRIu64 "\n", even(50000, 1, (void*)odd));
  printf("big %d\n", big_frame(120));
  printf("alloca %" PRIu64 "\n", with_alloca(300));
  printf("many %g\n", many(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18));
  struct big b = by_value((struct big){{1, 2, 3, 4, 5, 6, 7, 8, 9}}, 2000);
  printf("by value %ld %ld %ld\n", b.v[0], b.v[4], b.v[8]);
  pthread_t t;
  pthread_attr_t a;
  pthread_attr_init(&a);
  pthread_attr_setstacksize(&a, 4 << 20);
  pthread_create(&t, &a, in_thread, (void*)3L);
  pthread_join(t, NULL);
  return 0;
}
