// disassemble(): walks the operand letters of the instruction's format (encodings.inc).
#include "riscv/disassemble.hpp"

#include <array>
#include <charconv>
#include <concepts>
#include <string_view>

namespace ashlar::riscv {
namespace {

constexpr std::array<std::string_view, 32> x_names = {
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0",  "a1",  "a2", "a3", "a4", "a5",
    "a6",   "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6"};
constexpr std::array<std::string_view, 32> f_names = {
    "ft0", "ft1", "ft2", "ft3", "ft4",  "ft5",  "ft6", "ft7", "fs0",  "fs1", "fa0",
    "fa1", "fa2", "fa3", "fa4", "fa5",  "fa6",  "fa7", "fs2", "fs3",  "fs4", "fs5",
    "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11"};
constexpr std::array<std::string_view, 8> rounding_names = {"rne", "rtz", "rdn", "rup", "rmm", "", "", "dyn"};
constexpr std::array<std::string_view, 4> aq_rl_suffixes = {"", ".rl", ".aq", ".aqrl"};

template <std::integral T>
void append_number(std::string& text, T value, int base) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, base);
  text.append(digits.data(), end.ptr);
}

void append_hex(std::string& text, uint64_t value) {
  text += "0x";
  append_number(text, value, 16);
}

// The names of the CSRs that an unprivileged program can reach; any other one is printed as a number.
void append_csr(std::string& text, uint32_t csr) {
  switch (csr) {
    case 0x001:
      text += "fflags";
      return;
    case 0x002:
      text += "frm";
      return;
    case 0x003:
      text += "fcsr";
      return;
    case 0xc00:
      text += "cycle";
      return;
    case 0xc01:
      text += "time";
      return;
    case 0xc02:
      text += "instret";
      return;
    default:
      break;
  }
  if (csr > 0xc02 && csr <= 0xc1f) {
    text += "hpmcounter";
    append_number(text, csr - 0xc00, 10);
  } else {
    append_hex(text, csr);
  }
}

void append_fence_set(std::string& text, uint32_t set) {
  if (set == 0) text += "unknown";  // what objdump says; such a fence orders nothing
  for (unsigned bit = 0; bit < 4; ++bit) {
    if ((set & (8u >> bit)) != 0) text += "iorw"[bit];
  }
}

void append_operand(std::string& text, char letter, const Decoded& instruction, uint64_t pc) {
  const auto unsigned_imm = static_cast<uint32_t>(instruction.imm);
  switch (letter) {
    case 'd':
      text += x_names[instruction.rd];
      break;
    case 's':
      text += x_names[instruction.rs1];
      break;
    case 't':
      text += x_names[instruction.rs2];
      break;
    case 'D':
      text += f_names[instruction.rd];
      break;
    case 'S':
      text += f_names[instruction.rs1];
      break;
    case 'T':
      text += f_names[instruction.rs2];
      break;
    case 'R':
      text += f_names[instruction.rs3];
      break;
    case 'i':
    case 'q':
      append_number(text, instruction.imm, 10);
      break;
    case 'u':
      append_hex(text, unsigned_imm >> 12);
      break;
    case 'a':
    case 'p':
      append_hex(text, pc + static_cast<uint64_t>(int64_t{instruction.imm}));
      break;
    case '>':
      append_hex(text, unsigned_imm);
      break;
    case 'c':
      append_csr(text, unsigned_imm);
      break;
    case 'z':
      append_number(text, unsigned{instruction.rs1}, 10);
      break;
    case 'P':
      append_fence_set(text, unsigned_imm >> 4 & 15);
      break;
    case 'Q':
      append_fence_set(text, unsigned_imm & 15);
      break;
    default:
      text += letter;
      break;  // punctuation
  }
}

}  // namespace

std::string disassemble(const Decoded& instruction, uint64_t pc) {
  std::string text;
  if (instruction.op == Op::illegal) {
    text = instruction.compressed() ? ".2byte\t" : ".4byte\t";
    append_hex(text, instruction.word);
    return text;
  }
  const OpInfo& info = op_info(instruction.op);
  std::string_view operands = format_operands(info.format);
  text = info.mnemonic;
  if (operands.starts_with('.')) {
    text += aq_rl_suffixes[instruction.aq_rl & 3];
    operands.remove_prefix(1);
  }
  // A rounding mode is the last operand, and left out, with its comma, when it says nothing.
  bool prints_rm = false;
  if (operands.ends_with('m') || operands.ends_with('e')) {
    constexpr uint8_t nearest = 0, dynamic = 7;
    prints_rm = instruction.rm != (operands.ends_with('m') ? dynamic : nearest);
    operands.remove_suffix(2);
  }
  if (!operands.empty()) text += '\t';
  for (const char letter : operands) append_operand(text, letter, instruction, pc);
  if (prints_rm) {
    text += ',';
    text += rounding_names[instruction.rm & 7];
  }
  return text;
}

}  // namespace ashlar::riscv
