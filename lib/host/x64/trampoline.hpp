// Emits the x86-64 runtime routines. Used by the back end.
#pragma once

#include <span>

#include <asmjit/x86.h>

#include "codegen/backend.hpp"
#include "codegen/residents.hpp"

namespace ashlar::host_x64 {

/// Fills in the offsets of `out`; the code stands in the assembler's buffer.
void write_runtime(asmjit::x86::Assembler& as, std::span<const codegen::Resident> residents,
                   codegen::RuntimeCode& out);

}  // namespace ashlar::host_x64
