// A, and the fences.
#include "riscv/translate.hpp"

namespace ashlar::riscv {

// Word::aq_rl() is the IR's order.
static_assert(ir::kRelease == 1 && ir::kAcquire == 2);

void Translator::amo(Opcode op, Word d) {
  // Sources are read before the destination may be marked as unknown; that they are the same register is
  // fine.
  const Value addr = source(d.rs1()), operand = source(d.rs2());
  out_.atomic(op, dest_or_temp(d.rd()), addr, operand, {}, d.aq_rl());
}

void Translator::op_lr_w(Word d) {
  out_.atomic(Opcode::lr32, dest_or_temp(d.rd()), source(d.rs1()), {}, {}, d.aq_rl());
}
void Translator::op_lr_d(Word d) {
  out_.atomic(Opcode::lr64, dest_or_temp(d.rd()), source(d.rs1()), {}, {}, d.aq_rl());
}
void Translator::op_sc_w(Word d) { amo(Opcode::sc32, d); }
void Translator::op_sc_d(Word d) { amo(Opcode::sc64, d); }

void Translator::op_amoswap_w(Word d) { amo(Opcode::swap32, d); }
void Translator::op_amoadd_w(Word d) { amo(Opcode::fetch_add32, d); }
void Translator::op_amoxor_w(Word d) { amo(Opcode::fetch_xor32, d); }
void Translator::op_amoand_w(Word d) { amo(Opcode::fetch_and32, d); }
void Translator::op_amoor_w(Word d) { amo(Opcode::fetch_or32, d); }
void Translator::op_amomin_w(Word d) { amo(Opcode::fetch_min_s32, d); }
void Translator::op_amomax_w(Word d) { amo(Opcode::fetch_max_s32, d); }
void Translator::op_amominu_w(Word d) { amo(Opcode::fetch_min_u32, d); }
void Translator::op_amomaxu_w(Word d) { amo(Opcode::fetch_max_u32, d); }
void Translator::op_amoswap_d(Word d) { amo(Opcode::swap64, d); }
void Translator::op_amoadd_d(Word d) { amo(Opcode::fetch_add64, d); }
void Translator::op_amoxor_d(Word d) { amo(Opcode::fetch_xor64, d); }
void Translator::op_amoand_d(Word d) { amo(Opcode::fetch_and64, d); }
void Translator::op_amoor_d(Word d) { amo(Opcode::fetch_or64, d); }
void Translator::op_amomin_d(Word d) { amo(Opcode::fetch_min_s64, d); }
void Translator::op_amomax_d(Word d) { amo(Opcode::fetch_max_s64, d); }
void Translator::op_amominu_d(Word d) { amo(Opcode::fetch_min_u64, d); }
void Translator::op_amomaxu_d(Word d) { amo(Opcode::fetch_max_u64, d); }

void Translator::op_fence(Word d) {
  const unsigned predecessor = d.csr() >> 4 & 15, successor = d.csr() & 15;
  // An empty set orders nothing: the manual's hints.
  if (predecessor != 0 && successor != 0) out_.fence(predecessor, successor);
}

// Everything but stores before loads.
void Translator::op_fence_tso(Word) {
  constexpr unsigned read = 2, write = 1;
  out_.fence(read, read | write);
  out_.fence(write, write);
}

void Translator::op_pause(Word) {}

}  // namespace ashlar::riscv
