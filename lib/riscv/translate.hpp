// Turns guest code into one block. For frontend.cpp; the methods are spread over translate_*.cpp by
// extension, one for each row of encodings.inc, so that a row without a translation does not link.
//
// What every method keeps: the state is exact at each guest instruction's boundary (an engine may stop there
// when fuel is spent), x0 is never a destination, and what may fault or accumulate flags happens even if its
// result goes to x0.
#pragma once

#include <cstdint>

#include <ashlar/block_builder.hpp>
#include <ashlar/frontend.hpp>
#include <ashlar/riscv.hpp>

#include "riscv/identify.hpp"
#include "riscv/translate_fetch.hpp"

namespace ashlar::riscv {

/// Ids of the front end's helpers (frontend.cpp has the table).
enum HelperId : unsigned { kHelperClock };

/// In the order of the IR's set_*, exit_* and br_* opcodes, each followed by its immediate form.
enum class Condition : std::uint8_t { eq, ne, lts, ltu, ges, geu };

/// A comparison as far as the block's known constants decide or simplify it.
struct Test {
  enum class Kind : std::uint8_t { never, always, registers, immediate };
  Kind kind = Kind::registers;
  Condition condition = Condition::eq;
  ir::Value a, b;
  std::int32_t imm = 0;
};

class Translator {
 public:
  using Opcode = ir::Opcode;
  using Value = ir::Value;

  Translator(BlockKey key, GuestMemory& memory, const TranslateLimits& limits, BlockBuilder& out);
  TranslateResult run();

 private:
#define ASHLAR_RISCV_OP(op, mnemonic, mask, match, format, extension) void op_##op(Word d);
#include "riscv/encodings.inc"
  using Method = void (*)(Translator&, std::uint32_t word);
  static const Method kMethods[op_count + 1];  // by number of the operation

  // --- operands
  static Value source(unsigned n) { return n == 0 ? Value::zero() : Value::slot(x(n)); }
  static Value fsource(unsigned n) { return Value::slot(f(n)); }
  /// Register n as a destination, whose value is not known from now on. n must not be 0.
  Value dest(unsigned n) {
    known_ &= ~(1u << n);
    return Value::slot(x(n));
  }
  Value dest_or_temp(unsigned n) { return n == 0 ? temp() : dest(n); }
  Value temp() {
    ++temps_;
    return out_.temp();
  }
  Value constant(std::uint64_t value);

  // --- known constants; x0 is one
  bool is_known(unsigned n) const { return (known_ >> n & 1) != 0; }
  std::uint64_t known(unsigned n) const { return values_[n]; }
  /// Sets register n to a constant; nothing for x0.
  void set_constant(unsigned n, std::uint64_t value);
  void copy(unsigned rd, unsigned rs);

  // --- shapes that many instructions share; they do nothing if rd is x0
  void unary(Opcode op, Word d) {
    if (d.rd() != 0) out_.r(op, dest(d.rd()), source(d.rs1()));
  }
  void binary(Opcode op, Word d) {
    if (d.rd() != 0) out_.rr(op, dest(d.rd()), source(d.rs1()), source(d.rs2()));
  }
  void binary_imm(Opcode op, Word d) { binary_with(op, d, d.imm()); }
  void shift_imm(Opcode op, Word d) { binary_with(op, d, d.shift_amount()); }
  void binary_with(Opcode op, Word d, std::int32_t imm) {
    if (d.rd() != 0) out_.ri(op, dest(d.rd()), source(d.rs1()), imm);
  }
  void shift_pair(Opcode shift, Opcode field, Word d);

  // --- comparisons and control (translate_control.cpp)
  Test compare(Condition condition, unsigned rs1, unsigned rs2) const;
  Test compare_imm(Condition condition, unsigned rs1, std::int64_t imm) const;
  void set_if(unsigned rd, const Test& test);
  void branch(Condition condition, Word d);
  /// Goes on at `target`: within this block if the limits allow it, else by a jump.
  void go_to(std::uint64_t target);
  bool is_join(std::uint64_t addr) const {
    return (join_filter_ >> (addr >> 1 & 63) & 1) != 0 && is_listed_join(addr);
  }
  bool is_listed_join(std::uint64_t addr) const;
  void add_join(std::uint64_t addr) {
    if (join_count_ == kMaxJoins) return;
    joins_[join_count_++] = addr;
    join_filter_ |= std::uint64_t{1} << (addr >> 1 & 63);
  }
  bool is_covered(std::uint64_t addr) const;
  void begin_segment(std::uint64_t addr);
  void illegal() { end_with_stop(ir::StopReason::illegal_instruction, pc_); }
  void end_with_stop(ir::StopReason reason, std::uint64_t resume) {
    out_.stop(reason, {resume});
    ended_ = true;
  }

