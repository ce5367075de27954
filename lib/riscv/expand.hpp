// Expands compressed instructions (extension C) so that nothing downstream knows them. For decode() and
// tests.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace ashlar::riscv {

// Guest code mixes compressed forms so freely that a switch on them is mispredicted more often than not. All
// but a few expansions are therefore read from two small tables: the parcel's 11 bits outside 6:2 select an
// entry, which holds the expansion for one value of bits 6:2 and names a row of differences: what to flip in
// it for each other value.
struct ExpansionTables {
  static constexpr std::size_t entries = 1 << 11;
  static constexpr std::size_t row_count = 32;
  static constexpr uint32_t irregular = 0xffffffff;  // a difference that says: ask expand_irregular()

  std::array<uint32_t, entries> words{};
  std::array<uint8_t, entries> rows{};
  std::array<std::array<uint32_t, 32>, row_count> differences{};

  // The first halves of 32-bit instructions have entries too, all zero, so that nobody has to branch on
  // them.
  static constexpr std::size_t entry_of(uint32_t parcel) { return (parcel & 3) | (parcel >> 7) << 2; }
};
extern const ExpansionTables expansion_tables;

// The reserved forms, and those whose meaning changes when bits 6:2 are zero.
uint32_t expand_irregular(uint16_t parcel) noexcept;

// The 32-bit instruction that the RV64C `parcel` stands for, or 0 (never a valid instruction) if the parcel
// is reserved or the first half of a longer instruction. Hints expand to their base instruction, which then
// writes x0 or changes nothing.
inline uint32_t expand_compressed(uint16_t parcel) noexcept {
  const ExpansionTables& tables = expansion_tables;
  const uint32_t bits = parcel;
  const std::size_t entry = ExpansionTables::entry_of(bits);
  const uint32_t difference = tables.differences[tables.rows[entry]][bits >> 2 & 31];
  if (difference == ExpansionTables::irregular) [[unlikely]]
    return expand_irregular(parcel);
  return tables.words[entry] ^ difference;
}

}  // namespace ashlar::riscv
