// The interpreter's loop: one handler for each opcode of the table, dispatched by computed goto where the
// compiler has it and by a switch elsewhere; and the cold ways out of it. See interpreter.hpp for the
// contract.
//
// The float environment is guest state here: nothing may be folded for the default rounding mode or moved for
// flags.
#if defined(__clang__)
#pragma STDC FENV_ACCESS ON
#elif defined(__GNUC__)
#pragma GCC optimize("rounding-math", "trapping-math", "no-math-errno")
#endif

#include "interp/interpreter.hpp"

#include <cstddef>
#include <utility>
#include <vector>

#include "interp/float_ops.hpp"
#include "interp/memory_ops.hpp"
#include "ir/op_table.hpp"
#include "ir/semantics.hpp"
#include "mem/fault_guard.hpp"
#include "mem/fault_info.hpp"
#include "mem/null_window.hpp"
#include "mem/reservations.hpp"

// Guest threads race on guest memory as they like; that is no race of ours.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ASHLAR_GUEST_RACES __attribute__((no_sanitize("thread")))
#endif
#elif defined(__SANITIZE_THREAD__)
#define ASHLAR_GUEST_RACES __attribute__((no_sanitize("thread")))
#endif
#ifndef ASHLAR_GUEST_RACES
#define ASHLAR_GUEST_RACES
#endif

// Dispatch through a table of labels, repeated at the end of each handler, where the compiler has them; else one switch.
#if defined(__GNUC__) && !defined(ASHLAR_SWITCH_DISPATCH)
#define ASHLAR_LABELS_AS_VALUES 1
#pragma GCC diagnostic ignored "-Wpedantic"
#endif

