// A, and the fences.
#include "riscv/translate.hpp"

namespace ashlar::riscv {

// Decoded::aq_rl is the IR's order.
static_assert(ir::kRelease == 1 && ir::kAcquire == 2);

void Translator::amo(Opcode op, const Decoded& d) {
  // Sources are read before the destination may be marked as unknown; that they are the same register is
  // fine.
  const Value addr = source(d.rs1), operand = source(d.rs2);
  out_.atomic(op, dest_or_temp(d.rd), addr, operand, {}, d.aq_rl);
}

void Translator::op_lr_w(const Decoded& d) {
  out_.atomic(Opcode::lr32, dest_or_temp(d.rd), source(d.rs1), {}, {}, d.aq_rl);
}
void Translator::op_lr_d(const Decoded& d) {
  out_.atomic(Opcode::lr64, dest_or_temp(d.rd), source(d.rs1), {}, {}, d.aq_rl);
}
void Translator::op_sc_w(const Decoded& d) { amo(Opcode::sc32, d); }
void Translator::op_sc_d(const Decoded& d) { amo(Opcode::sc64, d); }

void Translator::op_amoswap_w(const Decoded& d) { amo(Opcode::swap32, d); }
void Translator::op_amoadd_w(const Decoded& d) { amo(Opcode::fetch_add32, d); }
void Translator::op_amoxor_w(const Decoded& d) { amo(Opcode::fetch_xor32, d); }
void Translator::op_amoand_w(const Decoded& d) { amo(Opcode::fetch_and32, d); }
void Translator::op_amoor_w(const Decoded& d) { amo(Opcode::fetch_or32, d); }
void Translator::op_amomin_w(const Decoded& d) { amo(Opcode::fetch_min_s32, d); }
void Translator::op_amomax_w(const Decoded& d) { amo(Opcode::fetch_max_s32, d); }
void Translator::op_amominu_w(const Decoded& d) { amo(Opcode::fetch_min_u32, d); }
void Translator::op_amomaxu_w(const Decoded& d) { amo(Opcode::fetch_max_u32, d); }
void Translator::op_amoswap_d(const Decoded& d) { amo(Opcode::swap64, d); }
void Translator::op_amoadd_d(const Decoded& d) { amo(Opcode::fetch_add64, d); }
void Translator::op_amoxor_d(const Decoded& d) { amo(Opcode::fetch_xor64, d); }
void Translator::op_amoand_d(const Decoded& d) { amo(Opcode::fetch_and64, d); }
void Translator::op_amoor_d(const Decoded& d) { amo(Opcode::fetch_or64, d); }
void Translator::op_amomin_d(const Decoded& d) { amo(Opcode::fetch_min_s64, d); }
void Translator::op_amomax_d(const Decoded& d) { amo(Opcode::fetch_max_s64, d); }
void Translator::op_amominu_d(const Decoded& d) { amo(Opcode::fetch_min_u64, d); }
void Translator::op_amomaxu_d(const Decoded& d) { amo(Opcode::fetch_max_u64, d); }

void Translator::op_fence(const Decoded& d) {
  const unsigned predecessor = static_cast<unsigned>(d.imm) >> 4 & 15,
                 successor = static_cast<unsigned>(d.imm) & 15;
  // An empty set orders nothing: the manual's hints.
  if (predecessor != 0 && successor != 0) out_.fence(predecessor, successor);
}

// Everything but stores before loads.
void Translator::op_fence_tso(const Decoded&) {
  constexpr unsigned read = 2, write = 1;
  out_.fence(read, read | write);
  out_.fence(write, write);
}

void Translator::op_pause(const Decoded&) {}

}  // namespace ashlar::riscv
