// Signals: what is pending in which order, who gets it, and the frame a handler finds.
#include <doctest/doctest.h>

#include <cerrno>
#include <cstddef>

#include "linux/kernel_fixture.hpp"

using namespace ashlar;
using namespace ashlar::linux_user;
using test::KernelFixture;

namespace {

abi::SigInfo info_of(int signal, std::uint64_t value = 0) {
  abi::SigInfo info{};
  info.signo = signal;
  info.rt.value = value;
  return info;
}

void set_handler(KernelFixture& k, int signal, std::uint64_t handler, std::uint64_t flags = 0,
                 abi::SigSet mask = 0) {
  k.put(k.kPage, abi::SigAction{handler, flags, mask});
  REQUIRE(k.call("rt_sigaction", signal, k.kPage, 0, 8) == 0);
}

constexpr std::uint64_t kStack = KernelFixture::kPage + 16 * 4096;

}  // namespace

TEST_CASE("the frame's layout is the kernel's") {
  // As riscv64-linux-gnu-gcc lays out siginfo_t, ucontext_t and mcontext_t.
  CHECK(sizeof(abi::SigInfo) == 128);
  CHECK(offsetof(abi::SigInfo, addr) == 16);
  CHECK(offsetof(abi::SigInfo, rt.value) == 24);
  CHECK(offsetof(abi::RtSigframe, uc) == 128);
  CHECK(offsetof(abi::Ucontext, stack) == 16);
  CHECK(offsetof(abi::Ucontext, sigmask) == 40);
  CHECK(offsetof(abi::Ucontext, regs) == 176);
  CHECK(offsetof(abi::Ucontext, fpregs) == 176 + 256);
  CHECK(offsetof(abi::Ucontext, fcsr) == 176 + 512);
  CHECK(sizeof(abi::Ucontext) == 960);
}

TEST_CASE("pending signals: once or queued, faults first, then the lowest number") {
  PendingSignals pending;
  CHECK(pending.add(info_of(abi::kSigUsr1, 1)));
  CHECK(pending.add(info_of(abi::kSigUsr1, 2)));
  CHECK(pending.add(info_of(40, 1)));
  CHECK(pending.add(info_of(35, 1)));
  CHECK(pending.add(info_of(35, 2)));
  CHECK(pending.add(info_of(abi::kSigSegv)));
  CHECK(pending.take(0) == std::nullopt);
  const auto next = [&] {
    const auto info = pending.take(~abi::SigSet{0});
    return info ? std::pair<int, std::uint64_t>{info->signo, info->rt.value}
                : std::pair<int, std::uint64_t>{0, 0};
  };
  CHECK(next() == std::pair<int, std::uint64_t>{abi::kSigSegv, 0});
  CHECK(next() == std::pair<int, std::uint64_t>{abi::kSigUsr1, 1});
  CHECK(next() == std::pair<int, std::uint64_t>{35, 1});
  CHECK(pending.set() == (abi::sig_bit(35) | abi::sig_bit(40)));
  pending.discard(35);
  CHECK(next() == std::pair<int, std::uint64_t>{40, 1});
  CHECK(next() == std::pair<int, std::uint64_t>{0, 0});
  CHECK(pending.set() == 0);
  // The queue has an end.
  int queued = 0;
  while (pending.add(info_of(50)) && queued < 1000000) ++queued;
  CHECK(queued >= 32);
  CHECK(queued < 1000000);
}

