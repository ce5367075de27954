// The loop of a guest thread: run, see why it stopped, answer, go on.
#include "linux/thread.hpp"

#include <ashlar/riscv.hpp>

#include <algorithm>
#include <array>
#include <cstdio>

#include "linux/kernel.hpp"
#include "linux/syscalls.hpp"

namespace ashlar::linux_user {
namespace {

constexpr unsigned kA0 = 10, kA7 = 17;
constexpr std::uint64_t kEcallSize = 4;
// How much of a common pool of fuel a thread takes at a time.
constexpr std::int64_t kFuelSlice = 1'000'000;

std::string hex(std::uint64_t value) {
  std::array<char, 24> text;
  std::snprintf(text.data(), text.size(), "0x%llx", static_cast<unsigned long long>(value));
  return text.data();
}

std::string at_pc(Kernel& kernel, std::uint64_t pc) {
  const std::string symbol = kernel.describe(pc);
  return " at pc " + hex(pc) + (symbol.empty() ? "" : " " + symbol);
}

std::string describe_fault(Kernel& kernel, const Fault& fault, std::uint64_t pc) {
  const char* verb = fault.access == AccessKind::load    ? "load from"
                     : fault.access == AccessKind::store ? "store to"
                                                         : "jump to";
  const char* what = fault.kind == FaultKind::unmapped     ? " unmapped address "
                     : fault.kind == FaultKind::protection ? " protected address "
                     : fault.kind == FaultKind::misaligned ? " misaligned address "
                                                           : " address without memory behind it, ";
  std::string text = verb + std::string(what) + hex(fault.addr.value);
  if (fault.access != AccessKind::fetch || fault.addr.value != pc) text += at_pc(kernel, pc);
  return text;
}

}  // namespace

Thread::Thread(Kernel& k, std::int32_t id, std::unique_ptr<Vcpu> cpu)
    : kernel(k), tid(id), vcpu(std::move(cpu)) {
  vcpu->user_data = this;
}

std::uint64_t Thread::reg(unsigned n) const { return vcpu->slot(riscv::x(n)); }
void Thread::set_reg(unsigned n, std::uint64_t value) { vcpu->set_slot(riscv::x(n), value); }

std::uint32_t Thread::fcsr() const {
  return static_cast<std::uint32_t>(vcpu->slot(riscv::kFrm) << 5 | vcpu->float_flags());
}

void Thread::set_fcsr(std::uint32_t value) {
  const std::uint64_t frm = value >> 5 & 7;
  vcpu->set_slot(riscv::kFrm, frm);
  vcpu->set_mode(frm);
  vcpu->set_float_flags(static_cast<std::uint8_t>(value & 31));
}

void Thread::interrupt() noexcept {
  attention_.store(true);
  vcpu->request_halt();
  parker.unpark();
  interrupt_host_call(host_call);
}

bool Thread::must_stop() {
  if (kernel.ending()) return true;
  const std::scoped_lock lock(kernel.signals.mutex);
  abi::SigSet pending = (signals.pending.set() | kernel.signals.pending.set());
  if ((pending & signals.awaited) != 0) return true;
  pending &= ~signals.blocked;
  for (int s = 1; s <= abi::kSigCount && pending >> (s - 1) != 0; ++s) {
    if ((pending & abi::sig_bit(s)) != 0 && !kernel.signals.ignored(s)) return true;
  }
  return false;
}

bool Thread::settle_attention() {
  attention_.store(false);
  if (!must_stop()) return false;
  attention_.store(true);
  return true;
}

void Thread::run() {
  const HostThreadScope scope(*this);
  if (kernel.thread_started) kernel.thread_started();
  while (!finished_) {
    if (attention_.load(std::memory_order_relaxed) && attention_.exchange(false)) {
      if (kernel.ending()) break;
      deliver_signals();
      continue;
    }
    RunLimits limits;
    if (kernel.has_fuel) {
      std::int64_t pool = kernel.fuel.load();
      std::int64_t take = 0;
      do {
        take = std::min(pool, kFuelSlice);
      } while (take > 0 && !kernel.fuel.compare_exchange_weak(pool, pool - take));
      if (take <= 0) {
        ExitStatus status;
        status.status = ExitStatus::kFuelStatus;
        status.out_of_fuel = true;
        status.description = "program stopped: its fuel is spent" + at_pc(kernel, vcpu->pc().value);
        kernel.end(std::move(status));
        continue;
      }
      limits.fuel = static_cast<std::uint64_t>(take);
    }
    const ExecutionResult result = kernel.engine->run(*vcpu, limits);
    if (limits.fuel)
      kernel.fuel.fetch_add(
          static_cast<std::int64_t>(*limits.fuel - std::min(result.instructions, *limits.fuel)));

    const std::uint64_t pc = vcpu->pc().value;
    abi::SigInfo info{};
    switch (result.reason) {
      case ExitReason::syscall:
        on_syscall();
        break;
      case ExitReason::fault:
        on_fault(result.fault);
        break;
      case ExitReason::illegal_instruction:
      case ExitReason::guest_exit: {
        info.signo = abi::kSigIll;
        info.code = abi::kIllIllopc;
        info.addr = pc;
        std::uint32_t word = 0;
        const auto bytes = std::as_writable_bytes(std::span{&word, 1});
        if (!kernel.user.read(pc, bytes)) kernel.user.read(pc, bytes.first(2));
        if ((word & 3) != 3) word &= 0xffff;
        force_signal(info, "instruction " + hex(word) + at_pc(kernel, pc));
        break;
      }
      case ExitReason::breakpoint:
        info.signo = abi::kSigTrap;
        info.code = abi::kTrapBrkpt;
        info.addr = pc;
        force_signal(info, "breakpoint" + at_pc(kernel, pc));
        break;
      case ExitReason::halted:
      case ExitReason::fuel:
      case ExitReason::block_done:
        break;
    }
  }
  leave();
}

void Thread::on_syscall() {
  SyscallArgs args;
  for (unsigned i = 0; i < 6; ++i) args[i] = reg(kA0 + i);
  vcpu->clear_reservation();
  const std::int64_t result = call_system(*this, reg(kA7), args);
  if (result == kNoResult) return;
  if (result == abi::kRestartSys || result == abi::kRestartNointr || result == abi::kRestartNohand) {
    restart_ = Restart{result, args[0]};
    attention_.store(true);
    return;
  }
  set_reg(kA0, static_cast<std::uint64_t>(result));
}

void Thread::on_fault(const Fault& fault) {
  abi::SigInfo info{};
  info.addr = fault.addr.value;
  switch (fault.kind) {
    case FaultKind::misaligned:
      info.signo = abi::kSigBus;
      info.code = abi::kBusAdraln;
      break;
    case FaultKind::bus:
      info.signo = abi::kSigBus;
      info.code = abi::kBusAdrerr;
      break;
    case FaultKind::protection:
      info.signo = abi::kSigSegv;
      info.code = abi::kSegvAccerr;
      break;
    case FaultKind::unmapped:
    case FaultKind::none:
      info.signo = abi::kSigSegv;
      info.code = abi::kSegvMaperr;
      break;
  }
  force_signal(info, describe_fault(kernel, fault, vcpu->pc().value));
}

void Thread::force_signal(const abi::SigInfo& info, const std::string& cause) {
  abi::SigAction action;
  bool masked = false;
  {
    const std::scoped_lock lock(kernel.signals.mutex);
    action = kernel.signals.actions[static_cast<std::size_t>(info.signo)];
    masked = (signals.blocked & abi::sig_bit(info.signo)) != 0;
  }
  if (masked || action.handler == abi::kSigIgn || action.handler == abi::kSigDfl) {
    kernel.die(info.signo, cause);
    return;
  }
  if (!handle_signal(info)) {
    // The handler's frame could not be written: most likely the stack overflowed.
    const std::string symbol = at_pc(kernel, vcpu->pc().value);
    kernel.die(abi::kSigSegv, info.signo == abi::kSigSegv ? cause
                                                          : "no stack for the handler of signal " +
                                                                std::to_string(info.signo) + symbol);
  }
}

void Thread::resolve_restart(bool handler_runs, bool sa_restart) {
  if (!restart_) return;
  const Restart r = *restart_;
  restart_.reset();
  const bool again = r.code == abi::kRestartNointr || (r.code == abi::kRestartSys && sa_restart);
  if (handler_runs && !again) {
    set_reg(kA0, static_cast<std::uint64_t>(std::int64_t{-4}));  // EINTR
    return;
  }
  set_reg(kA0, r.a0);
  vcpu->set_pc(vcpu->pc() - kEcallSize);
}

void Thread::deliver_signals() {
  for (;;) {
    std::optional<abi::SigInfo> info;
    abi::SigAction action;
    {
      const std::scoped_lock lock(kernel.signals.mutex);
      info = signals.pending.take(~signals.blocked);
      if (!info) info = kernel.signals.pending.take(~signals.blocked);
      if (!info) break;
      if (kernel.signals.ignored(info->signo)) continue;
      action = kernel.signals.actions[static_cast<std::size_t>(info->signo)];
    }
    if (action.handler == abi::kSigDfl) {
      kernel.die(info->signo, "");
      return;
    }
    if (!handle_signal(*info)) {
      kernel.die(abi::kSigSegv, "no stack for the handler of signal " + std::to_string(info->signo) +
                                    at_pc(kernel, vcpu->pc().value));
      return;
    }
  }
  resolve_restart(false, false);
  const std::scoped_lock lock(kernel.signals.mutex);
  if (signals.saved_mask) {
    signals.blocked = *signals.saved_mask;
    signals.saved_mask.reset();
    // What the old mask lets through is seen to before guest code runs.
    if (((signals.pending.set() | kernel.signals.pending.set()) & ~signals.blocked) != 0)
      attention_.store(true);
  }
}

bool Thread::handle_signal(const abi::SigInfo& info) {
  abi::SigAction action;
  {
    const std::scoped_lock lock(kernel.signals.mutex);
    abi::SigAction& entry = kernel.signals.actions[static_cast<std::size_t>(info.signo)];
    action = entry;
    if ((entry.flags & abi::kSaResethand) != 0) entry.handler = abi::kSigDfl;
  }
  resolve_restart(true, (action.flags & abi::kSaRestart) != 0);
  if (!push_frame(info, action)) return false;
  {
    const std::scoped_lock lock(kernel.signals.mutex);
    signals.saved_mask.reset();
    signals.blocked |= action.mask & ~kUnblockable;
    if ((action.flags & abi::kSaNodefer) == 0) signals.blocked |= abi::sig_bit(info.signo) & ~kUnblockable;
  }
  kernel.retarget();
  return true;
}

void Thread::leave() {
  // What other threads wait for: robust mutexes this thread holds, and pthread_join's word. Not when
  // everything ends: nobody is left to see it.
  if (!kernel.ending()) {
    release_robust_list(*this);
    if (clear_child_tid != 0) {
      const std::uint32_t zero = 0;
      if (kernel.user.put(clear_child_tid, zero)) kernel.futexes.wake(clear_child_tid, 1);
    }
  }
  {
    const std::scoped_lock lock(kernel.signals.mutex);
    signals.blocked = ~abi::SigSet{0};  // nothing is sent here any more
    signals.awaited = 0;
  }
  if (!kernel.ending()) kernel.retarget();
  kernel.thread_ended(*this, static_cast<int>(reg(kA0)));
}

}  // namespace ashlar::linux_user
