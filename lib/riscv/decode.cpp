// decode(): identify(), and then field by field by the letters of the operation's format.
#include "riscv/decode.hpp"

#include "riscv/identify.hpp"

namespace ashlar::riscv {

Decoded decode(uint32_t guest_code) noexcept {
  const Identified identified = identify(guest_code);
  const Word word = identified.word;
  const Op op = identified.op();
  Decoded d = {.op = op,
               .length = static_cast<uint8_t>(instruction_length(static_cast<uint16_t>(guest_code))),
               .word = word.bits};
  if (op == Op::illegal) return d;
  for (const char letter : format_operands(op_info(op).format)) {
    switch (letter) {
      case 'd':
      case 'D':
        d.rd = static_cast<uint8_t>(word.rd());
        break;
      case 's':
      case 'S':
      case 'z':
        d.rs1 = static_cast<uint8_t>(word.rs1());
        break;
      case 't':
      case 'T':
        d.rs2 = static_cast<uint8_t>(word.rs2());
        break;
      case 'R':
        d.rs3 = static_cast<uint8_t>(word.rs3());
        break;
      case '.':
        d.aq_rl = static_cast<uint8_t>(word.aq_rl());
        break;
      case 'm':
      case 'e':
        d.rm = static_cast<uint8_t>(word.rm());
        break;
      case 'i':
        d.imm = word.imm();
        break;
      case 'q':
        d.imm = word.store_imm();
        break;
      case 'p':
        d.imm = word.branch_offset();
        break;
      case 'u':
        d.imm = word.upper_imm();
        break;
      case 'a':
        d.imm = word.jump_offset();
        break;
      case '>':
        d.imm = word.shift_amount();
        break;
      case 'c':
      case 'P':
        d.imm = static_cast<int32_t>(word.csr());
        break;
      default:
        break;
    }
  }
  return d;
}

}  // namespace ashlar::riscv
