// The two passes behind Plan.
#include "codegen/plan.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdlib>
#include <cstring>
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
  if (!present_.accesses_memory) return;
  if (loop_head != 0) {
    find_checks_thoroughly(block, slack, loop_head);
  } else {
    find_checks(block, slack);
  }
}

/// Backwards, almost without branches on what an instruction is: the words of operands that it has not are
/// those of one more word that nobody asks for.
void Plan::find_next_uses(const ir::Block& block) {
  const auto insts = block.insts();
  // A stretch ends at each instruction that can leave, fault or look at state; its number is new in each
  // block, and so are those of instructions in `Word::next`: until there are no more numbers.
  if (base_ > ~std::uint32_t{0} - 2 * kBlock || stretch_ > ~std::uint32_t{0} - 2 * kBlock) {
    words_.fill({});
    base_ = stretch_ = 0;
  }
  std::uint32_t stretch = stretch_ + 1;
  const std::uint32_t base = base_ += kBlock;
  std::uint64_t present = 0;
  const auto position = [base](std::uint32_t use) {
    return static_cast<std::uint16_t>(use >= base ? use : InstPlan::kNever);
  };
  // The half of a plan without what follows from words alone, but for `next_c`.
  constexpr std::uint64_t kRest = std::bit_cast<std::array<std::uint64_t, 2>>(InstPlan{})[1];
  static_assert(offsetof(InstPlan, next_c) == sizeof kRest);
  Word* const words = words_.data();
  const ir::OpTraits* const traits = ir::kOpTraits.of.data();
  const Inst* inst = insts.data() + insts.size();
  InstPlan* plan = insts_.data() + insts.size();
  for (std::uint32_t number = base + static_cast<std::uint32_t>(insts.size()); number != base;) {
    --inst, --plan, --number;
    const ir::OpTraits& op = traits[static_cast<std::size_t>(inst->op)];
    present |= std::bit_cast<std::uint64_t>(op);

    Word& dst = words[WordIndex::masked(inst->dst)];
    stretch += op.observer;
    const std::uint32_t replaced_in = dst.replaced_in;
    std::memcpy(reinterpret_cast<std::byte*>(plan) + sizeof kRest, &kRest, sizeof kRest);
    plan->next_dst = position(dst.next);
    plan->dead_store = replaced_in == stretch;
    plan->needs_check = false;
    dst = {0, op.observer ? replaced_in : stretch};
    // All first, then the positions: operands may be the same.
    std::uint32_t& a = words[WordIndex::masked(inst->a)].next;
    std::uint32_t& b = words[WordIndex::masked(inst->b)].next;
    plan->next_a = position(a);
    plan->next_b = position(b);
    if (op.reads_c) {
      std::uint32_t& c = words[WordIndex::masked(inst->c())].next;
      plan->next_c = position(c);
      c = number;
    }
    a = b = number;
  }
  stretch_ = stretch;
  present_ = std::bit_cast<ir::OpTraits>(present);
}

const Plan::Checked* Plan::CheckedSet::find(const Address& address) const {
  for (std::size_t i = 0; i < count; ++i)
    if (all[i].address == address) return &all[i];
  return nullptr;
}

void Plan::CheckedSet::drop(Value v) {
  for (std::size_t i = count; i-- > 0;)
    if (all[i].address.reads(v.word)) all[i] = all[--count];
}

void Plan::CheckedSet::add(const Checked& checked) {
  words = (count == 0 ? 0 : words) | bit(checked.address.word);
  for (std::size_t i = 0; i < count; ++i)
    if (all[i].address == checked.address) {
      all[i] = checked;
      return;
    }
  if (count == kMax) {
    std::move(all.begin() + 1, all.end(), all.begin());
    --count;
  }
  all[count++] = checked;
}

void Plan::CheckedSet::intersect(const CheckedSet& other) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Checked* const theirs = other.find(all[i].address);
    if (theirs == nullptr) continue;
    const Checked mine = all[i];
    all[kept++] = {mine.address, std::min(mine.low, theirs->low), std::max(mine.high, theirs->high)};
  }
  count = kept;
}

void Plan::CheckedSet::keep_stable(const CheckedSet& other) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Checked* const theirs = other.find(all[i].address);
    if (theirs != nullptr && all[i].low <= theirs->low && theirs->high <= all[i].high) all[kept++] = all[i];
  }
  count = kept;
}

