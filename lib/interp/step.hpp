// What one instruction does: `step<op, source>` is everything of a handler but the dispatch of the next.
// Included by interpreter.cpp only.
#pragma once

#include <cstdint>

#include <ashlar/ir.hpp>
#include <ashlar/vcpu_frame.hpp>

#include "interp/float_ops.hpp"
#include "interp/memory_ops.hpp"
#include "interp/prepare.hpp"
#include "ir/float_semantics.hpp"
#include "ir/op_table.hpp"
#include "ir/semantics.hpp"

namespace ashlar::interp {

/// What the loop keeps in registers for the instructions.
struct Registers {
  std::uint64_t* base;
  std::byte* memory;
  RoundingMode host_rounding;
  bool early_tininess;

  VcpuCold& cold() const { return reinterpret_cast<VcpuFrame*>(base)->cold(); }
  std::uint64_t limit() const { return reinterpret_cast<VcpuFrame*>(base)->hot.mem_limit; }
};

/// Where to go after an instruction.
enum class Step : std::uint8_t { next, bad_access, leave, indirect, mode, stop, helper };

/// Operand a, b or the immediate in b's place. `last` is the value that the last instruction with a result
/// gave.
template <Opcode op, Source source>
[[gnu::always_inline]] inline Operands read_operands(const Inst* inst, const std::uint64_t* base,
                                                     std::uint64_t last) {
  constexpr ir::Form form = ir::op_info(op).form;
  static_assert(source != Source::a || reads_a(op));
  static_assert(source != Source::b || reads_b(op));
  Operands operands{0, 0, 0};
  if constexpr (reads_a(op)) operands.a = source == Source::a ? last : base[inst->a.word];
  if constexpr (reads_b(op)) operands.b = source == Source::b ? last : base[inst->b.word];
  if constexpr (form == ir::Form::ri || form == ir::Form::xri || form == ir::Form::bri) {
    operands.b = static_cast<std::uint64_t>(static_cast<std::int64_t>(inst->imm));
  }
  if constexpr (form == ir::Form::rrr) operands.c = base[inst->c().word];
  return operands;
}

/// The value that a side-effect-free or float opcode gives.
template <Opcode op>
[[gnu::always_inline]] inline std::uint64_t value_of(const Inst* inst, const Operands& v,
                                                     const Registers& r) {
  constexpr ir::Form form = ir::op_info(op).form;
  if constexpr (ir::semantics::is_float_arithmetic(op)) {
    return eval_host_float<op>(inst, r.base, v, r.host_rounding, r.early_tininess);
  } else if constexpr (ir::semantics::is_float_bits(op)) {
    return ir::semantics::eval_float_bits<op>(v.a, v.b);
  } else if constexpr (op == Opcode::const64) {
    return inst->imm64();
  } else if constexpr (op == Opcode::get_fflags) {
    return r.cold().float_flags | host_float_flags();
  } else {
    constexpr bool uses_aux = form == ir::Form::rx || form == ir::Form::rrx;
    return ir::semantics::eval<op>(v.a, v.b, v.c, uses_aux ? inst->aux() : 0, uses_aux ? inst->aux2() : 0);
  }
}

/// Executes one instruction, or says what the loop has to do for it. `last` is read as `source` says, and
/// gets the result if there is one; `exit` is set with Step::leave. A form that is not handled does not
/// compile.
template <Opcode op, Source source>
[[gnu::always_inline]] inline Step step(const Inst* inst, const Registers& r, std::uint64_t& last,
                                        std::uint32_t& exit) {
  using ir::Form;
  constexpr Form form = ir::op_info(op).form;
  const Operands v = read_operands<op, source>(inst, r.base, last);
  const std::uint64_t displaced = v.a + static_cast<std::uint64_t>(static_cast<std::int64_t>(inst->imm));
  if constexpr (form == Form::nop) {
    return Step::next;
  } else if constexpr (form == Form::c64 || form == Form::d || form == Form::r || form == Form::rr ||
                       form == Form::ri || form == Form::rrx || form == Form::rx || form == Form::rrr) {
    last = value_of<op>(inst, v, r);
    r.base[inst->dst.word] = last;
    return Step::next;
  } else if constexpr (form == Form::ld) {
    if (!load<op>(displaced, last, inst, r.cold(), r.memory, r.limit())) return Step::bad_access;
    r.base[inst->dst.word] = last;
    return Step::next;
  } else if constexpr (form == Form::st) {
    return store<op>(displaced, v.b, inst, r.cold(), r.memory, r.limit()) ? Step::next : Step::bad_access;
  } else if constexpr (form == Form::amo || form == Form::cas) {
    if (!atomic<op>(v.a, v.b, r.base, last, inst, r.cold(), r.memory, r.limit())) return Step::bad_access;
    r.base[inst->dst.word] = last;
    return Step::next;
  } else if constexpr (form == Form::s) {
    static_assert(op == Opcode::set_fflags);
    clear_host_float_flags();
    r.cold().float_flags = v.a & 31;
    return Step::next;
  } else if constexpr (form == Form::fence) {
    fence(inst->aux());
    return Step::next;
  } else if constexpr (form == Form::xrr || form == Form::xri) {
    if (!ir::semantics::holds(ir::semantics::condition_of(op), v.a, v.b)) return Step::next;
    exit = inst->exit();
    return Step::leave;
  } else if constexpr (form == Form::brr || form == Form::bri) {
    exit = ir::semantics::holds(ir::semantics::condition_of(op), v.a, v.b) ? inst->exit() : inst->exit_not();
    return Step::leave;
  } else if constexpr (form == Form::jmp) {
    exit = inst->exit();
    return Step::leave;
  } else if constexpr (form == Form::ind) {
    last = displaced;  // the target, for the loop
    return Step::indirect;
  } else if constexpr (form == Form::mode) {
    return Step::mode;
  } else if constexpr (form == Form::help) {
    return Step::helper;
  } else {
    static_assert(form == Form::exit);
    return Step::stop;
  }
}

}  // namespace ashlar::interp
