/* Hundreds of threads one after another and in batches: created, joined, detached, with small stacks, exiting
   from deep inside; each with its own thread-local block. */
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include "guest.h"

static _Thread_local long block[100] = {1, 2, 3};
static _Thread_local long zero;
static sem_t done;
static long detached;

__attribute__((noinline)) static void exit_deep(int n, long value) {
  if (n == 0) pthread_exit((void*)value);
  exit_deep(n - 1, value);
  __asm__ volatile("");
}
static void* work(void* arg) {
  long n = (long)arg, ok = block[0] == 1 && block[1] == 2 && block[99] == 0 && zero == 0;
  for (int i = 0; i < 100; i++) block[i] = n;
  zero = n;
  if (n % 3 == 0) exit_deep(20, ok ? n : -1);
  return (void*)(ok ? n : -1);
}
static void* detached_work(void* arg) {
  __atomic_fetch_add(&detached, (long)work((void*)((long)arg * 3 + 1)) > 0, __ATOMIC_SEQ_CST);
  sem_post(&done);
  return NULL;
}

int main(void) {
  long sum = 0;
  for (long i = 0; i < 400; i++) {
    pthread_t t;
    void* r;
    if (pthread_create(&t, NULL, work, (void*)i)) return 1;
    pthread_join(t, &r);
    sum += (long)r;
  }
  printf("one by one %ld\n", sum);
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 64 * 1024);
  sum = 0;
  for (int batch = 0; batch < 6; batch++) {
    pthread_t t[40];
    for (long i = 0; i < 40; i++)
      if (pthread_create(&t[i], &small, work, (void*)i)) return 2;
    for (int i = 0; i < 40; i++) {
      void* r;
      pthread_join(t[i], &r);
      sum += (long)r;
    }
  }
  printf("batches %ld\n", sum);
  sem_init(&done, 0, 0);
  pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
  for (long i = 0; i < 100; i++) {
    pthread_t t;
    if (pthread_create(&t, &small, detached_work, (void*)i)) return 3;
    if (i % 10 == 9)
      for (int k = 0; k < 10; k++) sem_wait(&done);
  }
  printf("detached %ld main's own %ld %ld\n", detached, block[0], zero);
  return 0;
}
