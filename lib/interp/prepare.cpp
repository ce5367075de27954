// Finds the opcodes of fused.inc in a block; see prepare.hpp.
#include "interp/prepare.hpp"

#include <array>
#include <cstddef>
#include <utility>

namespace ashlar::interp {
namespace {

using ir::Inst;
using ir::Opcode;

constexpr bool symmetric(Opcode op) {
  using enum Opcode;
  if (op == br_eq || op == br_ne || op == exit_eq || op == exit_ne) return true;
  const ir::OpInfo& info = ir::op_info(op);
  return (info.effects & ir::kCommutative) != 0 && (info.form == ir::Form::rr || info.form == ir::Form::rrx);
}

/// What `prepare` has to know of an opcode, in one load.
struct Traits {
  enum : std::uint8_t { kReadsA = 1, kReadsB = 2, kSymmetric = 4, kResult = 8, kForgets = 16 };
  std::uint8_t bits = 0;
  /// Every (opcode, source) of fused.inc has a small number, by two of which pairs are found. 0: not in
  /// fused.inc.
  std::uint8_t ids[3] = {0, 0, 0};
};

struct FusedTable {
  static constexpr std::size_t kMaxIds = 192;
  std::array<Traits, ir::kOpcodeCount> traits{};
  std::array<std::uint16_t, kMaxIds> one{};
  std::array<std::array<std::uint16_t, kMaxIds>, kMaxIds> two{};
  std::size_t next_id = 1;

  constexpr std::size_t id(Opcode op, Source source) {
    std::uint8_t& known = traits[static_cast<std::size_t>(op)].ids[static_cast<std::size_t>(source)];
    if (known == 0) known = static_cast<std::uint8_t>(next_id++);
    return known;
  }

  constexpr FusedTable() {
    for (std::size_t i = 0; i < ir::kOpcodeCount; ++i) {
      const auto op = static_cast<Opcode>(i);
      const ir::OpInfo& info = ir::op_info(op);
      unsigned bits = (reads_a(op) ? Traits::kReadsA : 0) | (reads_b(op) ? Traits::kReadsB : 0);
      if (symmetric(op)) bits |= Traits::kSymmetric;
      if (info.dst != ir::ValueClass::N) bits |= Traits::kResult;
      if (info.form == ir::Form::help) bits |= Traits::kForgets;  // it may have changed any slot
      traits[i].bits = static_cast<std::uint8_t>(bits);
    }
#define ASHLAR_ONE(op, source) \
  one[id(Opcode::op, Source::source)] = static_cast<std::uint16_t>(FusedOpcode::op##_##source);
#define ASHLAR_TWO(first, source1, second, source2)                              \
  two[id(Opcode::first, Source::source1)][id(Opcode::second, Source::source2)] = \
      static_cast<std::uint16_t>(FusedOpcode::first##_##source1##_##second##_##source2);
#include "interp/fused.inc"
#undef ASHLAR_ONE
#undef ASHLAR_TWO
  }
};
constexpr FusedTable kFused;
static_assert(kFused.next_id <= FusedTable::kMaxIds);

const Traits& traits_of(const Inst& inst) { return kFused.traits[static_cast<std::size_t>(inst.op)]; }

/// Word of the last result behind `inst`, if it was `last` before.
std::int16_t result_behind(const Inst& inst, const Traits& traits, std::int16_t last) {
  if ((traits.bits & (Traits::kResult | Traits::kForgets)) == 0) return last;
  return (traits.bits & Traits::kForgets) != 0 ? ir::Value::kNone : inst.dst.word;
}

/// Copies `inst`, and says where it may get its operands; exchanges those of symmetric operations for that.
Source place(const Inst& inst, const Traits& traits, Inst& out, std::int16_t last) {
  out = inst;
  if (last == ir::Value::kNone) return Source::m;
  if (inst.a.word == last && (traits.bits & Traits::kReadsA) != 0) return Source::a;
  if (inst.b.word != last || (traits.bits & Traits::kReadsB) == 0) return Source::m;
  if ((traits.bits & Traits::kSymmetric) == 0) return Source::b;
  std::swap(out.a, out.b);
  return Source::a;
}

}  // namespace

void prepare(std::span<const Inst> insts, std::span<Inst> out) noexcept {
  const std::size_t count = insts.size();
  if (count == 0) return;
  const Traits* traits = &traits_of(insts[0]);
  std::int16_t last = ir::Value::kNone;
  Source source = place(insts[0], *traits, out[0], last);
  for (std::size_t i = 0; i < count;) {
    // The operands are in memory as well, so a handler that reads less from the register will do.
    const std::uint8_t exact = traits->ids[static_cast<std::size_t>(source)];
    const std::uint8_t plain = traits->ids[static_cast<std::size_t>(Source::m)];
    last = result_behind(insts[i], *traits, last);
    std::size_t taken = 1;
    std::uint16_t fused = kFused.one[exact];
    if (i + 1 < count) {
      traits = &traits_of(insts[i + 1]);
      source = place(insts[i + 1], *traits, out[i + 1], last);
      const std::uint8_t exact2 = traits->ids[static_cast<std::size_t>(source)];
      const std::uint8_t plain2 = traits->ids[static_cast<std::size_t>(Source::m)];
      std::uint16_t pair = kFused.two[exact][exact2];
      if (pair == 0) pair = kFused.two[plain][exact2];
      if (pair == 0) pair = kFused.two[exact][plain2];
      if (pair == 0) pair = kFused.two[plain][plain2];
      if (pair != 0) {
        fused = pair;
        taken = 2;
        last = result_behind(insts[i + 1], *traits, last);
        if (i + 2 < count) {
          traits = &traits_of(insts[i + 2]);
          source = place(insts[i + 2], *traits, out[i + 2], last);
        }
      }
    }
    if (fused != 0) out[i].op = static_cast<Opcode>(fused);
    i += taken;
  }
}

std::int16_t last_result(std::span<const Inst> insts, std::size_t index) noexcept {
  while (index-- > 0) {
    const Traits& traits = traits_of(insts[index]);
    if ((traits.bits & (Traits::kResult | Traits::kForgets)) != 0) {
      return result_behind(insts[index], traits, ir::Value::kNone);
    }
  }
  return ir::Value::kNone;
}

}  // namespace ashlar::interp
