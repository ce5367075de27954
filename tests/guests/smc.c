/* Self-modifying code in one thread: a function rewritten many times in place, also by itself; code across a
   page edge; many generated functions; new code mapped at an old address; protection changes over code. Every
   change is followed by __builtin___clear_cache. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"

typedef uint64_t (*function)(uint64_t);

static uint32_t addi(int rd, int rs, int imm) {
  return 0x13u | (uint32_t)rd << 7 | (uint32_t)rs << 15 | (uint32_t)imm << 20;
}
static uint32_t slli(int rd, int rs, int n) {
  return 0x1013u | (uint32_t)rd << 7 | (uint32_t)rs << 15 | (uint32_t)n << 20;
}
static uint32_t xori(int rd, int rs, int imm) {
  return 0x4013u | (uint32_t)rd << 7 | (uint32_t)rs << 15 | (uint32_t)imm << 20;
}
static uint32_t jal(int rd, int offset) {
  uint32_t o = (uint32_t)offset;
  return 0x6fu | (uint32_t)rd << 7 | (o & 0xff000) | (o >> 11 & 1) << 20 | (o >> 1 & 0x3ff) << 21 |
         (o >> 20 & 1) << 31;
}
static const uint32_t ret = 0x00008067;
enum { a0 = 10 };

static void put(void* at, const uint32_t* words, int n) {
  memcpy(at, words, (size_t)n * 4);
  __builtin___clear_cache((char*)at, (char*)at + n * 4);
}

static sigjmp_buf back;
static void on_fault(int s) { siglongjmp(back, s); }

/* Calls through assembly that itself rewrites the next instructions of its own block, then runs fence.i. */
static uint64_t rewrites_itself(char* area, uint32_t word) {
  uint32_t code[] = {
      0x00b52023, /* sw a1, 0(a0)  : writes the word at area + 16, which lies ahead */
      0x0000100f, /* fence.i */
      addi(a0, 0, 1), addi(a0, a0, 0), addi(a0, a0, 100), ret,
  };
  put(area, code, 6);
  return ((uint64_t(*)(void*, uint64_t))area)(area + 16, word);
}

int main(void) {
  char* area = mmap(NULL, 16 * 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (area == MAP_FAILED) return 1;
  uint64_t sum = 0;
  for (int i = 0; i < 3000; i++) {
    uint32_t code[] = {addi(a0, a0, i & 1023), xori(a0, a0, i & 511), ret};
    put(area, code, 3);
    sum = ((function)area)(sum);
    if (i % 3 == 0) sum = ((function)area)(sum);
  }
  printf("in place %016" PRIx64 "\n", sum);

  /* Only the callee changes; the caller, linked to it, stays. */
  uint32_t caller[] = {addi(2, 2, -16),   0x00113423, jal(1, 4096 - 8), slli(a0, a0, 1),
                       jal(1, 4096 - 16), 0x00813083, addi(2, 2, 16),   ret};
  put(area, caller, 8);
  sum = 1;
  for (int i = 0; i < 2000; i++) {
    uint32_t callee[] = {addi(a0, a0, i & 2047), ret};
    put(area + 4096, callee, 2);
    for (int k = 0; k <= i % 3; k++) sum = ((function)area)(sum)&0xffffffff;
  }
  printf("callee %016" PRIx64 "\n", sum);

  for (int i = 0; i < 300; i++) {
    uint32_t code[] = {addi(a0, a0, 1), addi(a0, a0, i), xori(a0, a0, 3), ret};
    put(area + 8192 - 6, code, 4); /* the second instruction crosses the page edge */
    sum = ((function)(area + 8192 - 6))(sum);
    uint16_t half[] = {0x0505, 0x0505, 0x8082}; /* c.addi a0, 1 twice; c.jr ra */
    memcpy(area + 8192 - 2, half, sizeof half);
    __builtin___clear_cache(area + 8192 - 2, area + 8192 + 4);
    sum = ((function)(area + 8192 - 2))(sum);
    /* one half of an instruction changes, on the far page only */
    put(area + 8192 - 6, code, 4);
    sum = ((function)(area + 8192 - 6))(sum);
    code[1] = addi(a0, a0, i + 700);
    memcpy(area + 8192, (char*)&code[1] + 2, 2);
    __builtin___clear_cache(area + 8192, area + 8194);
    sum = ((function)(area + 8192 - 6))(sum);
  }
  printf("page edge %016" PRIx64 "\n", sum);

  sum = 0;
  for (int i = 0; i < 200; i++) sum += rewrites_itself(area, addi(a0, a0, i));
  printf("ahead of itself %" PRIu64 "\n", sum);

  /* Thousands of functions, all alive, called twice in different orders. */
  enum { functions = 4000 };
  char* many =
      mmap(NULL, functions * 16, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < functions; i++) {
    uint32_t code[] = {addi(a0, a0, i & 2047), xori(a0, a0, i >> 3), slli(a0, a0, i % 3), ret};
    memcpy(many + i * 16, code, 16);
  }
  __builtin___clear_cache(many, many + functions * 16);
  sum = 1;
  for (int i = 0; i < functions; i++) sum = ((function)(many + i * 16))(sum)&0xffffffffff;
  for (int i = functions; i--;) sum = ((function)(many + (i * 1237 % functions) * 16))(sum)&0xffffffffff;
  printf("many %016" PRIx64 "\n", sum);
  munmap(many, functions * 16);

  struct sigaction action = {.sa_handler = on_fault};
  sigaction(SIGSEGV, &action, NULL);
  int s = sigsetjmp(back, 1);
  if (!s) {
    ((function)many)(1);
    printf("unmapped code ran\n");
  } else {
    printf("unmapped code: signal %d\n", s);
  }
  char* again =
      mmap(many, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  uint32_t fresh[] = {addi(a0, 0, 1234), ret};
  put(again, fresh, 2);
  printf("new code at the old address %" PRIu64 "\n", ((function)many)(1));
  char* replaced =
      mmap(many, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  fresh[0] = addi(a0, 0, 777);
  put(replaced, fresh, 2);
  printf("mapped over %" PRIu64 "\n", ((function)many)(1));

  mprotect(many, 4096, PROT_READ | PROT_WRITE);
  s = sigsetjmp(back, 1);
  if (!s) {
    ((function)many)(1);
    printf("non-executable code ran\n");
  } else {
    printf("not executable: signal %d\n", s);
  }
  fresh[0] = addi(a0, 0, 555);
  put(many, fresh, 2);
  mprotect(many, 4096, PROT_READ | PROT_EXEC);
  printf("executable again %" PRIu64 "\n", ((function)many)(1));
  s = sigsetjmp(back, 1);
  if (!s) {
    *(volatile uint32_t*)many = 0;
    printf("read-only code was written\n");
  } else {
    printf("write to code: signal %d, still %" PRIu64 "\n", s, ((function)many)(1));
  }
  /* W^X as a careful JIT does it */
  sum = 0;
  for (int i = 0; i < 300; i++) {
    mprotect(many, 4096, PROT_READ | PROT_WRITE);
    fresh[0] = addi(a0, a0, i);
    put(many, fresh, 2);
    mprotect(many, 4096, PROT_READ | PROT_EXEC);
    sum = ((function)many)(sum);
  }
  printf("toggled %" PRIu64 "\n", sum);
  char* moved = mremap(many, 4096, 8192, MREMAP_MAYMOVE);
  printf("moved %" PRIu64 "\n", ((function)moved)(3));
  return 0;
}
