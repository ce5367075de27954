/* Pipes, poll, select, dup, fcntl, eventfd, and threads that talk over them; then standard input echoed by
 * lines. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <unistd.h>

#include "guest.h"

static int pipes[2];

static void* writer(void* arg) {
  long n = (long)arg;
  for (long i = 0; i < n; i++) {
    uint64_t v = (uint64_t)i * 3;
    if (write(pipes[1], &v, sizeof v) != sizeof v) return (void*)1;
  }
  close(pipes[1]);
  return NULL;
}

int main(void) {
  if (pipe(pipes)) return 1;
  pthread_t t;
  pthread_create(&t, NULL, writer, (void*)20000L); /* more than the pipe holds: the writer blocks */
  uint64_t v, sum = 0, count = 0;
  while (read(pipes[0], &v, sizeof v) == sizeof v) sum += v, count++;
  pthread_join(t, NULL);
  printf("pipe %" PRIu64 " %" PRIu64 "\n", count, sum);
  close(pipes[0]);

  if (pipe2(pipes, O_NONBLOCK | O_CLOEXEC)) return 1;
  char c = 0;
  ssize_t r = read(pipes[0], &c, 1);
  printf("empty %zd %s\n", r, strerrorname_np(errno));
  struct pollfd p[2] = {{pipes[0], POLLIN, 0}, {pipes[1], POLLOUT, 0}};
  int n = poll(p, 2, 0);
  printf("poll %d %x %x\n", n, (unsigned)p[0].revents, (unsigned)p[1].revents);
  if (write(pipes[1], "ab", 2) != 2) return 1;
  n = poll(p, 2, 100);
  int waiting = 0;
  ioctl(pipes[0], FIONREAD, &waiting);
  printf("poll %d %x %x waiting %d\n", n, (unsigned)p[0].revents, (unsigned)p[1].revents, waiting);
  fd_set set;
  FD_ZERO(&set);
  FD_SET(pipes[0], &set);
  struct timeval tv = {1, 0};
  n = select(pipes[0] + 1, &set, NULL, NULL, &tv);
  printf("select %d %d\n", n, FD_ISSET(pipes[0], &set) != 0);
  int full = 0;
  static char block[4096];
  while (write(pipes[1], block, sizeof block) > 0) full++;
  printf("full %d %s\n", full > 0, strerrorname_np(errno));
  int second = dup(pipes[0]);
  int third = fcntl(pipes[0], F_DUPFD_CLOEXEC, 100);
  int fourth = dup3(pipes[0], 90, O_CLOEXEC);
  printf("dup %d %d %d flags %x %x status %x\n", second > 2, third >= 100, fourth,
         (unsigned)fcntl(second, F_GETFD), (unsigned)fcntl(third, F_GETFD),
         (unsigned)fcntl(second, F_GETFL) & O_NONBLOCK);
  fcntl(second, F_SETFL, 0);
  printf("status shared %x\n", (unsigned)fcntl(pipes[0], F_GETFL) & O_NONBLOCK);
  r = read(third, &c, 1);
  printf("read the same pipe %zd %c\n", r, c);
  close(pipes[1]);
  long drained = 0;
  while ((r = read(second, block, sizeof block)) > 0) drained += r;
  printf("drained all %d end %zd\n", drained > 4000, r);
  n = poll(p, 1, -1);
  printf("hang-up %d %x\n", n, (unsigned)p[0].revents);
  close(pipes[0]), close(second), close(third), close(fourth);
  errno = 0;
  printf("bad descriptor %ld %s\n", (long)dup(77), strerrorname_np(errno));

  int e = eventfd(3, EFD_NONBLOCK);
  if (e >= 0) {
    uint64_t x = 4;
    r = write(e, &x, 8);
    r = read(e, &x, 8);
    printf("eventfd %" PRIu64, x);
    r = read(e, &x, 8);
    printf(" then %s\n", strerrorname_np(errno));
    int ep = epoll_create1(0);
    struct epoll_event ev = {.events = EPOLLIN, .data.u32 = 55}, out;
    epoll_ctl(ep, EPOLL_CTL_ADD, e, &ev);
    x = 1;
    n = epoll_wait(ep, &out, 1, 0);
    r = write(e, &x, 8);
    int m = epoll_wait(ep, &out, 1, 1000);
    printf("epoll %d %d %u\n", n, m, out.data.u32);
  }
  char line[200];
  int lines = 0;
  while (fgets(line, sizeof line, stdin)) printf("%d %zu %s", ++lines, strlen(line), line);
  printf("\nend of input %d error %d tty %d\n", feof(stdin) != 0, ferror(stdin), isatty(0));
  return lines;
}
