// The table of operations, made at compile time from encodings.inc, and what it leaves open.
#include "riscv/identify.hpp"

namespace ashlar::riscv {
namespace {

// Floating-point operations with funct3 as rounding mode: 5 and 6 are reserved (manual, chapter "F",
// "Floating-Point Control and Status Register").
constexpr bool has_rounding_mode(const OpInfo& row) {
  const std::string_view operands = format_operands(row.format);
  return operands.ends_with('m') || operands.ends_with('e');
}
constexpr bool reserved_rounding(const OpInfo& row, uint32_t funct3) {
  return (funct3 == 5 || funct3 == 6) && has_rounding_mode(row);
}

constexpr uint32_t decided_bits = 0xfe00707f;  // those that OperationTable::entry_of() looks at

// first_rows: for each undecided value the row of encodings.inc where the search begins. Rows that share an
// entry (they differ in rs2, like the conversions) stand close together there, so searches are short.
struct Tables {
  OperationTable operations;
  std::array<uint8_t, 256 - OperationTable::undecided> first_rows{};
};

constexpr Tables make_tables() {
  Tables tables;
  std::size_t undecided_count = 0;
  // Backwards, so that of rows that match the same words the earlier one, which is the more special, is left.
  for (std::size_t n = op_count; n-- > 0;) {
    const OpInfo& row = op_table[n];
    const bool decided = (row.mask & ~decided_bits) == 0;
    auto value = static_cast<uint8_t>(n + 1);
    if (!decided) {
      value = static_cast<uint8_t>(OperationTable::undecided + undecided_count);
      tables.first_rows[undecided_count++] = static_cast<uint8_t>(n);
    }
    const uint32_t free_high = ~row.mask >> 25, match_high = row.match >> 25;
    for (uint32_t funct3 = 0; funct3 < 8; ++funct3) {
      const uint32_t word = (row.match & ~0x7000u) | funct3 << 12;
      if (((word ^ row.match) & row.mask) != 0 || reserved_rounding(row, funct3)) continue;
      const uint32_t entry = OperationTable::entry_of(word) - match_high;
      // All subsets of the free bits.
      uint32_t high = free_high;
      for (;;) {
        tables.operations.ops[entry + match_high + high] = value;
        if (high == 0) break;
        high = (high - 1) & free_high;
      }
    }
  }
  return tables;
}

constexpr Tables tables = make_tables();
constexpr auto first_rows = tables.first_rows;

Op search(std::size_t row, uint32_t word) noexcept {
  for (; row < op_count; ++row) {
    const OpInfo& info = op_table[row];
    if (((word ^ info.match) & info.mask) == 0 && !reserved_rounding(info, word >> 12 & 7))
      return static_cast<Op>(row + 1);
  }
  return Op::illegal;
}

}  // namespace

constexpr OperationTable operation_table = tables.operations;

Identified identify_slowly(uint32_t guest_code) noexcept {
  // c.jr and c.jalr, which end nearly every function. Of the register 0 they are something else.
  if ((guest_code & 0xe07f) == 0x8002 && (guest_code & 0x0f80) != 0) {
    const uint32_t rd = guest_code >> 12 & 1, rs1 = guest_code >> 7 & 31;
    return {{op_info(Op::jalr).match | rs1 << 15 | rd << 7}, static_cast<uint32_t>(Op::jalr)};
  }
  const bool compressed = (guest_code & 3) != 3;
  const uint32_t kept = compressed ? guest_code & 0xffff : guest_code;
  const uint32_t word = compressed ? expand_compressed(static_cast<uint16_t>(guest_code)) : guest_code;
  const unsigned entry = word == 0 ? 0 : operation_table.ops[OperationTable::entry_of(word)];
  const Op op = entry < OperationTable::undecided
                    ? static_cast<Op>(entry)
                    : search(first_rows[entry - OperationTable::undecided], word);
  return {{op != Op::illegal ? word : kept}, static_cast<uint32_t>(op)};
}

}  // namespace ashlar::riscv
