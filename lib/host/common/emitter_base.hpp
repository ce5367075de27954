// What every host's emitter has in common: how a block begins and ends, exits with their sites and stubs,
// code out of line, fault sites, joins, loops with registers of their own, helper calls. Host's emitters
// derive from it; nothing here is virtual, so that a third host is its instructions and no more.
//
// A host's `Emitter` gives one member per opcode (see codegen::lower), load_word, store_word, move and
// canonicalise for codegen::RegisterCache, and these pieces of its own code. None changes a register that may
// hold a value; what a runtime entry destroys is the host's business.
//
//   kEveryBlockGoesRound              back edges stay inside in every linked block, not only in loops that
//                                     choose their registers
//   kLinksConditionalBranches         a conditional branch reaches far enough to be patched
//   kCacheable                        mask of the registers that may hold values
//   kRuntimeResult                    the register in which a runtime entry returns
//   jump(label)
//   branch_if_attention(label), branch_unless_attention(label)      any attention bit
//   branch_if_exit_wanted(label)                                    kAttendExit
//   compare(inst, condition, immediate)      what sets the flags; returns what `branch_if` branches on
//   branch_if(test, label)            keeps every register; `is_never(test)`: it would never be taken
//   link_branch(site, test)           the patchable branch directly behind its compare, if kLinks...
//   link_jump(site)                   the patchable jump
//   call_entry(entry), return_single(value)
//   charge_fuel(count, label)         subtracts, and branches if the result is negative; add_fuel(count)
//   count_execution(counter), branch_if_counted(label)   adds 1; branches if that has made it 0
//   store_helper_args(inst), set_up_helper(pc, helper)
//   define_int(inst)                  may be this class's
//
// and hides, if it needs them, start_host, finish_host, forget_last, forget_addresses, align_loop.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include <asmjit/core.h>

#include <ashlar/ir.hpp>
#include <ashlar/vcpu_frame.hpp>

#include "codegen/backend.hpp"
#include "codegen/emitted.hpp"
#include "codegen/plan.hpp"
#include "codegen/register_cache.hpp"
#include "codegen/residents.hpp"
#include "codegen/way.hpp"
#include "host/common/cold_code.hpp"
#include "host/common/listing.hpp"

namespace ashlar::host {

using codegen::Knowledge;
using codegen::Reg;
using codegen::Way;
using ir::Inst;
using ir::Value;

/// A condition on which a compare-and-branch or compare-and-set succeeds.
enum class Condition : std::uint8_t { eq, ne, lts, ltu, ges, geu };

template <typename Emitter, typename Assembler>
class EmitterBase {
 public:
  using Cache = codegen::RegisterCache<Emitter>;

  EmitterBase(Assembler& as, const codegen::HostFeatures& features)
      : as_(as), features_(features), cache_(self()) {}

  /// Prepares for a block. The record, plan, residents and block must live until `end_block`.
  /// `loop`: the choice of a block that is a loop, or null.
  void start(const ir::Block& block, const codegen::Plan& plan, const codegen::CompileOptions& options,
             std::span<const codegen::Resident> residents, const codegen::LoopResidents* loop,
             codegen::Emitted& out);

  // For codegen::lower.
  void begin_block();
  /// From the first instruction, with which a block begins; then the guest instructions that begin in front.
  void next_instruction() { ++inst_plan_; }
  void begin_guest_instruction(const ir::Boundary& boundary, std::uint32_t number) {
    guest_inst_ = number;
    if (boundary.join | heeds_boundaries_) heed_boundary(boundary);
  }
  void end_boundaries() {
    if (!at_boundary_) return;
    at_boundary_ = false;
    helper_exit_check(boundary_pc_);
  }
  void end_instruction() { cache_.end_instruction(); }
  void end_block();

 protected:
  // --- what a host may hide
  /// Clears what it remembers of the block before.
  void start_host() {}
  /// Behind all code.
  void finish_host() {}
  /// What was emitted before must not be merged with what follows.
  void forget_last() {}
  /// Where a loop begins, not at the beginning of a block.
  void align_loop() {}
  /// Nothing is known any more of addresses that the block has worked out.
  void forget_addresses() {}

