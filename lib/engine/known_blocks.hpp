// The short way of execute_block and execute_blocks: blocks whose code the vCPU has run before, one after the
// other within emitted code, without a dispatcher for each. For the executors that compile.
#pragma once

#include <cstddef>
#include <span>

#include <ashlar/engine.hpp>

#include "engine/tier_selector.hpp"

namespace ashlar::engine {

struct KnownRun {
  std::size_t done = 0;  ///< results that are filled in
  bool ended = false;    ///< the last of them is the call's last one
};

/// Executes from the first key on what is known, as long as nothing but blocks' ends happens and nobody wants
/// the vCPU's attention. What remains is the dispatcher's. There is a result for each key.
KnownRun run_known(ExecutionContext::Impl& context, Vcpu& vcpu, std::span<const BlockKey> keys,
                   std::span<ExecutionResult> results, TierSelector* selector);
/// The same within a session of this vCPU, with the host's float unit as the host has it.
KnownRun run_known_inside(ExecutionContext::Impl& context, Vcpu& vcpu, std::span<const BlockKey> keys,
                          std::span<ExecutionResult> results, TierSelector* selector);

}  // namespace ashlar::engine
