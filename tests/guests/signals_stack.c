/* sigaltstack: a stack overflow handled on the alternate stack, more than once, in the main thread and in
   another; flags and sizes that sigaltstack reports. */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "guest.h"

static sigjmp_buf back;
static _Thread_local volatile int on_alternate;
static _Thread_local char* low;
enum { alternate_size = 64 * 1024 };

static void handler(int signal, siginfo_t* info, void* context) {
  (void)info, (void)context, (void)signal;
  char here;
  stack_t now;
  sigaltstack(NULL, &now);
  on_alternate = &here >= low && &here < low + alternate_size && (now.ss_flags & SS_ONSTACK);
  siglongjmp(back, 1);
}

static volatile int frames;
__attribute__((noinline)) static int overflow(int n) {
  volatile char room[512];
  room[n & 511] = (char)n;
  frames = n;
  if (n == -1) return 0;
  return overflow(n + 1) + room[n & 511];
}

static void use_alternate(void) {
  low = malloc(alternate_size);
  stack_t s = {.ss_sp = low, .ss_size = alternate_size}, old;
  sigaltstack(&s, &old);
  printf("before: disabled %d\n", old.ss_flags == SS_DISABLE);
  for (int i = 0; i < 3; i++) {
    if (!sigsetjmp(back, 1)) overflow(0);
    printf("overflow %d: on the alternate stack %d, deep %d\n", i, on_alternate, frames > 100);
  }
  sigaltstack(NULL, &old);
  printf("after: flags %d size %zu same %d\n", old.ss_flags, old.ss_size, old.ss_sp == low);
  s.ss_flags = SS_DISABLE;
  sigaltstack(&s, NULL);
  free(low);
}

static void* thread(void* arg) {
  use_alternate();
  return arg;
}

int main(void) {
  struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigaction(SIGSEGV, &a, NULL);
  use_alternate();
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 256 * 1024);
  pthread_t t;
  pthread_create(&t, &attributes, thread, NULL);
  pthread_join(t, NULL);
  stack_t tiny = {.ss_sp = back, .ss_size = 16};
  printf("too small %d\n", sigaltstack(&tiny, NULL));
  return 0;
}
