// What a front end says about its guest's registers: their names, classes and how much each wants a host
// register.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ashlar {

enum class SlotClass : std::uint8_t {
  integer,  ///< one 64-bit word
  real,     ///< one 64-bit word, kept in float registers
};

struct SlotInfo {
  std::string name;  ///< unique; [A-Za-z_][A-Za-z0-9_.]*, not of the form t<digits>
  SlotClass cls = SlotClass::integer;
  /// Residency: slots with higher ranks are kept in host registers across blocks first; 0: never.
  std::uint8_t rank = 0;
};

/// The guest's state. Slot numbers are positions in `slots`; at most ir::Value::kMaxSlots. A layout must not
/// change while a context or vCPU uses it.
struct StateLayout {
  std::vector<SlotInfo> slots;
};

}  // namespace ashlar
