/* The A extension: every AMO at both sizes and every ordering over the corner values (result, memory,
   neighbours), with rd = rs2, rd = rs1 and rd = x0; load-reserved and store-conditional, success and failure.
 */
#include "guest.h"

static uint64_t cell[4] __attribute__((aligned(64)));

#define AMO(op)                                                                                      \
  {                                                                                                  \
    uint64_t h = fnv_start();                                                                        \
    for (int i = 0; i < corner_count; i++)                                                           \
      for (int j = 0; j < corner_count; j++)                                                         \
        for (int high = 0; high < 2; high++) {                                                       \
          char* at = (char*)&cell[1] + (high && strstr(op, ".w") ? 4 : 0);                           \
          uint64_t b = corners[j], r;                                                                \
          cell[0] = cell[2] = 0x1111111111111111;                                                    \
          cell[1] = corners[i];                                                                      \
          __asm__ volatile(op " %0, %1, (%2)" : "=&r"(r) : "r"(b), "r"(at) : "memory");              \
          h = fnv_add(fnv_add(h, r), cell[1]);                                                       \
          cell[1] = corners[i];                                                                      \
          r = b;                                                                                     \
          __asm__ volatile(op " %0, %0, (%1)" : "+r"(r) : "r"(at) : "memory");                       \
          h = fnv_add(fnv_add(h, r), cell[1]);                                                       \
          cell[1] = corners[i];                                                                      \
          r = (uint64_t)at;                                                                          \
          __asm__ volatile(op " %0, %1, (%0)" : "+&r"(r) : "r"(b) : "memory");                       \
          h = fnv_add(fnv_add(h, r), cell[1]);                                                       \
          cell[1] = corners[i];                                                                      \
          __asm__ volatile(op " x0, %1, (%2)\n\tmv %0, x0" : "=&r"(r) : "r"(b), "r"(at) : "memory"); \
          h = fnv_add(fnv_add(h, r), cell[1]);                                                       \
          cell[1] = corners[i];                                                                      \
          __asm__ volatile(op " %0, x0, (%1)" : "=&r"(r) : "r"(at) : "memory");                      \
          h = fnv_add(fnv_add(fnv_add(h, r), cell[1]), cell[0] ^ cell[2]);                           \
        }                                                                                            \
    printf("%-15s %016" PRIx64 "\n", op, h);                                                         \
  }
#define ALL(op)                                                                                  \
  AMO(op ".w")                                                                                   \
  AMO(op ".d") AMO(op ".w.aq") AMO(op ".d.aq") AMO(op ".w.rl") AMO(op ".d.rl") AMO(op ".w.aqrl") \
      AMO(op ".d.aqrl")

#define PAIR(size)                                                                    \
  {                                                                                   \
    uint64_t h = fnv_start();                                                         \
    for (int i = 0; i < corner_count; i++) {                                          \
      uint64_t v, f, b = corners[corner_count - 1 - i];                               \
      cell[1] = corners[i];                                                           \
      __asm__ volatile("lr" size " %0, (%2)\n\tsc" size " %1, %3, (%2)"               \
                       : "=&r"(v), "=&r"(f)                                           \
                       : "r"(&cell[1]), "r"(b)                                        \
                       : "memory");                                                   \
      h = fnv_add(fnv_add(fnv_add(h, v), f), cell[1]);                                \
      cell[1] = corners[i]; /* rd of sc is its value operand, and then its address */ \
      f = b;                                                                          \
      __asm__ volatile("lr" size " %0, (%2)\n\tsc" size " %1, %1, (%2)"               \
                       : "=&r"(v), "+&r"(f)                                           \
                       : "r"(&cell[1])                                                \
                       : "memory");                                                   \
      h = fnv_add(fnv_add(fnv_add(h, v), f), cell[1]);                                \
      cell[1] = corners[i];                                                           \
      f = (uint64_t)&cell[1];                                                         \
      __asm__ volatile("lr" size " %0, (%1)\n\tsc" size " %1, %2, (%1)"               \
                       : "=&r"(v), "+&r"(f)                                           \
                       : "r"(b)                                                       \
                       : "memory");                                                   \
      h = fnv_add(fnv_add(fnv_add(h, v), f), cell[1]);                                \
      cell[1] = corners[i];                                                           \
      v = (uint64_t)&cell[1];                                                         \
      __asm__ volatile("lr" size " %0, (%0)" : "+r"(v)::"memory");                    \
      h = fnv_add(h, v);                                                              \
    }                                                                                 \
    printf("lr/sc%-10s %016" PRIx64 "\n", size, h);                                   \
  }

static void failures(void) {
  uint64_t v, f, g;
  cell[1] = 5;
  __asm__ volatile("lr.d %0, (%3)\n\tsc.d %1, x0, (%3)\n\tsc.d %2, %3, (%3)"
                   : "=&r"(v), "=&r"(f), "=&r"(g)
                   : "r"(&cell[1])
                   : "memory");
  printf("second sc: %" PRIu64 " %" PRIu64 " %" PRIu64 " cell %" PRIu64 "\n", v, f, g, cell[1]);
  cell[1] = 5;
  __asm__ volatile("lr.d x0, (%1)\n\tsc.d x0, %1, (%2)\n\tsc.d %0, %1, (%1)"
                   : "=&r"(f)
                   : "r"(&cell[1]), "r"(&cell[3])
                   : "memory");
  printf("sc elsewhere drops the reservation: %" PRIu64 " cell %" PRIu64 "\n", f, cell[1]);
  /* a store to the address by this hart between lr and sc, to another value: both outcomes are allowed by the
     architecture, but memory must be either the store's value or the sc's, as the flag says. */
  cell[1] = 5;
  __asm__ volatile("lr.d %0, (%2)\n\tsd %3, 0(%2)\n\tsc.d %1, %4, (%2)"
                   : "=&r"(v), "=&r"(f)
                   : "r"(&cell[1]), "r"(UINT64_C(6)), "r"(UINT64_C(7))
                   : "memory");
  printf("store between: %s\n", (f ? cell[1] == 6 : cell[1] == 7) ? "consistent" : "torn");
  cell[1] = ~UINT64_C(0);
  __asm__ volatile("lr.w %0, (%2)\n\tsc.w %1, x0, (%2)"
                   : "=&r"(v), "=&r"(f)
                   : "r"((char*)&cell[1] + 4)
                   : "memory");
  printf("word: %016" PRIx64 " %" PRIu64 " %016" PRIx64 "\n", v, f, cell[1]);
}

int main(void) {
  ALL("amoswap")
  ALL("amoadd") ALL("amoxor") ALL("amoand") ALL("amoor") ALL("amomin") ALL("amomax") ALL("amominu")
      ALL("amomaxu") PAIR(".w") PAIR(".d") PAIR(".w.aq") PAIR(".d.aq") PAIR(".w.aqrl") PAIR(".d.aqrl")
          failures();
  __asm__ volatile("fence\n\tfence rw, w\n\tfence r, rw\n\tfence.tso\n\tfence.i" ::: "memory");
  printf("fences passed\n");
  return 0;
}
