// The encodings of the common forms (AMD64 Architecture Programmer's Manual, volume 3, chapter 1 and appendix
// A): [prefix] [REX] opcode ModRM [SIB] [displacement] [immediate].
#include "host/x64/assembler.hpp"

#include <array>
#include <cstring>

namespace ashlar::host_x64 {

namespace I = asmjit::x86::Inst;

namespace {

constexpr bool is_small(std::int64_t value) { return value >= -128 && value <= 127; }
constexpr bool is_int32(std::int64_t value) { return value == static_cast<std::int32_t>(value); }

constexpr std::uint32_t opcode(Alu op) { return static_cast<std::uint32_t>(op) << 3; }
constexpr std::uint32_t number(Alu op) { return static_cast<std::uint32_t>(op); }

asmjit::InstId id_of(Alu op) {
  static constexpr std::array<asmjit::InstId, 8> kIds = {I::kIdAdd, I::kIdOr,  I::kIdNone, I::kIdNone,
                                                         I::kIdAnd, I::kIdSub, I::kIdXor,  I::kIdCmp};
  return kIds[static_cast<std::size_t>(op)];
}
asmjit::InstId id_of(Shift op) {
  static constexpr std::array<asmjit::InstId, 8> kIds = {I::kIdRol, I::kIdRor, I::kIdNone, I::kIdNone,
                                                         I::kIdShl, I::kIdShr, I::kIdNone, I::kIdSar};
  return kIds[static_cast<std::size_t>(op)];
}

/// What stands for no index in a SIB byte.
constexpr std::uint32_t kNoIndex = 4;

/// The longest instruction, and some: writers may write beyond what they have to write.
constexpr std::size_t kMargin = 24;

asmjit::x86::Gp gp(bool wide, std::uint32_t number) {
  return wide ? asmjit::x86::Gp(asmjit::x86::gpq(number)) : asmjit::x86::Gp(asmjit::x86::gpd(number));
}

/// The error handler has heard of errors.
void left_to(asmjit::Error) {}

}  // namespace

/// Writes one instruction. There must be space.
class Assembler::Encoder {
 public:
  explicit Encoder(Assembler& as) : as_(as), at_(as._bufferPtr) {}
  ~Encoder() { as_._bufferPtr = at_; }
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  /// `rex`: there is a byte register that is spl to dil only with a REX prefix.
  void reg_form(bool wide, std::uint32_t opcode, std::uint32_t reg, std::uint32_t rm, bool rex = false) {
    const std::uint32_t rex_bits = (wide ? 8u : 0u) | (reg >> 3) << 2 | rm >> 3;
    const std::uint32_t modrm = 0xc0 | (reg & 7) << 3 | (rm & 7);
    if (opcode > 0xff) {
      few((opcode >> 8) | (opcode & 0xff) << 8 | modrm << 16, 3, rex_bits, rex);
    } else {
      few(opcode | modrm << 8, 2, rex_bits, rex);
    }
  }
  /// With memory at rbp plus a displacement.
  void frame_form(bool wide, std::uint32_t opcode, std::uint32_t reg, std::int32_t disp, bool rex = false) {
    constexpr std::uint32_t kRbp = 5;
    const std::uint32_t rex_bits = (wide ? 8u : 0u) | (reg >> 3) << 2;
    const bool small = is_small(disp);
    const std::uint32_t modrm = (small ? 0x40u : 0x80u) | (reg & 7) << 3 | kRbp;
    if (opcode > 0xff) {
      few((opcode >> 8) | (opcode & 0xff) << 8 | modrm << 16, 3, rex_bits, rex);
    } else {
      few(opcode | modrm << 8, 2, rex_bits, rex);
    }
    immediate(small, disp);
  }
  /// With guest memory: there is a REX prefix always.
  void guest_form(bool wide, std::uint32_t opcode, std::uint32_t reg, GuestMem mem) {
    constexpr std::uint32_t kR15 = 15;
    const std::uint32_t rex = 0x40 | (wide ? 8u : 0u) | (reg >> 3) << 2 | (mem.index >> 3) << 1 | kR15 >> 3;
    const bool none = mem.displacement == 0, small = is_small(mem.displacement);
    const std::uint32_t modrm = (none ? 0u : small ? 0x40u : 0x80u) | (reg & 7) << 3 | 4;
    const std::uint32_t tail = modrm | ((mem.index & 7) << 3 | (kR15 & 7)) << 8;
    byte(rex);
    if (opcode > 0xff) byte(opcode >> 8);
    const std::uint32_t bytes = (opcode & 0xff) | tail << 8;
    std::memcpy(at_, &bytes, sizeof bytes);
    at_ += 3;
    if (!none) immediate(small, mem.displacement);
  }
  void mem_form(bool wide, std::uint32_t opcode, std::uint32_t reg, const Mem& mem, bool rex = false) {
    address_form(wide, opcode, reg, mem.baseId(), mem.hasIndex() ? mem.indexId() : kNoIndex, mem.shift(),
                 mem.offsetLo32(), rex);
  }
  void address_form(bool wide, std::uint32_t opcode, std::uint32_t reg, std::uint32_t base,
                    std::uint32_t index, std::uint32_t shift, std::int32_t disp, bool rex = false) {
    begin((wide ? 8u : 0u) | (reg >> 3) << 2 | (index >> 3) << 1 | base >> 3, opcode, rex);
    const bool none = disp == 0 && (base & 7) != 5;
    const bool small = is_small(disp);
    const std::uint32_t mod = (none ? 0u : small ? 0x40u : 0x80u) | (reg & 7) << 3;
    if (index != kNoIndex || (base & 7) == 4) {
      byte(mod | 4);
      byte(shift << 6 | (index & 7) << 3 | (base & 7));
    } else {
      byte(mod | (base & 7));
    }
    if (!none) immediate(small, disp);
  }
  void accumulator_form(bool wide, std::uint32_t opcode) { begin(wide ? 8 : 0, opcode, false); }
  void byte(std::uint32_t value) { *at_++ = static_cast<std::uint8_t>(value); }
  void immediate(bool small, std::int64_t value) {
    const auto low = static_cast<std::int32_t>(value);
    std::memcpy(at_, &low, sizeof low);
    at_ += small ? 1 : sizeof low;
  }
  /// The distance of a label from behind these four bytes, now or when it is bound.
  void distance(const Label& label) {
    OwnLabel& to = as_.labels_[label.id()];
    const auto here = static_cast<std::int32_t>(at_ - as_._bufferData);
    if (to.at == kNowhere) {
      if (as_.use_count_ == as_.uses_.size()) as_.uses_.resize(2 * as_.use_count_ + 64);
      as_.uses_[as_.use_count_] = {here, to.last_use};
      to.last_use = static_cast<std::int32_t>(as_.use_count_++);
    }
    immediate(false, to.at - (here + 4));
  }
  /// A jump to a label: the short form if that is known to reach.
  void jump(std::uint32_t near_opcode, std::uint32_t far_opcode, const Label& label) {
    const std::int32_t to = as_.labels_[label.id()].at;
    const auto behind = static_cast<std::int32_t>(at_ - as_._bufferData) + 2;
    if (to != kNowhere && is_small(to - behind)) {
      byte(near_opcode);
      byte(static_cast<std::uint32_t>(to - behind));
      return;
    }
    if (far_opcode > 0xff) byte(far_opcode >> 8);
    byte(far_opcode);
    distance(label);
  }
  void reg_rip_form(std::uint32_t opcode, std::uint32_t reg, const Label& label) {
    begin(8u | (reg >> 3) << 2, opcode, false);
    byte((reg & 7) << 3 | 5);
    distance(label);
  }

