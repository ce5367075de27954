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
#include "host/a64/regs.hpp"
#include "host/common/emitter_base.hpp"
#include "host/common/listing.hpp"
#include "ir/op_table.hpp"

namespace ashlar::host_a64 {

using codegen::Knowledge;
using codegen::Way;
using host::Condition;
using ir::Inst;
using ir::Value;

class Emitter;
using EmitterBase = host::EmitterBase<Emitter, a64::Assembler>;

class Emitter : public EmitterBase {
 public:
  Emitter(a64::Assembler& as, const codegen::HostFeatures& features) : EmitterBase(as, features) {}

  static constexpr std::uint64_t kCacheable = all_cacheable();
  static constexpr bool kEveryBlockGoesRound = true;
  static constexpr bool kLinksConditionalBranches = false;
  static constexpr Reg kRuntimeResult = kX16;

#define ASHLAR_OP(name, form, dst, src, effects) void emit_##name(const Inst& inst);
#include <ashlar/opcodes.inc>
#undef ASHLAR_OP

  // For codegen::lower: what of the base looks after judged instructions first.
  void begin_guest_instruction(const ir::Boundary& boundary, std::uint32_t number) {
    if (!judged_.empty() && (boundary.join || !goes_on_judged(block_->insts()[boundary.first_inst])))
      end_judgement();
    EmitterBase::begin_guest_instruction(boundary, number);
  }
  void next_instruction() {
    if (!judged_.empty() && !goes_on_judged(block_->insts()[index() + 1])) end_judgement();
    EmitterBase::next_instruction();
  }

  // For codegen::RegisterCache.
  void load_word(Reg r, std::int16_t word);
  void store_word(std::int16_t word, Reg r);
  void move(Reg to, Reg from);
  void canonicalise(Reg r, Knowledge knowledge);

 private:
  using InstId = a64::Inst::Id;

  // Operands (emitter.cpp). Everything is computed in registers; zero is the zero register.
  /// An integer operand; kZero for zero. Not to be written to.
  Reg use_int(Value v, std::uint16_t next) {
    const Reg r = use_low(v, next);
    if (r != kZero) cache_.settle(r);
    return r;
  }
  /// The same where the low half is all that counts: the upper half may be anything.
  Reg use_low(Value v, std::uint16_t next) { return v.is_zero() ? kZero : cache_.use(v, false, next); }
  Reg use_int(Value v, std::uint16_t next, bool wide) { return wide ? use_int(v, next) : use_low(v, next); }
  Reg use_a(const Inst& inst) { return use_int(inst.a, plan().next_a); }
  /// Of a load or a store.
  void use_base(const Inst& inst) {
    settle_check();
    use_a(inst);
  }
  Reg use_b(const Inst& inst) { return use_int(inst.b, plan().next_b); }
  Reg use_c(const Inst& inst) { return use_int(inst.c(), plan().next_c); }
  Reg use_a(const Inst& inst, bool wide) { return use_int(inst.a, plan().next_a, wide); }
  Reg use_b(const Inst& inst, bool wide) { return use_int(inst.b, plan().next_b, wide); }
  /// What is known of an integer without looking at it.
  Knowledge knowledge_of(Value v) const {
    if (v.is_zero()) return Knowledge::extended;
    const Reg r = cache_.where(v);
    return r.is_none() ? Knowledge::raw : cache_.knowledge(r);
  }
  bool is_extended(Value v) const {
    const Knowledge k = knowledge_of(v);
    return k == Knowledge::extended || k == Knowledge::extend_32;
  }
  /// Its sign extension waits until somebody wants the upper half.
  bool is_unfinished(Value v) const { return knowledge_of(v) == Knowledge::extend_32; }
  void note_extended(Reg r) { cache_.set_knowledge(r, Knowledge::extended); }
  /// The register that receives the result. It may be that of an operand that is not read again: write it
  /// last.
  Reg define_int(const Inst& inst) {
    forget_host_base(inst.dst);
    if (inst.dst == flags_) flags_ = {};
    return EmitterBase::define_int(inst);
  }

