// Signal frames, as arch/riscv/kernel/signal.c builds and reads them.
#include <ashlar/riscv.hpp>

#include "linux/kernel.hpp"
#include "linux/thread.hpp"

namespace ashlar::linux_user {

namespace {

constexpr unsigned kRa = 1, kSp = 2, kA0 = 10, kA1 = 11, kA2 = 12;

}  // namespace

bool Thread::push_frame(const abi::SigInfo& info, const abi::SigAction& action) {
  const std::uint64_t old_sp = reg(kSp);
  abi::RtSigframe frame{};
  frame.info = info;

  std::uint64_t sp = old_sp;
  {
    const std::scoped_lock lock(kernel.signals.mutex);
    const bool on_alt = signals.on_alt_stack(old_sp);
    frame.uc.stack = signals.alt_stack;
    frame.uc.stack.flags = signals.alt_stack.size == 0 ? abi::kSsDisable : on_alt ? abi::kSsOnstack : 0;
    frame.uc.sigmask = signals.saved_mask.value_or(signals.blocked);
    // A handler that overflows the alternate stack must not go on below it.
    if (on_alt && !signals.on_alt_stack(old_sp - sizeof(frame))) return false;
    if ((action.flags & abi::kSaOnstack) != 0 && !on_alt && signals.alt_stack.size != 0) {
      sp = signals.alt_stack.sp + signals.alt_stack.size;
    }
  }
  sp = (sp - sizeof(frame)) & ~std::uint64_t{15};

  frame.uc.regs[0] = vcpu->pc().value;
  for (unsigned i = 1; i < 32; ++i) frame.uc.regs[i] = reg(i);
  for (unsigned i = 0; i < 32; ++i) frame.uc.fpregs[i] = vcpu->slot(riscv::f(i));
  frame.uc.fcsr = fcsr();
  if (!kernel.user.put(sp, frame)) return false;

  set_reg(kRa, kernel.trampoline);
  set_reg(kSp, sp);
  set_reg(kA0, static_cast<std::uint64_t>(info.signo));
  set_reg(kA1, sp + offsetof(abi::RtSigframe, info));
  set_reg(kA2, sp + offsetof(abi::RtSigframe, uc));
  vcpu->set_pc({action.handler & ~std::uint64_t{1}});
  vcpu->clear_reservation();
  return true;
}

void Thread::sigreturn() {
  abi::RtSigframe frame;
  if (!kernel.user.get(reg(kSp), frame)) {
    abi::SigInfo info{};
    info.signo = abi::kSigSegv;
    info.code = abi::kSiKernel;
    force_signal(info, "rt_sigreturn without a signal frame at the stack pointer");
    return;
  }
  {
    const std::scoped_lock lock(kernel.signals.mutex);
    signals.blocked = frame.uc.sigmask & ~kUnblockable;
    // As restore_altstack: what the handler wrote there counts, unless it is still in use or makes no sense.
    if (!signals.on_alt_stack(frame.uc.regs[kSp])) {
      if ((frame.uc.stack.flags & abi::kSsDisable) != 0) {
        signals.alt_stack = {0, abi::kSsDisable, 0, 0};
      } else if (frame.uc.stack.size >= abi::kMinSigStackSize) {
        signals.alt_stack = {frame.uc.stack.sp, 0, 0, frame.uc.stack.size};
      }
    }
  }
  for (unsigned i = 1; i < 32; ++i) set_reg(i, frame.uc.regs[i]);
  for (unsigned i = 0; i < 32; ++i) vcpu->set_slot(riscv::f(i), frame.uc.fpregs[i]);
  set_fcsr(frame.uc.fcsr);
  vcpu->set_pc({frame.uc.regs[0] & ~std::uint64_t{1}});
  vcpu->clear_reservation();
  restart_.reset();
  // Signals that the restored mask lets through come before the next guest instruction.
  attention_.store(true);
}

}  // namespace ashlar::linux_user
