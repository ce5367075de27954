// M: multiplication and division.
#include "riscv/translate.hpp"

namespace ashlar::riscv {

// The divisions' aux stays 0.
static_assert(static_cast<unsigned>(ir::DivisionRule::all_ones) == 0);

void Translator::op_mul(const Decoded& d) { binary(Opcode::mul64, d); }
void Translator::op_mulh(const Decoded& d) { binary(Opcode::mulh_s64, d); }
void Translator::op_mulhsu(const Decoded& d) { binary(Opcode::mulh_su64, d); }
void Translator::op_mulhu(const Decoded& d) { binary(Opcode::mulh_u64, d); }
void Translator::op_div(const Decoded& d) { binary(Opcode::div_s64, d); }
void Translator::op_divu(const Decoded& d) { binary(Opcode::div_u64, d); }
void Translator::op_rem(const Decoded& d) { binary(Opcode::rem_s64, d); }
void Translator::op_remu(const Decoded& d) { binary(Opcode::rem_u64, d); }
void Translator::op_mulw(const Decoded& d) { binary(Opcode::mul32s, d); }
void Translator::op_divw(const Decoded& d) { binary(Opcode::div_s32s, d); }
void Translator::op_divuw(const Decoded& d) { binary(Opcode::div_u32s, d); }
void Translator::op_remw(const Decoded& d) { binary(Opcode::rem_s32s, d); }
void Translator::op_remuw(const Decoded& d) { binary(Opcode::rem_u32s, d); }

}  // namespace ashlar::riscv
