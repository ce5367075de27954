/* Changing things outside of the granted directory: creating, renaming, linking, removing, mode and times.
   The driver checks afterwards that the neighbour of the directory is as it was. */
#define _GNU_SOURCE
#include <sys/statvfs.h>
#include "contained.h"

int main(int argc, char** argv) {
  const char* dir = start(argc, argv);
  const char* secret = path(dir, "/../outside/secret");
  if (chdir(dir)) return 1;
  close(open("own", O_CREAT | O_WRONLY, 0600));
  mkdir("sub", 0700);

  OUTSIDE("create", open("/tmp/ashlar-escape", O_CREAT | O_WRONLY | O_EXCL, 0600));
  OUTSIDE("create relative", open("../escape-file", O_CREAT | O_WRONLY, 0600));
  OUTSIDE("create beside", open("../outside/new", O_CREAT | O_WRONLY, 0600));
  OUTSIDE("write", open(secret, O_WRONLY));
  OUTSIDE("write and truncate", open(secret, O_WRONLY | O_TRUNC));
  OUTSIDE("temporary file", open("../outside", O_TMPFILE | O_RDWR, 0600));
  OUTSIDE("mkdir", mkdir("../outside/dir", 0700));
  OUTSIDE("mkdir up", mkdir("../dir", 0700));
  OUTSIDE("rmdir", rmdir("../outside"));
  OUTSIDE("unlink", unlink(secret));
  OUTSIDE("unlink by link's parent", unlink("up/outside/secret"));
  OUTSIDE("chmod", chmod(secret, 0));
  OUTSIDE("chmod by link", chmod("escape", 0));
  OUTSIDE("chown", chown(secret, 1000, 1000));
  OUTSIDE("chown by link", chown("escape", 1000, 1000));
  OUTSIDE("utimensat", utimensat(AT_FDCWD, secret, NULL, 0));
  OUTSIDE("utimensat by link", utimensat(AT_FDCWD, "escape", NULL, 0));
  OUTSIDE("truncate", truncate("escape", 0));
  OUTSIDE("open by link, create", open("dangling", O_CREAT | O_WRONLY, 0600));
  CROSSING("rename out", rename("own", "../outside/own"));
  CROSSING("rename in", rename(secret, "stolen"));
  CROSSING("rename over", rename("own", secret));
  CROSSING("rename dir out", rename("sub", "../outside/sub"));
  CROSSING("exchange", syscall(SYS_renameat2, AT_FDCWD, "own", AT_FDCWD, secret, 2));
  CROSSING("link in", link(secret, "hard"));
  CROSSING("link by symlink", linkat(AT_FDCWD, "escape", AT_FDCWD, "hard", AT_SYMLINK_FOLLOW));
  CROSSING("link out", link("own", "../outside/hard"));
  OUTSIDE("symlink out", symlink("inside", "../outside/link"));
  CROSSING("mknod device", mknod("device", S_IFBLK | 0600, 0x800));
  CROSSING("mknod outside", mknod("../outside/fifo", S_IFIFO | 0600, 0));
  OUTSIDE("statfs by link", ({
            struct statvfs v;
            statvfs("escape", &v);
          }));
  struct stat st;
  printf("own file is still here: %d\n", stat("own", &st) == 0);
  /* The granted directory itself can neither be moved nor removed from within. */
  rename("../inside", "../moved");
  rmdir(dir);
  printf("so is the directory: %d\n", stat(dir, &st) == 0);
  return 0;
}
