// The float unit's word in the context that a signal interrupted. The kernel starts handlers with a fresh float unit, so who jumps out of
// one has to bring back the rounding mode and the flags that guest code had. Async-signal-safe; used by the fault handler.
#pragma once

#include <ucontext.h>

#include <cstring>

#include "base/float_unit.hpp"

namespace ashlar::float_unit {

#if defined(__x86_64__)

inline Word interrupted(const void* ucontext) noexcept {
  return static_cast<const ucontext_t*>(ucontext)->uc_mcontext.fpregs->mxcsr;
}

#elif defined(__aarch64__)

inline Word interrupted(const void* ucontext) noexcept {
  // The record with this magic holds FPSR and FPCR behind its header (Linux, arch/arm64/include/uapi/asm/sigcontext.h).
  constexpr std::uint32_t kFpsimdMagic = 0x46508001;
  const auto* at = reinterpret_cast<const unsigned char*>(static_cast<const ucontext_t*>(ucontext)->uc_mcontext.__reserved);
  for (;;) {
    std::uint32_t record[4];  // magic, size, fpsr, fpcr
    std::memcpy(record, at, sizeof record);
    if (record[0] == kFpsimdMagic) return std::uint64_t{record[2]} << 32 | record[3];
    if (record[0] == 0 || record[1] == 0) return read();
    at += record[1];
  }
}

#else

inline Word interrupted(const void*) noexcept { return read(); }

#endif

}  // namespace ashlar::float_unit