TEST_CASE("a handler gets the frame, and sigreturn undoes everything") {
  KernelFixture k;
  Thread& t = *k.thread;
  set_handler(k, abi::kSigSegv, 0x12340, abi::kSaSiginfo, abi::sig_bit(abi::kSigUsr2));
  for (unsigned i = 1; i < 32; ++i) t.set_reg(i, 0x1111 * i);
  t.set_reg(2, kStack - 24);
  for (unsigned i = 0; i < 32; ++i) t.vcpu->set_slot(riscv::f(i), 0xf000 + i);
  t.set_fcsr(0x75);  // rup, and two flags
  t.vcpu->set_pc({0x4242});
  t.signals.blocked = abi::sig_bit(abi::kSigHup);
  abi::SigInfo info{};
  info.signo = abi::kSigSegv;
  info.code = abi::kSegvAccerr;
  info.addr = 0xdead;
  t.force_signal(info, "");

  CHECK_FALSE(k.kernel->ending());
  const std::uint64_t sp = t.reg(2);
  CHECK(sp % 16 == 0);
  CHECK(sp == ((kStack - 24 - sizeof(abi::RtSigframe)) & ~std::uint64_t{15}));
  CHECK(t.reg(1) == k.kernel->trampoline);
  CHECK(t.reg(10) == abi::kSigSegv);
  CHECK(t.reg(11) == sp);
  CHECK(t.reg(12) == sp + 128);
  CHECK(t.vcpu->pc().value == 0x12340);
  CHECK(t.signals.blocked ==
        (abi::sig_bit(abi::kSigHup) | abi::sig_bit(abi::kSigUsr2) | abi::sig_bit(abi::kSigSegv)));
  CHECK(k.get<std::int32_t>(sp) == abi::kSigSegv);
  CHECK(k.get<std::int32_t>(sp + 8) == abi::kSegvAccerr);
  CHECK(k.get<std::uint64_t>(sp + 16) == 0xdead);
  CHECK(k.get<std::uint64_t>(sp + 128 + 40) == abi::sig_bit(abi::kSigHup));
  CHECK(k.get<std::uint64_t>(sp + 128 + 176) == 0x4242);
  for (unsigned i = 1; i < 32; ++i)
    CHECK(k.get<std::uint64_t>(sp + 128 + 176 + 8 * i) == (i == 2 ? kStack - 24 : 0x1111 * i));
  for (unsigned i = 0; i < 32; ++i) CHECK(k.get<std::uint64_t>(sp + 128 + 432 + 8 * i) == 0xf000 + i);
  CHECK(k.get<std::uint32_t>(sp + 128 + 688) == 0x75);

  // The handler repairs a register and the pc; everything else may be trampled on.
  k.put(sp + 128 + 176, std::uint64_t{0x5000});
  k.put(sp + 128 + 176 + 8 * 15, std::uint64_t{77});
  for (unsigned i = 1; i < 32; ++i) {
    if (i != 2) t.set_reg(i, 0);
  }
  t.set_fcsr(0);
  CHECK(k.call("rt_sigreturn") == kNoResult);
  CHECK(t.vcpu->pc().value == 0x5000);
  for (unsigned i = 1; i < 32; ++i) CHECK(t.reg(i) == (i == 2 ? kStack - 24 : i == 15 ? 77 : 0x1111 * i));
  CHECK(t.fcsr() == 0x75);
  CHECK(t.vcpu->mode() == 3);
  CHECK(t.signals.blocked == abi::sig_bit(abi::kSigHup));
}

TEST_CASE("flags of a handler: NODEFER, RESETHAND, ONSTACK") {
  KernelFixture k;
  Thread& t = *k.thread;
  t.set_reg(2, kStack);
  k.put(k.kPage + 64, abi::StackT{k.kPage + 0x1000, 0, 0, 0x2000});
  REQUIRE(k.call("sigaltstack", k.kPage + 64, 0) == 0);
  set_handler(k, abi::kSigIll, 0x1000, abi::kSaNodefer | abi::kSaResethand | abi::kSaOnstack);
  abi::SigInfo info{};
  info.signo = abi::kSigIll;
  t.force_signal(info, "");
  const std::uint64_t sp = t.reg(2);
  CHECK(sp == k.kPage + 0x3000 - sizeof(abi::RtSigframe));
  CHECK(t.signals.blocked == 0);
  CHECK(k.kernel->signals.actions[abi::kSigIll].handler == abi::kSigDfl);
  const auto saved = k.get<abi::StackT>(sp + 128 + 16);
  CHECK(saved.sp == k.kPage + 0x1000);
  CHECK(saved.flags == 0);
  // On the alternate stack now: it can't be changed, and says so.
  CHECK(k.call("sigaltstack", 0, k.kPage + 64) == 0);
  CHECK(k.get<abi::StackT>(k.kPage + 64).flags == abi::kSsOnstack);
  CHECK(k.call("sigaltstack", k.kPage + 64, 0) == -EPERM);
}

TEST_CASE("signals that nobody handles end the process") {
  KernelFixture k;
  abi::SigInfo info{};
  info.signo = abi::kSigSegv;
  SUBCASE("default") {}
  SUBCASE("blocked") {
    set_handler(k, abi::kSigSegv, 0x1000);
    k.thread->signals.blocked = abi::sig_bit(abi::kSigSegv);
  }
  SUBCASE("ignored") { set_handler(k, abi::kSigSegv, abi::kSigIgn); }
  SUBCASE("no stack for the handler") {
    set_handler(k, abi::kSigSegv, 0x1000);
    k.thread->set_reg(2, 0x800);
  }
  SUBCASE("a stack pointer that wraps") {
    set_handler(k, abi::kSigSegv, 0x1000);
    k.thread->set_reg(2, 16);
  }
  k.thread->force_signal(info, "the cause");
  CHECK(k.kernel->ending());
  const ExitStatus status = k.kernel->exit_status();
  CHECK(status.status == 139);
  CHECK(status.signal == 11);
  CHECK(status.description == "program terminated by signal 11 (Segmentation fault): the cause");
}

