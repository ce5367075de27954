/* The floating-point control and status register: its fields, sticky flags over many operations, the csr
   instructions in all forms, and the illegal rounding modes (dynamic 5 to 7, static 5 and 6), which must
   raise SIGILL. */
#include <setjmp.h>
#include <signal.h>

#include "fp.h"

static sigjmp_buf back;
static void on_ill(int signal) { siglongjmp(back, signal); }

#define SHOW(what, v) printf("%-28s %016" PRIx64 "\n", what, (uint64_t)(v))

int main(void) {
  uint64_t a, b, c, d;
  __asm__ volatile("li t0, -1\n\tcsrrw %0, fcsr, t0\n\tcsrr %1, fcsr\n\tcsrr %2, frm\n\tcsrr %3, fflags"
                   : "=&r"(a), "=&r"(b), "=&r"(c), "=&r"(d)
                   :
                   : "t0");
  SHOW("fcsr at start", a), SHOW("fcsr of all ones", b), SHOW("frm", c), SHOW("fflags", d);
  __asm__ volatile("csrrwi %0, frm, 2\n\tcsrrwi %1, fflags, 5\n\tcsrrsi %2, fflags, 10\n\tcsrrci %3, fcsr, 3"
                   : "=&r"(a), "=&r"(b), "=&r"(c), "=&r"(d));
  SHOW("old frm", a), SHOW("old fflags", b), SHOW("old fflags", c), SHOW("old fcsr", d);
  __asm__ volatile(
      "li t0, 0x60\n\tcsrrc %0, fcsr, t0\n\tli t0, 0x8f\n\tcsrrs %1, fcsr, t0\n\tcsrrs %2, fcsr, x0\n\tcsrrw "
      "x0, fcsr, x0\n\tcsrr %3, fcsr"
      : "=&r"(a), "=&r"(b), "=&r"(c), "=&r"(d)
      :
      : "t0");
  SHOW("csrrc", a), SHOW("csrrs", b), SHOW("csrrs x0", c), SHOW("cleared", d);

  /* Flags accumulate: each operation adds to them. */
  static const double zero = 0, one = 1, three = 3, huge = 0x1p1023, tiny = 0x1p-1022;
  __asm__ volatile(
      "fsflags x0\n\tfdiv.d ft0, %4, %5\n\tfrflags %0\n\tfdiv.d ft0, %4, %6\n\tfrflags %1\n\tfmul.d ft0, %7, "
      "%7\n\tfrflags %2\n\t"
      "fmul.d ft0, %8, %8\n\tfadd.d ft0, %4, %4\n\tfsub.d ft1, ft0, ft0\n\tfdiv.d ft1, ft1, ft1\n\tfrflags %3"
      : "=&r"(a), "=&r"(b), "=&r"(c), "=&r"(d)
      : "f"(one), "f"(three), "f"(zero), "f"(huge), "f"(tiny)
      : "ft0", "ft1");
  SHOW("inexact", a), SHOW("and by zero", b), SHOW("and overflow", c), SHOW("all", d);
  __asm__ volatile(
      "fsflags %0, x0\n\tfadd.d ft0, %4, %4\n\tfrflags %1\n\tfsflagsi %2, 31\n\tfadd.d ft0, %4, "
      "%4\n\tfrflags %3"
      : "=&r"(a), "=&r"(b), "=&r"(c), "=&r"(d)
      : "f"(one)
      : "ft0");
  SHOW("taken", a), SHOW("exact adds none", b), SHOW("set by hand", c), SHOW("and kept", d);
  /* A loop that reads the flags only once at its end, with a branch on them. */
  uint64_t sum = 0;
  for (int i = 1; i < 200; i++) {
    double x = i, r;
    __asm__ volatile("fsflags x0" ::);
    __asm__ volatile("fdiv.d %0, %1, %2" : "=f"(r) : "f"(one), "f"(x));
    if (!read_flags()) sum += (uint64_t)i;
  }
  SHOW("exact reciprocals", sum);
  /* The mode changes between two equal operations in one straight line. */
  double r1, r2, r3, r4;
  __asm__ volatile(
      "fsrmi 3\n\tfdiv.d %0, %4, %5\n\tfsrmi 2\n\tfdiv.d %1, %4, %5\n\tfsrmi 1\n\tfdiv.d %2, %4, %5\n\tfsrmi "
      "0\n\tfdiv.d %3, %4, %5"
      : "=&f"(r1), "=&f"(r2), "=&f"(r3), "=&f"(r4)
      : "f"(one), "f"(three));
  printf("up %a down %a zero %a nearest %a\n", r1, r2, r3, r4);

  signal(SIGILL, on_ill);
  for (unsigned mode = 5; mode < 8; mode++) {
    int s = sigsetjmp(back, 1);
    if (!s) {
      __asm__ volatile("fsrm %0\n\tfadd.d ft0, %1, %1, dyn" ::"r"(mode), "f"(one) : "ft0");
      printf("dynamic %u ran\n", mode);
    } else {
      printf("dynamic %u signal %d\n", mode, s);
    }
    /* operations without rounding do not care */
    __asm__ volatile("fsrm %1\n\tfmin.d ft0, %2, %3\n\tfmv.x.d %0, ft0"
                     : "=r"(a)
                     : "r"(mode), "f"(one), "f"(three)
                     : "ft0");
    SHOW("fmin", a);
    __asm__ volatile("fsrmi 0");
  }
  if (!sigsetjmp(back, 1)) {
    __asm__ volatile(".word 0x0210d053"); /* fadd.d ft0, ft1, ft1 with rm = 5 */
    printf("static 5 ran\n");
  } else {
    printf("static 5 refused\n");
  }
  if (!sigsetjmp(back, 1)) {
    __asm__ volatile(".word 0x0210e053");
    printf("static 6 ran\n");
  } else {
    printf("static 6 refused\n");
  }
  return 0;
}
