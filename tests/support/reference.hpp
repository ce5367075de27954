// An executor that is as plain as can be: the IR's rules, one instruction after the other, on a vCPU's public
// interface. Engines are compared with it. It shares the value semantics (ir/semantics.hpp) with them, and
// nothing else.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include <ashlar/engine.hpp>
#include <ashlar/ir.hpp>
#include <ashlar/vcpu.hpp>

namespace ashlar::test {

/// Executes `block` and leaves the vCPU at its successor. With `fuel`, each guest instruction takes one from
/// it, and the block is left with ExitReason::fuel in front of the one for which there is none. Reservations
/// last until the next store-conditional, whoever writes. `result.instructions` counts the guest instructions
/// that were completed.
ExecutionResult execute_reference(Vcpu& vcpu, const ir::Block& block, std::span<const Helper> helpers,
                                  std::optional<std::uint64_t> fuel = {});

}  // namespace ashlar::test
