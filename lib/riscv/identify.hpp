// Finds the operation of one instruction, and its 32-bit encoding, without taking the encoding apart: the way
// into decoding for the translator, whose methods know which fields their operation has. decode() does the
// rest for who does not. Pure functions over constant tables, callable from any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "riscv/decode.hpp"
#include "riscv/expand.hpp"

namespace ashlar::riscv {

// A 32-bit encoding. What each field is, and which operations have it, is said at Decoded; here they are
// whatever the word holds in their place.
struct Word {
  uint32_t bits = 0;

  constexpr unsigned rd() const noexcept { return bits >> 7 & 31; }
  constexpr unsigned rs1() const noexcept { return bits >> 15 & 31; }
  constexpr unsigned rs2() const noexcept { return bits >> 20 & 31; }
  constexpr unsigned rs3() const noexcept { return bits >> 27; }
  constexpr unsigned rm() const noexcept { return bits >> 12 & 7; }
  constexpr unsigned aq_rl() const noexcept { return bits >> 25 & 3; }

  constexpr int32_t imm() const noexcept { return signed_bits() >> 20; }  // loads, jalr, arithmetic
  constexpr int32_t store_imm() const noexcept {
    return (signed_bits() >> 20 & ~31) | static_cast<int32_t>(rd());
  }
  constexpr int32_t branch_offset() const noexcept {
    return (signed_bits() >> 20 & ~0x81f) | static_cast<int32_t>((bits << 4 & 0x800) | (bits >> 7 & 0x1e));
  }
  constexpr int32_t jump_offset() const noexcept {
    return (signed_bits() >> 20 & ~0xff801) | static_cast<int32_t>((bits & 0xff000) | (bits >> 9 & 0x800));
  }
  constexpr int32_t upper_imm() const noexcept { return signed_bits() & ~0xfff; }
  constexpr int32_t shift_amount() const noexcept { return static_cast<int32_t>(bits >> 20 & 63); }
  constexpr unsigned csr() const noexcept { return bits >> 20; }  // fences: fm and the two sets

 private:
  constexpr int32_t signed_bits() const noexcept { return static_cast<int32_t>(bits); }
};

struct Identified {
  Word word;  // as Decoded::word
  uint32_t op_number;

  constexpr Op op() const noexcept { return static_cast<Op>(op_number); }
};

// The operations of 32-bit words by what decides nearly all of them: opcode bits 6:2, funct3 and bits 31:25.
struct OperationTable {
  static constexpr std::size_t size = 1 + (1 << 15);
  // 0 for words that are no instruction whatever their other bits. From `undecided` on the other bits decide,
  // or there are none that do: ask identify_slowly().
  static constexpr unsigned undecided = op_count + 1;

  uint8_t ops[size] = {};  // entry 0 is not for a word, and 0

  static constexpr uint32_t entry_of(uint32_t word) {
    return (word >> 25) + ((word >> 5 & 0x380) | (word << 8 & 0x7c00)) + 1;
  }
};
extern const OperationTable operation_table;

// What the tables leave open: operations that are told apart by rs2, reserved forms, and compressed forms
// whose meaning changes when bits 6:2 are zero.
Identified identify_slowly(uint32_t guest_code) noexcept;

// All ones if `guest_code` begins with an instruction of four bytes, else 0.
constexpr uint32_t all_ones_if_full(uint32_t guest_code) noexcept {
  return static_cast<uint32_t>(static_cast<int32_t>(2 - (guest_code & 3)) >> 31);
}

// instruction_length() of what identify() gets, sharing its work.
constexpr unsigned identified_length(uint32_t guest_code) noexcept {
  return 2 + (all_ones_if_full(guest_code) & 2);
}

// The instruction that starts in the low bits of `guest_code`, as decode() takes it.
inline Identified identify(uint32_t guest_code) noexcept {
  // Both lengths are common and follow no pattern, so nothing branches on them: the tables hold 0 for the
  // first half of a longer instruction, and `full` is then all ones.
  const uint32_t full = all_ones_if_full(guest_code);
  const ExpansionTables& short_ones = expansion_tables;
  const std::size_t entry = ExpansionTables::entry_of(guest_code & 0xffff);
  const std::size_t variant = short_ones.rows[entry] + (guest_code >> 2 & 31);
  const uint32_t word = (short_ones.words[entry] ^ short_ones.differences[variant]) | (guest_code & full);
  const uint32_t op =
      short_ones.ops[variant] | operation_table.ops[OperationTable::entry_of(guest_code) & full];
  if (op - 1 >= OperationTable::undecided - 1) [[unlikely]]
    return identify_slowly(guest_code);
  return {{word}, op};
}

}  // namespace ashlar::riscv
