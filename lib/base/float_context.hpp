// The float unit's word in the context that a signal interrupted. The kernel starts handlers with a fresh
// float unit, so who jumps out of one has to bring back the rounding mode and the flags that guest code had.
// Async-signal-safe; used by the fault handler.
#pragma once

#include <ucontext.h>

#include <cstring>

#include "base/float_unit.hpp"

namespace ashlar::float_unit {

#if defined(__x86_64__)

inline Word interrupted(const void* ucontext) noexcept {
  return static_cast<const ucontext_t*>(ucontext)->uc_mcontext.fpregs->mxcsr;
}

/// The unit as it was when the signal came, for a handler that jumps out. The x87 unit's control word belongs
/// to it: guests have no use for it, but callees must preserve it (System V ABI, AMD64 supplement,
/// section 3.2.3).
inline void restore_interrupted(const void* ucontext) noexcept {
  const std::uint16_t x87_control = static_cast<const ucontext_t*>(ucontext)->uc_mcontext.fpregs->cwd;
  asm volatile("fldcw %0" ::"m"(x87_control));
  write(interrupted(ucontext));
}

#elif defined(__aarch64__)

inline Word interrupted(const void* ucontext) noexcept {
  // The record with this magic holds FPSR and FPCR behind its header (Linux,
  // arch/arm64/include/uapi/asm/sigcontext.h).
  constexpr std::uint32_t kFpsimdMagic = 0x46508001;
  const auto* at = reinterpret_cast<const unsigned char*>(
      static_cast<const ucontext_t*>(ucontext)->uc_mcontext.__reserved);
  for (;;) {
    std::uint32_t record[4];  // magic, size, fpsr, fpcr
    std::memcpy(record, at, sizeof record);
    if (record[0] == kFpsimdMagic) return std::uint64_t{record[2]} << 32 | record[3];
    if (record[0] == 0 || record[1] == 0) return read();
    at += record[1];
  }
}

inline void restore_interrupted(const void* ucontext) noexcept { write(interrupted(ucontext)); }

#else

inline Word interrupted(const void*) noexcept { return read(); }
inline void restore_interrupted(const void*) noexcept {}

#endif

}  // namespace ashlar::float_unit
