// Which AArch64 register does what in emitted code. Included by the a64 host alone.
//
//   sp         host stack
//   x28        state: the vCPU's cold header, so that scaled displacements reach everything but temporaries
//   x27        host address of guest address 0
//   x26, x29   host addresses of guest bases within a block (Emitter::host_base)
//   x25        VcpuHot::mem_limit, which never changes
//   x16, x17   scratch of one instruction; x16 also carries the target of an indirect jump, and the argument
//              and result of runtime calls
//   x30        scratch of one instruction that calls nothing
//   x18        the platform's, not touched
//   v29, v30   scratch of one instruction
//   v28        what results are compared with that may be tiny (kTiny)
//   v5..v7     with v29: operands that have been overwritten and may be asked for once more (Emitter::Judged)
//   v31        all ones in all bits: boxes a binary32 by one zip1
//   the rest   residents, and values cached within a block
#pragma once

#include <array>
#include <cstdint>

#include <asmjit/arm/a64assembler.h>
#include <asmjit/core/logger.h>

#include <ashlar/vcpu_frame.hpp>

#include "codegen/register_cache.hpp"
#include "codegen/runtime.hpp"

namespace ashlar::host_a64 {

using codegen::Reg;
namespace a64 = asmjit::a64;

inline constexpr unsigned kStateRegister = 28;

/// From the frame's base to where the state register points: the cold header lies directly in front of it.
inline constexpr std::int32_t kStateBias = -static_cast<std::int32_t>(sizeof(VcpuCold));

/// Residents. x0..x4 stay out for values cached within a block: a compare-and-swap needs four.
inline constexpr std::array<Reg, 17> kResidentIntegers = {
    Reg::integer(5),  Reg::integer(6),  Reg::integer(7),  Reg::integer(8),  Reg::integer(9),
    Reg::integer(10), Reg::integer(11), Reg::integer(12), Reg::integer(13), Reg::integer(14),
    Reg::integer(15), Reg::integer(19), Reg::integer(20), Reg::integer(21), Reg::integer(22),
    Reg::integer(23), Reg::integer(24)};
/// v0..v4 stay out likewise.
inline constexpr std::array<Reg, 20> kResidentFloats = {
    Reg::real(8),  Reg::real(9),  Reg::real(10), Reg::real(11), Reg::real(12), Reg::real(13), Reg::real(14),
    Reg::real(15), Reg::real(16), Reg::real(17), Reg::real(18), Reg::real(19), Reg::real(20), Reg::real(21),
    Reg::real(22), Reg::real(23), Reg::real(24), Reg::real(25), Reg::real(26), Reg::real(27)};

/// Every register that may hold values; less the residents in linked code.
constexpr std::uint64_t all_cacheable() {
  std::uint64_t mask = 0;
  for (unsigned n = 0; n < 5; ++n) mask |= Reg::integer(n).mask();
  for (unsigned n = 0; n < 5; ++n) mask |= Reg::real(n).mask();
  for (const Reg r : kResidentIntegers) mask |= r.mask();
  for (const Reg r : kResidentFloats) mask |= r.mask();
  return mask;
}

/// The zero register as an operand. Register 31 is never the stack pointer here.
inline constexpr Reg kZero = Reg::integer(31);
inline constexpr Reg kX16 = Reg::integer(16), kX17 = Reg::integer(17), kX30 = Reg::integer(30);
inline constexpr Reg kV29 = Reg::real(29), kV30 = Reg::real(30), kOnes = Reg::real(31);
/// Its binary64 is the least double with an exponent field of 2, and a bit more; its low half as a binary32
/// the least float with one of 2.
inline constexpr Reg kTiny = Reg::real(28);
inline constexpr std::uint64_t kTinyBits = 0x0020'0000'0100'0000;
inline constexpr std::array<Reg, 4> kKeptOperands = {kV29, Reg::real(5), Reg::real(6), Reg::real(7)};

inline a64::GpX gp64(Reg r) { return a64::x(r == kZero ? a64::Gp::kIdZr : r.number()); }
inline a64::GpW gp32(Reg r) { return a64::w(r == kZero ? a64::Gp::kIdZr : r.number()); }
inline a64::Gp gp(Reg r, bool wide) { return wide ? a64::Gp(gp64(r)) : a64::Gp(gp32(r)); }
/// The low 64 bits, the low 32 bits, and the whole of a float register (for lanes: v(r).s2()).
inline a64::VecD fp64(Reg r) { return a64::d(r.number()); }
inline a64::VecS fp32(Reg r) { return a64::s(r.number()); }
inline a64::VecV vec(Reg r) { return a64::v(r.number()); }
inline a64::Vec fp(Reg r, bool single) { return single ? a64::Vec(fp32(r)) : a64::Vec(fp64(r)); }

inline const a64::GpX kState = a64::x(kStateRegister);
inline const a64::GpX kMemBase = a64::x(27);
inline const a64::GpX kMemLimit = a64::x(25);
inline constexpr Reg kMemBaseReg = Reg::integer(27);
/// Hold host addresses of guest bases.
inline constexpr std::array<Reg, 2> kHostBases = {Reg::integer(29), Reg::integer(26)};

/// Where enter_single keeps, above the stack pointer, the flag that the float unit is the guest's, and the
/// way back.
inline constexpr std::int32_t kSingleFloatOffset = 0, kSingleReturnOffset = 8;

/// Displacement of the frame's byte `offset` (as ASHLAR_COLD_OFFSET and offsetof give it) from the state
/// register.
constexpr std::int32_t frame_disp(std::int32_t offset) { return offset - kStateBias; }
/// A field of the hot or cold header, by its byte offset from the frame's base. In reach of one instruction.
inline a64::Mem frame_mem(std::int32_t offset) { return a64::ptr(kState, frame_disp(offset)); }

/// Finds the target's entry of the jump cache: x17 is the code, or control goes to `miss`. Destroys x30.
inline void probe_jump_cache(a64::Assembler& as, Reg target, const asmjit::Label& miss) {
  static_assert(sizeof(codegen::JumpCacheEntry) == 16 && offsetof(codegen::JumpCacheEntry, code) == 8);
  static_assert(codegen::JumpCache::kEntries == 4096);
  as.ldr(gp64(kX30), frame_mem(offsetof(VcpuHot, jump_cache)));
  as.ubfx(gp64(kX17), gp64(target), asmjit::Imm(1), asmjit::Imm(12));
  as.add(gp64(kX17), gp64(kX30), gp64(kX17), asmjit::Imm(asmjit::arm::Shift(asmjit::arm::ShiftOp::kLSL, 4)));
  as.ldp(gp64(kX30), gp64(kX17), a64::ptr(gp64(kX17)));
  as.cmp(gp64(kX30), gp64(target));
  as.b_ne(miss);
}

}  // namespace ashlar::host_a64
