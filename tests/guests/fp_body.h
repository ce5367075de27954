/* Included by fp_single.c and fp_double.c, which define SUFFIX (".s"), MOVE_IN, MOVE_OUT, TABLE, COUNT and
 * FEW, STEP. */
#define RESULT(op, rm, a, b, c, r, f)                                                                    \
  do {                                                                                                   \
    h = fnv_add(fnv_add(h, r), f);                                                                       \
    if (show)                                                                                            \
      printf("%s %s %016" PRIx64 " %016" PRIx64 " %016" PRIx64 " = %016" PRIx64 " flags %02x\n", op, rm, \
             (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(r), (unsigned)(f));                 \
  } while (0)
#define BEGIN(op, label, mode)    \
  {                               \
    uint64_t h = fnv_start();     \
    int show = wanted(op, label); \
    set_mode(mode);
#define END(op, label)                                \
  printf("%-9s %-8s %016" PRIx64 "\n", op, label, h); \
  }

#define BINARY(op, tail, label, mode)                                                         \
  BEGIN(op, label, mode)                                                                      \
  for (int i = 0; i < COUNT; i++)                                                             \
    for (int j = 0; j < COUNT; j++) {                                                         \
      uint64_t a = TABLE[i], b = TABLE[j], r, f;                                              \
      __asm__ volatile("fsflags x0, x0\n\t" MOVE_IN " ft0, %2\n\t" MOVE_IN " ft1, %3\n\t" op  \
                       " ft2, ft0, ft1" tail "\n\tfmv.x.d %0, ft2\n\tfrflags %1"              \
                       : "=&r"(r), "=&r"(f)                                                   \
                       : "r"(a), "r"(b)                                                       \
                       : "ft0", "ft1", "ft2");                                                \
      RESULT(op, label, a, b, 0, r, f);                                                       \
      if (i == j) { /* all operands in one register, and the destination on either side */    \
        __asm__ volatile("fsflags x0, x0\n\t" MOVE_IN " ft0, %2\n\t" op " ft0, ft0, ft0" tail \
                         "\n\tfmv.x.d %0, ft0\n\tfrflags %1"                                  \
                         : "=&r"(r), "=&r"(f)                                                 \
                         : "r"(a)                                                             \
                         : "ft0");                                                            \
        RESULT(op, label, a, a, 1, r, f);                                                     \
      }                                                                                       \
      __asm__ volatile("fsflags x0, x0\n\t" MOVE_IN " ft0, %2\n\t" MOVE_IN " ft1, %3\n\t" op  \
                       " ft1, ft0, ft1" tail "\n\tfmv.x.d %0, ft1\n\tfrflags %1"              \
                       : "=&r"(r), "=&r"(f)                                                   \
                       : "r"(a), "r"(b)                                                       \
                       : "ft0", "ft1");                                                       \
      RESULT(op, label, a, b, 2, r, f);                                                       \
    }                                                                                         \
  END(op, label)

#define UNARY(op, tail, label, mode)                                                 \
  BEGIN(op, label, mode)                                                             \
  for (int i = 0; i < COUNT; i++) {                                                  \
    uint64_t a = TABLE[i], r, f;                                                     \
    __asm__ volatile("fsflags x0, x0\n\t" MOVE_IN " ft0, %2\n\t" op " ft2, ft0" tail \
                     "\n\tfmv.x.d %0, ft2\n\tfrflags %1"                             \
                     : "=&r"(r), "=&r"(f)                                            \
                     : "r"(a)                                                        \
                     : "ft0", "ft2");                                                \
    RESULT(op, label, a, 0, 0, r, f);                                                \
    __asm__ volatile("fsflags x0, x0\n\t" MOVE_IN " ft0, %2\n\t" op " ft0, ft0" tail \
                     "\n\tfmv.x.d %0, ft0\n\tfrflags %1"                             \
                     : "=&r"(r), "=&r"(f)                                            \
                     : "r"(a)                                                        \
                     : "ft0");                                                       \
    RESULT(op, label, a, 0, 1, r, f);                                                \
  }                                                                                  \
  END(op, label)

#define FUSED(op, tail, label, mode)                                                                        \
  BEGIN(op, label, mode)                                                                                    \
  for (int i = 0; i < COUNT; i += STEP)                                                                     \
    for (int j = 0; j < COUNT; j += STEP)                                                                   \
      for (int k = (i + j) % 2; k < COUNT; k += STEP) {                                                     \
        uint64_t a = TABLE[i], b = TABLE[j], c = TABLE[k], r, f;                                            \
        __asm__ volatile("fsflags x0, x0\n\t" MOVE_IN " ft0, %2\n\t" MOVE_IN " ft1, %3\n\t" MOVE_IN         \
                         " ft2, %4\n\t" op " ft3, ft0, ft1, ft2" tail "\n\tfmv.x.d %0, ft3\n\tfrflags %1"   \
                         : "=&r"(r), "=&r"(f)                                                               \
                         : "r"(a), "r"(b), "r"(c)                                                           \
                         : "ft0", "ft1", "ft2", "ft3");                                                     \
        RESULT(op, label, a, b, c, r, f);                                                                   \
      }                                                                                                     \
  for (int i = 0; i < COUNT; i++) { /* the destination is each operand in turn, then all are one */         \
    uint64_t a = TABLE[i], b = TABLE[(i * 7 + 3) % COUNT], r, s, t, u, f;                                   \
    __asm__ volatile("fsflags x0, x0\n\t" MOVE_IN " ft0, %5\n\t" MOVE_IN                                    \
                     " ft1, %6\n\t"                                                                         \
                     "fmv.d ft2, ft0\n\t" op " ft2, ft2, ft1, ft0" tail                                     \
                     "\n\tfmv.x.d %0, ft2\n\t"                                                              \
                     "fmv.d ft2, ft0\n\t" op " ft2, ft1, ft2, ft0" tail                                     \
                     "\n\tfmv.x.d %1, ft2\n\t"                                                              \
                     "fmv.d ft2, ft0\n\t" op " ft2, ft1, ft0, ft2" tail                                     \
                     "\n\tfmv.x.d %2, ft2\n\t"                                                              \
                     "fmv.d ft2, ft0\n\t" op " ft2, ft2, ft2, ft2" tail "\n\tfmv.x.d %3, ft2\n\tfrflags %4" \
                     : "=&r"(r), "=&r"(s), "=&r"(t), "=&r"(u), "=&r"(f)                                     \
                     : "r"(a), "r"(b)                                                                       \
                     : "ft0", "ft1", "ft2");                                                                \
    RESULT(op, label, a, b, 0, r, f);                                                                       \
    RESULT(op, label, a, b, 1, s, f);                                                                       \
    RESULT(op, label, a, b, 2, t, f);                                                                       \
    RESULT(op, label, a, b, 3, u, f);                                                                       \
  }                                                                                                         \
  END(op, label)

#define TO_INT(op, tail, label, mode)                                                                \
  BEGIN(op, label, mode)                                                                             \
  for (int i = 0; i < COUNT; i++) {                                                                  \
    uint64_t a = TABLE[i], r, f;                                                                     \
    __asm__ volatile("fsflags x0, x0\n\t" MOVE_IN " ft0, %2\n\t" op " %0, ft0" tail "\n\tfrflags %1" \
                     : "=&r"(r), "=&r"(f)                                                            \
                     : "r"(a)                                                                        \
                     : "ft0");                                                                       \
    RESULT(op, label, a, 0, 0, r, f);                                                                \
  }                                                                                                  \
  END(op, label)

#define FROM_INT(op, tail, label, mode)                                                            \
  BEGIN(op, label, mode)                                                                           \
  for (int i = 0; i < corner_count; i++)                                                           \
    for (int s = 0; s < 64; s += 7) {                                                              \
      uint64_t a = corners[i] << s ^ corners[i] >> (s / 2), r, f;                                  \
      __asm__ volatile("fsflags x0, x0\n\t" op " ft0, %2" tail "\n\tfmv.x.d %0, ft0\n\tfrflags %1" \
                       : "=&r"(r), "=&r"(f)                                                        \
                       : "r"(a)                                                                    \
                       : "ft0");                                                                   \
      RESULT(op, label, a, 0, 0, r, f);                                                            \
    }                                                                                              \
  END(op, label)

#define COMPARE(op)                                                                          \
  BEGIN(op, "-", 0)                                                                          \
  for (int i = 0; i < COUNT; i++)                                                            \
    for (int j = 0; j < COUNT; j++) {                                                        \
      uint64_t a = TABLE[i], b = TABLE[j], r, f;                                             \
      __asm__ volatile("fsflags x0, x0\n\t" MOVE_IN " ft0, %2\n\t" MOVE_IN " ft1, %3\n\t" op \
                       " %0, ft0, ft1\n\tfrflags %1"                                         \
                       : "=&r"(r), "=&r"(f)                                                  \
                       : "r"(a), "r"(b)                                                      \
                       : "ft0", "ft1");                                                      \
      RESULT(op, "-", a, b, 0, r, f);                                                        \
    }                                                                                        \
  END(op, "-")

/* Only rounding operations take a mode; the others are run under every dynamic mode, which must not matter.
 */
#define ADD(rm, label, mode) BINARY("fadd" SUFFIX, ", " rm, label, mode)
#define SUB(rm, label, mode) BINARY("fsub" SUFFIX, ", " rm, label, mode)
#define MUL(rm, label, mode) BINARY("fmul" SUFFIX, ", " rm, label, mode)
#define DIV(rm, label, mode) BINARY("fdiv" SUFFIX, ", " rm, label, mode)
#define SQRT(rm, label, mode) UNARY("fsqrt" SUFFIX, ", " rm, label, mode)
#define MADD(rm, label, mode) FUSED("fmadd" SUFFIX, ", " rm, label, mode)
#define MSUB(rm, label, mode) FUSED("fmsub" SUFFIX, ", " rm, label, mode)
#define NMADD(rm, label, mode) FUSED("fnmadd" SUFFIX, ", " rm, label, mode)
#define NMSUB(rm, label, mode) FUSED("fnmsub" SUFFIX, ", " rm, label, mode)

static void arithmetic(void) { EACH_RM(ADD) EACH_RM(SUB) EACH_RM(MUL) EACH_RM(DIV) EACH_RM(SQRT) }

static void fused(void) { EACH_RM(MADD) EACH_RM(MSUB) EACH_RM(NMADD) EACH_RM(NMSUB) }

static void others(void) {
  for (unsigned mode = 0; mode < 5; mode++) {
    BINARY("fmin" SUFFIX, "", "-", mode)
    BINARY("fmax" SUFFIX, "", "-", mode)
    BINARY("fsgnj" SUFFIX, "", "-", mode)
    BINARY("fsgnjn" SUFFIX, "", "-", mode)
    BINARY("fsgnjx" SUFFIX, "", "-", mode)
  }
  COMPARE("feq" SUFFIX) COMPARE("flt" SUFFIX) COMPARE("fle" SUFFIX) TO_INT("fclass" SUFFIX, "", "-", 0)
}

#define W(rm, label, mode) TO_INT("fcvt.w" SUFFIX, ", " rm, label, mode)
#define WU(rm, label, mode) TO_INT("fcvt.wu" SUFFIX, ", " rm, label, mode)
#define L(rm, label, mode) TO_INT("fcvt.l" SUFFIX, ", " rm, label, mode)
#define LU(rm, label, mode) TO_INT("fcvt.lu" SUFFIX, ", " rm, label, mode)
#define FROM_L(rm, label, mode) FROM_INT("fcvt" SUFFIX ".l", ", " rm, label, mode)
#define FROM_LU(rm, label, mode) FROM_INT("fcvt" SUFFIX ".lu", ", " rm, label, mode)

static void conversions(void) {
  EACH_RM(W) EACH_RM(WU) EACH_RM(L) EACH_RM(LU) EACH_RM(FROM_L) EACH_RM(FROM_LU)
}
