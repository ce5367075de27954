// A short memory of which guest code has changed, so that a translation made from bytes that were changed
// meanwhile is not published. Used by the context (which records) and by whoever publishes.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>

#include <ashlar/types.hpp>

namespace ashlar::engine {

/// Thread-safe. The protocol: who changes code records the change, then removes translations under the
/// cache's lock. Who translates takes `now()` before it reads guest code, and asks `changed_since` under the
/// cache's lock before it publishes. So either the publisher sees the change, or the remover sees the
/// publication.
class ChangeLog {
 public:
  using Moment = std::uint64_t;

  Moment now() const noexcept { return moment_.load(std::memory_order_acquire); }

  void record(GuestRange range) {
    std::lock_guard lock(mutex_);
    const Moment moment = moment_.load(std::memory_order_relaxed);
    ranges_[moment % kKept] = range;
    moment_.store(moment + 1, std::memory_order_release);
  }
  /// Everything may have changed.
  void record_all() {
    std::lock_guard lock(mutex_);
    const Moment moment = moment_.load(std::memory_order_relaxed);
    moment_.store(moment + kKept + 1, std::memory_order_release);
  }

  /// Whether code in one of the ranges may have changed since; also true when too much has happened to know.
  bool changed_since(Moment moment, std::span<const GuestRange> ranges) const {
    if (now() == moment) return false;
    std::lock_guard lock(mutex_);
    const Moment end = moment_.load(std::memory_order_relaxed);
    if (end - moment > kKept) return true;
    for (Moment i = moment; i != end; ++i) {
      for (const GuestRange& range : ranges) {
        if (ranges_[i % kKept].overlaps(range)) return true;
      }
    }
    return false;
  }

 private:
  static constexpr std::size_t kKept = 64;
  std::atomic<Moment> moment_{0};
  mutable std::mutex mutex_;
  std::array<GuestRange, kKept> ranges_{};
};

}  // namespace ashlar::engine
