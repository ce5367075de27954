/* Self-modifying code with threads: one writes a new version of a function, publishes its number, and the
   others run fence.i (through __builtin___clear_cache) before they call it; versions alternate between slots,
   and finally one slot is rewritten while others keep running another function next to it on the same page.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "guest.h"

typedef uint64_t (*function)(uint64_t);
enum { versions = 150, readers = 3 };

static char* area;
static atomic_int published, acknowledged[readers], neighbour_stop;
static uint64_t results[readers];

static uint32_t addi(int imm) { return 0x13u | 10u << 7 | 10u << 15 | (uint32_t)imm << 20; }

static void* reader(void* arg) {
  long me = (long)arg;
  uint64_t sum = 0;
  for (int v = 1; v <= versions; v++) {
    while (atomic_load_explicit(&published, memory_order_acquire) < v) sched_yield();
    __builtin___clear_cache(area, area + 64);
    for (int k = 0; k < 50; k++) sum = ((function)area)(sum);
    atomic_store_explicit(&acknowledged[me], v, memory_order_release);
  }
  results[me] = sum;
  return NULL;
}

static void* neighbour(void* arg) {
  (void)arg;
  uint64_t sum = 0;
  long calls = 0;
  do {
    uint64_t r = ((function)(area + 2048))(5);
    if (r != 12) return (void*)1;
    sum += r;
    calls++;
    if (calls % 64 == 0) sched_yield();
  } while (!atomic_load(&neighbour_stop));
  return (void*)(sum == 12 * (uint64_t)calls ? 0L : 2L);
}

int main(void) {
  area = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uint32_t fixed[] = {addi(3), addi(4), 0x00008067};
  memcpy(area + 2048, fixed, sizeof fixed);
  __builtin___clear_cache(area, area + 4096);
  pthread_t t[readers], n;
  pthread_create(&n, NULL, neighbour, NULL);
  for (long i = 0; i < readers; i++) pthread_create(&t[i], NULL, reader, (void*)i);
  for (int v = 1; v <= versions; v++) {
    uint32_t code[] = {addi(v), addi(v % 7), 0x00008067};
    memcpy(area, code,
           v % 2 ? sizeof code : 4); /* even versions change one word only, the rest is the last version's */
    __builtin___clear_cache(area, area + 64);
    atomic_store_explicit(&published, v, memory_order_release);
    for (int i = 0; i < readers; i++)
      while (atomic_load_explicit(&acknowledged[i], memory_order_acquire) < v) sched_yield();
  }
  atomic_store(&neighbour_stop, 1);
  for (int i = 0; i < readers; i++) {
    pthread_join(t[i], NULL);
    printf("reader %d %" PRIu64 "\n", i, results[i]);
  }
  void* r;
  pthread_join(n, &r);
  printf("neighbour %s\n", r ? "failed" : "fine");
  return 0;
}
