// Emits one block as AArch64 code: one member per IR opcode, called in order by codegen::lower. Uses the
// assembler, the plan and the register cache; knows nothing of caches, locks or logging. Used by the a64
// compiler (backend.cpp).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <ashlar/ir.hpp>
#include <ashlar/vcpu_frame.hpp>

#include "codegen/backend.hpp"
#include "codegen/emitted.hpp"
#include "codegen/plan.hpp"
#include "codegen/register_cache.hpp"
#include "codegen/residents.hpp"
#include "host/a64/regs.hpp"
#include "host/common/listing.hpp"
#include "ir/op_table.hpp"

namespace ashlar::host_a64 {

using codegen::Knowledge;
using ir::Inst;
using ir::Value;

/// A condition on which a compare-and-branch or compare-and-set succeeds.
enum class Condition : std::uint8_t { eq, ne, lts, ltu, ges, geu };

class Emitter {
 public:
  Emitter(a64::Assembler& as, const codegen::HostFeatures& features)
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
  using InstId = a64::Inst::Id;

  // Operands (emitter.cpp). Everything is computed in registers; zero is the zero register.
  /// An integer operand; kZero for zero. Not to be written to.
  Reg use_int(Value v, std::uint16_t next) { return v.is_zero() ? kZero : cache_.use(v, false, next); }
  Reg use_a(const Inst& inst) { return use_int(inst.a, plan().next_a); }
  Reg use_b(const Inst& inst) { return use_int(inst.b, plan().next_b); }
  Reg use_c(const Inst& inst) { return use_int(inst.c(), plan().next_c); }
  /// The register that receives the result. It may be that of an operand that is not read again: write it
  /// last.
  Reg define_int(const Inst& inst) {
    forget_host_base(inst.dst);
    return cache_.define(inst.dst, false, plan().next_dst, plan().dead_store);
  }
  Reg define_float(const Inst& inst) {
    return cache_.define(inst.dst, true, plan().next_dst, plan().dead_store);
  }
  const codegen::InstPlan& plan() const { return (*plan_)[index_]; }
  std::uint32_t here() const { return static_cast<std::uint32_t>(as_.offset()); }
  /// Binds a label: what was emitted before must not be merged with what follows.
  void bind(const asmjit::Label& label) {
    as_.bind(label);
    forget_last();
  }

  // Constants and immediates (emitter.cpp).
  void move_imm(const a64::Gp& to, std::uint64_t value);
  /// to = from + value, by one or two additions or through x16. Registers other than sp and xzr.
  void add_constant(Reg to, Reg from, std::int64_t value, bool wide = true);
  /// Sets the flags of from - value.
  void compare_constant(Reg from, std::int64_t value);

  // Integer families (emit_int.cpp).
  enum class Extend : std::uint8_t { none, zero32, sign32 };
  /// For instructions whose second operand can be shifted.
  void binary(const Inst& inst, InstId id, Extend extend);
  void add(const Inst& inst, Extend extend);
  void add_imm(const Inst& inst, Extend extend);
  void sub(const Inst& inst, Extend extend);
  void logic_imm(const Inst& inst, InstId id);
  void shift(const Inst& inst, InstId id, Extend extend, bool left_rotation = false);
  void shift_imm(const Inst& inst, asmjit::arm::ShiftOp op, Extend extend);
  void rotate_imm(const Inst& inst, Extend extend);
  void multiply(const Inst& inst, Extend extend);
  void multiply_high(const Inst& inst, InstId id);
  void divide(const Inst& inst, bool is_signed, bool remainder, bool wide);
  void min_max(const Inst& inst, a64::CondCode keep);
  void bit_field(const Inst& inst, unsigned low, unsigned width, bool is_signed);
  void population(const Inst& inst, bool wide);
  void count_zeros(const Inst& inst, bool leading, bool wide);
  void bit_op(const Inst& inst, InstId id);
  void bit_op_imm(const Inst& inst, InstId id);
  void set_if(const Inst& inst, Condition cond, bool immediate);
  void finish32(Reg dst, Extend extend);

  struct PendingNan {
    Reg reg;
    Knowledge knowledge;
  };

