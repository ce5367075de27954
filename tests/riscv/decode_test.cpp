// What needs no other tool: the table's consistency, operand extremes, reserved encodings, compressed forms
// by hand. binutils_test.cpp compares everything with an independent disassembler.
#include "riscv/decode.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "riscv/disassemble.hpp"
#include "riscv/expand.hpp"
#include "riscv/identify.hpp"

using namespace ashlar::riscv;

namespace {

std::string text(uint32_t word, uint64_t pc = 0) { return disassemble(decode(word), pc); }

// What identify() and decode() must say of a 32-bit word, by the table alone.
Op op_by_search(uint32_t word) {
  static const auto rows_by_opcode = [] {
    std::array<std::vector<std::size_t>, 128> rows;
    for (std::size_t n = 0; n < op_count; ++n) rows[op_table[n].match & 127].push_back(n);
    return rows;
  }();
  for (const std::size_t n : rows_by_opcode[word & 127]) {
    const OpInfo& row = op_table[n];
    if ((word & row.mask) != row.match) continue;
    const std::string_view operands = format_operands(row.format);
    const bool rounds = operands.ends_with('m') || operands.ends_with('e');
    const uint32_t funct3 = word >> 12 & 7;
    if (rounds && (funct3 == 5 || funct3 == 6)) continue;
    return static_cast<Op>(n + 1);
  }
  return Op::illegal;
}

bool is_illegal(uint32_t word) { return decode(word).op == Op::illegal; }

}  // namespace

TEST_CASE("every row of the table decodes to itself") {
  for (std::size_t n = 0; n < op_count; ++n) {
    const OpInfo& row = op_table[n];
    CAPTURE(row.mnemonic);
    CHECK((row.match & ~row.mask) == 0);
    CHECK((row.mask & 0x7f) == 0x7f);
    CHECK((row.match & 3) == 3);
    CHECK(op_name(decode(row.match).op) == row.mnemonic);
    CHECK(decode(row.match).length == 4);
  }
}

TEST_CASE("rows overlap only where a hint is a special fence") {
  for (std::size_t a = 0; a < op_count; ++a) {
    for (std::size_t b = a + 1; b < op_count; ++b) {
      const OpInfo &first = op_table[a], &second = op_table[b];
      if (((first.match ^ second.match) & first.mask & second.mask) != 0) continue;
      CAPTURE(first.mnemonic);
      CHECK(second.mnemonic == "fence");
      CHECK((first.mask & second.mask) == second.mask);
    }
  }
}

TEST_CASE("immediates at their extremes") {
  CHECK(decode(0x7ff58513).imm == 2047);   // addi a0,a1,2047
  CHECK(decode(0x80058513).imm == -2048);  // addi a0,a1,-2048
  CHECK(decode(0x7ea5bfa3).imm == 2047);   // sd a0,2047(a1)
  CHECK(decode(0x80a5b023).imm == -2048);  // sd a0,-2048(a1)
  CHECK(decode(0x80b50063).imm == -4096);  // beq a0,a1,.-4096
  CHECK(decode(0x7eb50fe3).imm == 4094);   // beq a0,a1,.+4094
  CHECK(decode(0x800000ef).imm == -1048576);
  CHECK(decode(0x7ffff0ef).imm == 1048574);
  CHECK(decode(0x80000537).imm == INT32_MIN);  // lui a0,0x80000
  CHECK(decode(0x7ffff537).imm == 0x7ffff000);
  CHECK(decode(0xfffff517).imm == -4096);  // auipc a0,0xfffff
  CHECK(decode(0x03f59513).imm == 63);     // slli a0,a1,63
  CHECK(decode(0x43f5d513).imm == 63);     // srai a0,a1,63
  CHECK(decode(0x41f5d51b).imm == 31);     // sraiw a0,a1,31
  CHECK(decode(0xfff59573).imm == 4095);   // csrrw a0,0xfff,a1
  CHECK(decode(0xfffff573).rs1 == 31);     // csrrci a0,0xfff,31
  CHECK(decode(0x0ff0000f).imm == 0xff);   // fence iorw,iorw
}

