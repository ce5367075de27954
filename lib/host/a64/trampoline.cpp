// The AArch64 runtime routines: the way into and out of emitted code, and what emitted code calls
// (codegen/runtime.hpp). Emitted once per context. Below the entries' frame linked code keeps return
// addresses of guest calls, in pairs; what it calls finds the way back in x30.
#include "host/a64/trampoline.hpp"

#include "host/a64/regs.hpp"

namespace ashlar::host_a64 {

using asmjit::Imm;
using codegen::HostExit;
using codegen::RuntimeEntry;

namespace {

// The entries' stack frame: the two words of kSingleFloatOffset and kSingleReturnOffset, then what the
// procedure call standard has callees preserve: x19..x30, d8..d15 (AAPCS64, section 6.1).
constexpr std::int32_t kSavedIntegers = 16, kSavedFloats = kSavedIntegers + 12 * 8;
constexpr std::int32_t kFrameBytes = kSavedFloats + 8 * 8;
static_assert(kFrameBytes % 16 == 0 && kSingleReturnOffset < kSavedIntegers);

const Imm kFpcr(a64::Predicate::SysReg::kFPCR);
const Imm kFpsr(a64::Predicate::SysReg::kFPSR);

class Writer {
 public:
  Writer(a64::Assembler& as, std::span<const codegen::Resident> residents, codegen::RuntimeCode& out)
      : as_(as), residents_(residents), out_(out) {}

  void write() {
    leave_linked_ = as_.newLabel();
    bottom_ = as_.newLabel();
    leave_dumped_ = as_.newLabel();
    leave_single_ = as_.newLabel();
    leave_single_fault_ = as_.newLabel();
    enter_linked();
    enter_single();
    enter_batch();
    exit();
    jump_miss();
    jump_probe();
    jump_mode();
    check_fault(RuntimeEntry::check_fault, leave_dumped_);
    check_fault(RuntimeEntry::check_fault_single, leave_single_fault_);
    helper(RuntimeEntry::helper, true);
    helper(RuntimeEntry::helper_single, false);
    runtime_call();
    resume();
  }

 private:
  static constexpr std::int32_t kStatusHalf = 4;  ///< FPSR in a float_unit::Word

  static a64::Mem field(std::int32_t offset) { return frame_mem(offset); }
  std::uint32_t begin() {
    as_.align(asmjit::AlignMode::kCode, 16);
    return static_cast<std::uint32_t>(as_.offset());
  }
  void at(RuntimeEntry entry) { out_.entries[static_cast<std::size_t>(entry)] = begin(); }
  /// Destroys x17.
  void leave_code(HostExit code) {
    as_.movz(gp32(kX17), Imm(static_cast<std::uint64_t>(code)));
    as_.str(gp64(kX17), field(ASHLAR_COLD_OFFSET(exit_code)));
  }
  /// Destroys x17.
  void call_cpp(const void* function) {
    const auto address = reinterpret_cast<std::uintptr_t>(function);
    as_.movz(gp64(kX17), Imm(address & 0xffff));
    for (int i = 1; i < 4; ++i)
      if (const std::uint64_t half = address >> (16 * i) & 0xffff; half != 0)
        as_.movk(gp64(kX17), Imm(half), Imm(16 * i));
    as_.blr(gp64(kX17));
  }

