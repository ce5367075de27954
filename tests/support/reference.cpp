// The plain executor.
#include "support/reference.hpp"

#include <array>
#include <cstring>
#include <vector>

#include "ir/float_semantics.hpp"
#include "ir/op_table.hpp"
#include "ir/semantics.hpp"
#include "ir/shape.hpp"

namespace ashlar::test {

using ir::Form;
using ir::Inst;
using ir::Opcode;
using ir::Value;

namespace {

/// Bytes that a load, store or atomic accesses.
unsigned access_bytes(Opcode op) {
  switch (op) {
    case Opcode::ld8u:
    case Opcode::ld8s:
    case Opcode::st8:
      return 1;
    case Opcode::ld16u:
    case Opcode::ld16s:
    case Opcode::st16:
      return 2;
    case Opcode::ld32u:
    case Opcode::ld32s:
    case Opcode::st32:
    case Opcode::fld32:
    case Opcode::fst32:
    case Opcode::lr32:
    case Opcode::sc32:
    case Opcode::swap32:
    case Opcode::fetch_add32:
    case Opcode::fetch_and32:
    case Opcode::fetch_or32:
    case Opcode::fetch_xor32:
    case Opcode::fetch_min_s32:
    case Opcode::fetch_max_s32:
    case Opcode::fetch_min_u32:
    case Opcode::fetch_max_u32:
    case Opcode::cas32:
      return 4;
    default:
      return 8;
  }
}

std::uint64_t sign_extended(std::uint64_t v, unsigned bytes) {
  const unsigned shift = 64 - 8 * bytes;
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(v << shift) >> shift);
}

class Reference {
 public:
  Reference(Vcpu& vcpu, const ir::Block& block, std::span<const Helper> helpers,
            std::optional<std::uint64_t> fuel)
      : vcpu_(vcpu), block_(block), helpers_(helpers), fuel_(fuel), temps_(block.temp_count()) {}

  ExecutionResult run() {
    vcpu_.set_pc(block_.key().addr);
    vcpu_.set_mode(block_.key().mode);
    const auto boundaries = block_.boundaries();
    if (boundaries.empty() && !take_fuel()) return finish();
    std::size_t next_boundary = 0;
    const auto insts = block_.insts();
    for (std::size_t i = 0; i < insts.size() && !left_; ++i) {
      for (; next_boundary < boundaries.size() && boundaries[next_boundary].first_inst == i;
           ++next_boundary) {
        const bool begins = next_boundary == 0;
        if (!begins) ++result_.instructions;
        if (leaving_ || !take_fuel()) {
          // The first guest instruction's address is the block's own, whatever its boundary says.
          if (!begins) vcpu_.set_pc(boundaries[next_boundary].pc);
          return finish();
        }
        guest_pc_ = boundaries[next_boundary].pc;
      }
      execute(insts[i]);
    }
    // What execution resumes at has not been completed.
    const bool resumes = result_.reason == ExitReason::fault || result_.reason == ExitReason::breakpoint ||
                         result_.reason == ExitReason::illegal_instruction;
    if (!resumes) ++result_.instructions;
    return finish();
  }

 private:
  bool take_fuel() {
    if (!fuel_) return true;
    if (*fuel_ == 0) {
      result_.reason = ExitReason::fuel;
      return false;
    }
    --*fuel_;
    return true;
  }

  ExecutionResult finish() {
    result_.next = vcpu_.key();
    return result_;
  }

  std::uint64_t get(Value v) const {
    if (v.is_none() || v.is_zero()) return 0;
    return v.is_temp() ? temps_[v.temp_index()] : vcpu_.slot(v.slot_index());
  }
  void set(Value v, std::uint64_t value) {
    if (v.is_none()) return;
    if (v.is_temp()) {
      temps_[v.temp_index()] = value;
    } else {
      vcpu_.set_slot(v.slot_index(), value);
    }
  }

