// Which values an instruction reads, and a dense index over the words that operands can name: for passes and
// the register allocator, which ask for every instruction.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <ashlar/ir.hpp>

#include "ir/op_table.hpp"

namespace ashlar::ir {

/// Dense index of a frame word that an operand can name: temporaries, the zero word, slots.
struct WordIndex {
  static constexpr int kBias = Value::kColdWords + Value::kMaxTemps;
  static constexpr int kCount = kBias + Value::kFirstSlotWord + Value::kMaxSlots;
  static constexpr int of(Value v) { return v.word + kBias; }

  /// Another index, less dense, which operands that an instruction has not have, too: below kMasked, without
  /// a branch, and that of none is no other's.
  static constexpr std::size_t kMasked = 1024;
  static constexpr std::size_t masked(Value v) { return static_cast<std::uint16_t>(v.word) & (kMasked - 1); }
};
static_assert(WordIndex::kCount <= static_cast<int>(WordIndex::kMasked));
static_assert(WordIndex::masked(Value::none()) == 0 && Value::kFirstSlotWord > 0 && Value::kZeroWord < 0);

/// Whether somebody may look at the state in front of the instruction or while it is done: it may fault or
/// leave, or looks itself. Float instructions count: emitted code hands some operands over to the
/// interpreter.
constexpr bool is_observer(const OpInfo& op) {
  return (op.effects & (kMayFault | kMayExit | kState)) != 0 || op.src == ValueClass::F ||
         op.dst == ValueClass::F;
}

/// The values that an instruction reads, by form: which of a, b, c count.
struct Reads {
  bool a = false, b = false, c = false;
};
constexpr Reads reads_of(Form form) {
  using F = Form;
  switch (form) {
    case F::nop:
    case F::c64:
    case F::d:
    case F::fence:
    case F::jmp:
    case F::exit:
      return {};
    case F::s:
    case F::r:
    case F::ri:
    case F::rx:
    case F::ld:
    case F::xri:
    case F::bri:
    case F::ind:
      return {true, false, false};
    case F::rr:
    case F::rrx:
    case F::st:
    case F::amo:
    case F::xrr:
    case F::brr:
    case F::mode:
      return {true, true, false};
    case F::rrr:
    case F::cas:
    case F::help:
      return {true, true, true};
  }
  return {};
}

/// What passes ask for every instruction, looked up once.
struct OpTraits {
  bool reads_a = false, reads_b = false, reads_c = false;
  bool observer = false;         ///< is_observer
  bool touches_float = false;    ///< needs the float unit in the guest's state
  bool pure = false;             ///< does nothing but compute its result
  bool side_exit = false;        ///< leaves the block if a condition holds
  bool accesses_memory = false;  ///< at an address that may be a bad one
};
struct OpTraitsTable {
  std::array<OpTraits, kOpcodeCount> of{};
  constexpr OpTraitsTable() {
    for (std::size_t i = 0; i < kOpcodeCount; ++i) {
      const OpInfo& op = op_info(static_cast<Opcode>(i));
      const Reads reads = reads_of(op.form);
      of[i] = {reads.a,
               reads.b,
               reads.c,
               is_observer(op),
               op.dst == ValueClass::F || op.src == ValueClass::F || op.src == ValueClass::M ||
                   (op.effects & kFloatFlags) != 0,
               (op.effects & ~kCommutative) == 0,
               op.form == Form::xrr || op.form == Form::xri,
               (op.effects & kMayFault) != 0 && op.form != Form::help};
    }
  }
};
inline constexpr OpTraitsTable kOpTraits;
constexpr const OpTraits& traits_of(Opcode op) { return kOpTraits.of[static_cast<std::size_t>(op)]; }

/// Calls function(Value) for each operand that the instruction reads, one that stands twice twice. An operand
/// that a helper has not is none.
template <typename Function>
constexpr void for_each_read(const Inst& inst, Function&& function) {
  const OpTraits& op = traits_of(inst.op);
  if (op.reads_a) function(inst.a);
  if (op.reads_b) function(inst.b);
  if (op.reads_c) function(inst.c());
}

}  // namespace ashlar::ir