  // Comparisons and exits (emit_control.cpp).
  /// A condition that can be branched on: flags, or a register against zero, or one of its bits.
  struct Test {
    enum class Kind : std::uint8_t { flags, zero, not_zero, bit_clear, bit_set, never, always } kind;
    a64::CondCode cc = a64::CondCode::kAL;
    Reg reg;
  };
  /// Emits what sets the flags, if the test needs them.
  Test compare(const Inst& inst, Condition cond, bool immediate);
  void branch_if(const Test& test, const asmjit::Label& label);
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
  bool is_backward(const ir::Exit& exit) const;
  /// Brings the side exits that go on at this boundary together with the way along the block.
  void join(std::uint16_t boundary);
  /// Whether the exit leads back to the block's own beginning: the code goes round without leaving.
  bool is_back_edge(const ir::Exit& exit) const { return options_.linked && exit.target == block_->key(); }
  /// Out of a loop with registers of its own: what lives where is as everywhere. Flags and x16 stay.
  void leave_loop();
  /// To the block's beginning, unless attention bits are set.
  void go_round();
  void leave_by_attention(const ir::Exit& exit);
  /// A guest call with a known return site (linked code): `transfer` emits the host's call. x16 survives
  /// until there.
  void call_and_return(std::uint16_t target_exit, std::uint16_t return_exit,
                       const std::function<void()>& transfer);
  /// A register that holds the constant `value` because the block has just put it there; none if there is
  /// none.
  Reg register_with_constant(std::uint64_t value) const;
  void leave_inline();
  void add_fuel(std::int32_t amount);
  void return_single(std::uint32_t value);

  // Exit sites, cold code, faults (emitter.cpp).
  struct Site {
    codegen::ExitSite site;
    asmjit::Label stub;
  };
  std::size_t new_site(const ir::Exit& exit, codegen::ExitKind kind);
  /// The branch that links patch, going to the site's stub.
  void patchable_jump(std::size_t site);
  /// b or bl, which links patch.
  void patchable(std::size_t site, InstId id);
  void emit_stub(Site& site);
  void call_entry(codegen::RuntimeEntry entry);  ///< destroys x17 and x30
  void jump_entry(codegen::RuntimeEntry entry);  ///< destroys x17
  /// Code out of line: runs after the block's last instruction has been emitted, at `label`. Registers hold
  /// there what they held when it was announced; scratch registers, too.
  void cold(asmjit::Label label, std::function<void()> code) { cold_.push_back({label, std::move(code)}); }

  struct FaultPoint {
    std::uint32_t write_back_begin = 0;
    std::uint16_t write_back_count = 0;
    std::uint32_t pending_box = 0;
  };
  FaultPoint fault_point();
  codegen::FaultSite fault_site(const FaultPoint& point, std::uint32_t offset) const;
  /// The next instruction is the one that may fault.
  void access_fault_here(const FaultPoint& point);
  /// Registers a check that failed: emitted code comes to `label` when the interpreter is to execute the
  /// current instruction.
  void check_at(const asmjit::Label& label, const FaultPoint& point) {
    checks_.push_back({label, point, static_cast<std::uint32_t>(index_)});
  }
  /// Makes sure that float registers that can be observed at an exit here hold boxed values.
  void canonicalise_pending(bool temporaries = false);
  std::vector<PendingNan> pending_list(bool temporaries = false) const;

  // Memory (emit_memory.cpp).
  /// How an access reaches its operand: [base, #disp], or [x27, base].
  struct Address {
    Reg base;
    std::int32_t disp = 0;
    bool indexed = false;
  };
  Address address(const Inst& inst, std::int32_t disp, std::uint32_t size, const FaultPoint& point);
  a64::Mem mem(const Address& at) const;
  /// A register that holds the host address of the guest address in `inst.a` + delta; makes one if `make`.
  Reg find_host_base(Value v, std::int64_t& delta) const;
  Reg make_host_base(Value v, Reg guest);
  void forget_host_base(Value v);
  void forget_host_bases() {
    host_bases_ = {};
    next_host_base_ = 0;
  }
  void load_int(const Inst& inst, InstId id, std::uint32_t size, bool to64);
  void store_int(const Inst& inst, InstId id, std::uint32_t size);
  void load_float(const Inst& inst, std::uint32_t size);
  void store_float(const Inst& inst, std::uint32_t size);
  /// The host address of an atomic access in a register, after window and alignment checks.
  Reg atomic_address(const Inst& inst, std::uint32_t size, const FaultPoint& point);
  struct FetchForms {
    InstId forms[4];  ///< plain, release, acquire, both
  };
  /// `op` gives the register with the new value. `complement`: the single instruction wants the operand so.
  void fetch(const Inst& inst, std::uint32_t size, const FetchForms& lse, bool complement,
             const std::function<Reg(Reg old, Reg operand)>& op);
  void fetch_min_max(const Inst& inst, std::uint32_t size, const FetchForms& lse, a64::CondCode keep);
  /// stxr or stlxr: w30 is 0 if `value` was stored at `host`.
  void store_exclusive(bool release, Reg value, bool wide, Reg host);
  /// stlr of 64 bits; `at` is a register without displacement.
  void store_release(Reg value, const a64::Mem& at);
  /// An instruction that the assembler gets wrong.
  void by_hand(std::uint32_t word, const std::string& text);
  void load_reserved(const Inst& inst, std::uint32_t size);
  void store_conditional(const Inst& inst, std::uint32_t size);
  void compare_exchange(const Inst& inst, std::uint32_t size);
  void reservation_slot(Reg to, Reg host);
  void fence_behind(const Inst& inst);