  // --- the instruction at hand
  const codegen::InstPlan& plan() const { return *inst_plan_; }
  std::size_t index() const { return static_cast<std::size_t>(inst_plan_ - &(*plan_)[0]); }
  std::uint32_t here() const { return static_cast<std::uint32_t>(as_.offset()); }
  /// Where the assembler logs to, or null.
  Listing* listing() const { return static_cast<Listing*>(as_.logger()); }
  void bind(const asmjit::Label& label) {
    as_.bind(label);
    self().forget_last();
  }
  /// The register that receives the result. It may be that of an operand that is not read again.
  Reg define_int(const Inst& inst) {
    return cache_.define(inst.dst, false, plan().next_dst, plan().dead_store);
  }
  Reg define_float(const Inst& inst) {
    return cache_.define(inst.dst, true, plan().next_dst, plan().dead_store);
  }
  bool rounds_like_host(const Inst& inst) const { return inst.rounding() == block_->host_rounding(); }
  /// What becomes of the upper half of an integer result.
  enum class Extend : std::uint8_t { none, zero32, sign32 };

  // --- exit sites, code out of line
  struct Site {
    codegen::ExitSite site;
    asmjit::Label stub;
  };
  /// What follows is this way through the block: says so in the listing, and counts it.
  void count(Way way, std::uint32_t guest_inst = 0) {
    if (annotates_) annotate(way, guest_inst);
  }
  /// What follows is hardly ever executed.
  void seldom() {
    if (annotates_) as_.comment("; seldom");
  }
  std::size_t new_site(const ir::Exit& exit, codegen::ExitKind kind);
  void emit_stub(Site& site);
  /// The jump that links patch, going to the site's stub; not linked: the stub itself.
  void patchable_jump(std::size_t site);
  /// The same with the stub behind it.
  void leave_by(std::size_t site);
  /// Runs after the block's last instruction has been emitted, at `label`. Registers hold there what they
  /// held when it was announced; scratch registers, too.
  template <typename Code>
  void cold(const asmjit::Label& label, const Code& code) {
    cold_.add(label, code);
  }

  // --- faults
  /// What is not in the frame as things stand now.
  struct FaultPoint {
    std::uint32_t inst = 0, guest_inst = 0;
    std::uint32_t write_back_begin = 0;
    std::uint16_t write_back_count = 0;
  };
  FaultPoint fault_point();
  codegen::FaultSite fault_site(const FaultPoint& point, std::uint32_t offset) const;
  /// The next instruction of the host is the one that may fault.
  void access_fault_here(const FaultPoint& point);
  /// Registers a check that failed: emitted code comes to `label` when the interpreter is to execute the
  /// current instruction.
  void check_at(const asmjit::Label& label, const FaultPoint& point) { checks_.push_back({label, point}); }
  /// An access is to check InstPlan::check_instead: in front of its fault point.
  void settle_check() {
    const Value instead = plan().check_instead;
    if (!instead.is_none() && !cache_.where(instead).is_none()) cache_.settle(cache_.where(instead));
  }
  /// Makes all registers what they are to be (RegisterCache::settle).
  void settle_all();

  // --- side exits and joins
  struct Unsettled {
    Reg reg;
    Knowledge knowledge;
  };
  /// Some registers, in `unsettled_`.
  struct Unfinished {
    std::uint32_t begin = 0, count = 0;
  };
  /// What an exit out of line has to do first, as things stand now.
  struct ExitState {
    std::uint32_t write_back_begin, write_back_count;
    Unfinished unfinished;
    std::uint32_t fuel_refund;
    bool needed() const { return (write_back_count | unfinished.count | fuel_refund) != 0; }
  };
  /// `done`: guest instructions completed when it is taken.
  ExitState exit_state(std::uint32_t done);
  void restore_for_exit(const ExitState& state);
  void exit_if(const Inst& inst, Condition cond, bool immediate);
  void helper_exit_check(GuestAddr resume);
  /// Brings the side exits that go on at this boundary together with the way along the block.
  void join(std::uint16_t boundary);