  void save_host() {
    as_.sub(a64::sp, a64::sp, Imm(kFrameBytes));
    for (std::int32_t i = 0; i < 12; i += 2)
      as_.stp(a64::x(static_cast<std::uint32_t>(19 + i)), a64::x(static_cast<std::uint32_t>(20 + i)),
              a64::ptr(a64::sp, kSavedIntegers + 8 * i));
    for (std::int32_t i = 0; i < 8; i += 2)
      as_.stp(a64::d(static_cast<std::uint32_t>(8 + i)), a64::d(static_cast<std::uint32_t>(9 + i)),
              a64::ptr(a64::sp, kSavedFloats + 8 * i));
    as_.sub(kState, a64::x0, Imm(-kStateBias));
    as_.mov(gp64(kX16), a64::sp);
    as_.str(gp64(kX16), field(ASHLAR_COLD_OFFSET(host_sp)));
    as_.ldr(kMemBase, field(ASHLAR_COLD_OFFSET(mem_base)));
    as_.ldr(kMemLimit, field(offsetof(VcpuHot, mem_limit)));
    make_constants();
  }
  /// The stack pointer is where save_host left it. x0 is the result.
  void restore_host() {
    for (std::int32_t i = 0; i < 12; i += 2)
      as_.ldp(a64::x(static_cast<std::uint32_t>(19 + i)), a64::x(static_cast<std::uint32_t>(20 + i)),
              a64::ptr(a64::sp, kSavedIntegers + 8 * i));
    for (std::int32_t i = 0; i < 8; i += 2)
      as_.ldp(a64::d(static_cast<std::uint32_t>(8 + i)), a64::d(static_cast<std::uint32_t>(9 + i)),
              a64::ptr(a64::sp, kSavedFloats + 8 * i));
    as_.add(a64::sp, a64::sp, Imm(kFrameBytes));
    as_.ret(a64::x30);
  }
  void host_stack() {
    as_.ldr(gp64(kX16), field(ASHLAR_COLD_OFFSET(host_sp)));
    as_.mov(a64::sp, gp64(kX16));
  }
  /// What emitted code expects in registers. Destroys x17.
  void make_constants() {
    as_.movi(vec(kOnes).d2(), Imm(~std::uint64_t{0}));
    static_assert((kTinyBits & 0x0000'ffff'0000'ffff) == 0);
    as_.movz(gp64(kX17), Imm(kTinyBits >> 48), Imm(48));
    as_.movk(gp64(kX17), Imm(kTinyBits >> 16 & 0xffff), Imm(16));
    as_.fmov(fp64(kTiny), gp64(kX17));
  }

  // Both destroy x16 and x17.
  void guest_float_unit() {
    as_.mrs(gp64(kX16), kFpcr);
    as_.mrs(gp64(kX17), kFpsr);
    as_.stp(gp32(kX16), gp32(kX17), field(ASHLAR_COLD_OFFSET(host_float_control)));
    load_guest_control();
  }
  void load_guest_control() {
    as_.ldr(gp32(kX17), field(ASHLAR_COLD_OFFSET(guest_float_control)));
    as_.msr(kFpcr, gp64(kX17));
    as_.msr(kFpsr, a64::xzr);
  }
  void host_float_unit() {
    as_.mrs(gp64(kX16), kFpsr);
    as_.str(gp32(kX16), field(ASHLAR_COLD_OFFSET(float_status) + kStatusHalf));
    as_.ldp(gp32(kX16), gp32(kX17), field(ASHLAR_COLD_OFFSET(host_float_control)));
    as_.msr(kFpcr, gp64(kX16));
    as_.msr(kFpsr, gp64(kX17));
  }

  /// All residents, in pairs where they are neighbours. Destroys x17.
  void move_residents(bool to_frame) {
    // From the middle of the slots the pairs' displacements reach 128 of them.
    constexpr std::int32_t kMiddle = 8 * (ir::Value::kFirstSlotWord + 64);
    as_.add(gp64(kX17), kState, Imm(frame_disp(kMiddle)));
    for (std::size_t i = 0; i < residents_.size(); ++i) {
      const Reg r = residents_[i].reg;
      const std::int32_t disp = 8 * residents_[i].slot.word;
      const bool pair = i + 1 < residents_.size() && residents_[i + 1].reg.is_float() == r.is_float() &&
                        residents_[i + 1].slot.word == residents_[i].slot.word + 1 &&
                        disp - kMiddle >= -512 && disp - kMiddle <= 504;
      const a64::Vec f = fp64(r);
      const a64::Gp g = gp64(r);
      if (pair) {
        const Reg other = residents_[++i].reg;
        const a64::Mem mem = a64::ptr(gp64(kX17), disp - kMiddle);
        if (r.is_float()) {
          as_.emit(to_frame ? a64::Inst::kIdStp_v : a64::Inst::kIdLdp_v, f, fp64(other), mem);
        } else {
          as_.emit(to_frame ? a64::Inst::kIdStp : a64::Inst::kIdLdp, g, gp64(other), mem);
        }
      } else if (r.is_float()) {
        as_.emit(to_frame ? a64::Inst::kIdStr_v : a64::Inst::kIdLdr_v, f, frame_mem(disp));
      } else {
        as_.emit(to_frame ? a64::Inst::kIdStr : a64::Inst::kIdLdr, g, frame_mem(disp));
      }
    }
  }

  // void enter_linked(VcpuFrame* x0, const void* x1)
  void enter_linked() {
    out_.enter_linked = begin();
    save_host();
    write_bottom();
    guest_float_unit();
    as_.mov(gp64(kX16), a64::x1);
    move_residents(false);
    as_.br(gp64(kX16));
    as_.bind(leave_linked_);
    move_residents(true);
    as_.bind(leave_dumped_);
    host_float_unit();
    host_stack();
    restore_host();
  }

  // std::uint32_t enter_single(VcpuFrame* x0, const void* x1, bool w2)
  void enter_single() {
    out_.enter_single = begin();
    const asmjit::Label with_floats = as_.newLabel(), no_floats = as_.newLabel();
    const asmjit::Label back_with_floats = as_.newLabel();
    save_host();
    as_.and_(a64::w2, a64::w2, Imm(1));
    as_.str(a64::x2, a64::ptr(a64::sp, kSingleFloatOffset));
    as_.cbnz(a64::w2, with_floats);
    as_.adr(gp64(kX17), leave_single_);
    as_.str(gp64(kX17), a64::ptr(a64::sp, kSingleReturnOffset));
    as_.br(a64::x1);
    as_.bind(with_floats);
    guest_float_unit();
    as_.adr(gp64(kX17), back_with_floats);
    as_.str(gp64(kX17), a64::ptr(a64::sp, kSingleReturnOffset));
    as_.br(a64::x1);
    as_.bind(back_with_floats);
    host_float_unit();
    as_.bind(leave_single_);
    restore_host();
    as_.bind(leave_single_fault_);
    host_stack();
    as_.ldr(gp32(kX16), a64::ptr(a64::sp, kSingleFloatOffset));
    as_.cbz(gp32(kX16), no_floats);
    host_float_unit();
    as_.bind(no_floats);
    as_.movz(a64::w0, Imm(codegen::kSingleFault));
    as_.b(leave_single_);
  }

  // std::uint32_t enter_batch(VcpuFrame* x0, BatchStep* x1, bool w2). The stack is as for a single block.
  void enter_batch() {
    using codegen::BatchStep;
    out_.enter_batch = begin();
    const asmjit::Label first = as_.newLabel(), next = as_.newLabel(), end = as_.newLabel();
    const auto step = field(ASHLAR_COLD_OFFSET(batch_step));
    save_host();
    as_.and_(a64::w2, a64::w2, Imm(1));
    as_.str(a64::x2, a64::ptr(a64::sp, kSingleFloatOffset));
    as_.adr(gp64(kX17), next);
    as_.str(gp64(kX17), a64::ptr(a64::sp, kSingleReturnOffset));
    as_.cbz(a64::w2, first);
    guest_float_unit();
    as_.b(first);
    as_.align(asmjit::AlignMode::kCode, 16);
    as_.bind(next);
    static_assert(codegen::kSingleDone == 0);
    as_.cbnz(a64::w0, end);
    as_.ldr(a64::x1, step);
    as_.ldr(gp64(kX16), field(ASHLAR_COLD_OFFSET(pc)));
    as_.str(gp64(kX16), a64::ptr(a64::x1, offsetof(BatchStep, next)));
    as_.add(a64::x1, a64::x1, Imm(sizeof(BatchStep)));
    as_.bind(first);
    as_.str(a64::x1, step);
    as_.mov(a64::w0, a64::wzr);
    as_.ldr(gp32(kX17), field(offsetof(VcpuHot, attention)));
    as_.cbnz(gp32(kX17), end);
    as_.ldr(gp64(kX16), a64::ptr(a64::x1, offsetof(BatchStep, code)));
    as_.cbz(gp64(kX16), end);
    as_.br(gp64(kX16));
    as_.bind(end);
    as_.ldr(gp32(kX16), a64::ptr(a64::sp, kSingleFloatOffset));
    as_.cbz(gp32(kX16), leave_single_);
    host_float_unit();
    as_.b(leave_single_);
  }

  void exit() {
    at(RuntimeEntry::exit);
    as_.str(a64::x30, field(ASHLAR_COLD_OFFSET(exit_info)));
    leave_code(HostExit::site);
    as_.b(leave_linked_);
  }

  void jump_miss() {
    at(RuntimeEntry::jump_miss);
    as_.str(gp64(kX16), field(ASHLAR_COLD_OFFSET(pc)));
    leave_code(HostExit::jump);
    as_.b(leave_linked_);
  }

  /// The bottom of the return-address stack: it takes returns to guest address 0 to be its own.
  void write_bottom() {
    static_assert(kSavedIntegers == 16);
    as_.adr(gp64(kX17), bottom_);
    as_.stp(gp64(kX17), a64::xzr, a64::ptr(a64::sp));
  }

  /// Where a return comes that finds no call of its own on the stack; the bottom of the stack leads here,
  /// too.
  void jump_probe() {
    as_.bind(bottom_);
    as_.mov(gp64(kX16), a64::xzr);
    at(RuntimeEntry::jump_probe);
    as_.ldr(gp64(kX17), field(ASHLAR_COLD_OFFSET(host_sp)));
    as_.mov(a64::sp, gp64(kX17));
    // Whoever popped the bottom left it below the stack pointer, where signal handlers write.
    write_bottom();
    const asmjit::Label miss = as_.newLabel();
    probe_jump_cache(as_, kX16, miss);
    as_.br(gp64(kX17));
    as_.bind(miss);
    as_.ldr(gp64(kX17),
            field(ASHLAR_COLD_OFFSET(entries) + 8 * static_cast<std::int32_t>(RuntimeEntry::jump_miss)));
    as_.br(gp64(kX17));
  }

  void jump_mode() {
    at(RuntimeEntry::jump_mode);
    leave_code(HostExit::mode);
    as_.b(leave_linked_);
  }

  /// All registers as the block had them go into the dump; the engine stores what belongs into the frame.
  void check_fault(RuntimeEntry entry, const asmjit::Label& leave) {
    at(entry);
    as_.str(a64::x30, field(ASHLAR_COLD_OFFSET(exit_info)));
    as_.ldr(gp64(kX17), field(ASHLAR_COLD_OFFSET(dump)));
    constexpr auto kIntegers = static_cast<std::int32_t>(offsetof(codegen::RegisterDump, gpr));
    constexpr auto kFloats = static_cast<std::int32_t>(offsetof(codegen::RegisterDump, vec));
    // No value is ever in x16 to x18, x29 and above, v31.
    for (std::int32_t n = 0; n < 28; n += 2) {
      if (n == 16 || n == 18) continue;
      as_.stp(a64::x(static_cast<std::uint32_t>(n)), a64::x(static_cast<std::uint32_t>(n + 1)),
              a64::ptr(gp64(kX17), kIntegers + 8 * n));
    }
    as_.str(a64::x19, a64::ptr(gp64(kX17), kIntegers + 8 * 19));
    for (std::int32_t n = 0; n < 32; n += 2)
      as_.stp(a64::d(static_cast<std::uint32_t>(n)), a64::d(static_cast<std::uint32_t>(n + 1)),
              a64::ptr(gp64(kX17), kFloats + 8 * n));
    leave_code(HostExit::check_fault);
    as_.b(leave);
  }

  /// w16: id; the result comes in x16. The state is in the frame while the helper runs.
  void helper(RuntimeEntry entry, bool linked) {
    at(entry);
    const asmjit::Label plain = as_.newLabel(), done = as_.newLabel();
    const auto call = [this] { call_cpp(reinterpret_cast<const void*>(&codegen::call_helper)); };
    as_.str(a64::x30, a64::ptr_pre(a64::sp, -16));
    if (linked) move_residents(true);
    as_.mov(a64::w1, gp32(kX16));
    as_.add(a64::x0, kState, Imm(-kStateBias));
    if (!linked) {
      as_.ldr(gp32(kX16), a64::ptr(a64::sp, 16 + kSingleFloatOffset));
      as_.cbz(gp32(kX16), plain);
    }
    host_float_unit();
    call();
    load_guest_control();
    if (!linked) {
      as_.b(done);
      as_.bind(plain);
      as_.str(a64::xzr, field(ASHLAR_COLD_OFFSET(float_status)));
      call();
      as_.bind(done);
    }
    as_.mov(gp64(kX16), a64::x0);
    make_constants();
    if (linked) move_residents(false);
    as_.ldr(a64::x30, a64::ptr_post(a64::sp, 16));
    as_.ret(a64::x30);
  }

  /// w16: what codegen::float_slow wants; the result comes in x16. Every register but x16, x17 and x30
  /// survives.
  void runtime_call() {
    at(RuntimeEntry::runtime_call);
    // What callees may destroy and emitted code uses: x0..x15, all float registers but v8..v15.
    constexpr std::int32_t kFloats = 16 + 16 * 8, kBytes = kFloats + 24 * 8;
    static_assert(kBytes % 16 == 0);
    const auto each = [this](a64::Inst::Id integers, a64::Inst::Id floats) {
      for (std::int32_t n = 0; n < 16; n += 2)
        as_.emit(integers, a64::x(static_cast<std::uint32_t>(n)), a64::x(static_cast<std::uint32_t>(n + 1)),
                 a64::ptr(a64::sp, 16 + 8 * n));
      for (std::int32_t n = 0; n < 24; n += 2) {
        const auto first = static_cast<std::uint32_t>(n < 8 ? n : n + 8);
        as_.emit(floats, a64::d(first), a64::d(first + 1), a64::ptr(a64::sp, kFloats + 8 * n));
      }
    };
    as_.sub(a64::sp, a64::sp, Imm(kBytes));
    as_.str(a64::x30, a64::ptr(a64::sp));
    each(a64::Inst::kIdStp, a64::Inst::kIdStp_v);
    as_.mov(a64::w1, gp32(kX16));
    as_.add(a64::x0, kState, Imm(-kStateBias));
    call_cpp(reinterpret_cast<const void*>(&codegen::float_slow));
    as_.mov(gp64(kX16), a64::x0);
    each(a64::Inst::kIdLdp, a64::Inst::kIdLdp_v);
    as_.ldr(a64::x30, a64::ptr(a64::sp));
    as_.add(a64::sp, a64::sp, Imm(kBytes));
    as_.ret(a64::x30);
  }

  /// The fault handler continues here; everything of interest is in the dump and the frame, and x28 is as the
  /// block had it.
  void resume() {
    out_.resume_fault = begin();
    leave_code(HostExit::access_fault);
    as_.b(leave_dumped_);
    out_.resume_fault_single = begin();
    leave_code(HostExit::access_fault);
    as_.b(leave_single_fault_);
  }

  a64::Assembler& as_;
  std::span<const codegen::Resident> residents_;
  codegen::RuntimeCode& out_;
  asmjit::Label leave_linked_, bottom_, leave_dumped_, leave_single_, leave_single_fault_;
};

}  // namespace

void write_runtime(a64::Assembler& as, std::span<const codegen::Resident> residents,
                   codegen::RuntimeCode& out) {
  Writer(as, residents, out).write();
}

}  // namespace ashlar::host_a64
