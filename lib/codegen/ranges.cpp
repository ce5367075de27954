// See ranges.hpp.
#include "codegen/ranges.hpp"

namespace ashlar::codegen {

using ir::Inst;
using ir::Opcode;
using ir::Value;

namespace {

/// What fits into `bits` bits.
std::optional<Ranges::Sum> below(unsigned bits) {
  if (bits > 32) return std::nullopt;
  return Ranges::Sum{Value::zero(), 0, (std::int64_t{1} << bits) - 1};
}

std::optional<Ranges::Sum> shifted(std::optional<Ranges::Sum> number, unsigned by) {
  // The product stays far below what a sum can overflow.
  if (!number || by > 16) return std::nullopt;
  return Ranges::Sum{Value::zero(), number->low << by, number->high << by};
}

}  // namespace

void Ranges::begin(std::int64_t limit) {
  ++serial_;
  limit_ = limit;
}

std::optional<Ranges::Sum> Ranges::of(Value v) const {
  const Entry& e = entries_[index(v)];
  if (e.serial != serial_ || e.version != versions_[index(e.sum.base)]) return std::nullopt;
  return e.sum;
}

Ranges::Sum Ranges::best(Value v) const { return of(v).value_or(Sum{v, 0, 0}); }

std::optional<Ranges::Sum> Ranges::number(Value v) const {
  const Sum sum = best(v);
  if (!sum.base.is_zero()) return std::nullopt;
  return sum;
}

std::optional<Ranges::Sum> Ranges::result_of(const Inst& inst) const {
  const auto plus = [](Sum sum, const Sum& other) {
    sum.low += other.low;
    sum.high += other.high;
    return sum;
  };
  const auto add = [&](std::optional<Sum> a, Value b_word) -> std::optional<Sum> {
    const Sum b = best(b_word);
    if (!a) return std::nullopt;
    return plus(b, *a);
  };
  switch (inst.op) {
    case Opcode::const64: {
      const auto value = static_cast<std::int64_t>(inst.imm64());
      return Sum{Value::zero(), value, value};
    }
    case Opcode::mov64:
      return best(inst.a);
    case Opcode::add64_i:
      return plus(best(inst.a), {Value::zero(), inst.imm, inst.imm});
    case Opcode::add64:
      if (const auto sum = add(number(inst.a), inst.b)) return sum;
      return add(number(inst.b), inst.a);
    case Opcode::addshl64:
      return add(shifted(number(inst.a), inst.aux()), inst.b);
    case Opcode::shl64_i:
      return shifted(number(inst.a), static_cast<unsigned>(inst.imm) & 63);
    case Opcode::shl_u32: {
      // Of what is no negative number the low half is all.
      const auto number = this->number(inst.a);
      return number && number->low >= 0 ? shifted(number, inst.aux()) : std::nullopt;
    }
    case Opcode::addshl_u32: {
      const auto number = this->number(inst.a);
      return number && number->low >= 0 ? add(shifted(number, inst.aux()), inst.b) : std::nullopt;
    }
    case Opcode::and64_i:
      if (inst.imm < 0) return std::nullopt;
      return Sum{Value::zero(), 0, inst.imm};
    case Opcode::ld8u:
    case Opcode::zext8:
      return below(8);
    case Opcode::ld16u:
    case Opcode::zext16:
      return below(16);
    case Opcode::shr32_i:
      return below(32 - (static_cast<unsigned>(inst.imm) & 31));
    case Opcode::shr64_i:
      return below(64 - (static_cast<unsigned>(inst.imm) & 63));
    case Opcode::ubfx64:
      return below(inst.aux2());
    default:
      return std::nullopt;
  }
}

void Ranges::execute(const Inst& inst) {
  if (inst.dst.is_none()) return;
  const std::optional<Sum> sum = result_of(inst);
  const std::size_t dst = index(inst.dst);
  ++versions_[dst];
  Entry& e = entries_[dst];
  e.serial = 0;
  if (!sum || sum->base == inst.dst || sum->low <= -limit_ || sum->high >= limit_) return;
  e = {*sum, serial_, versions_[index(sum->base)]};
}

}  // namespace ashlar::codegen
