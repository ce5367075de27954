// Where blocks begin, how far they extend, and what they say about the code that they cover.
#include "riscv/translate_support.hpp"

namespace ashlar::riscv::test {
namespace {

constexpr unsigned a0 = 10, a1 = 11;
const std::uint32_t step = i(Op::addi, a0, a0, 1);
const std::string step_ir = "add64_i x10, x10, 1";

std::vector<GuestRange> ranges(const Subject& t) {
  const auto all = t.builder.parts().ranges;
  return {all.begin(), all.end()};
}

TEST_CASE("a block goes on over forward branches and ends at backward ones") {
  Subject t;
  CHECK(t.ir({b(Op::beq, a0, 0, 12), step}, 0, true) ==
        "exit_eq_i x10, 0 -> 0x1000c; " + step_ir + "; jump -> 0x10008");
  CHECK(t.ir({step, b(Op::bne, a0, a1, -4), step}) == step_ir + "; br_ne x10, x11 -> 0x10000, 0x10008");
  CHECK(t.ir({step, b(Op::bltu, a0, a1, -64), step}) == step_ir + "; br_ltu x10, x11 -> 0xffc4, 0x10008");
  // Both ways lead to the same place.
  CHECK(t.ir({b(Op::beq, a0, a1, 4), step}) == step_ir);
  CHECK(t.builder.guest_inst_count() == 2);
}

TEST_CASE("branches that are decided are no branches") {
  Subject t;
  CHECK(t.ir({b(Op::bne, a0, a0, 64), step}) == step_ir);
  CHECK(t.ir({b(Op::bltu, a0, 0, 64), step}) == step_ir);
  CHECK(t.ir({b(Op::beq, 0, 0, 8), 0xffffffff, step}) == step_ir);
  CHECK(t.ir({b(Op::bgeu, a0, 0, -64), step}) == "jump -> 0xffc0");
}

TEST_CASE("a block follows jumps; the code in between is not covered") {
  Subject t;
  CHECK(t.ir({step, j(0, 12), 0xffffffff, 0xffffffff, step}) == step_ir + "; " + step_ir);
  CHECK(t.builder.guest_inst_count() == 3);
  const auto boundaries = t.builder.parts().boundaries;
  CHECK(boundaries[1].pc == GuestAddr{kCode + 4});
  CHECK(boundaries[1].first_inst == 1);
  CHECK(boundaries[2].pc == GuestAddr{kCode + 16});
  CHECK(boundaries[2].first_inst == 1);
  const auto covered = ranges(t);
  REQUIRE(covered.size() == 2);
  for (const GuestRange& range : covered) {
    CHECK((range == GuestRange{{kCode}, 8} || range == GuestRange{{kCode + 16}, 4}));
  }
}

TEST_CASE("loops end with a jump to their head") {
  Subject t;
  CHECK(t.ir({j(0, 0)}) == "jump -> 0x10000");
  CHECK(t.ir({step, step, j(0, -8)}) == step_ir + "; " + step_ir + "; jump -> 0x10000");
  CHECK(t.ir({step, step, j(0, -4)}) == step_ir + "; " + step_ir + "; jump -> 0x10004");
  // Over a jump backwards into code that runs into the block's beginning.
  t.memory.clear();
  t.memory.put(kCode, {step, step, step, j(0, -12)});
  CHECK(t.ir_at(kCode + 8) == step_ir + "; " + step_ir + "; " + step_ir + "; jump -> 0x10008");
  // The same where the way back is a branch: both ways are known.
  t.memory.clear();
  t.memory.put(kCode, {step, b(Op::beq, a0, a1, 64), step, j(0, -12)});
  CHECK(t.ir_at(kCode + 8) == step_ir + "; " + step_ir + "; br_eq x10, x11 -> 0x10044, 0x10008");
}

TEST_CASE("limits") {
  Subject t;
  t.limits.extend = false;
  CHECK(t.ir({b(Op::beq, a0, 0, 12), step}) == "br_eq_i x10, 0 -> 0x1000c, 0x10004");
  CHECK(t.ir({step, j(0, 8), step, step}) == step_ir + "; jump -> 0x1000c");
  t.limits.extend = true;
  for (const unsigned most : {0u, 1u}) {
    t.limits.max_guest_insts = most;
    CHECK(t.ir({step, step}) == step_ir + "; jump -> 0x10004");
    CHECK(t.ir({b(Op::beq, a0, 0, 12), step}) == "br_eq_i x10, 0 -> 0x1000c, 0x10004");
    CHECK(t.ir({j(0, 8), step, step}) == "jump -> 0x10008");
  }
  t.limits.max_guest_insts = 3;
  CHECK(t.ir({step, step, step, step}) == step_ir + "; " + step_ir + "; " + step_ir + "; jump -> 0x1000c");

  // Whatever the limit, the IR's own are kept: temporaries, instructions, exits.
  t.limits.max_guest_insts = ~0u;
  for (const std::uint32_t word :
       {i(Op::lw, 0, a0, 0), step, b(Op::beq, a0, a1, 8), i(Op::csrrc, a0, a1, 1)}) {
    const std::vector<std::uint32_t> code(20000, word);
    t.memory.clear();
    t.memory.put(kCode, code.data(), code.size() * 4);
    CHECK_FALSE(t.ir_at(kCode).empty());
    CHECK(t.builder.guest_inst_count() >= 20);
  }
}

TEST_CASE("a block ends at the branch behind three that leave it for good; joins are not counted") {
  Subject t;
  const std::uint32_t leave = b(Op::beq, a0, 0, 1024), skip = b(Op::beq, a0, 0, 8);
  t.memory.put(kCode, {leave, step, leave, step, leave, step, leave, step});
  t.ir_at(kCode);
  CHECK(t.builder.guest_inst_count() == 7);
  CHECK(t.builder.insts().back().op == ir::Opcode::br_eq_i);
  t.memory.clear();
  t.memory.put(kCode, {leave, skip, step, skip, step, skip, step, leave, skip, step, leave, step, leave});
  t.ir_at(kCode);
  CHECK(t.builder.guest_inst_count() == 13);
  CHECK(t.builder.insts().back().op == ir::Opcode::br_eq_i);
}

TEST_CASE("a chain of jumps stops at the number of ranges that a block may have") {
  Subject t;
  for (unsigned n = 0; n < 40; ++n) t.memory.put(kCode + 64 * n, {step, j(0, 60)});
  t.ir_at(kCode);
  CHECK(ranges(t).size() == ir::Block::kMaxRanges);
  CHECK(t.builder.guest_inst_count() == 2 * ir::Block::kMaxRanges);
  CHECK(t.builder.insts().back().op == ir::Opcode::jump);
}

TEST_CASE("code that can't be fetched") {
  Subject t;
  CHECK(t.translate(0x1234).fetch_fault.kind == FaultKind::unmapped);
  const Fault none = t.translate(0x1234).fetch_fault;
  CHECK(none.addr == GuestAddr{0x1234});
  CHECK(none.access == AccessKind::fetch);
  CHECK(t.frontend->translate({{0x1234}, 0}, nullptr, {}, t.builder).fetch_fault.kind == FaultKind::unmapped);

  // An instruction whose second half is not there: the fault is at that half.
  const std::uint16_t half = static_cast<std::uint16_t>(step);
  t.memory.put(0x1ffe, &half, 2);
  const Fault second = t.translate(0x1ffe).fetch_fault;
  CHECK(second.kind == FaultKind::unmapped);
  CHECK(second.addr == GuestAddr{0x2000});

  // Behind another instruction it ends the block.
  const std::uint16_t nop = 0x0001;
  t.memory.put(0x1ffc, &nop, 2);
  CHECK(t.ir_at(0x1ffc) == "jump -> 0x1ffe");
  CHECK(ranges(t) == std::vector<GuestRange>{{{0x1ffc}, 2}});

  // A compressed one at the end of what is mapped is complete.
  t.memory.clear();
  t.memory.put(0x1ffe, &nop, 2);
  CHECK(t.ir_at(0x1ffe) == "jump -> 0x2000");

  // A jump to nowhere is left to whoever goes there.
  CHECK(t.ir({step, j(0, 0x10000)}) == step_ir + "; jump -> 0x20004");
}

TEST_CASE("instructions across pages and across fetches") {
  // All but the first are at addresses that are 2 modulo 4, so each end of a page or window cuts one in two.
  std::vector<std::uint16_t> code = {0x0505};  // c.addi a0, 1
  for (unsigned n = 0; n < 500; ++n) {
    const std::uint32_t word = i(Op::addi, a0, a0, static_cast<int>(n + 1));
    code.push_back(static_cast<std::uint16_t>(word));
    code.push_back(static_cast<std::uint16_t>(word >> 16));
  }
  Subject t;
  t.limits.max_guest_insts = 500;
  for (const std::uint64_t begin : {0x10000ull, 0x10ffcull, 0x10ff8ull, 0x10f00ull}) {
    CAPTURE(begin);
    t.memory.clear();
    // In two pieces with a page's end between them, so that a fetch may come back short.
    const std::uint64_t cut = std::min<std::uint64_t>(0x11000 - begin, code.size() * 2);
    t.memory.put(begin, code.data(), cut);
    t.memory.put(begin + cut, reinterpret_cast<const char*>(code.data()) + cut, code.size() * 2 - cut);
    t.memory.fetches = 0;
    t.ir_at(begin);
    const auto insts = t.builder.insts();
    REQUIRE(insts.size() == 501);
    for (unsigned n = 0; n < 499; ++n) {
      REQUIRE(insts[n + 1].imm == static_cast<int>(n + 1));
      REQUIRE(t.builder.parts().boundaries[n + 1].pc == GuestAddr{begin + 2 + 4 * n});
    }
    CHECK(t.memory.fetches < 20);
  }
}

TEST_CASE("bit 0 of a target is cleared by its translation") {
  Subject t;
  t.memory.put(kCode, {step, b(Op::bne, a0, a1, -4)});
  CHECK(t.ir_at(kCode + 1) == step_ir + "; br_ne x10, x11 -> 0x10000, 0x10008");
  CHECK(t.builder.key().addr == GuestAddr{kCode + 1});
  CHECK(t.builder.parts().boundaries[0].pc == GuestAddr{kCode});
  CHECK(t.translate(0x1235).fetch_fault.addr == GuestAddr{0x1234});
}

TEST_CASE("the mode goes into every exit") {
  Subject t;
  t.memory.put(kCode, {b(Op::beq, a0, a1, 64), step});
  CHECK(t.ir_at(kCode, 3) == "exit_eq x10, x11 -> 0x10040/0x3; " + step_ir + "; jump -> 0x10008/0x3");
}

}  // namespace
}  // namespace ashlar::riscv::test
