/* Every register-register and register-immediate instruction of RV64IM over the corner values. One line per
   instruction: the hash with all operands distinct, then with rd = rs1, rd = rs2, all three equal, and rd =
   x0. With an instruction's name as argument, every result is printed. */
#include "guest.h"

static const char* detail;

#define RR(op)                                                                                  \
  static void rr_##op(const char* name) {                                                       \
    uint64_t h[5];                                                                              \
    for (int k = 0; k < 5; k++) h[k] = fnv_start();                                             \
    for (int i = 0; i < corner_count; i++)                                                      \
      for (int j = 0; j < corner_count; j++) {                                                  \
        uint64_t a = corners[i], b = corners[j], r[5];                                          \
        __asm__ volatile(MNEMONIC " %0, %1, %2" : "=&r"(r[0]) : "r"(a), "r"(b));                \
        r[1] = a;                                                                               \
        __asm__ volatile(MNEMONIC " %0, %0, %1" : "+&r"(r[1]) : "r"(b));                        \
        r[2] = b;                                                                               \
        __asm__ volatile(MNEMONIC " %0, %1, %0" : "+&r"(r[2]) : "r"(a));                        \
        r[3] = a;                                                                               \
        __asm__ volatile(MNEMONIC " %0, %0, %0" : "+&r"(r[3]));                                 \
        __asm__ volatile(MNEMONIC " x0, %1, %2\n\tmv %0, x0" : "=&r"(r[4]) : "r"(a), "r"(b));   \
        for (int k = 0; k < 5; k++) h[k] = fnv_add(h[k], r[k]);                                 \
        if (detail && !strcmp(detail, name))                                                    \
          printf("%s %016" PRIx64 " %016" PRIx64 " = %016" PRIx64 " %016" PRIx64 " %016" PRIx64 \
                 " %016" PRIx64 " %016" PRIx64 "\n",                                            \
                 name, a, b, r[0], r[1], r[2], r[3], r[4]);                                     \
      }                                                                                         \
    printf("%-6s", name);                                                                       \
    for (int k = 0; k < 5; k++) printf(" %016" PRIx64, h[k]);                                   \
    printf("\n");                                                                               \
  }

