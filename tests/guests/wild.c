/* Loads and stores of every size at addresses far outside of anything mapped, formed from base and
   displacement in every way: each must fault with its exact address, leave registers alone, and the program
   goes on. The expected file has what the architecture says; qemu-riscv64 reports the address 0 where the
   host tells it none. */
#define _GNU_SOURCE
#include <signal.h>
#include <ucontext.h>

#include "guest.h"

static volatile uint64_t fault_address, fault_count;

/* Steps over the instruction, which is four bytes long in this file. */
static void on_fault(int s, siginfo_t* info, void* context) {
  (void)s;
  fault_address = (uint64_t)info->si_addr;
  fault_count++;
  ((ucontext_t*)context)->uc_mcontext.__gregs[REG_PC] += 4;
}

static const uint64_t bases[] = {
    0,
    8,
    2040,
    4096,
    0xf000,
    1ull << 48,
    (1ull << 48) + 1,
    1ull << 50,
    1ull << 55,
    1ull << 62,
    1ull << 63,
    (1ull << 63) - 4096,
    (1ull << 63) + 4096,
    UINT64_MAX - 2047,
    UINT64_MAX - 4095,
    UINT64_MAX - 7,
    UINT64_MAX,
    0xdeadbeefdeadbeef,
    0xffffffff80000000,
    0x0123456789abcdef,
    0xffff800000000000,
    0xfffff00000000000,
    0x7fffffffffff0000,
    0x5555000000000000,
};

#define TEXT(op, reg, d) ".option push\n\t.option norvc\n\t" op " " reg ", " #d "(%1)\n\t.option pop"
#define LOADS(op, d) __asm__ volatile(TEXT(op, "%0", d) : "+r"(v) : "r"(base) : "memory")
#define STORES(op, d) __asm__ volatile(TEXT(op, "%0", d) : "+r"(v) : "r"(base) : "memory")
#define FLOATS(op, d) __asm__ volatile(TEXT(op, "ft0", d) : "+r"(v) : "r"(base) : "memory", "ft0")
#define TRY(op, kind, displacement)                                                                  \
  for (unsigned i = 0; i < sizeof bases / sizeof bases[0]; i++) {                                    \
    uint64_t v = 0x7777, base = bases[i], before = fault_count;                                      \
    kind(op, displacement);                                                                          \
    if (fault_count != before + 1)                                                                   \
      printf("%s %s at %" PRIx64 " did not fault once\n", op, #displacement, base);                  \
    else if (fault_address != base + (uint64_t)(int64_t)(displacement))                              \
      printf("%s %s at %" PRIx64 " reported %" PRIx64 "\n", op, #displacement, base, fault_address); \
    else if (v != 0x7777)                                                                            \
      printf("%s %s at %" PRIx64 " changed its register\n", op, #displacement, base);                \
    else                                                                                             \
      faults++;                                                                                      \
  }
#define EACH(op, kind) \
  TRY(op, kind, 0) TRY(op, kind, 8) TRY(op, kind, 2040) TRY(op, kind, -8) TRY(op, kind, -2048)

/* A loop whose pointer walks on until it leaves what is mapped: everything before the end must have been
 * done. */
static uint64_t walk(uint64_t at, long step) {
  uint64_t before = fault_count, reads = 0, v = 0;
  for (; fault_count == before; at += (uint64_t)step, reads++) {
    uint64_t base = at;
    LOADS("ld", 0);
  }
  return reads;
}

int main(void) {
  struct sigaction a = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &a, NULL);
  sigaction(SIGBUS, &a, NULL);
  int faults = 0;
  EACH("lb", LOADS)
  EACH("lhu", LOADS) EACH("lw", LOADS) EACH("ld", LOADS) EACH("sb", STORES) EACH("sh", STORES)
      EACH("sw", STORES) EACH("sd", STORES) EACH("flw", FLOATS) EACH("fld", FLOATS) EACH("fsw", FLOATS)
          EACH("fsd", FLOATS) printf("faults %d\n", faults);
  printf("walk at the top %" PRIu64 "\n", walk(0xffffffffffff0000, 8));
  extern char** environ;
  uint64_t first = (uint64_t)environ & ~7ull;
  printf("walk off the stack's end, more than 8: %d\n", walk(first, 8) > 8);
  printf("and its address is the page's %d\n", (fault_address & 4095) == 0 && fault_address > first);
  printf("strided %d\n", walk(first, 1000) > 0);
  return 0;
}
