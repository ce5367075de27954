/* Loads and stores of every size at every offset, across a page edge as well; sign and zero extension;
   displacements at their limits; destination equal to the base; x0 as destination. */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "guest.h"

#define LOAD(op)                                                                           \
  {                                                                                        \
    uint64_t h = fnv_start();                                                              \
    for (int o = -16; o <= 16; o++) {                                                      \
      uint64_t r, s = (uint64_t)(edge + o), z;                                             \
      __asm__ volatile(op " %0, 0(%1)" : "=r"(r) : "r"(edge + o) : "memory");              \
      __asm__ volatile(op " %0, 0(%0)" : "+r"(s)::"memory");                               \
      __asm__ volatile(op " x0, 0(%1)\n\tmv %0, x0" : "=r"(z) : "r"(edge + o) : "memory"); \
      h = fnv_add(fnv_add(fnv_add(h, r), s), z);                                           \
      __asm__ volatile(op " %0, 2047(%1)" : "=r"(r) : "r"(edge + o - 2047) : "memory");    \
      __asm__ volatile(op " %0, -2048(%1)" : "=r"(s) : "r"(edge + o + 2048) : "memory");   \
      h = fnv_add(fnv_add(h, r), s);                                                       \
    }                                                                                      \
    printf("%-4s %016" PRIx64 "\n", op, h);                                                \
  }

#define STORE(op)                                                                                       \
  {                                                                                                     \
    uint64_t h = fnv_start();                                                                           \
    for (int o = -16; o <= 16; o++) {                                                                   \
      memset(edge - 32, 0x5a, 64);                                                                      \
      __asm__ volatile(op " %0, 0(%1)" ::"r"(UINT64_C(0x8182838485868788) + (unsigned)o), "r"(edge + o) \
                       : "memory");                                                                     \
      for (int i = -32; i < 32; i += 8) {                                                               \
        uint64_t w;                                                                                     \
        memcpy(&w, edge + i, 8);                                                                        \
        h = fnv_add(h, w);                                                                              \
      }                                                                                                 \
      __asm__ volatile(op " x0, 2047(%0)" ::"r"(edge + o - 2047) : "memory");                           \
      char* base = edge + o - 2;                                                                        \
      __asm__ volatile(op " %0, 2(%0)" ::"r"(base) : "memory");                                         \
      h = fnv_add(h, (unsigned char)edge[o] == ((uintptr_t)base & 255));                                \
    }                                                                                                   \
    printf("%-4s %016" PRIx64 "\n", op, h);                                                             \
  }

int main(void) {
  char* pages = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char* edge = pages + 2 * 4096;
  for (int i = 0; i < 4 * 4096; i++) pages[i] = (char)(i * 37 ^ i >> 5);
  LOAD("lb")
  LOAD("lbu") LOAD("lh") LOAD("lhu") LOAD("lw") LOAD("lwu") LOAD("ld") STORE("sb") STORE("sh") STORE("sw")
      STORE("sd") for (int i = 0; i < 4 * 4096; i++) pages[i] = (char)(i * 37 ^ i >> 5);
  uint64_t h = fnv_start(), a, b;
  for (int o = -16; o <= 16; o++) {
    __asm__ volatile(
        "flw ft0, 0(%2)\n\tfld ft1, 0(%2)\n\tfmv.x.d %0, ft0\n\tfmv.x.d %1, ft1\n\tfsw ft1, 64(%2)\n\tfsd "
        "ft0, 80(%2)"
        : "=r"(a), "=r"(b)
        : "r"(edge + o)
        : "ft0", "ft1", "memory");
    h = fnv_add(fnv_add(h, a), b);
  }
  for (int i = 0; i < 4 * 4096; i++) h = fnv_add(h, (unsigned char)pages[i]);
  printf("fp   %016" PRIx64 "\n", h);
  /* A misaligned store that crosses into a page without permission writes nothing of itself before the fault;
     here only the permitted side is looked at, after the neighbour is made writable again. */
  munmap(pages, 4 * 4096);
  return 0;
}