#define RI(op, imm)                                                                                 \
  {                                                                                                 \
    uint64_t h = fnv_start();                                                                       \
    for (int i = 0; i < corner_count; i++) {                                                        \
      uint64_t a = corners[i], r, s = a;                                                            \
      __asm__ volatile(op " %0, %1, " #imm : "=&r"(r) : "r"(a));                                    \
      __asm__ volatile(op " %0, %0, " #imm : "+r"(s));                                              \
      h = fnv_add(fnv_add(h, r), s);                                                                \
      if (detail && !strcmp(detail, op))                                                            \
        printf("%s %016" PRIx64 " %s = %016" PRIx64 " %016" PRIx64 "\n", op, a, #imm, r, s);        \
    }                                                                                               \
    uint64_t z;                                                                                     \
    __asm__ volatile(op " x0, %1, " #imm "\n\t" op " %0, x0, " #imm : "=r"(z) : "r"(~UINT64_C(0))); \
    printf("%-6s %-6s %016" PRIx64 " %016" PRIx64 "\n", op, #imm, h, z);                            \
  }

#define IMMEDIATES(op) \
  RI(op, 0) RI(op, 1) RI(op, -1) RI(op, 2047) RI(op, -2048) RI(op, 0x555) RI(op, 255) RI(op, -256) RI(op, 31)
#define SHIFTS64(op) RI(op, 0) RI(op, 1) RI(op, 7) RI(op, 31) RI(op, 32) RI(op, 33) RI(op, 63)
#define SHIFTS32(op) RI(op, 0) RI(op, 1) RI(op, 7) RI(op, 16) RI(op, 30) RI(op, 31)

#define BRANCH(op)                                                                                   \
  {                                                                                                  \
    uint64_t h = fnv_start();                                                                        \
    for (int i = 0; i < corner_count; i++)                                                           \
      for (int j = 0; j < corner_count; j++) {                                                       \
        uint64_t a = corners[i], b = corners[j], taken = 0, same = 0, zero = 0;                      \
        __asm__ volatile(op " %1, %2, 1f\n\tj 2f\n1:\tli %0, 1\n2:" : "+r"(taken) : "r"(a), "r"(b)); \
        __asm__ volatile(op " %1, %1, 1f\n\tj 2f\n1:\tli %0, 1\n2:" : "+r"(same) : "r"(a));          \
        __asm__ volatile(op " %1, x0, 1f\n\tj 2f\n1:\tli %0, 1\n2:" : "+r"(zero) : "r"(a));          \
        h = fnv_add(h, taken | same << 1 | zero << 2);                                               \
        if (detail && !strcmp(detail, op))                                                           \
          printf("%s %016" PRIx64 " %016" PRIx64 " = %d %d %d\n", op, a, b, (int)taken, (int)same,   \
                 (int)zero);                                                                         \
      }                                                                                              \
    printf("%-6s %016" PRIx64 "\n", op, h);                                                          \
  }

#define MNEMONIC "add"
RR(add)
#undef MNEMONIC
#define MNEMONIC "sub"
RR(sub)
#undef MNEMONIC
#define MNEMONIC "sll"
RR(sll)
#undef MNEMONIC
#define MNEMONIC "slt"
RR(slt)
#undef MNEMONIC
#define MNEMONIC "sltu"
RR(sltu)
#undef MNEMONIC
#define MNEMONIC "xor"
RR(xor)
#undef MNEMONIC
#define MNEMONIC "srl"
RR(srl)
#undef MNEMONIC
#define MNEMONIC "sra"
RR(sra)
#undef MNEMONIC
#define MNEMONIC "or"
RR(or)
#undef MNEMONIC
#define MNEMONIC "and"
RR(and)
#undef MNEMONIC
#define MNEMONIC "addw"
RR(addw)
#undef MNEMONIC
#define MNEMONIC "subw"
RR(subw)
#undef MNEMONIC
#define MNEMONIC "sllw"
RR(sllw)
#undef MNEMONIC
#define MNEMONIC "srlw"
RR(srlw)
#undef MNEMONIC
#define MNEMONIC "sraw"
RR(sraw)
#undef MNEMONIC
#define MNEMONIC "mul"
RR(mul)
#undef MNEMONIC
#define MNEMONIC "mulh"
RR(mulh)
#undef MNEMONIC
#define MNEMONIC "mulhu"
RR(mulhu)
#undef MNEMONIC
#define MNEMONIC "mulhsu"
RR(mulhsu)
#undef MNEMONIC
#define MNEMONIC "mulw"
RR(mulw)
#undef MNEMONIC
#define MNEMONIC "div"
RR(div)
#undef MNEMONIC
#define MNEMONIC "divu"
RR(divu)
#undef MNEMONIC
#define MNEMONIC "rem"
RR(rem)
#undef MNEMONIC
#define MNEMONIC "remu"
RR(remu)
#undef MNEMONIC
#define MNEMONIC "divw"
RR(divw)
#undef MNEMONIC
#define MNEMONIC "divuw"
RR(divuw)
#undef MNEMONIC
#define MNEMONIC "remw"
RR(remw)
#undef MNEMONIC
#define MNEMONIC "remuw"
RR(remuw)
#undef MNEMONIC

static void immediates(void) {
  IMMEDIATES("addi")
  IMMEDIATES("slti")
  IMMEDIATES("sltiu")
  IMMEDIATES("xori")
  IMMEDIATES("ori")
  IMMEDIATES("andi")
  IMMEDIATES("addiw")
  SHIFTS64("slli")
  SHIFTS64("srli")
  SHIFTS64("srai")
  SHIFTS32("slliw")
  SHIFTS32("srliw")
  SHIFTS32("sraiw")
}

static void upper(void) {
  uint64_t a, b, c, d, e, f;
  __asm__ volatile("lui %0, 0\n\tlui %1, 1\n\tlui %2, 0x7ffff\n\tlui %3, 0x80000\n\tlui %4, 0xfffff"
                   : "=r"(a), "=r"(b), "=r"(c), "=r"(d), "=r"(e));
  printf("lui %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64 "\n", a, b, c, d, e);
  __asm__ volatile("auipc %0, 0\n\tauipc %1, 0x80000\n\tauipc %2, 0x7ffff\n\tauipc %3, 0xfffff"
                   : "=r"(a), "=r"(b), "=r"(c), "=r"(d));
  printf("auipc %" PRIx64 " %" PRIx64 " %" PRIx64 "\n", b - a, c - a, d - a);
  /* jal and jalr: the link register, also when it is the base, and a target whose low bit is dropped. */
  __asm__ volatile(
      ".option push\n\t.option norvc\n\t"
      "la %0, 3f\n\taddi %0, %0, 1\n\tjalr %0, 0(%0)\n1:\tj 4f\n3:\tla %1, 1b\n\tsub %1, %0, %1\n"
      "4:\tjal %2, 5f\n6:\tnop\n5:\tla %3, 6b\n\tsub %3, %2, %3\n\t"
      "la %4, 7f\n\tjalr x0, -4(%4)\n\tj 8f\n7:\tnop\n8:\tli %5, 77\n\t.option pop"
      : "=&r"(a), "=&r"(b), "=&r"(c), "=&r"(d), "=&r"(e), "=&r"(f)
      :
      : "memory");
  printf("jalr %" PRIx64 " jal %" PRIx64 " %" PRIu64 "\n", b, d, f);
}

int main(int argc, char** argv) {
  detail = argc > 1 ? argv[1] : NULL;
#define RUN(op) rr_##op(#op);
  RUN(add)
  RUN(sub) RUN(sll) RUN(slt) RUN(sltu) RUN(xor) RUN(srl) RUN(sra) RUN(or) RUN(and) RUN(addw) RUN(subw)
      RUN(sllw) RUN(srlw) RUN(sraw) RUN(mul) RUN(mulh) RUN(mulhu) RUN(mulhsu) RUN(mulw) RUN(div) RUN(divu)
          RUN(rem) RUN(remu) RUN(divw) RUN(divuw) RUN(remw) RUN(remuw) immediates();
  upper();
  BRANCH("beq")
  BRANCH("bne")
  BRANCH("blt")
  BRANCH("bge")
  BRANCH("bltu")
  BRANCH("bgeu")
  return 0;
}