namespace ashlar::interp {
namespace {

using ir::Form;
using ir::Inst;
using ir::Opcode;

/// Behind the last opcode of the table: stops a copied beginning of a block (Context::scratch).
constexpr auto kStopHere = static_cast<std::uint16_t>(ir::kOpcodeCount);

/// What the loop and its cold paths share. Lives in `run`, outside the frames that a fault's jump cuts off.
struct Context {
  VcpuFrame* frame;
  RunState* state;
  mem::FaultGuard* guard;
  CodeBlock* next = nullptr;     ///< where to begin: at a block's entry,
  const Inst* resume = nullptr;  ///< or, if `next` is null, at this instruction of `current`
  CodeBlock* current = nullptr;  ///< the block being executed
  /// Instruction 0 of the copy in `scratch` if that is what is being executed, else null.
  const Inst* copy = nullptr;
  std::uint64_t blocks = 0;
  bool early_tininess = false;
  Outcome outcome{};
  const void* faulted =
      nullptr;  ///< the instruction of the last host fault, and how often it was tried again
  unsigned attempts = 0;
  /// A copy of the beginning of `current`, ended by kStopHere, for stops at a guest instruction inside a
  /// block.
  std::vector<Inst> scratch;
  Outcome stop_outcome{};  ///< with which kStopHere leaves
};

/// What the loop says besides Outcome: go on at context.resume.
constexpr auto kAgain = static_cast<Outcome>(0xff);

std::size_t index_of(const Context& context, const Inst* inst) {
  return static_cast<std::size_t>(inst - (context.copy != nullptr ? context.copy : context.current->insts));
}

void set_next(VcpuFrame& frame, BlockKey key) {
  frame.cold().pc = key.addr.value;
  frame.cold().mode = key.mode;
}

/// Index of the guest instruction to which instruction `index` belongs.
std::size_t guest_index(const ir::Block& block, std::size_t index) { return block.guest_insts_before(index); }

void set_pc_of(Context& context, const Inst* inst) {
  const ir::Block& block = *context.current->block;
  const ir::Boundary* boundary = block.boundary_of(index_of(context, inst));
  set_next(*context.frame, {boundary != nullptr ? boundary->pc : block.key().addr, block.key().mode});
}

/// Gives back the fuel of the guest instructions of the block from number `executed` on.
void refund(Context& context, std::size_t executed) {
  if (context.state->count_fuel) {
    context.frame->hot.fuel +=
        static_cast<std::int64_t>(context.current->block->guest_inst_count() - executed);
  }
}

/// Leaves at `inst`, of which nothing has been done, because of `fault`.
Outcome leave_fault(Context& context, const Inst* inst, const Fault& fault) {
  set_pc_of(context, inst);
  mem::store_fault(context.frame->cold(), fault);
  refund(context, guest_index(*context.current->block, index_of(context, inst)));
  return Outcome::fault;
}

AccessKind access_of(Opcode op) {
  const auto effects = ir::op_info(op).effects;
  // A load-reserved reads; every other atomic asks for write permission, whatever it does in the end.
  return (effects & ir::kWritesMemory) != 0 ? AccessKind::store : AccessKind::load;
}

std::uint64_t address_of(const Context& context, const Inst* inst) {
  const std::uint64_t addr = context.frame->words()[inst->a.word];
  const Form form = ir::op_info(inst->op).form;
  if (form != Form::ld && form != Form::st) return addr;
  return addr + static_cast<std::uint64_t>(static_cast<std::int64_t>(inst->imm));
}

bool misaligned(Opcode op, std::uint64_t addr) {
  const Form form = ir::op_info(op).form;
  return (form == Form::amo || form == Form::cas) && addr % access_width(op) != 0;
}

/// An access that failed the inline check: what it is for the guest.
[[gnu::noinline, gnu::cold]] Outcome bad_address(Context& context, const Inst* inst) {
  const std::uint64_t addr = address_of(context, inst);
  const AccessKind access = access_of(inst->op);
  Fault fault{FaultKind::unmapped, access, {addr}};
  if (misaligned(inst->op, addr)) {
    fault.kind = FaultKind::misaligned;
  } else if (context.state->memory != nullptr) {
    const Fault found = context.state->memory->check({addr}, access_width(inst->op), access);
    if (found.kind != FaultKind::none) fault = found;
  }
  return leave_fault(context, inst, fault);
}

/// A host fault at frame cold().interp_inst. kAgain when the page is accessible by now.
Outcome host_fault(Context& context) {
  VcpuCold& cold = context.frame->cold();
  const Inst* inst = static_cast<const Inst*>(cold.interp_inst);
  context.attempts = context.faulted == inst ? context.attempts + 1 : 0;
  context.faulted = inst;
  const std::uint64_t addr = address_of(context, inst);
  const AccessKind access = access_of(inst->op);
  mem::abandon_store_conditional(cold, cold.mem_base + addr);
  Fault fault{FaultKind::unmapped, access, {addr}};
  if (context.state->memory != nullptr) {
    fault = context.state->memory->check({addr}, access_width(inst->op), access);
    if (fault.kind == FaultKind::none) {
      // Mapped by another thread just now, unless it is memory that the host itself has lost (a file that
      // became shorter) or keeps refusing.
      constexpr unsigned kAttempts = 100;
      if (!context.guard->bus() && context.attempts < kAttempts) {
        context.resume = inst;
        return kAgain;
      }
      const std::uint64_t at = context.guard->fault_addr() - reinterpret_cast<std::uintptr_t>(cold.mem_base);
      fault = {FaultKind::bus, access, {at - addr < access_width(inst->op) ? at : addr}};
    }
  }
  return leave_fault(context, inst, fault);
}

/// Makes the loop go on at instruction `from` of the current block and leave with `outcome` in front of its
/// instruction `end`, which begins a guest instruction.
void stop_at(Context& context, std::size_t from, std::size_t end, Outcome outcome) {
  const auto insts = context.current->block->insts();
  context.scratch.assign(insts.begin(), insts.begin() + static_cast<std::ptrdiff_t>(end));
  Inst stop;
  stop.op = static_cast<Opcode>(kStopHere);
  context.scratch.push_back(stop);
  context.copy = context.scratch.data();
  context.resume = context.copy + from;
  context.stop_outcome = outcome;
}

/// Entry of a block for which there is not enough fuel.
[[gnu::noinline, gnu::cold]] Outcome out_of_fuel(Context& context, CodeBlock* block) {
  VcpuFrame& frame = *context.frame;
  if (frame.hot.fuel <= 0) {
    set_next(frame, block->block->key());
    return Outcome::fuel;
  }
  // The boundary exists: the block has more guest instructions than there is fuel, at least two.
  context.current = block;
  ++context.blocks;
  const auto affordable = static_cast<std::size_t>(frame.hot.fuel);
  stop_at(context, 0, block->block->boundaries()[affordable].first_inst, Outcome::fuel);
  frame.hot.fuel -= block->block->guest_inst_count();
  return kAgain;
}

/// kStopHere at `inst`.
[[gnu::noinline, gnu::cold]] Outcome stopped_here(Context& context, const Inst* inst) {
  const ir::Block& block = *context.current->block;
  set_pc_of(context, inst);
  refund(context, guest_index(block, index_of(context, inst)));
  return context.stop_outcome;
}

[[gnu::noinline, gnu::cold]] Outcome leave_stop(Context& context, const Inst* inst) {
  RunState& state = *context.state;
  const ir::Block& block = *context.current->block;
  const BlockKey next = block.exits()[inst->exit()].target;
  state.stop_reason = static_cast<ir::StopReason>(inst->aux());
  state.detail = inst->imm;
  set_next(*context.frame, next);
  // These two stop in front of the guest instruction, which therefore has not been executed.
  if (state.stop_reason == ir::StopReason::breakpoint ||
      state.stop_reason == ir::StopReason::illegal_instruction) {
    refund(context, block.guest_inst_count() - 1);
  }
  return Outcome::stop;
}

[[gnu::noinline]] Outcome leave_lookup(Context& context, std::uint32_t exit) {
  RunState& state = *context.state;
  state.from = context.current;
  state.exit = exit;
  set_next(*context.frame, context.current->block->exits()[exit].target);
  return Outcome::lookup;
}

[[gnu::noinline, gnu::cold]] Outcome leave_before(Context& context, CodeBlock* next, Outcome outcome) {
  set_next(*context.frame, next->block->key());
  return outcome;
}

[[gnu::noinline]] Outcome leave_indirect(Context& context, std::uint64_t addr) {
  context.state->from = nullptr;
  context.frame->cold().pc = addr;
  context.frame->cold().mode = context.current->block->key().mode;
  return Outcome::lookup;
}

/// Calls the helper. Sets context.resume and gives kAgain when execution must stop at the end of this guest
/// instruction.
[[gnu::noinline]] Outcome call_helper(Context& context, const Inst* inst) {
  VcpuFrame& frame = *context.frame;
  VcpuCold& cold = frame.cold();
  const auto operand = [&](ir::Value v) { return v.is_none() ? 0 : frame[v]; };
  set_pc_of(context, inst);
  // A fault in the helper's own code is not the guest's: jumping over its frames would leave its locks held.
  context.guard->disarm();
  const std::uint64_t result = context.state->helpers[static_cast<std::size_t>(inst->imm)].function(
      *cold.vcpu, operand(inst->a), operand(inst->b), operand(inst->c()));
  context.guard->arm();
  if (!inst->dst.is_none()) frame[inst->dst] = result;
  if ((frame.hot.attention.load(std::memory_order_relaxed) & kAttendExit) == 0) return Outcome::attention;
  const ir::Block& block = *context.current->block;
  const std::size_t next = guest_index(block, index_of(context, inst)) + 1;
  // Behind the last guest instruction is the next block, whose entry looks at the attention bits.
  if (next >= block.boundaries().size()) return Outcome::attention;
  stop_at(context, index_of(context, inst) + 1, block.boundaries()[next].first_inst, Outcome::attention);
  return kAgain;
}

/// The value that a side-effect-free or float opcode gives.
template <Opcode op>
[[gnu::always_inline]] inline std::uint64_t value_of(const Inst* inst, std::uint64_t* base,
                                                     RoundingMode host_rounding, bool early_tininess) {
  constexpr Form form = ir::op_info(op).form;
  constexpr bool has_a = form != Form::c64 && form != Form::d;
  constexpr bool has_b = form == Form::rr || form == Form::rrx || form == Form::rrr;
  if constexpr (ir::semantics::is_float_arithmetic(op)) {
    return eval_host_float<op>(inst, base, host_rounding, early_tininess);
  } else if constexpr (op == Opcode::const64) {
    return inst->imm64();
  } else if constexpr (op == Opcode::get_fflags) {
    return reinterpret_cast<VcpuFrame*>(base)->cold().float_flags | host_float_flags();
  } else {
    const std::uint64_t a = has_a ? base[inst->a.word] : 0;
    const std::uint64_t b = has_b ? base[inst->b.word]
                            : form == Form::ri
                                ? static_cast<std::uint64_t>(static_cast<std::int64_t>(inst->imm))
                                : 0;
    if constexpr (ir::semantics::is_float_bits(op)) {
      return ir::semantics::eval_float_bits<op>(a, b);
    } else {
      const std::uint64_t c = form == Form::rrr ? base[inst->c().word] : 0;
      constexpr bool uses_aux = form == Form::rx || form == Form::rrx;
      return ir::semantics::eval<op>(a, b, c, uses_aux ? inst->aux() : 0, uses_aux ? inst->aux2() : 0);
    }
  }
}

/// Whether the comparison of an exit_* or br_* opcode holds.
template <Opcode op>
[[gnu::always_inline]] inline bool condition(const Inst* inst, const std::uint64_t* base) {
  constexpr Form form = ir::op_info(op).form;
  const std::uint64_t b = form == Form::xrr || form == Form::brr
                              ? base[inst->b.word]
                              : static_cast<std::uint64_t>(static_cast<std::int64_t>(inst->imm));
  return ir::semantics::holds(ir::semantics::condition_of(op), base[inst->a.word], b);
}

// The loop. `careful` counts fuel, honours single-block runs and runs copies in the scratch; the other pays
// for none of it. Entered with `next` at a block's entry, or with `ip` in the middle of context.current.
template <bool careful>
[[gnu::noinline]] ASHLAR_GUEST_RACES Outcome execute(Context& context, CodeBlock* next, const Inst* ip) {
  std::uint64_t* const base = context.frame->words();
  VcpuFrame& frame = *context.frame;
  std::byte* const memory = frame.cold().mem_base;
  const std::uint64_t limit = frame.hot.mem_limit;
  const RoundingMode host_rounding = (next != nullptr ? next : context.current)->block->host_rounding();
  const bool early_tininess = context.early_tininess;

  CodeBlock* block = context.current;
  std::uint32_t exit = 0;

#define ASHLAR_COLD() (reinterpret_cast<VcpuFrame*>(base)->cold())

#ifdef ASHLAR_LABELS_AS_VALUES
  static const void* const handlers[] = {
#define ASHLAR_OP(name, form, dst, src, effects) &&do_##name,
#include <ashlar/opcodes.inc>
#undef ASHLAR_OP
      &&do_stop_here,
  };
#define ASHLAR_DISPATCH() goto* handlers[static_cast<std::uint16_t>(ip->op)]
#else
#define ASHLAR_DISPATCH() goto dispatch
#endif
#define ASHLAR_NEXT()  \
  do {                 \
    ++ip;              \
    ASHLAR_DISPATCH(); \
  } while (false)

  if (next != nullptr) goto enter;
  ASHLAR_DISPATCH();

#ifndef ASHLAR_LABELS_AS_VALUES
dispatch:
  if (static_cast<std::uint16_t>(ip->op) == kStopHere) goto do_stop_here;
  switch (ip->op) {
#define ASHLAR_OP(name, form, dst, src, effects) \
  case Opcode::name:                             \
    goto do_##name;
#include <ashlar/opcodes.inc>
#undef ASHLAR_OP
  }
  __builtin_unreachable();
#endif

take_exit:
  if constexpr (careful) {
    const std::size_t index = index_of(context, ip);
    if (index + 1 != block->block->insts().size()) refund(context, guest_index(*block->block, index) + 1);
    if (context.state->single_block) {
      set_next(frame, block->block->exits()[exit].target);
      return Outcome::block_done;
    }
  }
  next = block->successors[exit].load(std::memory_order_acquire);
  if (next == nullptr) [[unlikely]]
    return leave_lookup(context, exit);

enter:
  if (frame.hot.attention.load(std::memory_order_relaxed) != 0) [[unlikely]] {
    return leave_before(context, next, Outcome::attention);
  }
  {
    const std::uint32_t executions = next->executions.load(std::memory_order_relaxed) + 1;
    next->executions.store(executions, std::memory_order_relaxed);
    if (executions == next->hot_threshold.load(std::memory_order_relaxed)) [[unlikely]] {
      return leave_before(context, next, Outcome::hot);
    }
  }
  if constexpr (careful) {
    if (context.state->count_fuel) {
      const std::int64_t needed = next->block->guest_inst_count();
      if (frame.hot.fuel < needed) return out_of_fuel(context, next);
      frame.hot.fuel -= needed;
    }
    context.copy = nullptr;
  }
  block = next;
  context.current = block;
  ++context.blocks;
  ip = block->insts;
  ASHLAR_DISPATCH();

// A handler for each form. Every line of the table expands to one of these; a form without a macro does not
// build.
#define ASHLAR_DO_VALUE(name)                                                           \
  base[ip->dst.word] = value_of<Opcode::name>(ip, base, host_rounding, early_tininess); \
  ASHLAR_NEXT();
#define ASHLAR_DO_ACCESS(name, function)                                            \
  if (!function<Opcode::name>(base, ip, ASHLAR_COLD(), memory, limit)) [[unlikely]] \
    goto bad_access;                                                                \
  ASHLAR_NEXT();
#define ASHLAR_DO_SIDE_EXIT(name)          \
  if (condition<Opcode::name>(ip, base)) { \
    exit = ip->exit();                     \
    goto take_exit;                        \
  }                                        \
  ASHLAR_NEXT();
#define ASHLAR_DO_BRANCH(name)                                            \
  exit = condition<Opcode::name>(ip, base) ? ip->exit() : ip->exit_not(); \
  goto take_exit;

#define ASHLAR_FORM_nop(name) ASHLAR_NEXT();
#define ASHLAR_FORM_c64(name) ASHLAR_DO_VALUE(name)
#define ASHLAR_FORM_d(name) ASHLAR_DO_VALUE(name)
#define ASHLAR_FORM_r(name) ASHLAR_DO_VALUE(name)
#define ASHLAR_FORM_rr(name) ASHLAR_DO_VALUE(name)
#define ASHLAR_FORM_ri(name) ASHLAR_DO_VALUE(name)
#define ASHLAR_FORM_rrx(name) ASHLAR_DO_VALUE(name)
#define ASHLAR_FORM_rx(name) ASHLAR_DO_VALUE(name)
#define ASHLAR_FORM_rrr(name) ASHLAR_DO_VALUE(name)
#define ASHLAR_FORM_ld(name) ASHLAR_DO_ACCESS(name, load)
#define ASHLAR_FORM_st(name) ASHLAR_DO_ACCESS(name, store)
#define ASHLAR_FORM_amo(name) ASHLAR_DO_ACCESS(name, atomic)
#define ASHLAR_FORM_cas(name) ASHLAR_DO_ACCESS(name, atomic)
#define ASHLAR_FORM_xrr(name) ASHLAR_DO_SIDE_EXIT(name)
#define ASHLAR_FORM_xri(name) ASHLAR_DO_SIDE_EXIT(name)
#define ASHLAR_FORM_brr(name) ASHLAR_DO_BRANCH(name)
#define ASHLAR_FORM_bri(name) ASHLAR_DO_BRANCH(name)
// Forms with one opcode each.
#define ASHLAR_FORM_s(name)                          \
  static_assert(Opcode::name == Opcode::set_fflags); \
  std::feclearexcept(kHostFlags);                    \
  ASHLAR_COLD().float_flags = base[ip->a.word] & 31; \
  ASHLAR_NEXT();
#define ASHLAR_FORM_fence(name)                 \
  static_assert(Opcode::name == Opcode::fence); \
  fence(ip->aux());                             \
  ASHLAR_NEXT();
#define ASHLAR_FORM_help(name)                         \
  static_assert(Opcode::name == Opcode::call_helper);  \
  if (call_helper(context, ip) == kAgain) [[unlikely]] \
    return kAgain;                                     \
  ASHLAR_NEXT();
#define ASHLAR_FORM_jmp(name)                  \
  static_assert(Opcode::name == Opcode::jump); \
  exit = ip->exit();                           \
  goto take_exit;
#define ASHLAR_FORM_ind(name)                      \
  static_assert(Opcode::name == Opcode::jump_ind); \
  goto indirect;
#define ASHLAR_FORM_mode(name)                      \
  static_assert(Opcode::name == Opcode::jump_mode); \
  goto change_mode;
#define ASHLAR_FORM_exit(name)                 \
  static_assert(Opcode::name == Opcode::stop); \
  return leave_stop(context, ip);

#define ASHLAR_OP(name, form, dst, src, effects) do_##name : {ASHLAR_FORM_##form(name)}
#include <ashlar/opcodes.inc>
#undef ASHLAR_OP

do_stop_here:
  return stopped_here(context, ip);

bad_access:
  return bad_address(context, ip);

indirect : {
  const std::uint64_t addr =
      base[ip->a.word] + static_cast<std::uint64_t>(static_cast<std::int64_t>(ip->imm));
  if constexpr (careful) {
    if (context.state->single_block) {
      leave_indirect(context, addr);
      return Outcome::block_done;
    }
  }
  if (JumpTable* const table = context.state->jump_table) {
    const JumpTable::Entry& entry = table->entries[JumpTable::index(addr)];
    next = entry.block;
    if (entry.addr == addr && next != nullptr) [[likely]]
      goto enter;
  }
  return leave_indirect(context, addr);
}

change_mode : {
  context.state->from = nullptr;
  set_next(frame, {{base[ip->a.word]}, base[ip->b.word]});
  return careful && context.state->single_block ? Outcome::block_done : Outcome::lookup;
}
}

mem::HostRange window_of(const FlatMemory* memory) {
  if (memory == nullptr) return mem::null_window_range();
  const auto base = reinterpret_cast<std::uintptr_t>(memory->base());
  return {base - FlatMemory::kGuardSize,
          base + memory->size() + FlatMemory::kGuardSize + FlatMemory::page_size()};
}

/// Runs the loop until it has something to say.
[[gnu::noinline]] void drive(Context& context) {
  while (context.outcome == kAgain) {
    const bool careful = context.state->count_fuel || context.state->single_block || context.copy != nullptr;
    CodeBlock* const next = std::exchange(context.next, nullptr);
    context.outcome = careful ? execute<true>(context, next, context.resume)
                              : execute<false>(context, next, context.resume);
  }
}

}  // namespace

Outcome run(VcpuFrame& frame, RunState& state) noexcept {
  mem::FaultGuard guard(window_of(state.memory));
  // All that must survive a fault's jump is in here and in `guard`.
  Context context{};
  context.frame = &frame;
  context.state = &state;
  context.guard = &guard;
  context.next = state.first;
  context.outcome = kAgain;
  static const bool early_tininess = softfloat::host_detects_tininess_before_rounding();
  context.early_tininess = early_tininess;
  state.from = nullptr;
  if (sigsetjmp(guard.env(), 0) != 0) context.outcome = host_fault(context);
  guard.arm();
  drive(context);
  state.blocks = context.blocks;
  return context.outcome;
}

}  // namespace ashlar::interp
