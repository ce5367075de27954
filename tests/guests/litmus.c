/* Memory-model litmus shapes with the fences that forbid their weak outcomes: message passing, store
   buffering, load buffering, IRIW, and coherence. The number of forbidden outcomes must be 0 for every shape.
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "guest.h"

enum { rounds = 3000 };
static struct {
  volatile long x __attribute__((aligned(128)));
  volatile long y __attribute__((aligned(128)));
} cells[rounds];
static long r[4][rounds];
static pthread_barrier_t gate;
static volatile int shape;

#define FENCE(kind) __asm__ volatile("fence " kind ::: "memory")
#define STORE(cell, v) __asm__ volatile("sd %0, 0(%1)" ::"r"((long)(v)), "r"(&(cell)) : "memory")
#define LOAD(out, cell) __asm__ volatile("ld %0, 0(%1)" : "=r"(out) : "r"(&(cell)) : "memory")

static void act(int me, int i) {
  long a, b;
  switch (shape * 4 + me) {
    case 0:
      STORE(cells[i].x, 1);
      FENCE("w, w");
      STORE(cells[i].y, 1);
      break; /* message passing */
    case 1:
      LOAD(a, cells[i].y);
      FENCE("r, r");
      LOAD(b, cells[i].x);
      r[0][i] = a, r[1][i] = b;
      break;
    case 4:
      STORE(cells[i].x, 1);
      FENCE("rw, rw");
      LOAD(a, cells[i].y);
      r[0][i] = a;
      break; /* store buffering */
    case 5:
      STORE(cells[i].y, 1);
      FENCE("rw, rw");
      LOAD(b, cells[i].x);
      r[1][i] = b;
      break;
    case 8:
      LOAD(a, cells[i].x);
      FENCE("r, w");
      STORE(cells[i].y, 1);
      r[0][i] = a;
      break; /* load buffering */
    case 9:
      LOAD(b, cells[i].y);
      FENCE("r, w");
      STORE(cells[i].x, 1);
      r[1][i] = b;
      break;
    case 12:
      __atomic_store_n(&cells[i].x, 1, __ATOMIC_RELEASE);
      __atomic_store_n(&cells[i].y, 1, __ATOMIC_RELEASE);
      break;
    case 13:
      r[0][i] = __atomic_load_n(&cells[i].y, __ATOMIC_ACQUIRE);
      r[1][i] = __atomic_load_n(&cells[i].x, __ATOMIC_ACQUIRE);
      break;
    case 16:
      __atomic_exchange_n(&cells[i].x, 1, __ATOMIC_SEQ_CST);
      LOAD(a, cells[i].y);
      r[0][i] = a;
      break; /* amo.aqrl, then a load after a fence */
    case 17:
      __atomic_exchange_n(&cells[i].y, 1, __ATOMIC_SEQ_CST);
      FENCE("rw, rw");
      LOAD(b, cells[i].x);
      r[1][i] = b;
      break;
    case 20:
      STORE(cells[i].x, 1);
      STORE(cells[i].x, 2);
      break; /* coherence of one cell */
    case 21:
      LOAD(a, cells[i].x);
      LOAD(b, cells[i].x);
      r[0][i] = a, r[1][i] = b;
      break;
    default:
      break;
  }
}

static void* run(void* arg) {
  int me = (int)(long)arg;
  for (int s = 0; s < 6; s++) {
    pthread_barrier_wait(&gate);
    if (me == 0) {
      shape = s;
      memset(cells, 0, sizeof cells);
      memset(r, 0, sizeof r);
    }
    pthread_barrier_wait(&gate);
    for (int i = 0; i < rounds; i++) act(me, i);
    pthread_barrier_wait(&gate);
    if (me == 0) {
      int forbidden = 0;
      for (int i = 0; i < rounds; i++) {
        if (s == 0 || s == 3) forbidden += r[0][i] == 1 && r[1][i] == 0;
        if (s == 1) forbidden += r[0][i] == 0 && r[1][i] == 0;
        if (s == 2) forbidden += r[0][i] == 1 && r[1][i] == 1;
        if (s == 5) forbidden += r[0][i] > r[1][i];
      }
      static const char* names[] = {"message passing", "store buffering", "load buffering",
                                    "release acquire", "exchanges",       "coherence"};
      printf("%s: forbidden %d\n", names[s], forbidden);
    }
  }
  return NULL;
}

int main(void) {
  pthread_barrier_init(&gate, NULL, 2);
  pthread_t t;
  pthread_create(&t, NULL, run, (void*)1L);
  run((void*)0L);
  pthread_join(t, NULL);
  return 0;
}
