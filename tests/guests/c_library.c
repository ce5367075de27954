/* The C library as programs use it: qsort, bsearch, setjmp, varargs, printf and scanf, strings, time, locale,
 * atexit. */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <wchar.h>

#include "guest.h"

static int compare(const void* a, const void* b) { return strcmp(*(char* const*)a, *(char* const*)b); }

static long sum(int n, ...) {
  va_list list, again;
  va_start(list, n);
  va_copy(again, list);
  long total = 0;
  for (int i = 0; i < n; i++) total += i & 1 ? (long)va_arg(list, double) : va_arg(list, long);
  va_end(list);
  total += va_arg(again, long);
  va_end(again);
  return total;
}

static jmp_buf jump;
static int depth_reached;
static volatile int limit = 60;

__attribute__((noinline)) static void descend(int n) {
  depth_reached = n;
  if (n == limit) longjmp(jump, n);
  if (n > limit) return;
  volatile char room[100];
  room[n] = (char)n;
  descend(n + 1);
  depth_reached += room[n];
}

static void at_end(void) { printf("atexit ran\n"); }
static void at_end_too(void) { printf("atexit runs backwards\n"); }

__attribute__((constructor)) static void before(void) { printf("constructor\n"); }
__attribute__((destructor)) static void after(void) {
  printf("destructor\n");
  fflush(stdout);
}

int main(int argc, char** argv) {
  char* words[] = {"pear", "apple", "fig", "date", "cherry", "banana", "elder", "grape"};
  qsort(words, 8, sizeof words[0], compare);
  for (int i = 0; i < 8; i++) printf("%s ", words[i]);
  const char* key = "fig";
  printf("found %td\n", (char**)bsearch(&key, words, 8, sizeof words[0], compare) - words);
  static uint32_t many[20000];
  uint32_t x = 1;
  for (int i = 0; i < 20000; i++) many[i] = x = x * 1664525 + 1013904223;
  int less(const void* a, const void* b) { return *(const uint32_t*)a < *(const uint32_t*)b ? -1 : 1; }
  qsort(many, 20000, 4, less);
  uint64_t h = fnv_start();
  for (int i = 0; i < 20000; i++) h = fnv_add(h, many[i]);
  printf("qsort %016" PRIx64 "\n", h);

  volatile int tries = 0;
  int back = setjmp(jump);
  printf("setjmp %d depth %d\n", back, depth_reached);
  if (tries++ < 2) descend(0);
  printf("varargs %ld\n", sum(9, 1L, 2.5, 3L, 4.5, 5L, 6.5, 7L, 8.5, 9L));

  char text[200];
  int n = snprintf(text, sizeof text, "%5d|%-5d|%05d|%+d|%x|%#o|%c|%s|%.3s|%%|%ld|%hhd|%zu|%*d", 42, 42, 42,
                   42, 255, 8, 'c', "str", "truncated", 1L << 40, 300, (size_t)7, 6, 9);
  printf("%s %d\n", text, n);
  int a, b;
  char word[20];
  double d;
  n = sscanf("12 0x1F hello 2.5e3 rest", "%d %i %19s %lf", &a, &b, word, &d);
  printf("%d: %d %d %s %g\n", n, a, b, word, d);
  printf("%ld %lu %ld errno %d\n", strtol("-0x7fz", NULL, 0), strtoul("777", NULL, 8),
         strtol("99999999999999999999", NULL, 10), errno == ERANGE);

  char buffer[4096];
  h = fnv_start();
  for (int from = 0; from < 20; from++)
    for (int len = 0; len < 70; len += 3) {
      for (int i = 0; i < 256; i++) buffer[i] = (char)(i * 7 + 1) ? (char)(i * 7 + 1) : 1;
      memmove(buffer + 10, buffer + from, (size_t)len);
      memset(buffer + from + 100, len, (size_t)len);
      buffer[200] = 0;
      h = fnv_add(h, strlen(buffer + from) * 1000 +
                         (size_t)(memchr(buffer, 50, 200) ? (char*)memchr(buffer, 50, 200) - buffer : 999));
      for (int i = 0; i < 200; i++) h = fnv_add(h, (unsigned char)buffer[i]);
      h = fnv_add(h, (uint64_t)(memcmp(buffer + from, buffer + 10, 60) > 0) +
                         (uint64_t)(strcmp(buffer + from, buffer + 11) > 0) * 2);
    }
  printf("memory %016" PRIx64 "\n", h);
  strcpy(buffer, "a,b;;c");
  for (char* t = strtok(buffer, ",;"); t; t = strtok(NULL, ",;")) printf("[%s]", t);
  printf(" %s %s %zu\n", strstr("needle in haystack", "in h"), strrchr("a/b/c", '/'),
         strcspn("hello, world", ",!"));

  struct tm tm;
  time_t when = 1717761600;
  gmtime_r(&when, &tm);
  strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %a %j", &tm);
  printf("%s %ld %s\n", text, (long)timegm(&tm), setlocale(LC_ALL, ""));
  wchar_t wide[] = L"wide text";
  printf("%zu %ls %d %d\n", wcslen(wide), wide, isalpha('x') != 0, toupper('y'));
  printf("%s; %s; %s\n", strerror(ENOENT), strerror(EINVAL), strsignal(11));
  atexit(at_end);
  atexit(at_end_too);
  printf("argc %d", argc);
  for (int i = 1; i < argc; i++) printf(" <%s>", argv[i]);
  printf("\n");
  return argc + 3;
}
