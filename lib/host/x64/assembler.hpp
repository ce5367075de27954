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

/// Operands are 4 or 8 bytes wide, both the same, unless a member says otherwise.
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
  Label newLabel() override;
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
  void call(const Mem& to);
  void ret();

  // --- integers
  void alu(Alu op, const Gp& to, const Gp& from);
  void alu(Alu op, const Gp& to, const Mem& from);
  void alu(Alu op, const Mem& to, const Gp& from);
  void alu(Alu op, const Gp& to, const Imm& by);
  void alu(Alu op, const Mem& to, const Imm& by);
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

  void shift(Shift op, const Gp& to, const Imm& by);
  /// By cl.
  void shift(Shift op, const Gp& to);
  void shl(const Gp& to, const Imm& by) { shift(Shift::shl, to, by); }
  void shr(const Gp& to, const Imm& by) { shift(Shift::shr, to, by); }
  void sar(const Gp& to, const Imm& by) { shift(Shift::sar, to, by); }

  void mov(const Gp& to, const Gp& from);
  void mov(const Gp& to, const Mem& from);
  /// `from` of any size but the second byte of a register.
  void mov(const Mem& to, const Gp& from);
  void mov(const Gp& to, const Imm& value);
  void mov(const Mem& to, const Imm& value);
  void test(const Gp& a, const Gp& b);
  void test(const Mem& a, const Imm& b) { Base::test(a, b); }
  void test(const Gp& a, const Imm& b) { Base::test(a, b); }
  /// `from` may be a label, too.
  void lea(const Gp& to, const Mem& from);
  void imul(const Gp& to, const Gp& from);
  void imul(const Gp& to, const Mem& from);
  /// From 4 bytes to 8.
  void movsxd(const Gp& to, const Gp& from);
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
  void movsd(const Mem& to, const Xmm& from);
  void movss(const Xmm& to, const Mem& from);
  void movss(const Mem& to, const Xmm& from);
  void movaps(const Xmm& to, const Xmm& from);

  asmjit::Error embed(const void* data, std::size_t size) override;

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
  static const Imm& plain(const Imm& i) { return i; }
  static const Operand& plain(const Operand& o) { return o; }

  bool is_short() const;
  bool is_short(const Mem& mem) const { return is_short() && mem.baseType() == asmjit::RegType::kX86_Gpq; }
  void make_space();
  void widen(asmjit::InstId id, std::uint32_t opcode, const Gp& to, const Gp& from);
  void widen(asmjit::InstId id, std::uint32_t opcode, const Gp& to, const Mem& from);
  void move_scalar(asmjit::InstId id, std::uint32_t prefix, bool store, const Xmm& r, const Mem& mem);

  std::vector<OwnLabel> labels_;
  std::vector<Use> uses_;
  bool own_labels_ = false;
};

}  // namespace ashlar::host_x64
