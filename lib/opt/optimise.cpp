// The passes behind Optimiser: forward (constants, simplification, combination of two instructions into one),
// backward (what nobody reads), and putting the block together again.
#include "opt/optimise.hpp"

#include <algorithm>
#include <bit>
#include <string_view>

#include "ir/op_table.hpp"
#include "ir/semantics.hpp"

namespace ashlar::opt {

using ir::Inst;
using ir::Opcode;
using ir::OpInfo;
using ir::Value;

namespace {

/// The opcode that takes the last operand as an immediate; nop where there is none.
constexpr Opcode twin_of(Opcode op) {
  const auto next = static_cast<std::size_t>(op) + 1;
  if (next >= ir::kOpcodeCount) return Opcode::nop;
  const std::string_view name = ir::op_info(op).name;
  const std::string_view twin = ir::op_info(static_cast<Opcode>(next)).name;
  const bool is_twin = twin.size() == name.size() + 2 && twin.substr(0, name.size()) == name &&
                       twin.substr(name.size()) == "_i";
  return is_twin ? static_cast<Opcode>(next) : Opcode::nop;
}

struct Twins {
  std::array<Opcode, ir::kOpcodeCount> of{};
  constexpr Twins() {
    for (std::size_t i = 0; i < ir::kOpcodeCount; ++i) of[i] = twin_of(static_cast<Opcode>(i));
  }
};
constexpr Twins kTwins;

/// What the passes ask for every instruction, in one place.
struct Facts {
  ir::OpTraits op;
  bool folds = false;               ///< gains where an operand is a constant
  bool combines = false;            ///< `simplify` and `combine` know it
  bool varies = false;              ///< what is known of its result depends on its operands
  std::uint8_t unsigned_bits = 64;  ///< else: of the result
  bool sign_extended = false;       ///< likewise
};

constexpr Facts facts_about(Opcode op) {
  const OpInfo& line = ir::op_info(op);
  const ir::OpTraits& traits = ir::traits_of(op);
  Facts f{traits};
  f.folds = traits.reads_a && line.src == ir::ValueClass::I &&
            (ir::semantics::is_pure_integer(op) || twin_of(op) != Opcode::nop);
  switch (op) {
    case Opcode::mov64:
    case Opcode::and64_i:
    case Opcode::or64_i:
    case Opcode::xor64_i:
    case Opcode::shr64_i:
    case Opcode::sar64_i:
    case Opcode::or64:
    case Opcode::xor64:
      f.combines = f.varies = true;
      break;
    case Opcode::and64:
      f.combines = f.varies = true;
      break;
    case Opcode::add64_i:
    case Opcode::shl64_i:
    case Opcode::rotr64_i:
    case Opcode::add64:
      f.combines = true;
      break;
    case Opcode::const64:
    case Opcode::andn64:
    case Opcode::shr32_i:
    case Opcode::shl_u32:
    case Opcode::ubfx64:
    case Opcode::sbfx64:
      f.varies = true;
      break;
    case Opcode::zext8:
      f.combines = true;
      [[fallthrough]];
    case Opcode::ld8u:
      f.unsigned_bits = 8;
      break;
    case Opcode::zext16:
      f.combines = true;
      [[fallthrough]];
    case Opcode::ld16u:
      f.unsigned_bits = 16;
      break;
    case Opcode::zext32:
      f.combines = true;
      [[fallthrough]];
    case Opcode::ld32u:
      f.unsigned_bits = 32;
      break;
    case Opcode::sext8:
    case Opcode::sext16:
    case Opcode::sext32:
    case Opcode::add32s_i:
      f.combines = true;
      [[fallthrough]];
    case Opcode::ld8s:
    case Opcode::ld16s:
    case Opcode::ld32s:
    case Opcode::add32s:
    case Opcode::sub32s:
    case Opcode::mul32s:
    case Opcode::shl32s:
    case Opcode::shl32s_i:
    case Opcode::shr32s:
    case Opcode::shr32s_i:
    case Opcode::sar32s:
    case Opcode::sar32s_i:
    case Opcode::rotl32s:
    case Opcode::rotr32s:
    case Opcode::rotr32s_i:
    case Opcode::div_s32s:
    case Opcode::div_u32s:
    case Opcode::rem_s32s:
    case Opcode::rem_u32s:
    case Opcode::lr32:
    case Opcode::swap32:
    case Opcode::fetch_add32:
    case Opcode::fetch_and32:
    case Opcode::fetch_or32:
    case Opcode::fetch_xor32:
    case Opcode::cas32:
    case Opcode::bits32_from_f:
      f.sign_extended = true;
      break;
    case Opcode::clz64:
    case Opcode::clz32:
    case Opcode::ctz64:
    case Opcode::ctz32:
    case Opcode::popcnt64:
    case Opcode::popcnt32:
      f.unsigned_bits = 7;
      break;
    case Opcode::set_eq:
    case Opcode::set_eq_i:
    case Opcode::set_ne:
    case Opcode::set_ne_i:
    case Opcode::set_lts:
    case Opcode::set_lts_i:
    case Opcode::set_ltu:
    case Opcode::set_ltu_i:
    case Opcode::set_ges:
    case Opcode::set_ges_i:
    case Opcode::set_geu:
    case Opcode::set_geu_i:
    case Opcode::bext64:
    case Opcode::bext64_i:
    case Opcode::feq32:
    case Opcode::feq64:
    case Opcode::flt32:
    case Opcode::flt64:
    case Opcode::fle32:
    case Opcode::fle64:
      f.unsigned_bits = 1;
      break;
    default:
      break;
  }
  return f;
}

struct FactsTable {
  std::array<Facts, ir::kOpcodeCount> of{};
  constexpr FactsTable() {
    for (std::size_t i = 0; i < ir::kOpcodeCount; ++i) of[i] = facts_about(static_cast<Opcode>(i));
  }
};
constexpr FactsTable kFacts;
const Facts& facts_of(Opcode op) { return kFacts.of[static_cast<std::size_t>(op)]; }

bool fits_imm(std::uint64_t value) {
  return static_cast<std::int64_t>(value) == static_cast<std::int32_t>(value);
}

Inst unary(Opcode op, Value dst, Value a, unsigned aux = 0, unsigned aux2 = 0) {
  Inst inst;
  inst.op = op;
  inst.dst = dst;
  inst.a = a;
  inst.ext = Inst::pack({}, aux, aux2);
  return inst;
}
Inst with_imm(Opcode op, Value dst, Value a, std::int32_t imm) {
  Inst inst;
  inst.op = op;
  inst.dst = dst;
  inst.a = a;
  inst.imm = imm;
  return inst;
}
Inst constant_inst(Value dst, std::uint64_t value) {
  Inst inst;
  inst.op = Opcode::const64;
  inst.dst = dst;
  inst.imm = static_cast<std::int32_t>(value);
  inst.ext = static_cast<std::uint32_t>(value >> 32);
  return inst;
}

/// The side exit that a conditional branch becomes where the other way goes on in the block.
Inst side_exit(const Inst& branch, bool if_taken) {
  // br_eq, br_eq_i, br_ne, ... and exit_eq, exit_eq_i, exit_ne, ... in the same order.
  constexpr auto kFirstBranch = static_cast<int>(Opcode::br_eq),
                 kFirstExit = static_cast<int>(Opcode::exit_eq);
  static_assert(static_cast<int>(Opcode::br_geu_i) - kFirstBranch ==
                static_cast<int>(Opcode::exit_geu_i) - kFirstExit);
  int number = static_cast<int>(branch.op) - kFirstBranch;
  if (!if_taken) {
    // eq and ne, lts and ges, ltu and geu.
    constexpr std::array<int, 6> kInverse = {1, 0, 4, 5, 2, 3};
    number = 2 * kInverse[static_cast<std::size_t>(number / 2)] + number % 2;
  }
  Inst inst = branch;
  inst.op = static_cast<Opcode>(kFirstExit + number);
  inst.ext = Inst::pack_exit(if_taken ? branch.exit() : branch.exit_not());
  return inst;
}

}  // namespace

const Optimiser::Word& Optimiser::word(Value v) const {
  static constexpr Word kUnknown;
  static constexpr Word kZero{.unsigned_bits = 0, .sign_extended = true, .constant = true};
  if (v.is_zero()) return kZero;
  const Word& w = words_[index(v)];
  return w.serial == serial_ ? w : kUnknown;
}

const ir::Block& Optimiser::optimise(const ir::Block& block, Loops loops) {
  ++serial_;
  changed_ = false;
  identity_ = true;
  loop_head_ = 0;
  // Instruction numbers are kept in 16 bits, one value of which says "none".
  if (block.insts().size() >= kNotInBlock) return block;
  insts_.assign(block.insts().begin(), block.insts().end());
  copy_size_ = insts_.size();
  std::span<const ir::Boundary> boundaries = block.boundaries();
  if (loops == Loops::peel && peel(block)) {
    changed_ = true;
    boundaries = boundaries_;
  }
  forward(boundaries);
  if (changed_ || leaves_unread_ || has_unread_temporary(block.temp_count())) backward();
  return changed_ ? rebuild(block) : block;
}

/// Of those that were made behind everything that `forward` forgets at.
bool Optimiser::has_unread_temporary(unsigned count) const {
  for (unsigned n = 0; n < count; ++n) {
    const Word& w = words_[index(Value::temp(n))];
    if (w.serial == serial_ && !w.read) return true;
  }
  return false;
}

// --- loops
// --------------------------------------------------------------------------------------------------------------

/// Puts further copies of the body behind the first where the block jumps to its own beginning. What leads
/// there from all but the last becomes the way on to the next.
bool Optimiser::peel(const ir::Block& block) {
  // What is longer has little to gain from its second copy, and takes space from others.
  constexpr std::size_t kLongest = 128;
  // What is short goes through several copies in a row: rounds that do not look at attention, and find the
  // values of the one before in registers.
  constexpr std::size_t kUnrolled = 48, kMostRounds = 3;
  const std::size_t size = insts_.size();
  const std::span<const ir::Boundary> once = block.boundaries();
  if (size > kLongest || once.empty() || once[0].first_inst != 0) return false;
  const auto is_own = [&](std::uint16_t exit) { return block.exits()[exit].target == block.key(); };
  for (const Inst& inst : insts_)
    if (inst.op == Opcode::call_helper) return false;
  Inst& last = insts_.back();
  const ir::Form form = ir::op_info(last.op).form;
  if (form == ir::Form::jmp) {
    if (!is_own(last.exit()) || static_cast<ir::JumpHint>(last.aux()) == ir::JumpHint::call) return false;
    last = Inst{};
  } else if (form == ir::Form::brr || form == ir::Form::bri) {
    const bool taken = is_own(last.exit());
    if (taken == is_own(last.exit_not())) return false;
    last = side_exit(last, !taken);
  } else {
    return false;
  }
  loop_head_ = static_cast<std::uint16_t>(once.size());
  boundaries_.assign(once.begin(), once.end());
  const std::size_t rounds = std::clamp<std::size_t>(kUnrolled / size, 1, kMostRounds);
  for (std::size_t copy = 1; copy <= rounds; ++copy) {
    if (copy > 1) insts_.back() = insts_[size - 1];
    insts_.insert(insts_.end(), block.insts().begin(), block.insts().end());
    for (ir::Boundary boundary : once) {
      boundary.first_inst = static_cast<std::uint16_t>(boundary.first_inst + copy * size);
      boundaries_.push_back(boundary);
    }
    boundaries_[copy * once.size()].join = true;
  }
  return true;
}

// --- forward
// ------------------------------------------------------------------------------------------------------------

void Optimiser::forward(std::span<const ir::Boundary> boundaries) {
  stretch_ = 1;
  any_constant_ = leaves_unread_ = false;
  const auto end = boundaries.end();
  const auto is_join = [](const ir::Boundary& boundary) { return boundary.join; };
  auto join = std::find_if(boundaries.begin(), end, is_join);
  for (std::size_t n = 0; n < insts_.size(); ++n) {
    // At a join nothing is known of what may have come here.
    for (; join != end && join->first_inst <= n; join = std::find_if(join + 1, end, is_join)) {
      forget();
      ++stretch_;
    }
    Inst& inst = insts_[n];
    const Facts* f = &facts_of(inst.op);
    if (f->folds && (any_constant_ || inst.a.is_zero() || inst.b.is_zero())) {
      fold_constants(inst);
      f = &facts_of(inst.op);
    }
    if (f->combines) {
      simplify(inst);
      combine(n);
      if (inst.op == Opcode::mov64 && inst.dst == inst.a) replace(inst, Inst{});
      f = &facts_of(inst.op);
    }
    words_[index(inst.a)].read = true;
    words_[index(inst.b)].read = true;
    if (f->op.reads_c) words_[index(inst.c())].read = true;
    stretch_ = static_cast<std::uint16_t>(stretch_ + f->op.observer);
    // A helper may write any slot.
    if (inst.op == Opcode::call_helper) forget();
    if (inst.dst.is_none()) continue;
    Known known{f->unsigned_bits, f->sign_extended, false};
    if (f->varies) known = known_of(inst);
    Word& w = words_[index(inst.dst)];
    const bool known_before = w.serial == serial_;
    leaves_unread_ |= known_before & !w.read;
    const std::uint16_t before = known_before ? w.def : kNotInBlock;
    w = {serial_,
         static_cast<std::uint16_t>(n),
         before,
         stretch_,
         known.unsigned_bits,
         known.sign_extended || known.unsigned_bits < 32,
         known.constant,
         false};
  }
}

/// Nothing is known of any word; what has been made and not been read until now may be dead.
void Optimiser::forget() {
  ++serial_;
  leaves_unread_ = true;
}

void Optimiser::replace(Inst& inst, const Inst& by) {
  inst = by;
  changed_ = true;
}

/// Operands that are constants become immediates, results that are constants const64.
void Optimiser::fold_constants(Inst& inst) {
  const ir::OpTraits& op = ir::traits_of(inst.op);
  // A temporary that is no longer read here must not be wanted by who stops between its making and here.
  const auto known = [&](Value v) {
    if (v.is_none()) return false;
    const Word& w = word(v);
    return w.constant && (!v.is_temp() || w.stretch == stretch_);
  };
  if (inst.op == Opcode::mov64 && inst.a.is_zero()) return;
  if (ir::semantics::is_pure_integer(inst.op) && known(inst.a) && (!op.reads_b || known(inst.b)) &&
      (!op.reads_c || known(inst.c()))) {
    std::uint64_t value = 0;
    const std::uint64_t b = op.reads_b ? constant_of(inst.b) : 0, c = op.reads_c ? constant_of(inst.c()) : 0;
    if (ir::semantics::fold(inst, constant_of(inst.a), b, c, value)) {
      replace(inst, constant_inst(inst.dst, value));
      return;
    }
  }
  const Opcode twin = kTwins.of[static_cast<std::size_t>(inst.op)];
  if (twin == Opcode::nop || !op.reads_b) return;
  if ((ir::op_info(inst.op).effects & ir::kCommutative) != 0 && known(inst.a) && !known(inst.b)) {
    std::swap(inst.a, inst.b);
    changed_ = true;
  }
  if (!known(inst.b) || inst.b.is_zero() || !fits_imm(constant_of(inst.b))) return;
  inst.imm = static_cast<std::int32_t>(constant_of(inst.b));
  inst.b = Value{};
  inst.op = twin;
  changed_ = true;
}

/// What gives its operand back becomes a move.
void Optimiser::simplify(Inst& inst) {
  const auto bits = [&] { return word(inst.a).unsigned_bits; };
  bool same = false;
  switch (inst.op) {
    case Opcode::sext32:
      same = word(inst.a).sign_extended;
      break;
    case Opcode::zext8:
      same = bits() <= 8;
      break;
    case Opcode::zext16:
      same = bits() <= 16;
      break;
    case Opcode::zext32:
      same = bits() <= 32;
      break;
    case Opcode::sext8:
      same = bits() <= 7;
      break;
    case Opcode::sext16:
      same = bits() <= 15;
      break;
    case Opcode::add32s_i:
      if (inst.imm == 0) {
        replace(inst, unary(Opcode::sext32, inst.dst, inst.a));
        same = word(inst.a).sign_extended;
      }
      break;
    case Opcode::and64_i: {
      const auto mask = static_cast<std::uint64_t>(static_cast<std::int64_t>(inst.imm));
      same = (mask & (mask + 1)) == 0 && bits() <= std::bit_width(mask);
      break;
    }
    case Opcode::add64_i:
    case Opcode::or64_i:
    case Opcode::xor64_i:
    case Opcode::shl64_i:
    case Opcode::shr64_i:
    case Opcode::sar64_i:
    case Opcode::rotr64_i:
      same = inst.imm == 0;
      break;
    default:
      break;
  }
  if (same && inst.op != Opcode::mov64) replace(inst, unary(Opcode::mov64, inst.dst, inst.a));
}

/// The instruction of this block that made the value; null if none did.
const Inst* Optimiser::maker(Value v) const {
  const Word& w = word(v);
  return w.def == kNotInBlock ? nullptr : &insts_[w.def];
}

/// Whether instruction `n` may take the operand of `through`'s maker in place of `through`.
/// `removed` is the maker of the other operand where that is to go, too.
bool Optimiser::can_skip(Value through, std::size_t n, std::uint16_t removed) const {
  const Word& w = word(through);
  const Value source = insts_[w.def].a;
  // The maker has overwritten its own operand: it would have to go, and nobody may miss it.
  if (source == through) return insts_[n].dst == through && !w.read && w.stretch == stretch_;
  if (through.is_temp() && w.stretch != stretch_) return false;
  const Word& s = word(source);
  const std::uint16_t def = s.def == removed ? s.def_before : s.def;
  return def == kNotInBlock || def < w.def;
}

void Optimiser::skip(Value through) {
  const std::uint16_t def = word(through).def;
  if (insts_[def].a == through) replace(insts_[def], Inst{});
}

/// An instruction and the maker of an operand as one.
void Optimiser::combine(std::size_t n) {
  Inst& inst = insts_[n];
  switch (inst.op) {
    case Opcode::shr64_i:
    case Opcode::sar64_i: {
      const Inst* const left = maker(inst.a);
      if (left == nullptr || left->op != Opcode::shl64_i || !can_skip(inst.a, n)) return;
      const bool is_signed = inst.op == Opcode::sar64_i;
      const int up = left->imm & 63, down = inst.imm & 63;
      const Value source = left->a;
      Inst made;
      if (up == down && (up == 32 || up == 48 || up == 56)) {
        const Opcode op = up == 32   ? (is_signed ? Opcode::sext32 : Opcode::zext32)
                          : up == 48 ? (is_signed ? Opcode::sext16 : Opcode::zext16)
                                     : (is_signed ? Opcode::sext8 : Opcode::zext8);
        made = unary(op, inst.dst, source);
      } else if (up == 32 && down > 32) {
        made = with_imm(is_signed ? Opcode::sar32s_i : Opcode::shr32_i, inst.dst, source, down - 32);
      } else if (up == 32 && !is_signed) {
        made = unary(Opcode::shl_u32, inst.dst, source, static_cast<unsigned>(32 - down));
      } else if (down >= up && up != 0) {
        made = unary(is_signed ? Opcode::sbfx64 : Opcode::ubfx64, inst.dst, source,
                     static_cast<unsigned>(down - up), static_cast<unsigned>(64 - down));
      } else {
        return;
      }
      skip(inst.a);
      replace(inst, made);
      return;
    }
    case Opcode::shl64_i: {
      const Inst* const low = maker(inst.a);
      if (low == nullptr || low->op != Opcode::zext32 || !can_skip(inst.a, n)) return;
      const Inst made = unary(Opcode::shl_u32, inst.dst, low->a, static_cast<unsigned>(inst.imm & 63));
      skip(inst.a);
      replace(inst, made);
      return;
    }
    case Opcode::add64:
    case Opcode::or64:
    case Opcode::xor64:
      if (rotate(n) || inst.op != Opcode::add64) return;
      if (!scaled_add(n, inst.a, inst.b)) scaled_add(n, inst.b, inst.a);
      return;
    case Opcode::and64:
      if (!and_not(n, inst.a, inst.b)) and_not(n, inst.b, inst.a);
      return;
    default:
      return;
  }
}

/// x << k | x >> (width - k).
bool Optimiser::rotate(std::size_t n) {
  Inst& inst = insts_[n];
  if (inst.a == inst.b) return false;
  Value left = inst.a, right = inst.b;
  const Inst* up = maker(left);
  const Inst* down = maker(right);
  if (up == nullptr || down == nullptr) return false;
  if (up->op == Opcode::shr64_i || up->op == Opcode::shr32_i) {
    std::swap(up, down);
    std::swap(left, right);
  }
  const bool wide = up->op == Opcode::shl64_i && down->op == Opcode::shr64_i;
  const bool narrow = up->op == Opcode::shl32s_i && down->op == Opcode::shr32_i;
  const int width = wide ? 64 : 32;
  if ((!wide && !narrow) || up->a != down->a) return false;
  const int by = down->imm & (width - 1);
  if (by == 0 || (up->imm & (width - 1)) != width - by) return false;
  // If one of the two has overwritten the common operand, it is the later one, or they had not it in common.
  if (up->a == left && word(left).def < word(right).def) return false;
  if (down->a == right && word(right).def < word(left).def) return false;
  const std::uint16_t left_goes = up->a == left ? word(left).def : kNotInBlock;
  const std::uint16_t right_goes = down->a == right ? word(right).def : kNotInBlock;
  if (!can_skip(left, n, right_goes) || !can_skip(right, n, left_goes)) return false;
  const Inst made = with_imm(wide ? Opcode::rotr64_i : Opcode::rotr32s_i, inst.dst, up->a, by);
  skip(left);
  skip(right);
  replace(inst, made);
  return true;
}

/// (x << k) + other.
bool Optimiser::scaled_add(std::size_t n, Value shifted, Value other) {
  Inst& inst = insts_[n];
  if (shifted == other) return false;
  const Inst* const shift = maker(shifted);
  if (shift == nullptr) return false;
  Opcode op;
  unsigned by;
  if (shift->op == Opcode::shl64_i) {
    op = Opcode::addshl64;
    by = static_cast<unsigned>(shift->imm & 63);
  } else if (shift->op == Opcode::shl_u32 && shift->aux() < 32) {
    op = Opcode::addshl_u32;
    by = shift->aux();
  } else if (shift->op == Opcode::zext32) {
    op = Opcode::addshl_u32;
    by = 0;
  } else {
    return false;
  }
  if (!can_skip(shifted, n)) return false;
  Inst made = unary(op, inst.dst, shift->a, by);
  made.b = other;
  skip(shifted);
  replace(inst, made);
  return true;
}

/// other & ~x.
bool Optimiser::and_not(std::size_t n, Value inverted, Value other) {
  if (inverted == other) return false;
  const Inst* const inversion = maker(inverted);
  if (inversion == nullptr || inversion->op != Opcode::xor64_i || inversion->imm != -1) return false;
  if (!can_skip(inverted, n)) return false;
  Inst made = unary(Opcode::andn64, insts_[n].dst, other);
  made.b = inversion->a;
  skip(inverted);
  replace(insts_[n], made);
  return true;
}

/// What is known of the result where that depends on the operands. A constant is remembered.
Optimiser::Known Optimiser::known_of(const Inst& inst) {
  const auto bits = [&](Value v) -> unsigned { return word(v).unsigned_bits; };
  const auto extended = [&](Value v) { return word(v).sign_extended; };
  unsigned unsigned_bits = 64;
  bool sign_extended = false;
  const auto constant = [&](std::uint64_t value) {
    constants_[index(inst.dst)] = value;
    any_constant_ = true;
    return Known{static_cast<std::uint8_t>(std::bit_width(value)), fits_imm(value), true};
  };
  switch (inst.op) {
    case Opcode::const64:
      return constant(inst.imm64());
    case Opcode::mov64:
      // Who reads the constant in place of this move's operand must not leave a temporary unread that
      // somebody may want who stopped before.
      if (word(inst.a).constant && (!inst.a.is_temp() || word(inst.a).stretch == stretch_))
        return constant(constant_of(inst.a));
      unsigned_bits = bits(inst.a);
      sign_extended = extended(inst.a);
      break;
    case Opcode::and64_i:
      sign_extended = extended(inst.a) || inst.imm >= 0;
      unsigned_bits = inst.imm >= 0 ? static_cast<unsigned>(std::bit_width(static_cast<unsigned>(inst.imm)))
                                    : bits(inst.a);
      break;
    case Opcode::and64:
      unsigned_bits = std::min(bits(inst.a), bits(inst.b));
      sign_extended = extended(inst.a) && extended(inst.b);
      break;
    case Opcode::andn64:
      unsigned_bits = bits(inst.a);
      sign_extended = extended(inst.a) && extended(inst.b);
      break;
    case Opcode::or64:
    case Opcode::xor64:
      unsigned_bits = std::max(bits(inst.a), bits(inst.b));
      sign_extended = extended(inst.a) && extended(inst.b);
      break;
    case Opcode::or64_i:
    case Opcode::xor64_i:
      sign_extended = extended(inst.a);
      if (inst.imm >= 0)
        unsigned_bits =
            std::max(bits(inst.a), static_cast<unsigned>(std::bit_width(static_cast<unsigned>(inst.imm))));
      break;
    case Opcode::shr64_i: {
      const unsigned by = static_cast<unsigned>(inst.imm) & 63;
      unsigned_bits = bits(inst.a) > by ? bits(inst.a) - by : 0;
      break;
    }
    case Opcode::shr32_i:
      unsigned_bits = 32 - (static_cast<unsigned>(inst.imm) & 31);
      break;
    case Opcode::sar64_i:
      sign_extended = (inst.imm & 63) >= 32;
      break;
    case Opcode::shl_u32:
      unsigned_bits = std::min(64u, 32u + inst.aux());
      break;
    case Opcode::ubfx64:
      unsigned_bits = inst.aux2();
      break;
    case Opcode::sbfx64:
      sign_extended = inst.aux2() <= 32;
      break;
    default:
      break;
  }
  return {static_cast<std::uint8_t>(unsigned_bits), sign_extended, false};
}

// --- backward
// -----------------------------------------------------------------------------------------------------------

/// Removes instructions without effects whose results nobody reads: those of temporaries, and those of slots
/// that are written again before anybody could look.
void Optimiser::backward() {
  ++serial_;
  std::uint32_t stretch = 1;
  for (std::size_t n = insts_.size(); n-- > 0;) {
    const Inst& inst = insts_[n];
    const Facts& f = facts_of(inst.op);
    // Who goes on in the original block leaves it where the next copy begins.
    stretch += f.op.observer || (n + 1) % copy_size_ == 0;
    if (!inst.dst.is_none()) {
      Fate& fate = fates_[index(inst.dst)];
      const bool ours = fate.serial == serial_;
      const bool replaced = ours && !fate.read && fate.stretch == stretch;
      const bool gone = inst.dst.is_temp() ? !(ours && fate.read) : replaced;
      if (gone && f.op.pure) {
        replace(insts_[n], Inst{});
        continue;
      }
      // What may fault does not write if it does.
      fate = {serial_, f.op.observer ? 0 : stretch, false};
    }
    const Fate read{serial_, 0, true};
    fates_[index(inst.a)] = read;
    fates_[index(inst.b)] = read;
    if (f.op.reads_c) fates_[index(inst.c())] = read;
  }
}

// --- the result
// ---------------------------------------------------------------------------------------------------------

const ir::Block& Optimiser::rebuild(const ir::Block& block) {
  packed_.clear();
  origin_.clear();
  if (loop_head_ == 0) boundaries_.assign(block.boundaries().begin(), block.boundaries().end());
  std::size_t at = 0;
  for (std::size_t n = 0; n < insts_.size(); ++n) {
    for (; at < boundaries_.size() && boundaries_[at].first_inst <= n; ++at)
      boundaries_[at].first_inst = static_cast<std::uint16_t>(packed_.size());
    const std::size_t origin = n % copy_size_;
    if (insts_[n].op == Opcode::nop && block.insts()[origin].op != Opcode::nop) continue;
    packed_.push_back(insts_[n]);
    origin_.push_back(static_cast<std::uint32_t>(origin));
  }
  for (; at < boundaries_.size(); ++at)
    boundaries_[at].first_inst = static_cast<std::uint16_t>(packed_.size());
  identity_ = false;
  result_ = ir::Block::make({block.key(), packed_, block.exits(), boundaries_, block.guest_ranges(),
                             block.temp_count(), block.host_rounding()});
  return *result_;
}

}  // namespace ashlar::opt
