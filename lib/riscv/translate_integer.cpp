// RV64I: arithmetic, logic, shifts, constants.
#include <cstdint>

#include "riscv/translate.hpp"

namespace ashlar::riscv {
namespace {

constexpr std::uint64_t sign_extend(std::int32_t value) {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(value));
}
constexpr std::uint64_t sign_extend_word(std::uint64_t value) {
  return sign_extend(static_cast<std::int32_t>(value));
}

}  // namespace

void Translator::op_lui(Word d) { set_constant(d.rd(), sign_extend(d.upper_imm())); }
void Translator::op_auipc(Word d) { set_constant(d.rd(), pc_ + sign_extend(d.upper_imm())); }

void Translator::op_addi(Word d) {
  if (is_known(d.rs1())) return set_constant(d.rd(), known(d.rs1()) + sign_extend(d.imm()));
  if (d.imm() == 0) return copy(d.rd(), d.rs1());
  binary_imm(Opcode::add64_i, d);
}

void Translator::op_addiw(Word d) {
  if (is_known(d.rs1())) return set_constant(d.rd(), sign_extend_word(known(d.rs1()) + sign_extend(d.imm())));
  if (d.imm() == 0) return unary(Opcode::sext32, d);
  binary_imm(Opcode::add32s_i, d);
}

void Translator::op_slti(Word d) { set_if(d.rd(), compare_imm(Condition::lts, d.rs1(), d.imm())); }
void Translator::op_sltiu(Word d) { set_if(d.rd(), compare_imm(Condition::ltu, d.rs1(), d.imm())); }

void Translator::op_xori(Word d) {
  if (is_known(d.rs1())) return set_constant(d.rd(), known(d.rs1()) ^ sign_extend(d.imm()));
  binary_imm(Opcode::xor64_i, d);
}

void Translator::op_ori(Word d) {
  if (is_known(d.rs1())) return set_constant(d.rd(), known(d.rs1()) | sign_extend(d.imm()));
  binary_imm(Opcode::or64_i, d);
}

void Translator::op_andi(Word d) {
  if (is_known(d.rs1())) return set_constant(d.rd(), known(d.rs1()) & sign_extend(d.imm()));
  if (d.imm() == 255) return unary(Opcode::zext8, d);
  binary_imm(Opcode::and64_i, d);
}

void Translator::op_slli(Word d) {
  if (is_known(d.rs1())) return set_constant(d.rd(), known(d.rs1()) << d.shift_amount());
  if (d.shift_amount() == 0) return copy(d.rd(), d.rs1());
  if (d.rd() != d.rs1())
    slli_ = {count_, static_cast<std::uint8_t>(d.rd()), static_cast<std::uint8_t>(d.rs1()),
             static_cast<std::uint8_t>(d.shift_amount())};
  shift_imm(Opcode::shl64_i, d);
}

// A right shift. Behind an slli whose source is still there the pair is a bit field of that source, which
// leaves the slli's result to the optimiser as dead if it is overwritten.
void Translator::shift_pair(Opcode shift, Opcode field, Word d) {
  if (d.shift_amount() == 0) return copy(d.rd(), d.rs1());
  if (slli_.at + 1 != count_ || slli_.at == 0 || slli_.rd != d.rs1() || d.rd() != d.rs1())
    return shift_imm(shift, d);
  const Value from = source(slli_.rs1);
  const unsigned left = slli_.amount, right = static_cast<unsigned>(d.shift_amount());
  if (right >= left) {
    const unsigned lowest = right - left, width = 64 - right;
    if (lowest == 0 && width == 32) {
      out_.r(field == Opcode::ubfx64 ? Opcode::zext32 : Opcode::sext32, dest(d.rd()), from);
    } else {
      out_.r(field, dest(d.rd()), from, lowest, width);
    }
  } else if (left == 32 && field == Opcode::ubfx64) {
    out_.r(Opcode::shl_u32, dest(d.rd()), from, left - right);
  } else {
    shift_imm(shift, d);
  }
}

