/* For the containment programs: each attempt prints "refused" when it failed with one of the expected errors,
   and what happened otherwise. With a second argument "names" the errno name is printed instead, for reading
   by people. */
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int show_names;

static inline int among(int e, const int* set) {
  for (; *set; set++)
    if (*set == e) return 1;
  return 0;
}

static inline void judge(const char* label, long result, const int* accepted) {
  int e = errno;
  if (result < 0 && show_names)
    printf("%s: %s\n", label, strerrorname_np(e));
  else if (result < 0 && among(e, accepted))
    printf("%s: refused\n", label);
  else if (result < 0)
    printf("%s: failed oddly with %s\n", label, strerrorname_np(e));
  else
    printf("%s: ALLOWED (%ld)\n", label, result);
}

/* A path that leads outside of the grants is not there, or not for the program; or a step of it is no
 * directory. */
static const int outside_errors[] = {ENOENT, EACCES, ENOTDIR, 0};
/* The same for an operation with one path inside: crossing may also be told as another device. */
static const int crossing_errors[] = {ENOENT, EACCES, EXDEV, EPERM, 0};
static const int system_errors[] = {EPERM, EACCES, ENOSYS, EAFNOSUPPORT, EOPNOTSUPP, 0};
static const int process_errors[] = {EPERM, EACCES, ENOSYS, ESRCH, 0};

#define OUTSIDE(label, call) (errno = 0, judge(label, (long)(call), outside_errors))
#define CROSSING(label, call) (errno = 0, judge(label, (long)(call), crossing_errors))
#define SYSTEM(label, call) (errno = 0, judge(label, (long)(call), system_errors))
#define PROCESS(label, call) (errno = 0, judge(label, (long)(call), process_errors))

/* Joins up to four pieces of a path into one of a few static buffers. */
static inline const char* path(const char* a, const char* b) {
  static char text[8][PATH_MAX];
  static int turn;
  char* t = text[turn++ & 7];
  snprintf(t, PATH_MAX, "%s%s", a, b);
  return t;
}

static inline const char* start(int argc, char** argv) {
  if (argc < 2) exit(100);
  setvbuf(stdout, NULL, _IOLBF, 0); /* what was said before a crash is not lost */
  show_names = argc > 2 && !strcmp(argv[2], "names");
  return argv[1];
}
