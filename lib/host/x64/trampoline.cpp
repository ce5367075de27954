// The x86-64 runtime routines: the way into and out of emitted code, and what emitted code calls
// (codegen/runtime.hpp). Emitted once per context.
#include "host/x64/trampoline.hpp"

#include "host/x64/regs.hpp"

namespace ashlar::host_x64 {

using asmjit::Imm;
using codegen::HostExit;
using codegen::RuntimeEntry;

namespace {

const x86::Gp kSaved[] = {x86::rbx, x86::rbp, x86::r12, x86::r13, x86::r14, x86::r15};
/// Bytes below the saved registers: the flag of a single-block entry, and alignment to 16 at calls from
/// emitted code.
constexpr std::int32_t kFrameBytes = 24;

class Writer {
 public:
  Writer(x86::Assembler& as, std::span<const codegen::Resident> residents, codegen::RuntimeCode& out)
      : as_(as), residents_(residents), out_(out) {}

  void write() {
    leave_linked_ = as_.newLabel();
    probe_ = as_.newLabel();
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
  static x86::Mem cold(std::int32_t offset, std::uint32_t size = 8) { return frame_mem(offset, size); }
  void at(RuntimeEntry entry) {
    as_.align(asmjit::AlignMode::kCode, 16);
    out_.entries[static_cast<std::size_t>(entry)] = static_cast<std::uint32_t>(as_.offset());
  }
  void leave_code(HostExit code) {
    as_.mov(cold(ASHLAR_COLD_OFFSET(exit_code)), Imm(static_cast<std::int32_t>(code)));
  }

  void save_host() {
    for (const x86::Gp& r : kSaved) as_.push(r);
    as_.sub(x86::rsp, Imm(kFrameBytes));
    as_.lea(kState, x86::ptr(x86::rdi, kStateBias));
    as_.mov(cold(ASHLAR_COLD_OFFSET(host_sp)), x86::rsp);
    as_.mov(kMemBase, cold(ASHLAR_COLD_OFFSET(mem_base)));
  }
  void restore_host() {
    as_.mov(x86::rsp, cold(ASHLAR_COLD_OFFSET(host_sp)));
    as_.add(x86::rsp, Imm(kFrameBytes));
    for (std::size_t i = std::size(kSaved); i-- > 0;) as_.pop(kSaved[i]);
    as_.ret();
  }
  void guest_float_unit() {
    as_.stmxcsr(cold(ASHLAR_COLD_OFFSET(host_float_control), 4));
    as_.ldmxcsr(cold(ASHLAR_COLD_OFFSET(guest_float_control), 4));
  }
  void host_float_unit() {
    as_.stmxcsr(cold(ASHLAR_COLD_OFFSET(float_status), 4));
    as_.ldmxcsr(cold(ASHLAR_COLD_OFFSET(host_float_control), 4));
  }
  void load_residents() {
    for (const codegen::Resident& r : residents_) {
      if (r.reg.is_float()) {
        as_.movsd(xmm(r.reg), word_mem(r.slot.word));
      } else {
        as_.mov(gp64(r.reg), word_mem(r.slot.word));
      }
    }
  }
  void store_residents() {
    for (const codegen::Resident& r : residents_) {
      if (r.reg.is_float()) {
        as_.movsd(word_mem(r.slot.word), xmm(r.reg));
      } else {
        as_.mov(word_mem(r.slot.word), gp64(r.reg));
      }
    }
  }

  // void enter_linked(VcpuFrame* rdi, const void* rsi)
  void enter_linked() {
    as_.align(asmjit::AlignMode::kCode, 16);
    out_.enter_linked = static_cast<std::uint32_t>(as_.offset());
    save_host();
    as_.lea(x86::rax, x86::ptr(probe_));
    as_.mov(x86::qword_ptr(x86::rsp), x86::rax);
    guest_float_unit();
    as_.mov(x86::rax, x86::rsi);
    load_residents();
    as_.jmp(x86::rax);
    leave_dumped_ = as_.newLabel();
    as_.bind(leave_linked_);
    store_residents();
    as_.bind(leave_dumped_);
    host_float_unit();
    restore_host();
  }

  // std::uint32_t enter_single(VcpuFrame* rdi, const void* rsi, bool edx)
  void enter_single() {
    as_.align(asmjit::AlignMode::kCode, 16);
    out_.enter_single = static_cast<std::uint32_t>(as_.offset());
    const asmjit::Label with_floats = as_.newLabel();
    save_host();
    as_.mov(x86::dword_ptr(x86::rsp), x86::edx);
    as_.test(x86::edx, x86::edx);
    as_.jnz(with_floats);
    as_.call(x86::rsi);
    leave_single_ = as_.newLabel();
    as_.bind(leave_single_);
    as_.add(x86::rsp, Imm(kFrameBytes));
    for (std::size_t i = std::size(kSaved); i-- > 0;) as_.pop(kSaved[i]);
    as_.ret();
    as_.bind(with_floats);
    guest_float_unit();
    as_.call(x86::rsi);
    host_float_unit();
    as_.jmp(leave_single_);
    // After a fault: the call's return address is not there any more.
    leave_single_fault_ = as_.newLabel();
    const asmjit::Label no_floats = as_.newLabel();
    as_.bind(leave_single_fault_);
    as_.mov(x86::rsp, cold(ASHLAR_COLD_OFFSET(host_sp)));
    as_.cmp(x86::dword_ptr(x86::rsp), Imm(0));
    as_.je(no_floats);
    host_float_unit();
    as_.bind(no_floats);
    as_.mov(x86::eax, Imm(codegen::kSingleFault));
    as_.jmp(leave_single_);
  }

  // std::uint32_t enter_batch(VcpuFrame* rdi, BatchStep* rsi, bool edx). The stack is as for a single block.
  void enter_batch() {
    using codegen::BatchStep;
    as_.align(asmjit::AlignMode::kCode, 16);
    out_.enter_batch = static_cast<std::uint32_t>(as_.offset());
    const asmjit::Label first = as_.newLabel(), next = as_.newLabel(), end = as_.newLabel();
    save_host();
    as_.mov(x86::dword_ptr(x86::rsp), x86::edx);
    as_.mov(x86::rcx, x86::rsi);
    as_.test(x86::edx, x86::edx);
    as_.jz(first);
    guest_float_unit();
    as_.jmp(first);
    as_.align(asmjit::AlignMode::kCode, 16);
    as_.bind(next);
    as_.mov(x86::rcx, cold(ASHLAR_COLD_OFFSET(batch_step)));
    as_.mov(x86::rax, cold(ASHLAR_COLD_OFFSET(pc)));
    as_.mov(x86::qword_ptr(x86::rcx, offsetof(BatchStep, next)), x86::rax);
    as_.add(x86::rcx, Imm(sizeof(BatchStep)));
    as_.bind(first);
    as_.mov(cold(ASHLAR_COLD_OFFSET(batch_step)), x86::rcx);
    as_.xor_(x86::eax, x86::eax);
    as_.cmp(frame_mem(offsetof(VcpuHot, attention), 4), Imm(0));
    as_.jne(end);
    static_assert(codegen::kSingleDone == 0);
    as_.mov(x86::rax, x86::qword_ptr(x86::rcx, offsetof(BatchStep, code)));
    as_.test(x86::rax, x86::rax);
    as_.jz(end);
    as_.call(x86::rax);
    as_.test(x86::eax, x86::eax);
    as_.jz(next);
    as_.bind(end);
    as_.cmp(x86::dword_ptr(x86::rsp), Imm(0));
    as_.je(leave_single_);
    host_float_unit();
    as_.jmp(leave_single_);
  }

  void exit() {
    at(RuntimeEntry::exit);
    as_.pop(cold(ASHLAR_COLD_OFFSET(exit_info)));
    leave_code(HostExit::site);
    as_.jmp(leave_linked_);
  }

  void jump_miss() {
    at(RuntimeEntry::jump_miss);
    as_.mov(cold(ASHLAR_COLD_OFFSET(pc)), x86::rax);
    leave_code(HostExit::jump);
    as_.jmp(leave_linked_);
  }

  /// Where a return comes that finds no call of its own on the stack; the bottom of the stack leads here.
  void jump_probe() {
    at(RuntimeEntry::jump_probe);
    as_.bind(probe_);
    as_.mov(x86::rsp, cold(ASHLAR_COLD_OFFSET(host_sp)));
    const asmjit::Label miss = as_.newLabel();
    as_.jmp(probe_jump_cache(as_, miss));
    as_.bind(miss);
    as_.jmp(cold(ASHLAR_COLD_OFFSET(entries) + 8 * static_cast<std::int32_t>(RuntimeEntry::jump_miss)));
  }

  void jump_mode() {
    at(RuntimeEntry::jump_mode);
    leave_code(HostExit::mode);
    as_.jmp(leave_linked_);
  }

  /// All registers as the block had them go into the dump; the engine stores what belongs into the frame.
  void check_fault(RuntimeEntry entry, const asmjit::Label& leave) {
    at(entry);
    as_.pop(cold(ASHLAR_COLD_OFFSET(exit_info)));
    as_.mov(cold(ASHLAR_COLD_OFFSET(args)), x86::rax);
    as_.mov(x86::rax, cold(ASHLAR_COLD_OFFSET(dump)));
    for (unsigned n = 1; n < 16; ++n) {
      if (n == kRsp || n == kRbp) continue;
      as_.mov(
          x86::qword_ptr(x86::rax, static_cast<std::int32_t>(offsetof(codegen::RegisterDump, gpr) + 8 * n)),
          x86::gpq(n));
    }
    for (unsigned n = 0; n < 16; ++n)
      as_.movsd(
          x86::qword_ptr(x86::rax, static_cast<std::int32_t>(offsetof(codegen::RegisterDump, vec) + 8 * n)),
          x86::xmm(n));
    as_.mov(x86::rcx, cold(ASHLAR_COLD_OFFSET(args)));
    as_.mov(x86::qword_ptr(x86::rax, offsetof(codegen::RegisterDump, gpr)), x86::rcx);
    leave_code(HostExit::check_fault);
    as_.jmp(leave);
  }

  void call_cpp(const void* function) {
    // Return addresses of guest calls lie on the stack, any number of them. Whatever rbx held has been
    // stored.
    as_.mov(x86::rbx, x86::rsp);
    as_.and_(x86::rsp, Imm(-16));
    as_.mov(x86::rax, Imm(reinterpret_cast<std::uintptr_t>(function)));
    as_.call(x86::rax);
    as_.mov(x86::rsp, x86::rbx);
  }

  /// eax: id. The state is in the frame while the helper runs.
  void helper(RuntimeEntry entry, bool linked) {
    at(entry);
    if (linked) store_residents();
    as_.mov(x86::esi, x86::eax);
    as_.lea(x86::rdi, x86::ptr(kState, -kStateBias));
    const asmjit::Label plain = as_.newLabel();
    const asmjit::Label done = as_.newLabel();
    if (!linked) {
      // The flag of enter_single lies above two return addresses.
      as_.cmp(x86::dword_ptr(x86::rsp, 16), Imm(0));
      as_.je(plain);
    }
    host_float_unit();
    call_cpp(reinterpret_cast<const void*>(&codegen::call_helper));
    as_.ldmxcsr(cold(ASHLAR_COLD_OFFSET(guest_float_control), 4));
    if (!linked) {
      as_.jmp(done);
      as_.bind(plain);
      as_.mov(cold(ASHLAR_COLD_OFFSET(float_status), 4), Imm(0));
      call_cpp(reinterpret_cast<const void*>(&codegen::call_helper));
      as_.bind(done);
    }
    if (linked) load_residents();
    as_.ret();
  }

  /// eax: what codegen::float_slow wants. Every register but rax survives.
  void runtime_call() {
    at(RuntimeEntry::runtime_call);
    static const x86::Gp kClobbered[] = {x86::rcx, x86::rdx, x86::rsi, x86::rdi,
                                         x86::r8,  x86::r9,  x86::r10, x86::r11};
    for (const x86::Gp& r : kClobbered) as_.push(r);
    as_.mov(x86::rcx, x86::rsp);
    as_.sub(x86::rsp, Imm(16 * 8 + 16));
    as_.and_(x86::rsp, Imm(-16));
    as_.mov(x86::qword_ptr(x86::rsp, 16 * 8), x86::rcx);
    for (unsigned n = 0; n < 16; ++n)
      as_.movsd(x86::qword_ptr(x86::rsp, static_cast<std::int32_t>(8 * n)), x86::xmm(n));
    as_.mov(x86::esi, x86::eax);
    as_.lea(x86::rdi, x86::ptr(kState, -kStateBias));
    as_.mov(x86::rax, Imm(reinterpret_cast<std::uintptr_t>(&codegen::float_slow)));
    as_.call(x86::rax);
    for (unsigned n = 0; n < 16; ++n)
      as_.movsd(x86::xmm(n), x86::qword_ptr(x86::rsp, static_cast<std::int32_t>(8 * n)));
    as_.mov(x86::rsp, x86::qword_ptr(x86::rsp, 16 * 8));
    for (std::size_t i = std::size(kClobbered); i-- > 0;) as_.pop(kClobbered[i]);
    as_.ret();
  }

  /// The fault handler continues here; everything of interest is in the dump and the frame, and rbp is as the
  /// block had it.
  void resume() {
    as_.align(asmjit::AlignMode::kCode, 16);
    out_.resume_fault = static_cast<std::uint32_t>(as_.offset());
    leave_code(HostExit::access_fault);
    as_.jmp(leave_dumped_);
    as_.align(asmjit::AlignMode::kCode, 16);
    out_.resume_fault_single = static_cast<std::uint32_t>(as_.offset());
    leave_code(HostExit::access_fault);
    as_.jmp(leave_single_fault_);
  }

  x86::Assembler& as_;
  std::span<const codegen::Resident> residents_;
  codegen::RuntimeCode& out_;
  asmjit::Label leave_linked_, probe_, leave_dumped_, leave_single_, leave_single_fault_;
};

}  // namespace

void write_runtime(x86::Assembler& as, std::span<const codegen::Resident> residents,
                   codegen::RuntimeCode& out) {
  Writer(as, residents, out).write();
}

}  // namespace ashlar::host_x64
