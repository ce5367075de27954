// What all opcode families share: operands, branches that can be patched, NaNs.
#include "host/x64/emitter.hpp"

#include <algorithm>
#include <cstring>

#include "host/common/emitter_base_impl.hpp"

namespace ashlar::host_x64 {

using codegen::RuntimeEntry;

void Emitter::count_execution(std::uint64_t* counter) {
  as_.mov(x86::rax, asmjit::Imm(reinterpret_cast<std::uintptr_t>(counter)));
  as_.increment_at(kRax);
}

void Emitter::charge_fuel(std::uint32_t count, const asmjit::Label& label) {
  as_.sub(frame_mem(offsetof(VcpuHot, fuel)), asmjit::Imm(count));
  as_.js(label);
}

void Emitter::add_fuel(std::int32_t count) {
  as_.add(frame_mem(offsetof(VcpuHot, fuel)), asmjit::Imm(count));
}

void Emitter::finish_host() {
  if (!float_table_used_) return;
  // MXCSR's exception bits (IE, DE, ZE, OE, UE, PE) as FloatFlags.
  std::uint8_t table[64];
  for (unsigned i = 0; i < 64; ++i)
    table[i] =
        static_cast<std::uint8_t>((i & 1 ? invalid : 0) | (i & 4 ? divide_by_zero : 0) |
                                  (i & 8 ? overflow : 0) | (i & 16 ? underflow : 0) | (i & 32 ? inexact : 0));
  as_.bind(float_table_);
  as_.embed(table, sizeof table);
}

// --- operands
// ---------------------------------------------------------------------------------------------------------------------

void Emitter::load_word(Reg r, std::int16_t word) {
  if (r.is_float()) {
    as_.movsd(xmm(r), word_mem(word));
  } else {
    as_.mov(true, r.number(), word_mem(word));
  }
}

void Emitter::store_word(std::int16_t word, Reg r) {
  if (r.is_float()) {
    as_.movsd(word_mem(word), xmm(r));
  } else {
    as_.mov(word_mem(word), true, r.number());
  }
}

void Emitter::move(Reg to, Reg from) {
  if (to == from) return;
  if (to.is_float()) {
    as_.movaps(xmm(to), xmm(from));
  } else {
    as_.mov(gp64(to), gp64(from));
  }
}

Emitter::Operand Emitter::operand(Value v, std::uint16_t next, bool is_float) {
  if (!is_float) return integer(v, next, true);
  if (v.is_zero()) return {Operand::Kind::zero, {}, 0};
  if (!cache_.where(v).is_none() || next != codegen::InstPlan::kNever)
    return {Operand::Kind::reg, cache_.use(v, true, next), v.word};
  return {Operand::Kind::mem, {}, v.word};
}

Emitter::Operand Emitter::operand32(Value v, std::uint16_t next) { return integer(v, next, false); }

Emitter::Operand Emitter::integer_from_frame(Value v, std::uint16_t next) {
  if (next == codegen::InstPlan::kNever) return {Operand::Kind::mem, {}, v.word};
  return {Operand::Kind::reg, cache_.use(v, false, next), v.word};
}

Reg Emitter::use_int(Value v, std::uint16_t next) {
  const Reg r = cache_.use(v, false, next);
  cache_.settle(r);
  return r;
}

codegen::Knowledge Emitter::knowledge_of(Value v) const {
  if (v.is_zero()) return codegen::Knowledge::extended;
  const Reg r = cache_.where(v);
  return r.is_none() ? codegen::Knowledge::raw : cache_.knowledge(r);
}

Emitter::Operand Emitter::operand_in_place(Value v, std::uint16_t next, bool is_float) {
  if (v.is_zero() || !cache_.where(v).is_none()) return operand(v, next, is_float);
  return {Operand::Kind::mem, {}, v.word};
}

Reg Emitter::in_register(Operand o) {
  if (o.is_reg()) return o.reg;
  load(x86::rax, o);
  return rax();
}

asmjit::Operand Emitter::rm(Operand o, unsigned bits) {
  if (o.is_mem()) return x86::Mem(word_mem(o.word, bits / 8));
  const Reg r = in_register(o);
  switch (bits) {
    case 8:
      return gp8(r);
    case 16:
      return gp16(r);
    case 32:
      return gp32(r);
    default:
      return gp64(r);
  }
}

void Emitter::load(bool wide, std::uint32_t to, Operand o) {
  switch (o.kind) {
    case Operand::Kind::zero:
      as_.alu(Alu::xor_, false, to, to);
      break;
    case Operand::Kind::mem:
      as_.mov(wide, to, word_mem(o.word, wide ? 8 : 4));
      break;
    case Operand::Kind::reg:
      if (wide && to == o.reg.number()) break;
      as_.mov(wide, to, o.reg.number());
      break;
  }
}

void Emitter::operate(Alu op, bool wide, std::uint32_t to, Operand from) {
  if (from.is_reg()) return as_.alu(op, wide, to, from.reg.number());
  if (from.is_mem()) return as_.alu(op, wide, to, word_mem(from.word, wide ? 8 : 4));
  as_.alu(op, wide, to, in_register(from).number());
}

// --- exit sites
// -------------------------------------------------------------------------------------------------------------------

FrameMem Emitter::entry_mem(RuntimeEntry entry) {
  return frame_mem(ASHLAR_COLD_OFFSET(entries) + 8 * static_cast<std::int32_t>(entry));
}
void Emitter::call_entry(RuntimeEntry entry) { as_.call(entry_mem(entry)); }
void Emitter::jump_entry(RuntimeEntry entry) { as_.jmp(entry_mem(entry)); }

void Emitter::return_single(std::uint32_t value) {
  if (value == 0) {
    as_.xor_(x86::eax, x86::eax);
  } else {
    as_.mov(x86::eax, asmjit::Imm(value));
  }
  as_.ret();
}

void Emitter::emit_as(std::span<const std::uint8_t> code, std::string_view lines) {
  host::Listing* const log = listing();
  if (log != nullptr) log->silent = true;
  as_.embed(code.data(), code.size());
  if (log == nullptr) return;
  log->silent = false;
  log->text += lines;
}

void Emitter::pad(std::uint32_t bytes) {
  static constexpr std::uint8_t kNops[10][9] = {{},
                                                {0x90},
                                                {0x66, 0x90},
                                                {0x0f, 0x1f, 0x00},
                                                {0x0f, 0x1f, 0x40, 0},
                                                {0x0f, 0x1f, 0x44, 0, 0},
                                                {0x66, 0x0f, 0x1f, 0x44, 0, 0},
                                                {0x0f, 0x1f, 0x80, 0, 0, 0, 0},
                                                {0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0},
                                                {0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0}};
  emit_as({kNops[bytes], bytes}, "nop\n");
}

void Emitter::align_loop() {
  constexpr std::uint32_t kAlignment = 16, kLongest = 9;
  for (std::uint32_t rest = (0 - here()) & (kAlignment - 1); rest != 0;) {
    const std::uint32_t bytes = std::min(rest, kLongest);
    pad(bytes);
    rest -= bytes;
  }
}

/// Padding in front of an opcode whose four displacement bytes must lie in one aligned word of eight.
std::uint32_t Emitter::padding_for(std::uint32_t displacement_at) {
  const std::uint32_t at = displacement_at & 7;
  return at > 4 ? 8 - at : 0;
}

void Emitter::pad_to_patchable(std::uint32_t opcode_bytes) {
  if (const std::uint32_t bytes = padding_for(here() + opcode_bytes); bytes != 0) pad(bytes);
}

void Emitter::link_jump(std::size_t index) {
  pad_to_patchable(1);
  sites_[index].site.patch_offset = here() + 1;
  as_.jmp(sites_[index].stub);  // not bound yet: the long form
}

void Emitter::link_call(std::size_t index) {
  pad_to_patchable(1);
  sites_[index].site.patch_offset = here() + 1;
  as_.call(sites_[index].stub);
}

void Emitter::link_branch(std::size_t index, x86::CondCode cc, std::uint32_t fused_from) {
  Site& site = sites_[index];
  if (!options_.linked) {
    as_.j(cc, site.stub);
    return;
  }
  // Padding must stand before the compare, or the pair does not fuse: emit the compare again behind the
  // padding.
  const std::uint32_t end = here();
  if (const std::uint32_t bytes = padding_for(end + 2); bytes != 0) {
    std::uint8_t compare[32];
    const std::uint32_t size = end - fused_from;
    if (size != 0 && size <= sizeof compare) {
      std::memcpy(compare, as_.bufferData() + fused_from, size);
      as_.setOffset(fused_from);
      const std::string line = listing() != nullptr ? listing()->take_last_instruction() : std::string();
      pad(bytes);
      emit_as({compare, size}, line);
    } else {
      pad(bytes);
    }
  }
  site.site.patch_offset = here() + 2;
  as_.j(cc, site.stub);  // not bound yet: the long form
}

// --- canonical NaNs
// ---------------------------------------------------------------------------------------------------------------

void Emitter::canonicalise(Reg r, Knowledge knowledge) {
  if (knowledge == codegen::Knowledge::extend_32) {
    as_.movsxd(gp64(r), gp32(r));
    return;
  }
  const bool single = knowledge == Knowledge::result32;
  const asmjit::Label fix = as_.newLabel();
  const asmjit::Label back = as_.newLabel();
  // Arithmetic results are never signaling NaNs, so the compare raises nothing.
  if (single) {
    as_.ucomiss(xmm(r), xmm(r));
  } else {
    as_.ucomisd(xmm(r), xmm(r));
  }
  as_.jp(fix);
  as_.bind(back);
  cold(fix, [this, r, single, back] {
    // From the frame: no register is free here.
    as_.movsd(xmm(r),
              frame_mem(single ? ASHLAR_COLD_OFFSET(canonical_nan32) : ASHLAR_COLD_OFFSET(canonical_nan64)));
    as_.jmp(back);
  });
}

void Emitter::load_bits(const x86::Xmm& to, std::uint64_t bits) {
  if (bits == 0) {
    as_.xorps(to, to);
    return;
  }
  as_.mov(x86::rax, asmjit::Imm(bits));
  as_.movq(to, x86::rax);
}

}  // namespace ashlar::host_x64

template class ashlar::host::EmitterBase<ashlar::host_x64::Emitter, ashlar::host_x64::Assembler>;