void Plan::CheckedSet::advance(Value v, std::int64_t by, std::int64_t slack) {
  for (std::size_t i = count; i-- > 0;) {
    Checked& c = all[i];
    if (!c.address.reads(v.word)) continue;
    std::int64_t delta = c.address.word == v.word ? by : 0;
    if (c.address.index == v.word) delta += by << c.address.shift;
    c.low += delta;
    c.high += delta;
    if (c.low <= -slack || c.high >= slack) c = all[--count];
  }
}

bool Plan::CheckedSet::operator==(const CheckedSet& other) const {
  return std::equal(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count), other.all.begin(),
                    other.all.begin() + static_cast<std::ptrdiff_t>(other.count));
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

/// For a block that is not worth much thought.
void Plan::find_checks(const ir::Block& block, std::int64_t slack) {
  arrivals_.clear();
  CheckedSet& known = known_;
  known.count = 0;
  const auto boundaries = block.boundaries();
  std::size_t boundary = 0;
  InstPlan* plan = insts_.data();
  for (const Inst& inst : block.insts()) {
    if (!arrivals_.empty()) {
      const auto n = static_cast<std::size_t>(plan - insts_.data());
      for (; boundary < boundaries.size() && boundaries[boundary].first_inst <= n; ++boundary)
        for (const Arrival& arrival : arrivals_)
          if (arrival.boundary == boundary) known.intersect(arrival.checked);
    }
    if (plan->join != 0) arrivals_.push_back({plan->join, known});
    if (ir::traits_of(inst.op).accesses_memory) find_check(inst, *plan, known, slack, false);
    if (known.count != 0 && known.may_concern(inst)) follow(inst, known, slack, false);
    ++plan;
  }
}

void Plan::find_checks_thoroughly(const ir::Block& block, std::int64_t slack, std::uint16_t loop_head) {
  CheckedSet known;
  arrivals_.clear();
  sums_.clear();
  if (ranges_ == nullptr) ranges_ = std::make_unique<Ranges>();
  ranges_->begin(slack);
  const auto boundaries = block.boundaries();
  const auto insts = block.insts();
  const auto run = [&](std::size_t n, std::size_t end, std::size_t boundary, auto&& leads_back) {
    for (; n < end; ++n) {
      for (; boundary < boundaries.size() && boundaries[boundary].first_inst <= n; ++boundary) {
        for (const Arrival& arrival : arrivals_)
          if (arrival.boundary == boundary) known.intersect(arrival.checked);
        if (!boundaries[boundary].join) continue;
        ranges_->begin(slack);
        sums_.clear();
      }
      const Inst& inst = insts[n];
      if (insts_[n].join != 0) arrivals_.push_back({insts_[n].join, known});
      if (ir::traits_of(inst.op).accesses_memory) find_check(inst, insts_[n], known, slack, true);
      if (insts_[n].join == 0) leads_back(inst);
      ranges_->execute(inst);
      follow(inst, known, slack, true);
    }
  };
  const std::size_t head = boundaries[loop_head].first_inst;
  CheckedSet back;
  bool leads = false;
  const auto is_own = [&](std::uint16_t exit) { return block.exits()[exit].target == block.key(); };
  const auto leads_back = [&](const Inst& inst) {
    const ir::Form form = ir::op_info(inst.op).form;
    const bool branch = form == ir::Form::brr || form == ir::Form::bri;
    const bool exit = form == ir::Form::xrr || form == ir::Form::xri;
    if (!(branch || exit || form == ir::Form::jmp)) return;
    if (!is_own(inst.exit()) && !(branch && is_own(inst.exit_not()))) return;
    if (leads) {
      back.intersect(known);
    } else {
      back = known;
    }
    leads = true;
  };
  run(0, head, 0, leads_back);
  if (leads) known.intersect(back);
  for (const Arrival& arrival : arrivals_)
    if (arrival.boundary == loop_head) known.intersect(arrival.checked);
  const std::size_t arrivals = arrivals_.size();
  // What the first copy of the body knows at its end, the second knows where it begins, as far as it leaves
  // things so wherever it leads back: a pointer that is accessed in each round, and goes on by less than the
  // guards swallow, needs no check.
  constexpr unsigned kWidenings = 2;
  for (unsigned round = 0;; ++round) {
    const CheckedSet at_head = known;
    leads = false;
    arrivals_.resize(arrivals);
    for (std::size_t n = head; n < insts.size(); ++n) {
      insts_[n].needs_check = false;
      insts_[n].check_instead = {};
    }
    run(head, insts.size(), loop_head, leads_back);
    known = at_head;
    if (!leads) return;
    if (round < kWidenings) {
      known.intersect(back);
    } else {
      known.keep_stable(back);
    }
    if (known == at_head) return;
  }
}

