// Deltas of the stats; see <ashlar/stats_watcher.hpp>.
#include <ashlar/stats_watcher.hpp>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

namespace ashlar {

class StatsWatcher::Impl {
 public:
  Impl(const ExecutionContext& context, Callback callback)
      : context_(context), callback_(std::move(callback)), last_(context.stats()) {}

  void start(std::chrono::nanoseconds interval) {
    thread_ = std::thread([this, interval] {
      std::unique_lock lock(mutex_);
      while (!wake_.wait_for(lock, interval, [this] { return stopping_; })) {
        lock.unlock();
        tell();
        lock.lock();
      }
    });
  }
  void stop() {
    if (!thread_.joinable()) return;
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
    tell();
  }
  /// The delta and the total that it leads to.
  std::pair<StatsSnapshot, StatsSnapshot> next() {
    std::lock_guard lock(last_mutex_);
    const StatsSnapshot now = context_.stats();
    return {now.since(std::exchange(last_, now)), now};
  }

 private:
  void tell() {
    const auto [delta, total] = next();
    callback_(delta, total);
  }

  const ExecutionContext& context_;
  const Callback callback_;
  std::mutex last_mutex_;
  StatsSnapshot last_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

StatsWatcher::StatsWatcher(const ExecutionContext& context)
    : impl_(std::make_unique<Impl>(context, nullptr)) {}

StatsWatcher::StatsWatcher(const ExecutionContext& context, std::chrono::nanoseconds interval,
                           Callback callback)
    : impl_(std::make_unique<Impl>(context, std::move(callback))) {
  constexpr std::chrono::nanoseconds kLeast = std::chrono::microseconds(100);
  impl_->start(std::max(interval, kLeast));
}

StatsWatcher::~StatsWatcher() { impl_->stop(); }

StatsSnapshot StatsWatcher::poll() { return impl_->next().first; }

}  // namespace ashlar
