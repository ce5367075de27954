// For our own bugs and for misuse of the API that has no other way to be reported: one sentence on stderr,
// then abort. Every room may use it; never for bad input or the guest's faults.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace ashlar {

[[noreturn, gnu::cold, gnu::noinline]] inline void fatal(const char* sentence,
                                                         const char* detail = "") noexcept {
  std::fprintf(stderr, "ashlar: %s%s%s\n", sentence, *detail != '\0' ? "\n" : "", detail);
  std::abort();
}

}  // namespace ashlar

/// Checked in debug builds.
#ifdef NDEBUG
#define ASHLAR_ASSERT(condition, sentence) static_cast<void>(0)
#else
#define ASHLAR_ASSERT(condition, sentence) ((condition) ? static_cast<void>(0) : ::ashlar::fatal(sentence))
#endif
