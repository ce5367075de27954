// Emits the AArch64 runtime routines. Used by the back end.
#pragma once

#include <span>

#include "codegen/backend.hpp"
#include "codegen/residents.hpp"
#include "host/a64/regs.hpp"

namespace ashlar::host_a64 {

/// Fills in the offsets of `out`; the code stands in the assembler's buffer.
void write_runtime(a64::Assembler& as, std::span<const codegen::Resident> residents,
                   codegen::RuntimeCode& out);

}  // namespace ashlar::host_a64
