// Zicsr for the CSRs that user programs have: fflags, frm, fcsr, cycle, time, instret. The block's mode is
// frm, so reading it gives a constant, and changing it ends the block by jump_mode.
#include "riscv/translate.hpp"

namespace ashlar::riscv {
namespace {

constexpr unsigned kFlagsMask = 31, kModeShift = 5, kModeMask = 7;
constexpr ir::Value kFrmSlot = ir::Value::slot(kFrm);

}  // namespace

void Translator::op_csrrw(Word d) { csr(d, CsrChange::write, false); }
void Translator::op_csrrs(Word d) { csr(d, CsrChange::set, false); }
void Translator::op_csrrc(Word d) { csr(d, CsrChange::clear, false); }
void Translator::op_csrrwi(Word d) { csr(d, CsrChange::write, true); }
void Translator::op_csrrsi(Word d) { csr(d, CsrChange::set, true); }
void Translator::op_csrrci(Word d) { csr(d, CsrChange::clear, true); }

void Translator::csr(Word d, CsrChange change, bool immediate) {
  // Setting or clearing by x0 or by immediate 0 does not write at all.
  const bool writes = change == CsrChange::write || d.rs1() != 0;
  CsrOperand operand{};
  if (immediate) {
    operand = {true, d.rs1(), {}};
  } else if (is_known(d.rs1())) {
    operand = {true, known(d.rs1()), {}};
  } else {
    operand = {false, 0, source(d.rs1())};
  }
  switch (d.csr()) {
    case 0x001:
      return csr_fflags(d, change, operand, writes);
    case 0x002:
      return csr_frm(d, change, operand, writes);
    case 0x003:
      return csr_fcsr(d, change, operand, writes);
    case 0xc00:  // cycle
    case 0xc01:  // time
    case 0xc02:  // instret
      if (writes) return illegal();
      if (d.rd() != 0) out_.call_helper(dest(d.rd()), kHelperClock);
      return;
    default:
      return illegal();
  }
}

// A temporary with what `old` becomes. `mask`: the bits that the CSR has.
ir::Value Translator::csr_changed(CsrChange change, Value old, const CsrOperand& operand, unsigned mask) {
  if (change == CsrChange::write) return operand.is_constant ? constant(operand.value & mask) : operand.reg;
  const Value t = temp();
  const auto bits = static_cast<std::int32_t>(operand.value & mask);
  if (change == CsrChange::set) {
    if (operand.is_constant) {
      out_.ri(Opcode::or64_i, t, old, bits);
    } else {
      out_.rr(Opcode::or64, t, old, operand.reg);
    }
  } else {
    if (operand.is_constant) {
      out_.ri(Opcode::and64_i, t, old, ~bits);
    } else {
      out_.rr(Opcode::andn64, t, old, operand.reg);
    }
  }
  return t;
}

void Translator::csr_fflags(Word d, CsrChange change, const CsrOperand& operand, bool writes) {
  if (!writes) {
    if (d.rd() != 0) out_.get_fflags(dest(d.rd()));
    return;
  }
  Value old;
  if (d.rd() != 0 || change != CsrChange::write) out_.get_fflags(old = temp());
  out_.set_fflags(csr_changed(change, old, operand, kFlagsMask));
  // Last, because the operand may be rd.
  if (d.rd() != 0) out_.r(Opcode::mov64, dest(d.rd()), old);
}

void Translator::end_with_mode_change() {
  out_.jump_mode(constant(next_), kFrmSlot);
  ended_ = true;
}

void Translator::csr_frm(Word d, CsrChange change, const CsrOperand& operand, bool writes) {
  if (!writes) return set_constant(d.rd(), mode_);
  if (operand.is_constant) {
    const auto bits = static_cast<unsigned>(operand.value & kModeMask);
    unsigned mode = bits;
    if (change == CsrChange::set) mode = mode_ | bits;
    if (change == CsrChange::clear) mode = mode_ & ~bits;
    set_constant(d.rd(), mode_);
    if (mode == mode_) return;
    out_.const64(kFrmSlot, mode);
    return end_with_mode_change();
  }
  const Value old = change == CsrChange::write ? Value::none() : constant(mode_);
  const Value mode = csr_changed(change, old, operand, kModeMask);
  out_.ri(Opcode::and64_i, kFrmSlot, mode, kModeMask);
  set_constant(d.rd(), mode_);
  end_with_mode_change();
}

void Translator::csr_fcsr(Word d, CsrChange change, const CsrOperand& operand, bool writes) {
  constexpr unsigned mask = kFlagsMask | kModeMask << kModeShift;
  const auto mode_bits = static_cast<std::int32_t>(mode_ << kModeShift);
  if (!writes) {
    if (d.rd() == 0) return;
    const Value to = dest(d.rd());
    out_.get_fflags(to);
    if (mode_bits != 0) out_.ri(Opcode::or64_i, to, to, mode_bits);
    return;
  }
  Value old;
  if (d.rd() != 0 || change != CsrChange::write) {
    out_.get_fflags(old = temp());
    if (mode_bits != 0) out_.ri(Opcode::or64_i, old, old, mode_bits);
  }
  const Value changed = csr_changed(change, old, operand, mask);
  out_.set_fflags(changed);

  bool mode_changes = true;
  if (operand.is_constant) {
    const auto bits = static_cast<unsigned>(operand.value >> kModeShift & kModeMask);
    unsigned mode = bits;
    if (change == CsrChange::set) mode = mode_ | bits;
    if (change == CsrChange::clear) mode = mode_ & ~bits;
    mode_changes = mode != mode_;
    if (mode_changes) out_.const64(kFrmSlot, mode);
  } else {
    out_.r(Opcode::ubfx64, kFrmSlot, changed, kModeShift, 3);
  }
  if (d.rd() != 0) out_.r(Opcode::mov64, dest(d.rd()), old);
  if (mode_changes) end_with_mode_change();
}

}  // namespace ashlar::riscv