/// Says whether an access has to look at its base, and what is known behind it.
void Plan::find_check(const Inst& inst, InstPlan& plan, CheckedSet& known, std::int64_t slack,
                      bool thorough) {
  const ir::Form form = ir::op_info(inst.op).form;
  const std::int64_t disp = form == ir::Form::ld || form == ir::Form::st ? inst.imm : 0;
  const auto is_near = [&](const Checked* word, std::int64_t low, std::int64_t high) {
    return word != nullptr && word->low + low > -slack && word->high + high < slack;
  };
  std::optional<Ranges::Sum> sum;
  // Atomics check their alignment together with their window.
  if (thorough && (form == ir::Form::ld || form == ir::Form::st)) sum = ranges_->of(inst.a);
  if (sum &&
      (!sum->base.is_slot() || std::abs(sum->low + disp) >= slack || std::abs(sum->high + disp) >= slack))
    sum.reset();
  const bool small = std::abs(disp) < slack;
  if (!is_near(known.find(inst.a), disp, disp) &&
      !(sum && is_near(known.find(sum->base), sum->low + disp, sum->high + disp))) {
    plan.needs_check = true;
    if (sum) {
      plan.check_instead = sum->base;
      known.add(sum->base, 0);
    } else if (small && !inst.a.is_zero()) {
      // Only a check of the base itself (small displacement) says something about the base.
      known.add(inst.a, 0);
    }
  }
  // (A store-conditional may fail without having looked.)
  if (!thorough || !small || inst.a.is_zero() || !(form == ir::Form::ld || form == ir::Form::st)) return;
  // It lies in the window now, or nobody goes on here.
  known.add(inst.a, -disp);
  for (const Sum& s : sums_)
    if (s.word == inst.a.word) known.add({s.is, -disp, -disp});
}

/// What becomes of checked addresses when the instruction writes.
void Plan::follow(const Inst& inst, CheckedSet& known, std::int64_t slack, bool thorough) {
  if (inst.op == Opcode::call_helper) known.count = 0;
  if (inst.dst.is_none()) return;
  std::optional<Address> is;
  if (thorough) {
    std::erase_if(sums_, [&](const Sum& s) { return s.word == inst.dst.word || s.is.reads(inst.dst.word); });
    constexpr unsigned kMostShift = 16;  // so that nothing overflows
    const bool scaled = inst.op == Opcode::addshl64 && inst.aux() <= kMostShift;
    if ((scaled || inst.op == Opcode::add64) && !inst.a.is_zero() && !inst.b.is_zero()) {
      is = Address{inst.b.word, inst.a.word, static_cast<std::uint8_t>(scaled ? inst.aux() : 0)};
      // One order of those that may be exchanged.
      if (!scaled && is->word > is->index) std::swap(is->word, is->index);
    }
  }
  std::optional<Checked> made;
  const bool moves = inst.op == Opcode::add64_i || inst.op == Opcode::mov64;
  const std::int64_t delta = inst.op == Opcode::add64_i ? inst.imm : 0;
  if (const Checked* const base = moves ? known.find(inst.a) : is ? known.find(*is) : nullptr) {
    made = Checked{{inst.dst.word}, base->low + delta, base->high + delta};
    if (made->low <= -slack || made->high >= slack) made.reset();
  }
  if (thorough && inst.op == Opcode::add64_i && inst.dst == inst.a) {
    known.advance(inst.dst, inst.imm, slack);
  } else {
    known.drop(inst.dst);
  }
  if (made) known.add(*made);
  if (is && !is->reads(inst.dst.word)) sums_.push_back({inst.dst.word, *is});
}

}  // namespace ashlar::codegen
