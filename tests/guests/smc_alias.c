/* Code written through one mapping and run through another of the same memory, as careful JIT compilers do.
   The expected result follows from the architecture; qemu-riscv64 7.2 keeps running the first version. */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"

typedef uint64_t (*function)(uint64_t);
static uint32_t addi(int imm) { return 0x13u | 10u << 7 | 10u << 15 | (uint32_t)imm << 20; }
static uint32_t xori(int imm) { return 0x4013u | 10u << 7 | 10u << 15 | (uint32_t)imm << 20; }

static void run(const char* name, char* writer, char* runner) {
  uint64_t sum = 0, want = 0;
  for (int i = 0; i < 300; i++) {
    uint32_t code[] = {addi(i), xori(5), 0x00008067};
    memcpy(writer, code, sizeof code);
    __builtin___clear_cache(runner, runner + sizeof code);
    sum = ((function)runner)(sum);
    want = (want + (unsigned)i) ^ 5;
  }
  printf("%s %s\n", name, sum == want ? "fresh" : "stale");
}

int main(int argc, char** argv) {
  if (argc < 2 || chdir(argv[1])) return 1;
  FILE* f = fopen("code", "w+");
  int fd = fileno(f);
  if (ftruncate(fd, 4096)) return 2;
  char* writer = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char* runner = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
  if (writer == MAP_FAILED || runner == MAP_FAILED) return 3;
  run("two mappings", writer, runner);
  return 0;
}
