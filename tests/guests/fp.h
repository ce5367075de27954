/* Operand tables and rounding modes for the floating-point guests. Results and flags are hashed per operation
   and rounding mode, one line each; with "OP" or "OP RM" as arguments every single result is printed as well.
 */
#pragma once
#include "guest.h"

static const uint64_t doubles[] = {
    0x0000000000000000, 0x8000000000000000,                                         /* zeros */
    0x7ff0000000000000, 0xfff0000000000000,                                         /* infinities */
    0x7ff8000000000000, 0xfff8000000000000, 0x7ff8000000000123, 0xffffffffffffffff, /* quiet NaNs */
    0x7ff0000000000001, 0xfff4000000000000, 0x7ff7ffffffffffff,                     /* signalling NaNs */
    0x0000000000000001, 0x8000000000000001, 0x000fffffffffffff, 0x800fffffffffffff,
    0x0008000000000000,                                                             /* subnormals */
    0x0010000000000000, 0x8010000000000000, 0x0010000000000001, 0x0020000000000000, /* the smallest normals */
    0x7fefffffffffffff, 0xffefffffffffffff, 0x7fe0000000000000,                     /* the largest */
    0x3ff0000000000000, 0xbff0000000000000, 0x3ff0000000000001, 0x3fefffffffffffff,
    0xbff0000000000001, /* about one */
    0x3fe0000000000000, 0xbfe0000000000000, 0x3ff8000000000000, 0x4004000000000000,
    0xc004000000000000,                                         /* ties */
    0x3ca0000000000000, 0x3c90000000000000, 0x3cb0000000000001, /* half an ulp of one, a quarter, just over */
    0x4008000000000000, 0x3fd5555555555555, 0x400921fb54442d18, 0xc005bf0a8b145769, /* 3, 1/3, pi, -e */
    0x41dfffffffc00000, 0x41e0000000000000, 0xc1e0000000000000, 0xc1e0000000200000,
    0x41dfffffffe00000, /* int32 edges */
    0x41efffffffe00000, 0x41f0000000000000, 0x43dfffffffffffff, 0x43e0000000000000,
    0xc3e0000000000000, /* uint32, int64 */
    0xc3e0000000000001, 0x43efffffffffffff, 0x43f0000000000000, 0x4330000000000001,
    0x4340000000000001, /* uint64, 2^52 */
    0x1e60000000000001, 0x5fe0000000000001, 0x36a0000000000000, 0x380fffffe0000000,
    0x380fffffffffffff, /* f32 edges */
    0x47efffffe0000000, 0x47efffffefffffff, 0x47effffff0000000, 0x3690000000000000,
};
enum { double_count = sizeof doubles / sizeof doubles[0] };

static const uint32_t floats[] = {
    0x00000000, 0x80000000, 0x7f800000, 0xff800000,             /* zeros, infinities */
    0x7fc00000, 0xffc00000, 0x7fc00123, 0xffffffff,             /* quiet NaNs */
    0x7f800001, 0xffa00000, 0x7fbfffff,                         /* signalling NaNs */
    0x00000001, 0x80000001, 0x007fffff, 0x807fffff, 0x00400000, /* subnormals */
    0x00800000, 0x80800000, 0x00800001, 0x01000000,             /* the smallest normals */
    0x7f7fffff, 0xff7fffff, 0x7f000000,                         /* the largest */
    0x3f800000, 0xbf800000, 0x3f800001, 0x3f7fffff, 0xbf800001, /* about one */
    0x3f000000, 0xbf000000, 0x3fc00000, 0x40200000, 0xc0200000, /* ties */
    0x33800000, 0x33000000, 0x34000001,                         /* parts of an ulp of one */
    0x40400000, 0x3eaaaaab, 0x40490fdb, 0xc02df854,             /* 3, 1/3, pi, -e */
    0x4effffff, 0x4f000000, 0xcf000000, 0xcf000001, 0x4f7fffff,
    0x4f800000, /* int32, uint32 edges */
    0x5effffff, 0x5f000000, 0xdf000000, 0xdf000001, 0x5f7fffff,
    0x5f800000, /* int64, uint64 edges */
    0x4b000001, 0x4b800001, 0x1f800001, 0x5f7fffff, 0x20000001,
    0x1fffffff, /* 2^23, products near the edges */
};
enum { float_count = sizeof floats / sizeof floats[0] };

static const char* only_op;
static const char* only_rm;

static inline void fp_arguments(int argc, char** argv) {
  only_op = argc > 1 ? argv[1] : NULL;
  only_rm = argc > 2 ? argv[2] : NULL;
}
static inline int wanted(const char* op, const char* rm) {
  return only_op && !strcmp(only_op, op) && (!only_rm || !strcmp(only_rm, rm));
}

/* Modes 0 to 4 as static encodings, and each again through fcsr with the dynamic encoding. */
#define EACH_RM(DO)                                                                                       \
  DO("rne", "rne", 0)                                                                                     \
  DO("rtz", "rtz", 0) DO("rdn", "rdn", 0) DO("rup", "rup", 0) DO("rmm", "rmm", 0) DO("dyn", "dyn-rne", 0) \
      DO("dyn", "dyn-rtz", 1) DO("dyn", "dyn-rdn", 2) DO("dyn", "dyn-rup", 3) DO("dyn", "dyn-rmm", 4)

static inline void set_mode(unsigned rm) { __asm__ volatile("fsrm x0, %0\n\tfsflags x0, x0" ::"r"(rm)); }
static inline uint64_t read_flags(void) {
  uint64_t f;
  __asm__ volatile("frflags %0" : "=r"(f));
  return f;
}
