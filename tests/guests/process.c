/* What a program can learn about itself and the system: arguments, environment, ids, limits, time, random
   bytes, memory calls. Values that differ from run to run are only checked, not printed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

#define CHECK(what) printf("%-60s %s\n", #what, (what) ? "yes" : "NO")

static double seconds(clockid_t id) {
  struct timespec t;
  clock_gettime(id, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(int argc, char** argv, char** environment) {
  for (int i = 1; i < argc; i++) printf("argv %d <%s>\n", i, argv[i]);
  CHECK(argv[argc] == NULL);
  CHECK(strstr(argv[0], "process") != NULL);
  int named = 0;
  for (char** e = environment; *e; e++) named += strchr(*e, '=') != NULL;
  CHECK(named >= 0);
  CHECK(setenv("NEW_NAME", "value", 1) == 0 && !strcmp(getenv("NEW_NAME"), "value"));

  struct utsname u;
  CHECK(uname(&u) == 0);
  printf("%s %s\n", u.sysname, u.machine);
  CHECK(getpid() > 0 && getpid() == getpid());
  CHECK(syscall(SYS_gettid) == getpid());
  CHECK(getppid() >= 0);
  CHECK(getuid() == geteuid() && getgid() == getegid());
  CHECK(sysconf(_SC_PAGESIZE) == 4096);
  CHECK(sysconf(_SC_NPROCESSORS_ONLN) >= 1);
  CHECK(sysconf(_SC_CLK_TCK) == 100);
  CHECK(getauxval(AT_PAGESZ) == 4096);
  CHECK(getauxval(AT_PHDR) != 0 && getauxval(AT_PHNUM) > 0);
  CHECK(getauxval(AT_RANDOM) != 0);
  CHECK((getauxval(AT_HWCAP) & (1 << ('M' - 'A'))) != 0);
  CHECK((getauxval(AT_HWCAP) & (1 << ('D' - 'A'))) != 0);

  double a = seconds(CLOCK_MONOTONIC), r = seconds(CLOCK_REALTIME);
  struct timespec nap = {0, 20000000};
  CHECK(nanosleep(&nap, NULL) == 0);
  CHECK(clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL) == 0);
  double b = seconds(CLOCK_MONOTONIC);
  CHECK(b - a >= 0.04 && b - a < 5);
  CHECK(r > 1.6e9);
  CHECK(labs((long)time(NULL) - (long)r) <= 5);
  struct timeval tv;
  CHECK(gettimeofday(&tv, NULL) == 0 && labs((long)tv.tv_sec - (long)r) <= 5);
  struct timespec resolution;
  CHECK(clock_getres(CLOCK_MONOTONIC, &resolution) == 0 && resolution.tv_sec == 0);
  CHECK(clock_gettime(12345, &resolution) == -1 && errno == EINVAL);
  double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
  volatile long spin = 0;
  for (int i = 0; i < 300000; i++) spin += i;
  CHECK(seconds(CLOCK_PROCESS_CPUTIME_ID) >= cpu);
  struct tms ticks;
  CHECK(times(&ticks) != (clock_t)-1);
  struct rusage usage;
  CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
  CHECK(clock() != (clock_t)-1);
  uint64_t c0, c1;
  __asm__ volatile("rdtime %0" : "=r"(c0));
  usleep(2000);
  __asm__ volatile("rdtime %0" : "=r"(c1));
  CHECK(c1 > c0);
  uint64_t cycles;
  __asm__ volatile("rdcycle %0" : "=r"(cycles));
  CHECK(cycles != 0);

  unsigned char random1[32] = {0}, random2[32] = {0};
  CHECK(getrandom(random1, 32, 0) == 32 && getrandom(random2, 32, GRND_NONBLOCK) == 32);
  CHECK(memcmp(random1, random2, 32) != 0);

  struct rlimit limit;
  CHECK(getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur >= 1 << 20);
  CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= 16);
  cpu_set_t set;
  CHECK(sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) >= 1);
  CHECK(sched_yield() == 0);
  struct sysinfo info;
  CHECK(sysinfo(&info) == 0 && info.totalram > 0);
  CHECK(prctl(PR_SET_NAME, "guest-name") == 0);
  char name[17] = {0};
  CHECK(prctl(PR_GET_NAME, name) == 0 && !strcmp(name, "guest-name"));

  char exe[PATH_MAX] = {0};
  ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
  CHECK(n > 0 && exe[0] == '/' && strstr(exe, "process") != NULL);

  char* start = sbrk(0);
  CHECK(sbrk(100000) == start);
  memset(start, 1, 100000);
  CHECK(sbrk(-100000) == start + 100000 && sbrk(0) == start);
  char* m = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(m != MAP_FAILED && ((uintptr_t)m & 4095) == 0);
  m[0] = 'x', m[(1 << 20) - 1] = 'y';
  m = mremap(m, 1 << 20, 4 << 20, MREMAP_MAYMOVE);
  CHECK(m != MAP_FAILED && m[0] == 'x' && m[(1 << 20) - 1] == 'y' && m[2 << 20] == 0);
  CHECK(mremap(m, 4 << 20, 4096, 0) == m && m[0] == 'x');
  CHECK(madvise(m, 4096, MADV_DONTNEED) == 0 && m[0] == 0);
  CHECK(munmap(m, 4096) == 0);
  CHECK(munmap(m + 1, 4096) == -1 && errno == EINVAL);
  CHECK(mprotect(m, 4096, PROT_READ) == -1 && errno == ENOMEM);
  CHECK(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL);
  CHECK(mmap(NULL, 1ul << 62, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED &&
        errno == ENOMEM);
  CHECK(syscall(3000) == -1 && errno == ENOSYS);
  CHECK(getcwd(exe, 1) == NULL && errno == ERANGE);
  CHECK(isatty(1) == 0);
  CHECK(write(-1, "x", 1) == -1 && errno == EBADF);
  CHECK(write(1, (void*)8, 1) == -1 && errno == EFAULT);
  return argc;
}
