// Emits one block as x86-64 code: one member per IR opcode, called in order by codegen::lower. Uses the
// assembler, the plan and the register cache; knows nothing of caches, locks or logging. Used by the x64
// compiler (backend.cpp).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include <ashlar/ir.hpp>
#include <ashlar/vcpu_frame.hpp>

#include "codegen/backend.hpp"
#include "codegen/emitted.hpp"
#include "codegen/plan.hpp"
#include "codegen/register_cache.hpp"
#include "codegen/residents.hpp"
#include "host/x64/assembler.hpp"
#include "host/x64/regs.hpp"

namespace ashlar::host_x64 {

using codegen::Knowledge;
using ir::Inst;
using ir::Value;

/// A condition on which a compare-and-branch or compare-and-set succeeds.
enum class Condition : std::uint8_t { eq, ne, lts, ltu, ges, geu };

class Emitter {
 public:
  Emitter(Assembler& as, const codegen::HostFeatures& features)
      : as_(as), features_(features), cache_(*this) {}

  /// Prepares for a block. The record, plan, residents and block must live until `end_block`.
  /// `loop`: the choice of a block that is a loop, or null.
  void start(const ir::Block& block, const codegen::Plan& plan, const codegen::CompileOptions& options,
             std::span<const codegen::Resident> residents, const codegen::LoopResidents* loop,
             codegen::Emitted& out);

  // For codegen::lower.
  void begin_block();
  void begin_guest_instruction(const ir::Boundary& boundary);
  void begin_instruction(std::size_t index);
  void end_instruction() { cache_.end_instruction(); }
  void end_block();

#define ASHLAR_OP(name, form, dst, src, effects) void emit_##name(const Inst& inst);
#include <ashlar/opcodes.inc>
#undef ASHLAR_OP

  // For codegen::RegisterCache.
  void load_word(Reg r, std::int16_t word);
  void store_word(std::int16_t word, Reg r);
  void move(Reg to, Reg from);
  void canonicalise(Reg r, Knowledge knowledge);

 private:
  using InstId = x86::Inst::Id;

  // Operands (emitter.cpp). A value that is read again is brought into a register; one that is not stays in
  // memory if it is there.
  struct Operand {
    enum class Kind : std::uint8_t { reg, mem, zero } kind;
    Reg reg;
    std::int16_t word = 0;
    bool is_reg() const { return kind == Kind::reg; }
    bool is_zero() const { return kind == Kind::zero; }
  };
  Operand operand(Value v, std::uint16_t next, bool is_float = false);
  /// The same where the low half of an integer is all that counts: its upper half may be anything.
  Operand operand32(Value v, std::uint16_t next);
  /// An integer in a register, all of it.
  Reg use_int(Value v, std::uint16_t next);
  /// What is known of an integer without looking at it.
  codegen::Knowledge knowledge_of(Value v) const;
  bool is_extended(Value v) const {
    const codegen::Knowledge k = knowledge_of(v);
    return k == codegen::Knowledge::extended || k == codegen::Knowledge::extend_32;
  }
  bool is_unfinished(Value v) const { return knowledge_of(v) == codegen::Knowledge::extend_32; }
  void note_extended(Reg r) { cache_.set_knowledge(r, codegen::Knowledge::extended); }
  /// The same without bringing it into a register: for instructions that need many.
  Operand operand_in_place(Value v, std::uint16_t next, bool is_float = false);
  /// An integer operand in a register, rax for zero.
  Reg in_register(const Operand& o);
  /// As an asmjit operand of `bits` (8, 16, 32, 64): a register or the low bytes of the frame's word. Zero
  /// goes through rax.
  asmjit::Operand rm(const Operand& o, unsigned bits);
  void load(const x86::Gp& to, const Operand& o);
  Reg define_int(const Inst& inst) {
    return cache_.define(inst.dst, false, plan().next_dst, plan().dead_store);
  }
  Reg define_float(const Inst& inst) {
    return cache_.define(inst.dst, true, plan().next_dst, plan().dead_store);
  }
  const codegen::InstPlan& plan() const { return (*plan_)[index_]; }
  static Reg rax() { return Reg::integer(kRax); }

