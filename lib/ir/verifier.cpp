// The rules of the IR. docs/ir.md lists them; each error names the instruction by index and text. Also
// BlockBuilder::build_verified, the builder's only method that needs them.
#include <algorithm>
#include <array>
#include <bitset>
#include <cstdio>
#include <optional>
#include <string>

#include <ashlar/block_builder.hpp>
#include <ashlar/ir_text.hpp>

#include "ir/equal.hpp"
#include "ir/limits.hpp"
#include "ir/shape.hpp"
#include "ir/words.hpp"

namespace ashlar::ir {

namespace {

std::string hex(std::uint64_t v) {
  char text[20];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(v));
  return text;
}

const char* class_name(ValueClass cls) { return cls == ValueClass::F ? "a float" : "an integer"; }

class Verifier {
 public:
  Verifier(const Block::Parts& parts, const StateLayout& layout, std::size_t helper_count)
      : parts_(parts), layout_(layout), helper_count_(helper_count) {}

  std::optional<Error> run() {
    (void)(header() && boundaries() && instructions());
    return std::move(error_);
  }

 private:
  // Every check gives false behind the first broken rule.
  bool fail(std::string rule) {
    std::string message = "block " + hex(parts_.key.addr.value);
    if (parts_.key.mode != 0) message += '/' + hex(parts_.key.mode);
    error_ = Error{ErrorCode::invalid_ir, message + ": " + std::move(rule)};
    return false;
  }
  bool fail_inst(const std::string& rule) {
    return fail("instruction " + std::to_string(at_) + " (" +
                print(parts_.insts[at_], parts_.exits, &layout_) + "): " + rule);
  }

  bool header() {
    if (parts_.insts.empty()) return fail("there are no instructions");
    if (parts_.insts.size() > kMaxInsts) return fail("there are more than 4096 instructions");
    if (parts_.exits.size() > kMaxExits) return fail("there are more than 1024 exits");
    if (parts_.temp_count > static_cast<std::uint32_t>(Value::kMaxTemps)) {
      return fail("there are more than 224 temporaries");
    }
    if (layout_.slots.size() > static_cast<std::size_t>(Value::kMaxSlots)) {
      return fail("the layout has more than 512 slots");
    }
    if (parts_.host_rounding >= RoundingMode::rmm)
      return fail("the host's rounding mode is none of rne, rtz, rdn, rup");
    return distinct_exits() && ranges();
  }

  // Links are found by target: two exits to one place would make the second unreachable for the text form.
  bool distinct_exits() {
    for (std::size_t i = 1; i < parts_.exits.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (parts_.exits[i].target == parts_.exits[j].target) {
          return fail("exit " + std::to_string(i) + " has the target of exit " + std::to_string(j));
        }
      }
    }
    return true;
  }

