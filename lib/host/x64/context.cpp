// codegen/host_context.hpp on x86-64 Linux, and the CPU's features.
#include "codegen/backend.hpp"
#include "codegen/host_context.hpp"
#include "host/x64/regs.hpp"

#if defined(__x86_64__)

#include <ucontext.h>

#include <cstring>

namespace ashlar::codegen {

namespace {
// By the host's register numbers.
constexpr int kGreg[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                           REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
}  // namespace

const std::byte* context_pc(const void* ucontext) noexcept {
  const auto& gregs = static_cast<const ucontext_t*>(ucontext)->uc_mcontext.gregs;
  return reinterpret_cast<const std::byte*>(gregs[REG_RIP]);
}

VcpuFrame* context_frame(const void* ucontext) noexcept {
  const auto& gregs = static_cast<const ucontext_t*>(ucontext)->uc_mcontext.gregs;
  return reinterpret_cast<VcpuFrame*>(gregs[REG_RBP] - host_x64::kStateBias);
}

void context_dump(const void* ucontext, RegisterDump& dump) noexcept {
  const auto& context = static_cast<const ucontext_t*>(ucontext)->uc_mcontext;
  for (int n = 0; n < 16; ++n) dump.gpr[n] = static_cast<std::uint64_t>(context.gregs[kGreg[n]]);
  for (int n = 0; n < 16; ++n) std::memcpy(&dump.vec[n], &context.fpregs->_xmm[n], sizeof dump.vec[n]);
}

void context_redirect(void* ucontext, const void* pc) noexcept {
  static_cast<ucontext_t*>(ucontext)->uc_mcontext.gregs[REG_RIP] =
      static_cast<greg_t>(reinterpret_cast<std::uintptr_t>(pc));
}

HostFeatures detect_host_features() noexcept {
  const auto& cpu = asmjit::CpuInfo::host().features().x86();
  HostFeatures features;
  features.bmi1 = cpu.hasBMI();
  features.bmi2 = cpu.hasBMI2();
  features.lzcnt = cpu.hasLZCNT();
  features.popcnt = cpu.hasPOPCNT();
  features.sse41 = cpu.hasSSE4_1();
  features.avx = cpu.hasAVX();
  features.fma = cpu.hasFMA();
  return features;
}

}  // namespace ashlar::codegen

#endif
