// Expands compressed instructions (extension C) so that nothing downstream knows them. For identify(),
// decode() and tests.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace ashlar::riscv {

// Guest code mixes compressed forms so freely that a switch on them is mispredicted more often than not. All
// but a few expansions are therefore read from two small tables: the parcel's 11 bits outside 6:2 select an
// entry, which holds the expansion for one value of bits 6:2 and names a row of variants: what to flip in it
// for each other value, and the operation that comes out.
struct ExpansionTables {
  static constexpr std::size_t entries = 1 << 11;
  static constexpr std::size_t row_count = 34;

  std::array<uint32_t, entries> words{};
  std::array<uint16_t, entries> rows{};  // where the row begins
  std::array<uint32_t, row_count * 32> differences{};
  std::array<uint8_t, row_count * 32> ops{};  // 0: the tables do not say, ask expand_compressed()

  // The first halves of 32-bit instructions have entries too, all zero, so that nobody has to branch on
  // them.
  static constexpr std::size_t entry_of(uint32_t parcel) { return (parcel & 3) | (parcel >> 7) << 2; }
};
extern const ExpansionTables expansion_tables;

// The 32-bit instruction that the RV64C `parcel` stands for, or 0 (never a valid instruction) if the parcel
// is reserved or the first half of a longer instruction. Hints expand to their base instruction, which then
// writes x0 or changes nothing.
uint32_t expand_compressed(uint16_t parcel) noexcept;

}  // namespace ashlar::riscv
