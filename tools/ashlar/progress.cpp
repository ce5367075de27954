// See progress.hpp.
#include "progress.hpp"

#include <pthread.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>

namespace ashlar::tool {

Progress::Progress(const linux_user::Process& process) {
  if (::isatty(STDERR_FILENO) == 0 || ::isatty(STDOUT_FILENO) != 0) return;
  // Signals for the process are for the thread that runs the program.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this, &process] { show(process); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Progress::~Progress() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    end_ = true;
  }
  ended_.notify_one();
  thread_.join();
}

void Progress::show(const linux_user::Process& process) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::milliseconds kFirst(2000), kStep(500);
  const Clock::time_point begin = Clock::now();
  std::unique_lock lock(mutex_);
  if (ended_.wait_for(lock, kFirst, [this] { return end_; })) return;
  do {
    const StatsSnapshot stats = process.stats();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - begin).count();
    // The cursor goes back to the line's begin: what the program writes to stderr takes its place.
    std::fprintf(
        stderr,
        "\r\033[Kashlar: running for %lld s: %llu blocks translated, %llu compiled, %llu system calls\r",
        static_cast<long long>(seconds), static_cast<unsigned long long>(stats[Stat::blocks_translated]),
        static_cast<unsigned long long>(stats[Stat::blocks_compiled]),
        static_cast<unsigned long long>(stats[Stat::syscalls]));
  } while (!ended_.wait_for(lock, kStep, [this] { return end_; }));
  std::fputs("\r\033[K", stderr);
}

}  // namespace ashlar::tool
