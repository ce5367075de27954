/* Zba, Zbb and Zbs over the corner values, in the same shape as int_ops. Compiled with
 * -march=rv64gc_zba_zbb_zbs. */
#include "guest.h"

#define RR(op)                                                                                         \
  {                                                                                                    \
    uint64_t h[4];                                                                                     \
    for (int k = 0; k < 4; k++) h[k] = fnv_start();                                                    \
    for (int i = 0; i < corner_count; i++)                                                             \
      for (int j = 0; j < corner_count; j++) {                                                         \
        uint64_t a = corners[i], b = corners[j], r[4] = {0, a, b, a};                                  \
        __asm__ volatile(op " %0, %1, %2" : "=&r"(r[0]) : "r"(a), "r"(b));                             \
        __asm__ volatile(op " %0, %0, %1" : "+&r"(r[1]) : "r"(b));                                     \
        __asm__ volatile(op " %0, %1, %0" : "+&r"(r[2]) : "r"(a));                                     \
        __asm__ volatile(op " %0, %0, %0" : "+&r"(r[3]));                                              \
        for (int k = 0; k < 4; k++) h[k] = fnv_add(h[k], r[k]);                                        \
      }                                                                                                \
    printf("%-9s %016" PRIx64 " %016" PRIx64 " %016" PRIx64 " %016" PRIx64 "\n", op, h[0], h[1], h[2], \
           h[3]);                                                                                      \
  }

#define R(op)                                                                   \
  {                                                                             \
    uint64_t h = fnv_start();                                                   \
    for (int i = 0; i < corner_count; i++)                                      \
      for (int s = 0; s < 64; s += 9) {                                         \
        uint64_t a = corners[i] << s | corners[i] >> ((64 - s) & 63), r, t = a; \
        if ((uint32_t)a == 0 && !strcmp(op, "ctzw")) continue;                  \
        __asm__ volatile(op " %0, %1" : "=&r"(r) : "r"(a));                     \
        __asm__ volatile(op " %0, %0" : "+r"(t));                               \
        h = fnv_add(fnv_add(h, r), t);                                          \
      }                                                                         \
    printf("%-9s %016" PRIx64 "\n", op, h);                                     \
  }

#define RI(op, imm)                                              \
  {                                                              \
    uint64_t h = fnv_start();                                    \
    for (int i = 0; i < corner_count; i++) {                     \
      uint64_t a = corners[i], r, s = a;                         \
      __asm__ volatile(op " %0, %1, " #imm : "=&r"(r) : "r"(a)); \
      __asm__ volatile(op " %0, %0, " #imm : "+r"(s));           \
      h = fnv_add(fnv_add(h, r), s);                             \
    }                                                            \
    printf("%-9s %-3s %016" PRIx64 "\n", op, #imm, h);           \
  }
#define SHIFTS64(op) RI(op, 0) RI(op, 1) RI(op, 31) RI(op, 32) RI(op, 45) RI(op, 63)

/* ctzw of an empty lower half stands in ctzw.c: qemu-riscv64 7.2 looks at the upper half there. */
int main(void) {
  RR("add.uw")
  RR("sh1add") RR("sh2add") RR("sh3add") RR("sh1add.uw") RR("sh2add.uw") RR("sh3add.uw") SHIFTS64("slli.uw")
      RR("andn") RR("orn") RR("xnor") RR("min") RR("minu") RR("max") RR("maxu") RR("rol") RR("ror") RR("rolw")
          RR("rorw") SHIFTS64("rori") RI("roriw", 0) RI("roriw", 1) RI("roriw", 17) RI("roriw", 31) R("clz")
              R("clzw") R("ctz") R("ctzw") R("cpop") R("cpopw") R("sext.b") R("sext.h") R("zext.h") R("orc.b")
                  R("rev8") RR("bclr") RR("bext") RR("binv") RR("bset") SHIFTS64("bclri") SHIFTS64("bexti")
                      SHIFTS64("binvi") SHIFTS64("bseti") return 0;
}