  // --- memory and atomics
  void load(Opcode op, Word d);
  void store(Opcode op, Word d);
  void amo(Opcode op, Word d);

  // --- bit manipulation
  void shift_add(Word d, unsigned count);
  void shift_add_word(Word d, unsigned count);

  // --- floating point; the rounding mode is static: the instruction's, or the block's mode
  bool rounding(Word d, unsigned& mode);
  void float_binary(Opcode op, Word d);
  void float_binary_rounded(Opcode op, Word d);
  void float_unary_rounded(Opcode op, Word d);
  void float_fused(Opcode op, Word d);
  void float_compare(Opcode op, Word d);
  void float_to_int(Opcode op, Word d, bool sign_extend = false);
  void int_to_float(Opcode op, Word d);

  // --- CSRs (translate_csr.cpp)
  enum class CsrChange : std::uint8_t { write, set, clear };
  struct CsrOperand {
    bool is_constant;
    std::uint64_t value;  // if constant
    Value reg;            // otherwise
  };
  void csr(Word d, CsrChange change, bool immediate);
  void csr_fflags(Word d, CsrChange change, const CsrOperand& operand, bool writes);
  void csr_frm(Word d, CsrChange change, const CsrOperand& operand, bool writes);
  void csr_fcsr(Word d, CsrChange change, const CsrOperand& operand, bool writes);
  Value csr_changed(CsrChange change, Value old, const CsrOperand& operand, unsigned mask);
  void end_with_mode_change();

  static constexpr unsigned kMaxGuestInsts = 512;  // within the IR's limits on instructions and exits
  static constexpr unsigned kMaxSegments = ir::Block::kMaxRanges;
  static constexpr unsigned kMostTempsOfOne = 8;  // an instruction takes no more temporaries than this

  BlockBuilder& out_;
  CodeWindow window_;
  const BlockKey key_;
  const unsigned limit_;
  const bool extend_;
  const unsigned mode_;  // frm

  std::uint64_t pc_;        // of the instruction being translated
  std::uint64_t next_ = 0;  // of the one to translate next: behind it, or a followed jump's target
  unsigned count_ = 0;      // guest instructions so far, this one included
  unsigned temps_ = 0;
  bool ended_ = false;  // a terminal has been appended

  // The block's guest code: stretches that are complete, and the one that grows at pc_.
  struct Segment {
    std::uint64_t begin, size;
  };
  Segment segments_[kMaxSegments];  // not initialised: translating a block costs less than a microsecond
  unsigned segment_count_ = 0;
  std::uint64_t segment_begin_ = 0;
  std::uint64_t stop_at_ = 0;  // the next beginning of a complete stretch; segment_begin_ if there is none

  // The last slli that left its source alive, for shift_pair.
  struct {
    unsigned at = 0;  // its count_; 0: none
    std::uint8_t rd = 0, rs1 = 0, amount = 0;
  } slli_;

  /// Targets of side exits that lie ahead: where the block comes to them, they join it.
  static constexpr unsigned kMaxJoins = 16;
  std::uint64_t joins_[kMaxJoins];
  unsigned join_count_ = 0;
  std::uint64_t join_filter_ = 0;  // a bit for bits 6:1 of each
  /// Side exits that have not turned out to be joins. With each of them less of what follows is executed, and
  /// their targets are translated again as blocks of their own, which overlap with this one.
  static constexpr unsigned kMostOpenExits = 3;
  unsigned open_exits_ = 0;
  std::uint32_t known_ = 1;  // bit n: values_[n] is what register n holds
  std::uint64_t values_[32];
};

}  // namespace ashlar::riscv
