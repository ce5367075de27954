/* Deaths, chosen by the argument; each must end the program with its signal. Some output comes first, so that
   a lost buffer or a double run would show. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest.h"

static volatile int zero;
__attribute__((noinline)) static long forever(long n) {
  volatile char room[256];
  room[n & 255] = (char)n;
  return (zero ? 1 : forever(n + 1)) + room[n & 255];
}
static void* in_thread(void* how) {
  if (!strcmp(how, "thread-segv")) *(volatile int*)8 = 1;
  if (!strcmp(how, "thread-exit")) _exit(33);
  if (!strcmp(how, "thread-abort")) abort();
  return NULL;
}

int main(int argc, char** argv) {
  const char* how = argc > 1 ? argv[1] : "";
  printf("%s\n", how);
  fflush(stdout);
  struct sigaction blocked = {.sa_handler = SIG_IGN};
#define IS(name) if (!strcmp(how, name))
  IS("null-read") return *(volatile int*)NULL;
  IS("null-write") * (volatile int*)NULL = 1;
  IS("null-jump")((void (*)(void))NULL)();
  IS("wild-jump")((void (*)(void))0x7000000000)();
  IS("odd-jump")((void (*)(void))0x123456789abcdef1)();
  IS("top-load") return *(volatile unsigned char*)UINTPTR_MAX;
  IS("top-load-8") return (int)*(volatile long*)(UINTPTR_MAX - 7);
  IS("top-cross") return (int)*(volatile long*)(UINTPTR_MAX - 3);
  IS("middle-load") return *(volatile int*)0x8000000000000000;
  IS("negative-load") return *(volatile int*)-4096;
  IS("store-code") * (volatile int*)(void*)main = 1;
  IS("store-rodata") * (volatile char*)(uintptr_t) "constant" = 1;
  IS("exec-data") {
    static unsigned code[] = {0x00008067};
    ((void (*)(void))code)();
  }
  IS("exec-stack") {
    volatile unsigned code[] = {0x00008067, 0};
    ((void (*)(void))(uintptr_t)code)();
  }
  IS("exec-heap") {
    unsigned* code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    code[0] = 0x00008067;
    ((void (*)(void))code)();
  }
  IS("illegal-zero") __asm__ volatile(".half 0");
  IS("illegal-ones") __asm__ volatile(".word 0xffffffff");
  IS("illegal-csr") __asm__ volatile("csrr t0, mstatus" ::: "t0");
  IS("illegal-mret") __asm__ volatile(".word 0x30200073");
  IS("illegal-sret") __asm__ volatile(".word 0x10200073");
  IS("wfi") __asm__ volatile(".word 0x10500073");
  IS("ebreak") __asm__ volatile("ebreak");
  IS("recursion") return (int)forever(0);
  IS("misaligned-amo") {
    long cells[2] = {0, 0};
    long r;
    __asm__ volatile("amoadd.d %0, %0, (%1)" : "=r"(r) : "r"((char*)cells + 4) : "memory");
    printf("done\n");
    return 9;
  }
  IS("bad-stack") __asm__ volatile("li sp, 8\n\tsd ra, 0(sp)" ::: "memory");
  IS("abort") abort();
  IS("abort-ignored") {
    sigaction(SIGABRT, &blocked, NULL);
    abort();
  }
  IS("kill-term") kill(getpid(), SIGTERM);
  IS("kill-kill") kill(getpid(), SIGKILL);
  IS("raise-usr1") raise(SIGUSR1);
  IS("raise-fpe") raise(SIGFPE);
  IS("raise-bus") raise(SIGBUS);
  IS("raise-rt") raise(SIGRTMIN + 3);
  IS("alarm") {
    alarm(1);
    for (;;) pause();
  }
  IS("segv-ignored") {
    sigaction(SIGSEGV, &blocked, NULL);
    return *(volatile int*)NULL;
  }
  IS("segv-blocked") {
    sigset_t s;
    sigfillset(&s);
    sigprocmask(SIG_BLOCK, &s, NULL);
    return *(volatile int*)NULL;
  }
  IS("pipe") {
    int p[2];
    if (pipe(p)) return 1;
    close(p[0]);
    return (int)write(p[1], "x", 1);
  }
  if (!strncmp(how, "thread-", 7)) {
    pthread_t t;
    pthread_create(&t, NULL, in_thread, (void*)how);
    if (!strcmp(how, "thread-last")) {
      pthread_detach(t);
      pthread_exit(NULL);
    }
    pthread_join(t, NULL);
    for (;;) pause();
  }
  IS("exit-256") _exit(256 + 7);
  IS("exit-negative") exit(-1);
  IS("exit-syscall") syscall(SYS_exit, 21);
  IS("unknown-syscall") {
    long r = syscall(5000);
    printf("%ld\n", r);
    r = syscall(-1);
    printf("%ld\n", r);
    return 3;
  }
  printf("survived\n");
  return 77;
}
