// The fault handlers: guards nest, hooks come first, and everything else goes to whoever was there before.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "mem/fault_guard.hpp"

using namespace ashlar::mem;

namespace {

constexpr std::size_t kSize = 65536;

struct Forbidden {
  char* at = static_cast<char*>(mmap(nullptr, kSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ~Forbidden() { munmap(at, kSize); }
  HostRange range() const {
    return {reinterpret_cast<std::uintptr_t>(at), reinterpret_cast<std::uintptr_t>(at) + kSize};
  }
};

void touch(const char* at) { (void)*static_cast<const volatile char*>(at); }

/// Runs `body` in a child and gives its wait status.
template <typename Body>
int in_child(Body body) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    alarm(20);  // a child that loops is a failure, not a hang
    body();
    _exit(99);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return status;
}

bool exited_with(int status, int code) { return WIFEXITED(status) && WEXITSTATUS(status) == code; }

char* foreign_page = nullptr;
volatile std::sig_atomic_t info_ok = 0;

void exit_info(int, siginfo_t* info, void*) { _exit(info->si_addr == foreign_page ? 7 : 8); }
void exit_plain(int signal) { _exit(signal == SIGSEGV ? 9 : 10); }
void open_page(int, siginfo_t* info, void*) {
  info_ok = info->si_addr == foreign_page;
  mprotect(foreign_page, kSize, PROT_READ);
}

bool open_hook(siginfo_t* info, void*) noexcept {
  if (info->si_addr != foreign_page) return false;
  mprotect(foreign_page, kSize, PROT_READ);
  return true;
}

void install(int flags, void (*with_info)(int, siginfo_t*, void*), void (*plain)(int)) {
  struct sigaction action = {};
  if (with_info != nullptr) {
    action.sa_sigaction = with_info;
    flags |= SA_SIGINFO;
  } else {
    action.sa_handler = plain;
  }
  action.sa_flags = flags;
  sigaction(SIGSEGV, &action, nullptr);
}

/// A fault at `at` under a guard of `range`.
bool caught(HostRange range, const char* at) {
  FaultGuard guard(range);
  if (sigsetjmp(guard.env(), 0) != 0)
    return guard.fault_addr() == reinterpret_cast<std::uintptr_t>(at) && !guard.bus();
  guard.arm();
  touch(at);
  return false;
}

}  // namespace

// These fork before this process installs our handlers, so that each child does with its own predecessors.
// Doctest runs cases of a file in the order in which they stand.
TEST_CASE("a foreign fault reaches the handler that was there before") {
  Forbidden page, ours;
  foreign_page = page.at;
  SUBCASE("with siginfo") {
    CHECK(exited_with(in_child([&] {
                        install(0, exit_info, nullptr);
                        install_fault_handlers();
                        touch(page.at);
                      }),
                      7));
  }
  SUBCASE("without") {
    CHECK(exited_with(in_child([&] {
                        install(0, nullptr, exit_plain);
                        install_fault_handlers();
                        touch(page.at);
                      }),
                      9));
  }
  SUBCASE("and may repair it; ours are still caught afterwards, and it serves again") {
    CHECK(exited_with(in_child([&] {
                        install(0, open_page, nullptr);
                        install_fault_handlers();
                        touch(page.at);
                        bool ok = info_ok && caught(ours.range(), ours.at + 100);
                        mprotect(page.at, kSize, PROT_NONE);
                        touch(page.at);
                        _exit(ok && info_ok ? 3 : 4);
                      }),
                      3));
  }
  SUBCASE("once, if it asked for that") {
    const int status = in_child([&] {
      install(static_cast<int>(SA_RESETHAND), open_page, nullptr);
      install_fault_handlers();
      touch(page.at);
      mprotect(page.at, kSize, PROT_NONE);
      touch(page.at);
    });
    CHECK(WIFSIGNALED(status));
  }
  SUBCASE("also from under a guard of something else") {
    CHECK(exited_with(in_child([&] {
                        install(0, exit_info, nullptr);
                        caught(ours.range(), page.at);
                      }),
                      7));
  }
}

// Sanitizers install handlers of their own, which turn the signal into an exit.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("without a handler the process dies of the signal, as it would have without us") {
  Forbidden page;
  SUBCASE("default") {
    const int status = in_child([&] {
      signal(SIGSEGV, SIG_DFL);
      install_fault_handlers();
      touch(page.at);
    });
    CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV));
  }
  SUBCASE("ignoring an own fault is not possible") {
    const int status = in_child([&] {
      signal(SIGSEGV, SIG_IGN);
      install_fault_handlers();
      touch(page.at);
    });
    CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV));
  }
  SUBCASE("ignoring one that was sent is") {
    CHECK(exited_with(in_child([&] {
                        signal(SIGSEGV, SIG_IGN);
                        install_fault_handlers();
                        raise(SIGSEGV);
                        _exit(5);
                      }),
                      5));
  }
  SUBCASE("one that was sent kills by default") {
    const int status = in_child([&] {
      signal(SIGSEGV, SIG_DFL);
      install_fault_handlers();
      raise(SIGSEGV);
    });
    CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV));
  }
}
#endif

