// asmjit's assembler with a short way for the instructions that make up most of the emitted code, and for
// labels: members of the same names hide asmjit's and write the same bytes in a tenth of the time, because
// they need not find out what kind of operands they have. Everything else, and everything while somebody
// logs, goes to asmjit. Used by the x64 compiler.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <asmjit/x86.h>

namespace ashlar::host_x64 {

/// Arithmetic by its number in opcodes and in ModRM.
enum class Alu : std::uint8_t { add = 0, or_ = 1, and_ = 4, sub = 5, xor_ = 6, cmp = 7 };
/// Shifts and rotations by their number in ModRM.
enum class Shift : std::uint8_t { rol = 0, ror = 1, shl = 4, shr = 5, sar = 7 };

/// Memory at rbp plus a displacement, as most operands in memory are.
struct FrameMem {
  std::int32_t displacement;
  std::uint32_t size;
  operator asmjit::x86::Mem() const { return asmjit::x86::Mem(asmjit::x86::rbp, displacement, size); }
};

/// Memory at r15, where guest memory begins, plus register number `index`, not rsp, plus a displacement.
struct GuestMem {
  std::uint32_t index;
  std::int32_t displacement;
  std::uint32_t size;
  operator asmjit::x86::Mem() const {
    return asmjit::x86::Mem(asmjit::x86::r15, asmjit::x86::gpq(index), 0, displacement, size);
  }
};

/// Operands are 4 or 8 bytes wide, both the same, unless a member says otherwise. What almost every guest
/// instruction needs goes by register numbers: asmjit's operands, of 16 bytes, are then never in memory.
class Assembler final : public asmjit::x86::Assembler {
 public:
  using Base = asmjit::x86::Assembler;
  using Gp = asmjit::x86::Gp;
  using Xmm = asmjit::x86::Xmm;
  using Mem = asmjit::x86::Mem;
  using Imm = asmjit::Imm;
  using Label = asmjit::Label;
  using Operand = asmjit::Operand;
  using CondCode = asmjit::x86::CondCode;

  /// Starts again with nothing written. The labels until now are gone. A code holder must be attached, and a
  /// logger be set or not.
  void restart();

  // --- labels. A label is one of asmjit's while somebody logs, else a number in `labels_`.
  Label newLabel() override {
    if (label_count_ == labels_.size()) return more_labels();
    labels_[label_count_] = {};
    return Label(label_count_++);
  }
  asmjit::Error bind(const Label& label) override;
  void jmp(const Label& to);
  void call(const Label& to);
  void j(CondCode cond, const Label& to);
#define ASHLAR_JUMP(name, cond) \
  void name(const Label& to) { j(CondCode::cond, to); }
  ASHLAR_JUMP(ja, kA)
  ASHLAR_JUMP(jb, kB)
  ASHLAR_JUMP(jbe, kBE)
  ASHLAR_JUMP(jc, kC)
  ASHLAR_JUMP(je, kE)
  ASHLAR_JUMP(jne, kNE)
  ASHLAR_JUMP(jnz, kNZ)
  ASHLAR_JUMP(jo, kO)
  ASHLAR_JUMP(jp, kP)
  ASHLAR_JUMP(js, kS)
  ASHLAR_JUMP(jz, kZ)
#undef ASHLAR_JUMP

  // --- control without labels
  void jmp(const Mem& to);
  void jmp(FrameMem to);
  void call(FrameMem to);
  void call(const Mem& to);
  void ret();

