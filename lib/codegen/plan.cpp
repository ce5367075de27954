// The two passes behind Plan.
#include "codegen/plan.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <optional>

#include "ir/op_table.hpp"

namespace ashlar::codegen {

using ir::Inst;
using ir::Opcode;
using ir::Value;

void Plan::analyse(const ir::Block& block, std::int64_t slack, bool joins, std::uint16_t loop_head) {
  insts_.resize(block.insts().size());
  find_next_uses(block);
  if (joins && present_.side_exit) find_joins(block);
  if (present_.accesses_memory) find_checks(block, slack, loop_head);
}

/// Backwards, almost without branches on what an instruction is: the words of operands that it has not are
/// those of one more word that nobody asks for.
void Plan::find_next_uses(const ir::Block& block) {
  const auto insts = block.insts();
  // A stretch ends at each instruction that can leave, fault or look at state; its number is new in each
  // block, and so are those of instructions in `next_`.
  std::uint32_t stretch = stretch_ + 1;
  const std::uint64_t base = base_ += kBlock;
  std::uint64_t present = 0;
  const auto position = [base](std::uint64_t use) {
    return use >= base ? static_cast<std::uint16_t>(use) : InstPlan::kNever;
  };
  std::uint64_t* const next = next_.data();
  std::uint32_t* const replaced_in = replaced_in_.data();
  InstPlan* const plans = insts_.data();
  for (std::size_t n = insts.size(); n-- > 0;) {
    const Inst& inst = insts[n];
    const ir::OpTraits op = ir::traits_of(inst.op);
    present |= std::bit_cast<std::uint64_t>(op);
    stretch += op.observer;

    InstPlan plan;
    const std::size_t dst = WordIndex::or_none(inst.dst);
    plan.next_dst = position(next[dst]);
    next[dst] = 0;
    plan.dead_store = inst.dst.is_slot() & (replaced_in[dst] == stretch);
    replaced_in[dst] = op.observer ? replaced_in[dst] : stretch;
    // All first, then the positions: operands may be the same.
    const std::size_t a = WordIndex::or_none(inst.a), b = WordIndex::or_none(inst.b);
    plan.next_a = position(next[a]);
    plan.next_b = position(next[b]);
    if (op.reads_c) {
      const std::size_t c = WordIndex::or_none(inst.c());
      plan.next_c = position(next[c]);
      next[c] = base + n;
    }
    next[a] = next[b] = base + n;
    plans[n] = plan;
  }
  stretch_ = stretch;
  present_ = std::bit_cast<ir::OpTraits>(present);
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

void Plan::CheckedSet::survive(std::span<const Inst> insts) {
  for (const Inst& inst : insts)
    if (!inst.dst.is_none()) drop(inst.dst);
}

void Plan::find_joins(const ir::Block& block) {
  const auto boundaries = block.boundaries();
  if (std::none_of(boundaries.begin(), boundaries.end(), [](const ir::Boundary& b) { return b.join; }))
    return;
  std::size_t behind = 0;  // the first boundary behind instruction n
  for (std::size_t n = 0; n < insts_.size(); ++n) {
    while (behind < boundaries.size() && boundaries[behind].first_inst <= n) ++behind;
    const Inst& inst = block.insts()[n];
    if (!ir::traits_of(inst.op).side_exit) continue;
    const BlockKey target = block.exits()[inst.exit()].target;
    if (target.mode != block.key().mode) continue;
    for (std::size_t i = behind; i < boundaries.size(); ++i)
      if (boundaries[i].join && boundaries[i].pc == target.addr) {
        insts_[n].join = static_cast<std::uint16_t>(i);
        break;
      }
  }
}

void Plan::find_checks(const ir::Block& block, std::int64_t slack, std::uint16_t loop_head) {
  CheckedSet known;
  arrivals_.clear();
  const bool thorough = loop_head != 0;
  if (thorough) ranges_.begin(slack);
  const auto boundaries = block.boundaries();
  std::size_t boundary = 0;
  const auto insts = block.insts();
  for (std::size_t n = 0; n < insts.size(); ++n) {
    if (thorough || !arrivals_.empty()) {
      for (; boundary < boundaries.size() && boundaries[boundary].first_inst <= n; ++boundary) {
        for (const Arrival& arrival : arrivals_)
          if (arrival.boundary == boundary) known.intersect(arrival.checked);
        if (!thorough || !boundaries[boundary].join) continue;
        ranges_.begin(slack);
        if (boundary == loop_head) known.survive(insts.subspan(n));
      }
    }
    const Inst& inst = insts[n];
    if (insts_[n].join != 0) arrivals_.push_back({insts_[n].join, known});
    if (ir::traits_of(inst.op).accesses_memory) {
      const ir::Form form = ir::op_info(inst.op).form;
      const std::int64_t disp = form == ir::Form::ld || form == ir::Form::st ? inst.imm : 0;
      const auto is_near = [&](const Checked* word, std::int64_t low, std::int64_t high) {
        return word != nullptr && std::abs(word->offset + low) < slack &&
               std::abs(word->offset + high) < slack;
      };
      std::optional<Ranges::Sum> sum;
      // Atomics check their alignment together with their window.
      if (thorough && (form == ir::Form::ld || form == ir::Form::st)) sum = ranges_.of(inst.a);
      if (sum &&
          (!sum->base.is_slot() || std::abs(sum->low + disp) >= slack || std::abs(sum->high + disp) >= slack))
        sum.reset();
      if (!is_near(known.find(inst.a), disp, disp) &&
          !(sum && is_near(known.find(sum->base), sum->low + disp, sum->high + disp))) {
        insts_[n].needs_check = true;
        if (sum) {
          insts_[n].check_instead = sum->base;
          known.add(sum->base, 0);
        } else if (std::abs(disp) < slack && !inst.a.is_zero()) {
          // Only a check of the base itself (small displacement) says something about the base.
          known.add(inst.a, 0);
        }
      }
    }
    if (thorough) ranges_.execute(inst);
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
