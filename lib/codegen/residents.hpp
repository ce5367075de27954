// Which state slots live in host registers across linked blocks: the front end ranks, the host offers
// registers. Used by both hosts and by the engine, which moves residents between registers and frame at
// faults.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include <ashlar/state_layout.hpp>

#include "codegen/register_cache.hpp"

namespace ashlar::codegen {

/// Slots of the highest ranks, in slot order, one for each of the offered registers. Deterministic.
inline std::vector<Resident> choose_residents(const StateLayout& layout, std::span<const Reg> integer_regs,
                                              std::span<const Reg> float_regs) {
  std::vector<Resident> residents;
  for (const SlotClass cls : {SlotClass::integer, SlotClass::real}) {
    const std::span<const Reg> regs = cls == SlotClass::integer ? integer_regs : float_regs;
    std::vector<unsigned> slots;
    for (unsigned i = 0; i < layout.slots.size(); ++i)
      if (layout.slots[i].cls == cls && layout.slots[i].rank != 0) slots.push_back(i);
    std::stable_sort(slots.begin(), slots.end(),
                     [&](unsigned x, unsigned y) { return layout.slots[x].rank > layout.slots[y].rank; });
    if (slots.size() > regs.size()) slots.resize(regs.size());
    std::sort(slots.begin(), slots.end());
    for (std::size_t i = 0; i < slots.size(); ++i) residents.push_back({ir::Value::slot(slots[i]), regs[i]});
  }
  return residents;
}

}  // namespace ashlar::codegen
