// Comparisons, side exits, terminals, helper calls.
#include <cstring>
#include <string>
#include <vector>

#include "host/x64/emitter.hpp"

namespace ashlar::host_x64 {

using asmjit::Imm;
using codegen::ExitKind;
using codegen::InstPlan;
using codegen::RuntimeEntry;
namespace I = asmjit::x86::Inst;

namespace {

x86::CondCode cond_code(Condition cond) {
  switch (cond) {
    case Condition::eq:
      return x86::CondCode::kE;
    case Condition::ne:
      return x86::CondCode::kNE;
    case Condition::lts:
      return x86::CondCode::kL;
    case Condition::ltu:
      return x86::CondCode::kB;
    case Condition::ges:
      return x86::CondCode::kGE;
    case Condition::geu:
      return x86::CondCode::kAE;
  }
  return x86::CondCode::kE;
}

/// The condition for the operands exchanged.
x86::CondCode swapped(Condition cond) {
  switch (cond) {
    case Condition::eq:
      return x86::CondCode::kE;
    case Condition::ne:
      return x86::CondCode::kNE;
    case Condition::lts:
      return x86::CondCode::kG;
    case Condition::ltu:
      return x86::CondCode::kA;
    case Condition::ges:
      return x86::CondCode::kLE;
    case Condition::geu:
      return x86::CondCode::kBE;
  }
  return x86::CondCode::kE;
}

}  // namespace

x86::CondCode Emitter::compare(const Inst& inst, Condition cond, bool immediate) {
  // Sign extension keeps every order: what is extended, or is still to be, is compared by its low half.
  const bool narrow = is_extended(inst.a) && (immediate || is_extended(inst.b)) &&
                      (is_unfinished(inst.a) || (!immediate && is_unfinished(inst.b)));
  const bool wide = !narrow;
  const InstPlan& plan = this->plan();
  const Operand a = integer(inst.a, plan.next_a, wide);
  const auto against_zero = [this, wide](Operand o) {
    if (o.is_mem()) {
      compare_at_ = here();
      as_.cmp(word_mem(o.word), Imm(0));
      return;
    }
    const unsigned r = in_register(o).number();
    compare_at_ = here();
    as_.test(wide, r, r);
  };
  if (immediate) {
    if (inst.imm == 0) {
      against_zero(a);
    } else if (a.is_mem()) {
      compare_at_ = here();
      as_.cmp(word_mem(a.word), Imm(inst.imm));
    } else {
      const unsigned left = in_register(a).number();
      compare_at_ = here();
      as_.alu_immediate(Alu::cmp, wide, left, inst.imm);
    }
    return cond_code(cond);
  }
  const Operand b = integer(inst.b, plan.next_b, wide);
  if (b.is_zero()) {
    against_zero(a);
    return cond_code(cond);
  }
  if (a.is_zero()) {
    against_zero(b);
    return swapped(cond);
  }
  if (a.is_mem() && b.is_reg()) {
    compare_at_ = here();
    as_.cmp(word_mem(a.word), gp64(b.reg));
    return cond_code(cond);
  }
  if (a.is_mem()) load(true, kRax, a);
  compare_at_ = here();
  operate(Alu::cmp, wide, a.is_mem() ? kRax : a.reg.number(), b);
  return cond_code(cond);
}

// --- side exits
// -------------------------------------------------------------------------------------------------------------------

// A compare of memory with an immediate does not fuse with the branch behind it where there is a
// displacement, too; one with a register does (measured on Zen 4: 0.15 ns against 0.05). Guest memory begins
// at a page, so the low byte of its base is 0, and all attention bits are in the low byte.
void Emitter::compare_attention() {
  static_assert((kAttendHalt | kAttendFlush | kAttendSafepoint | kAttendExit | kAttendPolicy) < 0x100);
  as_.cmp(frame_mem(offsetof(VcpuHot, attention), 1), kMemBase.r8());
}

void Emitter::branch_if_attention(const asmjit::Label& label) {
  compare_attention();
  as_.jne(label);
}

void Emitter::branch_unless_attention(const asmjit::Label& label) {
  compare_attention();
  as_.je(label);
}

void Emitter::branch_if_exit_wanted(const asmjit::Label& label) {
  as_.test(frame_mem(offsetof(VcpuHot, attention), 4), Imm(kAttendExit));
  as_.jnz(label);
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
  const bool back_if_taken = is_back_edge(taken);
  const bool goes_back = back_if_taken || is_back_edge(not_taken);
  leave_inline(goes_back);
  if (goes_back) {
    const x86::CondCode back = compare(inst, cond, immediate);
    const asmjit::Label out = as_.newLabel();
    as_.j(back_if_taken ? x86::negateCond(back) : back, out);
    count(back_if_taken ? Way::taken : Way::not_taken);
    const Unfinished rest = unfinished();
    go_round(rest);
    cold(out, [this, back_if_taken, rest, &other = back_if_taken ? not_taken : taken] {
      count(back_if_taken ? Way::not_taken : Way::taken);
      finish(rest);
      leave_loop();
      jump_to_exit(other);
    });
    return;
  }
  const bool check = options_.linked && (is_backward(taken) || is_backward(not_taken));
  asmjit::Label attention;
  if (check) {
    attention = as_.newLabel();
    branch_if_attention(attention);
  }
  const std::uint32_t compare_from = here();
  const std::size_t line_from = listing() != nullptr ? listing()->text.size() : 0;
  const x86::CondCode cc = compare(inst, cond, immediate);
  if (check) {
    // Decide again out of line, and leave by exits that stay with the dispatcher.
    compare_again_.assign(as_.bufferData() + compare_from, as_.bufferData() + as_.offset());
    if (listing() != nullptr) compare_lines_ = listing()->text.substr(line_from);
    cold(attention, [this, cc, &taken, &not_taken] {
      emit_as(compare_again_, compare_lines_);
      leave_loop();
      const std::size_t site = new_site(taken, ExitKind::attention);
      as_.j(cc, sites_[site].stub);
      emit_stub(sites_[new_site(not_taken, ExitKind::attention)]);
    });
  }
  leave_loop();
  const std::size_t taken_site = new_site(taken, ExitKind::direct);
  link_branch(taken_site, cc, loop_ == nullptr ? compare_at_ : here());
  count(Way::not_taken);
  leave_by(new_site(not_taken, ExitKind::direct));
}

// The return-address stack is the host's: the call pushes the address of the landing, where the returning
// block comes with the guest's target in rax. The landing compares that with what the call expected, so that
// nothing depends on calls and returns being paired; and every entry into emitted code, every miss and every
// overflow starts with an empty stack, whose bottom is RuntimeEntry::jump_probe.
void Emitter::call_and_return(std::uint16_t target_exit, std::uint16_t return_exit,
                              const std::function<void()>& transfer) {
  const asmjit::Label full = as_.newLabel();
  const asmjit::Label go = as_.newLabel();
  as_.cmp(x86::rsp, frame_mem(ASHLAR_COLD_OFFSET(ras_limit)));
  as_.jbe(full);
  as_.bind(go);
  transfer();
  const ir::Exit& back = block_->exits()[return_exit];
  const std::uint64_t expected = back.target.addr.value;
  std::uint32_t compare_from = here();
  if (static_cast<std::int64_t>(expected) == static_cast<std::int32_t>(expected)) {
    as_.cmp(x86::rax, Imm(static_cast<std::int32_t>(expected)));
  } else {
    as_.mov(x86::rcx, Imm(expected));
    compare_from = here();
    as_.cmp(x86::rax, x86::rcx);
  }
  link_branch(new_site(back, ExitKind::direct), x86::CondCode::kE, compare_from);
  seldom();
  jump_entry(RuntimeEntry::jump_probe);
  cold(full, [this, go, target_exit] {
    // An indirect call has noticed attention bits by the jump cache.
    if (target_exit != Inst::kNoExit) attention_check(block_->exits()[target_exit]);
    as_.mov(x86::rsp, frame_mem(ASHLAR_COLD_OFFSET(host_sp)));
    as_.jmp(go);
  });
}

void Emitter::emit_jump(const Inst& inst) {
  const bool goes_back = is_back_edge(block_->exits()[inst.exit()]);
  leave_inline(goes_back);
  if (goes_back) {
    go_round(unfinished());
    return;
  }
  leave_loop();
  const bool call = static_cast<ir::JumpHint>(inst.aux()) == ir::JumpHint::call && inst.imm >= 0;
  if (!options_.linked || !call) {
    jump_to_exit(block_->exits()[inst.exit()]);
    return;
  }
  const std::size_t site = new_site(block_->exits()[inst.exit()], ExitKind::call);
  call_and_return(inst.exit(), static_cast<std::uint16_t>(inst.imm), [this, site] { link_call(site); });
}

void Emitter::emit_jump_ind(const Inst& inst) { indirect(inst); }

void Emitter::indirect(const Inst& inst) {
  leave_inline();
  const Operand a = operand(inst.a, InstPlan::kNever);
  if (a.is_reg() && inst.imm != 0) {
    as_.lea(x86::rax, x86::ptr(gp64(a.reg), inst.imm));
  } else {
    load(x86::rax, a);
    if (inst.imm != 0) as_.add(x86::rax, Imm(inst.imm));
  }
  if (inst.aux2() & 1) as_.and_(x86::rax, Imm(-2));
  leave_loop();
  if (!options_.linked) {
    as_.mov(frame_mem(ASHLAR_COLD_OFFSET(pc)), x86::rax);
    return_single(codegen::kSingleDone);
    return;
  }
  if (static_cast<ir::JumpHint>(inst.aux()) == ir::JumpHint::ret) {
    as_.ret();
    return;
  }
  // Everything cached has been stored: rcx and rdx are free.
  const asmjit::Label miss = as_.newLabel();
  const x86::Mem code = probe_jump_cache(as_, miss);
  if (static_cast<ir::JumpHint>(inst.aux()) == ir::JumpHint::call && inst.exit() != Inst::kNoExit) {
    call_and_return(Inst::kNoExit, inst.exit(), [this, &code] { as_.call(code); });
  } else {
    as_.jmp(code);
  }
  cold(miss, [this] { jump_entry(RuntimeEntry::jump_miss); });
}

void Emitter::emit_jump_mode(const Inst& inst) {
  leave_inline();
  const Operand a = operand(inst.a, InstPlan::kNever);
  const Operand b = operand(inst.b, InstPlan::kNever);
  load(x86::rax, a);
  as_.mov(frame_mem(ASHLAR_COLD_OFFSET(pc)), x86::rax);
  load(x86::rax, b);
  as_.mov(frame_mem(ASHLAR_COLD_OFFSET(mode)), x86::rax);
  leave_loop();
  if (options_.linked) {
    jump_entry(RuntimeEntry::jump_mode);
  } else {
    return_single(codegen::kSingleDoneInMode);
  }
}

void Emitter::emit_stop(const Inst& inst) { stop(inst); }

// --- helpers, flags, fences
// -------------------------------------------------------------------------------------------------------

void Emitter::store_guest_addr(std::int32_t offset, std::uint64_t value) {
  if (static_cast<std::int64_t>(value) == static_cast<std::int32_t>(value)) {
    as_.mov(frame_mem(offset), Imm(static_cast<std::int32_t>(value)));
  } else {
    as_.mov(x86::rax, Imm(value));
    as_.mov(frame_mem(offset), x86::rax);
  }
}

void Emitter::store_key(const BlockKey& key, bool mode_too) {
  store_guest_addr(ASHLAR_COLD_OFFSET(pc), key.addr.value);
  if (mode_too) store_guest_addr(ASHLAR_COLD_OFFSET(mode), key.mode);
}

void Emitter::store_helper_args(const Inst& inst) {
  const Value args[3] = {inst.a, inst.b, inst.c()};
  const std::uint16_t next[3] = {plan().next_a, plan().next_b, plan().next_c};
  for (int i = 0; i < 3; ++i) {
    const x86::Mem to = frame_mem(ASHLAR_COLD_OFFSET(args) + 8 * i);
    if (args[i].is_none() || args[i].is_zero()) {
      as_.mov(to, Imm(0));
    } else {
      const Operand o = operand(args[i], next[i]);
      as_.mov(to, gp64(in_register(o)));
    }
  }
}

void Emitter::set_up_helper(GuestAddr pc, std::int32_t helper) {
  store_guest_addr(ASHLAR_COLD_OFFSET(pc), pc.value);
  as_.mov(x86::eax, Imm(helper));
}

void Emitter::emit_call_helper(const Inst& inst) { call_helper(inst); }

void Emitter::emit_get_fflags(const Inst& inst) {
  if (!float_table_used_) {
    float_table_used_ = true;
    float_table_ = as_.newLabel();
  }
  const Reg dst = define_int(inst);
  as_.stmxcsr(frame_mem(ASHLAR_COLD_OFFSET(float_status), 4));
  as_.mov(x86::eax, frame_mem(ASHLAR_COLD_OFFSET(float_status), 4));
  as_.and_(x86::eax, Imm(0x3f));
  as_.lea(gp64(dst), x86::ptr(float_table_));
  as_.movzx(gp32(dst), x86::byte_ptr(gp64(dst), x86::rax));
  as_.or_(gp64(dst), frame_mem(ASHLAR_COLD_OFFSET(float_flags)));
}

void Emitter::emit_set_fflags(const Inst& inst) {
  const Operand a = operand(inst.a, plan().next_a);
  load(x86::eax, a);
  as_.and_(x86::eax, Imm(31));
  as_.mov(frame_mem(ASHLAR_COLD_OFFSET(float_flags)), x86::rax);
  as_.ldmxcsr(frame_mem(ASHLAR_COLD_OFFSET(guest_float_control), 4));
}

void Emitter::emit_fence(const Inst& inst) {
  // Total store order: only a later load overtakes an earlier store.
  const unsigned predecessor = inst.aux() >> 4;
  const unsigned successor = inst.aux() & 15;
  constexpr unsigned kWrites = 1 | 4, kReads = 2 | 8;
  if ((predecessor & kWrites) != 0 && (successor & kReads) != 0)
    as_.lock().or_(x86::dword_ptr(x86::rsp, -8), Imm(0));
}

}  // namespace ashlar::host_x64
