// Finds where compiled guest code spends its time: a timer for each thread interrupts it and notes the
// program counter; blocks count their executions themselves. See <ashlar/debug.hpp>.
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <csignal>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include <ashlar/debug.hpp>

#include "codegen/host_context.hpp"

namespace ashlar::debug {
namespace {

/// Program counters in the order in which they came. The handler claims a place and fills it; it is the only
/// part that runs in signal context. Pages that are not reached cost nothing.
class SampleLog {
 public:
  static constexpr std::size_t kCapacity = std::size_t{1} << 22;

  static Result<SampleLog> create() {
    SampleLog log;
    void* const pages =
        ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED)
      return Error{ErrorCode::out_of_memory, "the host refuses address space for the profile's samples"};
    log.samples_ = static_cast<std::atomic<std::uintptr_t>*>(pages);
    return log;
  }
  SampleLog(SampleLog&& other) noexcept : samples_(std::exchange(other.samples_, nullptr)) {}
  SampleLog& operator=(SampleLog&&) = delete;
  ~SampleLog() {
    if (samples_ != nullptr) ::munmap(static_cast<void*>(samples_), kBytes);
  }

  void add(std::uintptr_t pc) noexcept {
    const std::size_t place = count_.fetch_add(1, std::memory_order_relaxed);
    if (place < kCapacity) samples_[place].store(pc, std::memory_order_relaxed);
  }
  std::size_t count() const noexcept { return count_.load(std::memory_order_relaxed); }
  std::uintptr_t operator[](std::size_t place) const noexcept {
    return samples_[place].load(std::memory_order_relaxed);
  }

 private:
  static constexpr std::size_t kBytes = kCapacity * sizeof(std::uintptr_t);
  SampleLog() = default;
  std::atomic<std::uintptr_t>* samples_ = nullptr;
  std::atomic<std::size_t> count_{0};
};

/// Where the signal handler puts samples: SIGPROF is the process's.
std::atomic<SampleLog*> active_log{nullptr};
/// Handlers that are at it, so that the log can go.
std::atomic<int> handlers_running{0};

extern "C" void take_sample(int, siginfo_t*, void* context) {
  const int saved = errno;
  handlers_running.fetch_add(1);
  if (SampleLog* const log = active_log.load())
    log->add(reinterpret_cast<std::uintptr_t>(codegen::context_pc(context)));
  handlers_running.fetch_sub(1);
  errno = saved;
}

class SamplingProfiler final : public Profiler {
 public:
  SamplingProfiler(SampleLog log, Namer name) : log_(std::move(log)), name_(std::move(name)) {
    struct sigaction action {};
    action.sa_sigaction = &take_sample;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    ::sigfillset(&action.sa_mask);
    ::sigaction(SIGPROF, &action, &previous_);
    active_log.store(&log_);
  }
  ~SamplingProfiler() override {
    {
      std::lock_guard lock(mutex_);
      for (const timer_t timer : timers_) ::timer_delete(timer);
    }
    active_log.store(nullptr);
    // A signal that is on its way yet finds our handler, and no log.
    while (handlers_running.load() != 0) ::sched_yield();
    if (previous_.sa_handler != SIG_DFL || (previous_.sa_flags & SA_SIGINFO) != 0)
      ::sigaction(SIGPROF, &previous_, nullptr);
  }

  bool sample_this_thread() override {
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGPROF;
#ifdef sigev_notify_thread_id
    event.sigev_notify_thread_id = static_cast<pid_t>(::syscall(SYS_gettid));
#else
    event._sigev_un._tid = static_cast<pid_t>(::syscall(SYS_gettid));
#endif
    timer_t timer{};
    if (::timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) != 0) return false;
    constexpr long kPeriod = 1'000'000;  // the host's clock may tick less often
    const itimerspec period{{0, kPeriod}, {0, kPeriod}};
    ::timer_settime(timer, 0, &period, nullptr);
    std::lock_guard lock(mutex_);
    timers_.push_back(timer);
    return true;
  }

  void runtime_published(const void* address, std::span<const std::byte> code) override {
    std::lock_guard lock(mutex_);
    enter(address, code.size(), nullptr);
  }
  void code_published(const PublishedCode& published) override {
    std::lock_guard lock(mutex_);
    Counted& block = blocks_[published.key];
    block.executions = published.executions;
    block.guest_instructions = std::max(block.guest_instructions, published.points.size());
    enter(published.address, published.code.size(), &block);
  }

