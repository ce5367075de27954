// What the fields of an instruction hold, opcode by opcode: the table's form column spelled out. For the
// printer, parser, verifier, passes, translator and tests.
#pragma once

#include <cstdint>

#include <ashlar/ir.hpp>

#include "ir/op_table.hpp"

namespace ashlar::ir {

/// What aux (and aux2) say.
enum class AuxKind : std::uint8_t {
  none,
  rounding,   ///< RoundingMode
  division,   ///< DivisionRule
  shift32,    ///< a shift count, 0..31
  shift64,    ///< a shift count, 0..63
  bit_field,  ///< aux lowest bit, aux2 width
  order,      ///< MemoryOrder bits
  fence,      ///< predecessor << 4 | successor
  hint,       ///< JumpHint
  stop,       ///< StopReason
};

/// What bits 15..0 of ext hold. `branch` is both halves of ext.
enum class LowHalf : std::uint8_t { none, operand_c, exit, branch, return_site };

/// What imm holds.
enum class ImmKind : std::uint8_t { none, constant, const64, displacement, helper, return_site, detail };

struct Shape {
  // Classes of the operands: I or F; N where there is none.
  ValueClass dst = ValueClass::N;
  ValueClass a = ValueClass::N;
  ValueClass b = ValueClass::N;
  ValueClass c = ValueClass::N;
  bool optional = false;  ///< the operands may be left out, arguments from the right (call_helper)
  ImmKind imm = ImmKind::none;
  AuxKind aux = AuxKind::none;
  LowHalf low = LowHalf::none;
};

constexpr AuxKind aux_kind(Opcode op) {
  const OpInfo& line = op_info(op);
  if ((line.effects & kRounds) != 0) return AuxKind::rounding;
  switch (line.form) {
    case Form::amo:
    case Form::cas:
      return AuxKind::order;
    case Form::fence:
      return AuxKind::fence;
    case Form::jmp:
    case Form::ind:
      return AuxKind::hint;
    case Form::exit:
      return AuxKind::stop;
    default:
      break;
  }
  switch (op) {
    case Opcode::addshl64:
    case Opcode::shl_u32:
      return AuxKind::shift64;
    case Opcode::addshl_u32:
      return AuxKind::shift32;
    case Opcode::ubfx64:
    case Opcode::sbfx64:
      return AuxKind::bit_field;
    case Opcode::div_s64:
    case Opcode::div_u64:
    case Opcode::rem_s64:
    case Opcode::rem_u64:
    case Opcode::div_s32s:
    case Opcode::div_u32s:
    case Opcode::rem_s32s:
    case Opcode::rem_u32s:
      return AuxKind::division;
    default:
      return AuxKind::none;
  }
}

constexpr Shape shape_of(Opcode op) {
  using V = ValueClass;
  const OpInfo& line = op_info(op);
  Shape s;
  s.aux = aux_kind(op);
  s.dst = line.dst;
  const V value = line.src == V::M ? V::F : line.src;
  switch (line.form) {
    case Form::nop:
    case Form::d:
    case Form::fence:
      break;
    case Form::c64:
      s.imm = ImmKind::const64;
      break;
    case Form::s:
    case Form::r:
    case Form::rx:
      s.a = value;
      break;
    case Form::rr:
    case Form::rrx:
      s.a = s.b = value;
      break;
    case Form::ri:
      s.a = value;
      s.imm = ImmKind::constant;
      break;
    case Form::rrr:
      s.a = s.b = s.c = value;
      s.low = LowHalf::operand_c;
      break;
    case Form::ld:
      s.a = V::I;
      s.imm = ImmKind::displacement;
      break;
    case Form::st:
      s.a = V::I;
      s.b = value;
      s.imm = ImmKind::displacement;
      break;
    case Form::amo:
      s.a = V::I;
      if (op != Opcode::lr32 && op != Opcode::lr64) s.b = value;
      break;
    case Form::cas:
      s.a = V::I;
      s.b = s.c = value;
      s.low = LowHalf::operand_c;
      break;
    case Form::help:
      s.a = s.b = s.c = value;
      s.low = LowHalf::operand_c;
      s.imm = ImmKind::helper;
      s.optional = true;
      break;
    case Form::xrr:
      s.a = s.b = value;
      s.low = LowHalf::exit;
      break;
    case Form::xri:
      s.a = value;
      s.imm = ImmKind::constant;
      s.low = LowHalf::exit;
      break;
    case Form::jmp:
      s.imm = ImmKind::return_site;
      s.low = LowHalf::exit;
      break;
    case Form::brr:
      s.a = s.b = value;
      s.low = LowHalf::branch;
      break;
    case Form::bri:
      s.a = value;
      s.imm = ImmKind::constant;
      s.low = LowHalf::branch;
      break;
    case Form::ind:
      s.a = value;
      s.imm = ImmKind::displacement;
      s.low = LowHalf::return_site;
      break;
    case Form::mode:
      s.a = s.b = value;
      break;
    case Form::exit:
      s.imm = ImmKind::detail;
      s.low = LowHalf::exit;
      break;
  }
  return s;
}

namespace shape_detail {

constexpr bool aux_known() {
  for (std::size_t i = 0; i < kOpcodeCount; ++i) {
    const Opcode op = static_cast<Opcode>(i);
    const Form form = op_info(op).form;
    if ((form == Form::rrx || form == Form::rx) && aux_kind(op) == AuxKind::none) return false;
  }
  return true;
}
static_assert(aux_known(), "an opcode with aux in its form has no AuxKind");

}  // namespace shape_detail

}  // namespace ashlar::ir
