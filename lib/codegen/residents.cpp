// The choice of registers for loops; see residents.hpp.
#include "codegen/residents.hpp"

#include "ir/op_table.hpp"

namespace ashlar::codegen {

using ir::Inst;
using ir::Opcode;
using ir::Value;
using ir::WordIndex;

namespace {

std::size_t index(Value v) { return static_cast<std::size_t>(WordIndex::of(v)); }

/// Whether a jump, a branch or a side exit leads back to the beginning. (A call that does is recursion.)
/// `first`: the instruction where the loop begins.
bool goes_to_itself(const ir::Block& block, const Plan& plan, std::size_t first) {
  const auto exits = block.exits();
  const auto own = [&](std::uint16_t exit) { return exits[exit].target == block.key(); };
  if (std::none_of(exits.begin(), exits.end(), [&](const ir::Exit& e) { return e.target == block.key(); }))
    return false;
  // A side exit that skips a part of the block is a loop of several blocks, which comes in and goes out again
  // all the time.
  const auto skips = [&](const ir::Exit& exit) {
    return exit.target != block.key() &&
           std::any_of(block.guest_ranges().begin(), block.guest_ranges().end(),
                       [&](const GuestRange& range) { return range.contains(exit.target.addr); });
  };
  bool back = false;
  for (std::size_t n = first; n < block.insts().size(); ++n) {
    const Inst& inst = block.insts()[n];
    switch (ir::op_info(inst.op).form) {
      case ir::Form::xrr:
      case ir::Form::xri:
        if (plan[n].join != 0) break;
        if (skips(exits[inst.exit()])) return false;
        back = back || own(inst.exit());
        break;
      case ir::Form::brr:
      case ir::Form::bri:
        back = back || own(inst.exit()) || own(inst.exit_not());
        break;
      case ir::Form::jmp:
        back = back || (own(inst.exit()) && static_cast<ir::JumpHint>(inst.aux()) != ir::JumpHint::call);
        break;
      default:
        break;
    }
  }
  return back;
}

}  // namespace

void LoopResidents::count_uses(std::span<const Inst> insts) {
  const auto add = [this](Value v, unsigned weight) {
    if (!v.is_slot()) return;
    std::uint16_t& w = weight_[index(v)];
    if (w == 0) used_.push_back(v);
    w = static_cast<std::uint16_t>(w + weight);
  };
  for (const Inst& inst : insts) {
    ir::for_each_read(inst, [&](Value v) { add(v, 1); });
    // A write has to be stored at the latest where the block ends.
    add(inst.dst, 2);
  }
}

bool LoopResidents::choose(const ir::Block& block, const StateLayout& layout, const Plan& plan,
                           std::span<const Resident> usual, std::uint16_t loop_head, bool reads_frame) {
  exchanges_.clear();
  residents_.clear();
  // Of several copies of a body, the last, which leads back.
  const auto boundaries = block.boundaries();
  const std::size_t first = loop_head == 0 ? 0 : boundaries[boundaries.size() - loop_head].first_inst;
  if (!goes_to_itself(block, plan, first)) return false;
  // A helper finds the whole state where it usually is.
  for (const Inst& inst : block.insts())
    if (inst.op == Opcode::call_helper) return false;
  used_.clear();
  count_uses(block.insts().subspan(first));
  residents_.assign(usual.begin(), usual.end());
  const auto weight = [this](Value v) { return weight_[index(v)]; };
  const auto is_usual = [&](Value v) {
    return std::any_of(usual.begin(), usual.end(), [&](const Resident& r) { return r.slot == v; });
  };
  // Whoever leaves by side exits comes back as often, and pays for the exchange each time.
  bool leaves = false;
  for (std::size_t n = first; n < block.insts().size(); ++n) {
    const ir::Form form = ir::op_info(block.insts()[n].op).form;
    leaves = leaves || ((form == ir::Form::xrr || form == ir::Form::xri) && plan[n].join == 0);
  }
  const int margin = leaves ? 3 : reads_frame ? 1 : 0;
  std::stable_sort(used_.begin(), used_.end(), [&](Value x, Value y) { return weight(x) > weight(y); });
  for (const Value candidate : used_) {
    if (weight(candidate) < (reads_frame ? 2 : 1)) break;
    if (is_usual(candidate)) continue;
    const bool is_float = layout.slots[candidate.slot_index()].cls == SlotClass::real;
    Resident* poorest = nullptr;
    for (Resident& r : residents_)
      if (r.reg.is_float() == is_float && (poorest == nullptr || weight(r.slot) < weight(poorest->slot)))
        poorest = &r;
    if (poorest == nullptr || weight(poorest->slot) + margin >= weight(candidate)) continue;
    exchanges_.push_back({poorest->reg, poorest->slot, candidate});
    poorest->slot = candidate;
  }
  for (const Value v : used_) weight_[index(v)] = 0;
  return !exchanges_.empty();
}

}  // namespace ashlar::codegen
