// Emits one block as x86-64 code: one member per IR opcode, called in order by codegen::lower. Uses the
// assembler, the plan and the register cache; knows nothing of caches, locks or logging. Used by the x64
// compiler (backend.cpp).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <ashlar/ir.hpp>
#include <ashlar/vcpu_frame.hpp>

#include "codegen/backend.hpp"
#include "host/common/emitter_base.hpp"
#include "host/x64/assembler.hpp"
#include "host/x64/regs.hpp"

namespace ashlar::host_x64 {

using codegen::Knowledge;
using codegen::Way;
using host::Condition;
using ir::Inst;
using ir::Value;

class Emitter;
using EmitterBase = host::EmitterBase<Emitter, Assembler>;

class Emitter : public EmitterBase {
 public:
  Emitter(Assembler& as, const codegen::HostFeatures& features) : EmitterBase(as, features) {}

  static constexpr std::uint64_t kCacheable = all_cacheable();
  static constexpr bool kEveryBlockGoesRound = false;
  static constexpr bool kLinksConditionalBranches = true;
  static constexpr Reg kRuntimeResult = Reg::integer(kRax);

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
    bool is_mem() const { return kind == Kind::mem; }
    bool is(Reg r) const { return is_reg() && reg == r; }
  };
  /// An integer, all of it if `whole`, else its low half alone: in line where it is in a register already.
  Operand integer(Value v, std::uint16_t next, bool whole) {
    if (v.is_zero()) return {Operand::Kind::zero, {}, 0};
    const Reg r = cache_.where(v);
    if (r.is_none()) return integer_from_frame(v, next);
    cache_.note_use(r, next);
    if (whole) cache_.settle(r);
    return {Operand::Kind::reg, r, v.word};
  }
  [[gnu::noinline]] Operand integer_from_frame(Value v, std::uint16_t next);
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
  Reg in_register(Operand o);
  /// As an asmjit operand of `bits` (8, 16, 32, 64): a register or the low bytes of the frame's word. Zero
  /// goes through rax.
  asmjit::Operand rm(Operand o, unsigned bits);
  void load(const x86::Gp& to, Operand o) { load(to.isGpq(), to.id(), o); }
  /// Into all of register number `to`, or its low half and zeros.
  void load(bool wide, std::uint32_t to, Operand o);
  /// to = to op from.
  void operate(Alu op, bool wide, std::uint32_t to, Operand from);
  static Reg rax() { return Reg::integer(kRax); }

  // Integer families (emit_int.cpp). One copy of each: compiling a block goes through so much code that a
  // copy in each opcode's member costs more, in instruction cache, than the calls.
  [[gnu::noinline]] void alu(const Inst& inst, Alu op, bool commutative, Extend extend);
  [[gnu::noinline]] void alu_imm(const Inst& inst, Alu op, Extend extend);
  [[gnu::noinline]] void add_imm(const Inst& inst, Extend extend);
  [[gnu::noinline]] void scaled_add(const Inst& inst, unsigned bits);
  [[gnu::noinline]] void shift(const Inst& inst, Shift op, InstId bmi2, Extend extend);
  [[gnu::noinline]] void shift_imm(const Inst& inst, Shift op, Extend extend);
  [[gnu::noinline]] void multiply(const Inst& inst, Extend extend);
  void multiply_high(const Inst& inst, bool is_signed);
  void divide(const Inst& inst, bool is_signed, bool remainder, bool wide);
  void min_max(const Inst& inst, x86::CondCode cc);
  [[gnu::noinline]] void extend(const Inst& inst, unsigned bits, bool is_signed);
  [[gnu::noinline]] void bit_field(const Inst& inst, bool is_signed);
  void count_zeros(const Inst& inst, bool leading, bool wide);
  void population(const Inst& inst, bool wide);
  void bit_op(const Inst& inst, InstId id);
  void bit_op_imm(const Inst& inst, InstId id);
  [[gnu::noinline]] void set_if(const Inst& inst, Condition cond, bool immediate);
  static bool is_bitwise(Alu op);
  void finish32(Reg dst, Extend extend);

