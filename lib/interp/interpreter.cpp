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

#include "base/float_unit.hpp"
#include "interp/memory_ops.hpp"
#include "interp/prepare.hpp"
#include "interp/step.hpp"
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

// Dispatch through a table of labels, repeated at the end of each handler, where the compiler has them; else
// one switch.
#if defined(__GNUC__) && !defined(ASHLAR_SWITCH_DISPATCH)
#define ASHLAR_LABELS_AS_VALUES 1
#pragma GCC diagnostic ignored "-Wpedantic"
#endif

namespace ashlar::interp {
namespace {

using ir::Form;
using ir::Inst;
using ir::Opcode;

/// What the loop and its cold paths share. Lives in `run`, outside the frames that a fault's jump cuts off.
struct Context {
  // A constructor, because compilers clear an aggregate with the slowest of instructions.
  Context(VcpuFrame& f, RunState& s, mem::FaultGuard& g) noexcept : frame(&f), state(&s), guard(&g) {}

  VcpuFrame* frame;
  RunState* state;
  mem::FaultGuard* guard;
  CodeBlock* next = nullptr;     ///< where to begin: at a block's entry,
  const Inst* resume = nullptr;  ///< or, if `next` is null, at this instruction of `current`
  CodeBlock* current = nullptr;  ///< the block being executed
  /// Instruction 0 of what is being executed, if it is not current->insts but the block's IR or the copy in
  /// `scratch`; this says at the same time that the careful loop executes it.
  const Inst* plain = nullptr;
  std::uint64_t blocks = 0;
  bool early_tininess = false;
  Outcome outcome{};
  const void* faulted =
      nullptr;  ///< the instruction of the last host fault, and how often it was tried again
  unsigned attempts = 0;
  /// A copy of the beginning of `current`, ended by kStopHere, for stops at a guest instruction inside a
  /// block.
  std::vector<Inst> scratch;
  Outcome stop_outcome{};         ///< with which kStopHere leaves,
  std::size_t stop_boundary = 0;  ///< and in front of which guest instruction
};

/// What the loop says besides Outcome: go on at context.resume.
constexpr auto kAgain = static_cast<Outcome>(0xff);

std::size_t index_of(const Context& context, const Inst* inst) {
  return static_cast<std::size_t>(inst - (context.plain != nullptr ? context.plain : context.current->insts));
}

/// The IR's own instruction: prepared code may name a pair in its place.
const Inst& original(const Context& context, const Inst* inst) {
  return context.current->block->insts()[index_of(context, inst)];
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

std::uint64_t address_of(const Context& context, const Inst& inst) {
  const std::uint64_t addr = (*context.frame)[inst.a];
  const Form form = ir::op_info(inst.op).form;
  if (form != Form::ld && form != Form::st) return addr;
  return addr + static_cast<std::uint64_t>(static_cast<std::int64_t>(inst.imm));
}

bool misaligned(Opcode op, std::uint64_t addr) {
  const Form form = ir::op_info(op).form;
  return (form == Form::amo || form == Form::cas) && addr % access_width(op) != 0;
}

/// An access that failed the inline check: what it is for the guest.
[[gnu::noinline, gnu::cold]] Outcome bad_address(Context& context, const Inst* at) {
  const Inst& inst = original(context, at);
  const std::uint64_t addr = address_of(context, inst);
  const AccessKind access = access_of(inst.op);
  Fault fault{FaultKind::unmapped, access, {addr}};
  if (misaligned(inst.op, addr)) {
    fault.kind = FaultKind::misaligned;
  } else if (context.state->memory != nullptr) {
    const Fault found = context.state->memory->check({addr}, access_width(inst.op), access);
    if (found.kind != FaultKind::none) fault = found;
  }
  return leave_fault(context, at, fault);
}

/// A host fault at frame cold().interp_inst. kAgain when the page is accessible by now.
Outcome host_fault(Context& context) {
  VcpuCold& cold = context.frame->cold();
  const Inst* at = static_cast<const Inst*>(cold.interp_inst);
  context.attempts = context.faulted == at ? context.attempts + 1 : 0;
  context.faulted = at;
  const Inst& inst = original(context, at);
  const std::uint64_t addr = address_of(context, inst);
  const AccessKind access = access_of(inst.op);
  mem::abandon_store_conditional(cold, cold.mem_base + addr);
  Fault fault{FaultKind::unmapped, access, {addr}};
  if (context.state->memory != nullptr) {
    fault = context.state->memory->check({addr}, access_width(inst.op), access);
    if (fault.kind == FaultKind::none) {
      // Mapped by another thread just now, unless it is memory that the host itself has lost (a file that
      // became shorter) or keeps refusing.
      constexpr unsigned kAttempts = 100;
      if (!context.guard->bus() && context.attempts < kAttempts) {
        // Prepared code has the second half of a pair in its own place, so `at` is a beginning in any case.
        context.resume = at;
        return kAgain;
      }
      const std::uint64_t byte =
          context.guard->fault_addr() - reinterpret_cast<std::uintptr_t>(cold.mem_base);
      fault = {FaultKind::bus, access, {byte - addr < access_width(inst.op) ? byte : addr}};
    }
  }
  return leave_fault(context, at, fault);
}

/// Makes the loop go on at instruction `from` of the current block and leave with `outcome` in front of its
/// guest instruction number `boundary`.
void stop_at(Context& context, std::size_t from, std::size_t boundary, Outcome outcome) {
  const auto insts = context.current->block->insts();
  const std::size_t end = context.current->block->boundaries()[boundary].first_inst;
  context.scratch.assign(insts.begin(), insts.begin() + static_cast<std::ptrdiff_t>(end));
  Inst stop;
  stop.op = static_cast<Opcode>(kStopHere);
  context.scratch.push_back(stop);
  context.plain = context.scratch.data();
  context.resume = context.plain + from;
  context.stop_outcome = outcome;
  context.stop_boundary = boundary;
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
  stop_at(context, 0, affordable, Outcome::fuel);
  frame.hot.fuel -= block->block->guest_inst_count();
  return kAgain;
}

/// RunState::start_inst: the loop is to go on there, with the fuel of what remains of the block charged.
[[gnu::noinline, gnu::cold]] void start_inside(Context& context) {
  RunState& state = *context.state;
  const ir::Block& block = *state.first->block;
  context.current = state.first;
  context.next = nullptr;
  ++context.blocks;
  context.plain = state.count_fuel || state.single_block ? block.insts().data() : nullptr;
  context.resume = (context.plain != nullptr ? context.plain : state.first->insts) + state.start_inst;
  if (!state.count_fuel) return;
  const std::size_t done = guest_index(block, state.start_inst);
  const auto needed = static_cast<std::int64_t>(block.guest_inst_count() - done);
  std::int64_t& fuel = context.frame->hot.fuel;
  if (fuel < needed && fuel >= 0 && !block.boundaries().empty()) {
    const std::size_t last = done + static_cast<std::size_t>(fuel);
    // From what is in the IR: emitted code has executed the beginning.
    stop_at(context, state.start_inst, last, Outcome::fuel);
  }
  fuel -= needed;
}

/// At kStopHere. Which guest instruction that is can't be told from the instruction: some have none of their
/// own.
[[gnu::noinline, gnu::cold]] Outcome stopped_here(Context& context) {
  const ir::Block& block = *context.current->block;
  set_next(*context.frame, {block.boundaries()[context.stop_boundary].pc, block.key().mode});
  refund(context, context.stop_boundary);
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

/// Calls the helper, with the host's float unit as the host has it and all of the guest's flags in the frame.
/// Sets context.resume and gives kAgain when execution must stop at the end of this guest instruction.
[[gnu::noinline]] Outcome call_helper(Context& context, const Inst* inst) {
  VcpuFrame& frame = *context.frame;
  VcpuCold& cold = frame.cold();
  const auto operand = [&](ir::Value v) { return v.is_none() ? 0 : frame[v]; };
  set_pc_of(context, inst);
  // A fault in the helper's own code is not the guest's: jumping over its frames would leave its locks held.
  context.guard->disarm();
  const float_unit::Word guest = float_unit::read();
  cold.float_flags |= float_unit::flags_of(guest);
  float_unit::write(cold.host_float_control);
  const std::uint64_t result = context.state->helpers[static_cast<std::size_t>(inst->imm)].function(
      *cold.vcpu, operand(inst->a), operand(inst->b), operand(inst->c()));
  float_unit::write(float_unit::without_flags(guest));
  context.guard->arm();
  if (!inst->dst.is_none()) frame[inst->dst] = result;
  if ((frame.hot.attention.load(std::memory_order_relaxed) & kAttendExit) == 0) return Outcome::attention;
  const ir::Block& block = *context.current->block;
  const std::size_t next = guest_index(block, index_of(context, inst)) + 1;
  // Behind the last guest instruction is the next block, whose entry looks at the attention bits.
  if (next >= block.boundaries().size()) return Outcome::attention;
  stop_at(context, index_of(context, inst) + 1, next, Outcome::attention);
  return kAgain;
}

/// The last result in front of `inst`, where the loop begins in the middle of a block.
std::uint64_t last_result_before(const Context& context, const Inst* inst) {
  const std::int16_t word = last_result(context.current->block->insts(), index_of(context, inst));
  return word == ir::Value::kNone ? 0 : context.frame->words()[word];
}

// The loop. `careful` executes the block's own IR, counts fuel and honours single-block runs; the other
// executes prepared code and pays for none of that. Begins at the entry of context.next, or else at
// context.resume.
template <bool careful>
[[gnu::noinline]] ASHLAR_GUEST_RACES Outcome execute(Context& context) {
  VcpuFrame& frame = *context.frame;
  CodeBlock* next = std::exchange(context.next, nullptr);
  const Registers registers{frame.words(), frame.cold().mem_base,
                            (next != nullptr ? next : context.current)->block->host_rounding(),
                            context.early_tininess};
  const Inst* ip = context.resume;
  std::uint64_t last = next != nullptr ? 0 : last_result_before(context, ip);
  std::uint32_t exit = 0;
  const std::uint32_t hot_threshold = context.state->hot_threshold;

#ifdef ASHLAR_LABELS_AS_VALUES
  static const void* const handlers[] = {
#define ASHLAR_OP(name, form, dst, src, effects) &&do_##name,
#include <ashlar/opcodes.inc>
#undef ASHLAR_OP
      &&do_stop_here,
#define ASHLAR_ONE(op, source) careful ? nullptr : &&do_##op##_##source,
#define ASHLAR_TWO(first, source1, second, source2) \
  careful ? nullptr : &&do_##first##_##source1##_##second##_##source2,
#include "interp/fused.inc"
#undef ASHLAR_ONE
#undef ASHLAR_TWO
  };
#define ASHLAR_DISPATCH() goto* handlers[static_cast<std::uint16_t>(ip->op)]
#else
#define ASHLAR_DISPATCH() goto dispatch
#endif

// One instruction of a handler. All but a branch or two of it fold away.
#define ASHLAR_STEP(op, source)                                          \
  switch (step<Opcode::op, Source::source>(ip, registers, last, exit)) { \
    case Step::next:                                                     \
      break;                                                             \
    case Step::bad_access:                                               \
      goto bad_access;                                                   \
    case Step::leave:                                                    \
      goto take_exit;                                                    \
    case Step::indirect:                                                 \
      goto indirect;                                                     \
    case Step::mode:                                                     \
      goto change_mode;                                                  \
    case Step::stop:                                                     \
      return leave_stop(context, ip);                                    \
    case Step::helper:                                                   \
      if (call_helper(context, ip) == kAgain) return kAgain;             \
      break;                                                             \
  }                                                                      \
  ++ip;

  if (next != nullptr) goto enter;
  ASHLAR_DISPATCH();

#ifndef ASHLAR_LABELS_AS_VALUES
dispatch:
  switch (static_cast<std::uint16_t>(ip->op)) {
#define ASHLAR_OP(name, form, dst, src, effects) \
  case static_cast<std::uint16_t>(Opcode::name): \
    goto do_##name;
#include <ashlar/opcodes.inc>
#undef ASHLAR_OP
    case kStopHere:
      goto do_stop_here;
#define ASHLAR_ONE(op, source)                                 \
  case static_cast<std::uint16_t>(FusedOpcode::op##_##source): \
    goto do_##op##_##source;
#define ASHLAR_TWO(first, source1, second, source2)                                       \
  case static_cast<std::uint16_t>(FusedOpcode::first##_##source1##_##second##_##source2): \
    goto do_##first##_##source1##_##second##_##source2;
#include "interp/fused.inc"
#undef ASHLAR_ONE
#undef ASHLAR_TWO
  }
  __builtin_unreachable();
#endif

take_exit:
  if constexpr (careful) {
    const ir::Block& block = *context.current->block;
    const std::size_t index = index_of(context, ip);
    if (index + 1 != block.insts().size()) refund(context, guest_index(block, index) + 1);
    if (context.state->single_block) {
      set_next(frame, block.exits()[exit].target);
      return Outcome::block_done;
    }
  }
  next = context.current->successors[exit].load(std::memory_order_acquire);
  if (next == nullptr) [[unlikely]]
    return leave_lookup(context, exit);

enter:
  if (frame.hot.attention.load(std::memory_order_relaxed) != 0) [[unlikely]] {
    return leave_before(context, next, Outcome::attention);
  }
  {
    const std::uint32_t executions = next->executions.load(std::memory_order_relaxed) + 1;
    next->executions.store(executions, std::memory_order_relaxed);
    if (executions >= hot_threshold) [[unlikely]] {
      if (context.state->hot_entries == 0) return leave_before(context, next, Outcome::hot);
      --context.state->hot_entries;
    }
  }
  if constexpr (careful) {
    if (context.state->count_fuel) {
      const std::int64_t needed = next->block->guest_inst_count();
      if (frame.hot.fuel < needed) return out_of_fuel(context, next);
      frame.hot.fuel -= needed;
    }
    context.plain = next->block->insts().data();
  }
  context.current = next;
  ++context.blocks;
  ip = careful ? context.plain : next->insts;
  ASHLAR_DISPATCH();

#define ASHLAR_OP(name, form, dst, src, effects) \
  do_##name : {                                  \
    ASHLAR_STEP(name, m)                         \
    ASHLAR_DISPATCH();                           \
  }
#include <ashlar/opcodes.inc>
#undef ASHLAR_OP

#define ASHLAR_ONE(op, source) \
  do_##op##_##source : {       \
    if constexpr (!careful) {  \
      ASHLAR_STEP(op, source)  \
      ASHLAR_DISPATCH();       \
    }                          \
  }
#define ASHLAR_TWO(first, source1, second, source2) \
  do_##first##_##source1##_##second##_##source2 : { \
    if constexpr (!careful) {                       \
      ASHLAR_STEP(first, source1)                   \
      ASHLAR_STEP(second, source2)                  \
      ASHLAR_DISPATCH();                            \
    }                                               \
  }
#include "interp/fused.inc"
#undef ASHLAR_ONE
#undef ASHLAR_TWO

do_stop_here:
  return stopped_here(context);

bad_access:
  return bad_address(context, ip);

indirect:
  if constexpr (careful) {
    if (context.state->single_block) {
      leave_indirect(context, last);
      return Outcome::block_done;
    }
  }
  if (JumpTable* const table = context.state->jump_table) {
    const JumpTable::Entry& entry = table->entries[JumpTable::index(last)];
    next = entry.block;
    if (entry.addr == last && next != nullptr) [[likely]]
      goto enter;
  }
  return leave_indirect(context, last);

change_mode:
  context.state->from = nullptr;
  set_next(frame, {{registers.base[ip->a.word]}, registers.base[ip->b.word]});
  return careful && context.state->single_block ? Outcome::block_done : Outcome::lookup;
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
    const bool careful = context.state->count_fuel || context.state->single_block || context.plain != nullptr;
    context.outcome = careful ? execute<true>(context) : execute<false>(context);
  }
}

}  // namespace

Outcome run(VcpuFrame& frame, RunState& state) noexcept {
  mem::FaultGuard guard(window_of(state.memory));
  // All that must survive a fault's jump is in here and in `guard`.
  Context context(frame, state, guard);
  context.next = state.first;
  context.outcome = kAgain;
  static const bool early_tininess = softfloat::host_detects_tininess_before_rounding();
  context.early_tininess = early_tininess;
  state.from = nullptr;
  if (state.start_inst != 0) [[unlikely]]
    start_inside(context);
  if (sigsetjmp(guard.env(), 0) != 0) context.outcome = host_fault(context);
  guard.arm();
  drive(context);
  state.blocks = context.blocks;
  return context.outcome;
}

}  // namespace ashlar::interp
