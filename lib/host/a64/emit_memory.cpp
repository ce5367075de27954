// Loads, stores and atomics on a flat window. How an address becomes a host operand, with its check, stands
// in `address` alone: a paged model goes beside it.
#include "host/a64/emitter.hpp"
#include "mem/layout.hpp"

namespace ashlar::host_a64 {

using asmjit::Imm;
using codegen::InstPlan;
using I = a64::Inst;

// --- addresses
// --------------------------------------------------------------------------------------------------------------------

namespace {

/// Whether a load or store of `size` bytes has the displacement in its encoding: scaled, or small.
bool encodable(std::int64_t disp, std::uint32_t size) {
  return (disp >= -256 && disp <= 255) || (disp >= 0 && disp % size == 0 && disp / size < 4096);
}

}  // namespace

Reg Emitter::find_host_base(Value v, std::int64_t& delta) const {
  for (std::size_t i = 0; i < host_bases_.size(); ++i)
    if (host_bases_[i].value == v) {
      delta = host_bases_[i].offset;
      return kHostBases[i];
    }
  return Reg{};
}

Reg Emitter::make_host_base(Value v, Reg guest) {
  forget_host_base(v);
  const std::size_t i = next_host_base_;
  next_host_base_ = static_cast<std::uint8_t>((i + 1) % kHostBases.size());
  host_bases_[i] = {v, 0};
  as_.add(gp64(kHostBases[i]), kMemBase, gp64(guest));
  return kHostBases[i];
}

void Emitter::forget_host_base(Value v) {
  for (HostBase& base : host_bases_)
    if (base.value == v) base = {};
}

Emitter::Address Emitter::address(const Inst& inst, std::int32_t disp, std::uint32_t size,
                                  const FaultPoint& point) {
  const Value instead = plan().check_instead;
  const auto check_window = [&](Reg guest) {
    const asmjit::Label label = as_.newLabel();
    as_.cmp(gp64(guest), kMemLimit);
    as_.b_hi(label);
    check_at(label, point);
  };
  if (!instead.is_none()) {
    const Reg r = cache_.where(instead);
    if (r.is_none()) load_word(kX16, instead.word);
    check_window(r.is_none() ? kX16 : r);
  }
  const auto check = [&](Reg guest) {
    if (plan().needs_check && instead.is_none()) check_window(guest);
  };
  if (inst.a.is_zero()) {
    move_imm(gp64(kX16), static_cast<std::uint64_t>(std::int64_t{disp}));
    check(kX16);
    return {kX16, 0, true};
  }
  const Reg guest = cache_.where(inst.a);
  if (disp <= -mem::kDisplacementSlack || disp >= mem::kDisplacementSlack) {
    add_constant(kX16, guest, disp);
    check(kX16);
    return {kX16, 0, true};
  }
  check(guest);
  std::int64_t delta = 0;
  if (const Reg host = find_host_base(inst.a, delta); !host.is_none() && encodable(delta + disp, size))
    return {host, static_cast<std::int32_t>(delta + disp), false};
  if (disp == 0) return {guest, 0, true};
  if (!encodable(disp, size)) {
    add_constant(kX16, guest, disp);
    return {kX16, 0, true};
  }
  if (plan().next_a != InstPlan::kNever) return {make_host_base(inst.a, guest), disp, false};
  as_.add(gp64(kX16), kMemBase, gp64(guest));
  return {kX16, disp, false};
}

a64::Mem Emitter::mem(const Address& at) const {
  return at.indexed ? a64::ptr(kMemBase, gp64(at.base)) : a64::ptr(gp64(at.base), at.disp);
}

// --- loads and stores
// --------------------------------------------------------------------------------------------------------------

void Emitter::load_int(const Inst& inst, InstId id, std::uint32_t size, bool to64) {
  use_base(inst);
  const FaultPoint point = fault_point();
  const a64::Mem from = mem(address(inst, inst.imm, size, point));
  const Reg dst = define_int(inst);
  access_fault_here(point);
  as_.emit(id, gp(dst, to64), from);
  if (size < 4 || (size == 4 && to64)) note_extended(dst);
}
void Emitter::emit_ld8u(const Inst& inst) { load_int(inst, I::kIdLdrb, 1, false); }
void Emitter::emit_ld8s(const Inst& inst) { load_int(inst, I::kIdLdrsb, 1, true); }
void Emitter::emit_ld16u(const Inst& inst) { load_int(inst, I::kIdLdrh, 2, false); }
void Emitter::emit_ld16s(const Inst& inst) { load_int(inst, I::kIdLdrsh, 2, true); }
void Emitter::emit_ld32u(const Inst& inst) { load_int(inst, I::kIdLdr, 4, false); }
void Emitter::emit_ld32s(const Inst& inst) { load_int(inst, I::kIdLdrsw, 4, true); }
void Emitter::emit_ld64(const Inst& inst) { load_int(inst, I::kIdLdr, 8, true); }

// Two stores in a row, the second directly above the first, are one of a pair. If it faults, the first's
// fault site has the guest go on in front of both, so that the one that does not fault may be done twice,
// which nobody sees. The order matters: a pair across a page boundary whose upper page alone can be written
// must not have written there when the guest's first store faults.

bool Emitter::pairs_with_last(const Inst& inst, Reg data, std::uint32_t size) {
  if (last_.kind != Last::Kind::guest_store || last_.end != here() || last_.word != inst.a.word ||
      last_.wide != (size == 8) || last_.reg.is_float() != data.is_float() || plan().needs_check ||
      inst.imm != last_.disp + static_cast<std::int32_t>(size))
    return false;
  const Last first = last_;
  // Where the first one's host base is, if it has one; else one is made, as for any displacement.
  std::int64_t delta = 0;
  Reg base = find_host_base(inst.a, delta);
  if (base.is_none()) {
    base = first.a;
    delta = first.host_disp - first.disp;
  }
  const std::int64_t disp = delta + first.disp;
  const auto scale = static_cast<std::int64_t>(size);
  const bool make = base == kMemBaseReg;
  if (disp % scale != 0 || disp < -64 * scale || disp > 63 * scale) return false;
  take_back_last();
  if (make) {
    const Reg guest = cache_.where(inst.a);
    if (plan().next_a != InstPlan::kNever) {
      base = make_host_base(inst.a, guest);
    } else {
      base = kX16;
      as_.add(gp64(kX16), kMemBase, gp64(guest));
    }
  }
  const a64::Mem to = a64::ptr(gp64(base), static_cast<std::int32_t>(disp));
  out_->access_faults.back().offset = here();
  if (data.is_float()) {
    as_.emit(I::kIdStp_v, fp(first.reg, size == 4), fp(data, size == 4), to);
  } else {
    as_.stp(gp(first.reg, size == 8), gp(data, size == 8), to);
  }
  return true;
}

void Emitter::stored(const Inst& inst, Reg data, std::uint32_t size, const Address& at) {
  if (size < 4 || inst.a.is_zero() || (at.indexed && at.base == kX16)) return;
  last_ = Last{.kind = Last::Kind::guest_store,
               .end = here(),
               .word = inst.a.word,
               .reg = data,
               .disp = inst.imm,
               .host_disp = at.disp,
               .a = at.indexed ? kMemBaseReg : at.base,
               .wide = size == 8};
}

void Emitter::store_int(const Inst& inst, InstId id, std::uint32_t size) {
  use_base(inst);
  const Reg data = use_b(inst, size == 8);
  if (pairs_with_last(inst, data, size)) return;
  const FaultPoint point = fault_point();
  const Address at = address(inst, inst.imm, size, point);
  access_fault_here(point);
  as_.emit(id, gp(data, size == 8), mem(at));
  stored(inst, data, size, at);
}
void Emitter::emit_st8(const Inst& inst) { store_int(inst, I::kIdStrb, 1); }
void Emitter::emit_st16(const Inst& inst) { store_int(inst, I::kIdStrh, 2); }
void Emitter::emit_st32(const Inst& inst) { store_int(inst, I::kIdStr, 4); }
void Emitter::emit_st64(const Inst& inst) { store_int(inst, I::kIdStr, 8); }

void Emitter::load_float(const Inst& inst, std::uint32_t size) {
  use_base(inst);
  const FaultPoint point = fault_point();
  const a64::Mem from = mem(address(inst, inst.imm, size, point));
  const Reg dst = define_float(inst);
  access_fault_here(point);
  if (size == 8) {
    as_.ldr(fp64(dst), from);
    return;
  }
  as_.ldr(fp32(dst), from);
  cache_.set_knowledge(dst, Knowledge::low32);
}
void Emitter::emit_fld32(const Inst& inst) { load_float(inst, 4); }
void Emitter::emit_fld64(const Inst& inst) { load_float(inst, 8); }

void Emitter::store_float(const Inst& inst, std::uint32_t size) {
  use_base(inst);
  Reg data;
  if (!inst.b.is_zero()) {
    data = cache_.use(inst.b, true, plan().next_b);
    if (size == 8) cache_.settle(data);
  }
  if (data.is_none()) data = kZero;
  if (pairs_with_last(inst, data, size)) return;
  const FaultPoint point = fault_point();
  const Address at = address(inst, inst.imm, size, point);
  access_fault_here(point);
  if (data.is_float()) {
    as_.str(fp(data, size == 4), mem(at));
  } else {
    as_.str(gp(data, size == 8), mem(at));
  }
  stored(inst, data, size, at);
}
void Emitter::emit_fst32(const Inst& inst) { store_float(inst, 4); }
void Emitter::emit_fst64(const Inst& inst) { store_float(inst, 8); }

// --- atomics
// ----------------------------------------------------------------------------------------------------------------------
// docs/atomics.md has the mapping of orders and the reasons. Acquire and release are the instructions' own
// forms; behind an acquire also stands a barrier, because the guest orders the atomic's store before later
// accesses, too.

Reg Emitter::atomic_address(const Inst& inst, std::uint32_t size, const FaultPoint& point) {
  if (inst.a.is_zero()) return Reg::integer(kMemBase.id());
  const Reg guest = cache_.where(inst.a);
  const asmjit::Label label = as_.newLabel();
  as_.tst(gp64(guest), Imm(size - 1));
  if (plan().needs_check) {
    // Misaligned: the flags of "higher".
    constexpr unsigned kCarry = 2;
    as_.ccmp(gp64(guest), kMemLimit, Imm(kCarry), Imm(a64::CondCode::kEQ));
    as_.b_hi(label);
  } else {
    as_.b_ne(label);
  }
  check_at(label, point);
  std::int64_t delta = 0;
  if (const Reg host = find_host_base(inst.a, delta); !host.is_none() && delta == 0) return host;
  return make_host_base(inst.a, guest);
}

void Emitter::fence_behind(const Inst& inst) {
  if ((inst.aux() & ir::kAcquire) != 0) as_.dmb(Imm(a64::Predicate::DB::kISH));
}

void Emitter::store_exclusive(bool release, Reg value, bool wide, Reg host) {
  if (!release || !wide) {
    as_.emit(release ? I::kIdStlxr : I::kIdStxr, gp32(kX30), gp(value, wide), a64::ptr(gp64(host)));
    return;
  }
  // asmjit 1.9 refuses stlxr of 64 bits.
  const std::string name = value == kZero ? "xzr" : "x" + std::to_string(value.number());
  by_hand(0xc800'fc00u | kX30.number() << 16 | host.number() << 5 | value.number(),
          "stlxr w30, " + name + ", [x" + std::to_string(host.number()) + "]");
}

void Emitter::store_release(Reg value, const a64::Mem& at) {
  // What asmjit 1.9 encodes for stlr is stllr.
  by_hand(0xc89f'fc00u | at.baseId() << 5 | value.number(),
          "stlr x" + std::to_string(value.number()) + ", [x" + std::to_string(at.baseId()) + "]");
}

void Emitter::by_hand(std::uint32_t word, const std::string& text) {
  host::Listing* const log = listing();
  if (log != nullptr) {
    log->text += text + "\n";
    log->silent = true;
  }
  as_.embed(&word, sizeof word);
  if (log != nullptr) log->silent = false;
}

void Emitter::fetch(const Inst& inst, std::uint32_t size, const FetchForms& lse, bool complement,
                    const std::function<Reg(Reg old, Reg operand)>& op) {
  const bool wide = size == 8;
  const unsigned order = inst.aux() & 3u;
  use_a(inst);
  Reg data = use_b(inst);
  const FaultPoint point = fault_point();
  const Reg host = atomic_address(inst, size, point);
  const a64::Mem at = a64::ptr(gp64(host));
  if (features_.lse) {
    if (complement) {
      as_.mvn(gp(kX17, wide), gp(data, wide));
      data = kX17;
    }
    access_fault_here(point);
    as_.emit(lse.forms[order], gp(data, wide), gp(kX16, wide), at);
  } else {
    const asmjit::Label retry = as_.newLabel();
    bind(retry);
    access_fault_here(point);
    as_.emit((order & ir::kAcquire) != 0 ? I::kIdLdaxr : I::kIdLdxr, gp(kX16, wide), at);
    const Reg fresh = op(kX16, data);
    access_fault_here(point);
    store_exclusive((order & ir::kRelease) != 0, fresh, wide, host);
    as_.cbnz(gp32(kX30), retry);
  }
  fence_behind(inst);
  cache_.unlock_operands();
  const Reg dst = define_int(inst);
  if (inst.dst.is_temp() && plan().next_dst == InstPlan::kNever) return;  // nobody wants the old value
  if (wide) {
    as_.mov(gp64(dst), gp64(kX16));
  } else {
    as_.sxtw(gp64(dst), gp32(kX16));
  }
}

void Emitter::fetch_min_max(const Inst& inst, std::uint32_t size, const FetchForms& lse, a64::CondCode keep) {
  fetch(inst, size, lse, false, [this, size, keep](Reg old, Reg operand) {
    as_.cmp(gp(old, size == 8), gp(operand, size == 8));
    as_.csel(gp(kX17, size == 8), gp(old, size == 8), gp(operand, size == 8), Imm(keep));
    return kX17;
  });
}

#define ASHLAR_FORMS(name)                                               \
  {                                                                      \
    { I::kId##name, I::kId##name##l, I::kId##name##a, I::kId##name##al } \
  }
#define ASHLAR_FETCH(op, name, complement, instruction)                           \
  void Emitter::emit_##op##32(const Inst& inst) {                                 \
    fetch(inst, 4, ASHLAR_FORMS(name), complement, [this](Reg old, Reg operand) { \
      as_.instruction(gp32(kX17), gp32(old), gp32(operand));                      \
      return kX17;                                                                \
    });                                                                           \
  }                                                                               \
  void Emitter::emit_##op##64(const Inst& inst) {                                 \
    fetch(inst, 8, ASHLAR_FORMS(name), complement, [this](Reg old, Reg operand) { \
      as_.instruction(gp64(kX17), gp64(old), gp64(operand));                      \
      return kX17;                                                                \
    });                                                                           \
  }
