// Random valid blocks.
#include "support/random_blocks.hpp"

#include <ashlar/ir_text.hpp>

#include "ir/op_table.hpp"
#include "ir/shape.hpp"
#include "support/test_guest.hpp"

namespace ashlar::test {

using ir::AuxKind;
using ir::Form;
using ir::Inst;
using ir::Opcode;
using ir::ValueClass;

namespace {

unsigned list_of(ValueClass cls) { return cls == ValueClass::F ? 1 : 0; }

}  // namespace

RandomBlocks::RandomBlocks(std::uint64_t seed, const RandomBlockConfig& config)
    : rng_(seed), config_(config) {
  for (std::size_t i = 0; i < ir::kOpcodeCount; ++i) {
    const Opcode op = static_cast<Opcode>(i);
    const auto& line = ir::op_info(op);
    const auto shape = ir::shape_of(op);
    switch (line.form) {
      case Form::ld:
      case Form::st:
        if (config.real || (shape.dst != ValueClass::F && shape.b != ValueClass::F)) accesses_.push_back(op);
        break;
      case Form::amo:
      case Form::cas:
        atomics_.push_back(op);
        break;
      case Form::xrr:
      case Form::xri:
        exits_.push_back(op);
        break;
      case Form::brr:
      case Form::bri:
        branches_.push_back(op);
        break;
      case Form::help:
      case Form::jmp:
      case Form::ind:
      case Form::mode:
      case Form::exit:
        break;
      default: {
        const bool is_real = shape.dst == ValueClass::F || shape.a == ValueClass::F ||
                             (line.effects & ir::kState) != 0;  // get_fflags, set_fflags
        (is_real ? real_ : integer_).push_back(op);
      }
    }
  }
}

ir::BlockPtr RandomBlocks::next() {
  id_ = id_ % config_.ids + 1;
  builder_.begin(BlockKey::from_id(id_));
  rounding_ = config_.host_roundings && rng_.percent(40) ? static_cast<RoundingMode>(rng_.below(4))
                                                         : RoundingMode::rne;
  builder_.set_host_rounding(rounding_);
  for (auto& list : temps_) list.clear();
  for (unsigned cls = 0; cls < 2; ++cls) {
    favourites_[cls].clear();
    for (unsigned i = 0; i < 4; ++i) {
      favourites_[cls].push_back(Value::slot(cls == 0 ? integer_slot(rng_.below(kIntegerSlots))
                                                      : real_slot(rng_.below(kRealSlots))));
    }
  }
  const unsigned length = config_.min_length + rng_.below(config_.max_length - config_.min_length + 1);
  const GuestAddr first = {id_ << 16};
  joins_ahead_.clear();
  for (unsigned i = length; config_.joins != 0 && i-- > 1;)
    if (rng_.percent(config_.joins)) joins_ahead_.push_back(first + 4 * i);
  const auto boundary = [&](unsigned i) {
    const GuestAddr at = first + 4 * i;
    const bool join = !joins_ahead_.empty() && joins_ahead_.back() == at;
    if (join) {
      joins_ahead_.pop_back();
      for (auto& list : temps_) list.clear();
    }
    builder_.guest_instruction(at, 4, join);
  };
  for (unsigned i = 0; i + 1 < length; ++i) {
    boundary(i);
    guest_instruction();
  }
  boundary(length - 1);
  builder_.covers({first, 4 * length});
  terminal();
  auto made = builder_.build_verified(test_layout());
  return made ? std::move(made).value() : nullptr;
}

void RandomBlocks::guest_instruction() {
  if (config_.idioms != 0 && rng_.percent(config_.idioms)) return idiom();
  for (;;) {
    const unsigned kind = rng_.below(100);
    if (kind < 45) {
      if (!config_.integer) continue;
      return plain(rng_.pick(integer_));
    }
    if (kind < 65) {
      if (!config_.real) continue;
      return plain(rng_.pick(real_));
    }
    if (kind < 80) {
      if (!config_.memory) continue;
      return access(rng_.pick(accesses_));
    }
    if (kind < 86) {
      if (!config_.atomics) continue;
      return access(rng_.pick(atomics_));
    }
    if (kind < 96) {
      if (!config_.side_exits) continue;
      return side_exit(rng_.pick(exits_));
    }
    if (kind < 98) {
      if (!config_.helpers) continue;
      return helper();
    }
    if (config_.empty_instructions) return;
  }
}

/// Shifts there and back, rotations, scaled additions, constants, repeated extensions: two or three
/// instructions over few registers, sometimes with others in between.
void RandomBlocks::idiom() {
  constexpr ValueClass I = ValueClass::I;
  const Value x = source(I);
  const auto fresh_or = [&](Value v) {
    const Value d = rng_.percent(60) && !v.is_zero() && !v.is_none() ? v : destination(I);
    return d;
  };
  const auto put = [&](Opcode op, Value d, Value a, std::int32_t imm) {
    builder_.ri(op, d, a, imm);
    defined(d, I);
  };
  const auto join = [&](Opcode op, Value d, Value a, Value b) {
    builder_.rr(op, d, a, b);
    defined(d, I);
  };
  const auto disturb = [&] {
    if (rng_.percent(15)) plain(rng_.pick(integer_));
    if (config_.memory && rng_.percent(8)) access(rng_.pick(accesses_));
  };
  const Value d = fresh_or(x);
  switch (rng_.below(5)) {
    case 0: {
      static constexpr std::int32_t kCounts[] = {0, 1, 3, 16, 29, 31, 32, 33, 48, 56, 63};
      put(Opcode::shl64_i, d, x, rng_.pick(kCounts));
      disturb();
      const Value e = fresh_or(d);
      const Opcode down = rng_.percent(60) ? Opcode::shr64_i : Opcode::sar64_i;
      put(down, e, d, rng_.pick(kCounts));
      disturb();
      if (rng_.percent(50)) {
        const Value sum = fresh_or(e);
        join(Opcode::add64, sum, rng_.percent(50) ? e : source(I), e);
      }
      break;
    }
    case 1: {
      const bool wide = rng_.percent(40);
      const std::int32_t by = 1 + static_cast<std::int32_t>(rng_.below(wide ? 63 : 31));
      const std::int32_t rest = (wide ? 64 : 32) - by;
      const Value e = rng_.percent(40) && !x.is_zero() ? x : destination(I);
      const bool up_first = rng_.percent(50);
      const auto up = [&](Value to) { put(wide ? Opcode::shl64_i : Opcode::shl32s_i, to, x, rest); };
      const auto down = [&](Value to) { put(wide ? Opcode::shr64_i : Opcode::shr32_i, to, x, by); };
      up_first ? up(d) : down(d);
      disturb();
      up_first ? down(e) : up(e);
      static constexpr Opcode kJoins[] = {Opcode::or64, Opcode::xor64, Opcode::add64};
      const Opcode op = rng_.pick(kJoins);
      join(op, fresh_or(rng_.percent(50) ? d : e), d, e);
      break;
    }
    case 2: {
      const Opcode op = rng_.percent(50) ? Opcode::shl64_i : Opcode::and64_i;
      put(op, d, x, static_cast<std::int32_t>(rng_.below(8)));
      if (rng_.percent(30)) {
        builder_.r(Opcode::zext32, d, d);
        defined(d, I);
        put(Opcode::shl64_i, d, d, static_cast<std::int32_t>(rng_.below(33)));
      }
      disturb();
      const Value other = source(I);
      rng_.percent(50) ? join(Opcode::add64, fresh_or(d), d, other)
                       : join(Opcode::add64, fresh_or(d), other, d);
      break;
    }
    case 3: {
      builder_.const64(d, rng_.pick(kIntegers));
      defined(d, I);
      disturb();
      for (int i = 0; i < 2; ++i) plain(rng_.pick(integer_));
      const Opcode op = rng_.percent(50) ? Opcode::sub64 : Opcode::add32s;
      const Value to = fresh_or(d);
      join(op, to, source(I), d);
      break;
    }
    default: {
      static constexpr Opcode kExtensions[] = {Opcode::sext8, Opcode::sext16, Opcode::sext32,
                                               Opcode::zext8, Opcode::zext16, Opcode::zext32};
      const Opcode op = rng_.percent(50) ? Opcode::add32s : Opcode::xor64;
      join(op, d, x, source(I));
      disturb();
      const Value e = fresh_or(d);
      builder_.r(rng_.pick(kExtensions), e, d);
      defined(e, I);
      const Value f = fresh_or(e);
      if (rng_.percent(50)) {
        builder_.r(rng_.pick(kExtensions), f, e);
        defined(f, I);
      } else {
        static constexpr std::int32_t kMasks[] = {0, 1, 127, 255, 65535, 0x7fffffff, -1, -256};
        put(Opcode::and64_i, f, e, rng_.pick(kMasks));
      }
    }
  }
}

// Here and below nothing is drawn twice in one expression: its order of evaluation is the compiler's, and the
// same seed is to give the same blocks on every host.
RandomBlocks::Value RandomBlocks::source(ValueClass cls) {
  const unsigned list = list_of(cls);
  const unsigned kind = rng_.below(100);
  if (kind < 4) return Value::zero();
  if (kind < 34 && !temps_[list].empty()) return rng_.pick(temps_[list]);
  if (kind < 80) return rng_.pick(favourites_[list]);
  return Value::slot(list == 0 ? integer_slot(rng_.below(kIntegerSlots)) : real_slot(rng_.below(kRealSlots)));
}

RandomBlocks::Value RandomBlocks::destination(ValueClass cls) {
  if (rng_.percent(15)) {
    if (const Value fresh = builder_.temp(); !fresh.is_none()) return fresh;
  }
  for (;;) {
    if (const Value v = source(cls); !v.is_zero()) return v;
  }
}

// Only what has been emitted may be read: the destination joins behind its instruction.
void RandomBlocks::defined(Value v, ValueClass cls) {
  if (!v.is_temp()) return;
  auto& list = temps_[list_of(cls)];
  for (const Value known : list) {
    if (known == v) return;
  }
  list.push_back(v);
}

unsigned RandomBlocks::aux(Opcode op, unsigned& aux2) {
  switch (ir::aux_kind(op)) {
    case AuxKind::rounding:
      return rng_.percent(60) ? static_cast<unsigned>(rounding_) : rng_.below(5);
    case AuxKind::division:
      return rng_.below(2);
    case AuxKind::shift32:
      return rng_.below(32);
    case AuxKind::shift64:
      return rng_.below(64);
    case AuxKind::bit_field: {
      const unsigned lowest = rng_.below(64);
      aux2 = 1 + rng_.below(64 - lowest);
      return lowest;
    }
    case AuxKind::order:
      return rng_.below(4);
    case AuxKind::fence:
      return rng_.below(256);
    case AuxKind::none:
    case AuxKind::hint:
    case AuxKind::stop:
      break;
  }
  return 0;
}

void RandomBlocks::plain(Opcode op) {
  const auto shape = ir::shape_of(op);
  Inst inst;
  inst.op = op;
  if (op == Opcode::nop) return builder_.emit(inst);
  Value c;
  if (shape.a != ValueClass::N) inst.a = source(shape.a);
  if (shape.b != ValueClass::N) inst.b = rng_.percent(12) ? inst.a : source(shape.b);
  if (shape.c != ValueClass::N) c = source(shape.c);
  // Operands of another class than a's were drawn as such; equal operands are of a's class.
  if (shape.dst != ValueClass::N) {
    inst.dst = destination(shape.dst);
    const Value same = rng_.percent(50) ? inst.a : inst.b;
    if (shape.dst == shape.a && rng_.percent(25) && !same.is_none() && !same.is_zero()) inst.dst = same;
  }
  if (op == Opcode::const64) {
    const std::uint64_t v = rng_.percent(70) ? rng_.pick(kIntegers) : rng_.next();
    builder_.const64(inst.dst, v);
  } else {
    if (shape.imm == ir::ImmKind::constant) {
      inst.imm = rng_.percent(70) ? rng_.pick(kImmediates) : static_cast<std::int32_t>(rng_.next());
    }
    unsigned aux2 = 0;
    const unsigned first = aux(op, aux2);
    inst.ext = Inst::pack(c, first, aux2);
    builder_.emit(inst);
  }
  if (!inst.dst.is_none()) defined(inst.dst, shape.dst);
}

/// A register that holds an address, mostly a good one.
RandomBlocks::Value RandomBlocks::address(bool atomic, std::int32_t& displacement) {
  const Value at = builder_.temp();
  displacement = 0;
  if (at.is_none()) return Value::zero();
  const unsigned kind = config_.faults ? rng_.below(100) : 99;
  if (kind < 3) {  // anywhere
    builder_.r(Opcode::mov64, at, source(ValueClass::I));
    if (!atomic) displacement = rng_.pick(kImmediates);
  } else if (kind < 7) {  // near the end of what may be written, of what may be read, or of the window
    const std::uint64_t ends[] = {kMapped, kMapped + FlatMemory::page_size(), kWindow};
    const std::uint64_t end = rng_.pick(ends);
    builder_.const64(at, end - (atomic ? 8 * rng_.below(3) : rng_.below(17)));
    if (!atomic) displacement = static_cast<std::int32_t>(rng_.below(9));
  } else {
    const std::int32_t low = !atomic ? 0 : config_.faults && rng_.percent(5) ? 0 : 7;
    builder_.ri(Opcode::and64_i, at, source(ValueClass::I), static_cast<std::int32_t>(kMapped - 1) & ~low);
    if (!atomic && rng_.percent(60)) {
      // Towards the middle, so that the sum stays inside.
      builder_.ri(Opcode::and64_i, at, at, static_cast<std::int32_t>(kMapped / 2 - 1));
      displacement = static_cast<std::int32_t>(rng_.below(kMapped / 2 - 8));
    } else if (!atomic && !config_.faults) {
      builder_.ri(Opcode::and64_i, at, at, static_cast<std::int32_t>(kMapped - 8));
    }
  }
  defined(at, ValueClass::I);
  return at;
}

void RandomBlocks::access(Opcode op) {
  const auto shape = ir::shape_of(op);
  const Form form = ir::op_info(op).form;
  const bool atomic = form == Form::amo || form == Form::cas;
  Inst inst;
  inst.op = op;
  inst.a = address(atomic, inst.imm);
  Value c;
  if (shape.b != ValueClass::N)
    inst.b = rng_.percent(5) && shape.b == ValueClass::I ? inst.a : source(shape.b);
  if (shape.c != ValueClass::N) c = source(shape.c);
  if (shape.dst != ValueClass::N) {
    inst.dst = destination(shape.dst);
    if (rng_.percent(10) && shape.dst == ValueClass::I && inst.a.is_temp()) inst.dst = inst.a;
  }
  unsigned aux2 = 0;
  const unsigned order = aux(op, aux2);
  inst.ext = Inst::pack(c, order);
  builder_.emit(inst);
  if (!inst.dst.is_none()) defined(inst.dst, shape.dst);
}

void RandomBlocks::side_exit(Opcode op) {
  const Value a = source(ValueClass::I);
  // Most comparisons of random values do not hold for equality only; bias the immediate ones towards staying.
  if (ir::op_info(op).form == Form::xrr) {
    const Value b = rng_.percent(20) ? a : source(ValueClass::I);
    builder_.exit_if(op, a, b, exit_target());
  } else {
    const std::int32_t imm = rng_.pick(kImmediates);
    builder_.exit_if(op, a, imm, exit_target());
  }
}

void RandomBlocks::helper() {
  const Value dst = rng_.percent(80) ? destination(ValueClass::I) : Value::none();
  const unsigned arguments = rng_.below(4);
  Value values[3];
  for (unsigned i = 0; i < arguments; ++i) values[i] = source(ValueClass::I);
  builder_.call_helper(dst, rng_.below(test_helpers().size()), values[0], values[1], values[2]);
  if (!dst.is_none()) defined(dst, ValueClass::I);
}

GuestAddr RandomBlocks::exit_target() {
  if (joins_ahead_.empty() || rng_.percent(20)) return target();
  // Mostly a near one.
  const std::size_t n = joins_ahead_.size();
  return joins_ahead_[n - 1 - rng_.below(static_cast<unsigned>(rng_.percent(70) ? 1 : n))];
}

GuestAddr RandomBlocks::target() {
  if (config_.loops != 0 && rng_.percent(config_.loops)) return BlockKey::from_id(id_).addr;
  return {1 + rng_.below(config_.ids)};
}

void RandomBlocks::terminal() {
  if (rng_.percent(config_.stops)) {
    const auto reason = static_cast<ir::StopReason>(rng_.below(4));
    const GuestAddr resume = target();
    return builder_.stop(reason, resume, reason == ir::StopReason::guest_exit ? rng_.pick(kImmediates) : 0);
  }
  const unsigned kind = rng_.below(10);
  if (kind < 2) return builder_.jump(target());
  if (kind < 7) {
    const GuestAddr first = target(), second = target();
    if (kind < 3) return builder_.call(first, second);
    const Opcode op = rng_.pick(branches_);
    const Value a = source(ValueClass::I);
    if (ir::op_info(op).form == Form::brr)
      return builder_.branch(op, a, source(ValueClass::I), first, second);
    return builder_.branch(op, a, rng_.pick(kImmediates), first, second);
  }
  const Value at = builder_.temp();
  if (at.is_none()) return builder_.jump(target());
  builder_.ri(Opcode::and64_i, at, source(ValueClass::I), static_cast<std::int32_t>(config_.ids - 1));
  if (kind < 8) return builder_.call_indirect(at, 1, target());
  if (kind < 9) {
    return builder_.jump_indirect(at, 1, rng_.percent(50) ? ir::JumpHint::ret : ir::JumpHint::plain);
  }
  builder_.ri(Opcode::add64_i, at, at, 1);
  builder_.jump_mode(at, Value::zero());
}

}  // namespace ashlar::test
