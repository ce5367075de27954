// codegen/host_context.hpp on AArch64 Linux, and the CPU's features.
#include "codegen/backend.hpp"
#include "codegen/host_context.hpp"
#include "host/a64/regs.hpp"

#if defined(__aarch64__)

#include <asmjit/core.h>
#include <ucontext.h>

#include <cstring>

namespace ashlar::codegen {

const std::byte* context_pc(const void* ucontext) noexcept {
  return reinterpret_cast<const std::byte*>(static_cast<const ucontext_t*>(ucontext)->uc_mcontext.pc);
}

VcpuFrame* context_frame(const void* ucontext) noexcept {
  const auto& context = static_cast<const ucontext_t*>(ucontext)->uc_mcontext;
  return reinterpret_cast<VcpuFrame*>(context.regs[host_a64::kStateRegister] + sizeof(VcpuCold));
}

void context_dump(const void* ucontext, RegisterDump& dump) noexcept {
  const auto& context = static_cast<const ucontext_t*>(ucontext)->uc_mcontext;
  for (int n = 0; n < 31; ++n) dump.gpr[n] = context.regs[n];
  dump.gpr[31] = context.sp;
  // The record with this magic holds the vector registers (Linux, arch/arm64/include/uapi/asm/sigcontext.h).
  constexpr std::uint32_t kFpsimdMagic = 0x46508001;
  const auto* at = reinterpret_cast<const unsigned char*>(context.__reserved);
  for (;;) {
    std::uint32_t head[2];  // magic, size
    std::memcpy(head, at, sizeof head);
    if (head[0] == 0 || head[1] == 0) return;
    if (head[0] == kFpsimdMagic) break;
    at += head[1];
  }
  constexpr std::size_t kVectors = 16;  // behind magic, size, fpsr, fpcr
  for (std::size_t n = 0; n < 32; ++n) std::memcpy(&dump.vec[n], at + kVectors + 16 * n, sizeof dump.vec[n]);
}

void context_redirect(void* ucontext, const void* pc) noexcept {
  static_cast<ucontext_t*>(ucontext)->uc_mcontext.pc = reinterpret_cast<std::uintptr_t>(pc);
}

HostFeatures detect_host_features() noexcept {
  HostFeatures features;
  features.lse = asmjit::CpuInfo::host().features().arm().hasLSE();
  return features;
}

}  // namespace ashlar::codegen

#endif