ASHLAR_FETCH(fetch_add, Ldadd, false, add)
ASHLAR_FETCH(fetch_and, Ldclr, true, and_)
ASHLAR_FETCH(fetch_or, Ldset, false, orr)
ASHLAR_FETCH(fetch_xor, Ldeor, false, eor)
#undef ASHLAR_FETCH

#define ASHLAR_MIN_MAX(op, name, keep)                               \
  void Emitter::emit_##op##32(const Inst& inst) {                    \
    fetch_min_max(inst, 4, ASHLAR_FORMS(name), a64::CondCode::keep); \
  }                                                                  \
  void Emitter::emit_##op##64(const Inst& inst) {                    \
    fetch_min_max(inst, 8, ASHLAR_FORMS(name), a64::CondCode::keep); \
  }
ASHLAR_MIN_MAX(fetch_min_s, Ldsmin, kLT)
ASHLAR_MIN_MAX(fetch_max_s, Ldsmax, kGT)
ASHLAR_MIN_MAX(fetch_min_u, Ldumin, kLO)
ASHLAR_MIN_MAX(fetch_max_u, Ldumax, kHI)
#undef ASHLAR_MIN_MAX

void Emitter::emit_swap32(const Inst& inst) {
  fetch(inst, 4, ASHLAR_FORMS(Swp), false, [](Reg, Reg operand) { return operand; });
}
void Emitter::emit_swap64(const Inst& inst) {
  fetch(inst, 8, ASHLAR_FORMS(Swp), false, [](Reg, Reg operand) { return operand; });
}

