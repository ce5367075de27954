// The encodings of the common forms (AMD64 Architecture Programmer's Manual, volume 3, chapter 1 and appendix
// A): [REX] opcode ModRM [SIB] [displacement] [immediate].
#include "host/x64/assembler.hpp"

#include <cstring>

namespace ashlar::host_x64 {

using asmjit::Operand_;
namespace x86 = asmjit::x86;
namespace Inst = x86::Inst;

namespace {

/// Builds one instruction.
class Encoder {
 public:
  explicit Encoder(std::uint8_t* at) : at_(at) {}
  std::uint8_t* end() const { return at_; }

  /// What ModRM and REX need to know of a register or memory operand. False: not one of the common forms.
  bool set_rm(const Operand_& o) {
    if (o.isReg()) {
      rm_ = o.id();
      is_mem_ = false;
      return true;
    }
    const auto& mem = o.as<x86::Mem>();
    if (!mem.hasBaseReg() || mem.baseType() != asmjit::RegType::kX86_Gpq || mem.hasSegment() ||
        (mem.hasIndex() && mem.indexType() != asmjit::RegType::kX86_Gpq))
      return false;
    is_mem_ = true;
    rm_ = mem.baseId();
    index_ = mem.hasIndex() ? mem.indexId() : kNoIndex;
    shift_ = mem.shift();
    disp_ = mem.offsetLo32();
    return index_ != 4;
  }

  /// `byte_reg`, `byte_rm`: a register operand of 8 bits, which needs a REX prefix for spl to dil.
  void put(bool wide, std::uint32_t opcode, std::uint32_t reg, bool byte_reg = false, bool byte_rm = false) {
    const std::uint32_t x = is_mem_ && index_ != kNoIndex ? index_ >> 3 : 0;
    const std::uint32_t rex = (wide ? 8u : 0u) | (reg >> 3) << 2 | x << 1 | rm_ >> 3;
    if (rex != 0 || (byte_reg && reg >= 4) || (byte_rm && !is_mem_ && rm_ >= 4)) byte(0x40 | rex);
    if (opcode > 0xff) byte(opcode >> 8);
    byte(opcode);
    const std::uint32_t field = (reg & 7) << 3;
    if (!is_mem_) {
      byte(0xc0 | field | (rm_ & 7));
      return;
    }
    const bool sib = index_ != kNoIndex || (rm_ & 7) == 4;
    const bool none = disp_ == 0 && (rm_ & 7) != 5;
    const bool small = disp_ >= -128 && disp_ <= 127;
    const std::uint32_t mod = none ? 0u : small ? 0x40u : 0x80u;
    byte(mod | field | (sib ? 4 : rm_ & 7));
    if (sib) byte(shift_ << 6 | (index_ == kNoIndex ? 4u : index_ & 7) << 3 | (rm_ & 7));
    if (none) return;
    if (small) {
      byte(static_cast<std::uint32_t>(disp_));
    } else {
      imm32(disp_);
    }
  }
  void byte(std::uint32_t value) { *at_++ = static_cast<std::uint8_t>(value); }
  void imm32(std::int32_t value) {
    std::memcpy(at_, &value, 4);
    at_ += 4;
  }

