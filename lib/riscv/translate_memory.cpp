// Loads and stores, integer and float.
#include "riscv/translate.hpp"

namespace ashlar::riscv {

void Translator::load(Opcode op, Word d) { out_.load(op, dest_or_temp(d.rd()), source(d.rs1()), d.imm()); }
void Translator::store(Opcode op, Word d) { out_.store(op, source(d.rs1()), d.store_imm(), source(d.rs2())); }

void Translator::op_lb(Word d) { load(Opcode::ld8s, d); }
void Translator::op_lh(Word d) { load(Opcode::ld16s, d); }
void Translator::op_lw(Word d) { load(Opcode::ld32s, d); }
void Translator::op_ld(Word d) { load(Opcode::ld64, d); }
void Translator::op_lbu(Word d) { load(Opcode::ld8u, d); }
void Translator::op_lhu(Word d) { load(Opcode::ld16u, d); }
void Translator::op_lwu(Word d) { load(Opcode::ld32u, d); }
void Translator::op_sb(Word d) { store(Opcode::st8, d); }
void Translator::op_sh(Word d) { store(Opcode::st16, d); }
void Translator::op_sw(Word d) { store(Opcode::st32, d); }
void Translator::op_sd(Word d) { store(Opcode::st64, d); }

void Translator::op_flw(Word d) { out_.load(Opcode::fld32, fsource(d.rd()), source(d.rs1()), d.imm()); }
void Translator::op_fld(Word d) { out_.load(Opcode::fld64, fsource(d.rd()), source(d.rs1()), d.imm()); }
void Translator::op_fsw(Word d) {
  out_.store(Opcode::fst32, source(d.rs1()), d.store_imm(), fsource(d.rs2()));
}
void Translator::op_fsd(Word d) {
  out_.store(Opcode::fst64, source(d.rs1()), d.store_imm(), fsource(d.rs2()));
}

}  // namespace ashlar::riscv
