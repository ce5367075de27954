// Loads, stores and atomics on a flat window. How an address becomes a host operand, with its check, stands
// in `address` alone: a paged model goes beside it.
#include "host/x64/emitter.hpp"
#include "mem/layout.hpp"

namespace ashlar::host_x64 {

using asmjit::Imm;
using codegen::InstPlan;
namespace I = asmjit::x86::Inst;

Reg Emitter::address_base(const Inst& inst) {
  settle_check();
  if (inst.a.is_zero()) return Reg{};
  return use_int(inst.a, plan().next_a);
}

GuestMem Emitter::address(const Inst& inst, std::int32_t disp, std::uint32_t size, const FaultPoint& point) {
  const InstPlan& plan = this->plan();
  const bool small = disp > -mem::kDisplacementSlack && disp < mem::kDisplacementSlack;
  const auto check = [&](std::uint32_t guest) {
    const bool conditional = inst.op == ir::Opcode::sc32 || inst.op == ir::Opcode::sc64;
    const asmjit::Label label = as_.newLabel();
    // A store-conditional that fails has looked at nothing but its address.
    if (options_.base_is_limit && !conditional) {
      as_.alu(Alu::cmp, true, guest, kMemBase.id());
    } else {
      as_.alu(Alu::cmp, true, guest, frame_mem(offsetof(VcpuHot, mem_limit)));
    }
    as_.ja(label);
    check_at(label, point);
  };
  const Value instead = plan.check_instead;
  if (!instead.is_none()) {
    const Reg r = cache_.where(instead);
    if (r.is_none()) as_.mov(true, kRax, word_mem(instead.word));
    check(r.is_none() ? kRax : r.number());
  }
  std::uint32_t base = kRax;
  if (inst.a.is_zero()) {
    as_.mov(x86::rax, Imm(disp));
    disp = 0;
  } else {
    base = cache_.where(inst.a).number();
    if (!small) {
      as_.lea_sum_immediate(true, kRax, base, disp);
      base = kRax;
      disp = 0;
    }
  }
  if (plan.needs_check && instead.is_none()) check(base);
  return {base, disp, size};
}

void Emitter::load_int(const Inst& inst, std::uint32_t size, bool is_signed) {
  address_base(inst);
  const FaultPoint point = fault_point();
  const GuestMem from = address(inst, inst.imm, size, point);
  const Reg dst = define_int(inst);
  access_fault_here(point);
  as_.load(dst.number(), from, is_signed);
  if (size < 4 || (size == 4 && is_signed)) note_extended(dst);
}
void Emitter::emit_ld8u(const Inst& inst) { load_int(inst, 1, false); }
void Emitter::emit_ld8s(const Inst& inst) { load_int(inst, 1, true); }
void Emitter::emit_ld16u(const Inst& inst) { load_int(inst, 2, false); }
void Emitter::emit_ld16s(const Inst& inst) { load_int(inst, 2, true); }
void Emitter::emit_ld32u(const Inst& inst) { load_int(inst, 4, false); }
void Emitter::emit_ld32s(const Inst& inst) { load_int(inst, 4, true); }
void Emitter::emit_ld64(const Inst& inst) { load_int(inst, 8, true); }

void Emitter::store_int(const Inst& inst, std::uint32_t size) {
  address_base(inst);
  Reg data;
  if (!inst.b.is_zero())
    data = size == 8 ? use_int(inst.b, plan().next_b) : cache_.use(inst.b, false, plan().next_b);
  const FaultPoint point = fault_point();
  const GuestMem to = address(inst, inst.imm, size, point);
  access_fault_here(point);
  if (data.is_none()) {
    as_.mov(x86::Mem(to), Imm(0));
  } else {
    as_.store(to, data.number());
  }
}
void Emitter::emit_st8(const Inst& inst) { store_int(inst, 1); }
void Emitter::emit_st16(const Inst& inst) { store_int(inst, 2); }
void Emitter::emit_st32(const Inst& inst) { store_int(inst, 4); }
void Emitter::emit_st64(const Inst& inst) { store_int(inst, 8); }

void Emitter::load_float(const Inst& inst, std::uint32_t size) {
  address_base(inst);
  const FaultPoint point = fault_point();
  const x86::Mem from = address(inst, inst.imm, size, point);
  if (size == 8) {
    const Reg dst = define_float(inst);
    access_fault_here(point);
    as_.movsd(xmm(dst), from);
    return;
  }
  const Reg dst = define_float(inst);
  access_fault_here(point);
  as_.movss(x86::xmm0, from);
  // Box: the upper half is all ones.
  as_.pcmpeqd(x86::xmm1, x86::xmm1);
  as_.unpcklps(x86::xmm0, x86::xmm1);
  as_.movaps(xmm(dst), x86::xmm0);
  cache_.set_knowledge(dst, Knowledge::boxed32);
}
void Emitter::emit_fld32(const Inst& inst) { load_float(inst, 4); }
void Emitter::emit_fld64(const Inst& inst) { load_float(inst, 8); }

void Emitter::store_float(const Inst& inst, std::uint32_t size) {
  address_base(inst);
  Reg data;
  if (!inst.b.is_zero()) {
    data = cache_.use(inst.b, true, plan().next_b);
    cache_.settle(data);
  }
  const FaultPoint point = fault_point();
  const x86::Mem to = address(inst, inst.imm, size, point);
  access_fault_here(point);
  if (data.is_none()) {
    as_.mov(to, Imm(0));
  } else if (size == 8) {
    as_.movsd(to, xmm(data));
  } else {
    as_.movss(to, xmm(data));
  }
}
void Emitter::emit_fst32(const Inst& inst) { store_float(inst, 4); }
void Emitter::emit_fst64(const Inst& inst) { store_float(inst, 8); }

// --- atomics
// ----------------------------------------------------------------------------------------------------------------------
// Locked instructions are full barriers on this host, plain loads acquire: every MemoryOrder is satisfied.

Emitter::Atomic Emitter::atomic_address(const Inst& inst, std::uint32_t size) {
  const FaultPoint point = fault_point();
  const x86::Mem mem = address(inst, 0, size, point);
  const asmjit::Label misaligned = as_.newLabel();
  as_.test(inst.a.is_zero() ? x86::Gp(x86::al) : gp8(cache_.where(inst.a)), Imm(size - 1));
  as_.jnz(misaligned);
  check_at(misaligned, point);
  return {mem, point};
}

namespace {
x86::Gp sized(const x86::Gp& r, std::uint32_t size) {
  return size == 8 ? x86::Gp(r.r64()) : x86::Gp(r.r32());
}
}  // namespace

void Emitter::fetch_loop(const Inst& inst, std::uint32_t size,
                         const std::function<void(const x86::Gp& fresh, const x86::Gp& operand)>& op) {
  Reg base = address_base(inst);
  const Reg fresh = cache_.scratch(false);
  Reg data;
  if (inst.b.is_zero()) {
    data = cache_.scratch(false);
    as_.xor_(gp32(data), gp32(data));
  } else {
    data = use_int(inst.b, plan().next_b);
  }
  Atomic at = atomic_address(inst, size);
  if (base.is_none()) {  // rax, where `address` put the constant, is the comparand of cmpxchg
    as_.xor_(x86::eax, x86::eax);
    at.mem = x86::Mem(kMemBase, 0, size);
  }
  access_fault_here(at.point);
  as_.mov(sized(x86::rax, size), at.mem);
  const asmjit::Label retry = as_.newLabel();
  as_.bind(retry);
  op(sized(gp64(fresh), size), sized(gp64(data), size));
  access_fault_here(at.point);
  as_.lock().cmpxchg(at.mem, sized(gp64(fresh), size));
  as_.jne(retry);
  cache_.release(fresh);
  cache_.unlock_operands();
  const Reg dst = define_int(inst);
  if (size == 8) {
    as_.mov(gp64(dst), x86::rax);
  } else {
    as_.movsxd(gp64(dst), x86::eax);
  }
}

void Emitter::fetch_logic(const Inst& inst, std::uint32_t size, InstId id) {
  if (inst.dst.is_temp() && plan().next_dst == InstPlan::kNever && !inst.b.is_zero()) {
    // Nobody wants the old value.
    address_base(inst);
    const Reg data = use_int(inst.b, plan().next_b);
    const Atomic at = atomic_address(inst, size);
    access_fault_here(at.point);
    as_.lock().emit(id, at.mem, sized(gp64(data), size));
    return;
  }
  fetch_loop(inst, size, [this, id, size](const x86::Gp& fresh, const x86::Gp& operand) {
    as_.mov(fresh, sized(x86::rax, size));
    as_.emit(id, fresh, operand);
  });
}

void Emitter::fetch_min_max(const Inst& inst, std::uint32_t size, x86::CondCode keep) {
  // fresh = operand; if (old `keep` operand) fresh = old
  fetch_loop(inst, size, [this, keep, size](const x86::Gp& fresh, const x86::Gp& operand) {
    const x86::Gp old = sized(x86::rax, size);
    as_.mov(fresh, operand);
    as_.cmp(old, operand);
    as_.emit(I::cmovccFromCond(keep), fresh, old);
  });
}

void Emitter::emit_swap32(const Inst& inst) {
  fetch_loop(inst, 4, [this](const x86::Gp& fresh, const x86::Gp& operand) { as_.mov(fresh, operand); });
}
void Emitter::emit_swap64(const Inst& inst) {
  fetch_loop(inst, 8, [this](const x86::Gp& fresh, const x86::Gp& operand) { as_.mov(fresh, operand); });
}

void Emitter::emit_fetch_add32(const Inst& inst) { fetch_logic(inst, 4, I::kIdAdd); }
void Emitter::emit_fetch_add64(const Inst& inst) { fetch_logic(inst, 8, I::kIdAdd); }
void Emitter::emit_fetch_and32(const Inst& inst) { fetch_logic(inst, 4, I::kIdAnd); }
void Emitter::emit_fetch_and64(const Inst& inst) { fetch_logic(inst, 8, I::kIdAnd); }
void Emitter::emit_fetch_or32(const Inst& inst) { fetch_logic(inst, 4, I::kIdOr); }
void Emitter::emit_fetch_or64(const Inst& inst) { fetch_logic(inst, 8, I::kIdOr); }
void Emitter::emit_fetch_xor32(const Inst& inst) { fetch_logic(inst, 4, I::kIdXor); }
void Emitter::emit_fetch_xor64(const Inst& inst) { fetch_logic(inst, 8, I::kIdXor); }
void Emitter::emit_fetch_min_s32(const Inst& inst) { fetch_min_max(inst, 4, x86::CondCode::kL); }
void Emitter::emit_fetch_min_s64(const Inst& inst) { fetch_min_max(inst, 8, x86::CondCode::kL); }
void Emitter::emit_fetch_max_s32(const Inst& inst) { fetch_min_max(inst, 4, x86::CondCode::kG); }
void Emitter::emit_fetch_max_s64(const Inst& inst) { fetch_min_max(inst, 8, x86::CondCode::kG); }
void Emitter::emit_fetch_min_u32(const Inst& inst) { fetch_min_max(inst, 4, x86::CondCode::kB); }
void Emitter::emit_fetch_min_u64(const Inst& inst) { fetch_min_max(inst, 8, x86::CondCode::kB); }
void Emitter::emit_fetch_max_u32(const Inst& inst) { fetch_min_max(inst, 4, x86::CondCode::kA); }
void Emitter::emit_fetch_max_u64(const Inst& inst) { fetch_min_max(inst, 8, x86::CondCode::kA); }

void Emitter::compare_exchange(const Inst& inst, std::uint32_t size) {
  const Reg base = address_base(inst);
  const auto value = [this](Value v, std::uint16_t next) {
    if (!v.is_zero()) return use_int(v, next);
    const Reg r = cache_.scratch(false);
    as_.xor_(gp32(r), gp32(r));
    return r;
  };
  const Reg fresh = value(inst.c(), plan().next_c);
  const Operand expected = operand_in_place(inst.b, plan().next_b);
  Atomic at = atomic_address(inst, size);
  if (base.is_none()) at.mem = x86::Mem(kMemBase, 0, size);
  load(sized(x86::rax, size), expected);
  access_fault_here(at.point);
  as_.lock().cmpxchg(at.mem, sized(gp64(fresh), size));
  cache_.unlock_operands();
  const Reg dst = define_int(inst);
  if (size == 8) {
    as_.mov(gp64(dst), x86::rax);
  } else {
    as_.movsxd(gp64(dst), x86::eax);
  }
}
void Emitter::emit_cas32(const Inst& inst) { compare_exchange(inst, 4); }
void Emitter::emit_cas64(const Inst& inst) { compare_exchange(inst, 8); }

// --- load-reserved, store-conditional: the protocol of mem/reservations.hpp
// -------------------------------------------------------

void Emitter::reservation_slot(const x86::Gp& to, Reg base) {
  // &reservation_granules[(host address >> 6) & 1023], 64 bytes each
  if (base.is_none()) {
    as_.mov(to, kMemBase);
  } else {
    as_.lea(to, x86::ptr(kMemBase, gp64(base)));
  }
  as_.and_(to.r32(), Imm(mem::kReservationTableMask));
  as_.add(to, frame_mem(ASHLAR_COLD_OFFSET(reservations)));
}

void Emitter::load_reserved(const Inst& inst, std::uint32_t size) {
  const Reg base = address_base(inst);
  const Atomic at = atomic_address(inst, size);
  const x86::Mem mem = base.is_none() ? x86::Mem(kMemBase, 0, size) : at.mem;
  as_.mov(frame_mem(ASHLAR_COLD_OFFSET(reservation_addr)), Imm(-1));
  reservation_slot(x86::rax, base);
  as_.mov(x86::rax, x86::qword_ptr(x86::rax));
  as_.and_(x86::rax, Imm(-2));  // locked: a version that no store-conditional will match
  as_.mov(frame_mem(ASHLAR_COLD_OFFSET(reservation_version)), x86::rax);
  access_fault_here(at.point);
  as_.mov(sized(x86::rax, size), mem);
  as_.mov(frame_mem(ASHLAR_COLD_OFFSET(reservation_value)), x86::rax);
  if (base.is_none()) {
    as_.mov(frame_mem(ASHLAR_COLD_OFFSET(reservation_addr)), Imm(0));
  } else {
    as_.mov(frame_mem(ASHLAR_COLD_OFFSET(reservation_addr)), gp64(base));
  }
  const Reg dst = define_int(inst);
  if (size == 8) {
    as_.mov(gp64(dst), x86::rax);
  } else {
    as_.movsxd(gp64(dst), x86::eax);
  }
}
void Emitter::emit_lr32(const Inst& inst) { load_reserved(inst, 4); }
void Emitter::emit_lr64(const Inst& inst) { load_reserved(inst, 8); }

void Emitter::store_conditional(const Inst& inst, std::uint32_t size) {
  const Reg base = address_base(inst);
  Reg data;
  if (inst.b.is_zero()) {
    data = cache_.scratch(false);
    as_.xor_(gp32(data), gp32(data));
  } else {
    data = use_int(inst.b, plan().next_b);
  }
  // Before the fault point: what it held is then in the frame.
  const Reg granule = cache_.scratch(false);
  const Atomic at = atomic_address(inst, size);
  const x86::Mem mem = base.is_none() ? x86::Mem(kMemBase, 0, size) : at.mem;
  const x86::Mem version = frame_mem(ASHLAR_COLD_OFFSET(reservation_version));
  const x86::Mem slot = x86::qword_ptr(gp64(granule));
  const asmjit::Label unlock = as_.newLabel();
  const asmjit::Label fail = as_.newLabel();
  const asmjit::Label done = as_.newLabel();
  if (base.is_none()) {
    as_.xor_(x86::eax, x86::eax);
  } else {
    as_.mov(x86::rax, gp64(base));
  }
  as_.cmp(x86::rax, frame_mem(ASHLAR_COLD_OFFSET(reservation_addr)));
  as_.jne(fail);
  reservation_slot(gp64(granule), base);
  // Lock the granule by making its version odd; only then compare: a version that somebody else made even
  // again does not match.
  as_.lock().bts(slot, Imm(0));
  as_.jc(fail);
  as_.mov(x86::rax, version);
  as_.inc(x86::rax);
  as_.mov(version, x86::rax);  // odd while this vCPU holds the lock, for who catches a fault below
  as_.cmp(x86::rax, slot);
  as_.jne(unlock);
  as_.mov(x86::rax, frame_mem(ASHLAR_COLD_OFFSET(reservation_value)));
  access_fault_here(at.point);
  as_.lock().cmpxchg(mem, sized(gp64(data), size));
  as_.jne(unlock);
  as_.inc(slot);  // stored: the next even version
  as_.dec(version);
  as_.xor_(x86::eax, x86::eax);
  as_.bind(done);
  // Dropped in any case, but only now: the interpreter goes on from a fault above as if nothing had been
  // done.
  as_.mov(frame_mem(ASHLAR_COLD_OFFSET(reservation_addr)), Imm(-1));
  cache_.release(granule);
  cache_.unlock_operands();
  as_.mov(gp64(define_int(inst)), x86::rax);
  cold(unlock, [this, slot, version, fail] {
    as_.and_(slot, Imm(-2));
    as_.dec(version);
    as_.jmp(fail);
  });
  cold(fail, [this, done] {
    as_.mov(x86::eax, Imm(1));
    as_.jmp(done);
  });
}
void Emitter::emit_sc32(const Inst& inst) { store_conditional(inst, 4); }
void Emitter::emit_sc64(const Inst& inst) { store_conditional(inst, 8); }

}  // namespace ashlar::host_x64
