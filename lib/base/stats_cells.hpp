// The live stats object: cells that one thread at a time bumps without contention, and shared values for rare
// events and gauges. A snapshot sums them. Used by the engine, the cache and whoever runs in their threads.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include <ashlar/stats.hpp>

namespace ashlar {

#ifdef ASHLAR_NO_STATS
inline constexpr bool kCounting = false;  ///< Meson's option `stats`
#else
inline constexpr bool kCounting = true;
#endif

/// Counters of one owner (a vCPU, a compiling thread), which is in one thread at a time: a bump is a plain
/// load and store, without a lock prefix. On its own cache lines, so that neighbours cost nothing.
class alignas(64) StatsCell {
 public:
  /// By the owner only.
  void add(Stat stat, std::uint64_t n = 1) noexcept {
    if constexpr (!kCounting) return;
    std::atomic<std::uint64_t>& value = values_[static_cast<std::size_t>(stat)];
    value.store(value.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  /// What this cell has counted, for the owner's own decisions.
  std::uint64_t value(Stat stat) const noexcept {
    return values_[static_cast<std::size_t>(stat)].load(std::memory_order_relaxed);
  }

 private:
  friend class LiveStats;
  std::array<std::atomic<std::uint64_t>, kStatCount> values_{};
};

/// All counters of a context. Thread-safe.
class LiveStats {
 public:
  /// Counts for events that are rare or belong to no owner, and gauges (which go down by adding a negative
  /// number).
  void add(Stat stat, std::uint64_t n = 1) noexcept {
    if constexpr (!kCounting) return;
    shared_[static_cast<std::size_t>(stat)].fetch_add(n, std::memory_order_relaxed);
  }
  void subtract(Stat stat, std::uint64_t n = 1) noexcept { add(stat, std::uint64_t{0} - n); }

  /// For gauges that are the greatest value so far; such a one is in no cell.
  void raise(Stat stat, std::uint64_t value) noexcept {
    if constexpr (!kCounting) return;
    std::atomic<std::uint64_t>& most = shared_[static_cast<std::size_t>(stat)];
    std::uint64_t now = most.load(std::memory_order_relaxed);
    while (value > now && !most.compare_exchange_weak(now, value, std::memory_order_relaxed)) {
    }
  }

  /// From here to detach the cell is part of every snapshot; what it has counted stays in afterwards.
  void attach(StatsCell& cell);
  /// Leaves the cell at zero.
  void detach(StatsCell& cell);

  StatsSnapshot snapshot() const;

 private:
  mutable std::mutex mutex_;
  std::vector<StatsCell*> cells_;
  std::array<std::atomic<std::uint64_t>, kStatCount> shared_{};
};

}  // namespace ashlar
