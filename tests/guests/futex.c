/* pthreads on futexes: contended mutexes of every kind, condition variables, barriers, semaphores, rwlocks,
   spinlocks, once, timeouts, robust mutexes whose owner died, cancellation with clean-up handlers,
   thread-specific data. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

enum { threads = 4, rounds = 4000 };
static pthread_mutex_t mutex, robust;
static pthread_spinlock_t spin;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_cond_t turn_changed = PTHREAD_COND_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static sem_t semaphore;
static long counter, spun, turn, written, bad_reads, destroyed, once_ran, cleaned, in_semaphore;
static char order[64];

static void* lock_many(void* arg) {
  (void)arg;
  for (int i = 0; i < rounds; i++) {
    pthread_mutex_lock(&mutex);
    counter++;
    pthread_mutex_unlock(&mutex);
    if (i % 8 == 0) {
      pthread_spin_lock(&spin);
      spun++;
      pthread_spin_unlock(&spin);
    }
  }
  return NULL;
}
static void* take_turns(void* arg) {
  long me = (long)arg;
  for (int i = 0; i < 50; i++) {
    pthread_mutex_lock(&mutex);
    while (turn % threads != me) pthread_cond_wait(&turn_changed, &mutex);
    if (turn < 63) order[turn] = (char)('a' + me);
    turn++;
    pthread_cond_broadcast(&turn_changed);
    pthread_mutex_unlock(&mutex);
  }
  return NULL;
}
static void* meet(void* arg) {
  long* sums = arg;
  long serial = 0;
  for (int i = 0; i < 50; i++) {
    __atomic_fetch_add(&sums[i], 1, __ATOMIC_RELAXED);
    if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) serial++;
    if (__atomic_load_n(&sums[i], __ATOMIC_RELAXED) != threads) return (void*)-1000L;
  }
  return (void*)serial;
}
static void* read_or_write(void* arg) {
  long me = (long)arg;
  for (int i = 0; i < 800; i++) {
    if (me == 0) {
      pthread_rwlock_wrlock(&rwlock);
      written++, written++;
    } else {
      pthread_rwlock_rdlock(&rwlock);
      if (written & 1) __atomic_fetch_add(&bad_reads, 1, __ATOMIC_RELAXED);
    }
    pthread_rwlock_unlock(&rwlock);
  }
  return NULL;
}
static void* through_semaphore(void* arg) {
  (void)arg;
  for (int i = 0; i < 500; i++) {
    sem_wait(&semaphore);
    long inside = __atomic_add_fetch(&in_semaphore, 1, __ATOMIC_SEQ_CST);
    if (inside > 2) return (void*)1;
    __atomic_fetch_sub(&in_semaphore, 1, __ATOMIC_SEQ_CST);
    sem_post(&semaphore);
  }
  return NULL;
}
static void run_once(void) { once_ran++; }
static void destroy(void* value) { __atomic_fetch_add(&destroyed, (long)value, __ATOMIC_SEQ_CST); }
static void* specific(void* arg) {
  pthread_once(&once, run_once);
  pthread_setspecific(key, arg);
  return (void*)((long)pthread_getspecific(key) * 2);
}
static void* die_with_lock(void* arg) {
  (void)arg;
  pthread_mutex_lock(&robust);
  return NULL;
}
static void unlock(void* m) { pthread_mutex_unlock(m); }
static void clean(void* arg) { cleaned += (long)arg; }
static void* wait_forever(void* arg) {
  pthread_cleanup_push(clean, (void*)1);
  pthread_cleanup_push(clean, (void*)10);
  if (arg) {
    for (;;) pause();
  } else {
    pthread_mutex_lock(&mutex);
    pthread_cleanup_push(unlock, &mutex);
    for (;;) pthread_cond_wait(&turn_changed, &mutex);
    pthread_cleanup_pop(1);
  }
  pthread_cleanup_pop(1);
  pthread_cleanup_pop(1);
  return NULL;
}
static void* spin_for_ever(void* arg) {
  pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
  __atomic_store_n((int*)arg, 1, __ATOMIC_SEQ_CST);
  for (;;) __asm__ volatile("");
  return NULL;
}

static long run(void* (*work)(void*), void* shared) {
  pthread_t t[threads];
  long total = 0;
  for (long i = 0; i < threads; i++) pthread_create(&t[i], NULL, work, shared ? shared : (void*)i);
  for (int i = 0; i < threads; i++) {
    void* r;
    pthread_join(t[i], &r);
    total += (long)r;
  }
  return total;
}

int main(void) {
  static const int kinds[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK,
                              PTHREAD_MUTEX_ADAPTIVE_NP};
  pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
  for (int k = 0; k < 4; k++) {
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_settype(&a, kinds[k]);
    pthread_mutex_init(&mutex, &a);
    run(lock_many, NULL);
    printf("kind %d counter %ld spun %ld\n", k, counter, spun);
    pthread_mutex_lock(&mutex);
    if (k == 1) printf("recursive %d %d\n", pthread_mutex_lock(&mutex), pthread_mutex_unlock(&mutex));
    if (k == 2) printf("error check %d\n", pthread_mutex_lock(&mutex) == EDEADLK);
    printf("trylock %d\n", k == 1 ? EBUSY : pthread_mutex_trylock(&mutex));
    pthread_mutex_unlock(&mutex);
    pthread_mutex_destroy(&mutex);
  }
  pthread_mutex_init(&mutex, NULL);
  run(take_turns, NULL);
  printf("turns %ld %s\n", turn, order);
  pthread_barrier_init(&barrier, NULL, threads);
  static long sums[50];
  printf("barrier %ld\n", run(meet, sums));
  run(read_or_write, NULL);
  printf("rwlock %ld bad %ld\n", written, bad_reads);
  sem_init(&semaphore, 0, 2);
  printf("semaphore %ld\n", run(through_semaphore, NULL));
  int value;
  sem_getvalue(&semaphore, &value);
  printf("value %d try %d %d %d\n", value, sem_trywait(&semaphore), sem_trywait(&semaphore),
         sem_trywait(&semaphore));
  pthread_key_create(&key, destroy);
  long doubled = run(specific, NULL);
  printf("specific %ld destroyed %ld once %ld\n", doubled, destroyed, once_ran);

  struct timespec when;
  clock_gettime(CLOCK_REALTIME, &when);
  when.tv_nsec += 20000000;
  if (when.tv_nsec >= 1000000000) when.tv_sec++, when.tv_nsec -= 1000000000;
  pthread_mutex_lock(&mutex);
  printf("timed wait %d\n", pthread_cond_timedwait(&turn_changed, &mutex, &when) == ETIMEDOUT);
  printf("timed lock %d\n", pthread_mutex_timedlock(&mutex, &when) == ETIMEDOUT);
  printf("timed semaphore %d\n", sem_timedwait(&semaphore, &when) == -1 && errno == ETIMEDOUT);
  pthread_mutex_unlock(&mutex);

  pthread_mutexattr_t a;
  pthread_mutexattr_init(&a);
  pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&robust, &a);
  pthread_t t;
  pthread_create(&t, NULL, die_with_lock, NULL);
  pthread_join(t, NULL);
  int r = pthread_mutex_lock(&robust);
  printf("robust %d consistent %d", r == EOWNERDEAD, pthread_mutex_consistent(&robust));
  printf(" unlock %d\n", pthread_mutex_unlock(&robust));

  for (long i = 0; i < 2; i++) {
    pthread_create(&t, NULL, wait_forever, (void*)i);
    usleep(5000);
    pthread_cancel(t);
    void* result;
    pthread_join(t, &result);
    printf("cancelled %d cleaned %ld\n", result == PTHREAD_CANCELED, cleaned);
  }
  int started = 0;
  pthread_create(&t, NULL, spin_for_ever, &started);
  while (!__atomic_load_n(&started, __ATOMIC_SEQ_CST)) usleep(100);
  pthread_cancel(t);
  void* result;
  pthread_join(t, &result);
  printf("cancelled a busy loop %d\n", result == PTHREAD_CANCELED);
  return 0;
}
