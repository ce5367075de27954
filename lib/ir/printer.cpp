// IR as text; the grammar stands in parser.cpp. Prints whatever it is given, also what no verifier would
// pass: error messages quote broken instructions.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include <ashlar/ir_text.hpp>

#include "ir/shape.hpp"
#include "ir/words.hpp"

namespace ashlar::ir {

namespace {

void put_hex(std::string& out, std::uint64_t v) {
  char text[20];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(v));
  out += text;
}

void put_key(std::string& out, const BlockKey& key) {
  put_hex(out, key.addr.value);
  if (key.mode != 0) {
    out += '/';
    put_hex(out, key.mode);
  }
}

template <std::size_t n>
void put_word(std::string& out, const std::array<std::string_view, n>& words, unsigned i) {
  if (i < n) {
    out += words[i];
  } else {
    out += '#';
    out += std::to_string(i);
  }
}

void put_fence(std::string& out, unsigned bits) {
  if (bits == 0) out += words::kNoFence;
  for (unsigned i = 0; i < 4; ++i) {
    if ((bits & (8u >> i)) != 0) out += words::kFence[i];
  }
}

class Line {
 public:
  Line(std::string& out, const Inst& inst, std::span<const Exit> exits, const StateLayout* layout)
      : out_(out), inst_(inst), exits_(exits), layout_(layout) {}

  void print() {
    if (static_cast<std::size_t>(inst_.op) >= kOpcodeCount) {
      out_ += "opcode#" + std::to_string(static_cast<unsigned>(inst_.op));
      return;
    }
    const OpInfo& line = op_info(inst_.op);
    const Shape shape = shape_of(inst_.op);
    out_ += line.name;
    switch (line.form) {
      case Form::nop:
        break;
      case Form::c64:
        value(inst_.dst);
        comma();
        if (inst_.imm64() < 10) {
          out_ += std::to_string(inst_.imm64());
        } else {
          put_hex(out_, inst_.imm64());
        }
        break;
      case Form::d:
        value(inst_.dst);
        break;
      case Form::s:
        value(inst_.a);
        break;
      case Form::r:
      case Form::rx:
        value(inst_.dst);
        value(inst_.a);
        aux(shape.aux);
        break;
      case Form::rr:
      case Form::rrx:
        value(inst_.dst);
        value(inst_.a);
        value(inst_.b);
        aux(shape.aux);
        break;
      case Form::ri:
        value(inst_.dst);
        value(inst_.a);
        immediate();
        break;
      case Form::rrr:
        value(inst_.dst);
        value(inst_.a);
        value(inst_.b);
        value(inst_.c());
        aux(shape.aux);
        break;
      case Form::ld:
        value(inst_.dst);
        address(true);
        break;
      case Form::st:
        address(true);
        value(inst_.b);
        break;
      case Form::amo:
      case Form::cas:
        value(inst_.dst);
        address(false);
        if (shape.b != ValueClass::N || !inst_.b.is_none()) value(inst_.b);
        if (line.form == Form::cas) value(inst_.c());
        aux(shape.aux);
        break;
      case Form::fence:
        aux(shape.aux);
        break;
      case Form::help:
        helper();
        break;
      case Form::xrr:
        value(inst_.a);
        value(inst_.b);
        arrow(inst_.exit());
        break;
      case Form::xri:
        value(inst_.a);
        immediate();
        arrow(inst_.exit());
        break;
      case Form::jmp:
        arrow(inst_.exit());
        aux(shape.aux);
        if (inst_.imm != -1) returns(static_cast<std::uint32_t>(inst_.imm));
        break;
      case Form::brr:
        value(inst_.a);
        value(inst_.b);
        arrow(inst_.exit());
        out_ += ", ";
        target(inst_.exit_not());
        break;
      case Form::bri:
        value(inst_.a);
        immediate();
        arrow(inst_.exit());
        out_ += ", ";
        target(inst_.exit_not());
        break;
      case Form::ind:
        value(inst_.a);
        displacement();
        aux(shape.aux);
        if (inst_.exit() != Inst::kNoExit) returns(inst_.exit());
        break;
      case Form::mode:
        value(inst_.a);
        value(inst_.b);
        break;
      case Form::exit:
        comma();
        put_word(out_, words::kStop, inst_.aux());
        if (inst_.imm != 0) {
          out_ += ' ';
          out_ += std::to_string(inst_.imm);
        }
        arrow(inst_.exit());
        break;
    }
  }

