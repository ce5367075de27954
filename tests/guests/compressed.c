/* Every compressed instruction of RV64C, written as c.*, at the edges of its immediates. */
#include "guest.h"

#define SHOW(name, value) printf("%-10s %016" PRIx64 "\n", name, (uint64_t)(value))

/* One compressed instruction on a0 (value in, value out), with a1 as the second operand. */
#define ON_A0(text, in, other)                                     \
  {                                                                \
    register uint64_t a0 __asm__("a0") = (in);                     \
    register uint64_t a1 __asm__("a1") = (other);                  \
    __asm__ volatile(text : "+r"(a0), "+r"(a1)::"memory");         \
    printf("%-22s %016" PRIx64 " %016" PRIx64 "\n", text, a0, a1); \
  }

static uint64_t memory[64] __attribute__((aligned(256)));

static void arithmetic(void) {
  for (int i = 0; i < corner_count; i += 2) {
    uint64_t v = corners[i], w = corners[corner_count - 1 - i];
    ON_A0("c.addi a0, 1", v, w)
    ON_A0("c.addi a0, -32", v, w)
    ON_A0("c.addi a0, 31", v, w)
    ON_A0("c.addiw a0, 0", v, w)
    ON_A0("c.addiw a0, -32", v, w)
    ON_A0("c.addiw a0, 31", v, w)
    ON_A0("c.slli a0, 1", v, w)
    ON_A0("c.slli a0, 32", v, w)
    ON_A0("c.slli a0, 63", v, w)
    ON_A0("c.srli a0, 1", v, w)
    ON_A0("c.srli a0, 33", v, w)
    ON_A0("c.srli a0, 63", v, w)
    ON_A0("c.srai a0, 1", v, w)
    ON_A0("c.srai a0, 32", v, w)
    ON_A0("c.srai a0, 63", v, w)
    ON_A0("c.andi a0, 31", v, w)
    ON_A0("c.andi a0, -32", v, w)
    ON_A0("c.andi a0, -1", v, w)
    ON_A0("c.sub a0, a1", v, w)
    ON_A0("c.xor a0, a1", v, w)
    ON_A0("c.or a0, a1", v, w)
    ON_A0("c.and a0, a1", v, w)
    ON_A0("c.subw a0, a1", v, w)
    ON_A0("c.addw a0, a1", v, w)
    ON_A0("c.add a0, a1", v, w)
    ON_A0("c.add a0, a0", v, w)
    ON_A0("c.sub a0, a0", v, w)
    ON_A0("c.mv a0, a1", v, w)
  }
  ON_A0("c.li a0, 0", 5, 5)
  ON_A0("c.li a0, 31", 5, 5)
  ON_A0("c.li a0, -32", 5, 5)
  ON_A0("c.lui a0, 1", 5, 5)
  ON_A0("c.lui a0, 31", 5, 5)
  ON_A0("c.lui a0, 0xfffe0", 5, 5)
  ON_A0("c.lui a0, 0xfffff", 5, 5)
  ON_A0("c.nop", 5, 5)
}

static void stack_relative(void) {
  uint64_t s, r[8] = {0};
  for (int i = 0; i < 64; i++)
    memory[i] = 0x0101010101010101ull * (unsigned)(i + 1) + 0x8080000080800000ull * (i & 1);
  __asm__ volatile(
      "mv %0, sp\n\tmv sp, %5\n\t"
      "c.addi4spn a0, sp, 4\n\tc.addi4spn a1, sp, 1020\n\t"
      "c.addi16sp sp, 496\n\tmv %1, sp\n\tc.addi16sp sp, -512\n\tmv %2, sp\n\tc.addi16sp sp, 16\n\t"
      "c.lwsp a3, 0(sp)\n\tc.lwsp a4, 252(sp)\n\tc.ldsp a5, 504(sp)\n\tc.ldsp t0, 0(sp)\n\t"
      "c.fldsp ft0, 8(sp)\n\tc.fldsp fa7, 504(sp)\n\t"
      "c.swsp a5, 4(sp)\n\tc.swsp a5, 252(sp)\n\tc.sdsp t0, 504(sp)\n\tc.sdsp x0, 16(sp)\n\t"
      "c.fsdsp fa7, 24(sp)\n\tc.fsdsp ft0, 496(sp)\n\t"
      "mv sp, %0\n\tsub %1, %1, %5\n\tsub %2, %2, %5\n\tsub a0, a0, %5\n\tsub a1, a1, %5\n\t"
      "mv %3, a0\n\tmv %4, a1\n\tsd a3, 0(%6)\n\tsd a4, 8(%6)\n\tsd a5, 16(%6)\n\tsd t0, 24(%6)"
      : "=&r"(s), "=&r"(r[0]), "=&r"(r[1]), "=&r"(r[2]), "=&r"(r[3])
      : "r"(memory), "r"(&r[4])
      : "a0", "a1", "a3", "a4", "a5", "t0", "ft0", "fa7", "memory");
  for (int i = 0; i < 8; i++) SHOW("sp", r[i]);
  for (int i = 0; i < 64; i++) SHOW("memory", memory[i]);
}