  Reg define_float(const Inst& inst) {
    const Reg r = EmitterBase::define_float(inst);
    overwritten(r);
    return r;
  }

  // Constants and immediates (emitter.cpp).
  void move_imm(const a64::Gp& to, std::uint64_t value);
  /// Instructions that move_imm takes for a 64-bit register.
  static int steps_of(std::uint64_t value);
  /// to = value, from behind the block's code.
  void load_literal(Reg to, std::uint64_t value);
  /// Whether the block's call expects the guest to return to `value`.
  bool is_return_address(std::uint64_t value) const;
  /// to = from + value, by one or two additions or through x16. Registers other than sp and xzr.
  void add_constant(Reg to, Reg from, std::int64_t value, bool wide = true);
  /// Sets the flags of from - value.
  void compare_constant(Reg from, std::int64_t value, bool wide = true);

  // Integer families (emit_int.cpp).
  /// For instructions whose second operand can be shifted.
  void binary(const Inst& inst, InstId id, Extend extend);
  /// A 64-bit sum or difference whose operand is extended on the way, if there is one.
  bool sum_extending(const Inst& inst, InstId id);
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

  // Comparisons and exits (emit_control.cpp).
  /// A condition that can be branched on: flags, or a register against zero, or one of its bits.
  struct Test {
    enum class Kind : std::uint8_t { flags, zero, not_zero, bit_clear, bit_set, never, always } kind;
    a64::CondCode cc = a64::CondCode::kAL;
    Reg reg;
    bool wide = true;  ///< all of the register counts, or its low half
  };
  /// Emits what sets the flags, if the test needs them.
  Test compare(const Inst& inst, Condition cond, bool immediate);
  static bool is_never(const Test& test) { return test.kind == Test::Kind::never; }
  void branch_if(const Test& test, const asmjit::Label& label);
  void jump(const asmjit::Label& label) { as_.b(label); }
  void branch_if_attention(const asmjit::Label& label);
  void branch_unless_attention(const asmjit::Label& label);
  void branch_if_exit_wanted(const asmjit::Label& label);
  void branch(const Inst& inst, Condition cond, bool immediate);
  /// A guest call with a known return site (linked code): `transfer` emits the host's call. x16 survives
  /// until there.
  void call_and_return(std::uint16_t target_exit, std::uint16_t return_exit,
                       const std::function<void()>& transfer);
  /// A register that holds the constant `value` because the block has just put it there; none if there is
  /// none.
  Reg register_with_constant(std::uint64_t value) const;
  void store_helper_args(const Inst& inst);
  void set_up_helper(GuestAddr pc, std::int32_t helper);
  void return_single(std::uint32_t value);
  /// The frame's pc, and mode if wanted. Destroys x16 and x17.
  void store_key(const BlockKey& key, bool mode_too);
  void charge_fuel(std::uint32_t count, const asmjit::Label& label);
  void add_fuel(std::int32_t count);
  void count_execution(std::uint64_t* counter);  ///< leaves the count in x16
  void branch_if_counted(const asmjit::Label& label) { as_.cbz(gp64(kX16), label); }

