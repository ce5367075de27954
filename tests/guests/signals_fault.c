/* Synchronous signals with SA_SIGINFO: codes and addresses for reads, writes and jumps; siglongjmp out of the
   handler; handlers that repair the fault and return to retry; handlers that step over the instruction
   through the ucontext. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "guest.h"

static sigjmp_buf back;
static volatile int got_signal, got_code, faults;
static void* volatile got_address;
static volatile uintptr_t got_pc;

static void jump_out(int signal, siginfo_t* info, void* context) {
  got_signal = signal, got_code = info->si_code, got_address = info->si_addr;
  got_pc = ((ucontext_t*)context)->uc_mcontext.__gregs[REG_PC];
  siglongjmp(back, 1);
}

static void install(int signal, void (*handler)(int, siginfo_t*, void*)) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  sigaction(signal, &action, NULL);
}

#define TRY(label, base, ...)                                                     \
  do {                                                                            \
    got_signal = 0;                                                               \
    if (!sigsetjmp(back, 1)) {                                                    \
      __VA_ARGS__;                                                                \
      printf("%s: nothing happened\n", label);                                    \
    } else {                                                                      \
      printf("%s: signal %d code %d address %+ld\n", label, got_signal, got_code, \
             got_code > 0 ? (long)((char*)got_address - (char*)(base)) : 0L);     \
    }                                                                             \
  } while (0)

static char* page;

static void repair(int signal, siginfo_t* info, void* context) {
  (void)context;
  faults++;
  got_signal = signal;
  uintptr_t at = (uintptr_t)info->si_addr & ~4095ul;
  mprotect((void*)at, 4096, PROT_READ | PROT_WRITE);
}

static void step_over(int signal, siginfo_t* info, void* context) {
  (void)info;
  ucontext_t* uc = context;
  faults++;
  got_signal = signal;
  uint16_t parcel;
  memcpy(&parcel, (void*)uc->uc_mcontext.__gregs[REG_PC], 2);
  uc->uc_mcontext.__gregs[REG_PC] += (parcel & 3) == 3 ? 4 : 2;
  uc->uc_mcontext.__gregs[10] = 4711;                        /* a0 */
  uc->uc_mcontext.__fpregs.__d.__f[10] = 0x4000000000000000; /* fa0 = 2.0 */
}

int main(void) {
  page = mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(page + 4096, 4096, PROT_READ);
  mprotect(page + 2 * 4096, 4096, PROT_NONE);
  munmap(page + 3 * 4096, 4096);
  install(SIGSEGV, jump_out), install(SIGBUS, jump_out), install(SIGILL, jump_out),
      install(SIGTRAP, jump_out), install(SIGFPE, jump_out);

  TRY("read null", NULL, (void)*(volatile int*)NULL);
  TRY("read null + 8", NULL, (void)*(volatile long*)8);
  TRY("write read-only", page, *(volatile char*)(page + 4096 + 5) = 1);
  TRY("read read-only", page, (void)*(volatile char*)(page + 4096 + 5));
  TRY("read none", page, (void)*(volatile int*)(page + 2 * 4096 + 16));
  TRY("write none", page, *(volatile double*)(page + 2 * 4096 + 16) = 1);
  TRY("read unmapped", page, (void)*(volatile short*)(page + 3 * 4096 + 2));
  TRY("write unmapped", page, *(volatile float*)(page + 3 * 4096 + 4) = 1);
  TRY("amo read-only", page, __atomic_fetch_add((int*)(page + 4096), 1, __ATOMIC_SEQ_CST));
  TRY("amo unmapped", page, __atomic_fetch_add((long*)(page + 3 * 4096), 1, __ATOMIC_SEQ_CST));
  TRY("lr unmapped", page, uint64_t v; __asm__ volatile("lr.d %0, (%1)" : "=r"(v) : "r"(page + 3 * 4096)));
  TRY("jump to null", NULL, ((void (*)(void))NULL)());
  TRY("jump to data", page, ((void (*)(void))page)());
  printf("pc is the target: %d\n", got_pc == (uintptr_t)page);
  TRY("jump to unmapped", page, ((void (*)(void))(page + 3 * 4096))());
  TRY("illegal word", NULL, __asm__ volatile(".word 0xffffffff"); got_address = NULL);
  TRY("ebreak", NULL, __asm__ volatile(".option push\n\t.option norvc\n\tebreak\n\t.option pop"));
  TRY("raise fpe", NULL, got_address = NULL; raise(SIGFPE));
  void* handler_of_segv;
  struct sigaction old;
  sigaction(SIGSEGV, NULL, &old);
  handler_of_segv = (void*)old.sa_sigaction;
  printf("handler kept %d flags %x\n", handler_of_segv == (void*)jump_out,
         (unsigned)old.sa_flags & ~0x4000000u);

  /* The pc in the context is that of the faulting instruction, and earlier stores of the same block are done.
   */
  volatile long* before = (long*)page;
  before[0] = 0, before[1] = 0;
  if (!sigsetjmp(back, 1)) {
    __asm__ volatile("sd %1, 0(%0)\n\tld t0, 0(%2)\n\tsd %1, 8(%0)" ::"r"(page), "r"(7L), "r"(page + 2 * 4096)
                     : "t0", "memory");
  }
  printf("before the fault %ld after %ld\n", before[0], before[1]);

  install(SIGSEGV, repair);
  mprotect(page, 4096, PROT_NONE);
  page[100] = 9;
  mprotect(page + 5 * 4096, 2 * 4096, PROT_NONE);
  *(volatile uint64_t*)(page + 6 * 4096 - 4) = 0x1122334455667788; /* both pages, one after the other */
  uint64_t crossing;
  memcpy(&crossing, page + 6 * 4096 - 4, 8);
  printf("repaired %d faults, kept %d %" PRIx64 "\n", faults, page[100], crossing);
  faults = 0;
  for (int i = 0; i < 200; i++) {
    mprotect(page, 4096, PROT_READ);
    page[i] = (char)i;
  }
  printf("write faults %d\n", faults);

  install(SIGSEGV, step_over), install(SIGILL, step_over), install(SIGTRAP, step_over);
  faults = 0;
  register long a0 __asm__("a0");
  __asm__ volatile("li a0, 1\n\tfmv.d.x fa0, x0\n\tlw a1, 0(x0)\n\tfcvt.l.d a1, fa0\n\tadd a0, a0, a1"
                   : "=r"(a0)::"a1", "fa0", "memory");
  long first = a0;
  __asm__ volatile("li a0, 1\n\t.word 0x0000000b\n\taddi a0, a0, 1" : "=r"(a0)::"fa0", "memory");
  long second = a0;
  __asm__ volatile("li a0, 1\n\tc.ebreak\n\taddi a0, a0, 2" : "=r"(a0)::"fa0", "memory");
  long third = a0;
  printf("stepped over %d: %ld %ld %ld\n", faults, first, second, third);
  faults = 0;
  long total = 0;
  for (int i = 0; i < 1000; i++) {
    __asm__ volatile("li a0, 1\n\tsd a0, 0(x0)" : "=r"(a0)::"fa0", "memory");
    total += a0;
  }
  printf("loop %d %ld\n", faults, total);
  return 0;
}
