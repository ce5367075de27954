// codegen/host_context.hpp on x86-64 Linux, and the CPU's features.
#include "codegen/backend.hpp"
#include "codegen/host_context.hpp"
#include "host/x64/regs.hpp"

#if defined(__x86_64__)

#include <cpuid.h>
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

/// Asks for no more than it wants to know: under a hypervisor each CPUID takes microseconds, and asmjit's
/// CpuInfo executes some dozens. Leaves and bits: AMD64 Architecture Programmer's Manual, volume 3,
/// appendix E.
HostFeatures detect_host_features() noexcept {
  HostFeatures features;
  unsigned eax, ebx, ecx, edx;
  const auto has = [](unsigned bits, unsigned bit) { return (bits >> bit & 1) != 0; };
  __cpuid(1, eax, ebx, ecx, edx);
  features.sse41 = has(ecx, 19);
  features.popcnt = has(ecx, 23);
  if (has(ecx, 27)) {  // XGETBV: does the system save the registers' upper halves?
    unsigned saved, high;
    __asm__("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
    features.avx = has(ecx, 28) && (saved & 6) == 6;
    features.fma = features.avx && has(ecx, 12);
  }
  __cpuid(0x8000'0001, eax, ebx, ecx, edx);
  features.lzcnt = has(ecx, 5);
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0) {
    features.bmi1 = has(ebx, 3);
    features.bmi2 = has(ebx, 8);
  }
  return features;
}

}  // namespace ashlar::codegen

#endif