/* Two registers that compressed instructions can name, read and shown after the instructions in text. */
#define WITH_BASE(name, text)                                                        \
  {                                                                                  \
    uint64_t first, second;                                                          \
    {                                                                                \
      register uint64_t* p __asm__("a2") = memory;                                   \
      register uint64_t x __asm__("a3");                                             \
      register uint64_t y __asm__("a4");                                             \
      __asm__ volatile(text : "=&r"(x), "=&r"(y) : "r"(p) : "fa0", "fs0", "memory"); \
      first = x, second = y;                                                         \
    }                                                                                \
    SHOW(name, first), SHOW(name, second);                                           \
  }

static void loads_and_stores(void) {
  for (int i = 0; i < 64; i++) memory[i] = 0x123456789abcdef0ull * (unsigned)(2 * i + 1);
  WITH_BASE("c.lw", "c.lw a3, 0(a2)\n\tc.lw a4, 124(a2)\n\tc.sw a3, 124(a2)\n\tc.sw a4, 4(a2)")
  WITH_BASE("c.ld", "c.ld a3, 0(a2)\n\tc.ld a4, 248(a2)\n\tc.sd a3, 248(a2)\n\tc.sd a4, 8(a2)")
  WITH_BASE("c.fld",
            "c.fld fa0, 0(a2)\n\tc.fld fs0, 240(a2)\n\tc.fsd fa0, 240(a2)\n\tc.fsd fs0, 16(a2)\n\t"
            "fmv.x.d a3, fa0\n\tfmv.x.d a4, fs0")
  WITH_BASE("c.ld base",
            "mv a3, a2\n\tc.ld a3, 8(a3)\n\tmv a4, a2\n\tc.lw a4, 64(a4)") /* the destination is the base */
  for (int i = 0; i < 64; i++) SHOW("memory", memory[i]);
}

static void jumps(void) {
  uint64_t path = 0, link = 0;
  __asm__ volatile(
      "li %0, 0\n\t"
      "c.j 1f\n\taddi %0, %0, 1\n"
      "1:\tla t0, 2f\n\tc.jr t0\n\taddi %0, %0, 2\n"
      "2:\tla t0, 3f\n\tc.jalr t0\n4:\tc.j 5f\n"
      "3:\tla t1, 4b\n\tsub %1, ra, t1\n\tc.jr ra\n\taddi %0, %0, 4\n"
      "5:\tli a0, 0\n\tc.beqz a0, 6f\n\taddi %0, %0, 8\n6:\tc.bnez a0, 7f\n\taddi %0, %0, 16\n7:\t"
      "li a0, 1\n\tslli a0, a0, 63\n\tc.beqz a0, 8f\n\taddi %0, %0, 32\n8:\tc.bnez a0, 9f\n\taddi %0, %0, "
      "64\n9:"
      : "=&r"(path), "=&r"(link)
      :
      : "t0", "t1", "ra", "a0", "memory");
  SHOW("jumps", path), SHOW("link", link);
  /* c.jalr whose register is ra itself: the target is read before the link is written. */
  __asm__ volatile("la ra, 1f\n\tc.jalr ra\n2:\tc.j 3f\n1:\tla t0, 2b\n\tsub %0, ra, t0\n3:"
                   : "=&r"(link)
                   :
                   : "ra", "t0");
  SHOW("c.jalr ra", link);
  /* backwards */
  __asm__ volatile("li a0, 10\n\tli %0, 0\n1:\tc.addi a0, -1\n\tadd %0, %0, a0\n\tc.bnez a0, 1b"
                   : "=&r"(path)
                   :
                   : "a0");
  SHOW("loop", path);
  /* the farthest c.j and c.beqz */
  __asm__ volatile(
      ".option push\n\t.option rvc\n\tli %0, 1\n\tc.j 1f\n2:\tli a0, 0\n\tc.j 3f\n\t.fill 1015, 2, "
      "0x0001\n1:\tc.addi %0, 2\n\tc.j 2b\n"
      "3:\tc.beqz a0, 4f\n\t.fill 126, 2, 0x0001\n4:\tc.addi %0, 4\n\t.option pop"
      : "=&r"(path)
      :
      : "a0");
  SHOW("far", path);
}

int main(void) {
  arithmetic();
  stack_relative();
  loads_and_stores();
  jumps();
  return 0;
}
