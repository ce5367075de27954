// Which state slots live in host registers across linked blocks: the front end ranks, the host offers
// registers. Used by both hosts and by the engine, which moves residents between registers and frame at
// faults.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <ashlar/ir.hpp>
#include <ashlar/state_layout.hpp>

#include "codegen/plan.hpp"
#include "codegen/reg.hpp"
#include "ir/operands.hpp"

namespace ashlar::codegen {

/// Slots of the greatest weights, if there are weights, and of the highest ranks, in slot order, one for each
/// of the offered registers. Deterministic.
inline std::vector<Resident> choose_residents(const StateLayout& layout, std::span<const Reg> integer_regs,
                                              std::span<const Reg> float_regs,
                                              std::span<const std::uint64_t> weights) {
  const auto value = [&](unsigned slot) {
    return std::pair(weights.empty() ? 0 : weights[slot], layout.slots[slot].rank);
  };
  std::vector<Resident> residents;
  for (const SlotClass cls : {SlotClass::integer, SlotClass::real}) {
    const std::span<const Reg> regs = cls == SlotClass::integer ? integer_regs : float_regs;
    std::vector<unsigned> slots;
    for (unsigned i = 0; i < layout.slots.size(); ++i)
      if (layout.slots[i].cls == cls && layout.slots[i].rank != 0) slots.push_back(i);
    std::stable_sort(slots.begin(), slots.end(), [&](unsigned x, unsigned y) { return value(x) > value(y); });
    if (slots.size() > regs.size()) slots.resize(regs.size());
    std::sort(slots.begin(), slots.end());
    for (std::size_t i = 0; i < slots.size(); ++i) residents.push_back({ir::Value::slot(slots[i]), regs[i]});
  }
  return residents;
}

/// A block that jumps back to its own beginning is a loop, and may choose anew what lives in registers while
/// it runs: slots that it uses often take the places of residents that it uses little or not at all. It
/// exchanges them on its way in, and back on every way out. Keeps its buffers from block to block.
class LoopResidents {
 public:
  struct Exchange {
    Reg reg;
    ir::Value usual;   ///< lives here outside the loop, in the frame inside
    ir::Value inside;  ///< lives here inside the loop
  };

  /// `usual`: what choose_residents gave. `loop_head`: see CompileOptions. `reads_frame`: the host's
  /// instructions have operands in the frame, so that a single read costs no more there than in a register.
  /// False, and nothing to exchange, when the block is no loop or is content with `usual`.
  bool choose(const ir::Block& block, const StateLayout& layout, const Plan& plan,
              std::span<const Resident> usual, std::uint16_t loop_head = 0, bool reads_frame = true);
  std::span<const Exchange> exchanges() const { return exchanges_; }
  /// What lives where inside.
  std::span<const Resident> residents() const { return residents_; }

 private:
  void count_uses(std::span<const ir::Inst> insts);

  std::vector<Exchange> exchanges_;
  std::vector<Resident> residents_;
  std::vector<ir::Value> used_;
  std::array<std::uint16_t, ir::WordIndex::kCount> weight_{};  ///< all 0 between blocks
};

}  // namespace ashlar::codegen
