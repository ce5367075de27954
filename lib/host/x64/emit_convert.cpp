// Conversions between float formats and integers.
#include <bit>

#include "host/x64/emitter.hpp"

namespace ashlar::host_x64 {

using asmjit::Imm;
using codegen::InstPlan;
namespace I = asmjit::x86::Inst;

void Emitter::emit_f64_from_f32(const Inst& inst) {
  const Reg a = float32_register(inst.a, plan().next_a, Reg::real(0));
  const Reg dst = define_float(inst);
  if (features_.avx) {
    as_.vcvtss2sd(xmm(dst), xmm(a), xmm(a));
  } else {
    as_.cvtss2sd(xmm(dst), xmm(a));
  }
  float_result(dst, false);
}

void Emitter::emit_f32_from_f64(const Inst& inst) {
  if (!rounds_like_host(inst)) {
    float_slow(inst);
    return;
  }
  const Reg a = float_register(inst.a, plan().next_a, Reg::real(0));
  const Reg dst = define_float(inst);
  as_.pcmpeqd(x86::xmm1, x86::xmm1);  // the conversion keeps the upper half: boxed
  as_.cvtsd2ss(x86::xmm1, xmm(a));
  as_.movaps(xmm(dst), x86::xmm1);
  float_result(dst, true);
}

void Emitter::int_to_float(const Inst& inst, bool single, bool wide, bool is_signed) {
  const bool exact = !single && !wide;
  if (!exact && !rounds_like_host(inst)) {
    float_slow(inst);
    return;
  }
  const Operand a = operand(inst.a, plan().next_a);
  const Reg dst = define_float(inst);
  if (single) {
    as_.pcmpeqd(xmm(dst), xmm(dst));  // boxed
  } else {
    as_.xorps(xmm(dst), xmm(dst));  // breaks the chain through the upper half
  }
  const InstId id = single ? I::kIdCvtsi2ss : I::kIdCvtsi2sd;
  if (!wide && is_signed) {
    as_.emit(id, xmm(dst), rm(a, 32));
  } else if (wide && is_signed) {
    as_.emit(id, xmm(dst), rm(a, 64));
  } else if (!wide) {
    load(x86::eax, a);
    as_.emit(id, xmm(dst), x86::rax);
  } else {
    const asmjit::Label large = as_.newLabel();
    const asmjit::Label done = as_.newLabel();
    load(x86::rax, a);
    as_.test(x86::rax, x86::rax);
    as_.js(large);
    as_.emit(id, xmm(dst), x86::rax);
    as_.bind(done);
    cold(large, [this, inst, dst, done] {
      as_.mov(frame_mem(ASHLAR_COLD_OFFSET(args)), x86::rax);
      call_float_slow(inst);
      as_.movq(xmm(dst), x86::rax);
      as_.jmp(done);
    });
  }
  if (single) cache_.set_knowledge(dst, Knowledge::boxed32);
}
void Emitter::emit_f32_from_i32(const Inst& inst) { int_to_float(inst, true, false, true); }
void Emitter::emit_f32_from_u32(const Inst& inst) { int_to_float(inst, true, false, false); }
void Emitter::emit_f32_from_i64(const Inst& inst) { int_to_float(inst, true, true, true); }
void Emitter::emit_f32_from_u64(const Inst& inst) { int_to_float(inst, true, true, false); }
void Emitter::emit_f64_from_i32(const Inst& inst) { int_to_float(inst, false, false, true); }
void Emitter::emit_f64_from_u32(const Inst& inst) { int_to_float(inst, false, false, false); }
void Emitter::emit_f64_from_i64(const Inst& inst) { int_to_float(inst, false, true, true); }
void Emitter::emit_f64_from_u64(const Inst& inst) { int_to_float(inst, false, true, false); }

void Emitter::float_to_int(const Inst& inst, bool single, bool wide, bool is_signed) {
  const bool truncate = inst.rounding() == RoundingMode::rtz;
  const bool other_mode = !truncate && !rounds_like_host(inst);
  if (inst.a.is_zero() || (other_mode && !features_.sse41) || inst.rounding() == RoundingMode::rmm) {
    float_slow(inst);
    return;
  }
  const Reg a = single ? float32_register(inst.a, plan().next_a, Reg::real(0))
                       : float_register(inst.a, plan().next_a, Reg::real(0));
  const Reg dst = define_int(inst);
  const asmjit::Label slow = as_.newLabel();
  const asmjit::Label done = as_.newLabel();
  const InstId compare = single ? I::kIdUcomiss : I::kIdUcomisd;
  const auto constant = [&](double value) {
    if (single) {
      as_.mov(x86::eax, Imm(std::bit_cast<std::uint32_t>(static_cast<float>(value))));
      as_.movd(x86::xmm1, x86::eax);
    } else {
      load_bits(x86::xmm1, std::bit_cast<std::uint64_t>(value));
    }
  };
  // Only values whose conversion raises inexact at most are converted here; the rest (NaN, out of range) goes
  // out of line before the unit could raise a flag that the guest does not.
  Reg from = a;
  if (!is_signed || other_mode) {
    const double bound = wide ? 9223371487098961920.0 : is_signed ? 2147483520.0 : 4294967040.0;
    constant(bound);
    as_.emit(compare, x86::xmm1, xmm(a));
    as_.jb(slow);  // above the bound, or unordered
    if (is_signed) {
      constant(-bound);
      as_.emit(compare, xmm(a), x86::xmm1);
    } else {
      as_.xorps(x86::xmm1, x86::xmm1);
      as_.emit(compare, xmm(a), x86::xmm1);
    }
    as_.jb(slow);
  }
  if (other_mode) {
    static constexpr int kHostMode[] = {0, 3, 1, 2};  // rne, rtz, rdn, rup as ROUNDSD's immediate
    if (single) {
      as_.roundss(x86::xmm0, xmm(a), Imm(kHostMode[static_cast<int>(inst.rounding())]));
    } else {
      as_.roundsd(x86::xmm0, xmm(a), Imm(kHostMode[static_cast<int>(inst.rounding())]));
    }
    from = Reg::real(0);
  }
  const bool use_truncate = truncate || other_mode;
  const InstId convert = single ? (use_truncate ? I::kIdCvttss2si : I::kIdCvtss2si)
                                : (use_truncate ? I::kIdCvttsd2si : I::kIdCvtsd2si);
  if (is_signed && !wide) {
    as_.emit(convert, x86::eax, xmm(from));
    as_.cmp(x86::eax, Imm(1));  // overflows for the pattern of an impossible conversion alone
    as_.jo(slow);
    as_.movsxd(gp64(dst), x86::eax);
  } else {
    as_.emit(convert, x86::rax, xmm(from));
    if (is_signed) {
      as_.cmp(x86::rax, Imm(1));
      as_.jo(slow);
    }
    as_.mov(wide ? gp64(dst) : gp32(dst), wide ? x86::Gp(x86::rax) : x86::Gp(x86::eax));
  }
  as_.bind(done);
  cold(slow, [this, inst, a, dst, done] {
    as_.movsd(frame_mem(ASHLAR_COLD_OFFSET(args)), xmm(a));
    call_float_slow(inst);
    as_.mov(gp64(dst), x86::rax);
    as_.jmp(done);
  });
}
void Emitter::emit_i32_from_f32(const Inst& inst) { float_to_int(inst, true, false, true); }
void Emitter::emit_u32_from_f32(const Inst& inst) { float_to_int(inst, true, false, false); }
void Emitter::emit_i64_from_f32(const Inst& inst) { float_to_int(inst, true, true, true); }
void Emitter::emit_u64_from_f32(const Inst& inst) { float_to_int(inst, true, true, false); }
void Emitter::emit_i32_from_f64(const Inst& inst) { float_to_int(inst, false, false, true); }
void Emitter::emit_u32_from_f64(const Inst& inst) { float_to_int(inst, false, false, false); }
void Emitter::emit_i64_from_f64(const Inst& inst) { float_to_int(inst, false, true, true); }
void Emitter::emit_u64_from_f64(const Inst& inst) { float_to_int(inst, false, true, false); }

}  // namespace ashlar::host_x64
