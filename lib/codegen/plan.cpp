// The two passes behind Plan.
#include "codegen/plan.hpp"

#include <algorithm>
#include <cstdlib>

#include "ir/op_table.hpp"

namespace ashlar::codegen {

using ir::Inst;
using ir::Opcode;
using ir::Value;

void Plan::analyse(const ir::Block& block, const StateLayout& layout, std::int64_t slack, bool joins) {
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
  (void)layout;
}

void Plan::find_next_uses(const ir::Block& block) {
  uses_float_ = false;
  const auto insts = block.insts();
  const auto word_of = [](Value v) { return static_cast<std::size_t>(WordIndex::of(v)); };
  // Backwards. A stretch ends at each instruction that can leave, fault or look at state; its number is new
  // in each block.
  ++stretch_;
  for (std::size_t n = insts.size(); n-- > 0;) {
    const Inst& inst = insts[n];
    const ir::OpInfo& op = ir::op_info(inst.op);
    InstPlan& plan = insts_[n];
    if (op.dst == ir::ValueClass::F || op.src == ir::ValueClass::F || op.src == ir::ValueClass::M ||
        (op.effects & ir::kFloatFlags) != 0) {
      uses_float_ = true;
    }
    if (ir::is_observer(op)) ++stretch_;
    // Positions are kept plus one; kNever is one less than 0.
    if (!inst.dst.is_none()) {
      const std::size_t w = word_of(inst.dst);
      plan.next_dst = static_cast<std::uint16_t>(next_[w] - 1);
      next_[w] = 0;
      plan.dead_store = inst.dst.is_slot() && replaced_in_[w] == stretch_;
      if (!ir::is_observer(op)) replaced_in_[w] = stretch_;
    }
    const Reads reads = reads_of(op.form);
    const Value values[3] = {inst.a, inst.b, inst.c()};
    const bool read[3] = {reads.a, reads.b, reads.c};
    std::uint16_t* const next[3] = {&plan.next_a, &plan.next_b, &plan.next_c};
    for (int i = 0; i < 3; ++i)
      if (read[i] && !values[i].is_none() && !values[i].is_zero())
        *next[i] = static_cast<std::uint16_t>(next_[word_of(values[i])] - 1);
    for (int i = 0; i < 3; ++i)
      if (read[i] && !values[i].is_none() && !values[i].is_zero())
        next_[word_of(values[i])] = static_cast<std::uint16_t>(n + 1);
  }
  for (const Inst& inst : insts) {
    const Reads reads = reads_of(ir::op_info(inst.op).form);
    if (reads.a && !inst.a.is_none()) next_[word_of(inst.a)] = 0;
    if (reads.b && !inst.b.is_none()) next_[word_of(inst.b)] = 0;
    if (reads.c && !inst.c().is_none()) next_[word_of(inst.c())] = 0;
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
