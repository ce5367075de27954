// F and D. Results in integer registers go to a temporary if the register is x0 and the operation accumulates
// flags.
#include "riscv/translate.hpp"

namespace ashlar::riscv {

// False, with the block ended as illegal, if the instruction takes its mode from an frm that holds none. That
// holds for conversions that are exact whatever the mode, too.
bool Translator::rounding(Word d, unsigned& mode) {
  constexpr unsigned dynamic = 7, highest = 4;
  mode = d.rm() == dynamic ? mode_ : d.rm();
  if (mode <= highest) return true;
  illegal();
  return false;
}

void Translator::float_binary(Opcode op, Word d) {
  out_.rr(op, fsource(d.rd()), fsource(d.rs1()), fsource(d.rs2()));
}

void Translator::float_binary_rounded(Opcode op, Word d) {
  unsigned mode;
  if (rounding(d, mode)) out_.rr(op, fsource(d.rd()), fsource(d.rs1()), fsource(d.rs2()), mode);
}

void Translator::float_unary_rounded(Opcode op, Word d) {
  unsigned mode;
  if (rounding(d, mode)) out_.r(op, fsource(d.rd()), fsource(d.rs1()), mode);
}

void Translator::float_fused(Opcode op, Word d) {
  unsigned mode;
  if (rounding(d, mode))
    out_.rrr(op, fsource(d.rd()), fsource(d.rs1()), fsource(d.rs2()), fsource(d.rs3()), mode);
}

void Translator::float_compare(Opcode op, Word d) {
  out_.rr(op, dest_or_temp(d.rd()), fsource(d.rs1()), fsource(d.rs2()));
}

void Translator::float_to_int(Opcode op, Word d, bool sign_extend) {
  unsigned mode;
  if (!rounding(d, mode)) return;
  const Value to = dest_or_temp(d.rd());
  out_.r(op, to, fsource(d.rs1()), mode);
  if (sign_extend && d.rd() != 0) out_.r(Opcode::sext32, to, to);
}

void Translator::int_to_float(Opcode op, Word d) {
  unsigned mode;
  if (rounding(d, mode)) out_.r(op, fsource(d.rd()), source(d.rs1()), mode);
}

void Translator::op_fadd_s(Word d) { float_binary_rounded(Opcode::fadd32, d); }
void Translator::op_fsub_s(Word d) { float_binary_rounded(Opcode::fsub32, d); }
void Translator::op_fmul_s(Word d) { float_binary_rounded(Opcode::fmul32, d); }
void Translator::op_fdiv_s(Word d) { float_binary_rounded(Opcode::fdiv32, d); }
void Translator::op_fsqrt_s(Word d) { float_unary_rounded(Opcode::fsqrt32, d); }
void Translator::op_fmadd_s(Word d) { float_fused(Opcode::fmadd32, d); }
void Translator::op_fmsub_s(Word d) { float_fused(Opcode::fmsub32, d); }
void Translator::op_fnmsub_s(Word d) { float_fused(Opcode::fnmsub32, d); }
void Translator::op_fnmadd_s(Word d) { float_fused(Opcode::fnmadd32, d); }
void Translator::op_fsgnj_s(Word d) { float_binary(Opcode::fsgnj32, d); }
void Translator::op_fsgnjn_s(Word d) { float_binary(Opcode::fsgnjn32, d); }
void Translator::op_fsgnjx_s(Word d) { float_binary(Opcode::fsgnjx32, d); }
void Translator::op_fmin_s(Word d) { float_binary(Opcode::fmin32, d); }
void Translator::op_fmax_s(Word d) { float_binary(Opcode::fmax32, d); }
void Translator::op_feq_s(Word d) { float_compare(Opcode::feq32, d); }
void Translator::op_flt_s(Word d) { float_compare(Opcode::flt32, d); }
void Translator::op_fle_s(Word d) { float_compare(Opcode::fle32, d); }

void Translator::op_fadd_d(Word d) { float_binary_rounded(Opcode::fadd64, d); }
void Translator::op_fsub_d(Word d) { float_binary_rounded(Opcode::fsub64, d); }
void Translator::op_fmul_d(Word d) { float_binary_rounded(Opcode::fmul64, d); }
void Translator::op_fdiv_d(Word d) { float_binary_rounded(Opcode::fdiv64, d); }
void Translator::op_fsqrt_d(Word d) { float_unary_rounded(Opcode::fsqrt64, d); }
void Translator::op_fmadd_d(Word d) { float_fused(Opcode::fmadd64, d); }
void Translator::op_fmsub_d(Word d) { float_fused(Opcode::fmsub64, d); }
void Translator::op_fnmsub_d(Word d) { float_fused(Opcode::fnmsub64, d); }
void Translator::op_fnmadd_d(Word d) { float_fused(Opcode::fnmadd64, d); }
void Translator::op_fsgnjn_d(Word d) { float_binary(Opcode::fsgnjn64, d); }
void Translator::op_fsgnjx_d(Word d) { float_binary(Opcode::fsgnjx64, d); }
void Translator::op_fmin_d(Word d) { float_binary(Opcode::fmin64, d); }
void Translator::op_fmax_d(Word d) { float_binary(Opcode::fmax64, d); }
void Translator::op_feq_d(Word d) { float_compare(Opcode::feq64, d); }
void Translator::op_flt_d(Word d) { float_compare(Opcode::flt64, d); }
void Translator::op_fle_d(Word d) { float_compare(Opcode::fle64, d); }

// fmv.d. The binary32 form is no plain move: it makes a canonical NaN of what is not boxed.
void Translator::op_fsgnj_d(Word d) {
  if (d.rs1() != d.rs2()) return float_binary(Opcode::fsgnj64, d);
  if (d.rd() != d.rs1()) out_.r(Opcode::fmov, fsource(d.rd()), fsource(d.rs1()));
}

void Translator::op_fcvt_w_s(Word d) { float_to_int(Opcode::i32_from_f32, d); }
void Translator::op_fcvt_wu_s(Word d) { float_to_int(Opcode::u32_from_f32, d, true); }
void Translator::op_fcvt_l_s(Word d) { float_to_int(Opcode::i64_from_f32, d); }
void Translator::op_fcvt_lu_s(Word d) { float_to_int(Opcode::u64_from_f32, d); }
void Translator::op_fcvt_w_d(Word d) { float_to_int(Opcode::i32_from_f64, d); }
void Translator::op_fcvt_wu_d(Word d) { float_to_int(Opcode::u32_from_f64, d, true); }
void Translator::op_fcvt_l_d(Word d) { float_to_int(Opcode::i64_from_f64, d); }
void Translator::op_fcvt_lu_d(Word d) { float_to_int(Opcode::u64_from_f64, d); }
void Translator::op_fcvt_s_w(Word d) { int_to_float(Opcode::f32_from_i32, d); }
void Translator::op_fcvt_s_wu(Word d) { int_to_float(Opcode::f32_from_u32, d); }
void Translator::op_fcvt_s_l(Word d) { int_to_float(Opcode::f32_from_i64, d); }
void Translator::op_fcvt_s_lu(Word d) { int_to_float(Opcode::f32_from_u64, d); }
void Translator::op_fcvt_d_w(Word d) { int_to_float(Opcode::f64_from_i32, d); }
void Translator::op_fcvt_d_wu(Word d) { int_to_float(Opcode::f64_from_u32, d); }
void Translator::op_fcvt_d_l(Word d) { int_to_float(Opcode::f64_from_i64, d); }
void Translator::op_fcvt_d_lu(Word d) { int_to_float(Opcode::f64_from_u64, d); }
void Translator::op_fcvt_s_d(Word d) { float_unary_rounded(Opcode::f32_from_f64, d); }

void Translator::op_fcvt_d_s(Word d) {
  unsigned mode;
  if (rounding(d, mode)) out_.r(Opcode::f64_from_f32, fsource(d.rd()), fsource(d.rs1()));
}

void Translator::op_fmv_x_w(Word d) {
  if (d.rd() != 0) out_.r(Opcode::bits32_from_f, dest(d.rd()), fsource(d.rs1()));
}
void Translator::op_fmv_x_d(Word d) {
  if (d.rd() != 0) out_.r(Opcode::bits64_from_f, dest(d.rd()), fsource(d.rs1()));
}
void Translator::op_fmv_w_x(Word d) { out_.r(Opcode::f_from_bits32, fsource(d.rd()), source(d.rs1())); }
void Translator::op_fmv_d_x(Word d) { out_.r(Opcode::f_from_bits64, fsource(d.rd()), source(d.rs1())); }
void Translator::op_fclass_s(Word d) {
  if (d.rd() != 0) out_.r(Opcode::fclass32, dest(d.rd()), fsource(d.rs1()));
}
void Translator::op_fclass_d(Word d) {
  if (d.rd() != 0) out_.r(Opcode::fclass64, dest(d.rd()), fsource(d.rs1()));
}

}  // namespace ashlar::riscv
