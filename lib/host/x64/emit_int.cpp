// Integer opcodes: arithmetic, logic, shifts, multiplication, division, bit operations, compare-and-set,
// select.
#include "host/x64/emitter.hpp"

namespace ashlar::host_x64 {

using asmjit::Imm;
using codegen::InstPlan;
namespace I = asmjit::x86::Inst;

// --- two-operand forms
// ------------------------------------------------------------------------------------------------------------

void Emitter::finish32(Reg dst, Extend extend) {
  // 32-bit instructions zero-extend by themselves. Sign extension waits until somebody wants the upper half.
  if (extend == Extend::sign32) cache_.set_knowledge(dst, codegen::Knowledge::extend_32);
}

/// Bit by bit: what it makes of two extended values is extended.
bool Emitter::is_bitwise(Alu op) { return op == Alu::and_ || op == Alu::or_ || op == Alu::xor_; }

void Emitter::alu(const Inst& inst, Alu op, bool commutative, Extend extend) {
  const bool extended = is_bitwise(op) && is_extended(inst.a) && is_extended(inst.b);
  if (extended && (is_unfinished(inst.a) || is_unfinished(inst.b))) extend = Extend::sign32;
  const bool wide = extend == Extend::none;
  const InstPlan& plan = this->plan();
  const Operand a = integer(inst.a, plan.next_a, wide);
  const Operand b = integer(inst.b, plan.next_b, wide);
  if (wide && inst.dst == inst.a && a.is_mem() && b.is_reg() && plan.next_dst == InstPlan::kNever) {
    as_.alu(op, word_mem(a.word), gp64(b.reg));
    return;
  }
  const Reg dst = define_int(inst);
  const unsigned to = dst.number();
  if (a.is(dst)) {
    operate(op, wide, to, b);
  } else if (!b.is(dst)) {
    if (op == Alu::add && a.is_reg() && b.is_reg()) {
      as_.lea_sum(wide, to, a.reg.number(), b.reg.number());
    } else {
      load(wide, to, a);
      operate(op, wide, to, b);
    }
  } else if (commutative) {
    operate(op, wide, to, a);
  } else {
    load(wide, kRax, a);
    operate(op, wide, kRax, b);
    as_.mov(wide, to, kRax);
  }
  if (wide && extended) note_extended(dst);
  finish32(dst, extend);
}

void Emitter::alu_imm(const Inst& inst, Alu op, Extend extend) {
  // A mask of 31 bits or fewer clears the upper half.
  const bool masks = op == Alu::and_ && inst.imm >= 0;
  const bool extended = is_bitwise(op) && is_extended(inst.a);
  if (extended && is_unfinished(inst.a)) extend = masks ? Extend::zero32 : Extend::sign32;
  const bool wide = extend == Extend::none;
  const InstPlan& plan = this->plan();
  const Operand a = integer(inst.a, plan.next_a, wide);
  if (wide && inst.dst == inst.a && a.is_mem() && plan.next_dst == InstPlan::kNever) {
    as_.alu(op, word_mem(a.word), Imm(inst.imm));
    return;
  }
  const Reg dst = define_int(inst);
  // A 32-bit operation in place clears the upper half by itself.
  if (!a.is(dst)) load(wide, dst.number(), a);
  as_.alu_immediate(op, wide && !masks, dst.number(), inst.imm);
  if (masks || (wide && extended)) note_extended(dst);
  finish32(dst, extend);
}

void Emitter::add_imm(const Inst& inst, Extend extend) {
  const bool wide = extend == Extend::none;
  const Operand a = integer(inst.a, plan().next_a, wide);
  const bool same = inst.dst == inst.a;
  if (inst.imm == 0 && !wide && (same || !a.is_reg())) {
    this->extend(inst, 32, extend == Extend::sign32);
    return;
  }
  if (!a.is_reg()) {
    alu_imm(inst, Alu::add, extend);
    return;
  }
  const Reg dst = define_int(inst);
  if (dst == a.reg) {
    if (inst.imm != 0 || same) {
      as_.alu_immediate(Alu::add, wide, dst.number(), inst.imm);
    } else if (extend == Extend::zero32) {
      as_.mov(false, dst.number(), dst.number());
    }
  } else if (extend == Extend::sign32 && inst.imm == 0) {
    as_.movsxd(dst.number(), a.reg.number());
    note_extended(dst);
    return;
  } else {
    as_.lea_sum_immediate(wide, dst.number(), a.reg.number(), inst.imm);
  }
  finish32(dst, extend);
}

void Emitter::emit_nop(const Inst&) {}

void Emitter::emit_const64(const Inst& inst) {
  const std::uint64_t value = inst.imm64();
  const bool fits = static_cast<std::int64_t>(value) == static_cast<std::int32_t>(value);
  if (inst.dst.is_slot() && cache_.where(inst.dst).is_none() &&
      plan().next_dst == codegen::InstPlan::kNever && fits && !plan().dead_store) {
    as_.mov(word_mem(inst.dst.word), Imm(static_cast<std::int32_t>(value)));
    return;
  }
  const Reg dst = define_int(inst);
  if (fits) note_extended(dst);
  if (value == 0) {
    as_.xor_(gp32(dst), gp32(dst));
  } else if (value <= 0xffffffffu) {
    as_.mov(gp32(dst), Imm(static_cast<std::uint32_t>(value)));
  } else {
    as_.mov(gp64(dst), Imm(value));
  }
}

void Emitter::emit_mov64(const Inst& inst) {
  const codegen::Knowledge known = knowledge_of(inst.a);
  const Operand a = operand32(inst.a, plan().next_a);
  const Reg dst = define_int(inst);
  load(gp64(dst), a);
  if (known == codegen::Knowledge::extended || known == codegen::Knowledge::extend_32)
    cache_.set_knowledge(dst, known);
}

void Emitter::emit_add64(const Inst& inst) { alu(inst, Alu::add, true, Extend::none); }
void Emitter::emit_add64_i(const Inst& inst) { add_imm(inst, Extend::none); }
void Emitter::emit_add32(const Inst& inst) { alu(inst, Alu::add, true, Extend::zero32); }
void Emitter::emit_add32_i(const Inst& inst) { add_imm(inst, Extend::zero32); }
void Emitter::emit_add32s(const Inst& inst) { alu(inst, Alu::add, true, Extend::sign32); }
void Emitter::emit_add32s_i(const Inst& inst) { add_imm(inst, Extend::sign32); }
void Emitter::emit_sub64(const Inst& inst) { alu(inst, Alu::sub, false, Extend::none); }
void Emitter::emit_sub32(const Inst& inst) { alu(inst, Alu::sub, false, Extend::zero32); }
void Emitter::emit_sub32s(const Inst& inst) { alu(inst, Alu::sub, false, Extend::sign32); }
void Emitter::emit_and64(const Inst& inst) { alu(inst, Alu::and_, true, Extend::none); }
void Emitter::emit_and64_i(const Inst& inst) { alu_imm(inst, Alu::and_, Extend::none); }
void Emitter::emit_or64(const Inst& inst) { alu(inst, Alu::or_, true, Extend::none); }
void Emitter::emit_or64_i(const Inst& inst) { alu_imm(inst, Alu::or_, Extend::none); }
void Emitter::emit_xor64(const Inst& inst) { alu(inst, Alu::xor_, true, Extend::none); }
void Emitter::emit_xor64_i(const Inst& inst) { alu_imm(inst, Alu::xor_, Extend::none); }

void Emitter::emit_andn64(const Inst& inst) {
  const bool extended = is_extended(inst.a) && is_extended(inst.b);
  const bool wide = !extended || !(is_unfinished(inst.a) || is_unfinished(inst.b));
  const Operand a = wide ? operand(inst.a, plan().next_a) : operand32(inst.a, plan().next_a);
  const Operand b = wide ? operand(inst.b, plan().next_b) : operand32(inst.b, plan().next_b);
  const Reg dst = define_int(inst);
  const auto narrow = [wide](const x86::Gp& r) { return wide ? x86::Gp(r.r64()) : x86::Gp(r.r32()); };
  const x86::Gp to = narrow(gp64(dst)), inverted = narrow(x86::rax);
  if (a.is_zero()) {
    as_.xor_(gp32(dst), gp32(dst));
  } else if (features_.bmi1) {
    as_.emit(I::kIdAndn, to, narrow(gp64(in_register(b))), rm(a, wide ? 64 : 32));
  } else {
    load(inverted, b);
    as_.not_(inverted);
    as_.and_(inverted, rm(a, wide ? 64 : 32));
    as_.mov(to, inverted);
  }
  if (wide && extended) note_extended(dst);
  finish32(dst, wide ? Extend::none : Extend::sign32);
}

void Emitter::emit_orn64(const Inst& inst) {
  const Operand a = operand(inst.a, plan().next_a);
  const Operand b = operand(inst.b, plan().next_b);
  const Reg dst = define_int(inst);
  load(x86::rax, b);
  as_.not_(x86::rax);
  if (!a.is_zero()) as_.or_(x86::rax, rm(a, 64));
  as_.mov(gp64(dst), x86::rax);
}

void Emitter::emit_xnor64(const Inst& inst) {
  const Operand a = operand(inst.a, plan().next_a);
  const Operand b = operand(inst.b, plan().next_b);
  const Reg dst = define_int(inst);
  load(x86::rax, a);
  if (!b.is_zero()) as_.xor_(x86::rax, rm(b, 64));
  as_.not_(x86::rax);
  as_.mov(gp64(dst), x86::rax);
}

// --- shifts
// -----------------------------------------------------------------------------------------------------------------------

void Emitter::shift(const Inst& inst, Shift op, InstId bmi2, Extend extend) {
  const bool wide = extend == Extend::none;
  if (bmi2 != I::kIdNone && features_.bmi2) {
    const Operand a = wide ? operand(inst.a, plan().next_a) : operand32(inst.a, plan().next_a);
    const Operand b = operand32(inst.b, plan().next_b);  // the count is taken modulo the width
    if (a.is_zero() || b.is_zero()) {                    // both would go through rax
      const Reg dst = define_int(inst);
      load(wide ? gp64(dst) : gp32(dst), a);
      finish32(dst, extend);
      if (b.is_zero() && extend == Extend::zero32 && a.is_reg() && dst == a.reg)
        as_.mov(gp32(dst), gp32(dst));
      return;
    }
    const Reg count = b.is_reg() ? b.reg : in_register(b);
    const Reg dst = define_int(inst);
    if (wide) {
      as_.emit(bmi2, gp64(dst), rm(a, 64), gp64(count));
    } else {
      as_.emit(bmi2, gp32(dst), rm(a, 32), gp32(count));
    }
    finish32(dst, extend);
    return;
  }
  const Reg rcx = Reg::integer(kRcx);
  cache_.take(rcx);
  const Operand a = operand_in_place(inst.a, plan().next_a);
  const Operand b = operand_in_place(inst.b, plan().next_b);
  const x86::Gp t = wide ? x86::Gp(x86::rax) : x86::Gp(x86::eax);
  load(x86::ecx, b);
  load(t, a);
  as_.shift(op, t);
  cache_.unlock_operands();
  const Reg dst = define_int(inst);
  if (extend == Extend::sign32) {
    as_.movsxd(gp64(dst), x86::eax);
  } else {
    as_.mov(wide ? gp64(dst) : gp32(dst), t);
  }
}

void Emitter::shift_imm(const Inst& inst, Shift op, Extend extend) {
  const bool wide = extend == Extend::none;
  const unsigned count = static_cast<unsigned>(inst.imm) & (wide ? 63u : 31u);
  const Operand a = integer(inst.a, plan().next_a, wide);
  const Reg dst = define_int(inst);
  const unsigned to = dst.number();
  const bool in_place = a.is(dst);
  if (count == 0) {
    if (!in_place) load(wide, to, a);
    if (in_place && extend == Extend::zero32) as_.mov(false, to, to);
  } else if (op == Shift::shl && count == 1 && a.is_reg() && !in_place) {
    as_.lea_sum(wide, to, a.reg.number(), a.reg.number());
  } else if (op == Shift::ror && features_.bmi2 && !in_place && !a.is_zero()) {
    as_.emit(I::kIdRorx, wide ? gp64(dst) : gp32(dst), rm(a, wide ? 64 : 32), Imm(count));
  } else {
    if (!in_place) load(wide, to, a);
    as_.shift(op, wide, to, count);
    if (extend == Extend::zero32 && op == Shift::shr) note_extended(dst);
  }
  finish32(dst, extend);
}

void Emitter::emit_shl64(const Inst& inst) { shift(inst, Shift::shl, I::kIdShlx, Extend::none); }
void Emitter::emit_shl64_i(const Inst& inst) { shift_imm(inst, Shift::shl, Extend::none); }
void Emitter::emit_shl32(const Inst& inst) { shift(inst, Shift::shl, I::kIdShlx, Extend::zero32); }
void Emitter::emit_shl32_i(const Inst& inst) { shift_imm(inst, Shift::shl, Extend::zero32); }
void Emitter::emit_shl32s(const Inst& inst) { shift(inst, Shift::shl, I::kIdShlx, Extend::sign32); }
void Emitter::emit_shl32s_i(const Inst& inst) { shift_imm(inst, Shift::shl, Extend::sign32); }
void Emitter::emit_shr64(const Inst& inst) { shift(inst, Shift::shr, I::kIdShrx, Extend::none); }
void Emitter::emit_shr64_i(const Inst& inst) { shift_imm(inst, Shift::shr, Extend::none); }
void Emitter::emit_shr32(const Inst& inst) { shift(inst, Shift::shr, I::kIdShrx, Extend::zero32); }
void Emitter::emit_shr32_i(const Inst& inst) { shift_imm(inst, Shift::shr, Extend::zero32); }
void Emitter::emit_shr32s(const Inst& inst) { shift(inst, Shift::shr, I::kIdShrx, Extend::sign32); }
void Emitter::emit_shr32s_i(const Inst& inst) { shift_imm(inst, Shift::shr, Extend::sign32); }
void Emitter::emit_sar64(const Inst& inst) { shift(inst, Shift::sar, I::kIdSarx, Extend::none); }
void Emitter::emit_sar64_i(const Inst& inst) { shift_imm(inst, Shift::sar, Extend::none); }
void Emitter::emit_sar32(const Inst& inst) { shift(inst, Shift::sar, I::kIdSarx, Extend::zero32); }
void Emitter::emit_sar32_i(const Inst& inst) { shift_imm(inst, Shift::sar, Extend::zero32); }
void Emitter::emit_sar32s(const Inst& inst) { shift(inst, Shift::sar, I::kIdSarx, Extend::sign32); }
void Emitter::emit_sar32s_i(const Inst& inst) { shift_imm(inst, Shift::sar, Extend::sign32); }
void Emitter::emit_rotl64(const Inst& inst) { shift(inst, Shift::rol, I::kIdNone, Extend::none); }
void Emitter::emit_rotl32s(const Inst& inst) { shift(inst, Shift::rol, I::kIdNone, Extend::sign32); }
void Emitter::emit_rotr64(const Inst& inst) { shift(inst, Shift::ror, I::kIdNone, Extend::none); }
void Emitter::emit_rotr64_i(const Inst& inst) { shift_imm(inst, Shift::ror, Extend::none); }
void Emitter::emit_rotr32(const Inst& inst) { shift(inst, Shift::ror, I::kIdNone, Extend::zero32); }
void Emitter::emit_rotr32_i(const Inst& inst) { shift_imm(inst, Shift::ror, Extend::zero32); }
void Emitter::emit_rotr32s(const Inst& inst) { shift(inst, Shift::ror, I::kIdNone, Extend::sign32); }
void Emitter::emit_rotr32s_i(const Inst& inst) { shift_imm(inst, Shift::ror, Extend::sign32); }

void Emitter::emit_addshl64(const Inst& inst) { scaled_add(inst, 64); }
void Emitter::emit_addshl_u32(const Inst& inst) { scaled_add(inst, 32); }

/// (the low `bits` of a << aux) + b.
void Emitter::scaled_add(const Inst& inst, unsigned bits) {
  const unsigned count = inst.aux();
  const Operand a = bits == 64 ? operand(inst.a, plan().next_a) : operand32(inst.a, plan().next_a);
  const Operand b = operand(inst.b, plan().next_b);
  const Reg dst = define_int(inst);
  const auto narrow = [bits](const x86::Gp& r) { return bits == 64 ? x86::Gp(r.r64()) : x86::Gp(r.r32()); };
  const x86::Gp to = gp64(dst);
  if (count <= 3 && !b.is_zero()) {
    if (bits == 64 && a.is_reg()) {
      const Reg base = in_register(b);
      as_.lea(to, x86::ptr(gp64(base), gp64(a.reg), count));
      return;
    }
    if (b.is_reg()) {
      load(narrow(x86::rax), a);
      as_.lea(to, x86::ptr(gp64(b.reg), x86::rax, count));
      return;
    }
  }
  const bool through_rax = b.is_reg() && b.reg == dst;
  const x86::Gp sum = through_rax ? x86::Gp(x86::rax) : to;
  load(narrow(sum), a);
  if (count != 0) as_.shl(sum, Imm(count));
  if (through_rax) {
    as_.add(to, x86::rax);
  } else if (!b.is_zero()) {
    as_.add(sum, rm(b, 64));
  }
}
void Emitter::emit_shl_u32(const Inst& inst) {
  const Operand a = operand32(inst.a, plan().next_a);
  const Reg dst = define_int(inst);
  load(gp32(dst), a);
  if (inst.aux() != 0) as_.shl(gp64(dst), Imm(inst.aux()));
}

// --- multiplication and division
// --------------------------------------------------------------------------------------------------

void Emitter::multiply(const Inst& inst, Extend extend) {
  const bool wide = extend == Extend::none;
  const InstPlan& plan = this->plan();
  const Operand a = integer(inst.a, plan.next_a, wide);
  const Operand b = integer(inst.b, plan.next_b, wide);
  const Reg dst = define_int(inst);  // imul has no form with a memory destination
  const unsigned to = dst.number();
  Operand by = b;
  if (b.is(dst) && !a.is(dst)) {
    by = a;
  } else if (!a.is(dst)) {
    load(wide, to, a);
  }
  if (by.is_mem()) {
    as_.imul(wide ? gp64(dst) : gp32(dst), word_mem(by.word, wide ? 8 : 4));
  } else {
    as_.imul(wide, to, in_register(by).number());
  }
  finish32(dst, extend);
}

void Emitter::emit_mul64(const Inst& inst) { multiply(inst, Extend::none); }
void Emitter::emit_mul32(const Inst& inst) { multiply(inst, Extend::zero32); }
void Emitter::emit_mul32s(const Inst& inst) { multiply(inst, Extend::sign32); }

void Emitter::multiply_high(const Inst& inst, bool is_signed) {
  cache_.take(Reg::integer(kRdx));
  const Operand a = operand_in_place(inst.a, plan().next_a);
  const Operand b = operand_in_place(inst.b, plan().next_b);
  if (a.is_zero() || b.is_zero()) {
    const Reg dst = define_int(inst);
    as_.xor_(gp32(dst), gp32(dst));
    return;
  }
  if (!is_signed && features_.bmi2) {
    load(x86::rdx, a);
    const asmjit::Operand by = rm(b, 64);
    cache_.unlock_operands();
    as_.emit(I::kIdMulx, gp64(define_int(inst)), x86::rax, by);
    return;
  }
  load(x86::rax, a);
  as_.emit(is_signed ? I::kIdImul : I::kIdMul, x86::rdx, x86::rax, rm(b, 64));
  cache_.unlock_operands();
  as_.mov(gp64(define_int(inst)), x86::rdx);
}
void Emitter::emit_mulh_s64(const Inst& inst) { multiply_high(inst, true); }
void Emitter::emit_mulh_u64(const Inst& inst) { multiply_high(inst, false); }

void Emitter::emit_mulh_su64(const Inst& inst) {
  cache_.take(Reg::integer(kRdx));
  const Operand a = operand_in_place(inst.a, plan().next_a);
  const Operand b = operand_in_place(inst.b, plan().next_b);
  if (a.is_zero() || b.is_zero()) {
    const Reg dst = define_int(inst);
    as_.xor_(gp32(dst), gp32(dst));
    return;
  }
  // high(signed a * unsigned b) = high(unsigned a * unsigned b) - (a < 0 ? b : 0)
  load(x86::rax, a);
  as_.emit(I::kIdMul, x86::rdx, x86::rax, rm(b, 64));
  load(x86::rax, a);
  as_.sar(x86::rax, Imm(63));
  as_.and_(x86::rax, rm(b, 64));
  as_.sub(x86::rdx, x86::rax);
  cache_.unlock_operands();
  as_.mov(gp64(define_int(inst)), x86::rdx);
}

void Emitter::divide(const Inst& inst, bool is_signed, bool remainder, bool wide) {
  cache_.take(Reg::integer(kRdx));
  const Operand a = operand_in_place(inst.a, plan().next_a);
  Operand b = operand_in_place(inst.b, plan().next_b);
  if (!b.is_reg()) {  // the divisor is looked at more than once
    const Reg t = cache_.scratch(false);
    load(gp64(t), b);
    b = {Operand::Kind::reg, t, 0};
  }
  const x86::Gp divisor = wide ? gp64(b.reg) : gp32(b.reg);
  const x86::Gp low = wide ? x86::Gp(x86::rax) : x86::Gp(x86::eax);
  const x86::Gp high = wide ? x86::Gp(x86::rdx) : x86::Gp(x86::edx);
  const asmjit::Label zero = as_.newLabel();
  const asmjit::Label minus_one = as_.newLabel();
  const asmjit::Label done = as_.newLabel();
  load(low, a);
  as_.test(divisor, divisor);
  as_.jz(zero);
  if (is_signed) {
    // MIN / -1 traps on the host.
    as_.cmp(divisor, Imm(-1));
    as_.je(minus_one);
    if (wide) {
      as_.cqo();
    } else {
      as_.cdq();
    }
    as_.idiv(high, low, divisor);
  } else {
    as_.xor_(x86::edx, x86::edx);
    as_.div(high, low, divisor);
  }
  as_.bind(done);
  const x86::Gp result = remainder ? high : low;
  cache_.unlock_operands();
  const Reg dst = define_int(inst);
  if (wide) {
    as_.mov(gp64(dst), result);
  } else {
    as_.movsxd(gp64(dst), result);
  }
  const auto rule = static_cast<ir::DivisionRule>(inst.aux());
  cold(zero, [this, remainder, rule, low, high, done] {
    if (remainder) {
      as_.mov(high, low);
    } else if (rule == ir::DivisionRule::all_ones) {
      as_.mov(x86::rax, Imm(-1));
    } else {
      as_.xor_(x86::eax, x86::eax);
    }
    as_.jmp(done);
  });
  if (is_signed) {
    cold(minus_one, [this, low, done] {
      as_.neg(low);
      as_.xor_(x86::edx, x86::edx);
      as_.jmp(done);
    });
  }
}

void Emitter::emit_div_s64(const Inst& inst) { divide(inst, true, false, true); }
void Emitter::emit_div_u64(const Inst& inst) { divide(inst, false, false, true); }
void Emitter::emit_rem_s64(const Inst& inst) { divide(inst, true, true, true); }
void Emitter::emit_rem_u64(const Inst& inst) { divide(inst, false, true, true); }
void Emitter::emit_div_s32s(const Inst& inst) { divide(inst, true, false, false); }
void Emitter::emit_div_u32s(const Inst& inst) { divide(inst, false, false, false); }
void Emitter::emit_rem_s32s(const Inst& inst) { divide(inst, true, true, false); }
void Emitter::emit_rem_u32s(const Inst& inst) { divide(inst, false, true, false); }

void Emitter::min_max(const Inst& inst, x86::CondCode cc) {
  const Operand a = operand(inst.a, plan().next_a);
  Operand b = operand(inst.b, plan().next_b);
  if (b.is_zero()) {
    const Reg t = cache_.scratch(false);
    as_.xor_(gp32(t), gp32(t));
    b = {Operand::Kind::reg, t, 0};
  }
  const Reg dst = define_int(inst);
  load(x86::rax, a);
  as_.cmp(x86::rax, rm(b, 64));
  as_.emit(I::cmovccFromCond(cc), x86::rax, rm(b, 64));
  as_.mov(gp64(dst), x86::rax);
}
void Emitter::emit_min_s64(const Inst& inst) { min_max(inst, x86::CondCode::kG); }
void Emitter::emit_min_u64(const Inst& inst) { min_max(inst, x86::CondCode::kA); }
void Emitter::emit_max_s64(const Inst& inst) { min_max(inst, x86::CondCode::kL); }
void Emitter::emit_max_u64(const Inst& inst) { min_max(inst, x86::CondCode::kB); }

// --- extension, bit fields
// --------------------------------------------------------------------------------------------------------

void Emitter::extend(const Inst& inst, unsigned bits, bool is_signed) {
  const Operand a = operand32(inst.a, plan().next_a);
  const Reg dst = define_int(inst);
  if (bits < 32 || is_signed) note_extended(dst);
  if (a.is_zero()) {
    as_.xor_(gp32(dst), gp32(dst));
    return;
  }
  const asmjit::Operand from = rm(a, bits);
  if (bits == 32) {
    if (is_signed) {
      as_.movsxd(gp64(dst), from);
    } else {
      as_.mov(gp32(dst), from);
    }
  } else if (is_signed) {
    as_.movsx(gp64(dst), from);
  } else {
    as_.movzx(gp32(dst), from);
  }
}
void Emitter::emit_sext8(const Inst& inst) { extend(inst, 8, true); }
void Emitter::emit_sext16(const Inst& inst) { extend(inst, 16, true); }
void Emitter::emit_sext32(const Inst& inst) { extend(inst, 32, true); }
void Emitter::emit_zext8(const Inst& inst) { extend(inst, 8, false); }
void Emitter::emit_zext16(const Inst& inst) { extend(inst, 16, false); }
void Emitter::emit_zext32(const Inst& inst) { extend(inst, 32, false); }

void Emitter::bit_field(const Inst& inst, bool is_signed) {
  const unsigned low = inst.aux();
  const unsigned width = inst.aux2();
  if (low == 0 && (width == 8 || width == 16 || width == 32)) {
    extend(inst, width, is_signed);
    return;
  }
  const Operand a = operand(inst.a, plan().next_a);
  const Reg dst = define_int(inst);
  const x86::Gp to = gp64(dst);
  load(to, a);
  if (low + width == 64) {
    if (low != 0) as_.shift(is_signed ? Shift::sar : Shift::shr, to, Imm(low));
  } else if (!is_signed && width < 32) {
    if (low != 0) as_.shr(to, Imm(low));
    as_.and_(gp32(dst), Imm((1u << width) - 1));
  } else {
    as_.shl(to, Imm(64 - low - width));
    as_.shift(is_signed ? Shift::sar : Shift::shr, to, Imm(64 - width));
  }
}
void Emitter::emit_ubfx64(const Inst& inst) { bit_field(inst, false); }
void Emitter::emit_sbfx64(const Inst& inst) { bit_field(inst, true); }

// --- bit counting
// -----------------------------------------------------------------------------------------------------------------

void Emitter::count_zeros(const Inst& inst, bool leading, bool wide) {
  const unsigned bits = wide ? 64 : 32;
  const Operand a = operand(inst.a, plan().next_a);
  const Reg dst = define_int(inst);
  const asmjit::Operand from = rm(a, bits);
  const x86::Gp to = wide ? gp64(dst) : gp32(dst);
  if (leading ? features_.lzcnt : features_.bmi1) {
    // The destination is an input too on some CPUs: break the chain unless it is the source.
    if (!(a.is_reg() && a.reg == dst) && from.isReg()) as_.xor_(gp32(dst), gp32(dst));
    as_.emit(leading ? I::kIdLzcnt : I::kIdTzcnt, to, from);
    return;
  }
  // bsr and bsf leave their destination undefined for 0.
  const x86::Gp t = wide ? x86::Gp(x86::rax) : x86::Gp(x86::eax);
  const asmjit::Label zero = as_.newLabel();
  const asmjit::Label done = as_.newLabel();
  as_.emit(leading ? I::kIdBsr : I::kIdBsf, t, from);
  as_.jz(zero);
  if (leading) as_.xor_(x86::eax, Imm(bits - 1));
  as_.mov(gp32(dst), x86::eax);
  as_.bind(done);
  cold(zero, [this, dst, bits, done] {
    as_.mov(gp32(dst), Imm(bits));
    as_.jmp(done);
  });
}
void Emitter::emit_clz64(const Inst& inst) { count_zeros(inst, true, true); }
void Emitter::emit_clz32(const Inst& inst) { count_zeros(inst, true, false); }
void Emitter::emit_ctz64(const Inst& inst) { count_zeros(inst, false, true); }
void Emitter::emit_ctz32(const Inst& inst) { count_zeros(inst, false, false); }

void Emitter::population(const Inst& inst, bool wide) {
  const Operand a = operand(inst.a, plan().next_a);
  if (features_.popcnt) {
    const Reg dst = define_int(inst);
    const asmjit::Operand from = rm(a, wide ? 64 : 32);
    if (!(a.is_reg() && a.reg == dst) && from.isReg()) as_.xor_(gp32(dst), gp32(dst));
    as_.emit(I::kIdPopcnt, wide ? gp64(dst) : gp32(dst), from);
    return;
  }
  // Sums of neighbouring bits, nibbles, bytes.
  const x86::Gp t = gp64(cache_.scratch(false));
  const Reg dst = define_int(inst);
  load(wide ? x86::Gp(x86::rax) : x86::Gp(x86::eax), a);
  const auto masked = [&](unsigned shift, std::uint64_t mask, const x86::Gp& other) {
    // rax = (rax & mask) + ((rax >> shift) & mask)
    as_.mov(other, Imm(mask));
    as_.push(x86::rax);
    as_.shr(x86::rax, Imm(shift));
    as_.and_(x86::rax, other);
    as_.and_(other, x86::qword_ptr(x86::rsp));
    as_.add(x86::rax, other);
    as_.lea(x86::rsp, x86::ptr(x86::rsp, 8));
  };
  masked(1, 0x5555555555555555ull, t);
  masked(2, 0x3333333333333333ull, t);
  masked(4, 0x0f0f0f0f0f0f0f0full, t);
  as_.mov(t, Imm(0x0101010101010101ull));
  as_.imul(x86::rax, t);
  as_.shr(x86::rax, Imm(56));
  as_.mov(gp64(dst), x86::rax);
}
void Emitter::emit_popcnt64(const Inst& inst) { population(inst, true); }
void Emitter::emit_popcnt32(const Inst& inst) { population(inst, false); }

void Emitter::emit_bswap64(const Inst& inst) {
  const Operand a = operand(inst.a, plan().next_a);
  const Reg dst = define_int(inst);
  load(gp64(dst), a);
  as_.bswap(gp64(dst));
}

void Emitter::emit_orcb64(const Inst& inst) {
  const Operand a = operand(inst.a, plan().next_a);
  const Reg dst = define_int(inst);
  load(x86::rax, a);
  as_.movq(x86::xmm0, x86::rax);
  as_.pxor(x86::xmm1, x86::xmm1);
  as_.pcmpeqb(x86::xmm0, x86::xmm1);  // 0xff where the byte is 0
  as_.movq(gp64(dst), x86::xmm0);
  as_.not_(gp64(dst));
}

void Emitter::bit_op(const Inst& inst, InstId id) {
  const Operand a = operand(inst.a, plan().next_a);
  Operand b = operand(inst.b, plan().next_b);
  if (!b.is_reg()) {  // the form with a register takes the number modulo 64, the one with memory does not
    const Reg t = cache_.scratch(false);
    load(gp64(t), b);
    b = {Operand::Kind::reg, t, 0};
  }
  const Reg dst = define_int(inst);
  load(x86::rax, a);
  as_.emit(id, x86::rax, gp64(b.reg));
  as_.mov(gp64(dst), x86::rax);
}
void Emitter::bit_op_imm(const Inst& inst, InstId id) {
  const Operand a = operand(inst.a, plan().next_a);
  const Reg dst = define_int(inst);
  load(gp64(dst), a);
  as_.emit(id, gp64(dst), Imm(inst.imm & 63));
}
void Emitter::emit_bset64(const Inst& inst) { bit_op(inst, I::kIdBts); }
void Emitter::emit_bset64_i(const Inst& inst) { bit_op_imm(inst, I::kIdBts); }
void Emitter::emit_bclr64(const Inst& inst) { bit_op(inst, I::kIdBtr); }
void Emitter::emit_bclr64_i(const Inst& inst) { bit_op_imm(inst, I::kIdBtr); }
void Emitter::emit_binv64(const Inst& inst) { bit_op(inst, I::kIdBtc); }
void Emitter::emit_binv64_i(const Inst& inst) { bit_op_imm(inst, I::kIdBtc); }

void Emitter::emit_bext64(const Inst& inst) {
  const Operand a = operand(inst.a, plan().next_a);
  Operand b = operand(inst.b, plan().next_b);
  if (!b.is_reg()) {
    const Reg t = cache_.scratch(false);
    load(gp64(t), b);
    b = {Operand::Kind::reg, t, 0};
  }
  const Reg dst = define_int(inst);
  load(x86::rax, a);
  as_.bt(x86::rax, gp64(b.reg));
  as_.setc(x86::al);
  as_.movzx(gp32(dst), x86::al);
}
void Emitter::emit_bext64_i(const Inst& inst) {
  const Operand a = operand(inst.a, plan().next_a);
  const Reg dst = define_int(inst);
  load(gp64(dst), a);
  const unsigned n = static_cast<unsigned>(inst.imm) & 63;
  if (n != 0) as_.shr(gp64(dst), Imm(n));
  as_.and_(gp32(dst), Imm(1));
}

// --- compare and set, select
// ------------------------------------------------------------------------------------------------------

void Emitter::set_if(const Inst& inst, Condition cond, bool immediate) {
  const x86::CondCode cc = compare(inst, cond, immediate);
  // Fetching the destination may store another value, by moves alone, which leave the flags as they are.
  const Reg dst = define_int(inst);
  as_.set_al(cc);
  as_.movzx(gp32(dst), x86::al);
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
  Operand a = operand_in_place(inst.a, plan().next_a);
  const Operand b = operand_in_place(inst.b, plan().next_b);
  load(x86::rax, b);
  cache_.unlock_operands();
  if (a.is_reg()) cache_.lock(a.reg);
  Operand c = operand_in_place(inst.c(), plan().next_c);
  if (!c.is_reg()) {
    const Reg t = cache_.scratch(false);
    load(gp64(t), c);
    c = {Operand::Kind::reg, t, 0};
  }
  if (a.is_zero()) {  // cmov takes no immediate, and rax holds the other value
    const Reg z = cache_.scratch(false);
    as_.xor_(gp32(z), gp32(z));
    a = {Operand::Kind::reg, z, 0};
  }
  as_.test(gp64(c.reg), gp64(c.reg));
  as_.emit(I::kIdCmovnz, x86::rax, rm(a, 64));
  cache_.unlock_operands();
  as_.mov(gp64(define_int(inst)), x86::rax);
}

}  // namespace ashlar::host_x64
