/* Priority-inheriting mutexes: the PI operations of futex, contended, tried and timed out. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "guest.h"

static pthread_mutex_t mutex;
static long counter;

static void* lock_many(void* arg) {
  for (int i = 0; i < 3000; i++) {
    pthread_mutex_lock(&mutex);
    counter++;
    pthread_mutex_unlock(&mutex);
  }
  return arg;
}
static void* try_it(void* arg) {
  (void)arg;
  struct timespec when;
  clock_gettime(CLOCK_REALTIME, &when);
  when.tv_nsec += 10000000;
  if (when.tv_nsec >= 1000000000) when.tv_sec++, when.tv_nsec -= 1000000000;
  long tried = pthread_mutex_trylock(&mutex) == EBUSY;
  return (void*)(tried + 2 * (long)(pthread_mutex_timedlock(&mutex, &when) == ETIMEDOUT));
}
int main(void) {
  pthread_mutexattr_t a;
  pthread_mutexattr_init(&a);
  printf("protocol %d\n", pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT));
  int r0 = pthread_mutex_init(&mutex, &a);
  printf("init %d\n", r0);
  if (r0) return 1;
  pthread_t t[4];
  for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, lock_many, NULL);
  for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
  printf("counter %ld\n", counter);
  printf("lock %d\n", pthread_mutex_lock(&mutex));
  void* r;
  pthread_create(&t[0], NULL, try_it, NULL);
  pthread_join(t[0], &r);
  printf("tried %ld\n", (long)r);
  printf("unlock %d\n", pthread_mutex_unlock(&mutex));
  return 0;
}
