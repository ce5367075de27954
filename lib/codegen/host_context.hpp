// What the fault handler must know of this machine: registers of an interrupted context, its redirection.
// Implemented by the host folder of the machine that the library is built for; async-signal-safe.
#pragma once

#include <cstdint>

#include <ashlar/vcpu_frame.hpp>

#include "codegen/runtime.hpp"

namespace ashlar::codegen {

/// The address of the interrupted instruction.
const std::byte* context_pc(const void* ucontext) noexcept;
/// The frame that emitted code was running on. Only if the pc is in emitted code.
VcpuFrame* context_frame(const void* ucontext) noexcept;
void context_dump(const void* ucontext, RegisterDump& dump) noexcept;
/// Execution goes on at `pc` when the handler returns, registers as they were.
void context_redirect(void* ucontext, const void* pc) noexcept;

}  // namespace ashlar::codegen
