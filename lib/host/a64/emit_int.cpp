// Integer opcodes: arithmetic, logic, shifts, multiplication, division, bit operations, compare-and-set,
// select.
#include <asmjit/arm/a64utils.h>

#include <algorithm>

#include "host/a64/emitter.hpp"

namespace ashlar::host_a64 {

using asmjit::Imm;
using codegen::InstPlan;
using I = a64::Inst;
namespace arm = asmjit::arm;

namespace {

std::uint64_t sign_extended(std::int32_t imm) { return static_cast<std::uint64_t>(std::int64_t{imm}); }

}  // namespace

void Emitter::finish32(Reg dst, Extend extend) {
  // 32-bit instructions zero-extend by themselves. Sign extension waits until somebody wants the upper half.
  if (extend == Extend::sign32) cache_.set_knowledge(dst, Knowledge::extend_32);
}

bool Emitter::merges_with_last(Last::Kind kind, const Inst& inst, Value v, std::uint16_t next, bool wide) {
  if (last_.kind != kind || last_.end != here() || last_.word != v.word || last_.wide != wide) return false;
  // Another reader, or the frame, would miss it.
  if (next != InstPlan::kNever || !(v.is_temp() || v == inst.dst) || inst.a == inst.b) return false;
  cache_.touch(v, next);
  return true;
}

// --- addition, logic
// --------------------------------------------------------------------------------------------------------------

void Emitter::binary(const Inst& inst, InstId id, Extend extend) {
  // Bit by bit: what is made of two extended values is extended.
  const bool sum = id == I::kIdAdd || id == I::kIdSub;
  const bool extended = !sum && is_extended(inst.a) && is_extended(inst.b);
  if (extended && (is_unfinished(inst.a) || is_unfinished(inst.b))) extend = Extend::sign32;
  const bool wide = extend == Extend::none;
  // A shift that was emitted last can be done by the second operand.
  const auto shifted = [&](Value v, std::uint16_t v_next, Value other, std::uint16_t other_next) {
    if (last_.kind != Last::Kind::shift) return false;
    const Reg first = use_int(other, other_next, wide);
    if (!merges_with_last(Last::Kind::shift, inst, v, v_next, wide)) return false;
    const Last last = last_;
    take_back_last();
    const Reg dst = define_int(inst);
    as_.emit(id, gp(dst, wide), gp(first, wide), gp(last.a, wide), Imm(last.by));
    finish32(dst, extend);
    return true;
  };
  if (shifted(inst.b, plan().next_b, inst.a, plan().next_a)) return;
  if ((ir::op_info(inst.op).effects & ir::kCommutative) != 0 &&
      shifted(inst.a, plan().next_a, inst.b, plan().next_b))
    return;
  if (wide && sum && sum_extending(inst, id)) return;
  const Reg a = use_a(inst, wide);
  const Reg b = use_b(inst, wide);
  const Reg dst = define_int(inst);
  as_.emit(id, gp(dst, wide), gp(a, wide), gp(b, wide));
  if (wide && extended) note_extended(dst);
  finish32(dst, extend);
}

bool Emitter::sum_extending(const Inst& inst, InstId id) {
  const auto emit = [&](Value first, std::uint16_t first_next, Value second, std::uint16_t second_next) {
    if (!is_unfinished(second) || first.is_zero() || first == second) return false;
    const Reg a = use_int(first, first_next);
    const Reg b = use_low(second, second_next);
    // The assembler wants the extended register named in full.
    as_.emit(id, gp64(define_int(inst)), gp64(a), gp64(b), Imm(arm::Shift(arm::ShiftOp::kSXTW, 0)));
    return true;
  };
  return emit(inst.a, plan().next_a, inst.b, plan().next_b) ||
         (id == I::kIdAdd && emit(inst.b, plan().next_b, inst.a, plan().next_a));
}

void Emitter::add(const Inst& inst, Extend extend) {
  const bool wide = extend == Extend::none;
  const auto accumulate = [&](Value product, std::uint16_t next, Value addend, std::uint16_t addend_next) {
    if (last_.kind != Last::Kind::product) return false;
    const Reg c = use_int(addend, addend_next, wide);
    if (!merges_with_last(Last::Kind::product, inst, product, next, wide)) return false;
    const Last last = last_;
    take_back_last();
    const Reg dst = define_int(inst);
    as_.madd(gp(dst, wide), gp(last.a, wide), gp(last.b, wide), gp(c, wide));
    finish32(dst, extend);
    return true;
  };
  if (accumulate(inst.a, plan().next_a, inst.b, plan().next_b)) return;
  if (accumulate(inst.b, plan().next_b, inst.a, plan().next_a)) return;
  binary(inst, I::kIdAdd, extend);
}

void Emitter::sub(const Inst& inst, Extend extend) {
  const bool wide = extend == Extend::none;
  if (last_.kind == Last::Kind::product) {
    const Reg a = use_a(inst, wide);
    if (merges_with_last(Last::Kind::product, inst, inst.b, plan().next_b, wide)) {
      const Last last = last_;
      take_back_last();
      const Reg dst = define_int(inst);
      as_.msub(gp(dst, wide), gp(last.a, wide), gp(last.b, wide), gp(a, wide));
      finish32(dst, extend);
      return;
    }
  }
  binary(inst, I::kIdSub, extend);
}

void Emitter::add_imm(const Inst& inst, Extend extend) {
  const bool wide = extend == Extend::none;
  const Reg a = use_a(inst, wide);
  if (a == kZero) {
    const Reg dst = define_int(inst);
    if (extend == Extend::zero32) {
      move_imm(gp32(dst), static_cast<std::uint32_t>(inst.imm));
    } else {
      move_imm(gp64(dst), sign_extended(inst.imm));
      note_extended(dst);
    }
    return;
  }
  // A host base stays good when its guest base moves by a constant.
  HostBase* moved = nullptr;
  HostBase kept;
  if (wide && inst.dst == inst.a)
    for (HostBase& base : host_bases_)
      if (base.value == inst.a) {
        moved = &base;
        kept = base;
      }
  const Reg dst = define_int(inst);
  if (moved != nullptr) *moved = HostBase{kept.value, kept.offset + inst.imm};
  if (inst.imm != 0) {
    add_constant(dst, a, inst.imm, wide);
    finish32(dst, extend);
  } else if (extend == Extend::sign32) {
    as_.sxtw(gp64(dst), gp32(a));
    note_extended(dst);
  } else if (extend == Extend::zero32) {
    as_.mov(gp32(dst), gp32(a));
  } else {
    move(dst, a);
  }
}

void Emitter::logic_imm(const Inst& inst, InstId id) {
  const std::uint64_t value = sign_extended(inst.imm);
  const bool is_and = id == I::kIdAnd;
  // A mask of 31 bits or fewer clears the upper half; else what was extended stays so.
  const bool masks = is_and && inst.imm >= 0;
  const bool extended = masks || is_extended(inst.a);
  const bool unfinished = is_unfinished(inst.a);
  const bool wide = !unfinished && !(masks && !a64::Utils::isLogicalImm(value, 64));
  const Reg a = use_a(inst, wide && !masks);
  const Reg dst = define_int(inst);
  if (is_and && (value == 0 || a == kZero)) {
    move_imm(gp64(dst), 0);
  } else if (a == kZero || (value == ~std::uint64_t{0} && id == I::kIdOrr)) {
    move_imm(gp64(dst), value);
  } else if (value == (is_and ? ~std::uint64_t{0} : 0)) {
    if (unfinished) {
      as_.sxtw(gp64(dst), gp32(a));
    } else {
      move(dst, a);
    }
  } else {
    const std::uint64_t bits = wide ? value : static_cast<std::uint32_t>(value);
    if (value == ~std::uint64_t{0}) {  // exclusive or
      as_.mvn(gp(dst, wide), gp(a, wide));
    } else if (a64::Utils::isLogicalImm(bits, wide ? 64 : 32)) {
      as_.emit(id, gp(dst, wide), gp(a, wide), Imm(bits));
    } else {
      move_imm(gp(kX16, wide), bits);
      as_.emit(id, gp(dst, wide), gp(a, wide), gp(kX16, wide));
    }
    if (!wide && !masks) {
      finish32(dst, Extend::sign32);
      return;
    }
  }
  if (extended) note_extended(dst);
}

void Emitter::emit_nop(const Inst&) {}

void Emitter::emit_const64(const Inst& inst) {
  const std::uint64_t value = inst.imm64();
  if (value == 0 && inst.dst.is_slot() && cache_.where(inst.dst).is_none() &&
      plan().next_dst == InstPlan::kNever && !plan().dead_store) {
    forget_host_base(inst.dst);
    store_word(inst.dst.word, kZero);
    return;
  }
  const Reg dst = define_int(inst);
  // A literal when it would take many instructions, or when nobody waits for it: a return address is stored,
  // and compared when the call is long over.
  const int steps = steps_of(value);
  if (steps > 2 || (steps > 1 && options_.linked && is_return_address(value))) {
    load_literal(dst, value);
  } else {
    move_imm(gp64(dst), value);
  }
  if (value == sign_extended(static_cast<std::int32_t>(value))) note_extended(dst);
}

void Emitter::emit_mov64(const Inst& inst) {
  const bool extended = is_extended(inst.a), unfinished = is_unfinished(inst.a);
  const Reg a = use_a(inst, !unfinished);
  const Reg dst = define_int(inst);
  if (unfinished) {
    as_.sxtw(gp64(dst), gp32(a));
  } else {
    move(dst, a);
  }
  if (extended) note_extended(dst);
}

void Emitter::emit_add64(const Inst& inst) { add(inst, Extend::none); }
void Emitter::emit_add64_i(const Inst& inst) { add_imm(inst, Extend::none); }
void Emitter::emit_add32(const Inst& inst) { add(inst, Extend::zero32); }
void Emitter::emit_add32_i(const Inst& inst) { add_imm(inst, Extend::zero32); }
void Emitter::emit_add32s(const Inst& inst) { add(inst, Extend::sign32); }
void Emitter::emit_add32s_i(const Inst& inst) { add_imm(inst, Extend::sign32); }
void Emitter::emit_sub64(const Inst& inst) { sub(inst, Extend::none); }
void Emitter::emit_sub32(const Inst& inst) { sub(inst, Extend::zero32); }
void Emitter::emit_sub32s(const Inst& inst) { sub(inst, Extend::sign32); }
void Emitter::emit_and64(const Inst& inst) { binary(inst, I::kIdAnd, Extend::none); }
void Emitter::emit_and64_i(const Inst& inst) { logic_imm(inst, I::kIdAnd); }
void Emitter::emit_or64(const Inst& inst) { binary(inst, I::kIdOrr, Extend::none); }
void Emitter::emit_or64_i(const Inst& inst) { logic_imm(inst, I::kIdOrr); }
void Emitter::emit_xor64(const Inst& inst) { binary(inst, I::kIdEor, Extend::none); }
void Emitter::emit_xor64_i(const Inst& inst) { logic_imm(inst, I::kIdEor); }
void Emitter::emit_andn64(const Inst& inst) { binary(inst, I::kIdBic, Extend::none); }
void Emitter::emit_orn64(const Inst& inst) { binary(inst, I::kIdOrn, Extend::none); }
void Emitter::emit_xnor64(const Inst& inst) { binary(inst, I::kIdEon, Extend::none); }

// --- shifts
// -----------------------------------------------------------------------------------------------------------------------

void Emitter::shift(const Inst& inst, InstId id, Extend extend, bool left_rotation) {
  const bool wide = extend == Extend::none;
  const Reg a = use_a(inst, wide);
  Reg b = use_b(inst, false);
  const Reg dst = define_int(inst);
  if (left_rotation) {
    as_.neg(gp32(kX16), gp32(b));
    b = kX16;
  }
  as_.emit(id, gp(dst, wide), gp(a, wide), gp(b, wide));
  finish32(dst, extend);
}

void Emitter::shift_imm(const Inst& inst, arm::ShiftOp op, Extend extend) {
  const bool wide = extend == Extend::none;
  const unsigned count = static_cast<unsigned>(inst.imm) & (wide ? 63u : 31u);
  if (wide && is_unfinished(inst.a) && op != arm::ShiftOp::kLSR) {
    // One instruction extends the low half and moves it.
    const Reg a = use_a(inst, false);
    const Reg dst = define_int(inst);
    if (op == arm::ShiftOp::kLSL) {
      as_.sbfiz(gp64(dst), gp64(a), Imm(count), Imm(std::min(32u, 64 - count)));
    } else {
      const unsigned low = std::min(31u, count);
      as_.sbfx(gp64(dst), gp64(a), Imm(low), Imm(32 - low));
      note_extended(dst);
    }
    return;
  }
  const Reg a = use_a(inst, wide);
  const Reg dst = define_int(inst);
  if (extend == Extend::sign32) {
    // One instruction moves the field and extends it.
    if (count == 0) {
      as_.sxtw(gp64(dst), gp32(a));
    } else if (op == arm::ShiftOp::kLSL) {
      as_.sbfiz(gp64(dst), gp64(a), Imm(count), Imm(32 - count));
    } else if (op == arm::ShiftOp::kLSR) {
      as_.lsr(gp32(dst), gp32(a), Imm(count));
    } else {
      as_.sbfx(gp64(dst), gp64(a), Imm(count), Imm(32 - count));
    }
    note_extended(dst);
    return;
  }
  if (count == 0) {
    if (wide) {
      move(dst, a);
    } else {
      as_.mov(gp32(dst), gp32(a));
    }
    return;
  }
  static constexpr InstId kIds[] = {I::kIdLsl, I::kIdLsr, I::kIdAsr};
  as_.emit(kIds[static_cast<int>(op)], gp(dst, wide), gp(a, wide), Imm(count));
  last_ = Last{.kind = Last::Kind::shift, .end = here(), .word = inst.dst.word, .a = a, .wide = wide};
  last_.by = arm::Shift(op, count);
}

void Emitter::rotate_imm(const Inst& inst, Extend extend) {
  const bool wide = extend == Extend::none;
  const unsigned count = static_cast<unsigned>(inst.imm) & (wide ? 63u : 31u);
  const Reg a = use_a(inst, wide);
  const Reg dst = define_int(inst);
  if (count == 0 && wide) {
    move(dst, a);
    return;
  }
  if (count == 0) {
    as_.mov(gp32(dst), gp32(a));
  } else {
    as_.ror(gp(dst, wide), gp(a, wide), Imm(count));
  }
  finish32(dst, extend);
}

void Emitter::emit_shl64(const Inst& inst) { shift(inst, I::kIdLsl, Extend::none); }
void Emitter::emit_shl64_i(const Inst& inst) { shift_imm(inst, arm::ShiftOp::kLSL, Extend::none); }
void Emitter::emit_shl32(const Inst& inst) { shift(inst, I::kIdLsl, Extend::zero32); }
void Emitter::emit_shl32_i(const Inst& inst) { shift_imm(inst, arm::ShiftOp::kLSL, Extend::zero32); }
void Emitter::emit_shl32s(const Inst& inst) { shift(inst, I::kIdLsl, Extend::sign32); }
void Emitter::emit_shl32s_i(const Inst& inst) { shift_imm(inst, arm::ShiftOp::kLSL, Extend::sign32); }
void Emitter::emit_shr64(const Inst& inst) { shift(inst, I::kIdLsr, Extend::none); }
void Emitter::emit_shr64_i(const Inst& inst) { shift_imm(inst, arm::ShiftOp::kLSR, Extend::none); }
void Emitter::emit_shr32(const Inst& inst) { shift(inst, I::kIdLsr, Extend::zero32); }
void Emitter::emit_shr32_i(const Inst& inst) { shift_imm(inst, arm::ShiftOp::kLSR, Extend::zero32); }
void Emitter::emit_shr32s(const Inst& inst) { shift(inst, I::kIdLsr, Extend::sign32); }
void Emitter::emit_shr32s_i(const Inst& inst) { shift_imm(inst, arm::ShiftOp::kLSR, Extend::sign32); }
void Emitter::emit_sar64(const Inst& inst) { shift(inst, I::kIdAsr, Extend::none); }
void Emitter::emit_sar64_i(const Inst& inst) { shift_imm(inst, arm::ShiftOp::kASR, Extend::none); }
void Emitter::emit_sar32(const Inst& inst) { shift(inst, I::kIdAsr, Extend::zero32); }
void Emitter::emit_sar32_i(const Inst& inst) { shift_imm(inst, arm::ShiftOp::kASR, Extend::zero32); }
void Emitter::emit_sar32s(const Inst& inst) { shift(inst, I::kIdAsr, Extend::sign32); }
void Emitter::emit_sar32s_i(const Inst& inst) { shift_imm(inst, arm::ShiftOp::kASR, Extend::sign32); }
void Emitter::emit_rotl64(const Inst& inst) { shift(inst, I::kIdRor, Extend::none, true); }
void Emitter::emit_rotl32s(const Inst& inst) { shift(inst, I::kIdRor, Extend::sign32, true); }
void Emitter::emit_rotr64(const Inst& inst) { shift(inst, I::kIdRor, Extend::none); }
void Emitter::emit_rotr64_i(const Inst& inst) { rotate_imm(inst, Extend::none); }
void Emitter::emit_rotr32(const Inst& inst) { shift(inst, I::kIdRor, Extend::zero32); }
void Emitter::emit_rotr32_i(const Inst& inst) { rotate_imm(inst, Extend::zero32); }
void Emitter::emit_rotr32s(const Inst& inst) { shift(inst, I::kIdRor, Extend::sign32); }
void Emitter::emit_rotr32s_i(const Inst& inst) { rotate_imm(inst, Extend::sign32); }

void Emitter::emit_addshl64(const Inst& inst) {
  const unsigned count = inst.aux();
  // Extended on the way; the first operand can't be zero then.
  const bool extend = is_unfinished(inst.a) && count <= 4 && !inst.b.is_zero() && inst.a != inst.b;
  const Reg a = use_a(inst, !extend);
  const Reg b = use_b(inst);
  const Reg dst = define_int(inst);
  if (extend) {
    as_.add(gp64(dst), gp64(b), gp64(a), arm::Shift(arm::ShiftOp::kSXTW, count));
  } else if (count == 0) {
    as_.add(gp64(dst), gp64(b), gp64(a));
  } else {
    as_.add(gp64(dst), gp64(b), gp64(a), arm::Shift(arm::ShiftOp::kLSL, count));
  }
}

void Emitter::emit_addshl_u32(const Inst& inst) {
  const unsigned count = inst.aux();
  const Reg a = use_a(inst, false);
  const Reg b = use_b(inst);
  const Reg dst = define_int(inst);
  if (b == kZero) {
    as_.ubfiz(gp64(dst), gp64(a), Imm(count), Imm(32));
  } else if (count <= 4 && a != kZero) {
    // The assembler wants the extended register named in full.
    as_.add(gp64(dst), gp64(b), gp64(a), arm::Shift(arm::ShiftOp::kUXTW, count));
  } else {
    as_.ubfiz(gp64(kX16), gp64(a), Imm(count), Imm(32));
    as_.add(gp64(dst), gp64(b), gp64(kX16));
  }
}

void Emitter::emit_shl_u32(const Inst& inst) {
  const unsigned count = inst.aux();
  const Reg a = use_a(inst, false);
  const Reg dst = define_int(inst);
  if (count == 0) {
    as_.mov(gp32(dst), gp32(a));
  } else if (count >= 32) {
    as_.lsl(gp64(dst), gp64(a), Imm(count));
  } else {
    as_.ubfiz(gp64(dst), gp64(a), Imm(count), Imm(32));
  }
}

// --- multiplication and division
// --------------------------------------------------------------------------------------------------

void Emitter::multiply(const Inst& inst, Extend extend) {
  const bool wide = extend == Extend::none;
  const Reg a = use_a(inst, wide);
  const Reg b = use_b(inst, wide);
  const Reg dst = define_int(inst);
  as_.mul(gp(dst, wide), gp(a, wide), gp(b, wide));
  finish32(dst, extend);
  last_ =
      Last{.kind = Last::Kind::product, .end = here(), .word = inst.dst.word, .a = a, .b = b, .wide = wide};
}
void Emitter::emit_mul64(const Inst& inst) { multiply(inst, Extend::none); }
void Emitter::emit_mul32(const Inst& inst) { multiply(inst, Extend::zero32); }
void Emitter::emit_mul32s(const Inst& inst) { multiply(inst, Extend::sign32); }
void Emitter::multiply_high(const Inst& inst, InstId id) {
  const Reg a = use_a(inst);
  const Reg b = use_b(inst);
  as_.emit(id, gp64(define_int(inst)), gp64(a), gp64(b));
}
void Emitter::emit_mulh_s64(const Inst& inst) { multiply_high(inst, I::kIdSmulh); }
void Emitter::emit_mulh_u64(const Inst& inst) { multiply_high(inst, I::kIdUmulh); }

void Emitter::emit_mulh_su64(const Inst& inst) {
  // high(signed a * unsigned b) = high(unsigned a * unsigned b) - (a < 0 ? b : 0)
  const Reg a = use_a(inst);
  const Reg b = use_b(inst);
  const Reg dst = define_int(inst);
  as_.umulh(gp64(kX16), gp64(a), gp64(b));
  as_.and_(gp64(kX17), gp64(b), gp64(a), arm::Shift(arm::ShiftOp::kASR, 63));
  as_.sub(gp64(dst), gp64(kX16), gp64(kX17));
}

void Emitter::divide(const Inst& inst, bool is_signed, bool remainder, bool wide) {
  // The host gives 0 for x / 0 and MIN for MIN / -1, so that a remainder by multiplying back is x and 0.
  const Reg a = use_a(inst, wide);
  const Reg b = use_b(inst, wide);
  const Reg dst = define_int(inst);
  const bool all_ones = static_cast<ir::DivisionRule>(inst.aux()) == ir::DivisionRule::all_ones;
  const InstId id = is_signed ? I::kIdSdiv : I::kIdUdiv;
  if (remainder) {
    as_.emit(id, gp(kX16, wide), gp(a, wide), gp(b, wide));
    as_.msub(gp(dst, wide), gp(kX16, wide), gp(b, wide), gp(a, wide));
  } else if (b == kZero) {
    move_imm(gp64(dst), all_ones ? ~std::uint64_t{0} : 0);
    return;
  } else if (all_ones) {
    as_.emit(id, gp(kX16, wide), gp(a, wide), gp(b, wide));
    as_.cmp(gp(b, wide), Imm(0));
    as_.csinv(gp(dst, wide), gp(kX16, wide), gp(kZero, wide), Imm(a64::CondCode::kNE));
  } else {
    as_.emit(id, gp(dst, wide), gp(a, wide), gp(b, wide));
  }
  if (!wide) finish32(dst, Extend::sign32);
}

void Emitter::emit_div_s64(const Inst& inst) { divide(inst, true, false, true); }
void Emitter::emit_div_u64(const Inst& inst) { divide(inst, false, false, true); }
void Emitter::emit_rem_s64(const Inst& inst) { divide(inst, true, true, true); }
void Emitter::emit_rem_u64(const Inst& inst) { divide(inst, false, true, true); }
void Emitter::emit_div_s32s(const Inst& inst) { divide(inst, true, false, false); }
void Emitter::emit_div_u32s(const Inst& inst) { divide(inst, false, false, false); }
void Emitter::emit_rem_s32s(const Inst& inst) { divide(inst, true, true, false); }
void Emitter::emit_rem_u32s(const Inst& inst) { divide(inst, false, true, false); }

void Emitter::min_max(const Inst& inst, a64::CondCode keep) {
  const Reg a = use_a(inst);
  const Reg b = use_b(inst);
  const Reg dst = define_int(inst);
  as_.cmp(gp64(a), gp64(b));
  as_.csel(gp64(dst), gp64(a), gp64(b), Imm(keep));
}
void Emitter::emit_min_s64(const Inst& inst) { min_max(inst, a64::CondCode::kLT); }
void Emitter::emit_min_u64(const Inst& inst) { min_max(inst, a64::CondCode::kLO); }
void Emitter::emit_max_s64(const Inst& inst) { min_max(inst, a64::CondCode::kGT); }
void Emitter::emit_max_u64(const Inst& inst) { min_max(inst, a64::CondCode::kHI); }

// --- extension, bit fields
// --------------------------------------------------------------------------------------------------------

void Emitter::bit_field(const Inst& inst, unsigned low, unsigned width, bool is_signed) {
  const Reg a = use_a(inst, low + width > 32);
  const Reg dst = define_int(inst);
  if (width == 64) {
    move(dst, a);
  } else if (is_signed) {
    as_.sbfx(gp64(dst), gp64(a), Imm(low), Imm(width));
  } else if (low == 0 && width == 32) {
    as_.mov(gp32(dst), gp32(a));
  } else {
    as_.ubfx(gp64(dst), gp64(a), Imm(low), Imm(width));
  }
  if (width < 32 || (is_signed && width == 32)) note_extended(dst);
}
void Emitter::emit_sext8(const Inst& inst) { bit_field(inst, 0, 8, true); }
void Emitter::emit_sext16(const Inst& inst) { bit_field(inst, 0, 16, true); }
void Emitter::emit_sext32(const Inst& inst) { bit_field(inst, 0, 32, true); }
void Emitter::emit_zext8(const Inst& inst) { bit_field(inst, 0, 8, false); }
void Emitter::emit_zext16(const Inst& inst) { bit_field(inst, 0, 16, false); }
void Emitter::emit_zext32(const Inst& inst) { bit_field(inst, 0, 32, false); }
void Emitter::emit_ubfx64(const Inst& inst) { bit_field(inst, inst.aux(), inst.aux2(), false); }
void Emitter::emit_sbfx64(const Inst& inst) { bit_field(inst, inst.aux(), inst.aux2(), true); }

// --- bit counting
// -----------------------------------------------------------------------------------------------------------------

void Emitter::count_zeros(const Inst& inst, bool leading, bool wide) {
  const Reg a = use_a(inst, wide);
  const Reg dst = define_int(inst);
  if (!leading) as_.rbit(gp(kX16, wide), gp(a, wide));
  as_.clz(gp(dst, wide), gp(leading ? a : kX16, wide));
}
void Emitter::emit_clz64(const Inst& inst) { count_zeros(inst, true, true); }
void Emitter::emit_clz32(const Inst& inst) { count_zeros(inst, true, false); }
void Emitter::emit_ctz64(const Inst& inst) { count_zeros(inst, false, true); }
void Emitter::emit_ctz32(const Inst& inst) { count_zeros(inst, false, false); }

void Emitter::population(const Inst& inst, bool wide) {
  const Reg a = use_a(inst, wide);
  const Reg dst = define_int(inst);
  if (wide) {
    as_.fmov(fp64(kV30), gp64(a));
  } else {
    as_.fmov(fp32(kV30), gp32(a));
  }
  as_.cnt(vec(kV30).b8(), vec(kV30).b8());
  as_.addv(a64::VecB(kV30.number()), vec(kV30).b8());
  as_.fmov(gp32(dst), fp32(kV30));
}
void Emitter::emit_popcnt64(const Inst& inst) { population(inst, true); }
void Emitter::emit_popcnt32(const Inst& inst) { population(inst, false); }

void Emitter::emit_bswap64(const Inst& inst) {
  const Reg a = use_a(inst);
  const Reg dst = define_int(inst);
  as_.rev(gp64(dst), gp64(a));
}

void Emitter::emit_orcb64(const Inst& inst) {
  const Reg a = use_a(inst);
  const Reg dst = define_int(inst);
  as_.fmov(fp64(kV30), gp64(a));
  as_.cmtst(vec(kV30).b8(), vec(kV30).b8(), vec(kV30).b8());
  as_.fmov(gp64(dst), fp64(kV30));
}

void Emitter::bit_op(const Inst& inst, InstId id) {
  const Reg a = use_a(inst);
  const Reg b = use_b(inst);
  const Reg dst = define_int(inst);
  move_imm(gp64(kX16), 1);
  as_.lsl(gp64(kX16), gp64(kX16), gp64(b));
  as_.emit(id, gp64(dst), gp64(a), gp64(kX16));
}
void Emitter::bit_op_imm(const Inst& inst, InstId id) {
  const std::uint64_t bit = std::uint64_t{1} << (inst.imm & 63);
  const Reg a = use_a(inst);
  const Reg dst = define_int(inst);
  // A single bit, or all but one, is a logical immediate.
  as_.emit(id, gp64(dst), gp64(a), Imm(id == I::kIdAnd ? ~bit : bit));
}
void Emitter::emit_bset64(const Inst& inst) { bit_op(inst, I::kIdOrr); }
void Emitter::emit_bset64_i(const Inst& inst) { bit_op_imm(inst, I::kIdOrr); }
void Emitter::emit_bclr64(const Inst& inst) { bit_op(inst, I::kIdBic); }
void Emitter::emit_bclr64_i(const Inst& inst) { bit_op_imm(inst, I::kIdAnd); }
void Emitter::emit_binv64(const Inst& inst) { bit_op(inst, I::kIdEor); }
void Emitter::emit_binv64_i(const Inst& inst) { bit_op_imm(inst, I::kIdEor); }

void Emitter::emit_bext64(const Inst& inst) {
  const Reg a = use_a(inst);
  const Reg b = use_b(inst);
  const Reg dst = define_int(inst);
  as_.lsr(gp64(kX16), gp64(a), gp64(b));
  as_.and_(gp64(dst), gp64(kX16), Imm(1));
}
void Emitter::emit_bext64_i(const Inst& inst) {
  bit_field(inst, static_cast<unsigned>(inst.imm) & 63, 1, false);
}

// --- compare and set, select
// ------------------------------------------------------------------------------------------------------

void Emitter::set_if(const Inst& inst, Condition cond, bool immediate) {
  const Test test = compare(inst, cond, immediate);
  // Fetching the destination may store another value, which leaves the flags as they are.
  const Reg dst = define_int(inst);
  switch (test.kind) {
    case Test::Kind::never:
    case Test::Kind::always:
      move_imm(gp64(dst), test.kind == Test::Kind::always ? 1 : 0);
      break;
    case Test::Kind::bit_set:  // the sign
      as_.lsr(gp(dst, test.wide), gp(test.reg, test.wide), Imm(test.wide ? 63 : 31));
      break;
    case Test::Kind::bit_clear:
      as_.cmp(gp(test.reg, test.wide), Imm(0));
      as_.cset(gp64(dst), Imm(a64::CondCode::kPL));
      break;
    case Test::Kind::zero:
    case Test::Kind::not_zero:
      as_.cmp(gp(test.reg, test.wide), Imm(0));
      as_.cset(gp64(dst), Imm(test.kind == Test::Kind::zero ? a64::CondCode::kEQ : a64::CondCode::kNE));
      break;
    case Test::Kind::flags:
      as_.cset(gp64(dst), Imm(test.cc));
      break;
  }
  note_extended(dst);
}
void Emitter::emit_set_eq(const Inst& inst) { set_if(inst, Condition::eq, false); }
void Emitter::emit_set_eq_i(const Inst& inst) { set_if(inst, Condition::eq, true); }
void Emitter::emit_set_ne(const Inst& inst) { set_if(inst, Condition::ne, false); }
void Emitter::emit_set_ne_i(const Inst& inst) { set_if(inst, Condition::ne, true); }
void Emitter::emit_set_lts(const Inst& inst) { set_if(inst, Condition::lts, false); }
void Emitter::emit_set_lts_i(const Inst& inst) { set_if(inst, Condition::lts, true); }
void Emitter::emit_set_ltu(const Inst& inst) { set_if(inst, Condition::ltu, false); }
void Emitter::emit_set_ltu_i(const Inst& inst) { set_if(inst, Condition::ltu, true); }
void Emitter::emit_set_ges(const Inst& inst) { set_if(inst, Condition::ges, false); }
void Emitter::emit_set_ges_i(const Inst& inst) { set_if(inst, Condition::ges, true); }
void Emitter::emit_set_geu(const Inst& inst) { set_if(inst, Condition::geu, false); }
void Emitter::emit_set_geu_i(const Inst& inst) { set_if(inst, Condition::geu, true); }

void Emitter::emit_select(const Inst& inst) {
  const bool narrow = is_unfinished(inst.c());
  const Reg c = use_int(inst.c(), plan().next_c, !narrow);
  if (c == kZero) {
    const Reg b = use_b(inst);
    move(define_int(inst), b);
    return;
  }
  const Reg a = use_a(inst);
  const Reg b = use_b(inst);
  const Reg dst = define_int(inst);
  as_.cmp(gp(c, !narrow), Imm(0));
  as_.csel(gp64(dst), gp64(a), gp64(b), Imm(a64::CondCode::kNE));
}

}  // namespace ashlar::host_a64