  // --- integers
  void alu(Alu op, bool wide, std::uint32_t to, std::uint32_t from);
  void alu(Alu op, bool wide, std::uint32_t to, FrameMem from);
  void alu_immediate(Alu op, bool wide, std::uint32_t to, std::int64_t by);
  void alu(Alu op, const Gp& to, const Gp& from) { alu(op, to.isGpq(), to.id(), from.id()); }
  void alu(Alu op, const Gp& to, FrameMem from) { alu(op, to.isGpq(), to.id(), from); }
  void alu(Alu op, const Gp& to, const Imm& by) { alu_immediate(op, to.isGpq(), to.id(), by.value()); }
  void alu(Alu op, const Gp& to, const Mem& from);
  void alu(Alu op, const Mem& to, const Gp& from);
  void alu(Alu op, FrameMem to, const Gp& from);
  void alu(Alu op, const Mem& to, const Imm& by);
  void alu(Alu op, FrameMem to, const Imm& by);
  /// Registers or memory, not both memory.
  void alu(Alu op, const Operand& to, const Operand& from);
  void alu(Alu op, const Operand& to, const Imm& by);
#define ASHLAR_ALU(name)                      \
  template <typename To, typename From>       \
  void name(const To& to, const From& from) { \
    alu(Alu::name, plain(to), plain(from));   \
  }
  ASHLAR_ALU(add)
  ASHLAR_ALU(or_)
  ASHLAR_ALU(and_)
  ASHLAR_ALU(sub)
  ASHLAR_ALU(xor_)
  ASHLAR_ALU(cmp)
#undef ASHLAR_ALU

  void shift(Shift op, bool wide, std::uint32_t to, std::uint32_t by);
  void shift(Shift op, const Gp& to, const Imm& by) {
    shift(op, to.isGpq(), to.id(), static_cast<std::uint32_t>(by.value()) & 0xff);
  }
  /// By cl.
  void shift(Shift op, const Gp& to);
  void shl(const Gp& to, const Imm& by) { shift(Shift::shl, to, by); }
  void shr(const Gp& to, const Imm& by) { shift(Shift::shr, to, by); }
  void sar(const Gp& to, const Imm& by) { shift(Shift::sar, to, by); }

  void mov(bool wide, std::uint32_t to, std::uint32_t from);
  void mov(bool wide, std::uint32_t to, FrameMem from);
  void mov(FrameMem to, bool wide, std::uint32_t from);
  /// All of the register.
  void mov_immediate(bool wide, std::uint32_t to, std::int64_t value);
  void mov(const Gp& to, const Gp& from) { mov(to.isGpq(), to.id(), from.id()); }
  void mov(const Gp& to, FrameMem from) { mov(to.isGpq(), to.id(), from); }
  void mov(const Gp& to, const Mem& from);
  /// `from` of 4 or 8 bytes.
  void mov(FrameMem to, const Gp& from) { mov(to, from.isGpq(), from.id()); }
  /// `from` of any size but the second byte of a register.
  void mov(const Mem& to, const Gp& from);
  void mov(const Gp& to, const Imm& value) { mov_immediate(to.isGpq(), to.id(), value.value()); }
  void mov(const Mem& to, const Imm& value);
  void mov(FrameMem to, const Imm& value);
  /// Of `from`'s size, extended to 8 bytes.
  void load(std::uint32_t to, GuestMem from, bool is_signed);
  /// Of `to`'s size.
  void store(GuestMem to, std::uint32_t from);
  /// Adds 1 to the 8 bytes that a register points at.
  void increment_at(std::uint32_t base);
  /// al = `cond`.
  void set_al(CondCode cond);
  void test(bool wide, std::uint32_t a, std::uint32_t b);
  void test(const Gp& a, const Gp& b) { test(a.isGpq(), a.id(), b.id()); }
  void test(const Mem& a, const Imm& b) { Base::test(a, b); }
  void test(const Gp& a, const Imm& b) { Base::test(a, b); }
  /// `from` may be a label, too.
  void lea(const Gp& to, const Mem& from);
  /// A sum, or one with a constant.
  void lea_sum(bool wide, std::uint32_t to, std::uint32_t a, std::uint32_t b);
  void lea_sum_immediate(bool wide, std::uint32_t to, std::uint32_t a, std::int32_t by);
  void imul(bool wide, std::uint32_t to, std::uint32_t from);
  void imul(const Gp& to, const Gp& from) { imul(to.isGpq(), to.id(), from.id()); }
  void imul(const Gp& to, const Mem& from);
  /// From 4 bytes to 8.
  void movsxd(std::uint32_t to, std::uint32_t from);
  void movsxd(const Gp& to, const Gp& from) { movsxd(to.id(), from.id()); }
  void movsxd(const Gp& to, const Mem& from);
  /// From 1 or 2 bytes.
  void movzx(const Gp& to, const Gp& from);
  void movzx(const Gp& to, const Mem& from);
  void movsx(const Gp& to, const Gp& from);
  void movsx(const Gp& to, const Mem& from);
  /// From a register or memory.
#define ASHLAR_FROM_OPERAND(name)                \
  void name(const Gp& to, const Operand& from) { \
    if (from.isMem()) {                          \
      name(to, from.as<Mem>());                  \
    } else {                                     \
      name(to, from.as<Gp>());                   \
    }                                            \
  }
  ASHLAR_FROM_OPERAND(mov)
  ASHLAR_FROM_OPERAND(imul)
  ASHLAR_FROM_OPERAND(movsxd)
  ASHLAR_FROM_OPERAND(movzx)
  ASHLAR_FROM_OPERAND(movsx)
#undef ASHLAR_FROM_OPERAND

