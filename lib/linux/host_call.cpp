// The handler, the timer, and their bookkeeping.
#include "linux/host_call.hpp"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <mutex>

#include "linux/thread.hpp"

namespace ashlar::linux_user {
namespace {

thread_local Thread* current = nullptr;

void arm_timer(HostCallState& state) noexcept {
  if (!state.has_timer) return;
  const itimerspec soon{{0, 0}, {0, 1'000'000}};
  ::timer_settime(state.timer, 0, &soon, nullptr);
}

void on_interrupt(int) {
  const int saved_errno = errno;
  Thread* thread = current;
  if (thread != nullptr && thread->host_call.inside.load() && thread->attention().load())
    arm_timer(thread->host_call);
  errno = saved_errno;
}

}  // namespace

int interrupt_signal() noexcept { return SIGRTMAX - 3; }

void install_interrupt_handler() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    action.sa_handler = on_interrupt;
    sigemptyset(&action.sa_mask);  // no SA_RESTART: calls must return EINTR
    ::sigaction(interrupt_signal(), &action, nullptr);
  });
}

HostThreadScope::HostThreadScope(Thread& thread) : thread_(thread) {
  current = &thread;
  thread.host_call.host_tid.store(static_cast<pid_t>(::syscall(SYS_gettid)));
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &set, &saved_);
  sigemptyset(&set);
  sigaddset(&set, interrupt_signal());
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

HostThreadScope::~HostThreadScope() {
  if (thread_.host_call.has_timer) ::timer_delete(thread_.host_call.timer);
  thread_.host_call.has_timer = false;
  thread_.host_call.host_tid.store(0);
  current = nullptr;
  ::pthread_sigmask(SIG_SETMASK, &saved_, nullptr);
}

void interrupt_host_call(HostCallState& state) noexcept {
  const pid_t tid = state.host_tid.load();
  if (state.inside.load() && tid != 0) ::syscall(SYS_tgkill, ::getpid(), tid, interrupt_signal());
}

void discard_sigpipe() noexcept {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  const timespec now{0, 0};
  while (::sigtimedwait(&set, nullptr, &now) == -1 && errno == EINTR) {
  }
}

void enter_host_call(Thread& thread) {
  HostCallState& state = thread.host_call;
  if (!state.has_timer) {
    // SIGEV_THREAD_ID: glibc 2.36 has no name for the member.
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = interrupt_signal();
    event._sigev_un._tid = state.host_tid.load();
    state.has_timer = ::timer_create(CLOCK_MONOTONIC, &event, &state.timer) == 0;
  }
  state.inside.store(true);
}

bool host_call_must_not_start(Thread& thread) { return thread.interrupted(); }

bool leave_host_call(Thread& thread, int error) {
  thread.host_call.inside.store(false);
  return error == EINTR && !thread.settle_attention();
}

}  // namespace ashlar::linux_user
