// Random programs on two engines, or on an engine and the reference: everything observable must agree.
#pragma once

#include <cstdint>
#include <string>

#include "support/machine.hpp"
#include "support/random_blocks.hpp"

namespace ashlar::test {

struct LockstepReport {
  unsigned executions = 0;              ///< blocks (with the reference) or runs (engines)
  unsigned long long instructions = 0;  ///< guest instructions of runs
  std::string failures;  ///< the first one, with blocks and differences; empty if there is none
};

/// Executes `programs` programs of `config.ids` random blocks each, every block from `states` random states,
/// on the engine and on the reference. The reference's reservations outlive stores: leave atomics out to
/// compare strictly.
LockstepReport compare_with_reference(const EngineMaker& engine, std::uint64_t seed, unsigned programs,
                                      unsigned states, const RandomBlockConfig& config);

/// Runs programs of random blocks on both engines with random amounts of fuel, in pieces: a run that has
/// spent its fuel goes on with more if it stopped at a block. Compares the results and states of each piece.
LockstepReport compare_engines(const EngineMaker& a, const EngineMaker& b, std::uint64_t seed,
                               unsigned programs, unsigned states, const RandomBlockConfig& config);

/// Runs programs on the engine with random amounts of fuel, and on the reference block by block.
LockstepReport compare_runs_with_reference(const EngineMaker& engine, std::uint64_t seed, unsigned programs,
                                           unsigned states, const RandomBlockConfig& config);

}  // namespace ashlar::test