  // --- floats
  void movsd(const Xmm& to, const Mem& from);
  void movsd(const Xmm& to, FrameMem from);
  void movsd(const Mem& to, const Xmm& from);
  void movsd(FrameMem to, const Xmm& from);
  void movss(const Xmm& to, const Mem& from);
  void movss(const Mem& to, const Xmm& from);
  void movaps(const Xmm& to, const Xmm& from);

  asmjit::Error embed(const void* data, std::size_t size) override;
  // Where asmjit comes when it writes an instruction.
  asmjit::Error _emit(asmjit::InstId id, const asmjit::Operand_& o0, const asmjit::Operand_& o1,
                      const asmjit::Operand_& o2, const asmjit::Operand_* more) override;

 private:
  class Encoder;
  friend class Encoder;
  struct OwnLabel {
    std::int32_t at = kNowhere;
    std::int32_t last_use = kNowhere;  ///< in `uses_`
  };
  /// A displacement of four bytes that waits for its label.
  struct Use {
    std::int32_t at;
    std::int32_t previous;
  };
  static constexpr std::int32_t kNowhere = -1;

  /// Register and memory types without those that asmjit derives from them.
  static const Gp& plain(const Gp& r) { return r; }
  static const Mem& plain(const Mem& m) { return m; }
  static FrameMem plain(FrameMem m) { return m; }
  static const Imm& plain(const Imm& i) { return i; }
  static const Operand& plain(const Operand& o) { return o; }

  /// Nobody logs, and there is space for an instruction.
  bool is_short() const { return _bufferPtr < short_until_; }
  bool is_short(const Mem& mem) const { return is_short() && mem.baseType() == asmjit::RegType::kX86_Gpq; }
  void set_limit();
  void make_space();
  Label more_labels();
  void widen(asmjit::InstId id, std::uint32_t opcode, const Gp& to, const Gp& from);
  void widen(asmjit::InstId id, std::uint32_t opcode, const Gp& to, const Mem& from);
  void move_scalar(asmjit::InstId id, std::uint32_t prefix, bool store, const Xmm& r, const Mem& mem);

  /// Short forms may begin below this; null while somebody logs. The buffer moves only while asmjit writes.
  const std::uint8_t* short_until_ = nullptr;
  std::vector<OwnLabel> labels_;  ///< room for them; none while somebody logs
  std::vector<Use> uses_;
  std::uint32_t label_count_ = 0, use_count_ = 0;
  bool own_labels_ = false;
};

}  // namespace ashlar::host_x64
