// What all opcode families share: constants, frame accesses, branches that can be patched.
#include "host/a64/emitter.hpp"

#include <asmjit/arm/a64utils.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "host/common/emitter_base_impl.hpp"

namespace ashlar::host_a64 {

using asmjit::Imm;
using codegen::RuntimeEntry;

void Emitter::start_host() {
  far_literals_.clear();
  literals_.clear();
  judged_.clear();
  judgements_.clear();
  kept_operands_ = 0;
  not_negative_ = 0;
  forget_last();
  forget_addresses();
}

void Emitter::count_execution(std::uint64_t* counter) {
  move_imm(gp64(kX17), reinterpret_cast<std::uintptr_t>(counter));
  as_.ldr(gp64(kX16), a64::ptr(gp64(kX17)));
  as_.add(gp64(kX16), gp64(kX16), Imm(1));
  as_.str(gp64(kX16), a64::ptr(gp64(kX17)));
}

void Emitter::charge_fuel(std::uint32_t count, const asmjit::Label& label) {
  as_.ldr(gp64(kX16), frame_mem(offsetof(VcpuHot, fuel)));
  if (count < 4096) {
    as_.subs(gp64(kX16), gp64(kX16), Imm(count));
  } else {
    move_imm(gp64(kX17), count);
    as_.subs(gp64(kX16), gp64(kX16), gp64(kX17));
  }
  as_.str(gp64(kX16), frame_mem(offsetof(VcpuHot, fuel)));
  as_.b_mi(label);
}

void Emitter::add_fuel(std::int32_t count) {
  as_.ldr(gp64(kX16), frame_mem(offsetof(VcpuHot, fuel)));
  add_constant(kX16, kX16, count);
  as_.str(gp64(kX16), frame_mem(offsetof(VcpuHot, fuel)));
}

void Emitter::finish_host() {
  for (const Literal& literal : literals_) {
    bind(literal.label);
    for (int half = 0; half < (literal.narrow ? 1 : 2); ++half) {
      const auto word = static_cast<std::uint32_t>(literal.value >> (32 * half));
      char text[24];
      std::snprintf(text, sizeof text, ".word 0x%08x", word);
      by_hand(word, text);
    }
  }
  for (const FarLiteral& literal : far_literals_) {
    const codegen::ExitSite& site = sites_[literal.site].site;
    const std::int64_t distance = std::int64_t{site.stub_offset} - std::int64_t{site.patch_offset};
    std::memcpy(as_.bufferData() + literal.offset, &distance, sizeof distance);
  }
}

// --- constants
// --------------------------------------------------------------------------------------------------------------------

int Emitter::steps_of(std::uint64_t value) {
  const int halves = value > 0xffffffffu ? 4 : 2;
  int zeros = 0, ones = 0;
  for (int i = 0; i < halves; ++i) {
    const std::uint64_t half = value >> (16 * i) & 0xffff;
    zeros += half == 0;
    ones += half == 0xffff;
  }
  const int steps = std::max(1, halves - std::max(zeros, ones));
  return steps > 1 && a64::Utils::isLogicalImm(value, halves * 16) ? 1 : steps;
}

void Emitter::load_literal(Reg to, std::uint64_t value) {
  const bool narrow = static_cast<std::int64_t>(value) == static_cast<std::int32_t>(value);
  const asmjit::Label label = as_.newLabel();
  literals_.push_back({label, value, narrow});
  if (narrow) {
    as_.ldrsw(gp64(to), a64::ptr(label));
  } else {
    as_.ldr(gp64(to), a64::ptr(label));
  }
}

bool Emitter::is_return_address(std::uint64_t value) const {
  const Inst& last = block_->insts().back();
  std::uint16_t exit = Inst::kNoExit;
  if (last.op == ir::Opcode::jump && static_cast<ir::JumpHint>(last.aux()) == ir::JumpHint::call &&
      last.imm >= 0)
    exit = static_cast<std::uint16_t>(last.imm);
  if (last.op == ir::Opcode::jump_ind && static_cast<ir::JumpHint>(last.aux()) == ir::JumpHint::call)
    exit = last.exit();
  return exit != Inst::kNoExit && block_->exits()[exit].target.addr.value == value;
}

void Emitter::move_imm(const a64::Gp& to, std::uint64_t value) {
  const bool wide = to.isGpX() && value > 0xffffffffu;
  const a64::GpX x = a64::x(to.id());
  const a64::GpW w = a64::w(to.id());
  const int halves = wide ? 4 : 2;
  int zeros = 0, ones = 0;
  for (int i = 0; i < halves; ++i) {
    const std::uint64_t half = value >> (16 * i) & 0xffff;
    zeros += half == 0;
    ones += half == 0xffff;
  }
  const bool inverted = ones > zeros;
  const int steps = halves - std::max(zeros, ones);
  if (steps > 1 && a64::Utils::isLogicalImm(value, wide ? 64 : 32)) {
    if (wide) {
      as_.orr(x, a64::xzr, Imm(value));
    } else {
      as_.orr(w, a64::wzr, Imm(value));
    }
    return;
  }
  const std::uint64_t background = inverted ? 0xffff : 0;
  bool begun = false;
  for (int i = 0; i < halves; ++i) {
    const std::uint64_t half = value >> (16 * i) & 0xffff;
    const bool last = i == halves - 1;
    if (half == background && (begun || !last)) continue;
    const auto step = [&](InstId id, std::uint64_t bits) {
      if (wide) {
        as_.emit(id, x, Imm(bits), Imm(16 * i));
      } else {
        as_.emit(id, w, Imm(bits), Imm(16 * i));
      }
    };
    if (begun) {
      step(a64::Inst::kIdMovk, half);
    } else if (inverted) {
      step(a64::Inst::kIdMovn, ~half & 0xffff);
    } else {
      step(a64::Inst::kIdMovz, half);
    }
    begun = true;
  }
}

void Emitter::add_constant(Reg to, Reg from, std::int64_t value, bool wide) {
  if (value == 0 && to == from && wide) return;
  const InstId id = value < 0 ? a64::Inst::kIdSub : a64::Inst::kIdAdd;
  const std::uint64_t magnitude =
      value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  if (magnitude < 4096) {
    as_.emit(id, gp(to, wide), gp(from, wide), Imm(magnitude));
  } else if (magnitude < (1u << 24)) {
    as_.emit(id, gp(to, wide), gp(from, wide), Imm(magnitude >> 12), Imm(12));
    if ((magnitude & 4095) != 0) as_.emit(id, gp(to, wide), gp(to, wide), Imm(magnitude & 4095));
  } else {
    const Reg t = from == kX16 ? kX17 : kX16;
    move_imm(gp(t, wide), wide ? static_cast<std::uint64_t>(value) : static_cast<std::uint32_t>(value));
    as_.emit(a64::Inst::kIdAdd, gp(to, wide), gp(from, wide), gp(t, wide));
  }
}

void Emitter::compare_constant(Reg from, std::int64_t value, bool wide) {
  const std::uint64_t magnitude =
      value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  const InstId id = value < 0 ? a64::Inst::kIdCmn : a64::Inst::kIdCmp;
  if (magnitude < 4096 || (magnitude < (1u << 24) && (magnitude & 4095) == 0)) {
    as_.emit(id, gp(from, wide), Imm(magnitude));
  } else {
    move_imm(gp(kX16, wide), wide ? static_cast<std::uint64_t>(value) : static_cast<std::uint32_t>(value));
    as_.cmp(gp(from, wide), gp(kX16, wide));
  }
}

void Emitter::take_back_last() {
  as_.setOffset(here() - 4);
  if (host::Listing* const log = listing(); log != nullptr) log->take_last_instruction();
  forget_last();
}

// --- the frame
// ---------------------------------------------------------------------------------------------------------------------

namespace {
/// Reach of ldp and stp of 64-bit registers.
bool in_pair_reach(std::int32_t disp) { return disp >= -512 && disp <= 504; }
}  // namespace

void Emitter::load_word(Reg r, std::int16_t word) {
  if (r.is_float()) overwritten(r);
  const std::int32_t disp = frame_disp(word * 8);
  if (disp < -256) {  // a temporary of high number
    as_.sub(gp64(kX17), kState, Imm(-disp));
    if (r.is_float()) {
      as_.ldr(fp64(r), a64::ptr(gp64(kX17)));
    } else {
      as_.ldr(gp64(r), a64::ptr(gp64(kX17)));
    }
    return;
  }
  if (r.is_float()) {
    as_.ldr(fp64(r), a64::ptr(kState, disp));
  } else {
    as_.ldr(gp64(r), a64::ptr(kState, disp));
  }
}

void Emitter::store_word(std::int16_t word, Reg r) {
  const std::int32_t disp = frame_disp(word * 8);
  if (disp < -256) {
    as_.sub(gp64(kX17), kState, Imm(-disp));
    if (r.is_float()) {
      as_.str(fp64(r), a64::ptr(gp64(kX17)));
    } else {
      as_.str(gp64(r), a64::ptr(gp64(kX17)));
    }
    return;
  }
  // Two stores in a row to neighbours become one of a pair.
  if (last_.kind == Last::Kind::store && last_.end == here() && last_.reg.is_float() == r.is_float() &&
      (last_.word == word - 1 || last_.word == word + 1)) {
    const bool ascending = last_.word == word - 1;
    const std::int32_t low = ascending ? disp - 8 : disp;
    if (in_pair_reach(low)) {
      const Reg first = ascending ? last_.reg : r, second = ascending ? r : last_.reg;
      take_back_last();
      if (r.is_float()) {
        as_.stp(fp64(first), fp64(second), a64::ptr(kState, low));
      } else {
        as_.stp(gp64(first), gp64(second), a64::ptr(kState, low));
      }
      forget_last();
      return;
    }
  }
  if (r.is_float()) {
    as_.str(fp64(r), a64::ptr(kState, disp));
  } else {
    as_.str(gp64(r), a64::ptr(kState, disp));
  }
  last_ = Last{.kind = Last::Kind::store, .end = here(), .word = word, .reg = r};
}

void Emitter::move(Reg to, Reg from) {
  if (to == from) return;
  if (to.is_float()) {
    as_.fmov(fp64(to), fp64(from));
  } else {
    as_.mov(gp64(to), gp64(from));
  }
}

// --- exit sites
// -------------------------------------------------------------------------------------------------------------------

void Emitter::call_entry(RuntimeEntry entry) {
  as_.ldr(gp64(kX17), frame_mem(ASHLAR_COLD_OFFSET(entries) + 8 * static_cast<std::int32_t>(entry)));
  as_.blr(gp64(kX17));
}
void Emitter::jump_entry(RuntimeEntry entry) {
  as_.ldr(gp64(kX17), frame_mem(ASHLAR_COLD_OFFSET(entries) + 8 * static_cast<std::int32_t>(entry)));
  as_.br(gp64(kX17));
}

void Emitter::return_single(std::uint32_t value) {
  // The link register is destroyed by calls; the way back stands where enter_single put it.
  move_imm(gp32(Reg::integer(0)), value);
  as_.ldr(gp64(kX30), a64::ptr(a64::sp, kSingleReturnOffset));
  as_.ret(gp64(kX30));
}

void Emitter::link(std::size_t index, InstId id) {
  Site& site = sites_[index];
  if (!features_.far_code) {
    site.site.patch_offset = here();
    as_.emit(id, site.stub);
    return;
  }
  // Behind the branch stands the veneer that the patcher sends it through when the target is out of reach
  // (patch.hpp): the literal, eight bytes that are aligned, is the target's distance from the branch.
  if ((here() & 7) == 0) as_.nop();
  const asmjit::Label branch = as_.newLabel(), literal = as_.newLabel();
  bind(branch);
  site.site.patch_offset = here();
  as_.emit(id, site.stub);
  as_.ldr(gp64(kX17), a64::ptr(literal));
  as_.adr(gp64(kX16), branch);
  as_.add(gp64(kX17), gp64(kX17), gp64(kX16));
  as_.br(gp64(kX17));
  bind(literal);
  far_literals_.push_back({here(), index});
  static constexpr std::uint64_t kNothing = 0;
  as_.embed(&kNothing, sizeof kNothing);
}

// --- boxing
// ---------------------------------------------------------------------------------------------------------------
// The host's arithmetic makes no NaN but the canonical one (trampoline.cpp), so that what is pending is
// boxing alone.

void Emitter::canonicalise(Reg r, Knowledge knowledge) {
  if (knowledge == Knowledge::low32) box(r, r);
  if (knowledge == Knowledge::extend_32) as_.sxtw(gp64(r), gp32(r));
}

}  // namespace ashlar::host_a64

template class ashlar::host::EmitterBase<ashlar::host_a64::Emitter, asmjit::a64::Assembler>;