  Profile profile() override {
    std::lock_guard lock(mutex_);
    attribute();
    Profile profile;
    profile.samples = attributed_;
    profile.lost = log_.count() - std::min(log_.count(), SampleLog::kCapacity);
    for (const auto& [key, counted] : blocks_) {
      ProfiledBlock block;
      block.key = key;
      block.samples = counted.samples;
      block.executions = counted.executions != nullptr
                             ? std::atomic_ref(*counted.executions).load(std::memory_order_relaxed)
                             : 0;
      block.guest_instructions = static_cast<std::uint32_t>(counted.guest_instructions);
      profile.samples_in_blocks += block.samples;
      profile.blocks.push_back(block);
    }
    const auto rank = [](const ProfiledBlock& b) {
      return std::pair(b.samples, b.executions * b.guest_instructions);
    };
    std::sort(profile.blocks.begin(), profile.blocks.end(),
              [&](const ProfiledBlock& a, const ProfiledBlock& b) {
                return rank(a) != rank(b) ? rank(a) > rank(b) : a.key < b.key;
              });
    for (ProfiledBlock& block : profile.blocks) block.symbol = symbol_of(block.key, name_);
    return profile;
  }

 private:
  struct Counted {
    std::uint64_t samples = 0;
    std::uint64_t* executions = nullptr;
    std::size_t guest_instructions = 0;
  };
  struct Range {
    std::size_t size;
    Counted* block;  // null: the runtime
  };

  /// From now on samples in the range are the block's.
  void enter(const void* address, std::size_t size, Counted* block) {
    const auto begin = reinterpret_cast<std::uintptr_t>(address);
    auto old = ranges_.lower_bound(begin);
    if (old != ranges_.begin() && std::prev(old)->first + std::prev(old)->second.size > begin) --old;
    if (old != ranges_.end() && old->first < begin + size) attribute();  // while it is known what lay there
    while (old != ranges_.end() && old->first < begin + size) old = ranges_.erase(old);
    ranges_[begin] = {size, block};
  }
  void attribute() {
    const std::size_t end = std::min(log_.count(), SampleLog::kCapacity);
    for (; attributed_ < end; ++attributed_) {
      const std::uintptr_t pc = log_[attributed_];
      auto range = ranges_.upper_bound(pc);
      if (range == ranges_.begin()) continue;
      --range;
      if (pc - range->first < range->second.size && range->second.block != nullptr)
        ++range->second.block->samples;
    }
  }

  SampleLog log_;
  struct sigaction previous_ {};
  std::mutex mutex_;
  Namer name_;
  std::vector<timer_t> timers_;
  std::map<BlockKey, Counted> blocks_;
  std::map<std::uintptr_t, Range> ranges_;
  std::size_t attributed_ = 0;
};

std::string line(const char* format, auto... arguments) {
  char text[160];
  std::snprintf(text, sizeof text, format, arguments...);
  return text;
}

}  // namespace

std::string Profile::to_table(std::size_t most) const {
  using ull = unsigned long long;
  std::uint64_t executed = 0;
  for (const ProfiledBlock& block : blocks) executed += block.executions;
  std::string text =
      line("profile: %llu samples, %.1f %% of them in compiled blocks; %zu blocks, executed %llu times\n",
           static_cast<ull>(samples),
           samples == 0 ? 0. : 100. * static_cast<double>(samples_in_blocks) / static_cast<double>(samples),
           blocks.size(), static_cast<ull>(executed));
  if (lost != 0)
    text += line("profile: %llu more samples found no place and are not counted\n", static_cast<ull>(lost));
  if (blocks.empty()) return text;
  text += "  time %    samples     executions  instructions  block\n";
  for (std::size_t i = 0; i < std::min(most, blocks.size()); ++i) {
    const ProfiledBlock& block = blocks[i];
    const double share =
        samples == 0 ? 0. : 100. * static_cast<double>(block.samples) / static_cast<double>(samples);
    text += line("  %6.1f %10llu %14llu %13u  ", share, static_cast<ull>(block.samples),
                 static_cast<ull>(block.executions), block.guest_instructions) +
            block.symbol + "\n";
  }
  return text;
}

Result<std::unique_ptr<Profiler>> make_profiler(Namer name) {
  if (active_log.load() != nullptr)
    return Error{ErrorCode::invalid_argument, "there is a profiler in this process already"};
  Result<SampleLog> log = SampleLog::create();
  if (!log) return log.error();
  return std::unique_ptr<Profiler>(new SamplingProfiler(std::move(log).value(), std::move(name)));
}

}  // namespace ashlar::debug
