// The two passes behind Plan.
#include "codegen/plan.hpp"

#include <algorithm>
#include <cstdlib>

namespace ashlar::codegen {

using ir::Inst;
using ir::Opcode;
using ir::Value;

void Plan::analyse(const ir::Block& block, const StateLayout& layout, std::int64_t slack) {
  const auto insts = block.insts();
  insts_.assign(insts.size(), InstPlan{});
  guest_inst_.assign(insts.size(), 0);
  const auto boundaries = block.boundaries();
  std::size_t at = 0;
  for (std::size_t i = 0; i < insts.size(); ++i) {
    while (at + 1 < boundaries.size() && boundaries[at + 1].first_inst <= i) ++at;
    guest_inst_[i] = static_cast<std::uint16_t>(at);
  }
  find_next_uses(block);
  find_checks(block, slack);
  (void)layout;
}

void Plan::find_next_uses(const ir::Block& block) {
  constexpr std::uint16_t kNever = InstPlan::kNever;
  next_.fill(kNever);
  uses_float_ = false;
  const auto insts = block.insts();
  // `overwritten` holds for a slot while scanning backwards: its value here is replaced before anything can observe the frame.
  // A bit set per word, cleared whole at each instruction that can leave, fault or look at state.
  std::array<std::uint64_t, (WordIndex::kCount + 63) / 64> overwritten{};
  const auto bit = [](int w) { return std::uint64_t{1} << (w & 63); };
  for (std::size_t n = insts.size(); n-- > 0;) {
    const Inst& inst = insts[n];
    const ir::OpInfo& op = ir::info(inst.op);
    InstPlan& plan = insts_[n];
    if (op.dst == ir::ValueClass::F || op.src == ir::ValueClass::F || op.src == ir::ValueClass::M ||
        (op.effects & ir::kFloatFlags) != 0) {
      uses_float_ = true;
    }
    if (op.effects & (ir::kMayFault | ir::kMayExit | ir::kState)) overwritten.fill(0);
    if (!inst.dst.is_none()) {
      const int w = WordIndex::of(inst.dst);
      plan.next_dst = next_[static_cast<std::size_t>(w)];
      next_[static_cast<std::size_t>(w)] = kNever;
      auto& set = overwritten[static_cast<std::size_t>(w) / 64];
      plan.dead_store = inst.dst.is_slot() && (set & bit(w)) != 0;
      if (!(op.effects & ir::kMayFault)) set |= bit(w);
    }
    const Reads reads = reads_of(op.form);
    const auto read = [&](Value v, std::uint16_t& next) {
      if (v.is_none() || v.is_zero()) return;
      next = next_[static_cast<std::size_t>(WordIndex::of(v))];
    };
    const auto mark = [&](Value v) {
      if (v.is_none() || v.is_zero()) return;
      next_[static_cast<std::size_t>(WordIndex::of(v))] = static_cast<std::uint16_t>(n);
    };
    if (reads.a) read(inst.a, plan.next_a);
    if (reads.b) read(inst.b, plan.next_b);
    if (reads.c) read(inst.c(), plan.next_c);
    if (reads.a) mark(inst.a);
    if (reads.b) mark(inst.b);
    if (reads.c) mark(inst.c());
  }
}

void Plan::find_checks(const ir::Block& block, std::int64_t slack) {
  // A base that passed the check stays good until it is overwritten; a value made from it by adding a constant inherits that with an
  // offset, as long as offset plus displacement stays within the guards.
  struct Known {
    std::int16_t word;
    std::int64_t offset;  // value of `word` is a checked address plus this
  };
  constexpr std::size_t kMax = 12;
  std::array<Known, kMax> known;
  std::size_t count = 0;
  const auto find = [&](Value v) -> Known* {
    for (std::size_t i = 0; i < count; ++i)
      if (known[i].word == v.word) return &known[i];
    return nullptr;
  };
  const auto drop = [&](Value v) {
    for (std::size_t i = 0; i < count; ++i)
      if (known[i].word == v.word) {
        known[i] = known[--count];
        return;
      }
  };
  const auto add = [&](Value v, std::int64_t offset) {
    drop(v);
    if (count == kMax) {
      std::move(known.begin() + 1, known.end(), known.begin());
      --count;
    }
    known[count++] = {v.word, offset};
  };
  const auto insts = block.insts();
  for (std::size_t n = 0; n < insts.size(); ++n) {
    const Inst& inst = insts[n];
    const ir::OpInfo& op = ir::info(inst.op);
    if (op.effects & ir::kMayFault && op.form != ir::Form::help) {
      const Known* base = find(inst.a);
      const std::int64_t disp = op.form == ir::Form::ld || op.form == ir::Form::st ? inst.imm : 0;
      if (base != nullptr && std::abs(base->offset + disp) < slack) {
        insts_[n].needs_check = false;
      } else {
        insts_[n].needs_check = true;
        // Only a check of the base itself (small displacement) says something about the base.
        if (std::abs(disp) < slack && !inst.a.is_zero()) add(inst.a, 0);
      }
    }
    if (inst.op == Opcode::call_helper) count = 0;
    if (inst.dst.is_none()) continue;
    if (inst.op == Opcode::add64_i || inst.op == Opcode::mov64) {
      const std::int64_t delta = inst.op == Opcode::mov64 ? 0 : inst.imm;
      const Known* base = find(inst.a);
      if (base != nullptr && std::abs(base->offset + delta) < slack) {
        add(inst.dst, base->offset + delta);
        continue;
      }
    }
    drop(inst.dst);
  }
}

}  // namespace ashlar::codegen