  // Floats (emit_float.cpp, emit_convert.cpp). A binary32 instruction of the host clears the upper half of
  // its result (Knowledge::low32): `box` mends that.
  bool rounds_like_host(const Inst& inst) const { return inst.rounding() == block_->host_rounding(); }
  /// A float operand in a register; zero is materialised in `spare`.
  Reg float_register(Value v, std::uint16_t next, Reg spare);
  /// The same for binary32. A value that is not boxed sends the guest instruction to the interpreter: call
  /// before anything of it is done.
  Reg float32_register(Value v, std::uint16_t next, Reg spare);
  Reg float_operand(Value v, std::uint16_t next, Reg spare, bool single);
  /// dst = the binary32 in `from`, boxed.
  void box(Reg dst, Reg from) { as_.zip1(vec(dst).s2(), vec(from).s2(), vec(kOnes).s2()); }
  /// An instruction whose underflow is judged. The result is in place at once; an operand that it overwrites
  /// is kept in v29.
  void judged(const Inst& inst, InstId id, bool single, Reg a, Reg b = {}, Reg c = {});
  /// Takes FPSR.UFC back if the guest does not call the result tiny. `product`: zero a or b make the result
  /// exact; otherwise zero a does.
  void judge_underflow(const Inst& inst, Reg result, bool single, bool product, bool from_single, Reg a,
                       Reg b, Reg c);
  void float_binary(const Inst& inst, InstId id, bool single);
  void float_scale(const Inst& inst, InstId id, bool single);
  void float_fma(const Inst& inst, bool single, bool negate_product, bool negate_addend);
  void float_sqrt(const Inst& inst, bool single);
  void float_min_max(const Inst& inst, bool single, bool max);
  void float_sign(const Inst& inst, bool single, int kind);
  void float_compare(const Inst& inst, bool single, a64::CondCode cc);
  void float_class(const Inst& inst, bool single);
  void float_to_int(const Inst& inst, bool single, bool wide, bool is_signed);
  void int_to_float(const Inst& inst, bool single, bool wide, bool is_signed);
  /// The whole operation by codegen::float_slow.
  void float_slow(const Inst& inst);
  void store_args(const Inst& inst);
  void store_float_arg(int i, Reg r, bool single);
  /// x16 = the result's bits; destroys x17 and x30 besides.
  void call_float_slow(const Inst& inst);
  void float_result(Reg dst, bool single);

  // What was emitted last, for merging it with what comes next.
  struct Last {
    enum class Kind : std::uint8_t { none, store, product, shift } kind = Kind::none;
    std::uint32_t end = 0;  ///< offset behind it: it is still last if this is here
    std::int16_t word = 0;  ///< the frame word that was stored; the value that was computed
    Reg reg{};              ///< stored
    Reg a{}, b{};           ///< operands
    bool wide = true;
    asmjit::arm::Shift by{asmjit::arm::ShiftOp::kLSL, 0};
  };
  void forget_last() { last_.kind = Last::Kind::none; }
  void take_back_last();
  /// Where the assembler logs to, or null.
  host::Listing* listing() const { return static_cast<host::Listing*>(as_.logger()); }
  /// Whether what was emitted last computes `v`, in the way and width given, for the current instruction
  /// alone, so that this one can do both. Fetch the other operands first.
  bool merges_with_last(Last::Kind kind, const Inst& inst, Value v, std::uint16_t next, bool wide);

  a64::Assembler& as_;
  const codegen::HostFeatures& features_;
  codegen::RegisterCache<Emitter> cache_;
  const ir::Block* block_ = nullptr;
  const codegen::Plan* plan_ = nullptr;
  codegen::CompileOptions options_;
  codegen::Emitted* out_ = nullptr;
  const codegen::LoopResidents* loop_ = nullptr;
  asmjit::Label head_;  ///< where the block goes round to
  std::size_t index_ = 0;
  Last last_;
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
  struct FarLiteral {
    std::uint32_t offset;
    std::size_t site;
  };
  std::vector<FarLiteral> far_literals_;
  /// kHostBases[i] holds mem_base + the value of `word` - offset; word none: nothing.
  struct HostBase {
    Value value;
    std::int64_t offset = 0;
  };
  std::array<HostBase, 2> host_bases_{};
  std::uint8_t next_host_base_ = 0;
  bool helper_ran_ = false;   ///< a helper may have set kAttendExit since the last check
  bool at_boundary_ = false;  ///< guest instruction boundary_number_, at boundary_pc_, begins in front of the
                              ///< next instruction
  std::uint32_t boundary_number_ = 0;
  GuestAddr boundary_pc_;

  friend class codegen::RegisterCache<Emitter>;
};

}  // namespace ashlar::host_a64