  // Integer families (emit_int.cpp).
  enum class Extend : std::uint8_t { none, zero32, sign32 };
  void alu(const Inst& inst, Alu op, bool commutative, Extend extend);
  void alu_imm(const Inst& inst, Alu op, Extend extend);
  void add(const Inst& inst, Extend extend);
  void add_imm(const Inst& inst, Extend extend);
  void scaled_add(const Inst& inst, unsigned bits);
  void shift(const Inst& inst, Shift op, InstId bmi2, Extend extend);
  void shift_imm(const Inst& inst, Shift op, Extend extend);
  void multiply(const Inst& inst, Extend extend);
  void multiply_high(const Inst& inst, InstId id);
  void divide(const Inst& inst, bool is_signed, bool remainder, bool wide);
  void min_max(const Inst& inst, x86::CondCode cc);
  void extend(const Inst& inst, unsigned bits, bool is_signed);
  void bit_field(const Inst& inst, bool is_signed);
  void count_zeros(const Inst& inst, bool leading, bool wide);
  void population(const Inst& inst, bool wide);
  void bit_op(const Inst& inst, InstId id);
  void bit_op_imm(const Inst& inst, InstId id);
  void set_if(const Inst& inst, Condition cond, bool immediate);
  static bool is_bitwise(Alu op);
  void finish32(Reg dst, Extend extend);

  struct PendingNan {
    Reg reg;
    Knowledge knowledge;
  };

  // Comparisons and exits (emit_control.cpp).
  /// Emits the comparison alone; `compare_at_` is where it stands.
  x86::CondCode compare(const Inst& inst, Condition cond, bool immediate);
  /// What an exit out of line has to do first, as things stand now.
  struct ExitState {
    std::uint32_t write_back_begin, write_back_count;
    std::vector<PendingNan> pending;
    std::uint32_t fuel_refund;
    bool needed() const { return write_back_count != 0 || !pending.empty() || fuel_refund != 0; }
  };
  /// `done`: guest instructions completed when it is taken.
  ExitState exit_state(std::uint32_t done);
  void restore_for_exit(const ExitState& state);
  void helper_exit_check(GuestAddr resume);
  void exit_if(const Inst& inst, Condition cond, bool immediate);
  void branch(const Inst& inst, Condition cond, bool immediate);
  void jump_to_exit(const ir::Exit& exit, codegen::ExitKind kind = codegen::ExitKind::direct);
  void attention_check(const ir::Exit& exit);
  void store_guest_addr(std::int32_t offset, std::uint64_t value);
  bool is_backward(const ir::Exit& exit) const;
  /// Brings the side exits that go on at this boundary together with the way along the block.
  void join(std::uint16_t boundary);
  void leave_inline();
  /// Whether the exit is the back edge of a loop that keeps its own registers.
  bool is_back_edge(const ir::Exit& exit) const { return loop_ != nullptr && exit.target == block_->key(); }
  /// Out of the loop: what lives where is as everywhere. Moves alone: flags and rax stay.
  void leave_loop();
  /// To the loop's head, unless attention bits are set.
  void go_round();
  void indirect(const Inst& inst);
  /// A guest call with a known return site (linked code): `transfer` emits the host's call instruction.
  void call_and_return(std::uint16_t target_exit, std::uint16_t return_exit,
                       const std::function<void()>& transfer);

  // Exit sites, cold code, faults (emitter.cpp).
  struct Site {
    codegen::ExitSite site;
    asmjit::Label stub;
  };
  std::size_t new_site(const ir::Exit& exit, codegen::ExitKind kind);
  /// A jmp or jcc whose displacement can be patched, going to the site's stub. `again` re-emits what stands
  /// directly before (a compare, for fusion) after alignment padding.
  void patchable_jump(std::size_t site);
  void patchable_call(std::size_t site);
  void patchable_branch(std::size_t site, x86::CondCode cc, std::uint32_t fused_from);
  void pad_to_patchable(std::uint32_t opcode_bytes);
  void emit_stub(Site& site);
  void call_entry(codegen::RuntimeEntry entry);
  void jump_entry(codegen::RuntimeEntry entry);
  x86::Mem entry_mem(codegen::RuntimeEntry entry);
  /// Code out of line: runs after the block's last instruction has been emitted, at `label`.
  void cold(asmjit::Label label, std::function<void()> code) { cold_.push_back({label, std::move(code)}); }

