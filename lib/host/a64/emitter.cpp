// What all opcode families share: constants, frame accesses, exit sites with their stubs, cold code, fault
// sites.
#include "host/a64/emitter.hpp"

#include <asmjit/arm/a64utils.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace ashlar::host_a64 {

using asmjit::Imm;
using codegen::ExitKind;
using codegen::ExitSite;
using codegen::RuntimeEntry;

void Emitter::start(const ir::Block& block, const codegen::Plan& plan, const codegen::CompileOptions& options,
                    std::span<const codegen::Resident> residents, const codegen::LoopResidents* loop,
                    codegen::Emitted& out) {
  block_ = &block;
  plan_ = &plan;
  options_ = options;
  out_ = &out;
  loop_ = loop;
  index_ = 0;
  sites_.clear();
  cold_.clear();
  checks_.clear();
  join_edges_.clear();
  far_literals_.clear();
  helper_ran_ = at_boundary_ = false;
  forget_last();
  forget_host_bases();
  std::uint64_t cacheable = all_cacheable();
  for (const codegen::Resident& r : residents) cacheable &= ~r.reg.mask();
  cache_.begin(cacheable, residents);
}

void Emitter::add_fuel(std::int32_t amount) {
  as_.ldr(gp64(kX16), frame_mem(offsetof(VcpuHot, fuel)));
  add_constant(kX16, kX16, amount);
  as_.str(gp64(kX16), frame_mem(offsetof(VcpuHot, fuel)));
}

void Emitter::begin_block() {
  if (loop_ != nullptr) {
    for (const codegen::LoopResidents::Exchange& e : loop_->exchanges()) {
      store_word(e.usual.word, e.reg);
      load_word(e.reg, e.inside.word);
    }
    out_->residents.assign(loop_->residents().begin(), loop_->residents().end());
  }
  out_->goes_round = options_.linked;
  head_ = as_.newLabel();
  bind(head_);
  if (options_.profile_counter != nullptr) {
    move_imm(gp64(kX17), reinterpret_cast<std::uintptr_t>(options_.profile_counter));
    as_.ldr(gp64(kX16), a64::ptr(gp64(kX17)));
    as_.add(gp64(kX16), gp64(kX16), Imm(1));
    as_.str(gp64(kX16), a64::ptr(gp64(kX17)));
  }
  if (options_.count_fuel) {
    const std::uint32_t count = block_->guest_inst_count();
    const asmjit::Label label = as_.newLabel();
    as_.ldr(gp64(kX16), frame_mem(offsetof(VcpuHot, fuel)));
    if (count < 4096) {
      as_.subs(gp64(kX16), gp64(kX16), Imm(count));
    } else {
      move_imm(gp64(kX17), count);
      as_.subs(gp64(kX16), gp64(kX16), gp64(kX17));
    }
    as_.str(gp64(kX16), frame_mem(offsetof(VcpuHot, fuel)));
    as_.b_mi(label);
    const ir::Exit block_start{block_->key()};
    const std::size_t site = new_site(block_start, ExitKind::fuel);
    cold(label, [this, site, count] {
      add_fuel(static_cast<std::int32_t>(count));
      leave_loop();
      emit_stub(sites_[site]);
    });
  }
}

void Emitter::begin_guest_instruction(const ir::Boundary& boundary) {
  if (boundary.join) join(static_cast<std::uint16_t>(&boundary - block_->boundaries().data()));
  // The first boundary behind a helper counts: guest instructions without IR of their own may lie between it
  // and the next.
  if (!at_boundary_) {
    boundary_pc_ = boundary.pc;
    boundary_number_ = static_cast<std::uint32_t>(&boundary - block_->boundaries().data());
  }
  at_boundary_ = true;
  if (options_.map_code) out_->code_map.push_back({here(), boundary.pc});
  if (as_.logger() != nullptr)
    as_.commentf("; guest 0x%llx", static_cast<unsigned long long>(boundary.pc.value));
}

void Emitter::join(std::uint16_t boundary) {
  using Cache = codegen::RegisterCache<Emitter>;
  std::vector<const Cache::Snapshot*> states;
  std::vector<asmjit::Label> labels;
  for (const JoinEdge& edge : join_edges_) {
    if (edge.boundary != boundary) continue;
    states.push_back(&edge.state);
    labels.push_back(edge.label);
  }
  if (states.empty()) return;
  std::vector<std::vector<Cache::Mend>> mends(states.size());
  cache_.join(states, mends);
  // Of host addresses nothing is known that holds on every way.
  forget_host_bases();
  const asmjit::Label meeting = as_.newLabel();
  bind(meeting);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (mends[i].empty()) {
      bind(labels[i]);
      continue;
    }
    cold(labels[i], [this, meeting, list = std::move(mends[i])] {
      for (const Cache::Mend& mend : list) {
        canonicalise(mend.reg, mend.knowledge);
        if (mend.word != Cache::Mend::kNowhere) store_word(mend.word, mend.reg);
      }
      as_.b(meeting);
    });
  }
}

void Emitter::begin_instruction(std::size_t index) {
  index_ = index;
  if (helper_ran_ && at_boundary_) helper_exit_check(boundary_pc_);
  at_boundary_ = false;
}

