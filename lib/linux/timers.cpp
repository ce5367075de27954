// The timer thread.
#include "linux/timers.hpp"

#include <signal.h>

#include <cerrno>

#include "linux/kernel.hpp"

namespace ashlar::linux_user {
namespace {

bool is_zero(const abi::Timespec& t) { return t.sec == 0 && t.nsec == 0; }
timespec host(const abi::Timespec& t) { return {static_cast<time_t>(t.sec), static_cast<long>(t.nsec)}; }
abi::Timespec guest(const timespec& t) { return {t.tv_sec, t.tv_nsec}; }

bool less(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

timespec plus(const timespec& a, const timespec& b) {
  timespec sum{a.tv_sec + b.tv_sec, a.tv_nsec + b.tv_nsec};
  if (sum.tv_nsec >= 1'000'000'000) {
    sum.tv_nsec -= 1'000'000'000;
    ++sum.tv_sec;
  }
  return sum;
}

}  // namespace

Timers::~Timers() {
  stop_.store(true);
  wake_.unpark();
  if (server_.joinable()) server_.join();
}

abi::Itimerspec Timers::state_of(const Timer& timer) {
  if (!timer.armed) return {guest(timer.interval), {0, 0}};
  abi::Timespec left = guest(timer.next.left());
  if (is_zero(left)) left.nsec = 1;  // zero would say: not armed
  return {guest(timer.interval), left};
}

void Timers::arm(Timer& timer, bool absolute, const abi::Itimerspec& next) {
  timer.interval = host(next.interval);
  timer.armed = !is_zero(next.value);
  timer.overrun = 0;
  if (!timer.armed) return;
  timer.next =
      absolute ? Deadline{timer.clock, host(next.value)} : Deadline::after(host(next.value), timer.clock);
  if (!server_.joinable()) {
    // Signals for the host process are for its own threads.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, &before);
    server_ = std::thread([this] { serve(); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  wake_.unpark();
}

abi::Itimerspec Timers::real_timer(const abi::Itimerspec* next) {
  const std::scoped_lock lock(mutex_);
  Timer& timer = timers_[kReal];
  timer.target.signal = abi::kSigAlrm;
  const abi::Itimerspec before = state_of(timer);
  if (next != nullptr) arm(timer, false, *next);
  return before;
}

std::int64_t Timers::create(clockid_t clock, const Target& target, bool value_is_id) {
  const std::scoped_lock lock(mutex_);
  if (timers_.size() >= kMaxTimers) return -EAGAIN;
  const std::int32_t id = next_id_++;
  Timer& timer = timers_[id];
  timer.clock = clock;
  timer.target = target;
  if (value_is_id) timer.target.value = static_cast<std::uint64_t>(id);
  return id;
}

std::int64_t Timers::remove(std::int32_t id) {
  const std::scoped_lock lock(mutex_);
  return id >= 0 && timers_.erase(id) == 1 ? 0 : -EINVAL;
}

std::int64_t Timers::set(std::int32_t id, bool absolute, const abi::Itimerspec& next,
                         abi::Itimerspec& before) {
  const std::scoped_lock lock(mutex_);
  const auto it = timers_.find(id);
  if (id < 0 || it == timers_.end()) return -EINVAL;
  before = state_of(it->second);
  arm(it->second, absolute, next);
  return 0;
}

std::int64_t Timers::get(std::int32_t id, abi::Itimerspec& now) const {
  const std::scoped_lock lock(mutex_);
  const auto it = timers_.find(id);
  if (id < 0 || it == timers_.end()) return -EINVAL;
  now = state_of(it->second);
  return 0;
}

std::int64_t Timers::overrun(std::int32_t id) const {
  const std::scoped_lock lock(mutex_);
  const auto it = timers_.find(id);
  if (id < 0 || it == timers_.end()) return -EINVAL;
  return it->second.overrun;
}

// Called with the mutex held; the kernel's locks come below it.
void Timers::fire(std::int32_t id, Timer& timer) {
  timer.overrun = 0;
  timer.armed = timer.interval.tv_sec != 0 || timer.interval.tv_nsec != 0;
  if (timer.armed) {
    timer.next.at = plus(timer.next.at, timer.interval);
    timespec now{};
    ::clock_gettime(timer.clock, &now);
    // Expirations that were missed are counted, not delivered. A timer far behind starts afresh.
    while (less(timer.next.at, now)) {
      if (++timer.overrun >= 1'000'000) {
        timer.next = Deadline::after(timer.interval, timer.clock);
        break;
      }
      timer.next.at = plus(timer.next.at, timer.interval);
    }
  }
  if (timer.target.signal == 0) return;
  abi::SigInfo info{};
  info.signo = timer.target.signal;
  if (id == kReal) {
    info.code = abi::kSiKernel;
  } else {
    info.code = abi::kSiTimer;
    info.timer = {id, timer.overrun, timer.target.value};
  }
  if (timer.target.tid == 0) {
    kernel_.send_process(info);
  } else if (const auto thread = kernel_.find_thread(timer.target.tid)) {
    kernel_.send(*thread, info);
  }
}

void Timers::serve() {
  while (!stop_.load()) {
    // The earliest of each clock; while both clocks have one, the wait is cut to the shorter.
    std::optional<Deadline> wait;
    {
      const std::scoped_lock lock(mutex_);
      for (auto& [id, timer] : timers_) {
        if (timer.armed && timer.next.passed()) fire(id, timer);
        if (!timer.armed) continue;
        if (!wait || less(timer.next.left(), wait->left())) wait = timer.next;
      }
    }
    wake_.park(wait);
  }
}

}  // namespace ashlar::linux_user
