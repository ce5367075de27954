/* Without any grant there is no file at all: not the working directory's, not the program's own directory;
   standard output still works. */
#define _GNU_SOURCE
#include "contained.h"

int main(void) {
  OUTSIDE("working directory", open(".", O_RDONLY));
  OUTSIDE("create", open("file", O_CREAT | O_WRONLY, 0600));
  OUTSIDE("create in /tmp", open("/tmp/ashlar-escape", O_CREAT | O_WRONLY | O_EXCL, 0600));
  OUTSIDE("passwd", open("/etc/passwd", O_RDONLY));
  OUTSIDE("mkdir", mkdir("dir", 0700));
  OUTSIDE("mkdir in /tmp", mkdir("/tmp/ashlar-escape-dir", 0700));
  printf("output works\n");
  return 0;
}