 private:
  static constexpr std::uint32_t kNoIndex = 0xff;
  std::uint8_t* at_;
  bool is_mem_ = false;
  std::uint32_t rm_ = 0, index_ = kNoIndex, shift_ = 0;
  std::int32_t disp_ = 0;
};

/// The number of an arithmetic instruction in its opcodes and ModRM; -1 for others.
int arithmetic_number(asmjit::InstId id) {
  switch (id) {
    case Inst::kIdAdd:
      return 0;
    case Inst::kIdOr:
      return 1;
    case Inst::kIdAnd:
      return 4;
    case Inst::kIdSub:
      return 5;
    case Inst::kIdXor:
      return 6;
    case Inst::kIdCmp:
      return 7;
    default:
      return -1;
  }
}

int shift_number(asmjit::InstId id) {
  switch (id) {
    case Inst::kIdRol:
      return 0;
    case Inst::kIdRor:
      return 1;
    case Inst::kIdShl:
      return 4;
    case Inst::kIdShr:
      return 5;
    case Inst::kIdSar:
      return 7;
    default:
      return -1;
  }
}

bool is_word(const Operand_& o) { return x86::Reg::isGpq(o) || x86::Reg::isGpd(o); }

}  // namespace

asmjit::Error Assembler::_emit(asmjit::InstId id, const Operand_& o0, const Operand_& o1, const Operand_& o2,
                               const Operand_* more) {
  constexpr std::size_t kLongest = 16;
  const bool plain =
      (static_cast<std::uint32_t>(instOptions()) | static_cast<std::uint32_t>(forcedInstOptions())) == 0 &&
      inlineComment() == nullptr && o2.isNone() && remainingSpace() >= kLongest;
  if (plain && emit_short(id, o0, o1)) return asmjit::kErrorOk;
  return asmjit::x86::Assembler::_emit(id, o0, o1, o2, more);
}

bool Assembler::emit_short(asmjit::InstId id, const Operand_& o0, const Operand_& o1) {
  Encoder code(_bufferPtr);
  const bool reg0 = is_word(o0), reg1 = is_word(o1);
  if (const int number = arithmetic_number(id); number >= 0) {
    const auto opcode = static_cast<std::uint32_t>(number) << 3;
    if (reg0 && reg1 && o0.size() == o1.size()) {
      code.set_rm(o0);
      code.put(o0.size() == 8, opcode | 1, o1.id());
    } else if (reg0 && o1.isMem()) {
      if (!code.set_rm(o1)) return false;
      code.put(o0.size() == 8, opcode | 3, o0.id());
    } else if (o0.isMem() && reg1) {
      if (!code.set_rm(o0)) return false;
      code.put(o1.size() == 8, opcode | 1, o1.id());
    } else if (o1.isImm() && (reg0 || (o0.isMem() && (o0.size() == 4 || o0.size() == 8)))) {
      std::int64_t imm = o1.as<asmjit::Imm>().value();
      if (o0.size() == 4) imm = static_cast<std::int32_t>(imm);
      const bool small = imm >= -128 && imm <= 127;
      if (imm != static_cast<std::int32_t>(imm) || (!small && reg0 && o0.id() == 0)) return false;
      if (!code.set_rm(o0)) return false;
      code.put(o0.size() == 8, small ? 0x83 : 0x81, static_cast<std::uint32_t>(number));
      if (small) {
        code.byte(static_cast<std::uint32_t>(imm));
      } else {
        code.imm32(static_cast<std::int32_t>(imm));
      }
    } else {
      return false;
    }
  } else if (const int shift = shift_number(id); shift >= 0) {
    if (!reg0 || !o1.isImm()) return false;
    const auto count = static_cast<std::uint32_t>(o1.as<asmjit::Imm>().value()) & 0xff;
    code.set_rm(o0);
    code.put(o0.size() == 8, count == 1 ? 0xd1 : 0xc1, static_cast<std::uint32_t>(shift));
    if (count != 1) code.byte(count);
  } else {
    switch (id) {
      case Inst::kIdMov:
        if (reg0 && reg1 && o0.size() == o1.size()) {
          code.set_rm(o0);
          code.put(o0.size() == 8, 0x89, o1.id());
        } else if (reg0 && o1.isMem()) {
          if (!code.set_rm(o1)) return false;
          code.put(o0.size() == 8, 0x8b, o0.id());
        } else if (o0.isMem() && reg1) {
          if (!code.set_rm(o0)) return false;
          code.put(o1.size() == 8, 0x89, o1.id());
        } else if (o0.isMem() && x86::Reg::isGpb(o1) && o1.as<x86::Reg>().isGpbLo()) {
          if (!code.set_rm(o0)) return false;
          code.put(false, 0x88, o1.id(), true);
        } else {
          return false;
        }
        break;
      case Inst::kIdTest:
        if (!reg0 || !reg1 || o0.size() != o1.size()) return false;
        code.set_rm(o0);
        code.put(o0.size() == 8, 0x85, o1.id());
        break;
      case Inst::kIdLea:
        if (!reg0 || !o1.isMem() || !code.set_rm(o1)) return false;
        code.put(o0.size() == 8, 0x8d, o0.id());
        break;
      case Inst::kIdMovsxd:
        if (!x86::Reg::isGpq(o0) || !(x86::Reg::isGpd(o1) || (o1.isMem() && o1.size() == 4))) return false;
        if (!code.set_rm(o1)) return false;
        code.put(true, 0x63, o0.id());
        break;
      case Inst::kIdImul:
        if (!reg0 || !(o1.isMem() || (reg1 && o0.size() == o1.size())) || !code.set_rm(o1)) return false;
        code.put(o0.size() == 8, 0x0faf, o0.id());
        break;
      case Inst::kIdMovzx:
      case Inst::kIdMovsx: {
        const std::uint32_t size = o1.size();
        const bool byte = size == 1;
        if (!reg0 || (!byte && size != 2) || !(o1.isReg() || o1.isMem())) return false;
        if (byte && o1.isReg() && !o1.as<x86::Reg>().isGpbLo()) return false;
        if (!code.set_rm(o1)) return false;
        code.put(o0.size() == 8, (id == Inst::kIdMovzx ? 0x0fb6u : 0x0fbeu) | (byte ? 0u : 1u), o0.id(),
                 false, byte);
        break;
      }
      default:
        return false;
    }
  }
  _bufferPtr = code.end();
  return true;
}

}  // namespace ashlar::host_x64
