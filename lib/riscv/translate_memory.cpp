// Loads and stores, integer and float.
#include "riscv/translate.hpp"

namespace ashlar::riscv {

void Translator::load(Opcode op, const Decoded& d) {
  out_.load(op, dest_or_temp(d.rd), source(d.rs1), d.imm);
}
void Translator::store(Opcode op, const Decoded& d) { out_.store(op, source(d.rs1), d.imm, source(d.rs2)); }

void Translator::op_lb(const Decoded& d) { load(Opcode::ld8s, d); }
void Translator::op_lh(const Decoded& d) { load(Opcode::ld16s, d); }
void Translator::op_lw(const Decoded& d) { load(Opcode::ld32s, d); }
void Translator::op_ld(const Decoded& d) { load(Opcode::ld64, d); }
void Translator::op_lbu(const Decoded& d) { load(Opcode::ld8u, d); }
void Translator::op_lhu(const Decoded& d) { load(Opcode::ld16u, d); }
void Translator::op_lwu(const Decoded& d) { load(Opcode::ld32u, d); }
void Translator::op_sb(const Decoded& d) { store(Opcode::st8, d); }
void Translator::op_sh(const Decoded& d) { store(Opcode::st16, d); }
void Translator::op_sw(const Decoded& d) { store(Opcode::st32, d); }
void Translator::op_sd(const Decoded& d) { store(Opcode::st64, d); }

void Translator::op_flw(const Decoded& d) { out_.load(Opcode::fld32, fsource(d.rd), source(d.rs1), d.imm); }
void Translator::op_fld(const Decoded& d) { out_.load(Opcode::fld64, fsource(d.rd), source(d.rs1), d.imm); }
void Translator::op_fsw(const Decoded& d) { out_.store(Opcode::fst32, source(d.rs1), d.imm, fsource(d.rs2)); }
void Translator::op_fsd(const Decoded& d) { out_.store(Opcode::fst64, source(d.rs1), d.imm, fsource(d.rs2)); }

}  // namespace ashlar::riscv
