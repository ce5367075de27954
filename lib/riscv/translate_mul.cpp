// M: multiplication and division.
#include "riscv/translate.hpp"

namespace ashlar::riscv {

// The divisions' aux stays 0.
static_assert(static_cast<unsigned>(ir::DivisionRule::all_ones) == 0);

void Translator::op_mul(Word d) { binary(Opcode::mul64, d); }
void Translator::op_mulh(Word d) { binary(Opcode::mulh_s64, d); }
void Translator::op_mulhsu(Word d) { binary(Opcode::mulh_su64, d); }
void Translator::op_mulhu(Word d) { binary(Opcode::mulh_u64, d); }
void Translator::op_div(Word d) { binary(Opcode::div_s64, d); }
void Translator::op_divu(Word d) { binary(Opcode::div_u64, d); }
void Translator::op_rem(Word d) { binary(Opcode::rem_s64, d); }
void Translator::op_remu(Word d) { binary(Opcode::rem_u64, d); }
void Translator::op_mulw(Word d) { binary(Opcode::mul32s, d); }
void Translator::op_divw(Word d) { binary(Opcode::div_s32s, d); }
void Translator::op_divuw(Word d) { binary(Opcode::div_u32s, d); }
void Translator::op_remw(Word d) { binary(Opcode::rem_s32s, d); }
void Translator::op_remuw(Word d) { binary(Opcode::rem_u32s, d); }

}  // namespace ashlar::riscv
