// See stats_log.hpp.
#include "stats_log.hpp"

#include <pthread.h>

#include <csignal>
#include <cstdio>
#include <string>

namespace ashlar::tool {

StatsLog::StatsLog(linux_user::Process& process, std::chrono::nanoseconds interval) {
  using Clock = std::chrono::steady_clock;
  const auto write = [begin = Clock::now()](const StatsSnapshot&, const StatsSnapshot& total) {
    const std::chrono::nanoseconds at = Clock::now() - begin;
    const std::string line =
        "{\"at\": " + std::to_string(at.count()) + ", " + total.to_json().substr(1) + "\n";
    std::fputs(line.c_str(), stderr);
  };
  // Signals for the process are for the thread that runs the program.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  watcher_ = std::make_unique<StatsWatcher>(process.context(), interval, write);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace ashlar::tool
