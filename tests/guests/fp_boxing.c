/* NaN boxing: single-precision operations on registers that hold doubles or half-boxed values read the
   canonical NaN, while moves and stores pass the low half through; and every single result is boxed. */
#include "fp.h"

static const uint64_t raw[] = {
    0xffffffff3f800000, 0xfffffffe3f800000, 0x7fffffff3f800000, 0x000000003f800000, 0x3ff0000000000000,
    0xffffffff7f800001, 0xfffffffd7f800001, 0xffffffffffffffff, 0x0000000000000000, 0xffffffff00000000,
    0xffffffff80000000, 0x8000000080000000, 0x7ff8000000000000, 0x400921fb54442d18,
};
enum { raw_count = sizeof raw / sizeof raw[0] };

#define SHOW_FLAGS(op, a, b, r, f)                                                                        \
  printf("%-10s %016" PRIx64 " %016" PRIx64 " = %016" PRIx64 " %02x\n", op, (uint64_t)(a), (uint64_t)(b), \
         (uint64_t)(r), (unsigned)(f))

#define TWO(op)                                                                      \
  for (int i = 0; i < raw_count; i++)                                                \
    for (int j = 0; j < raw_count; j += 3) {                                         \
      uint64_t r, f;                                                                 \
      __asm__ volatile("fsflags x0, x0\n\tfmv.d.x ft0, %2\n\tfmv.d.x ft1, %3\n\t" op \
                       " ft2, ft0, ft1\n\tfmv.x.d %0, ft2\n\tfrflags %1"             \
                       : "=&r"(r), "=&r"(f)                                          \
                       : "r"(raw[i]), "r"(raw[j])                                    \
                       : "ft0", "ft1", "ft2");                                       \
      SHOW_FLAGS(op, raw[i], raw[j], r, f);                                          \
      __asm__ volatile("fsflags x0, x0\n\tfmv.d.x ft0, %2\n\tfmv.d.x ft1, %3\n\t" op \
                       " ft2, ft1, ft0\n\tfmv.x.d %0, ft2\n\tfrflags %1"             \
                       : "=&r"(r), "=&r"(f)                                          \
                       : "r"(raw[i]), "r"(raw[j])                                    \
                       : "ft0", "ft1", "ft2");                                       \
      SHOW_FLAGS(op, raw[j], raw[i], r, f);                                          \
    }
#define ONE(op)                                                                                              \
  for (int i = 0; i < raw_count; i++) {                                                                      \
    uint64_t r, f;                                                                                           \
    __asm__ volatile("fsflags x0, x0\n\tfmv.d.x ft0, %2\n\t" op " ft2, ft0\n\tfmv.x.d %0, ft2\n\tfrflags %1" \
                     : "=&r"(r), "=&r"(f)                                                                    \
                     : "r"(raw[i])                                                                           \
                     : "ft0", "ft2");                                                                        \
    SHOW_FLAGS(op, raw[i], 0, r, f);                                                                         \
  }
#define COMPARE(op)                                                                \
  for (int i = 0; i < raw_count; i++) {                                            \
    uint64_t r, f;                                                                 \
    __asm__ volatile("fsflags x0, x0\n\tfmv.d.x ft0, %2\n\tfmv.d.x ft1, %3\n\t" op \
                     " %0, ft0, ft1\n\tfrflags %1"                                 \
                     : "=&r"(r), "=&r"(f)                                          \
                     : "r"(raw[i]), "r"(raw[0])                                    \
                     : "ft0", "ft1");                                              \
    SHOW_FLAGS(op, raw[i], raw[0], r, f);                                          \
  }
#define TO_INT(op)                                                                       \
  for (int i = 0; i < raw_count; i++) {                                                  \
    uint64_t r, f;                                                                       \
    __asm__ volatile("fsflags x0, x0\n\tfmv.d.x ft0, %2\n\t" op " %0, ft0\n\tfrflags %1" \
                     : "=&r"(r), "=&r"(f)                                                \
                     : "r"(raw[i])                                                       \
                     : "ft0");                                                           \
    SHOW_FLAGS(op, raw[i], 0, r, f);                                                     \
  }

int main(void) {
  set_mode(0);
  TWO("fadd.s")
  TWO("fmul.s") TWO("fmin.s") TWO("fmax.s") TWO("fsgnj.s") TWO("fsgnjn.s") TWO("fsgnjx.s") TWO("fdiv.s")
      ONE("fsqrt.s") ONE("fcvt.d.s") ONE("fmv.s") ONE("fneg.s") ONE("fabs.s") COMPARE("feq.s")
          COMPARE("flt.s") COMPARE("fle.s") TO_INT("fclass.s") TO_INT("fmv.x.w") TO_INT("fcvt.w.s")
              TO_INT("fcvt.lu.s") for (int i = 0; i < raw_count; i++) {
    uint64_t memory[2] = {raw[i], 0x1111111111111111}, r;
    __asm__ volatile("fmv.d.x ft0, %1\n\tfmv.d.x ft1, %2\n\tfmadd.s ft0, ft0, ft1, ft1\n\tfmv.x.d %0, ft0"
                     : "=&r"(r)
                     : "r"(raw[i]), "r"(raw[0])
                     : "ft0", "ft1");
    printf("fmadd.s %016" PRIx64 " %016" PRIx64 "\n", raw[i], r);
    __asm__ volatile("flw ft0, 0(%1)\n\tfmv.x.d %0, ft0\n\tfld ft1, 0(%1)\n\tfsw ft1, 8(%1)"
                     : "=&r"(r)
                     : "r"(memory)
                     : "ft0", "ft1", "memory");
    printf("flw %016" PRIx64 " fsw %016" PRIx64 "\n", r, memory[1]);
    __asm__ volatile("fmv.w.x ft0, %1\n\tfmv.x.d %0, ft0" : "=&r"(r) : "r"(raw[i]) : "ft0");
    printf("fmv.w.x %016" PRIx64 "\n", r);
  }
  return 0;
}
