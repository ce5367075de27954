// The two passes behind Plan.
#include "codegen/plan.hpp"

#include <algorithm>
#include <cstdlib>

#include "ir/op_table.hpp"

namespace ashlar::codegen {

using ir::Inst;
using ir::Opcode;
using ir::Value;

void Plan::analyse(const ir::Block& block, std::int64_t slack, bool joins) {
  insts_.resize(block.insts().size());
  guest_inst_.resize(block.insts().size());
  find_next_uses(block);
  if (joins && has_joins_ && has_side_exits_) find_joins(block);
  if (has_accesses_) find_checks(block, slack);
}

void Plan::find_next_uses(const ir::Block& block) {
  uses_float_ = has_joins_ = has_side_exits_ = has_accesses_ = false;
  const auto insts = block.insts();
  const auto boundaries = block.boundaries();
  std::size_t boundary = boundaries.empty() ? 0 : boundaries.size() - 1;
  // Backwards. A stretch ends at each instruction that can leave, fault or look at state; its number is new
  // in each block, and so are those of instructions in `next_`.
  ++stretch_;
  base_ += kBlock;
  const auto at = [](Value v) { return static_cast<std::size_t>(WordIndex::of(v)); };
  const auto position = [this](std::uint64_t use) {
    return use >= base_ ? static_cast<std::uint16_t>(use - base_) : InstPlan::kNever;
  };
  for (std::size_t n = insts.size(); n-- > 0;) {
    const Inst& inst = insts[n];
    const ir::OpTraits& op = ir::traits_of(inst.op);
    InstPlan plan;
    uses_float_ |= op.touches_float;
    has_side_exits_ |= op.side_exit;
    has_accesses_ |= op.accesses_memory;
    while (boundary != 0 && boundaries[boundary].first_inst > n) has_joins_ |= boundaries[boundary--].join;
    guest_inst_[n] = static_cast<std::uint16_t>(boundary);
    if (op.observer) ++stretch_;
    if (!inst.dst.is_none()) {
      const std::size_t dst = at(inst.dst);
      plan.next_dst = position(next_[dst]);
      next_[dst] = 0;
      plan.dead_store = inst.dst.is_slot() && replaced_in_[dst] == stretch_;
      if (!op.observer) replaced_in_[dst] = stretch_;
    }
    const auto look_up = [&](bool reads, Value v, std::uint16_t& next) -> std::uint64_t* {
      if (!reads || v.is_none()) return nullptr;
      std::uint64_t& use = next_[at(v)];
      next = position(use);
      return &use;
    };
    // All first, then the positions: operands may be the same.
    std::uint64_t* const a = look_up(op.reads_a, inst.a, plan.next_a);
    std::uint64_t* const b = look_up(op.reads_b, inst.b, plan.next_b);
    std::uint64_t* const c = look_up(op.reads_c, inst.c(), plan.next_c);
    for (std::uint64_t* use : {a, b, c})
      if (use != nullptr) *use = base_ + n;
    insts_[n] = plan;
  }
}

Plan::Checked* Plan::CheckedSet::find(Value v) {
  for (std::size_t i = 0; i < count; ++i)
    if (all[i].word == v.word) return &all[i];
  return nullptr;
}

void Plan::CheckedSet::drop(Value v) {
  if (Checked* const known = find(v)) *known = all[--count];
}

void Plan::CheckedSet::add(Value v, std::int64_t offset) {
  drop(v);
  if (count == kMax) {
    std::move(all.begin() + 1, all.end(), all.begin());
    --count;
  }
  all[count++] = {v.word, offset};
}

void Plan::CheckedSet::intersect(const CheckedSet& other) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto end = other.all.begin() + static_cast<std::ptrdiff_t>(other.count);
    if (std::find(other.all.begin(), end, all[i]) != end) all[kept++] = all[i];
  }
  count = kept;
}

void Plan::find_joins(const ir::Block& block) {
  const auto boundaries = block.boundaries();
  for (std::size_t n = 0; n < insts_.size(); ++n) {
    const Inst& inst = block.insts()[n];
    if (!ir::traits_of(inst.op).side_exit) continue;
    const BlockKey target = block.exits()[inst.exit()].target;
    if (target.mode != block.key().mode) continue;
    for (std::size_t i = guest_inst_[n] + std::size_t{1}; i < boundaries.size(); ++i)
      if (boundaries[i].join && boundaries[i].pc == target.addr) {
        insts_[n].join = static_cast<std::uint16_t>(i);
        break;
      }
  }
}

void Plan::find_checks(const ir::Block& block, std::int64_t slack) {
  CheckedSet known;
  arrivals_.clear();
  const auto boundaries = block.boundaries();
  std::size_t boundary = 0;
  const auto insts = block.insts();
  for (std::size_t n = 0; n < insts.size(); ++n) {
    if (!arrivals_.empty()) {
      for (; boundary < boundaries.size() && boundaries[boundary].first_inst <= n; ++boundary)
        for (const Arrival& arrival : arrivals_)
          if (arrival.boundary == boundary) known.intersect(arrival.checked);
    }
    const Inst& inst = insts[n];
    if (insts_[n].join != 0) arrivals_.push_back({insts_[n].join, known});
    if (ir::traits_of(inst.op).accesses_memory) {
      const ir::Form form = ir::op_info(inst.op).form;
      const Checked* base = known.find(inst.a);
      const std::int64_t disp = form == ir::Form::ld || form == ir::Form::st ? inst.imm : 0;
      if (base != nullptr && std::abs(base->offset + disp) < slack) {
        insts_[n].needs_check = false;
      } else {
        insts_[n].needs_check = true;
        // Only a check of the base itself (small displacement) says something about the base.
        if (std::abs(disp) < slack && !inst.a.is_zero()) known.add(inst.a, 0);
      }
    }
    if (inst.op == Opcode::call_helper) known.count = 0;
    if (inst.dst.is_none() || known.count == 0) continue;
    if (inst.op == Opcode::add64_i || inst.op == Opcode::mov64) {
      const std::int64_t delta = inst.op == Opcode::mov64 ? 0 : inst.imm;
      const Checked* base = known.find(inst.a);
      if (base != nullptr && std::abs(base->offset + delta) < slack) {
        known.add(inst.dst, base->offset + delta);
        continue;
      }
    }
    known.drop(inst.dst);
  }
}

}  // namespace ashlar::codegen
