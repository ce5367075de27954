// Random blocks and programs on every engine against the reference, and on every two engines.
// ASHLAR_LOCKSTEP_SEED and ASHLAR_LOCKSTEP_PROGRAMS in the environment look elsewhere, and longer.
#include <cstdlib>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "support/lockstep.hpp"

using namespace ashlar::test;

namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 0) : otherwise;
}

std::uint64_t seed() { return from_environment("ASHLAR_LOCKSTEP_SEED", 20241); }
unsigned programs() { return static_cast<unsigned>(from_environment("ASHLAR_LOCKSTEP_PROGRAMS", 40)); }

/// The mixtures of blocks that are worth a series of their own.
struct Mixture {
  std::string name;
  RandomBlockConfig config;
};

std::vector<Mixture> mixtures() {
  RandomBlockConfig all, integer, real, memory, brief;
  integer.real = integer.memory = integer.atomics = integer.helpers = false;
  real.integer = real.memory = real.atomics = real.helpers = real.side_exits = false;
  memory.integer = memory.real = memory.helpers = false;
  brief.min_length = 1;
  brief.max_length = 4;
  brief.ids = 64;
  brief.stops = 5;
  return {{"all", all}, {"integer", integer}, {"real", real}, {"memory", memory}, {"brief", brief}};
}

}  // namespace

TEST_CASE("blocks against the reference") {
  for (const EngineMaker& engine : engines()) {
    for (const Mixture& mixture : mixtures()) {
      const LockstepReport report = compare_with_reference(engine, seed(), programs(), 3, mixture.config);
      CHECK_MESSAGE(report.failures.empty(), mixture.name << ": " << report.failures);
      CHECK(report.executions >= programs() * 3 * mixture.config.ids);
    }
  }
}

TEST_CASE("runs with fuel against the reference") {
  for (const EngineMaker& engine : engines()) {
    for (const Mixture& mixture : mixtures()) {
      const LockstepReport report =
          compare_runs_with_reference(engine, seed() + 1, programs(), 8, mixture.config);
      CHECK_MESSAGE(report.failures.empty(), mixture.name << ": " << report.failures);
      CHECK(report.instructions > programs() * 8);
    }
  }
}

TEST_CASE("engines against each other") {
  const auto all = engines();
  for (std::size_t i = 0; i < all.size(); ++i) {
    // Also with itself: an engine whose results depend on what it did before differs from a fresh one.
    for (std::size_t j = 0; j <= i; ++j) {
      for (const Mixture& mixture : mixtures()) {
        const LockstepReport report =
            compare_engines(all[i], all[j], seed() + 2, programs() / 2, 8, mixture.config);
        CHECK_MESSAGE(report.failures.empty(), mixture.name << ": " << report.failures);
        CHECK(report.executions >= programs() / 2 * 8);
      }
    }
  }
}