void Translator::op_srli(Word d) {
  if (is_known(d.rs1())) return set_constant(d.rd(), known(d.rs1()) >> d.shift_amount());
  shift_pair(Opcode::shr64_i, Opcode::ubfx64, d);
}

void Translator::op_srai(Word d) {
  if (is_known(d.rs1())) {
    return set_constant(
        d.rd(), static_cast<std::uint64_t>(static_cast<std::int64_t>(known(d.rs1())) >> d.shift_amount()));
  }
  shift_pair(Opcode::sar64_i, Opcode::sbfx64, d);
}

void Translator::op_add(Word d) {
  if (d.rs1() == 0) return copy(d.rd(), d.rs2());
  if (d.rs2() == 0) return copy(d.rd(), d.rs1());
  if (is_known(d.rs1()) && is_known(d.rs2())) return set_constant(d.rd(), known(d.rs1()) + known(d.rs2()));
  binary(Opcode::add64, d);
}

void Translator::op_sub(Word d) {
  if (d.rs2() == 0) return copy(d.rd(), d.rs1());
  binary(Opcode::sub64, d);
}

void Translator::op_slt(Word d) { set_if(d.rd(), compare(Condition::lts, d.rs1(), d.rs2())); }
void Translator::op_sltu(Word d) { set_if(d.rd(), compare(Condition::ltu, d.rs1(), d.rs2())); }

void Translator::op_xor_(Word d) {
  if (d.rs1() == 0) return copy(d.rd(), d.rs2());
  if (d.rs2() == 0) return copy(d.rd(), d.rs1());
  binary(Opcode::xor64, d);
}

void Translator::op_or_(Word d) {
  if (d.rs1() == 0 || d.rs1() == d.rs2()) return copy(d.rd(), d.rs2());
  if (d.rs2() == 0) return copy(d.rd(), d.rs1());
  binary(Opcode::or64, d);
}

void Translator::op_and_(Word d) {
  if (d.rs1() == 0 || d.rs2() == 0) return set_constant(d.rd(), 0);
  if (d.rs1() == d.rs2()) return copy(d.rd(), d.rs1());
  binary(Opcode::and64, d);
}

void Translator::op_sll(Word d) {
  if (d.rs2() == 0) return copy(d.rd(), d.rs1());
  binary(Opcode::shl64, d);
}

void Translator::op_srl(Word d) {
  if (d.rs2() == 0) return copy(d.rd(), d.rs1());
  binary(Opcode::shr64, d);
}

void Translator::op_sra(Word d) {
  if (d.rs2() == 0) return copy(d.rd(), d.rs1());
  binary(Opcode::sar64, d);
}

void Translator::op_slliw(Word d) {
  if (is_known(d.rs1())) return set_constant(d.rd(), sign_extend_word(known(d.rs1()) << d.shift_amount()));
  if (d.shift_amount() == 0) return unary(Opcode::sext32, d);
  shift_imm(Opcode::shl32s_i, d);
}

void Translator::op_srliw(Word d) {
  if (d.shift_amount() == 0) return unary(Opcode::sext32, d);
  shift_imm(Opcode::shr32_i, d);  // bit 31 of the result is 0: sign extension is zero extension
}

void Translator::op_sraiw(Word d) {
  if (d.shift_amount() == 0) return unary(Opcode::sext32, d);
  shift_imm(Opcode::sar32s_i, d);
}

void Translator::op_addw(Word d) {
  if (d.rs2() == 0) return unary(Opcode::sext32, d);
  binary(Opcode::add32s, d);
}

void Translator::op_subw(Word d) {
  if (d.rs2() == 0) return unary(Opcode::sext32, d);
  binary(Opcode::sub32s, d);
}

void Translator::op_sllw(Word d) { binary(Opcode::shl32s, d); }
void Translator::op_srlw(Word d) { binary(Opcode::shr32s, d); }
void Translator::op_sraw(Word d) { binary(Opcode::sar32s, d); }

}  // namespace ashlar::riscv