void Emitter::compare_exchange(const Inst& inst, std::uint32_t size) {
  const bool wide = size == 8;
  const unsigned order = inst.aux() & 3u;
  use_a(inst);
  const Reg fresh = use_c(inst);
  const Reg expected = use_b(inst);
  const FaultPoint point = fault_point();
  const Reg host = atomic_address(inst, size, point);
  const a64::Mem at = a64::ptr(gp64(host));
  if (features_.lse) {
    static constexpr FetchForms kForms = ASHLAR_FORMS(Cas);
    as_.mov(gp(kX16, wide), gp(expected, wide));
    access_fault_here(point);
    as_.emit(kForms.forms[order], gp(kX16, wide), gp(fresh, wide), at);
  } else {
    // One that fails stores, too, what it has read: it asks for permission to write, as the others do.
    const asmjit::Label retry = as_.newLabel();
    bind(retry);
    access_fault_here(point);
    as_.emit((order & ir::kAcquire) != 0 ? I::kIdLdaxr : I::kIdLdxr, gp(kX16, wide), at);
    as_.cmp(gp(kX16, wide), gp(expected, wide));
    as_.csel(gp(kX17, wide), gp(fresh, wide), gp(kX16, wide), Imm(a64::CondCode::kEQ));
    access_fault_here(point);
    store_exclusive((order & ir::kRelease) != 0, kX17, wide, host);
    as_.cbnz(gp32(kX30), retry);
  }
  fence_behind(inst);
  cache_.unlock_operands();
  const Reg dst = define_int(inst);
  if (wide) {
    as_.mov(gp64(dst), gp64(kX16));
  } else {
    as_.sxtw(gp64(dst), gp32(kX16));
  }
}
#undef ASHLAR_FORMS
void Emitter::emit_cas32(const Inst& inst) { compare_exchange(inst, 4); }
void Emitter::emit_cas64(const Inst& inst) { compare_exchange(inst, 8); }