  void leave(BlockKey key) {
    vcpu_.set_pc(key.addr);
    vcpu_.set_mode(key.mode);
    left_ = true;
  }
  void leave_by(unsigned exit) { leave(block_.exits()[exit].target); }

  /// False when the access faults.
  bool access(std::uint64_t addr, unsigned bytes, AccessKind kind, bool aligned) {
    Fault fault{FaultKind::unmapped, kind, {addr}};
    if (aligned && addr % bytes != 0) {
      fault.kind = FaultKind::misaligned;
    } else if (vcpu_.memory()) {
      fault = vcpu_.memory()->check({addr}, bytes, kind);
    }
    if (fault.kind == FaultKind::none) return true;
    result_.reason = ExitReason::fault;
    result_.fault = fault;
    leave({guest_pc_, block_.key().mode});
    return false;
  }
  std::uint64_t read(std::uint64_t addr, unsigned bytes) const {
    std::uint64_t v = 0;
    vcpu_.memory()->read({addr}, std::as_writable_bytes(std::span(&v, 1)).first(bytes));
    return v;
  }
  void write(std::uint64_t addr, unsigned bytes, std::uint64_t v) {
    vcpu_.memory()->write({addr}, std::as_bytes(std::span(&v, 1)).first(bytes));
  }

  void execute(const Inst& inst) {
    const Opcode op = inst.op;
    const std::uint64_t a = get(inst.a), b = get(inst.b);
    const bool has_c = ir::shape_of(op).low == ir::LowHalf::operand_c;
    const std::uint64_t c = has_c ? get(inst.c()) : 0;
    const auto immediate = static_cast<std::uint64_t>(static_cast<std::int64_t>(inst.imm));
    switch (ir::op_info(op).form) {
      case Form::nop:
      case Form::fence:
        break;
      case Form::c64:
      case Form::r:
      case Form::rr:
      case Form::ri:
      case Form::rrx:
      case Form::rx:
      case Form::rrr: {
        std::uint64_t value = 0;
        if (!ir::semantics::fold(inst, a, b, c, value)) {
          std::uint8_t flags = vcpu_.float_flags();
          value = ir::semantics::eval_float(inst, a, b, c, flags);
          vcpu_.set_float_flags(flags);
        }
        set(inst.dst, value);
        break;
      }
      case Form::d:
        set(inst.dst, vcpu_.float_flags());
        break;
      case Form::s:
        vcpu_.set_float_flags(static_cast<std::uint8_t>(a & 31));
        break;
      case Form::ld:
        load(inst, a + immediate);
        break;
      case Form::st: {
        const unsigned bytes = access_bytes(op);
        if (access(a + immediate, bytes, AccessKind::store, false)) write(a + immediate, bytes, b);
        break;
      }
      case Form::amo:
        atomic(inst, a, b);
        break;
      case Form::cas: {
        const unsigned bytes = access_bytes(op);
        if (!access(a, bytes, AccessKind::store, true)) break;
        const std::uint64_t old = read(a, bytes);
        if (old == (bytes == 4 ? static_cast<std::uint32_t>(b) : b)) write(a, bytes, c);
        set(inst.dst, sign_extended(old, bytes));
        break;
      }
      case Form::help: {
        vcpu_.set_pc(block_.boundaries().empty() ? block_.key().addr : guest_pc_);
        const std::uint64_t value = helpers_[static_cast<std::size_t>(inst.imm)].function(vcpu_, a, b, c);
        set(inst.dst, value);
        auto& attention = vcpu_.frame().hot.attention;
        if ((attention.load() & kAttendExit) != 0) {
          attention.fetch_and(~std::uint32_t{kAttendExit});
          leaving_ = true;
        }
        break;
      }
      case Form::xrr:
        if (ir::semantics::holds(ir::semantics::condition_of(op), a, b)) leave_by(inst.exit());
        break;
      case Form::xri:
        if (ir::semantics::holds(ir::semantics::condition_of(op), a, immediate)) leave_by(inst.exit());
        break;
      case Form::jmp:
        leave_by(inst.exit());
        break;
      case Form::brr:
        leave_by(ir::semantics::holds(ir::semantics::condition_of(op), a, b) ? inst.exit() : inst.exit_not());
        break;
      case Form::bri:
        leave_by(ir::semantics::holds(ir::semantics::condition_of(op), a, immediate) ? inst.exit()
                                                                                     : inst.exit_not());
        break;
      case Form::ind:
        leave({{a + immediate}, block_.key().mode});
        break;
      case Form::mode:
        leave({{a}, b});
        break;
      case Form::exit:
        stop(inst);
        break;
    }
  }