TEST_CASE("hooks come before guards and guards before the rest") {
  Forbidden page;
  foreign_page = page.at;
  CHECK(exited_with(in_child([&] {
                      install(0, exit_info, nullptr);
                      if (!add_host_fault_hook(open_hook) || !add_host_fault_hook(open_hook)) _exit(1);
                      FaultGuard guard({reinterpret_cast<std::uintptr_t>(page.at),
                                        reinterpret_cast<std::uintptr_t>(page.at) + kSize});
                      if (sigsetjmp(guard.env(), 0) != 0) _exit(2);
                      guard.arm();
                      touch(page.at);
                      mprotect(page.at, kSize, PROT_NONE);
                      touch(page.at + 1);  // not the hook's address: the guard's
                    }),
                    2));
}

TEST_CASE("guards catch, repeatedly, with the address, on any thread") {
  Forbidden page;
  for (int i = 0; i < 100; ++i) REQUIRE(caught(page.range(), page.at + i));
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) good += caught(page.range(), page.at + i);
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(good == 4000);
}

TEST_CASE("guards nest: only the innermost is asked, and the outer one works on afterwards") {
  Forbidden outer_page, inner_page;
  FaultGuard outer(outer_page.range());
  volatile int stage = 0;
  if (sigsetjmp(outer.env(), 0) == 0) {
    outer.arm();
    REQUIRE(caught(inner_page.range(), inner_page.at + 5));
    stage = 1;
    char buffer[16];
    REQUIRE_FALSE(guarded_copy(buffer, inner_page.at, sizeof buffer, inner_page.range()));
    stage = 2;
    touch(outer_page.at + 7);
    stage = 3;
  }
  CHECK(stage == 2);
  CHECK(outer.fault_addr() == reinterpret_cast<std::uintptr_t>(outer_page.at) + 7);
}

TEST_CASE("a disarmed guard lets faults pass") {
  Forbidden page;
  const int status = in_child([&] {
    FaultGuard guard(page.range());
    if (sigsetjmp(guard.env(), 0) != 0) _exit(6);
    guard.arm();
    guard.disarm();
    touch(page.at);
  });
  CHECK_FALSE(
      exited_with(status, 6));  // not caught here: it went on to whoever was before, who ends the process
  CHECK_FALSE(exited_with(status, 99));
}

TEST_CASE("guarded copies copy, and say when they could not") {
  Forbidden page;
  REQUIRE(mprotect(page.at, kSize / 2, PROT_READ | PROT_WRITE) == 0);
  char buffer[64] = "text";
  CHECK(guarded_copy(page.at + 100, buffer, sizeof buffer, page.range()));
  CHECK(std::strcmp(page.at + 100, "text") == 0);
  CHECK_FALSE(guarded_copy(page.at + kSize / 2 - 8, buffer, sizeof buffer, page.range()));
  CHECK_FALSE(guarded_copy(buffer, page.at + kSize / 2, 1, page.range()));
}
