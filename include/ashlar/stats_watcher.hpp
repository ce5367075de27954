// What has happened since one last looked: for collectors, schedulers and meters that poll a context's stats.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include <ashlar/engine.hpp>
#include <ashlar/export.hpp>
#include <ashlar/stats.hpp>

namespace ashlar {

/// Deltas of a context's stats, by poll or by callback. Thread-safe: each count is in exactly one delta,
/// whoever gets it. The context must outlive it.
class ASHLAR_API StatsWatcher {
 public:
  /// For `poll` alone.
  explicit StatsWatcher(const ExecutionContext& context);
  using Callback = std::function<void(const StatsSnapshot& delta, const StatsSnapshot& total)>;
  /// A thread of the watcher calls back every `interval` (at least 100 µs), and once more when the watcher is
  /// destroyed, from the destroying thread, so that the deltas' sum is the total. Must not throw, nor destroy
  /// the watcher.
  StatsWatcher(const ExecutionContext& context, std::chrono::nanoseconds interval, Callback callback);
  ~StatsWatcher();
  StatsWatcher(const StatsWatcher&) = delete;
  StatsWatcher& operator=(const StatsWatcher&) = delete;

  /// What has been counted since the last poll or callback, or since the watcher was made; gauges as they
  /// are.
  StatsSnapshot poll();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ashlar
