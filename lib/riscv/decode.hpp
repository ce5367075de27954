// Decodes one RV64GC instruction (with Zba, Zbb, Zbs, Zicond) into its operation and operand fields. For the
// RISC-V front end, its disassembler and tests; pure functions over constant tables, callable from any
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ashlar::riscv {

// `illegal` is everything that is reserved, belongs to an extension that is not implemented, or is
// privileged.
enum class Op : uint8_t {
  illegal,
#define ASHLAR_RISCV_OP(op, mnemonic, mask, match, format, extension) op,
#include "riscv/encodings.inc"
};

enum class Extension : uint8_t {
#define ASHLAR_RISCV_EXTENSION(name) name,
#include "riscv/encodings.inc"
};

// Operand layouts; encodings.inc says what each means.
enum class Format : uint8_t {
#define ASHLAR_RISCV_FORMAT(name, operands) name,
#include "riscv/encodings.inc"
};

// A decoded instruction. Fields that the operation does not have are zero; of an illegal one only `length`
// and `word` are set.
struct Decoded {
  Op op = Op::illegal;
  uint8_t rd = 0;   // x or f register number, 0 to 31, as are rs1 to rs3
  uint8_t rs1 = 0;  // csrr?i: the 5-bit zero-extended immediate
  uint8_t rs2 = 0;
  uint8_t rs3 = 0;
  uint8_t rm = 0;      // rounding mode: 0 rne, 1 rtz, 2 rdn, 3 rup, 4 rmm, 7 dynamic (fcsr); never 5 or 6
  uint8_t aq_rl = 0;   // bit 0: release, bit 1: acquire
  uint8_t length = 4;  // bytes of guest code: 2 for a compressed instruction, otherwise 4
  // Loads, stores, jalr, arithmetic: the sign-extended operand. Branches, jal: signed byte offset from this
  // instruction. lui, auipc: already shifted left by 12 and sign-extended. Shifts: the amount, 0 to 63.
  // csrr*: the CSR number, 0 to 4095. fence: bits 31:20 of the word (fm, predecessor and successor sets, four
  // bits each; a set is I, O, R, W from bit 3 down).
  int32_t imm = 0;
  uint32_t word =
      0;  // the 32-bit encoding; of a compressed instruction its expansion, or the parcel if that is illegal

  bool acquire() const noexcept { return (aq_rl & 2) != 0; }
  bool release() const noexcept { return (aq_rl & 1) != 0; }
  bool compressed() const noexcept { return length == 2; }
  friend bool operator==(const Decoded&, const Decoded&) = default;
};
static_assert(sizeof(Decoded) == 16);

// Bytes of the instruction whose first 16-bit parcel is `parcel`: 2 or 4. Encodings longer than 32 bits,
// which are all illegal here, count as 4.
constexpr unsigned instruction_length(uint16_t parcel) noexcept { return (parcel & 3) == 3 ? 4 : 2; }

// Decodes the instruction that starts in the low bits of `word` (little-endian guest code). If the low 16
// bits are a compressed instruction the upper 16 are ignored, so the last parcel of a page may be passed on
// its own. Compressed instructions come back as what they expand to, with length 2.
// identify() of identify.hpp is the fast part of it, for who knows what fields an operation has.
Decoded decode(uint32_t word) noexcept;

// One row of encodings.inc.
struct OpInfo {
  std::string_view mnemonic;
  uint32_t mask;
  uint32_t match;
  Format format;
  Extension extension;
};

// Rows in table order: every Op but `illegal`, Op n being row n - 1.
inline constexpr OpInfo op_table[] = {
#define ASHLAR_RISCV_OP(op, mnemonic, mask, match, format, extension) \
  {mnemonic, mask, match, Format::format, Extension::extension},
#include "riscv/encodings.inc"
};
inline constexpr std::size_t op_count = sizeof(op_table) / sizeof(op_table[0]);
static_assert(op_count < 256, "Op is one byte");

// `op` must not be Op::illegal.
constexpr const OpInfo& op_info(Op op) noexcept { return op_table[static_cast<std::size_t>(op) - 1]; }

constexpr std::string_view op_name(Op op) noexcept {
  return op == Op::illegal ? std::string_view("illegal") : op_info(op).mnemonic;
}

// The operand letters of a format, as encodings.inc explains them.
constexpr std::string_view format_operands(Format format) noexcept {
  constexpr std::string_view operands[] = {
#define ASHLAR_RISCV_FORMAT(name, letters) letters,
#include "riscv/encodings.inc"
  };
  return operands[static_cast<std::size_t>(format)];
}

}  // namespace ashlar::riscv
