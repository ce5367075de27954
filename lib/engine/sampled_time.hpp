// Times what is done often and takes microseconds: reading the clock for each would be some hundredths of it.
// For the engine's own files.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/stats_cells.hpp"

namespace ashlar::engine {

/// Adds the time of its scope to a counter. `done` counts what is done in such scopes: the first ones are
/// timed each, of later ones some, which stand for the others.
class SampledTime {
 public:
  SampledTime(StatsCell& stats, Stat done, Stat time)
      : stats_(stats), time_(time), weight_(weight(stats, done)) {
    if (weight_ != 0) begin_ = std::chrono::steady_clock::now();
  }
  ~SampledTime() {
    if (weight_ == 0) return;
    const auto time = std::chrono::steady_clock::now() - begin_;
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
    stats_.add(time_, static_cast<std::uint64_t>(ns) * weight_);
  }
  SampledTime(const SampledTime&) = delete;
  SampledTime& operator=(const SampledTime&) = delete;

 private:
  /// For how many scopes this one stands.
  static std::uint64_t weight(const StatsCell& stats, Stat done) noexcept {
    if constexpr (!kCounting) return 0;
    constexpr std::uint64_t kAll = 32, kOneIn = 16;
    const std::uint64_t before = stats.value(done);
    if (before < kAll) return 1;
    return before % kOneIn == 0 ? kOneIn : 0;
  }

  StatsCell& stats_;
  const Stat time_;
  const std::uint64_t weight_;
  std::chrono::steady_clock::time_point begin_;
};

}  // namespace ashlar::engine
