// Finds the opcodes of fused.inc in a block; see prepare.hpp.
#include "interp/prepare.hpp"

#include <array>
#include <cstddef>
#include <utility>

namespace ashlar::interp {
namespace {

using ir::Inst;
using ir::Opcode;

/// Every (opcode, source) of fused.inc gets a small number; pairs are found by two of them. 0 means none.
struct FusedTable {
  static constexpr std::size_t kMaxIds = 192;
  std::array<std::array<std::uint8_t, 3>, ir::kOpcodeCount> ids{};
  std::array<std::uint16_t, kMaxIds> one{};
  std::array<std::array<std::uint16_t, kMaxIds>, kMaxIds> two{};
  std::size_t next_id = 1;

  constexpr std::size_t id(Opcode op, Source source) {
    std::uint8_t& known = ids[static_cast<std::size_t>(op)][static_cast<std::size_t>(source)];
    if (known == 0) known = static_cast<std::uint8_t>(next_id++);
    return known;
  }

  constexpr FusedTable() {
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

/// Word of the last result behind `inst`, if it was `last` before.
std::int16_t result_behind(const Inst& inst, std::int16_t last) {
  const ir::OpInfo& info = ir::op_info(inst.op);
  if (info.form == ir::Form::help) return ir::Value::kNone;  // may have changed any slot
  return info.dst == ir::ValueClass::N ? last : inst.dst.word;
}

bool symmetric(Opcode op) {
  using enum Opcode;
  if (op == br_eq || op == br_ne || op == exit_eq || op == exit_ne) return true;
  const ir::OpInfo& info = ir::op_info(op);
  return (info.effects & ir::kCommutative) != 0 && (info.form == ir::Form::rr || info.form == ir::Form::rrx);
}

/// Copies `inst`, and says where it may get its operands; exchanges those of symmetric operations for that.
Source place(const Inst& inst, Inst& out, std::int16_t last) {
  out = inst;
  if (last == ir::Value::kNone) return Source::m;
  if (inst.a.word == last && reads_a(inst.op)) return Source::a;
  if (inst.b.word != last || !reads_b(inst.op)) return Source::m;
  if (!symmetric(inst.op)) return Source::b;
  std::swap(out.a, out.b);
  return Source::a;
}

std::uint8_t id_of(Opcode op, Source source) {
  return kFused.ids[static_cast<std::size_t>(op)][static_cast<std::size_t>(source)];
}

}  // namespace

void prepare(std::span<const Inst> insts, std::span<Inst> out) noexcept {
  const std::size_t count = insts.size();
  if (count == 0) return;
  std::int16_t last = ir::Value::kNone;
  Source source = place(insts[0], out[0], last);
  for (std::size_t i = 0; i < count;) {
    const Opcode op = insts[i].op;
    last = result_behind(insts[i], last);
    // The operands are in memory as well, so a handler that reads less from the register will do.
    const std::uint8_t exact = id_of(op, source);
    const std::uint8_t plain = id_of(op, Source::m);
    if (i + 1 < count) {
      const Opcode following = insts[i + 1].op;
      const Source source2 = place(insts[i + 1], out[i + 1], last);
      const std::uint8_t exact2 = id_of(following, source2);
      const std::uint8_t plain2 = id_of(following, Source::m);
      std::uint16_t pair = kFused.two[exact][exact2];
      if (pair == 0) pair = kFused.two[plain][exact2];
      if (pair == 0) pair = kFused.two[exact][plain2];
      if (pair == 0) pair = kFused.two[plain][plain2];
      if (pair != 0) {
        out[i].op = static_cast<Opcode>(pair);
        last = result_behind(insts[i + 1], last);
        i += 2;
        if (i < count) source = place(insts[i], out[i], last);
        continue;
      }
      if (const std::uint16_t one = kFused.one[exact]; one != 0) out[i].op = static_cast<Opcode>(one);
      source = source2;
    } else if (const std::uint16_t one = kFused.one[exact]; one != 0) {
      out[i].op = static_cast<Opcode>(one);
    }
    ++i;
  }
}

std::int16_t last_result(std::span<const Inst> insts, std::size_t index) noexcept {
  while (index-- > 0) {
    const std::int16_t word = result_behind(insts[index], ir::Value::kNone);
    if (word != ir::Value::kNone || ir::op_info(insts[index].op).form == ir::Form::help) return word;
  }
  return ir::Value::kNone;
}

}  // namespace ashlar::interp
