/* Threads on the same cells: AMOs of every kind and LR/SC loops in assembly; totals must be exact. */
#define _GNU_SOURCE
#include <pthread.h>

#include "guest.h"

enum { threads = 4, rounds = 20000 };

static struct {
  int64_t add64 __attribute__((aligned(64)));
  int32_t add32 __attribute__((aligned(64)));
  int64_t lrsc64 __attribute__((aligned(64)));
  int32_t lrsc32[2] __attribute__((aligned(64)));
  uint64_t xored __attribute__((aligned(64)));
  int64_t largest __attribute__((aligned(64)));
  uint32_t smallest __attribute__((aligned(64)));
  uint64_t set __attribute__((aligned(64)));
  uint64_t swapped __attribute__((aligned(64)));
  uint8_t bytes[8] __attribute__((aligned(64)));
} cells;
static uint64_t swapped_out[threads];

static void* hammer(void* arg) {
  long me = (long)arg;
  uint64_t taken = 0;
  for (long i = 0; i < rounds; i++) {
    long t;
    uint64_t mask = 0x9E3779B97F4A7C15ull * (uint64_t)(i * threads + me + 1);
    __asm__ volatile("amoadd.d x0, %0, (%1)" ::"r"(me + 1), "r"(&cells.add64) : "memory");
    __asm__ volatile("amoadd.w.aqrl x0, %0, (%1)" ::"r"(-1L), "r"(&cells.add32) : "memory");
    __asm__ volatile("amoxor.d x0, %0, (%1)" ::"r"(mask), "r"(&cells.xored) : "memory");
    __asm__ volatile("amomax.d x0, %0, (%1)" ::"r"(i * threads + me), "r"(&cells.largest) : "memory");
    __asm__ volatile("amominu.w x0, %0, (%1)" ::"r"(0xffffffff - (i * threads + me)), "r"(&cells.smallest)
                     : "memory");
    __asm__ volatile("amoor.d x0, %0, (%1)" ::"r"(1ul << (i & 63)), "r"(&cells.set) : "memory");
    uint64_t token = (uint64_t)(i * threads + me + 1), out;
    __asm__ volatile("amoswap.d.aqrl %0, %1, (%2)" : "=&r"(out) : "r"(token), "r"(&cells.swapped) : "memory");
    taken += out;
    __asm__ volatile("1:\tlr.d.aq %0, (%1)\n\taddi %0, %0, 3\n\tsc.d.rl %0, %0, (%1)\n\tbnez %0, 1b"
                     : "=&r"(t)
                     : "r"(&cells.lrsc64)
                     : "memory");
    __asm__ volatile("1:\tlr.w %0, (%1)\n\taddi %0, %0, 1\n\tsc.w %0, %0, (%1)\n\tbnez %0, 1b"
                     : "=&r"(t)
                     : "r"(&cells.lrsc32[me & 1])
                     : "memory");
    __atomic_fetch_add(&cells.bytes[i & 7], 1,
                       __ATOMIC_RELAXED); /* an LR/SC loop on the word around the byte */
  }
  swapped_out[me] = taken;
  return NULL;
}

static void run(void* (*work)(void*)) {
  pthread_t t[threads];
  for (long i = 0; i < threads; i++) pthread_create(&t[i], NULL, work, (void*)i);
  for (int i = 0; i < threads; i++) pthread_join(t[i], NULL);
}

int main(void) {
  cells.smallest = UINT32_MAX;
  run(hammer);
  uint64_t expected_xor = 0, expected_tokens = 0, tokens = cells.swapped;
  for (uint64_t i = 1; i <= threads * rounds; i++)
    expected_xor ^= 0x9E3779B97F4A7C15ull * i, expected_tokens += i;
  for (int i = 0; i < threads; i++) tokens += swapped_out[i];
  printf("add %" PRId64 " %" PRId32 " lr/sc %" PRId64 " %" PRId32 " %" PRId32 "\n", cells.add64, cells.add32,
         cells.lrsc64, cells.lrsc32[0], cells.lrsc32[1]);
  printf("xor %d max %" PRId64 " min %" PRIu32 " or %" PRIx64 " swap %d\n", cells.xored == expected_xor,
         cells.largest, cells.smallest, cells.set, tokens == expected_tokens);
  for (int i = 0; i < 8; i++) printf("%d ", cells.bytes[i]);
  printf("\n");
  return 0;
}