  // Exit sites (emitter.cpp).
  void start_host();
  void finish_host();
  void link_jump(std::size_t site) { link(site, a64::Inst::kIdB); }
  /// b or bl, which links patch.
  void link(std::size_t site, InstId id);
  void call_entry(codegen::RuntimeEntry entry);  ///< destroys x17 and x30
  void jump_entry(codegen::RuntimeEntry entry);  ///< destroys x17

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
  void forget_addresses() {
    host_bases_ = {};
    next_host_base_ = 0;
    flags_ = {};
  }
  void load_int(const Inst& inst, InstId id, std::uint32_t size, bool to64);
  void store_int(const Inst& inst, InstId id, std::uint32_t size);
  void load_float(const Inst& inst, std::uint32_t size);
  void store_float(const Inst& inst, std::uint32_t size);
  /// The store is the second of a pair with what was emitted last, and done. `data`: fetched.
  bool pairs_with_last(const Inst& inst, Reg data, std::uint32_t size);
  void stored(const Inst& inst, Reg data, std::uint32_t size, const Address& at);
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
  /// A float operand in a register; zero is materialised in `spare`.
  Reg float_register(Value v, std::uint16_t next, Reg spare);
  /// The same for binary32. A value that is not boxed sends the guest instruction to the interpreter: call
  /// before anything of it is done.
  Reg float32_register(Value v, std::uint16_t next, Reg spare);
  Reg float_operand(Value v, std::uint16_t next, Reg spare, bool single);
  /// dst = the binary32 in `from`, boxed.
  void box(Reg dst, Reg from) { as_.zip1(vec(dst).s2(), vec(from).s2(), vec(kOnes).s2()); }
  /// An instruction whose underflow is judged: FPSR.UFC is taken back if the guest does not call the result
  /// tiny.
  void judge(const Inst& inst, InstId id, bool single, Reg a, Reg b = {}, Reg c = {});
  /// One that has been emitted, compared with kTiny, and not yet been judged. The flags say C clear if the
  /// result of any such was small.
  struct Judged {
    Inst inst;
    std::array<Reg, 3> operands;  ///< where they are now
    bool product;                 ///< zero a or b make the result exact; otherwise zero a does
    bool from_single;
  };
  /// Whether the instruction leaves flags and frame alone, so that the judgement can wait until it is done.
  bool goes_on_judged(const Inst& inst) const;
  /// Branches to the judgement, if anything waits for it.
  void end_judgement();
  /// A float register is about to get a new value: operands that are still wanted go elsewhere.
  void overwritten(Reg r);
  bool is_not_negative(Reg r) const { return (not_negative_ & r.mask()) != 0; }
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
    enum class Kind : std::uint8_t { none, store, guest_store, product, shift } kind = Kind::none;
    std::uint32_t end = 0;  ///< offset behind it: it is still last if this is here
    std::int16_t word = 0;  ///< the frame word that was stored; the value that was computed; the guest base
    Reg reg{};              ///< stored
    std::int32_t disp = 0;  ///< from the guest base
    std::int32_t host_disp = 0;  ///< from the host base, which is `a`: x27 if there is none yet
    Reg a{}, b{};                ///< operands
    bool wide = true;
    asmjit::arm::Shift by{asmjit::arm::ShiftOp::kLSL, 0};
  };
  void forget_last() { last_.kind = Last::Kind::none; }
  void take_back_last();
  /// Whether what was emitted last computes `v`, in the way and width given, for the current instruction
  /// alone, so that this one can do both. Fetch the other operands first.
  bool merges_with_last(Last::Kind kind, const Inst& inst, Value v, std::uint16_t next, bool wide);

  std::vector<Judged> judged_;
  std::vector<Judged> judgements_;  ///< all of the block, one judgement's after the other's
  std::size_t kept_operands_ = 0;   ///< of kKeptOperands, in use
  /// Float registers that are known not to hold negative numbers. It saves the comparison an instruction; a
  /// mistake would cost time, no more.
  std::uint64_t not_negative_ = 0;

  Value flags_;  ///< holds what get_fflags gave, which has no other bits

  Last last_;
  struct FarLiteral {
    std::uint32_t offset;
    std::size_t site;
  };
  std::vector<FarLiteral> far_literals_;
  struct Literal {
    asmjit::Label label;
    std::uint64_t value;
    bool narrow;  ///< 32 bits, which the load extends
  };
  std::vector<Literal> literals_;
  /// kHostBases[i] holds mem_base + the value of `word` - offset; word none: nothing.
  struct HostBase {
    Value value;
    std::int64_t offset = 0;
  };
  std::array<HostBase, 2> host_bases_{};
  std::uint8_t next_host_base_ = 0;
  friend EmitterBase;
  friend class codegen::RegisterCache<Emitter>;
};

}  // namespace ashlar::host_a64

// Instantiated in emitter.cpp.
extern template class ashlar::host::EmitterBase<ashlar::host_a64::Emitter, asmjit::a64::Assembler>;