  // --- terminals
  /// Before a terminal: the frame becomes complete, but for residents. `back`: it may go round; residents
  /// that `head_` takes unfinished stay so, and every way out finishes what `unfinished` says.
  void leave_inline(bool back = false);
  Unfinished unfinished();
  void finish(Unfinished registers) {
    for (std::uint32_t i = 0; i < registers.count; ++i) {
      const Unsettled u = unsettled_[registers.begin + i];
      self().canonicalise(u.reg, u.knowledge);
    }
  }
  bool is_backward(const ir::Exit& exit) const {
    // Every cycle of blocks has a direct jump that does not go forward, or an indirect one, which looks up by
    // itself.
    return helper_ran_ || exit.target.addr.value <= block_->key().addr.value;
  }
  void attention_check(const ir::Exit& exit);
  void jump_to_exit(const ir::Exit& exit, codegen::ExitKind kind = codegen::ExitKind::direct);
  void leave_by_attention(const ir::Exit& exit);
  void stop(const Inst& inst);

  // --- blocks that jump to their own beginning
  /// (Also where ways are counted, for all hosts, so that what leads back is not counted as having entered.)
  bool goes_round() const {
    if (Emitter::kEveryBlockGoesRound || options_.way_counters != nullptr) return options_.linked;
    return loop_ != nullptr || options_.loop_head != 0;
  }
  /// Whether the exit leads back to the block's own beginning, without leaving.
  bool is_back_edge(const ir::Exit& exit) const { return goes_round() && exit.target == block_->key(); }
  /// Out of a loop with registers of its own: what lives where is as everywhere. Moves alone: flags and the
  /// runtime's argument register stay.
  void leave_loop();
  void leave_before_block(const asmjit::Label& label, std::uint32_t fuel);
  void leave_at_threshold();
  /// Where the block goes round to. Residents alone are in registers there.
  void begin_loop();
  /// A further copy of the loop's body.
  void begin_copy();
  /// To `head_`, unless attention bits are set; then `rest` is to be finished.
  void go_round(Unfinished rest = {});

  void call_helper(const Inst& inst);

  Assembler& as_;
  const codegen::HostFeatures& features_;
  Cache cache_;
  const ir::Block* block_ = nullptr;
  const codegen::Plan* plan_ = nullptr;
  codegen::CompileOptions options_;
  codegen::Emitted* out_ = nullptr;
  const codegen::LoopResidents* loop_ = nullptr;
  asmjit::Label head_;                    ///< where the block goes round to
  asmjit::Label threshold_;               ///< where it leaves when it has been counted often enough
  std::uint64_t unfinished_at_head_ = 0;  ///< mask of the residents of which `knowledge_at_head_` says what
  std::array<Knowledge, 64> knowledge_at_head_{};  ///< has to be done to them whenever the block gets there
  const codegen::InstPlan* inst_plan_ = nullptr;   ///< of the instruction at hand
  std::uint32_t guest_inst_ = 0;  ///< the number of the guest instruction that is being emitted
  std::vector<Site> sites_;
  bool annotates_ = false;         ///< somebody listens, or ways are counted
  bool helper_ran_ = false;        ///< a helper may have set kAttendExit since the last check
  bool heeds_boundaries_ = false;  ///< where a guest instruction begins, something may have to be done
  bool at_boundary_ = false;       ///< a helper ran, and guest instruction boundary_number_, at boundary_pc_,
                                   ///< begins in front of the instruction at hand
  std::uint32_t boundary_number_ = 0;
  GuestAddr boundary_pc_;

 private:
  Emitter& self() { return static_cast<Emitter&>(*this); }
  const Emitter& self() const { return static_cast<const Emitter&>(*this); }

  void annotate(Way way, std::uint32_t guest_inst);
  void annotate_guest_instruction(const ir::Boundary& boundary);
  void heed_boundary(const ir::Boundary& boundary);

  /// Calls f(register) for each register whose bits are not yet what they are to be.
  template <typename F>
  void for_each_unsettled(F&& f) const {
    for (std::uint64_t all = cache_.pending_nans(); all != 0; all &= all - 1)
      f(Reg{static_cast<std::uint8_t>(std::countr_zero(all))});
  }

  struct CheckStub {
    asmjit::Label label;
    FaultPoint point;
  };
  /// A side exit that goes on at a join of the block.
  struct JoinEdge {
    std::uint16_t boundary;
    std::uint32_t from;  ///< guest instruction
    asmjit::Label label;
    typename Cache::Snapshot state;
  };
  ColdCode cold_;
  std::vector<Unsettled> unsettled_;
  std::vector<CheckStub> checks_;
  std::vector<JoinEdge> join_edges_;
  std::vector<typename Cache::Mend> mends_;
};

}  // namespace ashlar::host
