// Which x86-64 register does what in emitted code. Included by the x64 host alone.
//
//   rsp        host stack
//   rbp        state: the frame's base + kStateBias
//   r15        host address of guest address 0
//   rax        scratch of one instruction, the target of an indirect jump; xmm0, xmm1 likewise for floats
//   the rest   residents, and values cached within a block
#pragma once

#include <array>
#include <cstdint>

#include <asmjit/x86.h>

#include "codegen/register_cache.hpp"
#include "codegen/runtime.hpp"
#include "host/x64/assembler.hpp"

namespace ashlar::host_x64 {

using codegen::Reg;
namespace x86 = asmjit::x86;

/// Puts the hot header and the first 28 slots in reach of one-byte displacements.
inline constexpr std::int32_t kStateBias = 128;

inline constexpr unsigned kRax = 0, kRcx = 1, kRdx = 2, kRbx = 3, kRsp = 4, kRbp = 5, kRsi = 6, kRdi = 7;

/// Residents. rcx, rdx and rsi stay out for values cached within a block: shifts, multiplication, division
/// and the jump cache want the first two, and an atomic needs three.
inline constexpr std::array<Reg, 9> kResidentIntegers = {
    Reg::integer(kRbx), Reg::integer(kRdi), Reg::integer(8),  Reg::integer(9), Reg::integer(10),
    Reg::integer(11),   Reg::integer(12),   Reg::integer(13), Reg::integer(14)};
inline constexpr std::array<Reg, 10> kResidentFloats = {
    Reg::real(6),  Reg::real(7),  Reg::real(8),  Reg::real(9),  Reg::real(10),
    Reg::real(11), Reg::real(12), Reg::real(13), Reg::real(14), Reg::real(15)};

/// Every register that may hold values; less the residents in linked code.
constexpr std::uint64_t all_cacheable() {
  std::uint64_t mask = Reg::integer(kRcx).mask() | Reg::integer(kRdx).mask() | Reg::integer(kRsi).mask();
  for (unsigned n = 2; n < 16; ++n) mask |= Reg::real(n).mask();
  for (const Reg r : kResidentIntegers) mask |= r.mask();
  return mask;
}

inline x86::Gp gp64(Reg r) { return x86::gpq(r.number()); }
inline x86::Gp gp32(Reg r) { return x86::gpd(r.number()); }
inline x86::Gp gp16(Reg r) { return x86::gpw(r.number()); }
inline x86::Gp gp8(Reg r) { return x86::gpb_lo(r.number()); }
inline x86::Xmm xmm(Reg r) { return x86::xmm(r.number()); }

inline const x86::Gp kState = x86::rbp;
inline const x86::Gp kMemBase = x86::r15;

/// The frame word `word` as a memory operand.
inline FrameMem word_mem(std::int32_t word, std::uint32_t size = 8) { return {word * 8 - kStateBias, size}; }
/// A field of the hot or cold header, by its byte offset from the frame's base.
inline FrameMem frame_mem(std::int32_t offset, std::uint32_t size = 8) { return {offset - kStateBias, size}; }

/// Finds rax's entry of the jump cache and gives the operand that holds its code, or control goes to `miss`.
/// Destroys rcx and rdx alone.
template <typename Assembler>
x86::Mem probe_jump_cache(Assembler& as, const asmjit::Label& miss) {
  // Addresses of instructions are even: the bits above the lowest, as they stand, are the index times 2.
  static_assert(sizeof(codegen::JumpCacheEntry) == 16);
  as.mov(x86::ecx, x86::eax);
  as.and_(x86::ecx, asmjit::Imm((codegen::JumpCache::kEntries - 1) * 2));
  as.mov(x86::rdx, frame_mem(offsetof(VcpuHot, jump_cache)));
  as.cmp(x86::rax, x86::qword_ptr(x86::rdx, x86::rcx, 3));
  as.jne(miss);
  return x86::qword_ptr(x86::rdx, x86::rcx, 3, offsetof(codegen::JumpCacheEntry, code));
}

}  // namespace ashlar::host_x64