TEST_CASE("fields that an operation lacks are zero") {
  const Decoded lui = decode(0xffffffb7);  // lui t6,0xfffff
  CHECK(lui == Decoded{.op = Op::lui, .rd = 31, .imm = -4096, .word = 0xffffffb7});
  const Decoded store = decode(0xfffbbfa3);  // sd t6,-1(s7)
  CHECK(store == Decoded{.op = Op::sd, .rs1 = 23, .rs2 = 31, .imm = -1, .word = 0xfffbbfa3});
  const Decoded fused = decode(0xfbff8f43);  // fmadd.d ft10,ft11,ft11,ft11,rne: format bits are not operands
  CHECK(fused == Decoded{.op = Op::fmadd_d, .rd = 30, .rs1 = 31, .rs2 = 31, .rs3 = 31, .word = 0xfbff8f43});
  const Decoded amo = decode(0x06b6252f);  // amoadd.w.aqrl a0,a1,(a2)
  CHECK(amo == Decoded{.op = Op::amoadd_w, .rd = 10, .rs1 = 12, .rs2 = 11, .aq_rl = 3, .word = 0x06b6252f});
  CHECK(amo.acquire());
  CHECK(amo.release());
  CHECK(decode(0x1205252f).release());
  CHECK_FALSE(decode(0x1205252f).acquire());
  CHECK(decode(0x00c5f553).rm == 7);
}

TEST_CASE("reserved and unimplemented words are illegal") {
  CHECK(is_illegal(0x00000000));
  CHECK(is_illegal(0xffffffff));
  CHECK(is_illegal(0x0000001f));  // a 48-bit encoding
  CHECK(is_illegal(0x0000003f));  // a 64-bit encoding
  CHECK(is_illegal(0x00c5d553));  // fadd.s with rounding mode 5
  CHECK(is_illegal(0x00c5e553));  // and 6
  CHECK(is_illegal(0x60c5d543));  // fmadd.s, mode 5
  CHECK(is_illegal(0xc0056553));  // fcvt.w.s, mode 6: not the first row of its slot
  CHECK(is_illegal(0xc0156553));  // fcvt.wu.s, mode 6
  CHECK(is_illegal(0xd2055553));  // fcvt.d.w, mode 5, though the conversion is exact
  CHECK(is_illegal(0x0205951b));  // slliw with a shift of 32
  CHECK(is_illegal(0x4205d51b));  // sraiw with a shift of 32
  CHECK(is_illegal(0x1015a52f));  // lr.w with rs2
  CHECK(is_illegal(0x00c5952f));  // a 16-bit atomic
  CHECK(is_illegal(0x04c5f553));  // fadd.h
  CHECK(is_illegal(0x06c5f553));  // fadd.q
  CHECK(is_illegal(0x30200073));  // mret
  CHECK(is_illegal(0x10200073));  // sret
  CHECK(is_illegal(0x10500073));  // wfi
  CHECK(is_illegal(0x12000073));  // sfence.vma
  CHECK(is_illegal(0x00200073));  // uret
  CHECK(is_illegal(0x000000f3));  // ecall with rd
  CHECK(is_illegal(0x00051067));  // jalr with funct3 1
  CHECK(is_illegal(0x00052063));  // branch with funct3 2
  CHECK(is_illegal(0x00007003));  // load with funct3 7
  CHECK(is_illegal(0x00004023));  // store with funct3 4
  CHECK(is_illegal(0x60359513));  // between cpop and sext.b
  const Decoded decoded = decode(0x30200073);
  CHECK(decoded == Decoded{.word = 0x30200073});
}

TEST_CASE("fields that the manual tells us to ignore are ignored") {
  CHECK(text(0x0ff5050f) == "fence\tiorw,iorw");  // rd and rs1 set
  CHECK(text(0x9330000f) == "fence\trw,rw");      // unknown fm
  CHECK(text(0xfff5950f) == "fence.i");
  CHECK(text(0x8330000f) == "fence.tso");
  CHECK(text(0x0100000f) == "pause");
  CHECK(text(0x0100008f) == "fence\tw,unknown");  // pause is one word exactly
  CHECK(decode(0xd2051553).op == Op::fcvt_d_w);
  CHECK(decode(0xd2057553).op == Op::fcvt_d_w);
}

TEST_CASE("Zicond, which older binutils do not know") {
  CHECK(text(0x0ec5d533) == "czero.eqz\ta0,a1,a2");
  CHECK(text(0x0ec5f533) == "czero.nez\ta0,a1,a2");
  CHECK(is_illegal(0x0ec5e533));
}

