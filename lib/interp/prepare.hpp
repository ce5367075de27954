// Prepared code: a block's instructions as the interpreter runs them best. Two things are changed, both by
// opcodes beyond the table's, which stand in fused.inc. Frequent pairs of neighbours are executed by one
// handler: a dispatch costs more than most instructions. And an operand that is the result of the last
// instruction with a result is taken from the loop's register instead of from memory, because a load that
// waits for the store before it costs more than a dispatch.
//
// Positions stay as in the IR, and everything is in memory as well, so that execution can begin at any
// instruction, given the last result. The engine prepares each block once.
#pragma once

#include <cstdint>
#include <span>

#include <ashlar/ir.hpp>

#include "ir/op_table.hpp"

namespace ashlar::interp {

/// Where an instruction gets its operands: from memory, or a or b from the last result.
enum class Source : std::uint8_t { m, a, b };

/// Opcodes of prepared code, behind those of the table.
enum class FusedOpcode : std::uint16_t {
  stop_here = static_cast<std::uint16_t>(
      ir::kOpcodeCount),  ///< the loop's own: leaves in front of a guest instruction
#define ASHLAR_ONE(op, source) op##_##source,
#define ASHLAR_TWO(first, source1, second, source2) first##_##source1##_##second##_##source2,
#include "interp/fused.inc"
#undef ASHLAR_ONE
#undef ASHLAR_TWO
};
inline constexpr auto kStopHere = static_cast<std::uint16_t>(FusedOpcode::stop_here);

/// Whether an opcode reads a value operand a, or b. Helpers' operands do not count: what they change is not
/// followed.
constexpr bool reads_a(ir::Opcode op) {
  switch (ir::op_info(op).form) {
    using enum ir::Form;
    case nop:
    case c64:
    case d:
    case fence:
    case help:
    case jmp:
    case exit:
      return false;
    case s:
    case r:
    case rr:
    case ri:
    case rrx:
    case rx:
    case rrr:
    case ld:
    case st:
    case amo:
    case cas:
    case xrr:
    case xri:
    case brr:
    case bri:
    case ind:
    case mode:
      return true;
  }
  return false;
}
constexpr bool reads_b(ir::Opcode op) {
  switch (ir::op_info(op).form) {
    using enum ir::Form;
    case rr:
    case rrx:
    case rrr:
    case st:
    case cas:
    case xrr:
    case brr:
    case mode:
      return true;
    case amo:
      return op != ir::Opcode::lr32 && op != ir::Opcode::lr64;
    case nop:
    case c64:
    case d:
    case fence:
    case help:
    case jmp:
    case exit:
    case s:
    case r:
    case ri:
    case rx:
    case ld:
    case xri:
    case bri:
    case ind:
      return false;
  }
  return false;
}

/// Writes the prepared form of `insts` (all instructions of a block) to `out`, of the same size: what
/// CodeBlock::insts is to point to. A few nanoseconds for each instruction.
void prepare(std::span<const ir::Inst> insts, std::span<ir::Inst> out) noexcept;

/// The word that holds the last result in front of instruction `index`, or Value::kNone.
std::int16_t last_result(std::span<const ir::Inst> insts, std::size_t index) noexcept;

}  // namespace ashlar::interp
