/* A static-pie program without a C library: its own start-up code finds its load address, applies the
   relative relocations, and checks what the kernel put on the stack. */
#include <elf.h>
#include <stddef.h>
#include <stdint.h>

extern Elf64_Dyn _DYNAMIC[] __attribute__((visibility("hidden")));
extern const char __ehdr_start[] __attribute__((visibility("hidden")));

static long system_call(long number, long a, long b, long c) {
  register long a7 __asm__("a7") = number;
  register long a0 __asm__("a0") = a;
  register long a1 __asm__("a1") = b;
  register long a2 __asm__("a2") = c;
  __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2) : "memory");
  return a0;
}

static size_t length(const char* s) {
  size_t n = 0;
  while (s[n]) n++;
  return n;
}

static void say(const char* s) { system_call(64, 1, (long)s, (long)length(s)); }

static int one(int x) { return x + 1; }
static int two(int x) { return x * 2; }
static int (*volatile const functions[])(int) = {one, two, one};
static const char* volatile const strings[] = {"zero\n", "one\n", "two\n"};
static int data = 5;
static int* volatile pointer = &data;
static char zeroes[10000];

/* argc lies at the stack pointer on entry, then argv, the environment and the auxiliary vector. */
__attribute__((used)) static void begin(long* stack) {
  uintptr_t base = (uintptr_t)__ehdr_start, rela = 0, size = 0;
  for (Elf64_Dyn* d = _DYNAMIC; d->d_tag; d++) {
    if (d->d_tag == DT_RELA) rela = d->d_un.d_ptr;
    if (d->d_tag == DT_RELASZ) size = d->d_un.d_val;
  }
  for (Elf64_Rela* r = (Elf64_Rela*)(base + rela); size; r++, size -= sizeof *r)
    if (ELF64_R_TYPE(r->r_info) == R_RISCV_RELATIVE)
      *(uintptr_t*)(base + r->r_offset) = base + (uintptr_t)r->r_addend;

  for (int i = 0; i < 3; i++) say(strings[i]);
  int status = 0;
  for (int i = 0; i < 3; i++) status = functions[i](status);
  *pointer += status;
  for (unsigned i = 0; i < sizeof zeroes; i++) status += zeroes[i];

  say(((uintptr_t)stack & 15) == 0 ? "stack aligned\n" : "stack misaligned\n");
  long argc = *stack;
  char** argv = (char**)(stack + 1);
  for (long i = 1; i < argc; i++) say(argv[i]), say("\n");
  say(argv[argc] ? "argv not ended\n" : "argv ended\n");
  char** env = argv + argc + 1;
  while (*env) env++;
  Elf64_auxv_t* aux = (Elf64_auxv_t*)(env + 1);
  int seen = 0;
  for (; aux->a_type != AT_NULL; aux++) {
    uintptr_t v = aux->a_un.a_val;
    if (aux->a_type == AT_PHDR && v == base + ((Elf64_Ehdr*)base)->e_phoff) seen |= 1;
    if (aux->a_type == AT_PHNUM && v == ((Elf64_Ehdr*)base)->e_phnum) seen |= 2;
    if (aux->a_type == AT_ENTRY && v == base + ((Elf64_Ehdr*)base)->e_entry) seen |= 4;
    if (aux->a_type == AT_PAGESZ && v == 4096) seen |= 8;
    if (aux->a_type == AT_RANDOM && *(volatile uint64_t*)v) seen |= 16;
    if (aux->a_type == AT_PHENT && v == sizeof(Elf64_Phdr)) seen |= 32;
  }
  say(seen == 63 ? "auxiliary vector complete\n" : "auxiliary vector incomplete\n");
  system_call(94, data + seen, 0, 0);
}

__asm__(".globl _start\n_start:\n\tmv a0, sp\n\tandi sp, sp, -16\n\ttail begin\n");
