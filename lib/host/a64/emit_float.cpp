// Float opcodes. They run in the host's unit: FPCR has the guest's rounding mode and makes default NaNs,
// which are the canonical ones; FPSR collects the guest's flags. What the unit does otherwise than the IR
// asks (rounding modes that are not set, tininess before rounding, min and max of signaling NaNs) is mended
// beside it, out of line where it is rare. Binary32 results are boxed where somebody can see the upper half,
// not here (Knowledge::low32).
#include "host/a64/emitter.hpp"

namespace ashlar::host_a64 {

using a64::CondCode;
using asmjit::Imm;
using codegen::RuntimeEntry;
using I = a64::Inst;

namespace {

const Imm kFpsr(a64::Predicate::SysReg::kFPSR);
/// FPSR.UFC, and its bit number.
constexpr std::uint64_t kUnderflowBit = 3;

}  // namespace

// --- operands
// ---------------------------------------------------------------------------------------------------------------------

Reg Emitter::float_register(Value v, std::uint16_t next, Reg spare) {
  if (v.is_zero()) {
    as_.movi(fp64(spare), Imm(0));
    return spare;
  }
  const Reg r = cache_.use(v, true, next);
  cache_.settle(r);
  return r;
}

Reg Emitter::float32_register(Value v, std::uint16_t next, Reg spare) {
  if (v.is_zero()) {  // +0.0 as 64 bits is not a boxed value
    as_.ldr(fp64(spare), frame_mem(ASHLAR_COLD_OFFSET(canonical_nan32)));
    return spare;
  }
  const Reg r = cache_.use(v, true, next);
  const Knowledge k = cache_.knowledge(r);
  if (k == Knowledge::boxed32 || k == Knowledge::low32) return r;
  // Boxed nearly always. If it is not, the interpreter executes this guest instruction.
  const FaultPoint point = fault_point();
  const asmjit::Label unboxed = as_.newLabel();
  as_.umov(gp32(kX16), vec(r).s(1));
  as_.cmn(gp32(kX16), Imm(1));
  as_.b_ne(unboxed);
  check_at(unboxed, point);
  cache_.set_knowledge(r, Knowledge::boxed32);
  return r;
}

Reg Emitter::float_operand(Value v, std::uint16_t next, Reg spare, bool single) {
  return single ? float32_register(v, next, spare) : float_register(v, next, spare);
}

void Emitter::float_result(Reg dst, bool single) {
  if (single) cache_.set_knowledge(dst, Knowledge::low32);
}

// --- the slow path
// -------------------------------------------------------------------------------------------------------------------

void Emitter::store_args(const Inst& inst) {
  const ir::OpTraits& traits = ir::traits_of(inst.op);
  const bool is_float = ir::info(inst.op).src == ir::ValueClass::F;
  const Value values[3] = {inst.a, inst.b, inst.c()};
  const std::uint16_t next[3] = {plan().next_a, plan().next_b, plan().next_c};
  const bool read[3] = {traits.reads_a, traits.reads_b, traits.reads_c};
  for (int i = 0; i < 3; ++i) {
    if (!read[i]) continue;
    const a64::Mem to = frame_mem(ASHLAR_COLD_OFFSET(args) + 8 * i);
    if (is_float && !values[i].is_zero()) {
      const Reg r = cache_.use(values[i], true, next[i]);
      cache_.settle(r);
      as_.str(fp64(r), to);
    } else {
      as_.str(gp64(use_int(values[i], next[i])), to);
    }
  }
}

void Emitter::store_float_arg(int i, Reg r, bool single) {
  const a64::Mem to = frame_mem(ASHLAR_COLD_OFFSET(args) + 8 * i);
  if (single) {
    box(kV30, r);
    as_.str(fp64(kV30), to);
  } else {
    as_.str(fp64(r), to);
  }
}

void Emitter::call_float_slow(const Inst& inst) {
  move_imm(gp32(kX16), static_cast<std::uint32_t>(inst.op) | static_cast<std::uint32_t>(inst.rounding())
                                                                 << 16);
  call_entry(RuntimeEntry::runtime_call);
}

void Emitter::float_slow(const Inst& inst) {
  store_args(inst);
  call_float_slow(inst);
  if (ir::info(inst.op).dst == ir::ValueClass::F) {
    as_.fmov(fp64(define_float(inst)), gp64(kX16));
  } else {
    as_.mov(gp64(define_int(inst)), gp64(kX16));
  }
}

// --- underflow
// -----------------------------------------------------------------------------------------------------------------------
//
// The host judges tininess before rounding (Arm ARM, "Underflow and FPCR.FZ"), the guest after. So its flag
// is too much where the exact result is tiny and the rounded one is the smallest normal number. The invariant
// that makes this decidable: where anybody can look, a set FPSR.UFC implies that the frame's float_flags have
// underflow. Results of instructions that may set it are compared with a number that all tiny ones are below;
// of several in a row, together. If one is below: if the frame has underflow already, nothing more is to be
// done; else these very instructions have set the bit, and the reference says of each whether it is right.
// For that, operands that are overwritten in between are kept.

void Emitter::judge(const Inst& inst, InstId id, bool single, Reg a, Reg b, Reg c) {
  // The narrowing conversion alone has an operand of another width.
  const bool from_single = single && id != I::kIdFcvt_v;
  const bool product = id != I::kIdFdiv_v && !b.is_none();
  if (kept_operands_ == kKeptOperands.size()) end_judgement();
  bool not_negative =
      !b.is_none() && ((product && inst.a == inst.b) || (is_not_negative(a) && is_not_negative(b)));
  if (!c.is_none()) not_negative = not_negative && id == I::kIdFmadd_v && is_not_negative(c);
  judged_.push_back({inst, {a, b, c}, product, from_single});
  const Reg dst = define_float(inst);
  if (b.is_none()) {
    as_.emit(id, fp(dst, single), fp(a, from_single));
  } else if (c.is_none()) {
    as_.emit(id, fp(dst, single), fp(a, single), fp(b, single));
  } else {
    as_.emit(id, fp(dst, single), fp(a, single), fp(b, single), fp(c, single));
  }
  Reg magnitude = dst;
  if (not_negative) {
    not_negative_ |= dst.mask();
  } else {
    magnitude = kV30;
    as_.fabs(fp(kV30, single), fp(dst, single));
  }
  // NaN is not below.
  if (judged_.size() == 1) {
    as_.fcmp(fp(magnitude, single), fp(kTiny, single));
  } else {
    as_.fccmp(fp(magnitude, single), fp(kTiny, single), Imm(0), Imm(CondCode::kHS));
  }
  float_result(dst, single);
}

bool Emitter::goes_on_judged(const Inst& inst) const {
  using Op = ir::Opcode;
  const auto plain = [](Value v) { return v.is_none() || !v.is_zero(); };
  const auto boxed = [this](Value v) {
    if (v.is_none()) return true;
    const Reg r = cache_.where(v);
    if (r.is_none()) return false;
    const Knowledge k = cache_.knowledge(r);
    return k == Knowledge::boxed32 || k == Knowledge::low32;
  };
  switch (inst.op) {
    case Op::fadd32:
    case Op::fsub32:
    case Op::fmul32:
    case Op::fdiv32:
      return rounds_like_host(inst) && plain(inst.a) && plain(inst.b) && boxed(inst.a) && boxed(inst.b);
    case Op::fadd64:
    case Op::fsub64:
    case Op::fmul64:
    case Op::fdiv64:
      return rounds_like_host(inst) && plain(inst.a) && plain(inst.b);
    case Op::fmadd32:
    case Op::fmsub32:
    case Op::fnmadd32:
    case Op::fnmsub32:
      return rounds_like_host(inst) && plain(inst.a) && plain(inst.b) && plain(inst.c()) && boxed(inst.a) &&
             boxed(inst.b) && boxed(inst.c());
    case Op::fmadd64:
    case Op::fmsub64:
    case Op::fnmadd64:
    case Op::fnmsub64:
      return rounds_like_host(inst) && plain(inst.a) && plain(inst.b) && plain(inst.c());
    case Op::fsqrt64:
      return rounds_like_host(inst) && plain(inst.a);
    case Op::fmov:
      return plain(inst.a);
    default:
      return false;
  }
}

void Emitter::overwritten(Reg r) {
  not_negative_ &= ~r.mask();
  Reg kept;
  for (Judged& judged : judged_)
    for (Reg& operand : judged.operands) {
      if (operand != r) continue;
      if (kept.is_none()) {
        if (kept_operands_ == kKeptOperands.size()) {
          end_judgement();
          return;
        }
        kept = kKeptOperands[kept_operands_++];
        as_.fmov(fp64(kept), fp64(r));
      }
      operand = kept;
    }
}

void Emitter::end_judgement() {
  if (judged_.empty()) return;
  const asmjit::Label small = as_.newLabel();
  const asmjit::Label back = as_.newLabel();
  as_.b_lo(small);
  bind(back);
  const std::size_t begin = judgements_.size(), count = judged_.size();
  judgements_.insert(judgements_.end(), judged_.begin(), judged_.end());
  cold(small, [this, begin, count, back] {
    const auto all = std::span<const Judged>(judgements_).subspan(begin, count);
    if (all.size() == 1) {
      // A zero factor or dividend is the common case, and exact. NaN operands do not come here.
      const Judged& only = all.front();
      as_.fcmp(fp(only.operands[0], only.from_single), Imm(0.0));
      as_.b_eq(back);
      if (only.product) {
        as_.fcmp(fp(only.operands[1], only.from_single), Imm(0.0));
        as_.b_eq(back);
      }
    }
    const asmjit::Label leave = as_.newLabel();  // near, because TBZ does not reach far
    as_.mrs(gp64(kX16), kFpsr);
    as_.tbz(gp32(kX16), Imm(kUnderflowBit), leave);
    as_.ldr(gp64(kX17), frame_mem(ASHLAR_COLD_OFFSET(float_flags)));
    static_assert(underflow == 2);
    as_.tbnz(gp32(kX17), Imm(1), leave);
    as_.and_(gp64(kX16), gp64(kX16), Imm(~(std::uint64_t{1} << kUnderflowBit)));
    as_.msr(kFpsr, gp64(kX16));
    for (const Judged& one : all) {
      for (int i = 0; i < 3; ++i)
        if (!one.operands[i].is_none()) store_float_arg(i, one.operands[i], one.from_single);
      call_float_slow(one.inst);  // its result is the one that is there; its flags go to the frame
    }
    bind(leave);
    as_.b(back);
  });
  judged_.clear();
  kept_operands_ = 0;
}

// --- arithmetic
// -------------------------------------------------------------------------------------------------------------------

void Emitter::float_binary(const Inst& inst, InstId id, bool single) {
  if (!rounds_like_host(inst)) {
    float_slow(inst);
    return;
  }
  const Reg a = float_operand(inst.a, plan().next_a, kV29, single);
  const Reg b = float_operand(inst.b, plan().next_b, kV30, single);
  const bool not_negative = id == I::kIdFadd_v && is_not_negative(a) && is_not_negative(b);
  const Reg dst = define_float(inst);
  as_.emit(id, fp(dst, single), fp(a, single), fp(b, single));
  if (not_negative) not_negative_ |= dst.mask();
  float_result(dst, single);
}
void Emitter::emit_fadd32(const Inst& inst) { float_binary(inst, I::kIdFadd_v, true); }
void Emitter::emit_fadd64(const Inst& inst) { float_binary(inst, I::kIdFadd_v, false); }
void Emitter::emit_fsub32(const Inst& inst) { float_binary(inst, I::kIdFsub_v, true); }
void Emitter::emit_fsub64(const Inst& inst) { float_binary(inst, I::kIdFsub_v, false); }

void Emitter::float_scale(const Inst& inst, InstId id, bool single) {
  if (!rounds_like_host(inst) || inst.a.is_zero() || inst.b.is_zero()) {
    float_slow(inst);
    return;
  }
  const Reg a = float_operand(inst.a, plan().next_a, Reg{}, single);
  const Reg b = float_operand(inst.b, plan().next_b, Reg{}, single);
  judge(inst, id, single, a, b);
}
void Emitter::emit_fmul32(const Inst& inst) { float_scale(inst, I::kIdFmul_v, true); }
void Emitter::emit_fmul64(const Inst& inst) { float_scale(inst, I::kIdFmul_v, false); }
void Emitter::emit_fdiv32(const Inst& inst) { float_scale(inst, I::kIdFdiv_v, true); }
void Emitter::emit_fdiv64(const Inst& inst) { float_scale(inst, I::kIdFdiv_v, false); }

void Emitter::float_sqrt(const Inst& inst, bool single) {
  if (!rounds_like_host(inst)) {
    float_slow(inst);
    return;
  }
  const Reg a = float_operand(inst.a, plan().next_a, kV29, single);
  const Reg dst = define_float(inst);
  as_.fsqrt(fp(dst, single), fp(a, single));
  not_negative_ |= dst.mask();
  float_result(dst, single);
}
void Emitter::emit_fsqrt32(const Inst& inst) { float_sqrt(inst, true); }
void Emitter::emit_fsqrt64(const Inst& inst) { float_sqrt(inst, false); }

void Emitter::float_fma(const Inst& inst, bool single, bool negate_product, bool negate_addend) {
  if (!rounds_like_host(inst) || inst.a.is_zero() || inst.b.is_zero() || inst.c().is_zero()) {
    float_slow(inst);
    return;
  }
  const Reg a = float_operand(inst.a, plan().next_a, Reg{}, single);
  const Reg b = float_operand(inst.b, plan().next_b, Reg{}, single);
  const Reg c = float_operand(inst.c(), plan().next_c, Reg{}, single);
  // The host's names negate otherwise than the guest's: FMSUB is c - a * b, FNMADD -c - a * b, FNMSUB
  // -c + a * b. Infinity times zero plus a quiet NaN is invalid for both.
  static constexpr InstId kForms[2][2] = {{I::kIdFmadd_v, I::kIdFnmsub_v}, {I::kIdFmsub_v, I::kIdFnmadd_v}};
  judge(inst, kForms[negate_product][negate_addend], single, a, b, c);
}
void Emitter::emit_fmadd32(const Inst& inst) { float_fma(inst, true, false, false); }
void Emitter::emit_fmadd64(const Inst& inst) { float_fma(inst, false, false, false); }
void Emitter::emit_fmsub32(const Inst& inst) { float_fma(inst, true, false, true); }
void Emitter::emit_fmsub64(const Inst& inst) { float_fma(inst, false, false, true); }
void Emitter::emit_fnmsub32(const Inst& inst) { float_fma(inst, true, true, false); }
void Emitter::emit_fnmsub64(const Inst& inst) { float_fma(inst, false, true, false); }
void Emitter::emit_fnmadd32(const Inst& inst) { float_fma(inst, true, true, true); }
void Emitter::emit_fnmadd64(const Inst& inst) { float_fma(inst, false, true, true); }

void Emitter::float_min_max(const Inst& inst, bool single, bool max) {
  if (inst.a.is_zero() || inst.b.is_zero()) {
    float_slow(inst);
    return;
  }
  const Reg a = float_operand(inst.a, plan().next_a, Reg{}, single);
  const Reg b = float_operand(inst.b, plan().next_b, Reg{}, single);
  const Reg dst = define_float(inst);
  const asmjit::Label nan = as_.newLabel();
  const asmjit::Label done = as_.newLabel();
  // A number and a signaling NaN give a NaN on the host, the number for the guest. Zeros are ordered by both.
  as_.fcmp(fp(a, single), fp(b, single));
  as_.b_vs(nan);
  as_.emit(max ? I::kIdFmaxnm_v : I::kIdFminnm_v, fp(dst, single), fp(a, single), fp(b, single));
  bind(done);
  float_result(dst, single);
  cold(nan, [this, inst, a, b, dst, single, done] {
    store_float_arg(0, a, single);
    store_float_arg(1, b, single);
    call_float_slow(inst);
    as_.fmov(fp64(dst), gp64(kX16));
    as_.b(done);
  });
}
void Emitter::emit_fmin32(const Inst& inst) { float_min_max(inst, true, false); }
void Emitter::emit_fmin64(const Inst& inst) { float_min_max(inst, false, false); }
void Emitter::emit_fmax32(const Inst& inst) { float_min_max(inst, true, true); }
void Emitter::emit_fmax64(const Inst& inst) { float_min_max(inst, false, true); }

// --- comparison
// -------------------------------------------------------------------------------------------------------------------

void Emitter::float_compare(const Inst& inst, bool single, CondCode cc) {
  const InstId id = cc == CondCode::kEQ ? I::kIdFcmp_v : I::kIdFcmpe_v;
  const Reg a = float_operand(inst.a, plan().next_a, kV29, single);
  if (inst.b.is_zero() && !single) {
    as_.emit(id, fp64(a), Imm(0.0));
  } else {
    const Reg b = float_operand(inst.b, plan().next_b, kV30, single);
    as_.emit(id, fp(a, single), fp(b, single));
  }
  as_.cset(gp64(define_int(inst)), Imm(cc));
}
// Conditions that are false for unordered operands.
void Emitter::emit_feq32(const Inst& inst) { float_compare(inst, true, CondCode::kEQ); }
void Emitter::emit_feq64(const Inst& inst) { float_compare(inst, false, CondCode::kEQ); }
void Emitter::emit_flt32(const Inst& inst) { float_compare(inst, true, CondCode::kMI); }
void Emitter::emit_flt64(const Inst& inst) { float_compare(inst, false, CondCode::kMI); }
void Emitter::emit_fle32(const Inst& inst) { float_compare(inst, true, CondCode::kLS); }
void Emitter::emit_fle64(const Inst& inst) { float_compare(inst, false, CondCode::kLS); }

void Emitter::float_class(const Inst& inst, bool single) {
  const Reg a = float_operand(inst.a, plan().next_a, kV29, single);
  const Reg dst = define_int(inst);
  const asmjit::Label nan = as_.newLabel();
  const asmjit::Label done = as_.newLabel();
  // By magnitude: x30 counts of how many of subnormal, normal, infinite the value is at least one.
  const a64::Gp bits = gp(kX16, !single), magnitude = gp(kX17, !single), bound = gp(dst, !single);
  as_.fmov(bits, fp(a, single));
  as_.lsl(magnitude, bits, Imm(1));
  as_.cmp(magnitude, Imm(0));
  as_.cset(gp32(kX30), Imm(CondCode::kNE));
  as_.movz(bound, single ? Imm(0x0100) : Imm(0x0020), Imm(single ? 16 : 48));
  as_.cmp(magnitude, bound);
  as_.cinc(gp32(kX30), gp32(kX30), Imm(CondCode::kHS));
  as_.movz(bound, single ? Imm(0xff00) : Imm(0xffe0), Imm(single ? 16 : 48));
  as_.cmp(magnitude, bound);
  as_.cinc(gp32(kX30), gp32(kX30), Imm(CondCode::kHS));
  as_.b_hi(nan);
  // Positive: bits 4 to 7 by magnitude; negative: bits 3 to 0.
  as_.eor(gp32(kX17), gp32(kX30), Imm(3));
  as_.orr(gp32(kX30), gp32(kX30), Imm(4));
  as_.cmp(bits, Imm(0));
  as_.csel(gp32(kX17), gp32(kX17), gp32(kX30), Imm(CondCode::kLT));
  as_.movz(gp32(dst), Imm(1));
  as_.lsl(gp32(dst), gp32(dst), gp32(kX17));
  bind(done);
  cold(nan, [this, dst, single, done] {
    // Bit 8 signaling, bit 9 quiet.
    as_.ubfx(gp(kX16, !single), gp(kX16, !single), Imm(single ? 22 : 51), Imm(1));
    as_.movz(gp32(dst), Imm(0x100));
    as_.lsl(gp32(dst), gp32(dst), gp32(kX16));
    as_.b(done);
  });
}
void Emitter::emit_fclass32(const Inst& inst) { float_class(inst, true); }
void Emitter::emit_fclass64(const Inst& inst) { float_class(inst, false); }

// --- bits
// -------------------------------------------------------------------------------------------------------------------------

void Emitter::emit_fmov(const Inst& inst) {
  if (inst.a.is_zero()) {
    as_.movi(fp64(define_float(inst)), Imm(0));
    return;
  }
  const Reg a = cache_.use(inst.a, true, plan().next_a);
  const Knowledge k = cache_.knowledge(a);
  const Reg dst = define_float(inst);
  move(dst, a);
  cache_.set_knowledge(dst, k);
}

void Emitter::emit_f_from_bits64(const Inst& inst) {
  const Reg a = use_a(inst);
  as_.fmov(fp64(define_float(inst)), gp64(a));
}

void Emitter::emit_f_from_bits32(const Inst& inst) {
  const Reg a = use_a(inst, false);
  const Reg dst = define_float(inst);
  as_.fmov(fp32(dst), gp32(a));
  float_result(dst, true);
}

void Emitter::emit_bits64_from_f(const Inst& inst) {
  if (inst.a.is_zero()) {
    as_.mov(gp64(define_int(inst)), gp64(kZero));
    return;
  }
  const Reg a = float_register(inst.a, plan().next_a, Reg{});
  as_.fmov(gp64(define_int(inst)), fp64(a));
}

void Emitter::emit_bits32_from_f(const Inst& inst) {
  if (inst.a.is_zero()) {
    as_.mov(gp64(define_int(inst)), gp64(kZero));
    return;
  }
  const Reg a = cache_.use(inst.a, true, plan().next_a);
  as_.smov(gp64(define_int(inst)), vec(a).s(0));
}

void Emitter::float_sign(const Inst& inst, bool single, int kind) {
  if (inst.a.is_zero() || inst.b.is_zero()) {
    float_slow(inst);
    return;
  }
  const Reg a = float_operand(inst.a, plan().next_a, Reg{}, single);
  const Reg b = float_operand(inst.b, plan().next_b, Reg{}, single);
  const Knowledge k = cache_.knowledge(a);
  const Reg dst = define_float(inst);
  const auto sign_mask = [&](Reg to) {
    if (single) {
      as_.movi(vec(to).s2(), Imm(0x80), a64::lsl(24));
    } else {
      as_.movi(fp64(to), Imm(0));
      as_.fneg(fp64(to), fp64(to));
    }
  };
  const auto low = [](Reg r) { return vec(r).b8(); };
  if (inst.a == inst.b) {
    if (kind == 0) {
      move(dst, a);
      cache_.set_knowledge(dst, k);
      return;
    }
    as_.emit(kind == 1 ? I::kIdFneg_v : I::kIdFabs_v, fp(dst, single), fp(a, single));
  } else if (kind == 2) {
    sign_mask(kV29);
    as_.and_(low(kV29), low(kV29), low(b));
    as_.eor(low(dst), low(a), low(kV29));
  } else {
    Reg sign = b;
    if (kind == 1) {
      sign = kV30;
      as_.fneg(fp(sign, single), fp(b, single));
    }
    if (dst == a) {
      sign_mask(kV29);
      as_.bit(low(dst), low(sign), low(kV29));
    } else if (dst == sign) {
      sign_mask(kV29);
      as_.bif(low(dst), low(a), low(kV29));
    } else {
      sign_mask(dst);
      as_.bsl(low(dst), low(sign), low(a));
    }
  }
  float_result(dst, single);
}
void Emitter::emit_fsgnj32(const Inst& inst) { float_sign(inst, true, 0); }
void Emitter::emit_fsgnj64(const Inst& inst) { float_sign(inst, false, 0); }
void Emitter::emit_fsgnjn32(const Inst& inst) { float_sign(inst, true, 1); }
void Emitter::emit_fsgnjn64(const Inst& inst) { float_sign(inst, false, 1); }
void Emitter::emit_fsgnjx32(const Inst& inst) { float_sign(inst, true, 2); }
void Emitter::emit_fsgnjx64(const Inst& inst) { float_sign(inst, false, 2); }

// --- flags
// ------------------------------------------------------------------------------------------------------------------------

void Emitter::emit_get_fflags(const Inst& inst) {
  // FPSR's IOC, DZC, OFC, UFC, IXC are the guest's five flags the other way round.
  static_assert(invalid == 16 && divide_by_zero == 8 && overflow == 4 && underflow == 2 && inexact == 1);
  const Reg dst = define_int(inst);
  as_.mrs(gp64(kX16), kFpsr);
  as_.ldr(gp64(kX17), frame_mem(ASHLAR_COLD_OFFSET(float_flags)));
  as_.rbit(gp32(kX16), gp32(kX16));
  as_.orr(gp64(dst), gp64(kX17), gp64(kX16), a64::lsr(27));
  flags_ = inst.dst;
}

void Emitter::emit_set_fflags(const Inst& inst) {
  const Reg a = use_a(inst);
  Reg flags = a;
  if (a != kZero && inst.a != flags_) {
    flags = kX16;
    as_.and_(gp64(flags), gp64(a), Imm(31));
  }
  as_.str(gp64(flags), frame_mem(ASHLAR_COLD_OFFSET(float_flags)));
  as_.msr(kFpsr, gp64(kZero));
}

}  // namespace ashlar::host_a64
