/* Signals that arrive: raise, kill, tgkill, sigqueue with a value; masks and pending sets; nesting;
   SA_RESTART and EINTR; SA_RESETHAND, SA_NODEFER; timers; sigsuspend, sigwait, signalfd's relatives; the
   handler's mask. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

static volatile sig_atomic_t count[65], depth, deepest, order[32], ordered;
static volatile int value;

static void note(int s) { count[s]++; }
static void note_info(int s, siginfo_t* info, void* context) {
  (void)context;
  count[s]++;
  value = info->si_value.sival_int;
  if (ordered < 32) order[ordered++] = s;
}
static void nest(int s) {
  depth++;
  if (depth > deepest) deepest = depth;
  count[s]++;
  if (s == SIGUSR1 && count[s] < 5) raise(SIGUSR2);
  if (s == SIGUSR2 && count[s] < 5) raise(SIGUSR1);
  depth--;
}

static void set(int s, void (*handler)(int), int flags) {
  struct sigaction a = {.sa_handler = handler, .sa_flags = flags};
  sigaction(s, &a, NULL);
}

static void* thread_waits(void* arg) {
  sigset_t* wait = arg;
  int s;
  sigwait(wait, &s);
  return (void*)(long)s;
}

int main(void) {
  set(SIGUSR1, note, 0);
  raise(SIGUSR1);
  kill(getpid(), SIGUSR1);
  syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1);
  pthread_kill(pthread_self(), SIGUSR1);
  printf("delivered %d\n", count[SIGUSR1]);

  sigset_t block, old, pending;
  sigemptyset(&block);
  sigaddset(&block, SIGUSR1), sigaddset(&block, SIGUSR2), sigaddset(&block, SIGRTMIN + 1);
  sigprocmask(SIG_BLOCK, &block, &old);
  raise(SIGUSR1), raise(SIGUSR1);
  sigpending(&pending);
  printf("blocked: count %d pending %d %d\n", count[SIGUSR1], sigismember(&pending, SIGUSR1),
         sigismember(&pending, SIGUSR2));
  sigprocmask(SIG_SETMASK, &old, NULL);
  printf("unblocked: count %d\n", count[SIGUSR1]);

  struct sigaction info = {.sa_sigaction = note_info, .sa_flags = SA_SIGINFO};
  sigaction(SIGRTMIN + 1, &info, NULL);
  sigprocmask(SIG_BLOCK, &block, NULL);
  for (int i = 1; i <= 3; i++) sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = i * 11});
  sigprocmask(SIG_UNBLOCK, &block, NULL);
  printf("queued %d last value %d\n", count[SIGRTMIN + 1], value);

  set(SIGUSR1, nest, 0), set(SIGUSR2, nest, 0);
  count[SIGUSR1] = count[SIGUSR2] = 0;
  raise(SIGUSR1);
  printf("nested deepest %d counts %d %d\n", deepest, count[SIGUSR1], count[SIGUSR2]);
  set(SIGUSR1, nest, SA_NODEFER), set(SIGUSR2, nest, SA_NODEFER);
  deepest = count[SIGUSR1] = count[SIGUSR2] = 0;
  raise(SIGUSR1);
  printf("no defer deepest %d counts %d %d\n", deepest, count[SIGUSR1], count[SIGUSR2]);

  set(SIGUSR1, note, SA_RESETHAND);
  raise(SIGUSR1);
  struct sigaction now;
  sigaction(SIGUSR1, NULL, &now);
  printf("reset to default %d\n", now.sa_handler == SIG_DFL);
  set(SIGUSR1, SIG_IGN, 0);
  raise(SIGUSR1);
  printf("ignored\n");
  printf("kill cannot be caught: %d %d\n", sigaction(SIGKILL, &info, NULL), errno == EINVAL);

  /* A timer breaks a blocking read, or restarts it, as its handler's flags say. */
  int pipes[2];
  if (pipe(pipes)) return 1;
  char c;
  set(SIGALRM, note, 0);
  struct itimerval soon = {.it_value = {.tv_usec = 20000}};
  /* Repeated, because on a busy machine the first may come before the read. */
  struct itimerval often = {.it_value = {.tv_usec = 20000}, .it_interval = {.tv_usec = 20000}};
  setitimer(ITIMER_REAL, &often, NULL);
  ssize_t n = read(pipes[0], &c, 1);
  printf("read %zd EINTR %d alarms %d\n", n, errno == EINTR, count[SIGALRM] > 0);
  set(SIGALRM, note, SA_RESTART);
  setitimer(ITIMER_REAL, &soon, NULL);
  struct itimerval repeat = {.it_value = {.tv_usec = 5000}, .it_interval = {.tv_usec = 5000}};
  setitimer(ITIMER_REAL, &repeat, NULL);
  struct timespec long_enough = {50, 0}, left;
  int slept = nanosleep(&long_enough, &left), was_interrupted = errno == EINTR;
  repeat = (struct itimerval){0};
  setitimer(ITIMER_REAL, &repeat, NULL);
  printf("nanosleep %d interrupted %d left less %d\n", slept, was_interrupted, left.tv_sec < 50);
  int before = count[SIGALRM];
  alarm(100);
  printf("alarm left %d\n", alarm(0) > 90);
  printf("no alarm came %d\n", count[SIGALRM] == before);

  /* A busy loop without system calls is left for the handler all the same. */
  before = count[SIGALRM];
  setitimer(ITIMER_REAL, &soon, NULL);
  while (count[SIGALRM] == before) {
  }
  printf("busy loop was interrupted\n");

  sigset_t none;
  sigemptyset(&none);
  sigaddset(&block, SIGALRM);
  sigprocmask(SIG_BLOCK, &block, NULL);
  setitimer(ITIMER_REAL, &soon, NULL);
  int r = sigsuspend(&none);
  printf("sigsuspend %d EINTR %d\n", r, errno == EINTR);
  raise(SIGUSR2);
  struct timespec zero = {0, 0};
  siginfo_t si;
  sigset_t want;
  sigemptyset(&want);
  sigaddset(&want, SIGUSR2);
  printf("sigtimedwait %d", sigtimedwait(&want, &si, &zero));
  printf(" then %d EAGAIN %d\n", sigtimedwait(&want, &si, &zero), errno == EAGAIN);
  pthread_t t;
  pthread_create(&t, NULL, thread_waits, &want);
  kill(getpid(), SIGUSR2);
  void* result;
  pthread_join(t, &result);
  printf("thread waited for %ld\n", (long)result == SIGUSR2 ? 1L : 0L);
  return 0;
}