// --- load-reserved, store-conditional: the protocol of mem/reservations.hpp
// -------------------------------------------------------

void Emitter::reservation_slot(Reg to, Reg host) {
  // &reservation_granules[(host address >> 6) & 1023], 64 bytes each
  as_.and_(gp64(to), gp64(host), Imm(mem::kReservationTableMask));
  as_.ldr(gp64(kX16), frame_mem(ASHLAR_COLD_OFFSET(reservations)));
  as_.add(gp64(to), gp64(to), gp64(kX16));
}

void Emitter::load_reserved(const Inst& inst, std::uint32_t size) {
  const bool wide = size == 8;
  const Reg guest = use_a(inst);
  const FaultPoint point = fault_point();
  const Reg host = atomic_address(inst, size, point);
  if ((inst.aux() & ir::kRelease) != 0) as_.dmb(Imm(a64::Predicate::DB::kISH));
  // Up to the access nothing of the reservation is changed but the version, which a fault leaves to the
  // interpreter to note again. A version that is odd is locked: made even, no store-conditional matches it.
  reservation_slot(kX17, host);
  as_.ldar(gp64(kX17), a64::ptr(gp64(kX17)));
  as_.and_(gp64(kX17), gp64(kX17), Imm(~std::uint64_t{1}));
  access_fault_here(point);
  as_.emit((inst.aux() & ir::kAcquire) != 0 ? I::kIdLdar : I::kIdLdr, gp(kX16, wide), a64::ptr(gp64(host)));
  as_.str(gp64(kX17), frame_mem(ASHLAR_COLD_OFFSET(reservation_version)));
  as_.str(gp64(kX16), frame_mem(ASHLAR_COLD_OFFSET(reservation_value)));
  as_.str(gp64(guest), frame_mem(ASHLAR_COLD_OFFSET(reservation_addr)));
  const Reg dst = define_int(inst);
  if (wide) {
    as_.mov(gp64(dst), gp64(kX16));
  } else {
    as_.sxtw(gp64(dst), gp32(kX16));
  }
}
void Emitter::emit_lr32(const Inst& inst) { load_reserved(inst, 4); }
void Emitter::emit_lr64(const Inst& inst) { load_reserved(inst, 8); }

