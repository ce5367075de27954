// Comparisons, side exits, terminals, helper calls, fences.
#include "host/a64/emitter.hpp"

namespace ashlar::host_a64 {

using asmjit::Imm;
using codegen::ExitKind;
using codegen::InstPlan;
using codegen::RuntimeEntry;
using I = a64::Inst;
namespace arm = asmjit::arm;

namespace {

a64::CondCode cond_code(Condition cond) {
  switch (cond) {
    case Condition::eq:
      return a64::CondCode::kEQ;
    case Condition::ne:
      return a64::CondCode::kNE;
    case Condition::lts:
      return a64::CondCode::kLT;
    case Condition::ltu:
      return a64::CondCode::kLO;
    case Condition::ges:
      return a64::CondCode::kGE;
    case Condition::geu:
      return a64::CondCode::kHS;
  }
  return a64::CondCode::kEQ;
}

bool holds(Condition cond, std::int64_t a, std::int64_t b) {
  switch (cond) {
    case Condition::eq:
      return a == b;
    case Condition::ne:
      return a != b;
    case Condition::lts:
      return a < b;
    case Condition::ltu:
      return static_cast<std::uint64_t>(a) < static_cast<std::uint64_t>(b);
    case Condition::ges:
      return a >= b;
    case Condition::geu:
      return static_cast<std::uint64_t>(a) >= static_cast<std::uint64_t>(b);
  }
  return false;
}

}  // namespace

Emitter::Test Emitter::compare(const Inst& inst, Condition cond, bool immediate) {
  using Kind = Test::Kind;
  // Sign extension keeps every order: what is extended, or is still to be, is compared by its low half.
  const bool narrow = is_extended(inst.a) && (immediate || is_extended(inst.b)) &&
                      (is_unfinished(inst.a) || (!immediate && is_unfinished(inst.b)));
  const bool wide = !narrow;
  const Reg a = use_a(inst, wide);
  if (!immediate && !inst.b.is_zero()) {
    // The second operand may be extended on the way.
    const bool extend = wide && a != kZero && is_unfinished(inst.b);
    const Reg b = use_b(inst, wide && !extend);
    // An unsigned comparison with 0 on the left asks whether the right is 0.
    if (a == kZero && cond == Condition::ltu) return {.kind = Kind::not_zero, .reg = b, .wide = wide};
    if (a == kZero && cond == Condition::geu) return {.kind = Kind::zero, .reg = b, .wide = wide};
    if (a == kZero && (cond == Condition::eq || cond == Condition::ne))
      return {.kind = cond == Condition::eq ? Kind::zero : Kind::not_zero, .reg = b, .wide = wide};
    if (extend) {
      as_.cmp(gp64(a), gp64(b), arm::Shift(arm::ShiftOp::kSXTW, 0));
    } else {
      as_.cmp(gp(a, wide), gp(b, wide));
    }
    return {.kind = Kind::flags, .cc = cond_code(cond), .reg = {}};
  }
  const std::int64_t value = immediate ? inst.imm : 0;
  if (a == kZero) return {.kind = holds(cond, 0, value) ? Kind::always : Kind::never, .reg = {}};
  if (value == 0) {
    switch (cond) {
      case Condition::eq:
        return {.kind = Kind::zero, .reg = a, .wide = wide};
      case Condition::ne:
        return {.kind = Kind::not_zero, .reg = a, .wide = wide};
      case Condition::lts:
        return {.kind = Kind::bit_set, .reg = a, .wide = wide};
      case Condition::ges:
        return {.kind = Kind::bit_clear, .reg = a, .wide = wide};
      case Condition::ltu:
        return {.kind = Kind::never, .reg = {}};
      case Condition::geu:
        return {.kind = Kind::always, .reg = {}};
    }
  }
  if (value == 1 && cond == Condition::ltu) return {.kind = Kind::zero, .reg = a, .wide = wide};
  if (value == 1 && cond == Condition::geu) return {.kind = Kind::not_zero, .reg = a, .wide = wide};
  compare_constant(a, value, wide);
  return {.kind = Kind::flags, .cc = cond_code(cond), .reg = {}};
}

void Emitter::branch_if(const Test& test, const asmjit::Label& label) {
  // tbz reaches 32 KiB.
  constexpr std::size_t kSmallBlock = 300;
  const bool near = block_->insts().size() <= kSmallBlock;
  switch (test.kind) {
    case Test::Kind::never:
      return;
    case Test::Kind::always:
      as_.b(label);
      return;
    case Test::Kind::flags:
      as_.b(test.cc, label);
      return;
    case Test::Kind::zero:
      as_.cbz(gp(test.reg, test.wide), label);
      return;
    case Test::Kind::not_zero:
      as_.cbnz(gp(test.reg, test.wide), label);
      return;
    case Test::Kind::bit_set:
      if (near) {
        as_.tbnz(gp(test.reg, test.wide), Imm(test.wide ? 63 : 31), label);
      } else {
        as_.cmp(gp(test.reg, test.wide), Imm(0));
        as_.b_mi(label);
      }
      return;
    case Test::Kind::bit_clear:
      if (near) {
        as_.tbz(gp(test.reg, test.wide), Imm(test.wide ? 63 : 31), label);
      } else {
        as_.cmp(gp(test.reg, test.wide), Imm(0));
        as_.b_pl(label);
      }
      return;
  }
}

// --- side exits
// -------------------------------------------------------------------------------------------------------------------

void Emitter::branch_if_attention(const asmjit::Label& label) {
  as_.ldr(gp32(kX16), frame_mem(offsetof(VcpuHot, attention)));
  as_.cbnz(gp32(kX16), label);
}

void Emitter::branch_unless_attention(const asmjit::Label& label) {
  as_.ldr(gp32(kX16), frame_mem(offsetof(VcpuHot, attention)));
  as_.cbz(gp32(kX16), label);
}

void Emitter::branch_if_exit_wanted(const asmjit::Label& label) {
  static_assert(kAttendExit == 8);
  as_.ldr(gp32(kX16), frame_mem(offsetof(VcpuHot, attention)));
  as_.tst(gp32(kX16), Imm(kAttendExit));
  as_.b_ne(label);
}

#define ASHLAR_CONDITION(cond)                                                                   \
  void Emitter::emit_exit_##cond(const Inst& inst) { exit_if(inst, Condition::cond, false); }    \
  void Emitter::emit_exit_##cond##_i(const Inst& inst) { exit_if(inst, Condition::cond, true); } \
  void Emitter::emit_br_##cond(const Inst& inst) { branch(inst, Condition::cond, false); }       \
  void Emitter::emit_br_##cond##_i(const Inst& inst) { branch(inst, Condition::cond, true); }
ASHLAR_CONDITION(eq)
ASHLAR_CONDITION(ne)
ASHLAR_CONDITION(lts)
ASHLAR_CONDITION(ltu)
ASHLAR_CONDITION(ges)
ASHLAR_CONDITION(geu)
#undef ASHLAR_CONDITION

// --- terminals
// --------------------------------------------------------------------------------------------------------------------

void Emitter::branch(const Inst& inst, Condition cond, bool immediate) {
  const ir::Exit& taken = block_->exits()[inst.exit()];
  const ir::Exit& not_taken = block_->exits()[inst.exit_not()];
  leave_inline(is_back_edge(taken) || is_back_edge(not_taken));
  const Test test = compare(inst, cond, immediate);
  const Unfinished rest = unfinished();
  const asmjit::Label label = as_.newLabel();
  if (is_back_edge(taken)) {
    branch_if_attention(label);
    branch_if(test, head_);
    count(Way::not_taken);
    finish(rest);
    leave_loop();
    jump_to_exit(not_taken);
    cold(label, [this, test, rest, &taken, &not_taken] {
      const asmjit::Label back = as_.newLabel();
      finish(rest);
      branch_if(test, back);
      leave_by_attention(not_taken);
      bind(back);
      leave_by_attention(taken);
    });
    return;
  }
  branch_if(test, label);
  count(Way::not_taken);
  if (is_back_edge(not_taken)) {
    go_round(rest);
  } else {
    leave_loop();
    jump_to_exit(not_taken);
  }
  cold(label, [this, rest, &taken] {
    count(Way::taken);
    finish(rest);
    leave_loop();
    jump_to_exit(taken);
  });
}

// The return-address stack is the host's. A guest call pushes where to come back to: the landing, an address
// in its own block, and the guest's return address. A guest return pops both and goes to the landing if it
// goes where the call expected, so that nothing depends on calls and returns being paired; the host's call
// and return instructions are there for the sake of its branch prediction. Every entry into emitted code,
// every miss and every overflow starts with an empty stack, whose bottom is RuntimeEntry::jump_probe.

Reg Emitter::register_with_constant(std::uint64_t value) const {
  if (loop_ != nullptr) return Reg{};  // by now registers are as they are outside
  const auto insts = block_->insts();
  constexpr std::size_t kFar = 4;
  const std::size_t index = this->index();
  for (std::size_t i = index; i-- > 0 && index - i <= kFar;) {
    const Inst& inst = insts[i];
    if (inst.op != ir::Opcode::const64 || inst.imm64() != value) continue;
    for (std::size_t later = i + 1; later < index; ++later)
      if (insts[later].dst == inst.dst) return Reg{};
    return cache_.where(inst.dst);
  }
  return Reg{};
}

void Emitter::call_and_return(std::uint16_t target_exit, std::uint16_t return_exit,
                              const std::function<void()>& transfer) {
  const asmjit::Label full = as_.newLabel();
  const asmjit::Label go = as_.newLabel();
  const asmjit::Label landing = as_.newLabel();
  const ir::Exit& back = block_->exits()[return_exit];
  as_.ldr(gp64(kX17), frame_mem(ASHLAR_COLD_OFFSET(ras_limit)));
  as_.cmp(a64::sp, gp64(kX17));
  as_.b_ls(full);
  bind(go);
  as_.adr(gp64(kX30), landing);
  Reg expected = register_with_constant(back.target.addr.value);
  if (expected.is_none()) {
    expected = kX17;
    if (steps_of(back.target.addr.value) > 1) {
      load_literal(kX17, back.target.addr.value);
    } else {
      move_imm(gp64(kX17), back.target.addr.value);
    }
  }
  as_.stp(gp64(kX30), gp64(expected), a64::ptr_pre(a64::sp, -16));
  transfer();
  bind(landing);
  leave_by(new_site(back, ExitKind::direct));
  cold(full, [this, go, target_exit] {
    // An indirect call notices attention bits by the jump cache.
    if (target_exit != Inst::kNoExit) attention_check(block_->exits()[target_exit]);
    as_.ldr(gp64(kX17), frame_mem(ASHLAR_COLD_OFFSET(host_sp)));
    as_.mov(a64::sp, gp64(kX17));
    as_.b(go);
  });
}

void Emitter::emit_jump(const Inst& inst) {
  const bool call = static_cast<ir::JumpHint>(inst.aux()) == ir::JumpHint::call && inst.imm >= 0;
  const bool goes_back = !call && is_back_edge(block_->exits()[inst.exit()]);
  leave_inline(goes_back);
  if (goes_back) {
    go_round(unfinished());
    return;
  }
  leave_loop();
  if (!options_.linked || !call) {
    jump_to_exit(block_->exits()[inst.exit()]);
    return;
  }
  const std::size_t site = new_site(block_->exits()[inst.exit()], ExitKind::call);
  call_and_return(inst.exit(), static_cast<std::uint16_t>(inst.imm), [this, site] { link(site, I::kIdBl); });
  emit_stub(sites_[site]);
}

void Emitter::emit_jump_ind(const Inst& inst) {
  leave_inline();
  const Reg a = use_int(inst.a, InstPlan::kNever);
  const bool clear_lowest = (inst.aux2() & 1) != 0;
  const auto hint = static_cast<ir::JumpHint>(inst.aux());
  if (options_.linked && hint == ir::JumpHint::ret && a != kZero && inst.imm == 0 && loop_ == nullptr) {
    // What the call expected has its lowest bit clear: a target that equals it needs nothing done to it.
    const asmjit::Label elsewhere = as_.newLabel();
    as_.ldp(gp64(kX30), gp64(kX17), a64::ptr_post(a64::sp, 16));
    as_.cmp(gp64(kX17), gp64(a));
    as_.b_ne(elsewhere);
    as_.ret(gp64(kX30));
    cold(elsewhere, [this, a, clear_lowest] {
      if (clear_lowest) {
        as_.and_(gp64(kX16), gp64(a), Imm(~std::uint64_t{1}));
      } else {
        as_.mov(gp64(kX16), gp64(a));
      }
      jump_entry(RuntimeEntry::jump_probe);
    });
    return;
  }
  const bool moved = a == kZero || inst.imm != 0;
  // What is looked up as it is stays where it is.
  const bool stays =
      options_.linked && hint != ir::JumpHint::ret && !moved && !clear_lowest && loop_ == nullptr;
  const Reg target = stays ? a : kX16;
  if (a == kZero) {
    move_imm(gp64(kX16), static_cast<std::uint64_t>(std::int64_t{inst.imm}));
  } else if (moved) {
    add_constant(kX16, a, inst.imm);
  }
  if (clear_lowest) {
    as_.and_(gp64(kX16), gp64(moved ? kX16 : a), Imm(~std::uint64_t{1}));
  } else if (!moved) {
    move(target, a);
  }
  leave_loop();
  if (!options_.linked) {
    as_.str(gp64(kX16), frame_mem(ASHLAR_COLD_OFFSET(pc)));
    return_single(codegen::kSingleDone);
    return;
  }
  if (hint == ir::JumpHint::ret) {
    const asmjit::Label elsewhere = as_.newLabel();
    as_.ldp(gp64(kX30), gp64(kX17), a64::ptr_post(a64::sp, 16));
    as_.cmp(gp64(kX17), gp64(kX16));
    as_.b_ne(elsewhere);
    as_.ret(gp64(kX30));
    cold(elsewhere, [this] { jump_entry(RuntimeEntry::jump_probe); });
    return;
  }
  const asmjit::Label miss = as_.newLabel();
  if (hint == ir::JumpHint::call && inst.exit() != Inst::kNoExit) {
    call_and_return(Inst::kNoExit, inst.exit(), [this, target, miss] {
      probe_jump_cache(as_, target, miss);
      as_.blr(gp64(kX17));
    });
  } else {
    probe_jump_cache(as_, target, miss);
    as_.br(gp64(kX17));
  }
  cold(miss, [this, target] {
    move(kX16, target);
    jump_entry(RuntimeEntry::jump_miss);
  });
}

void Emitter::emit_jump_mode(const Inst& inst) {
  leave_inline();
  const Reg a = use_int(inst.a, InstPlan::kNever);
  const Reg b = use_int(inst.b, InstPlan::kNever);
  static_assert(ASHLAR_COLD_OFFSET(mode) == ASHLAR_COLD_OFFSET(pc) + 8);
  as_.stp(gp64(a), gp64(b), frame_mem(ASHLAR_COLD_OFFSET(pc)));
  leave_loop();
  if (options_.linked) {
    jump_entry(RuntimeEntry::jump_mode);
  } else {
    return_single(codegen::kSingleDoneInMode);
  }
}

void Emitter::emit_stop(const Inst& inst) { stop(inst); }

// --- helpers, fences
// --------------------------------------------------------------------------------------------------------------

void Emitter::store_key(const BlockKey& key, bool mode_too) {
  move_imm(gp64(kX16), key.addr.value);
  static_assert(ASHLAR_COLD_OFFSET(mode) == ASHLAR_COLD_OFFSET(pc) + 8);
  if (mode_too) {
    move_imm(gp64(kX17), key.mode);
    as_.stp(gp64(kX16), gp64(kX17), frame_mem(ASHLAR_COLD_OFFSET(pc)));
  } else {
    as_.str(gp64(kX16), frame_mem(ASHLAR_COLD_OFFSET(pc)));
  }
}

void Emitter::store_helper_args(const Inst& inst) {
  const Value args[3] = {inst.a, inst.b, inst.c()};
  const std::uint16_t next[3] = {plan().next_a, plan().next_b, plan().next_c};
  Reg regs[3];
  for (int i = 0; i < 3; ++i) regs[i] = args[i].is_none() ? kZero : use_int(args[i], next[i]);
  static_assert(ASHLAR_COLD_OFFSET(args) % 8 == 0);
  as_.stp(gp64(regs[0]), gp64(regs[1]), frame_mem(ASHLAR_COLD_OFFSET(args)));
  as_.str(gp64(regs[2]), frame_mem(ASHLAR_COLD_OFFSET(args) + 16));
}

void Emitter::set_up_helper(GuestAddr pc, std::int32_t helper) {
  move_imm(gp64(kX16), pc.value);
  as_.str(gp64(kX16), frame_mem(ASHLAR_COLD_OFFSET(pc)));
  move_imm(gp32(kX16), static_cast<std::uint32_t>(helper));
}

void Emitter::emit_call_helper(const Inst& inst) { call_helper(inst); }

void Emitter::emit_fence(const Inst& inst) {
  constexpr unsigned kWrites = 1 | 4, kReads = 2 | 8;
  const unsigned before = inst.aux() >> 4, after = inst.aux() & 15;
  if (before == 0 || after == 0) return;
  if ((before & kWrites) == 0) {
    as_.dmb(Imm(a64::Predicate::DB::kISHLD));
  } else if ((before & kReads) == 0 && (after & kReads) == 0) {
    as_.dmb(Imm(a64::Predicate::DB::kISHST));
  } else {
    as_.dmb(Imm(a64::Predicate::DB::kISH));
  }
}

}  // namespace ashlar::host_a64
