// Zba, Zbb, Zbs, Zicond.
#include "riscv/translate.hpp"

namespace ashlar::riscv {

void Translator::shift_add(const Decoded& d, unsigned count) {
  if (d.rd == 0) return;
  if (d.rs1 == 0) return copy(d.rd, d.rs2);
  const Value a = source(d.rs1), b = source(d.rs2);
  if (d.rs2 == 0) return out_.ri(Opcode::shl64_i, dest(d.rd), a, static_cast<std::int32_t>(count));
  out_.rr(Opcode::addshl64, dest(d.rd), a, b, count);
}

void Translator::shift_add_word(const Decoded& d, unsigned count) {
  if (d.rd == 0) return;
  if (d.rs1 == 0) return copy(d.rd, d.rs2);
  const Value a = source(d.rs1), b = source(d.rs2);
  if (d.rs2 != 0) return out_.rr(Opcode::addshl_u32, dest(d.rd), a, b, count);
  if (count == 0) return out_.r(Opcode::zext32, dest(d.rd), a);
  out_.r(Opcode::shl_u32, dest(d.rd), a, count);
}

void Translator::op_sh1add(const Decoded& d) { shift_add(d, 1); }
void Translator::op_sh2add(const Decoded& d) { shift_add(d, 2); }
void Translator::op_sh3add(const Decoded& d) { shift_add(d, 3); }
void Translator::op_add_uw(const Decoded& d) { shift_add_word(d, 0); }
void Translator::op_sh1add_uw(const Decoded& d) { shift_add_word(d, 1); }
void Translator::op_sh2add_uw(const Decoded& d) { shift_add_word(d, 2); }
void Translator::op_sh3add_uw(const Decoded& d) { shift_add_word(d, 3); }

void Translator::op_slli_uw(const Decoded& d) {
  if (d.imm == 0) return unary(Opcode::zext32, d);
  if (d.rd != 0) out_.r(Opcode::shl_u32, dest(d.rd), source(d.rs1), static_cast<unsigned>(d.imm));
}

void Translator::op_andn(const Decoded& d) { binary(Opcode::andn64, d); }
void Translator::op_orn(const Decoded& d) { binary(Opcode::orn64, d); }
void Translator::op_xnor(const Decoded& d) { binary(Opcode::xnor64, d); }
void Translator::op_clz(const Decoded& d) { unary(Opcode::clz64, d); }
void Translator::op_ctz(const Decoded& d) { unary(Opcode::ctz64, d); }
void Translator::op_cpop(const Decoded& d) { unary(Opcode::popcnt64, d); }
void Translator::op_clzw(const Decoded& d) { unary(Opcode::clz32, d); }
void Translator::op_ctzw(const Decoded& d) { unary(Opcode::ctz32, d); }
void Translator::op_cpopw(const Decoded& d) { unary(Opcode::popcnt32, d); }
void Translator::op_sext_b(const Decoded& d) { unary(Opcode::sext8, d); }
void Translator::op_sext_h(const Decoded& d) { unary(Opcode::sext16, d); }
void Translator::op_zext_h(const Decoded& d) { unary(Opcode::zext16, d); }
void Translator::op_min(const Decoded& d) { binary(Opcode::min_s64, d); }
void Translator::op_minu(const Decoded& d) { binary(Opcode::min_u64, d); }
void Translator::op_max(const Decoded& d) { binary(Opcode::max_s64, d); }
void Translator::op_maxu(const Decoded& d) { binary(Opcode::max_u64, d); }
void Translator::op_rol(const Decoded& d) { binary(Opcode::rotl64, d); }
void Translator::op_ror(const Decoded& d) { binary(Opcode::rotr64, d); }
void Translator::op_rolw(const Decoded& d) { binary(Opcode::rotl32s, d); }
void Translator::op_rorw(const Decoded& d) { binary(Opcode::rotr32s, d); }
void Translator::op_orc_b(const Decoded& d) { unary(Opcode::orcb64, d); }
void Translator::op_rev8(const Decoded& d) { unary(Opcode::bswap64, d); }

void Translator::op_rori(const Decoded& d) {
  if (d.imm == 0) return copy(d.rd, d.rs1);
  binary_imm(Opcode::rotr64_i, d);
}

void Translator::op_roriw(const Decoded& d) {
  if (d.imm == 0) return unary(Opcode::sext32, d);
  binary_imm(Opcode::rotr32s_i, d);
}

void Translator::op_bclr(const Decoded& d) { binary(Opcode::bclr64, d); }
void Translator::op_bext(const Decoded& d) { binary(Opcode::bext64, d); }
void Translator::op_binv(const Decoded& d) { binary(Opcode::binv64, d); }
void Translator::op_bset(const Decoded& d) { binary(Opcode::bset64, d); }
void Translator::op_bclri(const Decoded& d) { binary_imm(Opcode::bclr64_i, d); }
void Translator::op_bexti(const Decoded& d) { binary_imm(Opcode::bext64_i, d); }
void Translator::op_binvi(const Decoded& d) { binary_imm(Opcode::binv64_i, d); }
void Translator::op_bseti(const Decoded& d) { binary_imm(Opcode::bset64_i, d); }

void Translator::op_czero_eqz(const Decoded& d) {
  if (d.rd != 0) out_.rrr(Opcode::select, dest(d.rd), source(d.rs1), Value::zero(), source(d.rs2));
}
void Translator::op_czero_nez(const Decoded& d) {
  if (d.rd != 0) out_.rrr(Opcode::select, dest(d.rd), Value::zero(), source(d.rs1), source(d.rs2));
}

}  // namespace ashlar::riscv
