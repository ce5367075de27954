// Comparisons, branches, jumps, system calls.
#include <cstdint>

#include "riscv/translate.hpp"

namespace ashlar::riscv {
namespace {

using ir::Opcode;

// The opcodes of a comparison are found by arithmetic on the table's order.
constexpr Opcode nth(Opcode first, Condition condition, bool immediate) {
  return static_cast<Opcode>(static_cast<unsigned>(first) + 2 * static_cast<unsigned>(condition) +
                             (immediate ? 1 : 0));
}
#define ASHLAR_CHECK_ORDER(prefix)                                                          \
  static_assert(nth(Opcode::prefix##_eq, Condition::eq, true) == Opcode::prefix##_eq_i &&   \
                nth(Opcode::prefix##_eq, Condition::ne, false) == Opcode::prefix##_ne &&    \
                nth(Opcode::prefix##_eq, Condition::ne, true) == Opcode::prefix##_ne_i &&   \
                nth(Opcode::prefix##_eq, Condition::lts, false) == Opcode::prefix##_lts &&  \
                nth(Opcode::prefix##_eq, Condition::lts, true) == Opcode::prefix##_lts_i && \
                nth(Opcode::prefix##_eq, Condition::ltu, false) == Opcode::prefix##_ltu &&  \
                nth(Opcode::prefix##_eq, Condition::ltu, true) == Opcode::prefix##_ltu_i && \
                nth(Opcode::prefix##_eq, Condition::ges, false) == Opcode::prefix##_ges &&  \
                nth(Opcode::prefix##_eq, Condition::ges, true) == Opcode::prefix##_ges_i && \
                nth(Opcode::prefix##_eq, Condition::geu, false) == Opcode::prefix##_geu &&  \
                nth(Opcode::prefix##_eq, Condition::geu, true) == Opcode::prefix##_geu_i)
ASHLAR_CHECK_ORDER(set);
ASHLAR_CHECK_ORDER(exit);
ASHLAR_CHECK_ORDER(br);
#undef ASHLAR_CHECK_ORDER

constexpr bool holds(Condition condition, std::uint64_t a, std::uint64_t b) {
  const auto sa = static_cast<std::int64_t>(a), sb = static_cast<std::int64_t>(b);
  switch (condition) {
    case Condition::eq:
      return a == b;
    case Condition::ne:
      return a != b;
    case Condition::lts:
      return sa < sb;
    case Condition::ltu:
      return a < b;
    case Condition::ges:
      return sa >= sb;
    case Condition::geu:
      return a >= b;
  }
  return false;
}

constexpr Test decided(bool holds) { return {holds ? Test::Kind::always : Test::Kind::never, {}, {}, {}, 0}; }

constexpr bool fits_imm(std::int64_t value) { return value == static_cast<std::int32_t>(value); }

// a <condition> imm in its simplest form: unsigned comparisons with 0 and 1 are decided or are tests for
// zero.
constexpr Test simplest(Condition condition, ir::Value a, std::int32_t imm) {
  if (condition == Condition::ltu || condition == Condition::geu) {
    if (imm == 0) return decided(condition == Condition::geu);
    if (imm == 1)
      return {Test::Kind::immediate, condition == Condition::ltu ? Condition::eq : Condition::ne, a, {}, 0};
  }
  return {Test::Kind::immediate, condition, a, {}, imm};
}

constexpr bool is_link(unsigned n) { return n == 1 || n == 5; }

}  // namespace

Test Translator::compare_imm(Condition condition, unsigned rs1, std::int64_t imm) const {
  if (is_known(rs1)) return decided(holds(condition, known(rs1), static_cast<std::uint64_t>(imm)));
  return simplest(condition, source(rs1), static_cast<std::int32_t>(imm));
}

Test Translator::compare(Condition condition, unsigned rs1, unsigned rs2) const {
  if (rs1 == rs2) return decided(holds(condition, 0, 0));
  if (is_known(rs2)) {
    const auto imm = static_cast<std::int64_t>(known(rs2));
    if (is_known(rs1) || fits_imm(imm)) return compare_imm(condition, rs1, imm);
  } else if (is_known(rs1)) {
    // c < b is b >= c + 1 and c >= b is b < c + 1, unless c + 1 wraps.
    const std::uint64_t c = known(rs1);
    const auto same = static_cast<std::int64_t>(c), more = static_cast<std::int64_t>(c + 1);
    const bool signed_wrap = same == INT64_MAX, unsigned_wrap = same == -1;
    switch (condition) {
      case Condition::eq:
      case Condition::ne:
        if (fits_imm(same)) return simplest(condition, source(rs2), static_cast<std::int32_t>(same));
        break;
      case Condition::lts:
      case Condition::ges:
        if (signed_wrap) return decided(condition == Condition::ges);
        if (fits_imm(more)) {
          return simplest(condition == Condition::lts ? Condition::ges : Condition::lts, source(rs2),
                          static_cast<std::int32_t>(more));
        }
        break;
      case Condition::ltu:
      case Condition::geu:
        if (unsigned_wrap) return decided(condition == Condition::geu);
        if (fits_imm(more)) {
          return simplest(condition == Condition::ltu ? Condition::geu : Condition::ltu, source(rs2),
                          static_cast<std::int32_t>(more));
        }
        break;
    }
  }
  return {Test::Kind::registers, condition, source(rs1), source(rs2), 0};
}

void Translator::set_if(unsigned rd, const Test& test) {
  if (rd == 0) return;
  switch (test.kind) {
    case Test::Kind::never:
    case Test::Kind::always:
      return set_constant(rd, test.kind == Test::Kind::always ? 1 : 0);
    case Test::Kind::registers:
      return out_.rr(nth(Opcode::set_eq, test.condition, false), dest(rd), test.a, test.b);
    case Test::Kind::immediate:
      return out_.ri(nth(Opcode::set_eq, test.condition, true), dest(rd), test.a, test.imm);
  }
}

void Translator::branch(Condition condition, Word d) {
  const std::uint64_t target = pc_ + static_cast<std::uint64_t>(static_cast<std::int64_t>(d.branch_offset()));
  if (target == next_) return;
  const Test test = compare(condition, d.rs1(), d.rs2());
  if (test.kind == Test::Kind::never) return;
  if (test.kind == Test::Kind::always) return go_to(target);
  const bool immediate = test.kind == Test::Kind::immediate;

  // A branch backwards closes a loop more often than not: both ways are the block's ends. One forwards skips
  // something: the block goes on with what is skipped.
  const bool goes_on =
      extend_ && target > pc_ && count_ < limit_ && next_ != stop_at_ && open_exits_ < kMostOpenExits;
  if (goes_on) {
    ++open_exits_;
    const Opcode op = nth(Opcode::exit_eq, test.condition, immediate);
    if (immediate) {
      out_.exit_if(op, test.a, test.imm, {target});
    } else {
      out_.exit_if(op, test.a, test.b, {target});
    }
    add_join(target);
    return;
  }
  const Opcode op = nth(Opcode::br_eq, test.condition, immediate);
  if (immediate) {
    out_.branch(op, test.a, test.imm, {target}, {next_});
  } else {
    out_.branch(op, test.a, test.b, {target}, {next_});
  }
  ended_ = true;
}

void Translator::op_beq(Word d) { branch(Condition::eq, d); }
void Translator::op_bne(Word d) { branch(Condition::ne, d); }
void Translator::op_blt(Word d) { branch(Condition::lts, d); }
void Translator::op_bge(Word d) { branch(Condition::ges, d); }
void Translator::op_bltu(Word d) { branch(Condition::ltu, d); }
void Translator::op_bgeu(Word d) { branch(Condition::geu, d); }

void Translator::op_jal(Word d) {
  const std::uint64_t target = pc_ + static_cast<std::uint64_t>(static_cast<std::int64_t>(d.jump_offset()));
  set_constant(d.rd(), next_);
  // A "call" of the next instruction only reads the pc.
  if (!is_link(d.rd()) || target == next_) return go_to(target);
  out_.call({target}, {next_});
  ended_ = true;
}

// Which jumps push and pop the return-address stack: unprivileged manual, "Unconditional Jumps", table
// "Return-address stack prediction hints encoded in the register operands of a JALR instruction". Its
// pop-then-push counts as a push.
void Translator::op_jalr(Word d) {
  const auto imm = static_cast<std::uint64_t>(static_cast<std::int64_t>(d.imm()));
  if (is_known(d.rs1())) {
    const std::uint64_t target = (known(d.rs1()) + imm) & ~std::uint64_t{1};
    set_constant(d.rd(), next_);
    if (!is_link(d.rd()) || target == next_) return go_to(target);
    out_.call({target}, {next_});
    ended_ = true;
    return;
  }

  // Bit 0 of the sum is cleared when the target is translated (the constructor), which is for registers that
  // hold an odd address by mistake. An odd offset is meant to be odd, and is cleared here.
  Value base = source(d.rs1());
  std::int32_t offset = d.imm();
  if ((d.imm() & 1) != 0) {
    const Value t = temp();
    out_.ri(Opcode::add64_i, t, base, d.imm());
    out_.ri(Opcode::and64_i, t, t, -2);
    base = t;
    offset = 0;
  } else if (d.rd() == d.rs1()) {
    const Value t = temp();
    out_.r(Opcode::mov64, t, base);
    base = t;
  }
  set_constant(d.rd(), next_);
  if (is_link(d.rd())) {
    out_.call_indirect(base, offset, {next_});
  } else {
    out_.jump_indirect(base, offset, is_link(d.rs1()) ? ir::JumpHint::ret : ir::JumpHint::plain);
  }
  ended_ = true;
}

void Translator::op_ecall(Word) { end_with_stop(ir::StopReason::syscall, next_); }
void Translator::op_ebreak(Word) { end_with_stop(ir::StopReason::breakpoint, pc_); }
void Translator::op_fence_i(Word) { end_with_stop(ir::StopReason::instruction_fence, next_); }

}  // namespace ashlar::riscv
