/* ctzw and clzw of words whose lower half is empty: 32, whatever the upper half holds. The expected file has
   what the bit-manipulation specification says; qemu-riscv64 7.2 counts on into the upper half. */
#include "guest.h"

int main(void) {
  int wrong = 0;
  for (int s = 32; s < 64; s++)
    for (uint64_t low = 0; low < 2; low++) {
      uint64_t a = 1ull << s | low, t, l;
      __asm__ volatile("ctzw %0, %2\n\tclzw %1, %2" : "=&r"(t), "=&r"(l) : "r"(a));
      wrong += t != (low ? 0 : 32);
      wrong += l != (low ? 31 : 32);
    }
  printf("wrong counts %d\n", wrong);
  return 0;
}
