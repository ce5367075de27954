/* Directory descriptors, magic links of /proc, inherited descriptors, and calls that reopen or hand over
 * files. */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/uio.h>
#include "contained.h"

int main(int argc, char** argv) {
  const char* dir = start(argc, argv);
  if (chdir(dir)) return 1;
  mkdir("sub", 0700);
  int base = open(".", O_RDONLY | O_DIRECTORY), sub = open("sub", O_RDONLY | O_DIRECTORY),
      where = open("sub", O_PATH);
  printf("descriptors %d %d\n", base >= 0, sub >= 0);
  struct stat st;
  OUTSIDE("openat ..", openat(base, "../outside/secret", O_RDONLY));
  OUTSIDE("openat ../..", openat(sub, "../../outside/secret", O_RDONLY));
  OUTSIDE("openat path descriptor", openat(where, "../../outside/secret", O_RDONLY));
  OUTSIDE("openat absolute", openat(base, "/etc/passwd", O_RDONLY));
  OUTSIDE("openat escape", openat(base, "escape", O_RDONLY));
  OUTSIDE("fstatat", fstatat(base, "../outside/secret", &st, 0));
  OUTSIDE("faccessat", faccessat(sub, "../../outside/secret", F_OK, 0));
  OUTSIDE("unlinkat", unlinkat(base, "../outside/secret", 0));
  OUTSIDE("mkdirat", mkdirat(sub, "../../outside/x", 0700));
  CROSSING("renameat", renameat(base, "../outside/secret", base, "stolen"));
  CROSSING("linkat", linkat(base, "../outside/secret", base, "hard", 0));
  OUTSIDE("fchmodat", fchmodat(base, "../outside/secret", 0, 0));

  /* The directory behind a descriptor moves out of the place that ".." is counted from. */
  mkdir("sub/deep", 0700);
  int deep = open("sub/deep", O_RDONLY | O_DIRECTORY);
  rename("sub/deep", "deep");
  OUTSIDE("moved directory", openat(deep, "../../outside/secret", O_RDONLY));
  OUTSIDE("moved directory, one up more", openat(deep, "../../../etc/passwd", O_RDONLY));
  fchdir(deep);
  OUTSIDE("moved working directory", open("../../outside/secret", O_RDONLY));
  rmdir("../deep");
  OUTSIDE("removed working directory", open("../../outside/secret", O_RDONLY));
  if (chdir(dir)) return 1;

  char name[64];
  snprintf(name, sizeof name, "/proc/self/fd/%d/../outside/secret", base);
  OUTSIDE("through /proc/self/fd", open(name, O_RDONLY));
  snprintf(name, sizeof name, "/proc/self/fd/%d/../../../etc/passwd", base);
  OUTSIDE("through /proc/self/fd, far", open(name, O_RDONLY));
  snprintf(name, sizeof name, "/proc/%d/root/etc/passwd", getpid());
  OUTSIDE("through /proc/PID/root", open(name, O_RDONLY));
  OUTSIDE("through /proc/thread-self", open("/proc/thread-self/root/etc/passwd", O_RDONLY));
  OUTSIDE("through task", open("/proc/self/task/1/root/etc/passwd", O_RDONLY));
  OUTSIDE("/dev/fd", open("/dev/fd/../root/etc/passwd", O_RDONLY));
  OUTSIDE("/proc/self/fdinfo", open("/proc/self/fdinfo/../mem", O_RDWR));

  /* Descriptors of the host process beyond the standard three are not the guest's. */
  int borrowed = 0;
  for (int fd = 3; fd < 300; fd++)
    if (fd != base && fd != sub && fd != where && fd != deep && fcntl(fd, F_GETFD) != -1) borrowed++;
  printf("borrowed descriptors %d\n", borrowed);
  int own = open("own", O_CREAT | O_RDWR, 0600);
  OUTSIDE("openat on a file",
          openat(own, "../outside/secret", O_RDONLY) < 0 && errno == ENOTDIR ? (errno = EACCES, -1) : -1);
  SYSTEM("name_to_handle_at", syscall(SYS_name_to_handle_at, AT_FDCWD, ".", NULL, NULL, 0));
  SYSTEM("open_by_handle_at", syscall(SYS_open_by_handle_at, base, NULL, 0));
  SYSTEM("open_tree", syscall(428, AT_FDCWD, "/", 0));
  errno = 0;
  struct {
    unsigned long flags, mode, resolve;
  } how = {O_RDONLY, 0, 0};
  static const int openat2_errors[] = {ENOENT, EACCES, ENOSYS, 0};
  judge("openat2", syscall(437, base, "../outside/secret", &how, sizeof how), openat2_errors);
  judge("statx", syscall(291, base, "../outside/secret", 0, 0x7ff, (char[256]){0}), openat2_errors);
  judge("statx by link", syscall(291, base, "escape", 0, 0x7ff, (char[256]){0}), openat2_errors);
  judge("faccessat2", syscall(439, base, "../outside/secret", 0, 0), openat2_errors);
  return 0;
}