TEST_CASE("sigreturn without a frame ends the process") {
  KernelFixture k;
  k.thread->set_reg(2, 0x10);
  CHECK(k.call("rt_sigreturn") == kNoResult);
  CHECK(k.kernel->exit_status().status == 139);
}

TEST_CASE("masks, pending sets and ignored signals") {
  KernelFixture k;
  const std::uint64_t at = k.kPage + 256;
  k.put(at, abi::SigSet{~abi::SigSet{0}});
  CHECK(k.call("rt_sigprocmask", 2, at, 0, 8) == 0);
  CHECK(k.thread->signals.blocked == ~kUnblockable);
  CHECK(k.call("kill", 1000, abi::kSigUsr1) == 0);
  CHECK(k.call("tgkill", 1000, 1000, abi::kSigUsr2) == 0);
  CHECK(k.call("rt_sigpending", at, 8) == 0);
  CHECK(k.get<abi::SigSet>(at) == (abi::sig_bit(abi::kSigUsr1) | abi::sig_bit(abi::kSigUsr2)));
  CHECK_FALSE(k.thread->must_stop());
  // Ignoring drops what is pending.
  set_handler(k, abi::kSigUsr1, abi::kSigIgn);
  set_handler(k, abi::kSigUsr2, abi::kSigIgn);
  CHECK(k.call("rt_sigpending", at, 8) == 0);
  CHECK(k.get<abi::SigSet>(at) == 0);
  k.put(at, abi::SigSet{0});
  CHECK(k.call("rt_sigprocmask", 2, at, 0, 8) == 0);
  CHECK(k.call("kill", 1000, abi::kSigChld) == 0);  // ignored by default
  CHECK_FALSE(k.thread->must_stop());
  CHECK(k.call("kill", 1000, abi::kSigTerm) == 0);
  CHECK(k.thread->must_stop());
}

TEST_CASE("signals go to this process only") {
  KernelFixture k;
  CHECK(k.call("kill", 1, abi::kSigTerm) == -ESRCH);
  CHECK(k.call("kill", -1, abi::kSigTerm) == -EPERM);
  CHECK(k.call("kill", 1000, 0) == 0);
  CHECK(k.call("kill", 1000, 65) == -EINVAL);
  CHECK(k.call("tgkill", 1, 1, abi::kSigTerm) == -ESRCH);
  CHECK(k.call("tkill", 1, abi::kSigTerm) == -ESRCH);
  CHECK(k.call("tkill", 0, abi::kSigTerm) == -EINVAL);
  k.put(k.kPage, info_of(abi::kSigUsr1));
  CHECK(k.call("rt_sigqueueinfo", 1000, abi::kSigUsr1, k.kPage) == -EPERM);  // forged: code SI_USER
}

TEST_CASE("bad arguments of signal calls") {
  KernelFixture k;
  CHECK(k.call("rt_sigaction", 0, 0, 0, 8) == -EINVAL);
  CHECK(k.call("rt_sigaction", 65, 0, 0, 8) == -EINVAL);
  CHECK(k.call("rt_sigaction", abi::kSigKill, k.kPage, 0, 8) == -EINVAL);
  CHECK(k.call("rt_sigaction", abi::kSigKill, 0, k.kPage, 8) == 0);
  CHECK(k.call("rt_sigaction", abi::kSigUsr1, 8, 0, 8) == -EFAULT);
  CHECK(k.call("rt_sigaction", abi::kSigUsr1, 0, ~std::uint64_t{0}, 8) == -EFAULT);
  CHECK(k.call("rt_sigaction", abi::kSigUsr1, 0, 0, 16) == -EINVAL);
  CHECK(k.call("rt_sigprocmask", 7, k.kPage, 0, 8) == -EINVAL);
  k.put(k.kPage, abi::StackT{0, 0, 0, 100});
  CHECK(k.call("sigaltstack", k.kPage, 0) == -ENOMEM);
  k.put(k.kPage, abi::StackT{0, 77, 0, 8192});
  CHECK(k.call("sigaltstack", k.kPage, 0) == -EINVAL);
  k.put(k.kPage, abi::SigSet{0});
  k.put(k.kPage + 8, abi::Timespec{0, 2'000'000'000});
  CHECK(k.call("rt_sigtimedwait", k.kPage, 0, k.kPage + 8, 8) == -EINVAL);
  k.put(k.kPage + 8, abi::Timespec{0, 1000});
  CHECK(k.call("rt_sigtimedwait", k.kPage, 0, k.kPage + 8, 8) == -EAGAIN);
}