TEST_CASE("compressed instructions: reserved forms") {
  CHECK(is_illegal(0x0000));  // defined illegal; also c.addi4spn with immediate 0
  CHECK(is_illegal(0x0004));
  CHECK(is_illegal(0x8000));  // quadrant 0, funct3 4
  CHECK(is_illegal(0x2001));  // c.addiw zero
  CHECK(is_illegal(0x6501));  // c.lui a0,0
  CHECK(is_illegal(0x6001));  // c.lui zero,0: reserved before it is a hint
  CHECK(is_illegal(0x6101));  // c.addi16sp 0
  CHECK(is_illegal(0x9c41));  // quadrant 1 arithmetic, the two unused encodings
  CHECK(is_illegal(0x9c61));
  CHECK(is_illegal(0x4002));  // c.lwsp zero
  CHECK(is_illegal(0x6002));  // c.ldsp zero
  CHECK(is_illegal(0x8002));  // c.jr zero
  const Decoded decoded = decode(0xdead8002);
  CHECK(decoded == Decoded{.length = 2, .word = 0x8002});
  CHECK(disassemble(decoded, 0) == ".2byte\t0x8002");
}

TEST_CASE("compressed instructions: length, expansion, hints") {
  CHECK(instruction_length(0x4501) == 2);
  CHECK(instruction_length(0x0513) == 4);
  // The upper half belongs to the next instruction.
  CHECK(decode(0xffff4501) == decode(0x00004501));
  CHECK(decode(0x4501) == Decoded{.op = Op::addi, .rd = 10, .length = 2, .word = 0x00000513});
  CHECK(text(0x9002) == "ebreak");
  CHECK(text(0x8082) == "jalr\tzero,0(ra)");
  CHECK(text(0x9082) == "jalr\tra,0(ra)");
  CHECK(text(0x0001) == "addi\tzero,zero,0");
  CHECK(text(0x0005) == "addi\tzero,zero,1");
  CHECK(text(0x6005) == "lui\tzero,0x1");
  CHECK(text(0x800a) == "add\tzero,zero,sp");
  CHECK(text(0x900a) == "add\tzero,zero,sp");
  CHECK(text(0x0502) == "slli\ta0,a0,0x0");
  CHECK(text(0xb001, 0x10000) == "jal\tzero,0xf800");
  CHECK(expand_compressed(0x0513) == 0);
}

TEST_CASE("every compressed form is identified as what the case analysis expands it to") {
  unsigned wrong = 0;
  for (uint32_t parcel = 0; parcel < 0x10000; ++parcel) {
    if ((parcel & 3) == 3) continue;
    const uint32_t word = expand_compressed(static_cast<uint16_t>(parcel));
    const Op op = op_by_search(word);
    for (const uint32_t next : {0u, 0xffffu}) {
      const Identified found = identify(next << 16 | parcel);
      wrong += found.op() != op || found.word.bits != (op == Op::illegal ? parcel : word);
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("every 32-bit word is identified as the first row that matches") {
  // All that rows look at, but rd and rs1, which only few of them do.
  unsigned wrong = 0;
  for (uint32_t high = 0; high < 1 << 12; ++high) {
    for (uint32_t funct3 = 0; funct3 < 8; ++funct3) {
      for (uint32_t opcode = 3; opcode < 128; opcode += 4) {
        const uint32_t word = high << 20 | funct3 << 12 | opcode;
        for (const uint32_t registers : {0u, 1u << 7, 1u << 15, 31u << 7 | 31u << 15}) {
          const Identified found = identify(word | registers);
          wrong += found.op() != op_by_search(word | registers) || found.word.bits != (word | registers);
        }
      }
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("disassembly: targets wrap with the address space, modes and orderings are spelt out") {
  CHECK(text(0x80b50063, 0) == "beq\ta0,a1,0xfffffffffffff000");
  CHECK(text(0x00c58553) == "fadd.s\tfa0,fa1,fa2,rne");
  CHECK(text(0x00c5f553) == "fadd.s\tfa0,fa1,fa2");
  CHECK(text(0xd2050553) == "fcvt.d.w\tfa0,a0");
  CHECK(text(0x1605b52f) == "lr.d.aqrl\ta0,(a1)");
  CHECK(text(0x1ac5a52f) == "sc.w.rl\ta0,a2,(a1)");
  CHECK(text(0x00359573) == "csrrw\ta0,fcsr,a1");
  CHECK(text(0xc1f02573) == "csrrs\ta0,hpmcounter31,zero");
  CHECK(text(0xc2002573) == "csrrs\ta0,0xc20,zero");
  CHECK(text(0xffffffff) == ".4byte\t0xffffffff");
}