 private:
  void begin(std::uint32_t rex_bits, std::uint32_t opcode, bool rex) {
    if (rex_bits != 0 || rex) byte(0x40 | rex_bits);
    if (opcode > 0xff) byte(opcode >> 8);
    byte(opcode);
  }
  /// A REX prefix if need be, and up to three bytes, the first lowest.
  void few(std::uint32_t bytes, std::uint32_t count, std::uint32_t rex_bits, bool rex) {
    if (rex_bits != 0 || rex) {
      bytes = bytes << 8 | 0x40 | rex_bits;
      ++count;
    }
    std::memcpy(at_, &bytes, sizeof bytes);
    at_ += count;
  }

  Assembler& as_;
  std::uint8_t* at_;
};

void Assembler::restart() {
  own_labels_ = logger() == nullptr;
  label_count_ = use_count_ = 0;
  if (!own_labels_) labels_.clear();
  setOffset(0);
  set_limit();
}

/// Loggers make themselves felt in the forced options.
void Assembler::set_limit() {
  const bool logs = forcedInstOptions() != asmjit::InstOptions::kNone;
  short_until_ = logs || bufferCapacity() < kMargin ? nullptr : _bufferEnd - kMargin;
}

asmjit::Error Assembler::_emit(asmjit::InstId id, const asmjit::Operand_& o0, const asmjit::Operand_& o1,
                               const asmjit::Operand_& o2, const asmjit::Operand_* more) {
  const asmjit::Error error = Base::_emit(id, o0, o1, o2, more);
  set_limit();
  return error;
}

/// Lets asmjit enlarge the buffer by writing what is then taken back.
void Assembler::make_space() {
  while (!is_short() && forcedInstOptions() == asmjit::InstOptions::kNone) {
    const std::size_t here = offset();
    for (std::size_t i = 0; i < kMargin; ++i)
      if (Base::nop() != asmjit::kErrorOk) break;
    setOffset(here);
  }
}

// --- labels

Assembler::Label Assembler::more_labels() {
  if (!own_labels_) return Base::newLabel();
  labels_.push_back({});
  return Label(label_count_++);
}

asmjit::Error Assembler::bind(const Label& label) {
  if (!own_labels_) return Base::bind(label);
  OwnLabel& own = labels_[label.id()];
  own.at = static_cast<std::int32_t>(offset());
  for (std::int32_t i = own.last_use; i != kNowhere;) {
    const Use& use = uses_[static_cast<std::size_t>(i)];
    const std::int32_t distance = own.at - (use.at + 4);
    std::memcpy(_bufferData + use.at, &distance, sizeof distance);
    i = use.previous;
  }
  return asmjit::kErrorOk;
}

void Assembler::jmp(const Label& to) {
  if (!is_short()) {
    if (!own_labels_) return left_to(Base::jmp(to));
    make_space();
  }
  Encoder(*this).jump(0xeb, 0xe9, to);
}
void Assembler::j(CondCode cond, const Label& to) {
  if (!is_short()) {
    if (!own_labels_) return left_to(Base::j(cond, to));
    make_space();
  }
  const auto number = static_cast<std::uint32_t>(cond);
  Encoder(*this).jump(0x70 | number, 0x0f80 | number, to);
}
void Assembler::call(const Label& to) {
  if (!is_short()) {
    if (!own_labels_) return left_to(Base::call(to));
    make_space();
  }
  Encoder code(*this);
  code.byte(0xe8);
  code.distance(to);
}

void Assembler::jmp(const Mem& to) {
  if (!is_short(to)) return left_to(Base::jmp(to));
  Encoder(*this).mem_form(false, 0xff, 4, to);
}
void Assembler::jmp(FrameMem to) {
  if (!is_short()) return left_to(Base::jmp(to));
  Encoder(*this).frame_form(false, 0xff, 4, to.displacement);
}
void Assembler::call(const Mem& to) {
  if (!is_short(to)) return left_to(Base::call(to));
  Encoder(*this).mem_form(false, 0xff, 2, to);
}
void Assembler::call(FrameMem to) {
  if (!is_short()) return left_to(Base::call(to));
  Encoder(*this).frame_form(false, 0xff, 2, to.displacement);
}

void Assembler::ret() {
  if (!is_short()) return left_to(Base::ret());
  Encoder(*this).byte(0xc3);
}

// --- integers

void Assembler::alu(Alu op, bool wide, std::uint32_t to, std::uint32_t from) {
  if (!is_short()) return left_to(emit(id_of(op), gp(wide, to), gp(wide, from)));
  Encoder(*this).reg_form(wide, opcode(op) | 1, from, to);
}
void Assembler::alu(Alu op, bool wide, std::uint32_t to, FrameMem from) {
  if (!is_short()) return left_to(emit(id_of(op), gp(wide, to), Mem(from)));
  Encoder(*this).frame_form(wide, opcode(op) | 3, to, from.displacement);
}
void Assembler::alu(Alu op, const Gp& to, const Mem& from) {
  if (!is_short(from)) return left_to(emit(id_of(op), to, from));
  Encoder(*this).mem_form(to.isGpq(), opcode(op) | 3, to.id(), from);
}
void Assembler::alu(Alu op, const Mem& to, const Gp& from) {
  if (!is_short(to)) return left_to(emit(id_of(op), to, from));
  const bool byte = from.size() == 1;
  Encoder(*this).mem_form(from.isGpq(), opcode(op) | (byte ? 0u : 1u), from.id(), to, byte && from.id() >= 4);
}
void Assembler::alu(Alu op, FrameMem to, const Gp& from) {
  if (!is_short()) return left_to(emit(id_of(op), Mem(to), from));
  const bool byte = from.size() == 1;
  Encoder(*this).frame_form(from.isGpq(), opcode(op) | (byte ? 0u : 1u), from.id(), to.displacement,
                            byte && from.id() >= 4);
}
void Assembler::alu_immediate(Alu op, bool wide, std::uint32_t to, std::int64_t by) {
  const std::int64_t value = wide ? by : static_cast<std::int32_t>(by);
  const bool small = is_small(value);
  if (!is_short() || !is_int32(value)) return left_to(emit(id_of(op), gp(wide, to), Imm(by)));
  Encoder code(*this);
  if (!small && to == 0) {
    code.accumulator_form(wide, opcode(op) | 5);
  } else {
    code.reg_form(wide, small ? 0x83 : 0x81, number(op), to);
  }
  code.immediate(small, value);
}
void Assembler::alu(Alu op, const Mem& to, const Imm& by) {
  const std::int64_t value = to.size() == 8 ? by.value() : static_cast<std::int32_t>(by.value());
  if (!is_short(to) || !is_int32(value) || to.size() < 4) return left_to(emit(id_of(op), to, by));
  Encoder code(*this);
  code.mem_form(to.size() == 8, is_small(value) ? 0x83 : 0x81, number(op), to);
  code.immediate(is_small(value), value);
}
void Assembler::alu(Alu op, FrameMem to, const Imm& by) {
  const std::int64_t value = to.size == 8 ? by.value() : static_cast<std::int32_t>(by.value());
  if (!is_short() || !is_int32(value) || to.size < 4) return left_to(emit(id_of(op), Mem(to), by));
  Encoder code(*this);
  code.frame_form(to.size == 8, is_small(value) ? 0x83 : 0x81, number(op), to.displacement);
  code.immediate(is_small(value), value);
}
void Assembler::alu(Alu op, const Operand& to, const Operand& from) {
  if (to.isMem()) {
    alu(op, to.as<Mem>(), from.as<Gp>());
  } else if (from.isMem()) {
    alu(op, to.as<Gp>(), from.as<Mem>());
  } else {
    alu(op, to.as<Gp>(), from.as<Gp>());
  }
}

void Assembler::alu(Alu op, const Operand& to, const Imm& by) {
  if (to.isMem()) {
    alu(op, to.as<Mem>(), by);
  } else {
    alu(op, to.as<Gp>(), by);
  }
}

void Assembler::shift(Shift op, bool wide, std::uint32_t to, std::uint32_t by) {
  if (!is_short()) return left_to(emit(id_of(op), gp(wide, to), Imm(by)));
  Encoder code(*this);
  code.reg_form(wide, by == 1 ? 0xd1 : 0xc1, static_cast<std::uint32_t>(op), to);
  if (by != 1) code.byte(by);
}

void Assembler::shift(Shift op, const Gp& to) {
  if (!is_short()) return left_to(emit(id_of(op), to, asmjit::x86::cl));
  Encoder(*this).reg_form(to.isGpq(), 0xd3, static_cast<std::uint32_t>(op), to.id());
}

void Assembler::mov(bool wide, std::uint32_t to, std::uint32_t from) {
  if (!is_short()) return left_to(Base::mov(gp(wide, to), gp(wide, from)));
  Encoder(*this).reg_form(wide, 0x89, from, to);
}
void Assembler::mov(bool wide, std::uint32_t to, FrameMem from) {
  if (!is_short()) return left_to(Base::mov(gp(wide, to), from));
  Encoder(*this).frame_form(wide, 0x8b, to, from.displacement);
}
void Assembler::mov(FrameMem to, bool wide, std::uint32_t from) {
  if (!is_short()) return left_to(Base::mov(to, gp(wide, from)));
  Encoder(*this).frame_form(wide, 0x89, from, to.displacement);
}
void Assembler::mov(const Gp& to, const Mem& from) {
  if (!is_short(from)) return left_to(Base::mov(to, from));
  Encoder(*this).mem_form(to.isGpq(), 0x8b, to.id(), from);
}
void Assembler::mov(const Mem& to, const Gp& from) {
  if (!is_short(to)) return left_to(Base::mov(to, from));
  const std::uint32_t size = from.size();
  Encoder code(*this);
  if (size == 2) code.byte(0x66);
  code.mem_form(size == 8, size == 1 ? 0x88 : 0x89, from.id(), to, size == 1 && from.id() >= 4);
}
void Assembler::mov(const Mem& to, const Imm& value) {
  const std::uint32_t size = to.size();
  const std::int64_t imm = size == 8 ? value.value() : static_cast<std::int32_t>(value.value());
  if (!is_short(to) || size < 4 || !is_int32(imm)) return left_to(Base::mov(to, value));
  Encoder code(*this);
  code.mem_form(size == 8, 0xc7, 0, to);
  code.immediate(false, imm);
}
void Assembler::mov(FrameMem to, const Imm& value) {
  const std::int64_t imm = to.size == 8 ? value.value() : static_cast<std::int32_t>(value.value());
  if (!is_short() || to.size < 4 || !is_int32(imm)) return left_to(Base::mov(to, value));
  Encoder code(*this);
  code.frame_form(to.size == 8, 0xc7, 0, to.displacement);
  code.immediate(false, imm);
}
void Assembler::mov_immediate(bool wide, std::uint32_t to, std::int64_t value) {
  if (!is_short()) return left_to(Base::mov(gp(wide, to), Imm(value)));
  Encoder code(*this);
  if (wide && is_int32(value)) {
    code.reg_form(true, 0xc7, 0, to);
  } else {
    if (wide || to >= 8) code.byte(0x40 | (wide ? 8u : 0u) | to >> 3);
    code.byte(0xb8 | (to & 7));
  }
  code.immediate(false, value);
  if (wide && !is_int32(value)) code.immediate(false, value >> 32);
}

void Assembler::load(std::uint32_t to, GuestMem from, bool is_signed) {
  if (!is_short()) {
    if (from.size == 8) return left_to(Base::mov(gp(true, to), from));
    if (from.size == 4)
      return left_to(is_signed ? Base::movsxd(gp(true, to), from) : Base::mov(gp(false, to), from));
    return left_to(is_signed ? Base::movsx(gp(true, to), from) : Base::movzx(gp(false, to), from));
  }
  Encoder code(*this);
  if (from.size == 8) return code.guest_form(true, 0x8b, to, from);
  if (from.size == 4) return code.guest_form(is_signed, is_signed ? 0x63 : 0x8b, to, from);
  code.guest_form(is_signed, (is_signed ? 0x0fbe : 0x0fb6) | (from.size == 2), to, from);
}
void Assembler::store(GuestMem to, std::uint32_t from) {
  if (!is_short()) {
    const Gp sized[] = {asmjit::x86::gpb_lo(from), asmjit::x86::gpw(from), gp(false, from), gp(true, from)};
    return left_to(Base::mov(to, sized[to.size == 1 ? 0 : to.size == 2 ? 1 : to.size == 4 ? 2 : 3]));
  }
  Encoder code(*this);
  if (to.size == 2) code.byte(0x66);
  code.guest_form(to.size == 8, to.size == 1 ? 0x88 : 0x89, from, to);
}
void Assembler::increment_at(std::uint32_t base) {
  if (!is_short()) return left_to(Base::add(asmjit::x86::qword_ptr(gp(true, base)), Imm(1)));
  Encoder code(*this);
  code.address_form(true, 0x83, number(Alu::add), base, kNoIndex, 0, 0);
  code.byte(1);
}

void Assembler::set_al(CondCode cond) {
  if (!is_short()) return left_to(emit(I::setccFromCond(cond), asmjit::x86::al));
  Encoder(*this).reg_form(false, 0x0f90 | static_cast<std::uint32_t>(cond), 0, 0);
}

void Assembler::test(bool wide, std::uint32_t a, std::uint32_t b) {
  if (!is_short()) return left_to(Base::test(gp(wide, a), gp(wide, b)));
  Encoder(*this).reg_form(wide, 0x85, b, a);
}
void Assembler::lea_sum(bool wide, std::uint32_t to, std::uint32_t a, std::uint32_t b) {
  if (!is_short()) return left_to(Base::lea(gp(wide, to), asmjit::x86::ptr(gp(true, a), gp(true, b))));
  Encoder(*this).address_form(wide, 0x8d, to, a, b, 0, 0);
}
void Assembler::lea_sum_immediate(bool wide, std::uint32_t to, std::uint32_t a, std::int32_t by) {
  if (!is_short()) return left_to(Base::lea(gp(wide, to), asmjit::x86::ptr(gp(true, a), by)));
  Encoder(*this).address_form(wide, 0x8d, to, a, kNoIndex, 0, by);
}
void Assembler::lea(const Gp& to, const Mem& from) {
  if (own_labels_ && from.hasBaseLabel()) {
    make_space();
    Encoder(*this).reg_rip_form(0x8d, to.id(), Label(from.baseId()));
    return;
  }
  if (!is_short(from)) return left_to(Base::lea(to, from));
  Encoder(*this).mem_form(to.isGpq(), 0x8d, to.id(), from);
}
void Assembler::imul(bool wide, std::uint32_t to, std::uint32_t from) {
  if (!is_short()) return left_to(Base::imul(gp(wide, to), gp(wide, from)));
  Encoder(*this).reg_form(wide, 0x0faf, to, from);
}
void Assembler::imul(const Gp& to, const Mem& from) {
  if (!is_short(from)) return left_to(Base::imul(to, from));
  Encoder(*this).mem_form(to.isGpq(), 0x0faf, to.id(), from);
}
void Assembler::movsxd(std::uint32_t to, std::uint32_t from) {
  if (!is_short()) return left_to(Base::movsxd(gp(true, to), gp(false, from)));
  Encoder(*this).reg_form(true, 0x63, to, from);
}
void Assembler::movsxd(const Gp& to, const Mem& from) {
  if (!is_short(from)) return left_to(Base::movsxd(to, from));
  Encoder(*this).mem_form(true, 0x63, to.id(), from);
}

void Assembler::widen(asmjit::InstId id, std::uint32_t opcode, const Gp& to, const Gp& from) {
  if (!is_short()) return left_to(emit(id, to, from));
  Encoder(*this).reg_form(to.isGpq(), opcode | (from.size() == 2), to.id(), from.id(),
                          from.size() == 1 && from.id() >= 4);
}
void Assembler::widen(asmjit::InstId id, std::uint32_t opcode, const Gp& to, const Mem& from) {
  if (!is_short(from)) return left_to(emit(id, to, from));
  Encoder(*this).mem_form(to.isGpq(), opcode | (from.size() == 2), to.id(), from);
}
void Assembler::movzx(const Gp& to, const Gp& from) { widen(I::kIdMovzx, 0x0fb6, to, from); }
void Assembler::movzx(const Gp& to, const Mem& from) { widen(I::kIdMovzx, 0x0fb6, to, from); }
void Assembler::movsx(const Gp& to, const Gp& from) { widen(I::kIdMovsx, 0x0fbe, to, from); }
void Assembler::movsx(const Gp& to, const Mem& from) { widen(I::kIdMovsx, 0x0fbe, to, from); }

// --- floats

void Assembler::move_scalar(asmjit::InstId id, std::uint32_t prefix, bool store, const Xmm& r,
                            const Mem& mem) {
  if (!is_short(mem)) return left_to(store ? emit(id, mem, r) : emit(id, r, mem));
  Encoder code(*this);
  code.byte(prefix);
  code.mem_form(false, store ? 0x0f11 : 0x0f10, r.id(), mem);
}
void Assembler::movsd(const Xmm& to, FrameMem from) {
  if (!is_short()) return left_to(Base::movsd(to, from));
  Encoder code(*this);
  code.byte(0xf2);
  code.frame_form(false, 0x0f10, to.id(), from.displacement);
}
void Assembler::movsd(FrameMem to, const Xmm& from) {
  if (!is_short()) return left_to(Base::movsd(to, from));
  Encoder code(*this);
  code.byte(0xf2);
  code.frame_form(false, 0x0f11, from.id(), to.displacement);
}
void Assembler::movsd(const Xmm& to, const Mem& from) { move_scalar(I::kIdMovsd, 0xf2, false, to, from); }
void Assembler::movsd(const Mem& to, const Xmm& from) { move_scalar(I::kIdMovsd, 0xf2, true, from, to); }
void Assembler::movss(const Xmm& to, const Mem& from) { move_scalar(I::kIdMovss, 0xf3, false, to, from); }
void Assembler::movss(const Mem& to, const Xmm& from) { move_scalar(I::kIdMovss, 0xf3, true, from, to); }
void Assembler::movaps(const Xmm& to, const Xmm& from) {
  if (!is_short()) return left_to(Base::movaps(to, from));
  Encoder(*this).reg_form(false, 0x0f28, to.id(), from.id());
}

asmjit::Error Assembler::embed(const void* data, std::size_t size) {
  if (size > kMargin || !is_short()) return Base::embed(data, size);
  std::memcpy(_bufferPtr, data, size);
  _bufferPtr += size;
  return asmjit::kErrorOk;
}

}  // namespace ashlar::host_x64