  // Comparisons and exits (emit_control.cpp).
  /// Emits the comparison alone; `compare_at_` is where it stands.
  x86::CondCode compare(const Inst& inst, Condition cond, bool immediate);
  static bool is_never(x86::CondCode) { return false; }
  void branch_if(x86::CondCode cc, const asmjit::Label& label) { as_.j(cc, label); }
  void jump(const asmjit::Label& label) { as_.jmp(label); }
  void compare_attention();
  void align_loop();
  void branch_if_attention(const asmjit::Label& label);
  void branch_unless_attention(const asmjit::Label& label);
  void branch_if_exit_wanted(const asmjit::Label& label);
  [[gnu::noinline]] void branch(const Inst& inst, Condition cond, bool immediate);
  void store_guest_addr(std::int32_t offset, std::uint64_t value);
  void indirect(const Inst& inst);
  /// A guest call with a known return site (linked code): `transfer` emits the host's call instruction.
  void call_and_return(std::uint16_t target_exit, std::uint16_t return_exit,
                       const std::function<void()>& transfer);

  void store_helper_args(const Inst& inst);
  void set_up_helper(GuestAddr pc, std::int32_t helper);
  void return_single(std::uint32_t value);
  /// The frame's pc, and mode if wanted. Destroys rax.
  void store_key(const BlockKey& key, bool mode_too);
  void charge_fuel(std::uint32_t count, const asmjit::Label& label);
  void add_fuel(std::int32_t count);
  void count_execution(std::uint64_t* counter);
  void branch_if_counted(const asmjit::Label& label) { as_.jz(label); }

  // Exit sites (emitter.cpp).
  void start_host() { float_table_used_ = false; }
  void finish_host();
  void link_jump(std::size_t site);
  void link_call(std::size_t site);
  void link_branch(std::size_t site, x86::CondCode cc) { link_branch(site, cc, compare_at_); }
  /// A jcc whose displacement can be patched. What stands in front of it, from `fused_from`, is emitted again
  /// behind the padding that this may need: a compare, for fusion.
  void link_branch(std::size_t site, x86::CondCode cc, std::uint32_t fused_from);
  void pad_to_patchable(std::uint32_t opcode_bytes);
  static std::uint32_t padding_for(std::uint32_t displacement_at);
  /// 1 to 9 bytes that do nothing, as one instruction.
  void pad(std::uint32_t bytes);
  /// These bytes, as these lines in the listing.
  void emit_as(std::span<const std::uint8_t> code, std::string_view lines);
  void call_entry(codegen::RuntimeEntry entry);
  void jump_entry(codegen::RuntimeEntry entry);
  FrameMem entry_mem(codegen::RuntimeEntry entry);

  // Memory (emit_memory.cpp).
  GuestMem address(const Inst& inst, std::int32_t disp, std::uint32_t size, const FaultPoint& point);
  Reg address_base(const Inst& inst);
  [[gnu::noinline]] void load_int(const Inst& inst, std::uint32_t size, bool is_signed);
  [[gnu::noinline]] void store_int(const Inst& inst, std::uint32_t size);
  [[gnu::noinline]] void load_float(const Inst& inst, std::uint32_t size);
  [[gnu::noinline]] void store_float(const Inst& inst, std::uint32_t size);
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

  std::uint32_t compare_at_ = 0;
  std::vector<std::uint8_t> compare_again_;  ///< the final branch's compare
  std::string compare_lines_;                ///< the same in the listing
  asmjit::Label float_table_;
  bool float_table_used_ = false;

  friend EmitterBase;
  friend class codegen::RegisterCache<Emitter>;
};

}  // namespace ashlar::host_x64

// Instantiated in emitter.cpp.
extern template class ashlar::host::EmitterBase<ashlar::host_x64::Emitter, ashlar::host_x64::Assembler>;