  bool ranges() {
    const auto all = parts_.ranges;
    if (all.size() > Block::kMaxRanges) return fail("there are more than 8 guest ranges");
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].size == 0) return fail("guest range " + std::to_string(i) + " is empty");
      if (all[i].size - 1 > ~all[i].begin.value) {
        return fail("guest range " + std::to_string(i) + " passes the end of the address space");
      }
      for (std::size_t j = 0; j < i; ++j) {
        if (all[i].overlaps(all[j])) {
          return fail("guest ranges " + std::to_string(j) + " and " + std::to_string(i) + " overlap");
        }
      }
    }
    return true;
  }

  bool boundaries() {
    const auto all = parts_.boundaries;
    if (all.size() > kMaxInsts) return fail("there are more than 4096 boundaries");
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto name = [&] { return "boundary " + std::to_string(i) + " (" + hex(all[i].pc.value) + ")"; };
      if (i == 0 && all[i].first_inst != 0)
        return fail(name() + " is the first and must be at instruction 0");
      if (all[i].first_inst >= parts_.insts.size()) {
        return fail(name() + " is at instruction " + std::to_string(all[i].first_inst) +
                    ", of which there are only " + std::to_string(parts_.insts.size()));
      }
      if (i != 0 && all[i].first_inst < all[i - 1].first_inst) {
        return fail(name() + " is in front of the boundary before it");
      }
    }
    return true;
  }

  bool instructions() {
    std::size_t boundary = 0;
    for (at_ = 0; at_ < parts_.insts.size(); ++at_) {
      const Inst& inst = parts_.insts[at_];
      for (; boundary < parts_.boundaries.size() && parts_.boundaries[boundary].first_inst <= at_; ++boundary)
        if (parts_.boundaries[boundary].join) join();
      if (static_cast<std::size_t>(inst.op) >= kOpcodeCount) return fail_inst("there is no such opcode");
      const bool terminal = (op_info(inst.op).effects & kTerminal) != 0;
      const bool last = at_ + 1 == parts_.insts.size();
      if (terminal && !last) return fail_inst("a terminal must be the last instruction");
      if (!terminal && last) return fail_inst("the last instruction must be a terminal");
      const Shape shape = shape_of(inst.op);
      if (!operands(inst, shape) || !immediate(inst, shape) || !aux(inst, shape) || !exits(inst, shape))
        return false;
    }
    return true;
  }

  /// Whoever comes here by a side exit has not come by what stands between: temporaries end.
  void join() {
    joined_ |= defined_;
    defined_.reset();
  }

  bool operands(const Inst& inst, const Shape& shape) {
    const bool has_c = shape.low == LowHalf::operand_c;
    if (shape.optional) {
      if (inst.a.is_none() && !(inst.b.is_none() && inst.c().is_none()))
        return fail_inst("operand a is missing");
      if (inst.b.is_none() && !inst.c().is_none()) return fail_inst("operand b is missing");
    }
    // Sources first: an instruction may read the temporary that it then redefines, not the one that it
    // defines first.
    return source(inst.a, shape.a, "a", shape.optional) && source(inst.b, shape.b, "b", shape.optional) &&
           (!has_c || source(inst.c(), shape.c, "c", shape.optional)) && destination(inst, shape);
  }

  bool present(Value v, ValueClass cls, const char* which, bool optional) {
    if (cls == ValueClass::N && !v.is_none())
      return fail_inst(std::string("the opcode has no operand ") + which);
    if (cls != ValueClass::N && v.is_none() && !optional) {
      return fail_inst(std::string("operand ") + which + " is missing");
    }
    return true;
  }

  static std::string operand(const char* which) { return std::string("operand ") + which; }

  bool source(Value v, ValueClass cls, const char* which, bool optional) {
    if (!present(v, cls, which, optional)) return false;
    if (v.is_none() || v.is_zero()) return true;
    if (!place(v, which)) return false;
    if (v.is_temp() && !defined_[v.temp_index()])
      return fail_inst(operand(which) + (joined_[v.temp_index()]
                                             ? " is a temporary that was defined in front of a join"
                                             : " is a temporary that nothing has defined"));
    return of_class(v, cls, which);
  }

  bool destination(const Inst& inst, const Shape& shape) {
    const Value v = inst.dst;
    if (!present(v, shape.dst, "dst", shape.optional)) return false;
    if (v.is_none()) return true;
    if (v.is_zero()) return fail_inst("zero cannot be written");
    if (!place(v, "dst")) return false;
    if (v.is_temp() && !defined_[v.temp_index()]) {
      defined_[v.temp_index()] = true;
      is_float_[v.temp_index()] = shape.dst == ValueClass::F;
    }
    return of_class(v, shape.dst, "dst");
  }

  /// The word is one of the block's values.
  bool place(Value v, const char* which) {
    if (v.is_temp()) {
      if (v.temp_index() < parts_.temp_count) return true;
      return fail_inst(operand(which) + " is temporary " + std::to_string(v.temp_index()) +
                       ", of which there are only " + std::to_string(parts_.temp_count));
    }
    if (!v.is_slot()) return fail_inst(operand(which) + " is neither a slot nor a temporary nor zero");
    if (v.slot_index() < layout_.slots.size()) return true;
    return fail_inst(operand(which) + " is slot " + std::to_string(v.slot_index()) +
                     ", of which there are only " + std::to_string(layout_.slots.size()));
  }

  bool of_class(Value v, ValueClass cls, const char* which) {
    const bool real = v.is_temp() ? static_cast<bool>(is_float_[v.temp_index()])
                                  : layout_.slots[v.slot_index()].cls == SlotClass::real;
    const ValueClass is = real ? ValueClass::F : ValueClass::I;
    if (is == cls) return true;
    return fail_inst(operand(which) + " is " + class_name(is) + " and must be " + class_name(cls));
  }

  bool immediate(const Inst& inst, const Shape& shape) {
    switch (shape.imm) {
      case ImmKind::constant:
      case ImmKind::const64:
      case ImmKind::displacement:
      case ImmKind::detail:
        return true;
      case ImmKind::none:
        return inst.imm == 0 || fail_inst("the opcode has no immediate");
      case ImmKind::helper:
        if (inst.imm >= 0 && static_cast<std::size_t>(inst.imm) < helper_count_) return true;
        return fail_inst("helper " + std::to_string(inst.imm) + " is not one of the " +
                         std::to_string(helper_count_) + " helpers");
      case ImmKind::return_site:
        if (inst.imm == -1) return true;
        return return_site(inst, static_cast<std::uint32_t>(inst.imm));
    }
    return true;
  }

  bool return_site(const Inst& inst, std::uint32_t exit) {
    if (exit >= parts_.exits.size()) return no_exit(exit, "the return site");
    if (inst.aux() != static_cast<unsigned>(JumpHint::call))
      return fail_inst("only a call has a return site");
    return true;
  }

  bool aux(const Inst& inst, const Shape& shape) {
    if (shape.imm == ImmKind::const64 || shape.low == LowHalf::branch) return true;  // ext is used up
    const unsigned aux = inst.aux(), aux2 = inst.aux2();
    const auto below = [&](std::size_t end, const char* what) {
      return aux < end || fail_inst(std::string("aux ") + std::to_string(aux) + " is not " + what);
    };
    bool good = true;
    switch (shape.aux) {
      case AuxKind::none:
        good = aux == 0 || fail_inst("the opcode has no aux");
        break;
      case AuxKind::rounding:
        good = below(words::kRounding.size(), "a rounding mode (0 to 4)");
        break;
      case AuxKind::division:
        good = below(words::kDivision.size(), "a division rule (0 or 1)");
        break;
      case AuxKind::shift32:
        good = below(32, "a shift count of 0 to 31");
        break;
      case AuxKind::shift64:
        good = below(64, "a shift count of 0 to 63");
        break;
      case AuxKind::order:
        good = below(words::kOrder.size(), "a memory order (0 to 3)");
        break;
      case AuxKind::hint:
        good = below(words::kHint.size(), "a jump hint (0 to 2)");
        break;
      case AuxKind::stop:
        good = below(words::kStop.size(), "a stop reason (0 to 4)");
        break;
      case AuxKind::fence:
        break;
      case AuxKind::bit_field:
        if (aux2 == 0 || aux + aux2 > 64) {
          return fail_inst("the bit field of width " + std::to_string(aux2) + " at bit " +
                           std::to_string(aux) + " is not inside 64 bits");
        }
        return true;
    }
    return good && (aux2 == 0 || fail_inst("the opcode has no aux2"));
  }

  bool exits(const Inst& inst, const Shape& shape) {
    switch (shape.low) {
      case LowHalf::operand_c:
        return true;
      case LowHalf::none:
        if (shape.imm == ImmKind::const64) return true;
        // The default instruction is a nop.
        if (inst.op == Opcode::nop ? inst.ext == 0 : inst.c().is_none()) return true;
        return fail_inst("the opcode has no operand c");
      case LowHalf::exit:
        return known(inst.exit());
      case LowHalf::branch:
        return known(inst.exit()) && known(inst.exit_not());
      case LowHalf::return_site:
        return inst.exit() == Inst::kNoExit || return_site(inst, inst.exit());
    }
    return true;
  }

  bool known(std::uint32_t exit) { return exit < parts_.exits.size() || no_exit(exit, "the target"); }
  bool no_exit(std::uint32_t exit, const char* what) {
    return fail_inst(std::string(what) + " is exit " + std::to_string(static_cast<std::int32_t>(exit)) +
                     ", of which there are only " + std::to_string(parts_.exits.size()));
  }

  const Block::Parts& parts_;
  const StateLayout& layout_;
  const std::size_t helper_count_;
  std::size_t at_ = 0;
  std::bitset<Value::kMaxTemps> defined_;
  std::bitset<Value::kMaxTemps> joined_;  ///< were defined in front of some join
  std::bitset<Value::kMaxTemps> is_float_;
  std::optional<Error> error_;
};

}  // namespace

Result<void> verify(const Block::Parts& parts, const StateLayout& layout, std::size_t helper_count) {
  if (auto error = Verifier(parts, layout, helper_count).run()) return std::move(*error);
  return {};
}

Result<void> verify(const Block& block, const StateLayout& layout, std::size_t helper_count) {
  return verify(parts_of(block), layout, helper_count);
}

}  // namespace ashlar::ir

namespace ashlar {

Result<ir::BlockPtr> BlockBuilder::build_verified(const StateLayout& layout) const {
  if (auto good = ir::verify(parts(), layout); !good) return good.error();
  return build();
}

}  // namespace ashlar
