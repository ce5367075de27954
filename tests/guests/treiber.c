/* A lock-free stack on LR/SC in assembly, with threads that pop two nodes and push them back in the order of
   popping, so that the same top returns with another successor. A version is counted into the word's upper
   half, as portable programs do: an SC that only compares values must be enough (lrsc_aba asks for more). */
#define _GNU_SOURCE
#include <pthread.h>

#include "guest.h"

enum { threads = 3, rounds = 20000, nodes = 32 };

static struct {
  volatile uint64_t top __attribute__((aligned(128)));
  struct {
    uint64_t next, holders;
  } pool[nodes + 1] __attribute__((aligned(128)));
} s; /* nodes by index from 1; 0 ends the list */
static long broken;

static void push(uint64_t n) {
  uint64_t old, new, failed, keep = 0xffffffff00000000, one = 1ull << 32;
  do {
    __asm__ volatile("lr.d.aq %0, (%1)" : "=&r"(old) : "r"(&s.top) : "memory");
    /* The reservation is given up before the store to the node and taken again: nothing lies between the pair
     * below. */
    s.pool[n].next = old & 0xffffffff;
    new = ((old & keep) + one) | n;
    uint64_t again;
    __asm__ volatile("lr.d.aq %0, (%2)\n\tbne %0, %3, 1f\n\tsc.d.rl %1, %4, (%2)\n\tj 2f\n1:\tli %1, 1\n2:"
                     : "=&r"(again), "=&r"(failed)
                     : "r"(&s.top), "r"(old), "r"(new)
                     : "memory");
  } while (failed);
}

static uint64_t pop(void) {
  uint64_t old, n, next, failed, keep = 0xffffffff00000000, one = 1ull << 32;
  __asm__ volatile(
      "1:\tlr.d.aq %0, (%4)\n\t"
      "slli %1, %0, 32\n\tsrli %1, %1, 32\n\t" /* the index */
      "li %3, 0\n\tbeqz %1, 2f\n\t"
      "slli %2, %1, 4\n\tadd %2, %2, %5\n\tld %2, 0(%2)\n\t" /* its successor, read under the reservation */
      "and %3, %0, %6\n\tadd %3, %3, %7\n\tor %2, %2, %3\n\t"
      "sc.d.rl %3, %2, (%4)\n\tbnez %3, 1b\n2:"
      : "=&r"(old), "=&r"(n), "=&r"(next), "=&r"(failed)
      : "r"(&s.top), "r"(s.pool), "r"(keep), "r"(one)
      : "memory");
  return n;
}

static void hold(uint64_t n) {
  if (n && __atomic_add_fetch(&s.pool[n].holders, 1, __ATOMIC_SEQ_CST) != 1)
    __atomic_fetch_add(&broken, 1, __ATOMIC_SEQ_CST);
}
static void release(uint64_t n) {
  if (!n) return;
  __atomic_sub_fetch(&s.pool[n].holders, 1, __ATOMIC_SEQ_CST);
  push(n);
}

static void* work(void* arg) {
  for (int i = 0; i < rounds; i++) {
    uint64_t a = pop(), b = pop();
    hold(a), hold(b);
    release(a), release(b);
  }
  return arg;
}

int main(void) {
  for (uint64_t i = 1; i <= nodes; i++) push(i);
  pthread_t t[threads];
  for (int i = 0; i < threads; i++) pthread_create(&t[i], NULL, work, NULL);
  for (int i = 0; i < threads; i++) pthread_join(t[i], NULL);
  int left = 0, seen[nodes + 1] = {0}, once = 0;
  for (uint64_t n = pop(); n && left < 4 * nodes; n = pop()) left++, seen[n]++;
  for (int i = 1; i <= nodes; i++) once += seen[i] == 1;
  printf("%d nodes, %d of them once, held twice %s\n", left, once, broken ? "sometimes" : "never");
  return 0;
}