void Emitter::end_block() {
  as_.comment("; out of line");
  // Cold pieces may add stubs and more cold pieces.
  for (std::size_t i = 0; i < cold_.size(); ++i) {
    const asmjit::Label label = cold_[i].label;
    const std::function<void()> code = std::move(cold_[i].code);
    bind(label);
    code();
  }
  for (const CheckStub& check : checks_) {
    bind(check.label);
    call_entry(options_.linked ? RuntimeEntry::check_fault : RuntimeEntry::check_fault_single);
    index_ = check.inst;
    out_->check_faults.push_back(fault_site(check.point, here()));
  }
  for (Site& site : sites_)
    if (site.site.return_offset == 0) emit_stub(site);
  for (const FarLiteral& literal : far_literals_) {
    const ExitSite& site = sites_[literal.site].site;
    const std::int64_t distance = std::int64_t{site.stub_offset} - std::int64_t{site.patch_offset};
    std::memcpy(as_.bufferData() + literal.offset, &distance, sizeof distance);
  }
  out_->exits.resize(sites_.size());
  for (std::size_t i = 0; i < sites_.size(); ++i) out_->exits[i] = sites_[i].site;
  if (options_.linked) {
    std::sort(out_->exits.begin(), out_->exits.end(),
              [](const ExitSite& x, const ExitSite& y) { return x.return_offset < y.return_offset; });
  }
}

// --- constants
// --------------------------------------------------------------------------------------------------------------------

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

void Emitter::compare_constant(Reg from, std::int64_t value) {
  const std::uint64_t magnitude =
      value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  const InstId id = value < 0 ? a64::Inst::kIdCmn : a64::Inst::kIdCmp;
  if (magnitude < 4096 || (magnitude < (1u << 24) && (magnitude & 4095) == 0)) {
    as_.emit(id, gp64(from), Imm(magnitude));
  } else {
    move_imm(gp64(kX16), static_cast<std::uint64_t>(value));
    as_.cmp(gp64(from), gp64(kX16));
  }
}

void Emitter::take_back_last() {
  as_.setOffset(here() - 4);
  if (host::Listing* const log = listing(); log != nullptr) log->drop_last_instruction();
  forget_last();
}

// --- the frame
// ---------------------------------------------------------------------------------------------------------------------

namespace {
/// Reach of ldp and stp of 64-bit registers.
bool in_pair_reach(std::int32_t disp) { return disp >= -512 && disp <= 504; }
}  // namespace

void Emitter::load_word(Reg r, std::int16_t word) {
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

std::size_t Emitter::new_site(const ir::Exit& exit, ExitKind kind) {
  Site site;
  site.site.target = exit.target;
  site.site.kind = kind;
  site.stub = as_.newLabel();
  sites_.push_back(site);
  return sites_.size() - 1;
}

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

void Emitter::emit_stub(Site& site) {
  bind(site.stub);
  site.site.stub_offset = here();
  if (options_.linked) {
    call_entry(RuntimeEntry::exit);
  } else {
    // Single-block code returns the index of its exit site.
    return_single(static_cast<std::uint32_t>(&site - sites_.data()));
  }
  site.site.return_offset = here();
}

void Emitter::patchable_jump(std::size_t index) {
  if (!options_.linked) {
    emit_stub(sites_[index]);
    return;
  }
  patchable(index, a64::Inst::kIdB);
}

void Emitter::patchable(std::size_t index, InstId id) {
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

// --- faults
// -----------------------------------------------------------------------------------------------------------------------

Emitter::FaultPoint Emitter::fault_point() {
  FaultPoint point;
  point.write_back_begin = static_cast<std::uint32_t>(out_->write_backs.size());
  cache_.collect_write_backs(out_->write_backs, true);
  point.write_back_count = static_cast<std::uint16_t>(out_->write_backs.size() - point.write_back_begin);
  std::uint64_t pending = cache_.pending_nans();
  while (pending != 0) {
    const Reg r{static_cast<std::uint8_t>(std::countr_zero(pending))};
    pending &= pending - 1;
    point.pending_box |= 1u << r.number();
  }
  return point;
}

codegen::FaultSite Emitter::fault_site(const FaultPoint& point, std::uint32_t offset) const {
  codegen::FaultSite site;
  site.offset = offset;
  site.guest_inst = plan_->guest_inst_of(index_);
  site.inst = static_cast<std::uint32_t>(index_);
  site.write_back_begin = point.write_back_begin;
  site.write_back_count = point.write_back_count;
  site.pending_box32 = point.pending_box;
  // Who goes on at the first instruction enters the block anew.
  const std::uint32_t done = index_ == 0 ? 0 : plan_->guest_inst_of(index_);
  site.fuel_refund = options_.count_fuel ? block_->guest_inst_count() - done : 0;
  return site;
}

void Emitter::access_fault_here(const FaultPoint& point) {
  forget_last();
  out_->access_faults.push_back(fault_site(point, here()));
}

// --- boxing
// ---------------------------------------------------------------------------------------------------------------
// The host's arithmetic makes no NaN but the canonical one (trampoline.cpp), so that what is pending is
// boxing alone.

std::vector<Emitter::PendingNan> Emitter::pending_list(bool temporaries) const {
  std::vector<PendingNan> list;
  std::uint64_t pending = cache_.pending_nans();
  while (pending != 0) {
    const Reg r{static_cast<std::uint8_t>(std::countr_zero(pending))};
    pending &= pending - 1;
    if (temporaries || cache_.is_slot_register(r)) list.push_back({r, cache_.knowledge(r)});
  }
  return list;
}

void Emitter::canonicalise(Reg r, Knowledge knowledge) {
  if (knowledge == Knowledge::low32) box(r, r);
}

void Emitter::canonicalise_pending(bool temporaries) {
  for (const PendingNan& p : pending_list(temporaries)) cache_.settle(p.reg);
}

}  // namespace ashlar::host_a64
