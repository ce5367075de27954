// Which tier runs a block: a pure function of the block's counters and the configuration. Used by the
// dispatcher; knows neither memory nor clocks.
#pragma once

#include <algorithm>
#include <cstdint>

#include <ashlar/hybrid.hpp>

namespace ashlar::engine {

/// What is known of a block.
struct TierCounters {
  std::uint32_t executions = 0;  ///< entries into the interpreter, the one that is to come included
  bool compiled = false;
  bool near = false;  ///< compiled code has come to it: going to the interpreter and back costs as much as
                      ///< interpreting some blocks, and what is next to warm code is not run once as a rule
  bool refused = false;  ///< it can't be compiled, or must not be
};

struct TierRules {
  TierPreference preference = TierPreference::balanced;
  std::uint32_t warm_executions = 16;
  std::uint32_t hot_executions = 20'000;

  /// Entries at which a block is due to be compiled.
  constexpr std::uint32_t threshold() const noexcept {
    switch (preference) {
      case TierPreference::jit:
        return 0;
      case TierPreference::balanced:
        return warm_executions;
      case TierPreference::interpreter:
        return hot_executions;
    }
    return warm_executions;
  }
};

enum class TierChoice : std::uint8_t { interpret, run_compiled, compile };

constexpr TierChoice choose_tier(const TierCounters& block, const TierRules& rules) noexcept {
  const bool due = block.executions >= rules.threshold() ||
                   (block.near && rules.preference != TierPreference::interpreter);
  // The interpreter's preference is for what is interpreted; others take compiled code wherever it comes
  // from.
  if (block.compiled && (due || rules.preference != TierPreference::interpreter))
    return TierChoice::run_compiled;
  return due && !block.refused ? TierChoice::compile : TierChoice::interpret;
}

}  // namespace ashlar::engine
