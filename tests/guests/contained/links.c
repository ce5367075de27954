/* Symbolic links that the program makes itself: they may exist, but following them must not lead outside.
   Then a race: one thread swaps a directory and a link to the outside under the same name as fast as it can
   while another opens files through that name; the secret must never be read. */
#define _GNU_SOURCE
#include <pthread.h>
#include "contained.h"

static volatile int stop;

static void* swap(void* arg) {
  (void)arg;
  while (!stop) {
    rename("real", "spare");
    rename("fake", "real");
    rename("real", "fake");
    rename("spare", "real");
  }
  return NULL;
}

int main(int argc, char** argv) {
  const char* dir = start(argc, argv);
  if (chdir(dir)) return 1;
  struct {
    const char* target;
    const char* name;
    const char* open;
  } made[] = {{"/etc/passwd", "l1", "l1"},
              {"../outside/secret", "l2", "l2"},
              {"..", "l3", "l3/outside/secret"},
              {"/", "l4", "l4/etc/passwd"},
              {"l2", "l5", "l5"},
              {"./l3/outside", "l6", "l6/secret"},
              {"/proc/self/root", "l7", "l7/etc/passwd"},
              {"/proc/self/cwd/..", "l8", "l8/outside/secret"},
              {"../../../../../../etc", "l9", "l9/passwd"}};
  for (unsigned i = 0; i < sizeof made / sizeof made[0]; i++) {
    symlink(made[i].target, made[i].name);
    OUTSIDE(made[i].open, open(made[i].open, O_RDONLY));
    char target[100] = {0};
    ssize_t n = readlink(made[i].name, target, sizeof target);
    printf("  the link itself reads back %d\n",
           n == (ssize_t)strlen(made[i].target) && !strcmp(target, made[i].target));
  }
  close(open("target", O_CREAT | O_WRONLY, 0600));
  symlink("target", "good");
  int fd = open("good", O_RDONLY);
  printf("a link inside works %d\n", fd >= 0);
  close(fd);

  mkdir("real", 0700);
  fd = open("real/secret", O_CREAT | O_WRONLY, 0600);
  if (write(fd, "inside", 6) != 6) return 2;
  close(fd);
  symlink("../outside", "fake");
  pthread_t t;
  pthread_create(&t, NULL, swap, NULL);
  int leaked = 0, read_own = 0;
  for (int i = 0; i < 6000 || (!read_own && i < 500000); i++) {
    char text[7] = {0};
    fd = open(i % 3 ? "real/secret" : "real/../real/secret", O_RDONLY);
    if (fd < 0) continue;
    if (read(fd, text, 6) > 0) {
      if (!strcmp(text, "secret")) leaked++;
      if (!strcmp(text, "inside")) read_own++;
    }
    close(fd);
    if (i % 50 == 0) close(open("real/written", O_CREAT | O_WRONLY, 0600));
  }
  stop = 1;
  pthread_join(t, NULL);
  printf("race: leaked %d, own file was read %d\n", leaked, read_own > 0);
  return 0;
}
