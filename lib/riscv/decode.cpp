// decode(): finds the row of encodings.inc for a word through a two-level table made at compile time, then
// takes all fields apart at once and masks off those that the row's format does not have. There is no branch
// on the operation.
#include "riscv/decode.hpp"

#include <array>
#include <bit>

#include "riscv/expand.hpp"

namespace ashlar::riscv {
namespace {

// decode() builds the first eight bytes of Decoded as one number, so that one AND clears all absent
// fields.
static_assert(std::endian::native == std::endian::little);
static_assert(offsetof(Decoded, rd) == 1 && offsetof(Decoded, rs1) == 2 && offsetof(Decoded, rs2) == 3);
static_assert(offsetof(Decoded, rs3) == 4 && offsetof(Decoded, rm) == 5 && offsetof(Decoded, aq_rl) == 6);
static_assert(offsetof(Decoded, length) == 7 && offsetof(Decoded, imm) == 8 && offsetof(Decoded, word) == 12);
constexpr uint64_t rd_field = 0x1full << 8, rs1_field = 0x1full << 16, rs2_field = 0x1full << 24;
constexpr uint64_t rs3_field = 0x1full << 32, rm_field = 0x7ull << 40, aq_rl_field = 0x3ull << 48;

// An immediate is gathered from five shifted copies of the word; these say which bits of each belong to it.
struct ImmMasks {
  uint32_t sar20 = 0;  // of the word shifted right arithmetically by 20
  uint32_t shr0 = 0;   // of the word itself
  uint16_t shl4 = 0;
  uint16_t shr9 = 0;
  uint8_t shr7 = 0;
};
constexpr ImmMasks imm_i = {.sar20 = ~0u};
constexpr ImmMasks imm_s = {.sar20 = ~0x1fu, .shr7 = 0x1f};
constexpr ImmMasks imm_b = {.sar20 = 0xfffff7e0, .shl4 = 0x800, .shr7 = 0x1e};
constexpr ImmMasks imm_u = {.shr0 = ~0xfffu};
constexpr ImmMasks imm_j = {.sar20 = 0xfff007fe, .shr0 = 0xff000, .shr9 = 0x800};
constexpr ImmMasks imm_shamt = {.sar20 = 0x3f};
constexpr ImmMasks imm_unsigned12 = {.sar20 = 0xfff};

// What decode() needs of a row, indexed by Op. Entry 0 is Op::illegal: it matches every word.
struct alignas(32) Row {
  uint64_t fields = 0;
  uint32_t mask = 0;
  uint32_t match = 0;
  ImmMasks imm;
};
static_assert(sizeof(Row) == 32);

constexpr Row make_row(const OpInfo& op) {
  Row row = {.fields = 0, .mask = op.mask, .match = op.match, .imm = {}};
  for (const char letter : format_operands(op.format)) {
    switch (letter) {
      case 'd':
      case 'D':
        row.fields |= rd_field;
        break;
      case 's':
      case 'S':
      case 'z':
        row.fields |= rs1_field;
        break;
      case 't':
      case 'T':
        row.fields |= rs2_field;
        break;
      case 'R':
        row.fields |= rs3_field;
        break;
      case '.':
        row.fields |= aq_rl_field;
        break;
      case 'm':
      case 'e':
        row.fields |= rm_field;
        break;
      case 'i':
        row.imm = imm_i;
        break;
      case 'q':
        row.imm = imm_s;
        break;
      case 'p':
        row.imm = imm_b;
        break;
      case 'u':
        row.imm = imm_u;
        break;
      case 'a':
        row.imm = imm_j;
        break;
      case '>':
        row.imm = imm_shamt;
        break;
      case 'c':
      case 'P':
        row.imm = imm_unsigned12;
        break;
      default:
        break;
    }
  }
  return row;
}

constexpr auto make_rows() {
  std::array<Row, op_count + 1> rows{};
  for (std::size_t n = 0; n < op_count; ++n) rows[n + 1] = make_row(op_table[n]);
  return rows;
}
constexpr auto rows = make_rows();

// Floating-point operations with funct3 as rounding mode: 5 and 6 are reserved (manual, chapter "F",
// "Floating-Point Control and Status Register").
constexpr bool reserved_rounding(const Row& row, uint32_t funct3) {
  return (funct3 == 5 || funct3 == 6) && (row.fields & rm_field) != 0;
}

// First level: by opcode bits 6:2 and funct3. Second level: by those of bits 31:25 that matter to some row of
// the group.
struct Group {
  uint16_t slots = 0;      // index of the group's first slot
  uint16_t high_mask = 0;  // which of bits 31:25, added to that, select the slot
};

template <std::size_t SlotCapacity>
struct Index {
  std::array<Group, 32 * 8> groups{};
  std::array<uint8_t, SlotCapacity>
      slots{};  // the first row of the table that is possible there, or Op::illegal
  std::size_t slot_count = 0;
};

template <std::size_t SlotCapacity>
constexpr auto build_index() {
  Index<SlotCapacity> index;
  index.slot_count = 1;  // slot 0 serves all groups without rows
  for (uint32_t opcode = 3; opcode < 128; opcode += 4) {
    // Narrowed by opcode, then by funct3, then by the high bits: compilers limit the steps of a constant
    // expression.
    std::array<uint8_t, op_count> in_opcode{};
    std::size_t opcode_size = 0;
    for (std::size_t op = 1; op <= op_count; ++op) {
      if ((rows[op].match & 127) == opcode) in_opcode[opcode_size++] = static_cast<uint8_t>(op);
    }
    for (uint32_t funct3 = 0; funct3 < 8; ++funct3) {
      std::array<uint8_t, op_count> in_group{};
      std::size_t group_size = 0;
      uint32_t high_mask = 0;
      for (std::size_t c = 0; c < opcode_size; ++c) {
        const Row& row = rows[in_opcode[c]];
        if (((row.match >> 12 ^ funct3) & row.mask >> 12 & 7) != 0 || reserved_rounding(row, funct3))
          continue;
        in_group[group_size++] = in_opcode[c];
        high_mask |= row.mask >> 25;
      }
      if (group_size == 0) continue;
      index.groups[opcode >> 2 << 3 | funct3] = {static_cast<uint16_t>(index.slot_count),
                                                 static_cast<uint16_t>(high_mask)};
      for (uint32_t high = 0; high <= high_mask; ++high) {
        uint8_t& slot = index.slots[index.slot_count++];
        for (std::size_t c = group_size; c-- > 0;) {
          const Row& row = rows[in_group[c]];
          if (((row.match >> 25 ^ high) & row.mask >> 25) == 0) slot = in_group[c];
        }
      }
    }
  }
  return index;
}

// Built twice, because the size is known only afterwards.
constexpr auto measured = build_index<4096>();
constexpr auto lookup = build_index<measured.slot_count>();

bool matches(uint8_t op, uint32_t word) noexcept { return ((word ^ rows[op].match) & rows[op].mask) == 0; }

// Where rows share a slot (they differ in rs2, like the conversions) the word may be a later one than the
// first. Table order keeps those close together, so only illegal words search long.
[[gnu::noinline]] uint8_t search_after(std::size_t op, uint32_t word) noexcept {
  while (++op <= op_count) {
    if (matches(static_cast<uint8_t>(op), word) && !reserved_rounding(rows[op], word >> 12 & 7)) {
      return static_cast<uint8_t>(op);
    }
  }
  return static_cast<uint8_t>(Op::illegal);
}

}  // namespace

Decoded decode(uint32_t guest_code) noexcept {
  // Both lengths are common and follow no pattern, so nothing branches on them: expand_compressed() gives 0
  // for the first half of a longer instruction, and `full` is then all ones.
  const uint32_t full = 0u - static_cast<uint32_t>((guest_code & 3) == 3);
  const uint32_t word = expand_compressed(static_cast<uint16_t>(guest_code)) | (guest_code & full);

  const Group group = lookup.groups[(word >> 2 & 31) << 3 | (word >> 12 & 7)];
  uint8_t op = lookup.slots[group.slots + (word >> 25 & group.high_mask)];
  if (!matches(op, word)) [[unlikely]]
    op = search_after(op, word);
  const Row& row = rows[op];

  const uint32_t low_fields = (word << 1 & static_cast<uint32_t>(rd_field | rs1_field)) |
                              (word << 4 & static_cast<uint32_t>(rs2_field));
  const uint32_t high_fields = word >> 27 | (word >> 4 & static_cast<uint32_t>(rm_field >> 32)) |
                               (word >> 9 & static_cast<uint32_t>(aq_rl_field >> 32));
  const uint64_t fields = uint64_t{high_fields} << 32 | low_fields;
  const uint64_t length = 2 + (full & 2);

  const uint32_t imm = (static_cast<uint32_t>(static_cast<int32_t>(word) >> 20) & row.imm.sar20) |
                       (word & row.imm.shr0) | (word << 4 & row.imm.shl4) | (word >> 9 & row.imm.shr9) |
                       (word >> 7 & row.imm.shr7);

  const uint32_t kept_word = op != 0 ? word : guest_code & (full | 0xffff);
  const std::array<uint64_t, 2> parts = {(fields & row.fields) | op | length << 56,
                                         uint64_t{kept_word} << 32 | imm};
  return std::bit_cast<Decoded>(parts);
}

}  // namespace ashlar::riscv
