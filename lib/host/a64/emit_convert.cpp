// Conversions between float formats and integers.
#include "host/a64/emitter.hpp"

namespace ashlar::host_a64 {

using a64::CondCode;
using asmjit::Imm;
using I = a64::Inst;

void Emitter::emit_f64_from_f32(const Inst& inst) {
  const Reg a = float32_register(inst.a, plan().next_a, kV29);
  as_.fcvt(fp64(define_float(inst)), fp32(a));
}

void Emitter::emit_f32_from_f64(const Inst& inst) {
  if (!rounds_like_host(inst) || inst.a.is_zero()) {
    float_slow(inst);
    return;
  }
  judge(inst, I::kIdFcvt_v, true, float_register(inst.a, plan().next_a, Reg{}));
}

void Emitter::int_to_float(const Inst& inst, bool single, bool wide, bool is_signed) {
  const bool exact = !single && !wide;
  if (!exact && !rounds_like_host(inst)) {
    float_slow(inst);
    return;
  }
  const Reg a = use_a(inst, wide);
  const Reg dst = define_float(inst);
  as_.emit(is_signed ? I::kIdScvtf_v : I::kIdUcvtf_v, fp(dst, single), gp(a, wide));
  float_result(dst, single);
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
  // All five rounding modes have instructions of their own, which saturate and raise invalid as the guest
  // does; only NaN gives 0 there and the largest value here.
  static constexpr InstId kForms[5][2] = {{I::kIdFcvtnu_v, I::kIdFcvtns_v},
                                          {I::kIdFcvtzu_v, I::kIdFcvtzs_v},
                                          {I::kIdFcvtmu_v, I::kIdFcvtms_v},
                                          {I::kIdFcvtpu_v, I::kIdFcvtps_v},
                                          {I::kIdFcvtau_v, I::kIdFcvtas_v}};
  const Reg a = float_operand(inst.a, plan().next_a, kV29, single);
  const Reg dst = define_int(inst);
  as_.emit(kForms[static_cast<int>(inst.rounding())][is_signed], gp(dst, wide), fp(a, single));
  as_.fcmp(fp(a, single), fp(a, single));
  if (!is_signed) {
    as_.csinv(gp(dst, wide), gp(dst, wide), gp(kZero, wide), Imm(CondCode::kVC));
    return;
  }
  const asmjit::Label nan = as_.newLabel();
  const asmjit::Label done = as_.newLabel();
  as_.b_vs(nan);
  bind(done);
  if (!wide) finish32(dst, Extend::sign32);
  cold(nan, [this, dst, wide, done] {
    as_.mov(gp64(dst), Imm(wide ? 0x7fff'ffff'ffff'ffff : 0x7fff'ffff));
    as_.b(done);
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

}  // namespace ashlar::host_a64
