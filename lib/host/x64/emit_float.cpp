// Float opcodes. They run in the host's unit: MXCSR has the guest's rounding mode and collects the guest's
// flags. What the unit does otherwise than the IR asks (NaN bits, rounding modes that are not set,
// saturation, min and max) is mended beside it, out of line where it is rare. NaN results are made canonical
// where somebody can see them, not here (Knowledge).
#include "host/x64/emitter.hpp"

namespace ashlar::host_x64 {

using asmjit::Imm;
using codegen::InstPlan;
using codegen::RuntimeEntry;
namespace I = asmjit::x86::Inst;

// --- operands
// ---------------------------------------------------------------------------------------------------------------------

Reg Emitter::float_register(Value v, std::uint16_t next, Reg spare) {
  if (!v.is_zero()) return cache_.use(v, true, next);
  as_.xorps(xmm(spare), xmm(spare));
  return spare;
}

Reg Emitter::float32_register(Value v, std::uint16_t next, Reg spare) {
  if (v.is_zero()) {  // +0.0 as 64 bits is not a boxed value
    as_.movsd(xmm(spare), frame_mem(ASHLAR_COLD_OFFSET(canonical_nan32)));
    return spare;
  }
  const Reg r = cache_.use(v, true, next);
  const Knowledge k = cache_.knowledge(r);
  if (k == Knowledge::boxed32 || k == Knowledge::result32) return r;
  if (k == Knowledge::result64) canonicalise(r, k);
  // Boxed nearly always. If it is not, the interpreter executes this guest instruction.
  const FaultPoint point = fault_point();
  if (features_.sse41) {
    as_.pextrd(x86::eax, xmm(r), Imm(1));
  } else {
    as_.movq(x86::rax, xmm(r));
    as_.shr(x86::rax, Imm(32));
  }
  const asmjit::Label unboxed = as_.newLabel();
  as_.cmp(x86::eax, Imm(-1));
  as_.jne(unboxed);
  check_at(unboxed, point);
  cache_.set_knowledge(r, Knowledge::boxed32);
  return r;
}

void Emitter::float_result(Reg dst, bool single) {
  cache_.set_knowledge(dst, single ? Knowledge::result32 : Knowledge::result64);
}

void Emitter::store_args(const Inst& inst) {
  const ir::OpTraits& traits = ir::traits_of(inst.op);
  const bool is_float = ir::info(inst.op).src == ir::ValueClass::F;
  const Value values[3] = {inst.a, inst.b, inst.c()};
  const std::uint16_t next[3] = {plan().next_a, plan().next_b, plan().next_c};
  const bool read[3] = {traits.reads_a, traits.reads_b, traits.reads_c};
  for (int i = 0; i < 3; ++i) {
    if (!read[i]) continue;
    const x86::Mem to = frame_mem(ASHLAR_COLD_OFFSET(args) + 8 * i);
    const Operand o = operand_in_place(values[i], next[i], is_float);
    if (o.is_zero()) {
      as_.mov(to, Imm(0));
    } else if (o.is_reg() && is_float) {
      cache_.settle(o.reg);
      as_.movsd(to, xmm(o.reg));
    } else {
      as_.mov(to, gp64(in_register(o)));
    }
  }
}

void Emitter::call_float_slow(const Inst& inst) {
  as_.mov(x86::eax,
          Imm(static_cast<std::uint32_t>(inst.op) | static_cast<std::uint32_t>(inst.rounding()) << 16));
  call_entry(RuntimeEntry::runtime_call);
}

void Emitter::float_slow(const Inst& inst) {
  store_args(inst);
  call_float_slow(inst);
  if (ir::info(inst.op).dst == ir::ValueClass::F) {
    const Reg dst = define_float(inst);
    as_.movq(xmm(dst), x86::rax);
  } else {
    as_.mov(gp64(define_int(inst)), x86::rax);
  }
}

// --- arithmetic
// -------------------------------------------------------------------------------------------------------------------

void Emitter::float_binary(const Inst& inst, InstId sse, InstId avx, bool single) {
  if (!rounds_like_host(inst)) {
    float_slow(inst);
    return;
  }
  const Reg spare_a = Reg::real(0), spare_b = Reg::real(1);
  const Reg a = single ? float32_register(inst.a, plan().next_a, spare_a)
                       : float_register(inst.a, plan().next_a, spare_a);
  const Reg b = single ? float32_register(inst.b, plan().next_b, spare_b)
                       : float_register(inst.b, plan().next_b, spare_b);
  const Reg dst = define_float(inst);
  // The upper half of a binary32 result is the first operand's: all ones.
  if (dst == a) {
    as_.emit(sse, xmm(dst), xmm(b));
  } else if (features_.avx) {
    as_.emit(avx, xmm(dst), xmm(a), xmm(b));
  } else if (dst == b) {
    as_.movaps(x86::xmm0, xmm(a));
    as_.emit(sse, x86::xmm0, xmm(b));
    as_.movaps(xmm(dst), x86::xmm0);
  } else {
    as_.movaps(xmm(dst), xmm(a));
    as_.emit(sse, xmm(dst), xmm(b));
  }
  float_result(dst, single);
}
void Emitter::emit_fadd32(const Inst& inst) { float_binary(inst, I::kIdAddss, I::kIdVaddss, true); }
void Emitter::emit_fadd64(const Inst& inst) { float_binary(inst, I::kIdAddsd, I::kIdVaddsd, false); }
void Emitter::emit_fsub32(const Inst& inst) { float_binary(inst, I::kIdSubss, I::kIdVsubss, true); }
void Emitter::emit_fsub64(const Inst& inst) { float_binary(inst, I::kIdSubsd, I::kIdVsubsd, false); }
void Emitter::emit_fmul32(const Inst& inst) { float_binary(inst, I::kIdMulss, I::kIdVmulss, true); }
void Emitter::emit_fmul64(const Inst& inst) { float_binary(inst, I::kIdMulsd, I::kIdVmulsd, false); }
void Emitter::emit_fdiv32(const Inst& inst) { float_binary(inst, I::kIdDivss, I::kIdVdivss, true); }
void Emitter::emit_fdiv64(const Inst& inst) { float_binary(inst, I::kIdDivsd, I::kIdVdivsd, false); }

void Emitter::float_sqrt(const Inst& inst, bool single) {
  if (!rounds_like_host(inst)) {
    float_slow(inst);
    return;
  }
  const Reg spare = Reg::real(0);
  const Reg a =
      single ? float32_register(inst.a, plan().next_a, spare) : float_register(inst.a, plan().next_a, spare);
  const Reg dst = define_float(inst);
  if (features_.avx) {
    as_.emit(single ? I::kIdVsqrtss : I::kIdVsqrtsd, xmm(dst), xmm(a), xmm(a));
  } else {
    if (dst != a) as_.movaps(xmm(dst), xmm(a));
    as_.emit(single ? I::kIdSqrtss : I::kIdSqrtsd, xmm(dst), xmm(dst));
  }
  float_result(dst, single);
}
void Emitter::emit_fsqrt32(const Inst& inst) { float_sqrt(inst, true); }
void Emitter::emit_fsqrt64(const Inst& inst) { float_sqrt(inst, false); }

void Emitter::float_fma(const Inst& inst, bool single, bool negate_product, bool negate_addend) {
  if (!rounds_like_host(inst) || !features_.fma || inst.a.is_zero() || inst.b.is_zero() ||
      inst.c().is_zero()) {
    float_slow(inst);
    return;
  }
  const Reg none;
  const Reg a =
      single ? float32_register(inst.a, plan().next_a, none) : float_register(inst.a, plan().next_a, none);
  const Reg b =
      single ? float32_register(inst.b, plan().next_b, none) : float_register(inst.b, plan().next_b, none);
  const Reg c = single ? float32_register(inst.c(), plan().next_c, none)
                       : float_register(inst.c(), plan().next_c, none);
  const Reg dst = define_float(inst);
  const Reg target = dst == a || dst == b ? Reg::real(0) : dst;
  if (target != c) as_.movaps(xmm(target), xmm(c));
  static constexpr InstId kForms[2][2][2] = {
      {{I::kIdVfmadd231sd, I::kIdVfmsub231sd}, {I::kIdVfnmadd231sd, I::kIdVfnmsub231sd}},
      {{I::kIdVfmadd231ss, I::kIdVfmsub231ss}, {I::kIdVfnmadd231ss, I::kIdVfnmsub231ss}}};
  as_.emit(kForms[single][negate_product][negate_addend], xmm(target), xmm(a), xmm(b));
  // Infinity times zero plus a quiet NaN is invalid for the guest (RISC-V F, "fused multiply-add"), not for
  // this host: look at NaN results out of line, and make them canonical there.
  const asmjit::Label nan = as_.newLabel();
  const asmjit::Label back = as_.newLabel();
  if (single) {
    as_.ucomiss(xmm(target), xmm(target));
  } else {
    as_.ucomisd(xmm(target), xmm(target));
  }
  as_.jp(nan);
  as_.bind(back);
  if (target != dst) as_.movaps(xmm(dst), xmm(target));
  cache_.set_knowledge(dst, single ? Knowledge::boxed32 : Knowledge::raw);
  cold(nan, [this, inst, a, b, target, single, back] {
    // The addend may be overwritten; whatever it was, the host has raised what it raises but for this case,
    // which a quiet NaN shows.
    as_.movsd(frame_mem(ASHLAR_COLD_OFFSET(args)), xmm(a));
    as_.movsd(frame_mem(ASHLAR_COLD_OFFSET(args) + 8), xmm(b));
    as_.mov(x86::rax,
            frame_mem(single ? ASHLAR_COLD_OFFSET(canonical_nan32) : ASHLAR_COLD_OFFSET(canonical_nan64)));
    as_.mov(frame_mem(ASHLAR_COLD_OFFSET(args) + 16), x86::rax);
    call_float_slow(inst);
    as_.movq(xmm(target), x86::rax);
    as_.jmp(back);
  });
}
void Emitter::emit_fmadd32(const Inst& inst) { float_fma(inst, true, false, false); }
void Emitter::emit_fmadd64(const Inst& inst) { float_fma(inst, false, false, false); }
void Emitter::emit_fmsub32(const Inst& inst) { float_fma(inst, true, false, true); }
void Emitter::emit_fmsub64(const Inst& inst) { float_fma(inst, false, false, true); }
void Emitter::emit_fnmsub32(const Inst& inst) { float_fma(inst, true, true, false); }
void Emitter::emit_fnmsub64(const Inst& inst) { float_fma(inst, false, true, false); }
void Emitter::emit_fnmadd32(const Inst& inst) { float_fma(inst, true, true, true); }
void Emitter::emit_fnmadd64(const Inst& inst) { float_fma(inst, false, true, true); }

void Emitter::float_min_max(const Inst& inst, bool single, bool max) {
  const Reg spare_a = Reg::real(0), spare_b = Reg::real(1);
  const Reg a = single ? float32_register(inst.a, plan().next_a, spare_a)
                       : float_register(inst.a, plan().next_a, spare_a);
  const Reg b = single ? float32_register(inst.b, plan().next_b, spare_b)
                       : float_register(inst.b, plan().next_b, spare_b);
  if (inst.a.is_zero() || inst.b.is_zero()) {
    float_slow(inst);
    return;
  }
  const Reg dst = define_float(inst);
  const asmjit::Label nan = as_.newLabel();
  const asmjit::Label equal = as_.newLabel();
  const asmjit::Label done = as_.newLabel();
  if (single) {
    as_.ucomiss(xmm(a), xmm(b));
  } else {
    as_.ucomisd(xmm(a), xmm(b));
  }
  as_.jp(nan);
  as_.je(equal);
  as_.movaps(x86::xmm0, xmm(a));
  const InstId op = single ? (max ? I::kIdMaxss : I::kIdMinss) : (max ? I::kIdMaxsd : I::kIdMinsd);
  as_.emit(op, x86::xmm0, xmm(b));
  as_.bind(done);
  as_.movaps(xmm(dst), x86::xmm0);
  cache_.set_knowledge(dst, single ? Knowledge::boxed32 : Knowledge::raw);
  // Equal values have equal bits, but for zeros: -0 is the lesser.
  cold(equal, [this, a, b, max, done] {
    as_.movaps(x86::xmm0, xmm(a));
    as_.emit(max ? I::kIdAndps : I::kIdOrps, x86::xmm0, xmm(b));
    as_.jmp(done);
  });
  cold(nan, [this, inst, a, b, done] {
    as_.movsd(frame_mem(ASHLAR_COLD_OFFSET(args)), xmm(a));
    as_.movsd(frame_mem(ASHLAR_COLD_OFFSET(args) + 8), xmm(b));
    call_float_slow(inst);
    as_.movq(x86::xmm0, x86::rax);
    as_.jmp(done);
  });
}
void Emitter::emit_fmin32(const Inst& inst) { float_min_max(inst, true, false); }
void Emitter::emit_fmin64(const Inst& inst) { float_min_max(inst, false, false); }
void Emitter::emit_fmax32(const Inst& inst) { float_min_max(inst, true, true); }
void Emitter::emit_fmax64(const Inst& inst) { float_min_max(inst, false, true); }

// --- comparison
// -------------------------------------------------------------------------------------------------------------------

void Emitter::float_compare(const Inst& inst, bool single, int kind) {
  const Reg spare_a = Reg::real(0), spare_b = Reg::real(1);
  const Reg a = single ? float32_register(inst.a, plan().next_a, spare_a)
                       : float_register(inst.a, plan().next_a, spare_a);
  const Reg b = single ? float32_register(inst.b, plan().next_b, spare_b)
                       : float_register(inst.b, plan().next_b, spare_b);
  const Reg dst = define_int(inst);
  if (kind == 0) {
    // Equal and ordered. Unordered sets ZF as well as PF.
    as_.xor_(gp32(dst), gp32(dst));
    as_.xor_(x86::eax, x86::eax);
    as_.emit(single ? I::kIdUcomiss : I::kIdUcomisd, xmm(a), xmm(b));
    as_.setnp(x86::al);
    as_.cmove(gp32(dst), x86::eax);
    return;
  }
  // Exchanged, so that unordered (CF set) is false.
  as_.xor_(x86::eax, x86::eax);
  as_.emit(single ? I::kIdComiss : I::kIdComisd, xmm(b), xmm(a));
  if (kind == 1) {
    as_.seta(x86::al);
  } else {
    as_.setae(x86::al);
  }
  as_.mov(gp32(dst), x86::eax);
}
void Emitter::emit_feq32(const Inst& inst) { float_compare(inst, true, 0); }
void Emitter::emit_feq64(const Inst& inst) { float_compare(inst, false, 0); }
void Emitter::emit_flt32(const Inst& inst) { float_compare(inst, true, 1); }
void Emitter::emit_flt64(const Inst& inst) { float_compare(inst, false, 1); }
void Emitter::emit_fle32(const Inst& inst) { float_compare(inst, true, 2); }
void Emitter::emit_fle64(const Inst& inst) { float_compare(inst, false, 2); }

void Emitter::emit_fclass32(const Inst& inst) { float_slow(inst); }
void Emitter::emit_fclass64(const Inst& inst) { float_slow(inst); }

// --- bits
// -------------------------------------------------------------------------------------------------------------------------

void Emitter::emit_fmov(const Inst& inst) {
  if (inst.a.is_zero()) {
    const Reg dst = define_float(inst);
    as_.xorps(xmm(dst), xmm(dst));
    return;
  }
  const Reg a = cache_.use(inst.a, true, plan().next_a);
  const Knowledge k = cache_.knowledge(a);
  const Reg dst = define_float(inst);
  move(dst, a);
  cache_.set_knowledge(dst, k);
}

void Emitter::emit_f_from_bits64(const Inst& inst) {
  const Operand a = operand(inst.a, plan().next_a);
  const Reg dst = define_float(inst);
  if (a.is_zero()) {
    as_.xorps(xmm(dst), xmm(dst));
  } else {
    as_.emit(I::kIdMovq, xmm(dst), rm(a, 64));
  }
}

void Emitter::emit_f_from_bits32(const Inst& inst) {
  const Operand a = operand(inst.a, plan().next_a);
  const Reg dst = define_float(inst);
  as_.emit(I::kIdMovd, x86::xmm0, rm(a, 32));
  as_.pcmpeqd(x86::xmm1, x86::xmm1);
  as_.unpcklps(x86::xmm0, x86::xmm1);
  as_.movaps(xmm(dst), x86::xmm0);
  cache_.set_knowledge(dst, Knowledge::boxed32);
}

void Emitter::emit_bits64_from_f(const Inst& inst) {
  const Operand a = operand(inst.a, plan().next_a, true);
  if (a.is_reg()) cache_.settle(a.reg);
  const Reg dst = define_int(inst);
  if (a.is_reg()) {
    as_.movq(gp64(dst), xmm(a.reg));
  } else {
    load(gp64(dst), a);
  }
}

void Emitter::emit_bits32_from_f(const Inst& inst) {
  const Operand a = operand(inst.a, plan().next_a, true);
  if (a.is_reg()) cache_.settle(a.reg);
  const Reg dst = define_int(inst);
  if (a.is_reg()) {
    as_.movd(x86::eax, xmm(a.reg));
    as_.movsxd(gp64(dst), x86::eax);
  } else if (a.is_zero()) {
    as_.xor_(gp32(dst), gp32(dst));
  } else {
    as_.movsxd(gp64(dst), word_mem(a.word, 4));
  }
}

void Emitter::float_sign(const Inst& inst, bool single, int kind) {
  const Reg spare_a = Reg::real(0), spare_b = Reg::real(1);
  if (inst.a.is_zero() || inst.b.is_zero()) {
    float_slow(inst);
    return;
  }
  const Reg a = single ? float32_register(inst.a, plan().next_a, spare_a)
                       : float_register(inst.a, plan().next_a, spare_a);
  const Reg b = single ? float32_register(inst.b, plan().next_b, spare_b)
                       : float_register(inst.b, plan().next_b, spare_b);
  cache_.settle(a);
  cache_.settle(b);
  const Reg dst = define_float(inst);
  const bool same = inst.a == inst.b;
  const auto sign_mask = [&] {
    if (single) {
      as_.mov(x86::eax, Imm(0x80000000u));
      as_.movd(x86::xmm1, x86::eax);
    } else {
      as_.pcmpeqd(x86::xmm1, x86::xmm1);
      as_.psllq(x86::xmm1, Imm(63));
    }
  };
  if (same && kind == 0) {
    move(dst, a);
  } else if (same && kind == 1) {  // negate
    sign_mask();
    move(dst, a);
    as_.xorps(xmm(dst), x86::xmm1);
  } else if (same) {  // magnitude
    sign_mask();
    as_.andnps(x86::xmm1, xmm(a));
    as_.movaps(xmm(dst), x86::xmm1);
  } else {
    sign_mask();
    as_.movaps(x86::xmm0, xmm(b));
    as_.andps(x86::xmm0, x86::xmm1);
    if (kind == 2) {
      as_.xorps(x86::xmm0, xmm(a));
    } else {
      if (kind == 1) as_.xorps(x86::xmm0, x86::xmm1);
      as_.andnps(x86::xmm1, xmm(a));
      as_.orps(x86::xmm0, x86::xmm1);
    }
    as_.movaps(xmm(dst), x86::xmm0);
  }
  cache_.set_knowledge(dst, single ? Knowledge::boxed32 : Knowledge::raw);
}
void Emitter::emit_fsgnj32(const Inst& inst) { float_sign(inst, true, 0); }
void Emitter::emit_fsgnj64(const Inst& inst) { float_sign(inst, false, 0); }
void Emitter::emit_fsgnjn32(const Inst& inst) { float_sign(inst, true, 1); }
void Emitter::emit_fsgnjn64(const Inst& inst) { float_sign(inst, false, 1); }
void Emitter::emit_fsgnjx32(const Inst& inst) { float_sign(inst, true, 2); }
void Emitter::emit_fsgnjx64(const Inst& inst) { float_sign(inst, false, 2); }

}  // namespace ashlar::host_x64
