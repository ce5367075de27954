// The expansion of compressed instructions: one case per quadrant and funct3, after the RV64 columns of the
// tables in the unprivileged manual's chapter on "C" ("RVC Instruction Set Listings"). Base opcodes come from
// encodings.inc.
#include "riscv/expand.hpp"

#include "riscv/decode.hpp"

namespace ashlar::riscv {
namespace {

constexpr uint32_t reserved = 0;
constexpr uint32_t zero = 0, ra = 1, sp = 2;

constexpr uint32_t base(Op op) { return op_info(op).match; }

// Bits [high:low] of the parcel, moved so that bit `low` lands at bit `to`.
constexpr uint32_t field(uint32_t parcel, unsigned high, unsigned low, unsigned to) {
  return ((parcel >> low) & ((2u << (high - low)) - 1)) << to;
}

// All ones above bit `to` inclusive if bit 12, the sign of every signed compressed immediate, is set.
constexpr uint32_t sign(uint32_t parcel, unsigned to) { return (0u - ((parcel >> 12) & 1)) << to; }

// Register fields: full ones, and the 3-bit ones that name x8 to x15 or f8 to f15.
constexpr uint32_t reg_11_7(uint32_t parcel) { return field(parcel, 11, 7, 0); }
constexpr uint32_t reg_6_2(uint32_t parcel) { return field(parcel, 6, 2, 0); }
constexpr uint32_t reg_9_7(uint32_t parcel) { return 8 + field(parcel, 9, 7, 0); }
constexpr uint32_t reg_4_2(uint32_t parcel) { return 8 + field(parcel, 4, 2, 0); }

constexpr uint32_t r_type(Op op, uint32_t rd, uint32_t rs1, uint32_t rs2) {
  return base(op) | rd << 7 | rs1 << 15 | rs2 << 20;
}

// Also shifts by immediate, whose match holds bits 31:26.
constexpr uint32_t i_type(Op op, uint32_t rd, uint32_t rs1, uint32_t imm) {
  return base(op) | rd << 7 | rs1 << 15 | imm << 20;
}

constexpr uint32_t s_type(Op op, uint32_t rs1, uint32_t rs2, uint32_t imm) {
  return base(op) | rs1 << 15 | rs2 << 20 | field(imm, 4, 0, 7) | field(imm, 11, 5, 25);
}

constexpr uint32_t b_type(Op op, uint32_t rs1, uint32_t rs2, uint32_t imm) {
  return base(op) | rs1 << 15 | rs2 << 20 | field(imm, 12, 12, 31) | field(imm, 10, 5, 25) |
         field(imm, 4, 1, 8) | field(imm, 11, 11, 7);
}

constexpr uint32_t j_type(Op op, uint32_t rd, uint32_t imm) {
  return base(op) | rd << 7 | field(imm, 20, 20, 31) | field(imm, 10, 1, 21) | field(imm, 11, 11, 20) |
         field(imm, 19, 12, 12);
}

// Immediates that several forms share.
constexpr uint32_t imm6(uint32_t p) { return sign(p, 5) | field(p, 6, 2, 0); }
constexpr uint32_t shamt(uint32_t p) { return field(p, 12, 12, 5) | field(p, 6, 2, 0); }
constexpr uint32_t word_offset(uint32_t p) {
  return field(p, 12, 10, 3) | field(p, 6, 6, 2) | field(p, 5, 5, 6);
}
constexpr uint32_t double_offset(uint32_t p) { return field(p, 12, 10, 3) | field(p, 6, 5, 6); }
constexpr uint32_t word_load_sp(uint32_t p) {
  return field(p, 12, 12, 5) | field(p, 6, 4, 2) | field(p, 3, 2, 6);
}
constexpr uint32_t double_load_sp(uint32_t p) {
  return field(p, 12, 12, 5) | field(p, 6, 5, 3) | field(p, 4, 2, 6);
}
constexpr uint32_t word_store_sp(uint32_t p) { return field(p, 12, 9, 2) | field(p, 8, 7, 6); }
constexpr uint32_t double_store_sp(uint32_t p) { return field(p, 12, 10, 3) | field(p, 9, 7, 6); }
constexpr uint32_t branch_offset(uint32_t p) {
  return sign(p, 8) | field(p, 11, 10, 3) | field(p, 6, 5, 6) | field(p, 4, 3, 1) | field(p, 2, 2, 5);
}
constexpr uint32_t jump_offset(uint32_t p) {
  return sign(p, 11) | field(p, 11, 11, 4) | field(p, 10, 9, 8) | field(p, 8, 8, 10) | field(p, 7, 7, 6) |
         field(p, 6, 6, 7) | field(p, 5, 3, 1) | field(p, 2, 2, 5);
}

// Quadrant 1, funct3 3: c.addi16sp and c.lui; a zero immediate is reserved in both.
constexpr uint32_t expand_lui(uint32_t p) {
  if ((p & 0x107c) == 0) return reserved;
  if (reg_11_7(p) != sp) return base(Op::lui) | reg_11_7(p) << 7 | imm6(p) << 12;
  const uint32_t imm =
      sign(p, 9) | field(p, 6, 6, 4) | field(p, 5, 5, 6) | field(p, 4, 3, 7) | field(p, 2, 2, 5);
  return i_type(Op::addi, sp, sp, imm);
}

// Quadrant 1, funct3 4: arithmetic on x8 to x15.
constexpr uint32_t expand_arithmetic(uint32_t p) {
  const uint32_t rd = reg_9_7(p);
  switch (field(p, 11, 10, 0)) {
    case 0:
      return i_type(Op::srli, rd, rd, shamt(p));
    case 1:
      return i_type(Op::srai, rd, rd, shamt(p));
    case 2:
      return i_type(Op::andi, rd, rd, imm6(p));
    default:
      break;
  }
  constexpr Op ops[8] = {Op::sub, Op::xor_, Op::or_, Op::and_, Op::subw, Op::addw, Op::illegal, Op::illegal};
  const Op op = ops[field(p, 12, 12, 2) | field(p, 6, 5, 0)];
  return op == Op::illegal ? reserved : r_type(op, rd, rd, reg_4_2(p));
}

// Quadrant 2, funct3 4: c.jr, c.mv, c.ebreak, c.jalr, c.add.
constexpr uint32_t expand_jump_move_add(uint32_t p) {
  const uint32_t rd = reg_11_7(p), rs2 = reg_6_2(p);
  const bool link_or_add = field(p, 12, 12, 0) != 0;
  if (rs2 != 0) return r_type(Op::add, rd, link_or_add ? rd : zero, rs2);
  if (rd == 0) return link_or_add ? base(Op::ebreak) : reserved;
  return i_type(Op::jalr, link_or_add ? ra : zero, rd, 0);
}

constexpr uint32_t expand(uint32_t p) {
  switch (field(p, 1, 0, 3) | field(p, 15, 13, 0)) {
    case 000: {
      const uint32_t imm = field(p, 12, 11, 4) | field(p, 10, 7, 6) | field(p, 6, 6, 2) | field(p, 5, 5, 3);
      return imm == 0 ? reserved : i_type(Op::addi, reg_4_2(p), sp, imm);
    }
    case 001:
      return i_type(Op::fld, reg_4_2(p), reg_9_7(p), double_offset(p));
    case 002:
      return i_type(Op::lw, reg_4_2(p), reg_9_7(p), word_offset(p));
    case 003:
      return i_type(Op::ld, reg_4_2(p), reg_9_7(p), double_offset(p));
    case 005:
      return s_type(Op::fsd, reg_9_7(p), reg_4_2(p), double_offset(p));
    case 006:
      return s_type(Op::sw, reg_9_7(p), reg_4_2(p), word_offset(p));
    case 007:
      return s_type(Op::sd, reg_9_7(p), reg_4_2(p), double_offset(p));

    case 010:
      return i_type(Op::addi, reg_11_7(p), reg_11_7(p), imm6(p));
    case 011:
      return reg_11_7(p) == 0 ? reserved : i_type(Op::addiw, reg_11_7(p), reg_11_7(p), imm6(p));
    case 012:
      return i_type(Op::addi, reg_11_7(p), zero, imm6(p));
    case 013:
      return expand_lui(p);
    case 014:
      return expand_arithmetic(p);
    case 015:
      return j_type(Op::jal, zero, jump_offset(p));
    case 016:
      return b_type(Op::beq, reg_9_7(p), zero, branch_offset(p));
    case 017:
      return b_type(Op::bne, reg_9_7(p), zero, branch_offset(p));

    case 020:
      return i_type(Op::slli, reg_11_7(p), reg_11_7(p), shamt(p));
    case 021:
      return i_type(Op::fld, reg_11_7(p), sp, double_load_sp(p));
    case 022:
      return reg_11_7(p) == 0 ? reserved : i_type(Op::lw, reg_11_7(p), sp, word_load_sp(p));
    case 023:
      return reg_11_7(p) == 0 ? reserved : i_type(Op::ld, reg_11_7(p), sp, double_load_sp(p));
    case 024:
      return expand_jump_move_add(p);
    case 025:
      return s_type(Op::fsd, sp, reg_6_2(p), double_store_sp(p));
    case 026:
      return s_type(Op::sw, sp, reg_6_2(p), word_store_sp(p));
    case 027:
      return s_type(Op::sd, sp, reg_6_2(p), double_store_sp(p));

    default:
      return reserved;  // quadrant 0, funct3 4; and quadrant 3, which is not compressed
  }
}

// Entries hold the expansion for this value of bits 6:2, which no form reserves.
constexpr uint32_t reference = 8 << 2;

// The row of variants for an entry (a parcel with bits 6:2 clear): one per quadrant and funct3, and further
// ones where bits 12:7 decide what bits 6:2 mean, which operation it is or whether they may be zero.
constexpr unsigned row_of(uint32_t p) {
  constexpr unsigned small_addi4spn = 24, negative_lui = 25, addi16sp = 26, negative_addi16sp = 27;
  constexpr unsigned register_arithmetic = 28, register_arithmetic_w = 29, all_reserved = 30,
                     not_compressed = 31, srai = 32, andi = 33;
  const auto group = static_cast<unsigned>(field(p, 1, 0, 3) | field(p, 15, 13, 0));
  const bool bit12 = field(p, 12, 12, 0) != 0;
  switch (group) {
    case 000:
      return field(p, 12, 7, 0) == 0 ? small_addi4spn : group;
    case 011:
    case 022:
    case 023:
      return reg_11_7(p) == 0 ? all_reserved : group;
    case 013:
      if (reg_11_7(p) == sp) return bit12 ? negative_addi16sp : addi16sp;
      return bit12 ? negative_lui : group;
    case 014:
      switch (field(p, 11, 10, 0)) {
        case 0:
          return group;
        case 1:
          return srai;
        case 2:
          return andi;
        default:
          return bit12 ? register_arithmetic_w : register_arithmetic;
      }
    default:
      return group < 24 ? group : not_compressed;
  }
}

// The operation of `word`, which is one; `likely` is tried first, because compilers limit the steps of a
// constant expression.
constexpr uint8_t op_of(uint32_t word, uint8_t likely) {
  const auto matches = [&](uint8_t op) {
    const OpInfo& row = op_table[op - 1];
    return (word & row.mask) == row.match;
  };
  if (likely != 0 && matches(likely)) return likely;
  uint8_t op = 1;
  while (!matches(op)) ++op;
  return op;
}

constexpr ExpansionTables make_tables() {
  ExpansionTables tables;
  std::array<bool, ExpansionTables::row_count> filled{};
  for (uint32_t high = 0; high < ExpansionTables::entries / 4; ++high) {
    for (uint32_t quadrant = 0; quadrant < 4; ++quadrant) {
      const uint32_t parcel = high << 7 | quadrant;
      const std::size_t entry = ExpansionTables::entry_of(parcel);
      const unsigned row = row_of(parcel), begin = row * 32;
      tables.rows[entry] = static_cast<uint16_t>(begin);
      if (quadrant == 3) continue;
      tables.words[entry] = expand(parcel | reference);
      if (filled[row]) continue;
      filled[row] = true;
      uint8_t op = 0;
      for (uint32_t low = 0; low < 32; ++low) {
        const uint32_t word = expand(parcel | low << 2);
        const bool jump_or_move = row == 024 && low == 0;
        if (word == reserved || jump_or_move) continue;
        tables.differences[begin + low] = word ^ tables.words[entry];
        tables.ops[begin + low] = op = op_of(word, op);
      }
    }
  }
  return tables;
}

}  // namespace

constexpr ExpansionTables expansion_tables = make_tables();

uint32_t expand_compressed(uint16_t parcel) noexcept { return expand(parcel); }

}  // namespace ashlar::riscv
