/* Shared by the guest programs: hashing and a corner-value table. Guests are plain programs and include
   nothing of Ashlar; what they print must not depend on addresses, time or the order of threads. */
#pragma once
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline uint64_t fnv_start(void) { return 0xcbf29ce484222325ull; }

static inline uint64_t fnv_add(uint64_t hash, uint64_t value) {
  hash = (hash ^ (value & 0xffffffffu)) * 0x100000001b3ull;
  hash = (hash ^ (value >> 32)) * 0x100000001b3ull;
  return hash;
}

static const uint64_t corners[] = {
    0,
    1,
    2,
    3,
    7,
    31,
    32,
    63,
    64,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x12345678,
    0x7fffffff,
    0x80000000,
    0x80000001,
    0xffffffff,
    0x100000000,
    0x123456789abcdef0,
    0x5555555555555555,
    0xaaaaaaaaaaaaaaaa,
    0x7fffffffffffffff,
    0x8000000000000000,
    0x8000000000000001,
    0xffffffff80000000,
    0xffffffff7fffffff,
    0xfffffffffffffffe,
    0xffffffffffffffff,
};
enum { corner_count = sizeof corners / sizeof corners[0] };
