// Zba, Zbb, Zbs, Zicond.
#include "riscv/translate.hpp"

namespace ashlar::riscv {

void Translator::shift_add(Word d, unsigned count) {
  if (d.rd() == 0) return;
  if (d.rs1() == 0) return copy(d.rd(), d.rs2());
  const Value a = source(d.rs1()), b = source(d.rs2());
  if (d.rs2() == 0) return out_.ri(Opcode::shl64_i, dest(d.rd()), a, static_cast<std::int32_t>(count));
  out_.rr(Opcode::addshl64, dest(d.rd()), a, b, count);
}

void Translator::shift_add_word(Word d, unsigned count) {
  if (d.rd() == 0) return;
  if (d.rs1() == 0) return copy(d.rd(), d.rs2());
  const Value a = source(d.rs1()), b = source(d.rs2());
  if (d.rs2() != 0) return out_.rr(Opcode::addshl_u32, dest(d.rd()), a, b, count);
  if (count == 0) return out_.r(Opcode::zext32, dest(d.rd()), a);
  out_.r(Opcode::shl_u32, dest(d.rd()), a, count);
}

void Translator::op_sh1add(Word d) { shift_add(d, 1); }
void Translator::op_sh2add(Word d) { shift_add(d, 2); }
void Translator::op_sh3add(Word d) { shift_add(d, 3); }
void Translator::op_add_uw(Word d) { shift_add_word(d, 0); }
void Translator::op_sh1add_uw(Word d) { shift_add_word(d, 1); }
void Translator::op_sh2add_uw(Word d) { shift_add_word(d, 2); }
void Translator::op_sh3add_uw(Word d) { shift_add_word(d, 3); }

void Translator::op_slli_uw(Word d) {
  if (d.shift_amount() == 0) return unary(Opcode::zext32, d);
  if (d.rd() != 0)
    out_.r(Opcode::shl_u32, dest(d.rd()), source(d.rs1()), static_cast<unsigned>(d.shift_amount()));
}

void Translator::op_andn(Word d) { binary(Opcode::andn64, d); }
void Translator::op_orn(Word d) { binary(Opcode::orn64, d); }
void Translator::op_xnor(Word d) { binary(Opcode::xnor64, d); }
void Translator::op_clz(Word d) { unary(Opcode::clz64, d); }
void Translator::op_ctz(Word d) { unary(Opcode::ctz64, d); }
void Translator::op_cpop(Word d) { unary(Opcode::popcnt64, d); }
void Translator::op_clzw(Word d) { unary(Opcode::clz32, d); }
void Translator::op_ctzw(Word d) { unary(Opcode::ctz32, d); }
void Translator::op_cpopw(Word d) { unary(Opcode::popcnt32, d); }
void Translator::op_sext_b(Word d) { unary(Opcode::sext8, d); }
void Translator::op_sext_h(Word d) { unary(Opcode::sext16, d); }
void Translator::op_zext_h(Word d) { unary(Opcode::zext16, d); }
void Translator::op_min(Word d) { binary(Opcode::min_s64, d); }
void Translator::op_minu(Word d) { binary(Opcode::min_u64, d); }
void Translator::op_max(Word d) { binary(Opcode::max_s64, d); }
void Translator::op_maxu(Word d) { binary(Opcode::max_u64, d); }
void Translator::op_rol(Word d) { binary(Opcode::rotl64, d); }
void Translator::op_ror(Word d) { binary(Opcode::rotr64, d); }
void Translator::op_rolw(Word d) { binary(Opcode::rotl32s, d); }
void Translator::op_rorw(Word d) { binary(Opcode::rotr32s, d); }
void Translator::op_orc_b(Word d) { unary(Opcode::orcb64, d); }
void Translator::op_rev8(Word d) { unary(Opcode::bswap64, d); }

void Translator::op_rori(Word d) {
  if (d.shift_amount() == 0) return copy(d.rd(), d.rs1());
  shift_imm(Opcode::rotr64_i, d);
}

void Translator::op_roriw(Word d) {
  if (d.shift_amount() == 0) return unary(Opcode::sext32, d);
  shift_imm(Opcode::rotr32s_i, d);
}

void Translator::op_bclr(Word d) { binary(Opcode::bclr64, d); }
void Translator::op_bext(Word d) { binary(Opcode::bext64, d); }
void Translator::op_binv(Word d) { binary(Opcode::binv64, d); }
void Translator::op_bset(Word d) { binary(Opcode::bset64, d); }
void Translator::op_bclri(Word d) { shift_imm(Opcode::bclr64_i, d); }
void Translator::op_bexti(Word d) { shift_imm(Opcode::bext64_i, d); }
void Translator::op_binvi(Word d) { shift_imm(Opcode::binv64_i, d); }
void Translator::op_bseti(Word d) { shift_imm(Opcode::bset64_i, d); }

void Translator::op_czero_eqz(Word d) {
  if (d.rd() != 0) out_.rrr(Opcode::select, dest(d.rd()), source(d.rs1()), Value::zero(), source(d.rs2()));
}
void Translator::op_czero_nez(Word d) {
  if (d.rd() != 0) out_.rrr(Opcode::select, dest(d.rd()), Value::zero(), source(d.rs1()), source(d.rs2()));
}

}  // namespace ashlar::riscv
