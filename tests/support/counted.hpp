// Checks of what the stats object counts. A build that counts nothing (Meson's option `stats`) runs the same
// suites and leaves these out.
#pragma once

#include <doctest/doctest.h>

#include "base/stats_cells.hpp"

/// CHECK of a condition on counters.
#define CHECK_COUNTED(...)                               \
  do {                                                   \
    if constexpr (ashlar::kCounting) CHECK(__VA_ARGS__); \
  } while (false)

namespace ashlar::test {

/// Decorates a test that is about counters altogether, or that waits for one: TEST_CASE("..." * counted()).
inline doctest::skip counted() { return doctest::skip(!kCounting); }

}  // namespace ashlar::test
