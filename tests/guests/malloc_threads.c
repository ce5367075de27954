/* malloc under stress: many sizes, from several threads, freed by other threads; large blocks, realloc,
 * alignment. */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>

#include "guest.h"

enum { threads = 4, slots = 256, rounds = 6000 };
static _Atomic(unsigned char*) shared[slots];

static void* work(void* arg) {
  uint64_t x = (uint64_t)(uintptr_t)arg * 7919 + 1, bad = 0;
  for (int i = 0; i < rounds; i++) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    size_t size = 8 + (x >> 40) % (i % 50 == 0 ? 300000 : 600);
    unsigned char* p = malloc(size);
    memset(p, (int)(size & 255), size < 512 ? size : 512);
    *(uint32_t*)p = (uint32_t)size;
    unsigned char* old =
        __atomic_exchange_n((unsigned char**)&shared[(x >> 20) % slots], p, __ATOMIC_ACQ_REL);
    if (old) {
      size_t n = *(uint32_t*)old;
      for (size_t k = 4; k < n && k < 512; k++) bad += old[k] != (n & 255);
      free(old);
    }
  }
  return (void*)(uintptr_t)bad;
}

int main(void) {
  pthread_t t[threads];
  for (long i = 0; i < threads; i++) pthread_create(&t[i], NULL, work, (void*)(i + 1));
  uint64_t bad = 0;
  for (int i = 0; i < threads; i++) {
    void* r;
    pthread_join(t[i], &r);
    bad += (uint64_t)r;
  }
  for (int i = 0; i < slots; i++) free(shared[i]);
  printf("corrupted bytes %" PRIu64 "\n", bad);
  char* p = malloc(10);
  memcpy(p, "123456789", 10);
  for (size_t n = 20; n < 40000000; n *= 3) p = realloc(p, n), p[n - 1] = 1;
  printf("realloc kept %s\n", p);
  free(p);
  int aligned = 1;
  for (size_t a = 16; a <= 65536; a *= 2) {
    void* q = aligned_alloc(a, a * 2);
    aligned &= ((uintptr_t)q % a) == 0;
    memset(q, 1, a * 2);
    free(q);
  }
  printf("aligned %d\n", aligned);
  long* zero = calloc(100000, sizeof(long));
  long sum = 0;
  for (int i = 0; i < 100000; i++) sum += zero[i];
  free(zero);
  printf("calloc %ld\n", sum);
  printf("too large %s\n", malloc((size_t)1 << 60) ? "given" : "refused");
  malloc_trim(0);
  return 0;
}