  void load(const Inst& inst, std::uint64_t addr) {
    const unsigned bytes = access_bytes(inst.op);
    if (!access(addr, bytes, AccessKind::load, false)) return;
    std::uint64_t v = read(addr, bytes);
    switch (inst.op) {
      case Opcode::ld8s:
      case Opcode::ld16s:
      case Opcode::ld32s:
        v = sign_extended(v, bytes);
        break;
      case Opcode::fld32:
        v = ir::semantics::box32(static_cast<std::uint32_t>(v));
        break;
      default:
        break;
    }
    set(inst.dst, v);
  }

  void atomic(const Inst& inst, std::uint64_t a, std::uint64_t b) {
    const unsigned bytes = access_bytes(inst.op);
    const bool reserve = inst.op == Opcode::lr32 || inst.op == Opcode::lr64;
    const bool conditional = inst.op == Opcode::sc32 || inst.op == Opcode::sc64;
    auto& reserved = vcpu_.frame().cold().reservation_addr;
    // One that has no reservation touches no memory: only the inline check of the address can fault.
    const bool touches = !conditional || reserved == a || a % bytes != 0 || a > vcpu_.frame().hot.mem_limit;
    if (touches && !access(a, bytes, reserve ? AccessKind::load : AccessKind::store, true)) return;
    if (conditional) {
      // By value, as docs/atomics.md promises: also the vCPU's own stores in between count.
      const std::uint64_t width = bytes == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << 8 * bytes) - 1;
      const bool stores = reserved == a && read(a, bytes) == (vcpu_.frame().cold().reservation_value & width);
      if (stores) write(a, bytes, b);
      vcpu_.clear_reservation();
      set(inst.dst, stores ? 0 : 1);
      return;
    }
    const std::uint64_t old = sign_extended(read(a, bytes), bytes);
    if (reserve) {
      reserved = a;
      vcpu_.frame().cold().reservation_value = read(a, bytes);
    } else {
      write(a, bytes, ir::semantics::rmw(inst.op, old, b));
    }
    set(inst.dst, old);
  }

  void stop(const Inst& inst) {
    switch (static_cast<ir::StopReason>(inst.aux())) {
      case ir::StopReason::syscall:
        result_.reason = ExitReason::syscall;
        break;
      case ir::StopReason::breakpoint:
        result_.reason = ExitReason::breakpoint;
        break;
      case ir::StopReason::illegal_instruction:
        result_.reason = ExitReason::illegal_instruction;
        break;
      case ir::StopReason::guest_exit:
        result_.reason = ExitReason::guest_exit;
        result_.detail = inst.imm;
        break;
      case ir::StopReason::instruction_fence:
        break;
    }
    leave_by(inst.exit());
  }

  Vcpu& vcpu_;
  const ir::Block& block_;
  std::span<const Helper> helpers_;
  std::optional<std::uint64_t> fuel_;
  std::vector<std::uint64_t> temps_;
  GuestAddr guest_pc_ = block_.key().addr;
  bool left_ = false;
  bool leaving_ = false;
  ExecutionResult result_;
};

}  // namespace

ExecutionResult execute_reference(Vcpu& vcpu, const ir::Block& block, std::span<const Helper> helpers,
                                  std::optional<std::uint64_t> fuel) {
  return Reference(vcpu, block, helpers, fuel).run();
}

}  // namespace ashlar::test