void Emitter::store_conditional(const Inst& inst, std::uint32_t size) {
  const bool wide = size == 8;
  const Reg guest = use_a(inst);
  const Reg data = use_b(inst);
  // Before the fault point: what they held is then in the frame.
  const Reg granule = cache_.scratch(false);
  const Reg version = cache_.scratch(false);
  const FaultPoint point = fault_point();
  const Reg host = atomic_address(inst, size, point);
  const a64::Mem slot = a64::ptr(gp64(granule)), at = a64::ptr(gp64(host));
  const a64::Mem frame_version = frame_mem(ASHLAR_COLD_OFFSET(reservation_version));
  const asmjit::Label fail = as_.newLabel();
  const asmjit::Label done = as_.newLabel();
  as_.ldr(gp64(kX16), frame_mem(ASHLAR_COLD_OFFSET(reservation_addr)));
  as_.cmp(gp64(kX16), gp64(guest));
  as_.b_ne(fail);
  reservation_slot(granule, host);
  // Lock the granule: its version becomes odd, if it is what the load-reserved noted.
  as_.ldr(gp64(version), frame_version);
  as_.add(gp64(kX30), gp64(version), Imm(1));
  if (features_.lse) {
    as_.mov(gp64(kX16), gp64(version));
    as_.casa(gp64(kX16), gp64(kX30), slot);
    as_.cmp(gp64(kX16), gp64(version));
    as_.b_ne(fail);
  } else {
    const asmjit::Label retry = as_.newLabel();
    bind(retry);
    as_.ldaxr(gp64(kX16), slot);
    as_.cmp(gp64(kX16), gp64(version));
    as_.b_ne(fail);
    as_.stxr(gp32(kX17), gp64(kX30), slot);
    as_.cbnz(gp32(kX17), retry);
  }
  // Odd in the frame, too, while this vCPU holds the lock, for who catches a fault below.
  as_.str(gp64(kX30), frame_version);
  as_.ldr(gp64(kX17), frame_mem(ASHLAR_COLD_OFFSET(reservation_value)));
  const asmjit::Label decided = as_.newLabel();
  if (features_.lse) {
    as_.mov(gp64(kX16), gp64(kX17));
    access_fault_here(point);
    as_.casal(gp(kX16, wide), gp(data, wide), at);
    as_.cmp(gp(kX16, wide), gp(kX17, wide));
  } else {
    const asmjit::Label retry = as_.newLabel();
    bind(retry);
    access_fault_here(point);
    as_.ldaxr(gp(kX16, wide), at);
    as_.cmp(gp(kX16, wide), gp(kX17, wide));
    as_.b_ne(decided);
    access_fault_here(point);
    store_exclusive(true, data, wide, host);
    as_.cbnz(gp32(kX30), retry);
  }
  // Unlock: with the next even version if it stored, else with the old one. The flags are the comparison's.
  bind(decided);
  as_.add(gp64(kX30), gp64(version), Imm(2));
  as_.csel(gp64(kX30), gp64(kX30), gp64(version), Imm(a64::CondCode::kEQ));
  store_release(kX30, slot);
  as_.str(gp64(version), frame_version);
  as_.cset(gp64(kX16), Imm(a64::CondCode::kNE));
  bind(done);
  // Dropped in any case, but only now: the interpreter goes on from a fault above as if nothing had been
  // done.
  move_imm(gp64(kX17), ~std::uint64_t{0});
  as_.str(gp64(kX17), frame_mem(ASHLAR_COLD_OFFSET(reservation_addr)));
  fence_behind(inst);
  cache_.release(granule);
  cache_.release(version);
  cache_.unlock_operands();
  as_.mov(gp64(define_int(inst)), gp64(kX16));
  cold(fail, [this, done] {
    move_imm(gp64(kX16), 1);
    as_.b(done);
  });
}
void Emitter::emit_sc32(const Inst& inst) { store_conditional(inst, 4); }
void Emitter::emit_sc64(const Inst& inst) { store_conditional(inst, 8); }

}  // namespace ashlar::host_a64
