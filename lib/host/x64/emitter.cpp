// What all opcode families share: operands, exit sites with their stubs, cold code, fault sites.
#include "host/x64/emitter.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace ashlar::host_x64 {

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
  float_table_used_ = false;
  helper_ran_ = at_boundary_ = false;
  std::uint64_t cacheable = all_cacheable();
  for (const codegen::Resident& r : residents) cacheable &= ~r.reg.mask();
  cache_.begin(cacheable, residents);
}

void Emitter::begin_block() {
  if (loop_ != nullptr) {
    for (const codegen::LoopResidents::Exchange& e : loop_->exchanges()) {
      store_word(e.usual.word, e.reg);
      load_word(e.reg, e.inside.word);
    }
    out_->residents.assign(loop_->residents().begin(), loop_->residents().end());
    out_->goes_round = true;
    loop_head_ = as_.newLabel();
    as_.bind(loop_head_);
  }
  if (options_.profile_counter != nullptr) {
    as_.mov(x86::rax, asmjit::Imm(reinterpret_cast<std::uintptr_t>(options_.profile_counter)));
    as_.inc(x86::qword_ptr(x86::rax));
  }
  if (options_.count_fuel) {
    const std::uint32_t count = block_->guest_inst_count();
    as_.sub(frame_mem(offsetof(VcpuHot, fuel)), asmjit::Imm(count));
    const asmjit::Label label = as_.newLabel();
    as_.js(label);
    const ir::Exit here{block_->key()};
    const std::size_t site = new_site(here, ExitKind::fuel);
    cold(label, [this, site, count] {
      as_.add(frame_mem(offsetof(VcpuHot, fuel)), asmjit::Imm(count));
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
  if (options_.map_code) out_->code_map.push_back({static_cast<std::uint32_t>(as_.offset()), boundary.pc});
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
  asmjit::Label here;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (mends[i].empty()) {
      as_.bind(labels[i]);
      continue;
    }
    if (!here.isValid()) {
      here = as_.newLabel();
      as_.bind(here);
    }
    cold(labels[i], [this, here, list = std::move(mends[i])] {
      for (const Cache::Mend& mend : list) {
        if (mend.knowledge != Knowledge::raw) canonicalise(mend.reg, mend.knowledge);
        if (mend.word != Cache::Mend::kNowhere) store_word(mend.word, mend.reg);
      }
      as_.jmp(here);
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
    as_.bind(label);
    code();
  }
  for (const CheckStub& check : checks_) {
    as_.bind(check.label);
    call_entry(options_.linked ? RuntimeEntry::check_fault : RuntimeEntry::check_fault_single);
    index_ = check.inst;
    out_->check_faults.push_back(fault_site(check.point, static_cast<std::uint32_t>(as_.offset())));
  }
  for (Site& site : sites_)
    if (site.site.return_offset == 0) emit_stub(site);
  if (float_table_used_) {
    // MXCSR's exception bits (IE, DE, ZE, OE, UE, PE) as FloatFlags.
    std::uint8_t table[64];
    for (unsigned i = 0; i < 64; ++i)
      table[i] = static_cast<std::uint8_t>((i & 1 ? invalid : 0) | (i & 4 ? divide_by_zero : 0) |
                                           (i & 8 ? overflow : 0) | (i & 16 ? underflow : 0) |
                                           (i & 32 ? inexact : 0));
    as_.bind(float_table_);
    as_.embed(table, sizeof table);
  }
  out_->exits.resize(sites_.size());
  for (std::size_t i = 0; i < sites_.size(); ++i) out_->exits[i] = sites_[i].site;
  if (options_.linked) {
    std::sort(out_->exits.begin(), out_->exits.end(),
              [](const ExitSite& x, const ExitSite& y) { return x.return_offset < y.return_offset; });
  }
}

// --- operands
// ---------------------------------------------------------------------------------------------------------------------

void Emitter::load_word(Reg r, std::int16_t word) {
  if (r.is_float()) {
    as_.movsd(xmm(r), word_mem(word));
  } else {
    as_.mov(gp64(r), word_mem(word));
  }
}

void Emitter::store_word(std::int16_t word, Reg r) {
  if (r.is_float()) {
    as_.movsd(word_mem(word), xmm(r));
  } else {
    as_.mov(word_mem(word), gp64(r));
  }
}

void Emitter::move(Reg to, Reg from) {
  if (to == from) return;
  if (to.is_float()) {
    as_.movaps(xmm(to), xmm(from));
  } else {
    as_.mov(gp64(to), gp64(from));
  }
}

Emitter::Operand Emitter::operand(Value v, std::uint16_t next, bool is_float) {
  if (v.is_zero()) return {Operand::Kind::zero, {}, 0};
  const Reg r = cache_.where(v);
  if (!r.is_none() || next != codegen::InstPlan::kNever)
    return {Operand::Kind::reg, is_float ? cache_.use(v, true, next) : use_int(v, next), v.word};
  return {Operand::Kind::mem, {}, v.word};
}

Emitter::Operand Emitter::operand32(Value v, std::uint16_t next) {
  if (v.is_zero() || !is_unfinished(v)) return operand(v, next);
  return {Operand::Kind::reg, cache_.use(v, false, next), v.word};
}

Reg Emitter::use_int(Value v, std::uint16_t next) {
  const Reg r = cache_.use(v, false, next);
  cache_.settle(r);
  return r;
}

codegen::Knowledge Emitter::knowledge_of(Value v) const {
  if (v.is_zero()) return codegen::Knowledge::extended;
  const Reg r = cache_.where(v);
  return r.is_none() ? codegen::Knowledge::raw : cache_.knowledge(r);
}

Emitter::Operand Emitter::operand_in_place(Value v, std::uint16_t next, bool is_float) {
  if (v.is_zero() || !cache_.where(v).is_none()) return operand(v, next, is_float);
  return {Operand::Kind::mem, {}, v.word};
}

Reg Emitter::in_register(const Operand& o) {
  if (o.is_reg()) return o.reg;
  load(x86::rax, o);
  return rax();
}

asmjit::Operand Emitter::rm(const Operand& o, unsigned bits) {
  if (o.kind == Operand::Kind::mem) return word_mem(o.word, bits / 8);
  const Reg r = in_register(o);
  switch (bits) {
    case 8:
      return gp8(r);
    case 16:
      return gp16(r);
    case 32:
      return gp32(r);
    default:
      return gp64(r);
  }
}

void Emitter::load(const x86::Gp& to, const Operand& o) {
  switch (o.kind) {
    case Operand::Kind::zero:
      as_.xor_(to.r32(), to.r32());
      break;
    case Operand::Kind::mem:
      as_.mov(to, word_mem(o.word, to.size()));
      break;
    case Operand::Kind::reg:
      if (to.isGpq() && to.id() == o.reg.number()) break;
      as_.mov(to, to.isGpq() ? gp64(o.reg) : gp32(o.reg));
      break;
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

x86::Mem Emitter::entry_mem(RuntimeEntry entry) {
  return frame_mem(ASHLAR_COLD_OFFSET(entries) + 8 * static_cast<std::int32_t>(entry));
}
void Emitter::call_entry(RuntimeEntry entry) { as_.call(entry_mem(entry)); }
void Emitter::jump_entry(RuntimeEntry entry) { as_.jmp(entry_mem(entry)); }

void Emitter::emit_stub(Site& site) {
  as_.bind(site.stub);
  site.site.stub_offset = static_cast<std::uint32_t>(as_.offset());
  if (options_.linked) {
    call_entry(RuntimeEntry::exit);
  } else {
    // Single-block code returns the index of its exit site.
    as_.mov(x86::eax, asmjit::Imm(static_cast<std::uint32_t>(&site - sites_.data())));
    as_.ret();
  }
  site.site.return_offset = static_cast<std::uint32_t>(as_.offset());
}

void Emitter::pad_to_patchable(std::uint32_t opcode_bytes) {
  // The four displacement bytes must lie in one aligned word of eight.
  static constexpr std::uint8_t kNops[4][3] = {{}, {0x90}, {0x66, 0x90}, {0x0f, 0x1f, 0x00}};
  const std::uint32_t at = (static_cast<std::uint32_t>(as_.offset()) + opcode_bytes) & 7;
  if (at > 4) as_.embed(kNops[8 - at], 8 - at);
}

void Emitter::patchable_jump(std::size_t index) {
  Site& site = sites_[index];
  if (!options_.linked) {
    emit_stub(site);
    return;
  }
  pad_to_patchable(1);
  site.site.patch_offset = static_cast<std::uint32_t>(as_.offset()) + 1;
  as_.jmp(site.stub);  // not bound yet: the long form
}

void Emitter::patchable_call(std::size_t index) {
  Site& site = sites_[index];
  pad_to_patchable(1);
  site.site.patch_offset = static_cast<std::uint32_t>(as_.offset()) + 1;
  as_.call(site.stub);
}

void Emitter::patchable_branch(std::size_t index, x86::CondCode cc, std::uint32_t fused_from) {
  Site& site = sites_[index];
  if (!options_.linked) {
    as_.j(cc, site.stub);
    return;
  }
  // Padding must stand before the compare, or the pair does not fuse: emit the compare again behind the
  // padding.
  const std::uint32_t end = static_cast<std::uint32_t>(as_.offset());
  const std::uint32_t at = (end + 2) & 7;
  if (at > 4) {
    std::uint8_t compare[32];
    const std::uint32_t size = end - fused_from;
    if (size <= sizeof compare) {
      std::memcpy(compare, as_.bufferData() + fused_from, size);
      as_.setOffset(fused_from);
      const std::uint32_t pad = 8 - at;
      static constexpr std::uint8_t kNops[4][3] = {{}, {0x90}, {0x66, 0x90}, {0x0f, 0x1f, 0x00}};
      as_.embed(kNops[pad], pad);
      as_.embed(compare, size);
    } else {
      pad_to_patchable(2);
    }
  }
  site.site.patch_offset = static_cast<std::uint32_t>(as_.offset()) + 2;
  as_.j(cc, site.stub);  // not bound yet: the long form
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
    const std::uint32_t bit = 1u << r.number();
    switch (cache_.knowledge(r)) {
      case codegen::Knowledge::result64:
        point.pending64 |= bit;
        break;
      case codegen::Knowledge::result32:
        point.pending32 |= bit;
        break;
      case codegen::Knowledge::extend_32:
        point.pending_extend |= bit;
        break;
      default:
        break;
    }
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
  site.pending_nan64 = point.pending64;
  site.pending_nan32 = point.pending32;
  site.pending_extend = point.pending_extend;
  // Who goes on at the first instruction enters the block anew.
  const std::uint32_t done = index_ == 0 ? 0 : plan_->guest_inst_of(index_);
  site.fuel_refund = options_.count_fuel ? block_->guest_inst_count() - done : 0;
  return site;
}

void Emitter::access_fault_here(const FaultPoint& point) {
  out_->access_faults.push_back(fault_site(point, static_cast<std::uint32_t>(as_.offset())));
}

// --- canonical NaNs
// ---------------------------------------------------------------------------------------------------------------

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
  if (knowledge == codegen::Knowledge::extend_32) {
    as_.movsxd(gp64(r), gp32(r));
    return;
  }
  const bool single = knowledge == Knowledge::result32;
  const asmjit::Label fix = as_.newLabel();
  const asmjit::Label back = as_.newLabel();
  // Arithmetic results are never signaling NaNs, so the compare raises nothing.
  if (single) {
    as_.ucomiss(xmm(r), xmm(r));
  } else {
    as_.ucomisd(xmm(r), xmm(r));
  }
  as_.jp(fix);
  as_.bind(back);
  cold(fix, [this, r, single, back] {
    // From the frame: no register is free here.
    as_.movsd(xmm(r),
              frame_mem(single ? ASHLAR_COLD_OFFSET(canonical_nan32) : ASHLAR_COLD_OFFSET(canonical_nan64)));
    as_.jmp(back);
  });
}

void Emitter::canonicalise_pending(bool temporaries) {
  for (const PendingNan& p : pending_list(temporaries)) cache_.settle(p.reg);
}

void Emitter::load_bits(const x86::Xmm& to, std::uint64_t bits) {
  if (bits == 0) {
    as_.xorps(to, to);
    return;
  }
  as_.mov(x86::rax, asmjit::Imm(bits));
  as_.movq(to, x86::rax);
}

}  // namespace ashlar::host_x64
