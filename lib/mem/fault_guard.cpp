// The process-wide fault handler; see fault_guard.hpp for who uses it and the rules.
#include "mem/fault_guard.hpp"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "base/float_context.hpp"

namespace ashlar::mem {
namespace {

// Initial-exec: a handler must not be the first to allocate a thread's dynamic TLS block.
thread_local FaultGuard* current_guard __attribute__((tls_model("initial-exec"))) = nullptr;

std::atomic<HostFaultHook> hooks[kMaxFaultHooks];
std::atomic<bool> installed{false};
struct sigaction previous_segv;
struct sigaction previous_bus;

// Does what the kernel would have done with the action that was there before ours.
void chain(int signal, siginfo_t* info, void* context) noexcept {
  struct sigaction& slot = signal == SIGBUS ? previous_bus : previous_segv;
  const struct sigaction previous = slot;
  const bool from_kernel = info->si_code > 0;
  const bool takes_info = (previous.sa_flags & SA_SIGINFO) != 0;
  if (!takes_info && (previous.sa_handler == SIG_DFL || previous.sa_handler == SIG_IGN)) {
    // An ignored signal that the thread's own access raised is fatal all the same.
    if (previous.sa_handler == SIG_IGN && !from_kernel) return;
    struct sigaction fatal = {};
    fatal.sa_handler = SIG_DFL;
    sigaction(signal, &fatal, nullptr);
    // Returning repeats the faulting access, which then ends the process at the right place for a debugger.
    // One that was sent has no access to repeat.
    if (!from_kernel) raise(signal);
    return;
  }
  if ((previous.sa_flags & SA_RESETHAND) != 0) {
    slot.sa_handler = SIG_DFL;
    slot.sa_flags &= ~SA_SIGINFO;
  }
  sigset_t mask = previous.sa_mask;
  if ((previous.sa_flags & SA_NODEFER) == 0) sigaddset(&mask, signal);
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, &mask, &before);
  if (takes_info) {
    previous.sa_sigaction(signal, info, context);
  } else {
    previous.sa_handler(signal);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void on_fault(int signal, siginfo_t* info, void* context) noexcept {
  const int saved_errno = errno;
  if (info->si_code > 0) {
    for (auto& entry : hooks) {
      const HostFaultHook hook = entry.load(std::memory_order_acquire);
      if (hook == nullptr) break;
      if (hook(info, context)) {
        errno = saved_errno;
        return;
      }
    }
    if (FaultGuard* guard = current_guard) {
      guard->take(reinterpret_cast<std::uintptr_t>(info->si_addr), signal == SIGBUS, context);
    }
  }
  chain(signal, info, context);
  errno = saved_errno;
}

// Sanitizers watch memcpy; guest memory is shared by guest threads without synchronisation that they could
// know.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define ASHLAR_PLAIN_COPY 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define ASHLAR_PLAIN_COPY 1
#endif
#endif

#ifdef ASHLAR_PLAIN_COPY
__attribute__((noinline, no_sanitize("thread"), no_sanitize("address"))) void copy_bytes(
    void* to, const void* from, std::size_t n) noexcept {
  auto* out = static_cast<volatile char*>(to);
  auto* in = static_cast<const volatile char*>(from);
  for (std::size_t i = 0; i < n; ++i) out[i] = in[i];
}
#else
inline void copy_bytes(void* to, const void* from, std::size_t n) noexcept { std::memcpy(to, from, n); }
#endif

}  // namespace

void install_fault_handlers() noexcept {
  if (installed.load(std::memory_order_acquire)) return;
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action = {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigemptyset(&action.sa_mask);
    // The previous actions are known before ours can run.
    sigaction(SIGSEGV, nullptr, &previous_segv);
    sigaction(SIGBUS, nullptr, &previous_bus);
    sigaction(SIGSEGV, &action, nullptr);
    sigaction(SIGBUS, &action, nullptr);
    installed.store(true, std::memory_order_release);
  });
}

bool add_host_fault_hook(HostFaultHook hook) noexcept {
  install_fault_handlers();
  for (auto& entry : hooks) {
    HostFaultHook expected = nullptr;
    if (entry.compare_exchange_strong(expected, hook, std::memory_order_acq_rel) || expected == hook)
      return true;
  }
  return false;
}

FaultGuard::FaultGuard(HostRange range) noexcept : range_(range), outer_(current_guard) {
  install_fault_handlers();
  current_guard = this;
}

FaultGuard::~FaultGuard() { current_guard = outer_; }

void FaultGuard::take(std::uintptr_t addr, bool bus, const void* ucontext) noexcept {
  if (!armed_ || addr < range_.begin || addr >= range_.end) return;
  armed_ = 0;
  fault_addr_ = addr;
  bus_ = bus;
  float_unit::restore_interrupted(ucontext);
  // Ours runs with the mask that it found, but not where others call it from their handler, as
  // ThreadSanitizer's runtime does with everything blocked.
  pthread_sigmask(SIG_SETMASK, &static_cast<const ucontext_t*>(ucontext)->uc_sigmask, nullptr);
  siglongjmp(env_, 1);
}

bool guarded_copy(void* to, const void* from, std::size_t n, HostRange range) noexcept {
  FaultGuard guard(range);
  if (sigsetjmp(guard.env(), 0) != 0) return false;
  guard.arm();
  copy_bytes(to, from, n);
  guard.disarm();
  return true;
}

}  // namespace ashlar::mem
