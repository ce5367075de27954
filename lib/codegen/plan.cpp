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
  const auto insts = block.insts();
  insts_.assign(insts.size(), InstPlan{});
  guest_inst_.assign(insts.size(), 0);
  const auto boundaries = block.boundaries();
  std::size_t at = 0;
  for (std::size_t i = 0; i < insts.size(); ++i) {
    while (at + 1 < boundaries.size() && boundaries[at + 1].first_inst <= i) ++at;
    guest_inst_[i] = static_cast<std::uint16_t>(at);
  }
  if (joins) find_joins(block);
  find_next_uses(block);
  find_checks(block, slack);
}

void Plan::find_next_uses(const ir::Block& block) {
  uses_float_ = false;
  const auto insts = block.insts();
  // Backwards. A stretch ends at each instruction that can leave, fault or look at state; its number is new
  // in each block.
  ++stretch_;
  ++serial_;
  const auto next_of = [this](Value v) -> NextUse& {
    NextUse& use = next_[static_cast<std::size_t>(WordIndex::of(v))];
    if (use.serial != serial_) use = {serial_, InstPlan::kNever};
    return use;
  };
  for (std::size_t n = insts.size(); n-- > 0;) {
    const Inst& inst = insts[n];
    const ir::OpTraits& op = ir::traits_of(inst.op);
    InstPlan& plan = insts_[n];
    uses_float_ = uses_float_ || op.touches_float;
    if (op.observer) ++stretch_;
    if (!inst.dst.is_none()) {
      NextUse& use = next_of(inst.dst);
      plan.next_dst = use.at;
      use.at = InstPlan::kNever;
      std::uint32_t& replaced_in = replaced_in_[static_cast<std::size_t>(WordIndex::of(inst.dst))];
      plan.dead_store = inst.dst.is_slot() && replaced_in == stretch_;
      if (!op.observer) replaced_in = stretch_;
    }
    // All first, then the positions: operands may be the same.
    const Value none;
    const Value a = op.reads_a ? inst.a : none, b = op.reads_b ? inst.b : none,
                c = op.reads_c ? inst.c() : none;
    if (!a.is_none()) plan.next_a = next_of(a).at;
    if (!b.is_none()) plan.next_b = next_of(b).at;
    if (!c.is_none()) plan.next_c = next_of(c).at;
    const auto here = static_cast<std::uint16_t>(n);
    if (!a.is_none()) next_of(a).at = here;
    if (!b.is_none()) next_of(b).at = here;
    if (!c.is_none()) next_of(c).at = here;
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
    const ir::Form form = ir::op_info(inst.op).form;
    if (form != ir::Form::xrr && form != ir::Form::xri) continue;
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
    for (; boundary < boundaries.size() && boundaries[boundary].first_inst <= n; ++boundary)
      for (const Arrival& arrival : arrivals_)
        if (arrival.boundary == boundary) known.intersect(arrival.checked);
    const Inst& inst = insts[n];
    const ir::OpInfo& op = ir::op_info(inst.op);
    if (insts_[n].join != 0) arrivals_.push_back({insts_[n].join, known});
    if (op.effects & ir::kMayFault && op.form != ir::Form::help) {
      const Checked* base = known.find(inst.a);
      const std::int64_t disp = op.form == ir::Form::ld || op.form == ir::Form::st ? inst.imm : 0;
      if (base != nullptr && std::abs(base->offset + disp) < slack) {
        insts_[n].needs_check = false;
      } else {
        insts_[n].needs_check = true;
        // Only a check of the base itself (small displacement) says something about the base.
        if (std::abs(disp) < slack && !inst.a.is_zero()) known.add(inst.a, 0);
      }
    }
    if (inst.op == Opcode::call_helper) known.count = 0;
    if (inst.dst.is_none()) continue;
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