 private:
  void comma() {
    out_ += first_ ? " " : ", ";
    first_ = false;
  }
  void value(Value v) {
    comma();
    name(v);
  }
  void name(Value v) {
    if (v.is_none()) {
      out_ += "none";
    } else if (v.is_zero()) {
      out_ += "zero";
    } else if (v.is_temp()) {
      out_ += 't';
      out_ += std::to_string(v.temp_index());
    } else if (v.is_slot()) {
      if (layout_ && v.slot_index() < layout_->slots.size()) {
        out_ += layout_->slots[v.slot_index()].name;
      } else {
        out_ += 's';
        out_ += std::to_string(v.slot_index());
      }
    } else {
      out_ += "word#" + std::to_string(v.word);
    }
  }
  void immediate() {
    comma();
    out_ += std::to_string(inst_.imm);
  }
  void displacement() {
    if (inst_.imm == 0) return;
    out_ += inst_.imm < 0 ? " - " : " + ";
    const std::int64_t wide = inst_.imm;
    out_ += std::to_string(wide < 0 ? -wide : wide);
  }
  void address(bool displaced) {
    comma();
    out_ += '[';
    name(inst_.a);
    if (displaced) displacement();
    out_ += ']';
  }
  void aux(AuxKind kind) {
    switch (kind) {
      case AuxKind::none:
      case AuxKind::stop:
        break;
      case AuxKind::rounding:
        comma();
        put_word(out_, words::kRounding, inst_.aux());
        break;
      case AuxKind::division:
        comma();
        put_word(out_, words::kDivision, inst_.aux());
        break;
      case AuxKind::shift32:
      case AuxKind::shift64:
        comma();
        out_ += '#' + std::to_string(inst_.aux());
        break;
      case AuxKind::bit_field:
        comma();
        out_ += '#' + std::to_string(inst_.aux());
        comma();
        out_ += '#' + std::to_string(inst_.aux2());
        break;
      case AuxKind::order:
        if (inst_.aux() == kRelaxed) break;
        comma();
        put_word(out_, words::kOrder, inst_.aux());
        break;
      case AuxKind::fence:
        comma();
        put_fence(out_, inst_.aux() >> 4);
        comma();
        put_fence(out_, inst_.aux() & 15u);
        break;
      case AuxKind::hint:
        if (inst_.aux() == static_cast<unsigned>(JumpHint::plain)) break;
        comma();
        put_word(out_, words::kHint, inst_.aux());
        break;
    }
  }
  void helper() {
    if (!inst_.dst.is_none()) value(inst_.dst);
    comma();
    out_ += std::to_string(inst_.imm);
    out_ += '(';
    first_ = true;
    const Value arguments[] = {inst_.a, inst_.b, inst_.c()};
    unsigned count = 3;
    while (count > 0 && arguments[count - 1].is_none()) --count;
    for (unsigned i = 0; i < count; ++i) {
      if (i != 0) out_ += ", ";
      name(arguments[i]);
    }
    out_ += ')';
  }
  void target(std::uint32_t exit) {
    if (exit < exits_.size()) {
      put_key(out_, exits_[exit].target);
    } else {
      out_ += "exit#" + std::to_string(exit);
    }
  }
  void arrow(std::uint32_t exit) {
    out_ += " -> ";
    first_ = false;
    target(exit);
  }
  void returns(std::uint32_t exit) {
    comma();
    out_ += "returns ";
    target(exit);
  }

  std::string& out_;
  const Inst& inst_;
  std::span<const Exit> exits_;
  const StateLayout* layout_;
  bool first_ = true;
};

/// What a reader of the instructions alone would take for the block's exits, and its number of temporaries.
struct Implied {
  std::vector<std::uint32_t> exits;  // in order of appearance
  std::uint32_t temps = 0;

  void exit(std::uint32_t i) {
    if (std::find(exits.begin(), exits.end(), i) == exits.end()) exits.push_back(i);
  }
  void value(Value v) {
    if (v.is_temp()) temps = std::max(temps, v.temp_index() + 1);
  }
  void see(const Inst& inst) {
    const Shape shape = shape_of(inst.op);
    value(inst.dst);
    value(inst.a);
    value(inst.b);
    if (shape.low == LowHalf::operand_c) value(inst.c());
    if (shape.low == LowHalf::exit || shape.low == LowHalf::branch) exit(inst.exit());
    if (shape.low == LowHalf::branch) exit(inst.exit_not());
    if (shape.imm == ImmKind::return_site && inst.imm != -1) exit(static_cast<std::uint32_t>(inst.imm));
    if (shape.low == LowHalf::return_site && inst.exit() != Inst::kNoExit) exit(inst.exit());
  }
  bool same_exits(std::size_t count) const {
    if (exits.size() != count) return false;
    for (std::uint32_t i = 0; i < exits.size(); ++i) {
      if (exits[i] != i) return false;
    }
    return true;
  }
};

}  // namespace

std::string print(const Inst& inst, std::span<const Exit> exits, const StateLayout* layout) {
  std::string out;
  Line(out, inst, exits, layout).print();
  return out;
}

std::string print(const Block& block, const StateLayout* layout) {
  std::string out = "block ";
  out.reserve(64 + 40 * block.insts().size());
  put_key(out, block.key());
  out += " {\n";
  if (block.host_rounding() != RoundingMode::rne) {
    out += "  rounding ";
    put_word(out, words::kRounding, static_cast<unsigned>(block.host_rounding()));
    out += '\n';
  }
  for (const GuestRange& range : block.guest_ranges()) {
    out += "  range ";
    put_hex(out, range.begin.value);
    out += " + " + std::to_string(range.size) + '\n';
  }
  Implied implied;
  for (const Inst& inst : block.insts()) {
    if (static_cast<std::size_t>(inst.op) < kOpcodeCount) implied.see(inst);
  }
  if (implied.temps != block.temp_count()) out += "  temps " + std::to_string(block.temp_count()) + '\n';
  if (!implied.same_exits(block.exits().size())) {
    out += "  exits";
    for (std::size_t i = 0; i < block.exits().size(); ++i) {
      out += i == 0 ? " " : ", ";
      put_key(out, block.exits()[i].target);
    }
    out += '\n';
  }
  auto boundary = block.boundaries().begin();
  for (std::size_t i = 0; i < block.insts().size(); ++i) {
    for (; boundary != block.boundaries().end() && boundary->first_inst <= i; ++boundary) {
      out += '@';
      put_hex(out, boundary->pc.value);
      out += ' ' + std::to_string(boundary->length) + (boundary->join ? " join:\n" : ":\n");
    }
    out += "  ";
    Line(out, block.insts()[i], block.exits(), layout).print();
    out += '\n';
  }
  out += "}\n";
  return out;
}

}  // namespace ashlar::ir
