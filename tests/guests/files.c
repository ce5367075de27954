/* Files inside the granted directory: every call that programs use, with the errors they expect. The argument
   is the directory; half of the work is relative to it after chdir, half through directory descriptors. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include "guest.h"

static const char* outcome(long r) {
  static char text[4][64];
  static int turn;
  char* t = text[turn++ & 3];
  if (r >= 0)
    snprintf(t, 64, "%ld", r);
  else
    snprintf(t, 64, "%s", strerrorname_np(errno));
  return t;
}
#define SAY(what, call) (errno = 0, printf("%-28s %s\n", what, outcome((long)(call))))

static int by_name(const struct dirent** a, const struct dirent** b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

static void list(const char* path) {
  struct dirent** names;
  int n = scandir(path, &names, NULL, by_name);
  printf("list %s: %d:", strrchr(path, '/') ? strrchr(path, '/') : path, n);
  for (int i = 0; i < n; i++) {
    printf(" %s%s", names[i]->d_name,
           names[i]->d_type == DT_DIR   ? "/"
           : names[i]->d_type == DT_LNK ? "@"
                                        : "");
    free(names[i]);
  }
  if (n >= 0) free(names);
  printf("\n");
}

int main(int argc, char** argv) {
  (void)argc;
  umask(022);
  if (chdir(argv[1])) {
    perror("chdir");
    return 1;
  }
  char here[PATH_MAX];
  printf("getcwd %d\n", getcwd(here, sizeof here) && !strcmp(here, argv[1]));

  int fd = open("file", O_RDWR | O_CREAT | O_EXCL, 0640);
  printf("open %d\n", fd >= 0);
  SAY("open again", open("file", O_RDWR | O_CREAT | O_EXCL, 0640));
  SAY("open missing", open("missing", O_RDONLY));
  SAY("open below a file", open("file/x", O_RDONLY));
  SAY("write", write(fd, "hello, world\n", 13));
  SAY("pwrite", pwrite(fd, "HELLO", 5, 0));
  SAY("position", lseek(fd, 0, SEEK_CUR));
  SAY("lseek end", lseek(fd, 10, SEEK_END));
  SAY("write past", write(fd, "!", 1));
  SAY("lseek negative", lseek(fd, -1, SEEK_SET));
  char buffer[100] = {0};
  SAY("pread", pread(fd, buffer, 99, 0));
  printf("content %s %d %c\n", strtok(strdup(buffer), "\n"), buffer[15], buffer[23]);
  struct iovec v[2] = {{buffer, 5}, {buffer + 50, 3}};
  SAY("lseek", lseek(fd, 3, SEEK_SET));
  SAY("readv", readv(fd, v, 2));
  printf("pieces %.5s %.3s\n", buffer, buffer + 50);
  struct iovec w[3] = {{"one", 3}, {"", 0}, {"three", 5}};
  SAY("writev", writev(fd, w, 3));
  SAY("ftruncate", ftruncate(fd, 9000));
  struct stat st;
  SAY("fstat", fstat(fd, &st));
  printf("size %ld mode %o links %ld regular %d blksize ok %d\n", (long)st.st_size, st.st_mode & 07777u,
         (long)st.st_nlink, S_ISREG(st.st_mode), st.st_blksize > 0);
  ino_t inode = st.st_ino;

  char* map = mmap(NULL, 9000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  printf("map %d\n", map != MAP_FAILED);
  map[8500] = 'M';
  SAY("msync", msync(map, 9000, MS_SYNC));
  SAY("pread mapped", pread(fd, buffer, 1, 8500));
  printf("through the file %c\n", buffer[0]);
  SAY("pwrite mapped", pwrite(fd, "W", 1, 4096));
  printf("through the map %c\n", map[4096]);
  char* private = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 4096);
  private[0] = 'P';
  SAY("pread", pread(fd, buffer, 1, 4096));
  printf("private does not reach it %c %c\n", buffer[0], private[0]);
  SAY("munmap", munmap(map, 9000));
  SAY("munmap", munmap(private, 4096));
  errno = 0;
  printf("map at an odd offset %s\n",
         mmap(NULL, 10, PROT_READ, MAP_PRIVATE, fd, 100) == MAP_FAILED ? strerrorname_np(errno) : "given");

  SAY("mkdir", mkdir("sub", 0755));
  SAY("mkdir again", mkdir("sub", 0755));
  SAY("mkdir deep", mkdir("no/such/sub", 0755));
  SAY("symlink", symlink("../file", "sub/link"));
  SAY("symlink to itself", symlink("loop", "loop"));
  SAY("open loop", open("loop", O_RDONLY));
  ssize_t n = readlink("sub/link", buffer, sizeof buffer);
  printf("readlink %zd %.*s\n", n, (int)n, buffer);
  SAY("readlink of a file", readlink("file", buffer, sizeof buffer));
  SAY("stat through link", stat("sub/link", &st));
  printf("same %d", st.st_ino == inode);
  lstat("sub/link", &st);
  printf(" link %d size %ld\n", S_ISLNK(st.st_mode), (long)st.st_size);
  SAY("link", link("file", "sub/hard"));
  stat("file", &st);
  printf("links %ld\n", (long)st.st_nlink);
  SAY("open nofollow", open("sub/link", O_RDONLY | O_NOFOLLOW));
  SAY("open directory", open("file", O_RDONLY | O_DIRECTORY));
  SAY("write a directory", open("sub", O_WRONLY));
  list("sub");
  list(".");
  SAY("rename", rename("file", "sub/renamed"));
  SAY("rename missing", rename("file", "x"));
  SAY("rename dir", rename("sub", "sub2"));
  SAY("rename over full dir", (mkdir("full", 0700), rename("full", "sub2")));
  SAY("rmdir full", rmdir("sub2"));
  SAY("rmdir", rmdir("full"));
  SAY("unlink dir", unlink("sub2") < 0 ? -(errno != EISDIR && errno != EPERM) : 1);
  SAY("unlink", unlink("sub2/hard"));
  SAY("unlink missing", unlink("sub2/hard"));

  int dir = open("sub2", O_RDONLY | O_DIRECTORY);
  int at = openat(dir, "by-descriptor", O_CREAT | O_WRONLY, 0600);
  printf("openat %d\n", at >= 0);
  SAY("write", write(at, "abc", 3));
  SAY("read a write-only", read(at, buffer, 1));
  SAY("fstatat", fstatat(dir, "by-descriptor", &st, 0));
  printf("size %ld\n", (long)st.st_size);
  SAY("faccessat", faccessat(dir, "by-descriptor", R_OK | W_OK, 0));
  SAY("access missing", access("sub2/none", F_OK));
  SAY("fchmod", fchmod(at, 0444));
  SAY("chmod", chmod("sub2/by-descriptor", 0604));
  fstat(at, &st);
  printf("mode %o\n", st.st_mode & 0777u);
  struct timespec times[2] = {{1000000000, 5}, {1100000000, 7}};
  SAY("utimensat", utimensat(dir, "by-descriptor", times, 0));
  fstat(at, &st);
  printf("times %ld %ld\n", (long)st.st_atim.tv_sec, (long)st.st_mtim.tv_sec);
  SAY("renameat", renameat(dir, "by-descriptor", AT_FDCWD, "moved"));
  SAY("unlinkat", unlinkat(dir, "link", 0));
  SAY("truncate", truncate("moved", 1));
  SAY("append", ({
        int a = open("moved", O_WRONLY | O_APPEND);
        pwrite(a, "", 0, 0);
        long r = write(a, "xyz", 3) + lseek(a, 0, SEEK_END);
        close(a);
        r;
      }));
  SAY("truncating open", ({
        int a = open("moved", O_WRONLY | O_TRUNC);
        struct stat s;
        fstat(a, &s);
        close(a);
        s.st_size;
      }));
  SAY("fsync", fsync(at));
  SAY("fdatasync", fdatasync(at));
  SAY("flock", flock(at, LOCK_EX | LOCK_NB));
  struct statfs fs;
  SAY("statfs", statfs(".", &fs));
  SAY("fchdir", fchdir(dir));
  SAY("open moved from sub2", access("../moved", F_OK));
  list(".");
  SAY("close", close(dir));
  SAY("close again", close(dir));
  SAY("read closed", read(dir, buffer, 1));
  SAY("fstat closed", fstat(dir, &st));
  SAY("chdir up", chdir(".."));
  SAY("copy_file_range or not", ({
        int from = open("sub2/renamed", O_RDONLY), to = open("copy", O_CREAT | O_RDWR, 0600);
        char b[512];
        long total = 0, k;
        while ((k = read(from, b, sizeof b)) > 0) total += write(to, b, (size_t)k);
        close(from), close(to);
        total;
      }));
  int tmp = open(".", O_TMPFILE | O_RDWR, 0600);
  if (tmp >= 0) close(tmp);
  FILE* f = fopen("stdio", "w+");
  for (int i = 0; i < 2000; i++) fprintf(f, "%d %x\n", i, i * i);
  fseek(f, 5000, SEEK_SET);
  fgets(buffer, sizeof buffer, f);
  printf("stdio %s", buffer);
  fgetpos(f, &(fpos_t){0});
  ungetc('u', f);
  printf("%c %ld\n", fgetc(f), ftell(f));
  fclose(f);
  char long_name[300];
  memset(long_name, 'n', 299), long_name[299] = 0;
  SAY("too long", open(long_name, O_CREAT | O_WRONLY, 0600));
  SAY("empty name", open("", O_RDONLY));
  SAY("bad pointer", open((char*)8, O_RDONLY));
  SAY("read into nothing", ({
        int z = open("stdio", O_RDONLY);
        long r = read(z, (void*)8, 100);
        close(z);
        r;
      }));
  list(".");
  return 0;
}
