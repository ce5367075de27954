// The engine's counters while a program runs. For the ashlar command's own files.
#pragma once

#include <chrono>
#include <memory>

#include <ashlar/linux.hpp>
#include <ashlar/stats_watcher.hpp>

namespace ashlar::tool {

/// While it lives, and once more at its end, writes lines of JSON to stderr: {"at": nanoseconds since it was
/// made, and all counters}.
class StatsLog {
 public:
  /// Milliseconds between two lines.
  static constexpr double kLeastInterval = 0.1;
  static constexpr double kMostInterval = 3.6e6;

  StatsLog(linux_user::Process& process, std::chrono::nanoseconds interval);

 private:
  std::unique_ptr<StatsWatcher> watcher_;
};

}  // namespace ashlar::tool
