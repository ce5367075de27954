// F and D. Results in integer registers go to a temporary if the register is x0 and the operation accumulates
// flags.
#include "riscv/translate.hpp"

namespace ashlar::riscv {

// False, with the block ended as illegal, if the instruction takes its mode from an frm that holds none. That
// holds for conversions that are exact whatever the mode, too.
bool Translator::rounding(const Decoded& d, unsigned& mode) {
  constexpr unsigned dynamic = 7, highest = 4;
  mode = d.rm == dynamic ? mode_ : d.rm;
  if (mode <= highest) return true;
  illegal();
  return false;
}

void Translator::float_binary(Opcode op, const Decoded& d) {
  out_.rr(op, fsource(d.rd), fsource(d.rs1), fsource(d.rs2));
}

void Translator::float_binary_rounded(Opcode op, const Decoded& d) {
  unsigned mode;
  if (rounding(d, mode)) out_.rr(op, fsource(d.rd), fsource(d.rs1), fsource(d.rs2), mode);
}

void Translator::float_unary_rounded(Opcode op, const Decoded& d) {
  unsigned mode;
  if (rounding(d, mode)) out_.r(op, fsource(d.rd), fsource(d.rs1), mode);
}

void Translator::float_fused(Opcode op, const Decoded& d) {
  unsigned mode;
  if (rounding(d, mode)) out_.rrr(op, fsource(d.rd), fsource(d.rs1), fsource(d.rs2), fsource(d.rs3), mode);
}

void Translator::float_compare(Opcode op, const Decoded& d) {
  out_.rr(op, dest_or_temp(d.rd), fsource(d.rs1), fsource(d.rs2));
}

void Translator::float_to_int(Opcode op, const Decoded& d, bool sign_extend) {
  unsigned mode;
  if (!rounding(d, mode)) return;
  const Value to = dest_or_temp(d.rd);
  out_.r(op, to, fsource(d.rs1), mode);
  if (sign_extend && d.rd != 0) out_.r(Opcode::sext32, to, to);
}

void Translator::int_to_float(Opcode op, const Decoded& d) {
  unsigned mode;
  if (rounding(d, mode)) out_.r(op, fsource(d.rd), source(d.rs1), mode);
}

void Translator::op_fadd_s(const Decoded& d) { float_binary_rounded(Opcode::fadd32, d); }
void Translator::op_fsub_s(const Decoded& d) { float_binary_rounded(Opcode::fsub32, d); }
void Translator::op_fmul_s(const Decoded& d) { float_binary_rounded(Opcode::fmul32, d); }
void Translator::op_fdiv_s(const Decoded& d) { float_binary_rounded(Opcode::fdiv32, d); }
void Translator::op_fsqrt_s(const Decoded& d) { float_unary_rounded(Opcode::fsqrt32, d); }
void Translator::op_fmadd_s(const Decoded& d) { float_fused(Opcode::fmadd32, d); }
void Translator::op_fmsub_s(const Decoded& d) { float_fused(Opcode::fmsub32, d); }
void Translator::op_fnmsub_s(const Decoded& d) { float_fused(Opcode::fnmsub32, d); }
void Translator::op_fnmadd_s(const Decoded& d) { float_fused(Opcode::fnmadd32, d); }
void Translator::op_fsgnj_s(const Decoded& d) { float_binary(Opcode::fsgnj32, d); }
void Translator::op_fsgnjn_s(const Decoded& d) { float_binary(Opcode::fsgnjn32, d); }
void Translator::op_fsgnjx_s(const Decoded& d) { float_binary(Opcode::fsgnjx32, d); }
void Translator::op_fmin_s(const Decoded& d) { float_binary(Opcode::fmin32, d); }
void Translator::op_fmax_s(const Decoded& d) { float_binary(Opcode::fmax32, d); }
void Translator::op_feq_s(const Decoded& d) { float_compare(Opcode::feq32, d); }
void Translator::op_flt_s(const Decoded& d) { float_compare(Opcode::flt32, d); }
void Translator::op_fle_s(const Decoded& d) { float_compare(Opcode::fle32, d); }

void Translator::op_fadd_d(const Decoded& d) { float_binary_rounded(Opcode::fadd64, d); }
void Translator::op_fsub_d(const Decoded& d) { float_binary_rounded(Opcode::fsub64, d); }
void Translator::op_fmul_d(const Decoded& d) { float_binary_rounded(Opcode::fmul64, d); }
void Translator::op_fdiv_d(const Decoded& d) { float_binary_rounded(Opcode::fdiv64, d); }
void Translator::op_fsqrt_d(const Decoded& d) { float_unary_rounded(Opcode::fsqrt64, d); }
void Translator::op_fmadd_d(const Decoded& d) { float_fused(Opcode::fmadd64, d); }
void Translator::op_fmsub_d(const Decoded& d) { float_fused(Opcode::fmsub64, d); }
void Translator::op_fnmsub_d(const Decoded& d) { float_fused(Opcode::fnmsub64, d); }
void Translator::op_fnmadd_d(const Decoded& d) { float_fused(Opcode::fnmadd64, d); }
void Translator::op_fsgnjn_d(const Decoded& d) { float_binary(Opcode::fsgnjn64, d); }
void Translator::op_fsgnjx_d(const Decoded& d) { float_binary(Opcode::fsgnjx64, d); }
void Translator::op_fmin_d(const Decoded& d) { float_binary(Opcode::fmin64, d); }
void Translator::op_fmax_d(const Decoded& d) { float_binary(Opcode::fmax64, d); }
void Translator::op_feq_d(const Decoded& d) { float_compare(Opcode::feq64, d); }
void Translator::op_flt_d(const Decoded& d) { float_compare(Opcode::flt64, d); }
void Translator::op_fle_d(const Decoded& d) { float_compare(Opcode::fle64, d); }

// fmv.d. The binary32 form is no plain move: it makes a canonical NaN of what is not boxed.
void Translator::op_fsgnj_d(const Decoded& d) {
  if (d.rs1 != d.rs2) return float_binary(Opcode::fsgnj64, d);
  if (d.rd != d.rs1) out_.r(Opcode::fmov, fsource(d.rd), fsource(d.rs1));
}

void Translator::op_fcvt_w_s(const Decoded& d) { float_to_int(Opcode::i32_from_f32, d); }
void Translator::op_fcvt_wu_s(const Decoded& d) { float_to_int(Opcode::u32_from_f32, d, true); }
void Translator::op_fcvt_l_s(const Decoded& d) { float_to_int(Opcode::i64_from_f32, d); }
void Translator::op_fcvt_lu_s(const Decoded& d) { float_to_int(Opcode::u64_from_f32, d); }
void Translator::op_fcvt_w_d(const Decoded& d) { float_to_int(Opcode::i32_from_f64, d); }
void Translator::op_fcvt_wu_d(const Decoded& d) { float_to_int(Opcode::u32_from_f64, d, true); }
void Translator::op_fcvt_l_d(const Decoded& d) { float_to_int(Opcode::i64_from_f64, d); }
void Translator::op_fcvt_lu_d(const Decoded& d) { float_to_int(Opcode::u64_from_f64, d); }
void Translator::op_fcvt_s_w(const Decoded& d) { int_to_float(Opcode::f32_from_i32, d); }
void Translator::op_fcvt_s_wu(const Decoded& d) { int_to_float(Opcode::f32_from_u32, d); }
void Translator::op_fcvt_s_l(const Decoded& d) { int_to_float(Opcode::f32_from_i64, d); }
void Translator::op_fcvt_s_lu(const Decoded& d) { int_to_float(Opcode::f32_from_u64, d); }
void Translator::op_fcvt_d_w(const Decoded& d) { int_to_float(Opcode::f64_from_i32, d); }
void Translator::op_fcvt_d_wu(const Decoded& d) { int_to_float(Opcode::f64_from_u32, d); }
void Translator::op_fcvt_d_l(const Decoded& d) { int_to_float(Opcode::f64_from_i64, d); }
void Translator::op_fcvt_d_lu(const Decoded& d) { int_to_float(Opcode::f64_from_u64, d); }
void Translator::op_fcvt_s_d(const Decoded& d) { float_unary_rounded(Opcode::f32_from_f64, d); }

void Translator::op_fcvt_d_s(const Decoded& d) {
  unsigned mode;
  if (rounding(d, mode)) out_.r(Opcode::f64_from_f32, fsource(d.rd), fsource(d.rs1));
}

void Translator::op_fmv_x_w(const Decoded& d) {
  if (d.rd != 0) out_.r(Opcode::bits32_from_f, dest(d.rd), fsource(d.rs1));
}
void Translator::op_fmv_x_d(const Decoded& d) {
  if (d.rd != 0) out_.r(Opcode::bits64_from_f, dest(d.rd), fsource(d.rs1));
}
void Translator::op_fmv_w_x(const Decoded& d) { out_.r(Opcode::f_from_bits32, fsource(d.rd), source(d.rs1)); }
void Translator::op_fmv_d_x(const Decoded& d) { out_.r(Opcode::f_from_bits64, fsource(d.rd), source(d.rs1)); }
void Translator::op_fclass_s(const Decoded& d) {
  if (d.rd != 0) out_.r(Opcode::fclass32, dest(d.rd), fsource(d.rs1));
}
void Translator::op_fclass_d(const Decoded& d) {
  if (d.rd != 0) out_.r(Opcode::fclass64, dest(d.rd), fsource(d.rs1));
}

}  // namespace ashlar::riscv
