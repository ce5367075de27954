// The opcode table as a constant that the compiler can look into. For the library's own rooms; embedders call
// ir::info.
#pragma once

#include <array>

#include <ashlar/ir.hpp>

namespace ashlar::ir {

namespace op_table_detail {

// The effects column's words. A scope of their own, because they are short.
enum : std::uint16_t {
  MR = kReadsMemory,
  MW = kWritesMemory,
  FLT = kMayFault,
  EXIT = kMayExit,
  BAR = kBarrier,
  COM = kCommutative,
  FP = kFloatFlags,
  RND = kRounds,
  TERM = kTerminal,
  ST = kState,
};

inline constexpr std::array<OpInfo, kOpcodeCount> kTable = {{
#define ASHLAR_OP(name, form, dst, src, effects) \
  {#name, Form::form, ValueClass::dst, ValueClass::src, static_cast<std::uint16_t>(effects)},
#include <ashlar/opcodes.inc>
#undef ASHLAR_OP
}};

}  // namespace op_table_detail

/// The table's line for `op`; what ir::info gives, without the call. Precondition: `op` is in the table.
constexpr const OpInfo& op_info(Opcode op) noexcept {
  return op_table_detail::kTable[static_cast<std::size_t>(op)];
}

}  // namespace ashlar::ir
