/* Signals and threads: pthread_kill hits threads that compute; every thread's registers survive, including
   the floating-point ones, and each handler runs in the thread that was meant. */
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "guest.h"

static _Thread_local volatile int mine;
static volatile int handled;

static void on_usr1(int s) {
  (void)s;
  mine++;
  volatile double x = 3.7;
  for (int i = 0; i < 20; i++) x = sqrt(x * x + i);
  __atomic_fetch_add(&handled, 1, __ATOMIC_SEQ_CST);
}

static void* compute(void* arg) {
  long seed = (long)arg;
  uint64_t h = fnv_start();
  double x = (double)seed;
  int rounds = 0;
  while (rounds < 200 || mine < 20) {
    uint64_t g = fnv_start();
    double y = (double)seed;
    for (int i = 0; i < 500; i++) {
      g = fnv_add(g, (uint64_t)i * (uint64_t)seed);
      y = y * 1.0000001 + i / 7.0;
    }
    if (rounds == 0) h = g, x = y;
    if (h != g || x != y) return (void*)-1;
    rounds++;
  }
  return (void*)0;
}

int main(void) {
  struct sigaction a = {.sa_handler = on_usr1, .sa_flags = SA_RESTART};
  sigaction(SIGUSR1, &a, NULL);
  pthread_t t[3];
  for (long i = 0; i < 3; i++) pthread_create(&t[i], NULL, compute, (void*)(i + 1));
  for (int k = 0; k < 20; k++)
    for (int i = 0; i < 3; i++) {
      int before = handled;
      pthread_kill(t[i], SIGUSR1);
      while (handled == before) usleep(50);
    }
  for (int i = 0; i < 3; i++) {
    void* r;
    pthread_join(t[i], &r);
    printf("thread %d %s\n", i, r ? "was disturbed" : "computed the same every time");
  }
  printf("main's own count %d\n", mine);
  return 0;
}
