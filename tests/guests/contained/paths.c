/* Reading outside of the granted directory by every kind of path. The directory holds, planted by the test
   driver: escape -> ../outside/secret, absolute -> /etc/passwd, up -> .., root -> /, host -> the real path of
   outside/secret. */
#define _GNU_SOURCE
#include <dirent.h>
#include "contained.h"

static void attempt(const char* name) {
  struct stat st;
  char buffer[64];
  OUTSIDE(name, open(name, O_RDONLY));
  OUTSIDE("  as path only", open(name, O_PATH));
  OUTSIDE("  stat", stat(name, &st));
  OUTSIDE("  access", access(name, F_OK));
  OUTSIDE("  for writing", open(name, O_WRONLY));
  OUTSIDE("  chdir", chdir(name));
  errno = 0;
  FILE* f = fopen(name, "r");
  if (f) printf("  read: %s\n", fgets(buffer, sizeof buffer, f) ? "GOT CONTENT" : "empty");
}

int main(int argc, char** argv) {
  const char* dir = start(argc, argv);
  if (chdir(dir)) return 1;
  FILE* own = fopen("own", "w");
  fputs("inside", own);
  fclose(own);
  char buffer[64];
  own = fopen("own", "r");
  printf("own file: %s\n", fgets(buffer, sizeof buffer, own));
  fclose(own);

  attempt("/etc/passwd");
  attempt("/etc");
  attempt("/usr/bin/env");
  attempt("/home");
  attempt("/root");
  attempt("/proc/self/root/etc/passwd");
  attempt("/proc/self/cwd/../outside/secret");
  attempt("/proc/1/environ");
  attempt("/proc/self/mem");
  attempt("/proc/self/maps/../mem");
  attempt("/proc/kcore");
  attempt("/proc/sys/kernel/hostname");
  attempt("/sys/kernel");
  attempt("/dev/mem");
  attempt("/dev/kmsg");
  attempt("/dev/ptmx");
  attempt("/dev/shm");
  attempt("/dev/../etc/passwd");
  attempt("/run");
  attempt("../outside/secret");
  attempt("./../outside/secret");
  attempt("../outside");
  attempt("../../../../../../../../etc/passwd");
  attempt("../../../../../../../../proc/self/environ");
  attempt("own/../../outside/secret");
  attempt("escape");
  attempt("absolute");
  attempt("host");
  attempt("up/outside/secret");
  attempt("up/../../etc/passwd");
  attempt("root/etc/passwd");
  attempt("root/proc/self/root/etc/passwd");
  attempt("/proc/self/exe/../../etc/passwd");
  attempt("//etc//passwd");
  attempt("/./etc/./passwd");
  char deep[3000] = "";
  for (int i = 0; i < 500; i++) strcat(deep, "../");
  strcat(deep, "etc/passwd");
  OUTSIDE("many ..", open(deep, O_RDONLY));
  OUTSIDE("by the host's path", open(path(dir, "/../outside/secret"), O_RDONLY));

  /* Above the grant there may be something to enter, but nothing to see. */
  if (chdir("..") == 0) {
    OUTSIDE("from above", open("outside/secret", O_RDONLY));
    int seen = 0;
    DIR* d = opendir(".");
    for (struct dirent* e; d && (e = readdir(d));) seen += !strcmp(e->d_name, "outside");
    printf("sibling is listed %d\n", seen);
    if (d) closedir(d);
    OUTSIDE("create above", open("new", O_CREAT | O_WRONLY, 0600));
    OUTSIDE("up again", open("../etc/passwd", O_RDONLY));
  } else {
    OUTSIDE("from above", -1);
    printf("sibling is listed 0\n");
    OUTSIDE("create above", open("../new", O_CREAT | O_WRONLY, 0600));
    OUTSIDE("up again", open("../../etc/passwd", O_RDONLY));
  }
  return 0;
}
