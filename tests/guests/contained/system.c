/* What is not about files: the network, other processes, new programs, the machine's settings. Calls that
   would do harm if they came through are made with arguments that the host's kernel would refuse in its own
   way, which shows as odd: a failing test must not hurt the machine it runs on. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include "contained.h"

int main(int argc, char** argv) {
  const char* dir = start(argc, argv);
  if (chdir(dir)) return 1;
  SYSTEM("socket inet", socket(AF_INET, SOCK_STREAM, 0));
  SYSTEM("socket inet6", socket(AF_INET6, SOCK_DGRAM, 0));
  SYSTEM("socket unix", socket(AF_UNIX, SOCK_STREAM, 0));
  SYSTEM("socket netlink", socket(AF_NETLINK, SOCK_RAW, 0));
  SYSTEM("socket packet", socket(AF_PACKET, SOCK_RAW, 0));
  static const int socket_errors[] = {EPERM, EACCES, ENOSYS, EAFNOSUPPORT, ENOTSOCK, EBADF, 0};
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/notify"};
  judge("connect", connect(1, (struct sockaddr*)&address, sizeof address), socket_errors);
  judge("sendto", sendto(1, "x", 1, 0, (struct sockaddr*)&address, sizeof address), socket_errors);

  PROCESS("kill 1", kill(1, 0));
  PROCESS("kill parent", getppid() > 1 ? kill(getppid(), 0) : kill(1, 0));
  PROCESS("kill everybody", kill(-1, 0));
  PROCESS("kill group 1", kill(-1000000, 0));
  PROCESS("tgkill", syscall(SYS_tgkill, 1, 1, 0));
  PROCESS("tkill", syscall(SYS_tkill, 1, 0));
  PROCESS("sigqueue", syscall(SYS_rt_sigqueueinfo, 1, 0, (siginfo_t[1]){{.si_code = SI_QUEUE}}));
  PROCESS("pidfd_open", syscall(434, 1, 0));
  SYSTEM("ptrace of 1", ptrace(0x9999, 1, 0, 0));
  SYSTEM("ptrace me", ptrace(PTRACE_TRACEME, 0, 0, 0));
  PROCESS("process_vm_readv", syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0));
  PROCESS("process_vm_writev", syscall(SYS_process_vm_writev, 1, NULL, 0, NULL, 0, 0));
  PROCESS("prlimit of 1", prlimit(1, RLIMIT_CORE, NULL, &(struct rlimit){0}));
  cpu_set_t all;
  memset(&all, 255, sizeof all);
  PROCESS("affinity of 1", sched_setaffinity(1, sizeof all, &all));
  PROCESS("kcmp", syscall(SYS_kcmp, 1, 1, 0, 0, 0));

  char* const arguments[] = {"sh", "-c", "true", NULL};
  SYSTEM("execve", execve("/bin/sh", arguments, NULL) < 0 && errno == ENOENT ? (errno = EACCES, -1) : -1);
  SYSTEM("execve own",
         execve("/proc/self/exe", arguments, NULL) < 0 && errno == ENOENT ? (errno = EACCES, -1) : -1);
  SYSTEM("execveat", syscall(SYS_execveat, AT_FDCWD, "/bin/sh", arguments, NULL, 0) < 0 && errno == ENOENT
                         ? (errno = EACCES, -1)
                         : -1);
  static const int fork_errors[] = {EPERM, EACCES, ENOSYS, EAGAIN, 0};
  errno = 0;
  long child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (child == 0) _exit(0);
  judge("fork", child, fork_errors);

  SYSTEM("mount", mount("none", "sub", "no-such-file-system", 0, NULL));
  SYSTEM("bind mount", mount("/no-such-place", "/no-such-place", NULL, MS_BIND, NULL));
  SYSTEM("umount", umount2("/nowhere", 0));
  SYSTEM("chroot", chroot("."));
  SYSTEM("pivot_root", syscall(SYS_pivot_root, ".", "."));
  SYSTEM("unshare", unshare(CLONE_NEWUSER | CLONE_NEWNS));
  SYSTEM("setns", setns(0, 0));
  SYSTEM("sethostname", syscall(SYS_sethostname, "x", -1));
  SYSTEM("settimeofday", syscall(SYS_settimeofday, NULL, NULL));
  SYSTEM("clock_settime", clock_settime(99, &(struct timespec){0}));
  SYSTEM("reboot", syscall(SYS_reboot, 1, 2, 3, 0));
  SYSTEM("swapon", syscall(SYS_swapon, NULL, 0));
  SYSTEM("init_module", syscall(SYS_init_module, NULL, 0, NULL));
  SYSTEM("finit_module", syscall(SYS_finit_module, -1, NULL, 0));
  SYSTEM("delete_module", syscall(SYS_delete_module, NULL, 0));
  SYSTEM("kexec_load", syscall(SYS_kexec_load, 0, 99, NULL, 99));
  SYSTEM("bpf", syscall(SYS_bpf, 0, NULL, 0));
  SYSTEM("perf_event_open", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
  SYSTEM("userfaultfd", syscall(SYS_userfaultfd, 0));
  SYSTEM("io_uring_setup", syscall(425, 1, NULL));
  SYSTEM("keyctl", syscall(SYS_keyctl, 0, 0, 0, 0, 0));
  SYSTEM("add_key", syscall(SYS_add_key, NULL, NULL, NULL, 0, 0));
  SYSTEM("shmget", syscall(SYS_shmget, 77, 4096, 0));
  SYSTEM("msgget", syscall(SYS_msgget, 77, 0));
  SYSTEM("semget", syscall(SYS_semget, 77, 1, 0));
  SYSTEM("mq_open", syscall(SYS_mq_open, "escape", O_RDWR, 0, NULL));
  SYSTEM("fanotify_init", syscall(SYS_fanotify_init, 0, 0));
  SYSTEM("quotactl", syscall(SYS_quotactl, 0, NULL, 0, NULL));
  SYSTEM("acct", syscall(SYS_acct, NULL));
  SYSTEM("syslog", syscall(SYS_syslog, 3, NULL, 0));
  SYSTEM("seccomp", syscall(SYS_seccomp, 99, 0, NULL));
  SYSTEM("iopl-like number", syscall(600));
  SYSTEM("fsopen", syscall(430, "tmpfs", 0));
  SYSTEM("move_mount", syscall(429, -1, "", -1, "", 0));
  printf("still here\n");
  return 0;
}
