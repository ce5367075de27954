// The longer members of EmitterBase. Included by each host's emitter.cpp alone, which instantiates them.
#pragma once

#include <utility>

#include "codegen/runtime.hpp"
#include "host/common/emitter_base.hpp"

namespace ashlar::host {

// --- the block
// ----------------------------------------------------------------------------------------------------------------

template <typename Emitter, typename Assembler>
void EmitterBase<Emitter, Assembler>::start(const ir::Block& block, const codegen::Plan& plan,
                                            const codegen::CompileOptions& options,
                                            std::span<const codegen::Resident> residents,
                                            const codegen::LoopResidents* loop, codegen::Emitted& out) {
  block_ = &block;
  plan_ = &plan;
  options_ = options;
  out_ = &out;
  loop_ = loop;
  inst_plan_ = &plan[0];
  guest_inst_ = 0;
  sites_.clear();
  cold_.clear();
  checks_.clear();
  unsettled_.clear();
  join_edges_.clear();
  mends_.clear();
  annotates_ = as_.logger() != nullptr || options.way_counters != nullptr || options.map_code;
  helper_ran_ = at_boundary_ = false;
  heeds_boundaries_ = annotates_ || options.loop_head != 0;
  unfinished_at_head_ = 0;
  self().start_host();
  cache_.begin(Emitter::kCacheable, residents);
}

template <typename Emitter, typename Assembler>
void EmitterBase<Emitter, Assembler>::annotate(Way way, std::uint32_t guest_inst) {
  if (as_.logger() != nullptr && way != Way::guest) {
    static constexpr const char* kMarks[] = {"", "; exit %u", "; entered", "; taken", "; not taken"};
    as_.commentf(kMarks[static_cast<int>(way)], guest_inst);
  }
  if (options_.way_counters == nullptr) return;
  self().count_execution(options_.way_counters +
                         codegen::way_index(way, guest_inst, block_->boundaries().size()));
  self().forget_last();
}

template <typename Emitter, typename Assembler>
void EmitterBase<Emitter, Assembler>::begin_block() {
  count(Way::entered);
  if (loop_ != nullptr) {
    for (const codegen::LoopResidents::Exchange& e : loop_->exchanges()) {
      self().store_word(e.usual.word, e.reg);
      self().load_word(e.reg, e.inside.word);
    }
    out_->residents.assign(loop_->residents().begin(), loop_->residents().end());
  }
  if (goes_round() && options_.loop_head == 0) begin_loop();
  if (options_.threshold_counter != nullptr) {
    self().count_execution(options_.threshold_counter);
    threshold_ = as_.newLabel();
    self().branch_if_counted(threshold_);
  }
  // Behind the way out, by which the block has not been executed.
  if (options_.profile_counter != nullptr) self().count_execution(options_.profile_counter);
  if (options_.count_fuel) {
    const std::uint32_t count = block_->guest_inst_count();
    const asmjit::Label label = as_.newLabel();
    self().charge_fuel(count, label);
    leave_before_block(label, count);
  }
}

/// Out of line, at `label`: leaves for want of fuel, with nothing of the block done, and gives `fuel` back.
template <typename Emitter, typename Assembler>
void EmitterBase<Emitter, Assembler>::leave_before_block(const asmjit::Label& label, std::uint32_t fuel) {
  const std::size_t site = new_site(ir::Exit{block_->key()}, codegen::ExitKind::fuel);
  cold(label, [this, site, fuel] {
    self().add_fuel(static_cast<std::int32_t>(fuel));
    leave_loop();
    emit_stub(sites_[site]);
  });
}

template <typename Emitter, typename Assembler>
void EmitterBase<Emitter, Assembler>::leave_at_threshold() {
  seldom();
  bind(threshold_);
  leave_loop();
  self().call_entry(codegen::RuntimeEntry::exit);
  out_->threshold_return = here();
}

template <typename Emitter, typename Assembler>
void EmitterBase<Emitter, Assembler>::heed_boundary(const ir::Boundary& boundary) {
  if (boundary.join) join(static_cast<std::uint16_t>(guest_inst_));
  // The first boundary behind a helper counts: guest instructions without IR of their own may lie between
  // it and the next.
  if (helper_ran_ && !at_boundary_) {
    boundary_pc_ = boundary.pc;
    boundary_number_ = guest_inst_;
    at_boundary_ = true;
  }
  if (guest_inst_ != 0 && options_.loop_head != 0 && guest_inst_ % options_.loop_head == 0) begin_copy();
  if (annotates_) annotate_guest_instruction(boundary);
}

template <typename Emitter, typename Assembler>
void EmitterBase<Emitter, Assembler>::annotate_guest_instruction(const ir::Boundary& boundary) {
  if (options_.map_code) out_->code_map.push_back({here(), boundary.pc});
  if (as_.logger() != nullptr)
    as_.commentf("; guest 0x%llx", static_cast<unsigned long long>(boundary.pc.value));
  annotate(Way::guest, guest_inst_);
}

template <typename Emitter, typename Assembler>
void EmitterBase<Emitter, Assembler>::end_block() {
  using codegen::RuntimeEntry;
  if (annotates_) as_.comment("; out of line");
  // Cold pieces may add stubs and more cold pieces.
  cold_.emit([this](const asmjit::Label& label) {
    bind(label);
    seldom();
  });
  seldom();
  for (const CheckStub& check : checks_) {
    bind(check.label);
    self().call_entry(options_.linked ? RuntimeEntry::check_fault : RuntimeEntry::check_fault_single);
    out_->check_faults.push_back(fault_site(check.point, here()));
  }
  if (options_.threshold_counter != nullptr) leave_at_threshold();
  for (Site& site : sites_)
    if (site.site.return_offset == 0) emit_stub(site);
  self().finish_host();
  // Few, and in order but for those of code out of line.
  auto& exits = out_->exits;
  for (const Site& site : sites_) {
    exits.push_back(site.site);
    if (!options_.linked) continue;
    for (std::size_t i = exits.size() - 1; i > 0 && exits[i].return_offset < exits[i - 1].return_offset; --i)
      std::swap(exits[i], exits[i - 1]);
  }
}

// --- exit sites
// ---------------------------------------------------------------------------------------------------------------

template <typename Emitter, typename Assembler>
std::size_t EmitterBase<Emitter, Assembler>::new_site(const ir::Exit& exit, codegen::ExitKind kind) {
  Site site;
  site.site.target = exit.target;
  site.site.kind = kind;
  site.stub = as_.newLabel();
  sites_.push_back(site);
  return sites_.size() - 1;
}

template <typename Emitter, typename Assembler>
void EmitterBase<Emitter, Assembler>::emit_stub(Site& site) {
  seldom();
  bind(site.stub);
  site.site.stub_offset = here();
  if (options_.linked) {
    self().call_entry(codegen::RuntimeEntry::exit);
  } else {
    const BlockKey& target = site.site.target;
    const bool same_mode = target.mode == block_->key().mode;
    if (site.site.kind == codegen::ExitKind::direct || site.site.kind == codegen::ExitKind::call) {
      self().store_key(target, !same_mode);
      self().return_single(same_mode ? codegen::kSingleDone : codegen::kSingleDoneInMode);
    } else {
      self().return_single(codegen::kSingleSite + static_cast<std::uint32_t>(&site - sites_.data()));
    }
  }
  site.site.return_offset = here();
}

template <typename Emitter, typename Assembler>
void EmitterBase<Emitter, Assembler>::patchable_jump(std::size_t site) {
  if (options_.linked) {
    self().link_jump(site);
  } else {
    emit_stub(sites_[site]);
  }
}

template <typename Emitter, typename Assembler>
void EmitterBase<Emitter, Assembler>::leave_by(std::size_t site) {
  patchable_jump(site);
  if (options_.linked) emit_stub(sites_[site]);
}

// --- faults
// -------------------------------------------------------------------------------------------------------------------

template <typename Emitter, typename Assembler>
auto EmitterBase<Emitter, Assembler>::fault_point() -> FaultPoint {
  FaultPoint point;
  point.inst = static_cast<std::uint32_t>(index());
  point.guest_inst = guest_inst_;
  point.write_back_begin = static_cast<std::uint32_t>(out_->write_backs.size());
  cache_.collect_inside(out_->write_backs);
  point.write_back_count = static_cast<std::uint16_t>(out_->write_backs.size() - point.write_back_begin);
  return point;
}

template <typename Emitter, typename Assembler>
codegen::FaultSite EmitterBase<Emitter, Assembler>::fault_site(const FaultPoint& point,
                                                               std::uint32_t offset) const {
  codegen::FaultSite site;
  const auto boundaries = block_->boundaries();
  site.guest_pc = boundaries.empty() ? block_->key().addr : boundaries[point.guest_inst].pc;
  site.offset = offset;
  site.inst = point.inst;
  site.write_back_begin = point.write_back_begin;
  site.write_back_count = point.write_back_count;
  // Who goes on at the first instruction enters the block anew.
  const std::uint32_t done = point.inst == 0 ? 0 : point.guest_inst;
  site.fuel_refund = options_.count_fuel ? block_->guest_inst_count() - done : 0;
  return site;
}

template <typename Emitter, typename Assembler>
void EmitterBase<Emitter, Assembler>::access_fault_here(const FaultPoint& point) {
  self().forget_last();
  out_->access_faults.push_back(fault_site(point, here()));
}

template <typename Emitter, typename Assembler>
void EmitterBase<Emitter, Assembler>::settle_all() {
  for_each_unsettled([&](Reg r) { cache_.settle(r); });
}

// --- side exits and joins
// -----------------------------------------------------------------------------------------------------

template <typename Emitter, typename Assembler>
auto EmitterBase<Emitter, Assembler>::exit_state(std::uint32_t done) -> ExitState {
  ExitState state;
  state.write_back_begin = static_cast<std::uint32_t>(out_->write_backs.size());
  cache_.collect_write_backs(out_->write_backs);
  state.write_back_count = static_cast<std::uint32_t>(out_->write_backs.size()) - state.write_back_begin;
  state.unfinished = unfinished();
  state.fuel_refund = options_.count_fuel ? block_->guest_inst_count() - done : 0;
  return state;
}

template <typename Emitter, typename Assembler>
void EmitterBase<Emitter, Assembler>::restore_for_exit(const ExitState& state) {
  finish(state.unfinished);
  for (std::uint32_t i = 0; i < state.write_back_count; ++i) {
    const codegen::WriteBack w = out_->write_backs[state.write_back_begin + i];
    self().store_word(w.word, w.reg);
  }
  if (state.fuel_refund != 0) self().add_fuel(static_cast<std::int32_t>(state.fuel_refund));
}

template <typename Emitter, typename Assembler>
void EmitterBase<Emitter, Assembler>::exit_if(const Inst& inst, Condition cond, bool immediate) {
  const ir::Exit& exit = block_->exits()[inst.exit()];
  const auto test = self().compare(inst, cond, immediate);
  if (self().is_never(test)) return;
  const std::uint32_t from = guest_inst_;
  if (plan().join != 0) {
    const asmjit::Label label = as_.newLabel();
    self().branch_if(test, label);
    join_edges_.push_back({plan().join, from, label, cache_.snapshot()});
    return;
  }
  const ExitState state = exit_state(from + 1);
  if (is_back_edge(exit)) {
    const asmjit::Label label = as_.newLabel();
    self().branch_if(test, label);
    cold(label, [this, from, state] {
      count(Way::exit, from);
      restore_for_exit(state);
      go_round();
    });
    return;
  }
  const std::size_t site = new_site(exit, codegen::ExitKind::direct);
  const bool check = options_.linked && is_backward(exit);
  if constexpr (Emitter::kLinksConditionalBranches) {
    if (!state.needed() && !check && loop_ == nullptr) {
      self().link_branch(site, test);
      return;
    }
  }
  const asmjit::Label label = as_.newLabel();
  self().branch_if(test, label);
  cold(label, [this, from, state, site, check, &exit] {
    count(Way::exit, from);
    restore_for_exit(state);
    leave_loop();
    if (check) attention_check(exit);
    leave_by(site);
  });
}

template <typename Emitter, typename Assembler>
void EmitterBase<Emitter, Assembler>::helper_exit_check(GuestAddr resume) {
  helper_ran_ = false;
  const asmjit::Label label = as_.newLabel();
  self().branch_if_exit_wanted(label);
  const ExitState state = exit_state(boundary_number_);
  const std::size_t site = new_site(ir::Exit{{resume, block_->key().mode}}, codegen::ExitKind::attention);
  cold(label, [this, state, site] {
    restore_for_exit(state);
    emit_stub(sites_[site]);
  });
}

template <typename Emitter, typename Assembler>
void EmitterBase<Emitter, Assembler>::join(std::uint16_t boundary) {
  using Mend = typename Cache::Mend;
  std::vector<const typename Cache::Snapshot*> states;
  std::vector<const JoinEdge*> edges;
  for (const JoinEdge& edge : join_edges_) {
    if (edge.boundary != boundary) continue;
    states.push_back(&edge.state);
    edges.push_back(&edge);
  }
  if (states.empty()) return;
  std::size_t begin = mends_.size();
  std::vector<std::size_t> ends(states.size());
  cache_.join(states, mends_, ends);
  // No address holds on every way.
  self().forget_addresses();
  asmjit::Label meeting;
  for (std::size_t i = 0; i < edges.size(); ++i) {
    const std::size_t end = ends[i];
    if (begin == end) {
      bind(edges[i]->label);
      continue;
    }
    if (!meeting.isValid()) {
      meeting = as_.newLabel();
      bind(meeting);
    }
    cold(edges[i]->label, [this, meeting, from = edges[i]->from, begin, end] {
      count(Way::exit, from);
      for (const Mend& mend : std::span(mends_).subspan(begin, end - begin)) {
        if (mend.knowledge != Knowledge::raw) self().canonicalise(mend.reg, mend.knowledge);
        if (mend.word != Mend::kNowhere) self().store_word(mend.word, mend.reg);
      }
      self().jump(meeting);
    });
    begin = end;
  }
}

// --- terminals
// ----------------------------------------------------------------------------------------------------------------

template <typename Emitter, typename Assembler>
void EmitterBase<Emitter, Assembler>::attention_check(const ir::Exit& exit) {
  const std::size_t site = new_site(exit, codegen::ExitKind::attention);
  self().branch_if_attention(sites_[site].stub);
}

template <typename Emitter, typename Assembler>
void EmitterBase<Emitter, Assembler>::jump_to_exit(const ir::Exit& exit, codegen::ExitKind kind) {
  if (options_.linked && is_backward(exit)) attention_check(exit);
  leave_by(new_site(exit, kind));
}

template <typename Emitter, typename Assembler>
void EmitterBase<Emitter, Assembler>::leave_by_attention(const ir::Exit& exit) {
  seldom();
  leave_loop();
  emit_stub(sites_[new_site(exit, codegen::ExitKind::attention)]);
}

template <typename Emitter, typename Assembler>
void EmitterBase<Emitter, Assembler>::leave_loop() {
  if (loop_ == nullptr) return;
  for (const codegen::LoopResidents::Exchange& e : loop_->exchanges()) {
    self().store_word(e.inside.word, e.reg);
    self().load_word(e.reg, e.usual.word);
  }
}

template <typename Emitter, typename Assembler>
void EmitterBase<Emitter, Assembler>::leave_inline(bool back) {
  for_each_unsettled([&](Reg r) {
    const bool stays =
        back && (unfinished_at_head_ & r.mask()) != 0 && cache_.knowledge(r) == knowledge_at_head_[r.id];
    if (cache_.is_slot_register(r) && !stays) cache_.settle(r);
  });
  cache_.write_back_all(false);
}

template <typename Emitter, typename Assembler>
auto EmitterBase<Emitter, Assembler>::unfinished() -> Unfinished {
  const auto begin = static_cast<std::uint32_t>(unsettled_.size());
  for_each_unsettled([&](Reg r) {
    if (cache_.is_slot_register(r)) unsettled_.push_back({r, cache_.knowledge(r)});
  });
  return {begin, static_cast<std::uint32_t>(unsettled_.size()) - begin};
}

template <typename Emitter, typename Assembler>
void EmitterBase<Emitter, Assembler>::begin_loop() {
  if (options_.loop_head != 0) {
    // What the first copy of the body has made known of a slot, without knowing anything where it began, is
    // so behind every copy: the second leaves its residents as it finds them.
    unfinished_at_head_ = cache_.unsettled_residents();
    for_each_unsettled([&](Reg r) { knowledge_at_head_[r.id] = cache_.knowledge(r); });
    leave_inline(true);
    cache_.forget_all();
    self().forget_addresses();
    self().align_loop();
  }
  out_->goes_round = true;
  head_ = as_.newLabel();
  bind(head_);
}

template <typename Emitter, typename Assembler>
void EmitterBase<Emitter, Assembler>::begin_copy() {
  if (guest_inst_ == options_.loop_head) begin_loop();
  if (options_.profile_counter == nullptr) return;
  self().count_execution(options_.profile_counter);
  self().forget_last();
}

template <typename Emitter, typename Assembler>
void EmitterBase<Emitter, Assembler>::go_round(Unfinished rest) {
  self().branch_unless_attention(head_);
  seldom();
  finish(rest);
  leave_by_attention(ir::Exit{block_->key()});
}

template <typename Emitter, typename Assembler>
void EmitterBase<Emitter, Assembler>::stop(const Inst& inst) {
  leave_inline();
  leave_loop();
  const auto reason = static_cast<ir::StopReason>(inst.aux());
  // These two stop in front of their guest instruction, which therefore has not been executed.
  if (options_.count_fuel &&
      (reason == ir::StopReason::breakpoint || reason == ir::StopReason::illegal_instruction))
    self().add_fuel(1);
  const std::size_t site = new_site(block_->exits()[inst.exit()], codegen::ExitKind::stop);
  sites_[site].site.stop_reason = reason;
  sites_[site].site.detail = inst.imm;
  emit_stub(sites_[site]);
}

template <typename Emitter, typename Assembler>
void EmitterBase<Emitter, Assembler>::call_helper(const Inst& inst) {
  using codegen::RuntimeEntry;
  settle_all();
  self().store_helper_args(inst);
  // The helper sees and may change the whole state, and destroys registers.
  cache_.write_back_all(true);
  cache_.end_instruction();
  cache_.forget_all();
  self().forget_addresses();
  const ir::Boundary* boundary = block_->boundary_of(index());
  self().set_up_helper(boundary != nullptr ? boundary->pc : block_->key().addr, inst.imm);
  self().call_entry(options_.linked ? RuntimeEntry::helper : RuntimeEntry::helper_single);
  cache_.forget_knowledge();
  if (!inst.dst.is_none()) self().move(self().define_int(inst), Emitter::kRuntimeResult);
  helper_ran_ = heeds_boundaries_ = true;
}

}  // namespace ashlar::host