  struct FaultPoint {
    std::uint32_t write_back_begin = 0;
    std::uint16_t write_back_count = 0;
    std::uint32_t pending64 = 0, pending32 = 0, pending_extend = 0;
  };
  FaultPoint fault_point();
  codegen::FaultSite fault_site(const FaultPoint& point, std::uint32_t offset) const;
  void access_fault_here(const FaultPoint& point);
  /// Makes sure that float registers whose NaN can be observed at an exit here hold canonical ones.
  void canonicalise_pending(bool temporaries = false);
  std::vector<PendingNan> pending_list(bool temporaries = false) const;

  // Memory (emit_memory.cpp).
  x86::Mem address(const Inst& inst, std::int32_t disp, std::uint32_t size, const FaultPoint& point);
  Reg address_base(const Inst& inst);
  void load_int(const Inst& inst, std::uint32_t size, bool is_signed);
  void store_int(const Inst& inst, std::uint32_t size);
  void load_float(const Inst& inst, std::uint32_t size);
  void store_float(const Inst& inst, std::uint32_t size);
  struct Atomic {
    x86::Mem mem;
    FaultPoint point;
  };
  Atomic atomic_address(const Inst& inst, std::uint32_t size);
  void fetch_loop(const Inst& inst, std::uint32_t size,
                  const std::function<void(const x86::Gp& fresh, const x86::Gp& operand)>& op);
  void fetch_logic(const Inst& inst, std::uint32_t size, InstId id);
  void fetch_min_max(const Inst& inst, std::uint32_t size, x86::CondCode keep);
  void load_reserved(const Inst& inst, std::uint32_t size);
  void store_conditional(const Inst& inst, std::uint32_t size);
  void compare_exchange(const Inst& inst, std::uint32_t size);
  void reservation_slot(const x86::Gp& to, Reg base);

  // Floats (emit_float.cpp).
  bool rounds_like_host(const Inst& inst) const { return inst.rounding() == block_->host_rounding(); }
  /// A float operand in a register; zero is materialised in `spare`.
  Reg float_register(Value v, std::uint16_t next, Reg spare);
  /// The same for binary32. A value that is not boxed sends the guest instruction to the interpreter: call
  /// before anything of it is done.
  Reg float32_register(Value v, std::uint16_t next, Reg spare);
  void float_binary(const Inst& inst, InstId sse, InstId avx, bool single);
  void float_fma(const Inst& inst, bool single, bool negate_product, bool negate_addend);
  void float_sqrt(const Inst& inst, bool single);
  void float_min_max(const Inst& inst, bool single, bool max);
  void float_sign(const Inst& inst, bool single, int kind);
  void float_compare(const Inst& inst, bool single, int kind);
  void float_to_int(const Inst& inst, bool single, bool wide, bool is_signed);
  void int_to_float(const Inst& inst, bool single, bool wide, bool is_signed);
  /// The whole operation by codegen::float_slow.
  void float_slow(const Inst& inst);
  void store_args(const Inst& inst);
  void call_float_slow(const Inst& inst);
  void float_result(Reg dst, bool single);
  void load_bits(const x86::Xmm& to, std::uint64_t bits);

  Assembler& as_;
  const codegen::HostFeatures& features_;
  codegen::RegisterCache<Emitter> cache_;
  const ir::Block* block_ = nullptr;
  const codegen::Plan* plan_ = nullptr;
  codegen::CompileOptions options_;
  codegen::Emitted* out_ = nullptr;
  const codegen::LoopResidents* loop_ = nullptr;
  asmjit::Label loop_head_;
  std::size_t index_ = 0;
  std::vector<Site> sites_;
  struct Cold {
    asmjit::Label label;
    std::function<void()> code;
  };
  std::vector<Cold> cold_;
  struct CheckStub {
    asmjit::Label label;
    FaultPoint point;
    std::uint32_t inst;
  };
  std::vector<CheckStub> checks_;
  /// A side exit that goes on at a join of the block.
  struct JoinEdge {
    std::uint16_t boundary;
    asmjit::Label label;
    codegen::RegisterCache<Emitter>::Snapshot state;
  };
  std::vector<JoinEdge> join_edges_;
  std::uint32_t compare_at_ = 0;
  bool helper_ran_ = false;   ///< a helper may have set kAttendExit since the last check
  bool at_boundary_ = false;  ///< guest instruction boundary_number_, at boundary_pc_, begins in front of the
                              ///< next instruction
  std::uint32_t boundary_number_ = 0;
  GuestAddr boundary_pc_;
  asmjit::Label float_table_;
  bool float_table_used_ = false;

  friend class codegen::RegisterCache<Emitter>;
};

}  // namespace ashlar::host_x64
