// Threads, signals between them, and the end of the process.
#include "linux/kernel.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>

namespace ashlar::linux_user {

Kernel::Kernel(std::shared_ptr<FlatMemory> flat)
    : memory(std::move(flat)),
      user(*memory),
      space(*memory),
      futexes(user),
      timers(std::make_unique<Timers>(*this)) {}

// The timers' thread uses everything else.
Kernel::~Kernel() { timers.reset(); }

Kernel::ThreadPtr Kernel::add_thread(std::unique_ptr<Vcpu> vcpu) {
  const std::scoped_lock lock(threads_mutex_);
  // Of the order of Linux's default limits; the host may refuse earlier.
  if (threads_.size() >= 16384 || next_tid_ == INT32_MAX) return nullptr;
  auto thread =
      std::make_shared<Thread>(*this, threads_.empty() && next_tid_ == 0 ? pid : next_tid_, std::move(vcpu));
  next_tid_ = thread->tid + 1;
  threads_.push_back(thread);
  return thread;
}

bool Kernel::start(const ThreadPtr& thread) {
  std::vector<ThreadPtr> finished;
  {
    const std::scoped_lock lock(threads_mutex_);
    finished.swap(finished_);
  }
  for (const ThreadPtr& done : finished) done->host.join();
  const std::scoped_lock lock(threads_mutex_);
  try {
    // The lock is held, so a thread that ends at once still finds `host` set when it is joined.
    thread->host = std::thread([raw = thread.get()] { raw->run(); });
    return true;
  } catch (const std::system_error&) {
    std::erase(threads_, thread);
    return false;
  }
}

Kernel::ThreadPtr Kernel::find_thread(std::int32_t tid) {
  const std::scoped_lock lock(threads_mutex_);
  const auto it =
      std::find_if(threads_.begin(), threads_.end(), [tid](const ThreadPtr& t) { return t->tid == tid; });
  return it == threads_.end() ? nullptr : *it;
}

void Kernel::thread_ended(Thread& thread, int status) {
  const std::scoped_lock lock(threads_mutex_);
  const auto it =
      std::find_if(threads_.begin(), threads_.end(), [&](const ThreadPtr& t) { return t.get() == &thread; });
  if (it == threads_.end()) return;
  if (thread.host.joinable()) finished_.push_back(*it);  // the main thread belongs to whoever called run
  threads_.erase(it);
  if (threads_.empty()) {
    const std::scoped_lock end_lock(end_mutex_);
    if (!ending_.exchange(true)) exit_status_.status = status & 0xff;
  }
  threads_changed_.notify_all();
}

void Kernel::wait_for_threads() {
  std::vector<ThreadPtr> finished;
  {
    std::unique_lock lock(threads_mutex_);
    threads_changed_.wait(lock, [&] { return threads_.empty(); });
    finished.swap(finished_);
  }
  for (const ThreadPtr& done : finished) done->host.join();
}

void Kernel::for_each_thread(const std::function<void(Thread&)>& action) {
  const std::scoped_lock lock(threads_mutex_);
  for (const ThreadPtr& thread : threads_) action(*thread);
}

std::int64_t Kernel::send(Thread& thread, const abi::SigInfo& info) {
  {
    const std::scoped_lock lock(signals.mutex);
    const abi::SigSet bit = abi::sig_bit(info.signo);
    const bool awaited = (thread.signals.awaited & bit) != 0;
    const bool blocked = (thread.signals.blocked & bit) != 0;
    if (!blocked && !awaited && signals.ignored(info.signo)) return 0;
    if (!thread.signals.pending.add(info)) return -EAGAIN;
    if (blocked && !awaited) return 0;
  }
  thread.interrupt();
  return 0;
}

std::int64_t Kernel::send_process(const abi::SigInfo& info) {
  const std::scoped_lock lock(threads_mutex_);
  const abi::SigSet bit = abi::sig_bit(info.signo);
  Thread* chosen = nullptr;
  {
    const std::scoped_lock signals_lock(signals.mutex);
    for (const ThreadPtr& thread : threads_) {
      if ((thread->signals.awaited & bit) != 0) {
        chosen = thread.get();
        break;
      }
      if (chosen == nullptr && (thread->signals.blocked & bit) == 0) chosen = thread.get();
    }
    const bool awaited = chosen != nullptr && (chosen->signals.awaited & bit) != 0;
    if (chosen != nullptr && !awaited && signals.ignored(info.signo)) return 0;
    if (!signals.pending.add(info)) return -EAGAIN;
  }
  if (chosen != nullptr) chosen->interrupt();
  return 0;
}

void Kernel::retarget() {
  {
    const std::scoped_lock lock(signals.mutex);
    if (signals.pending.set() == 0) return;
  }
  const std::scoped_lock lock(threads_mutex_);
  for (const ThreadPtr& thread : threads_) {
    bool concerned = false;
    {
      const std::scoped_lock signals_lock(signals.mutex);
      concerned = (signals.pending.set() & (~thread->signals.blocked | thread->signals.awaited)) != 0;
    }
    if (concerned) thread->interrupt();
  }
}

void Kernel::end(ExitStatus status) {
  {
    const std::scoped_lock lock(end_mutex_);
    if (ending_.exchange(true)) return;
    exit_status_ = std::move(status);
  }
  for_each_thread([](Thread& thread) { thread.interrupt(); });
}

void Kernel::die(int signal, const std::string& cause) {
  ExitStatus status;
  status.status = 128 + signal;
  status.signal = signal;
  status.description =
      "program terminated by signal " + std::to_string(signal) + " (" + signal_text(signal) + ")";
  if (!cause.empty()) status.description += ": " + cause;
  end(std::move(status));
}

ExitStatus Kernel::exit_status() {
  const std::scoped_lock lock(end_mutex_);
  return exit_status_;
}

const ElfSymbols& Kernel::symbols() {
  std::call_once(symbols_read_, [this] { symbols_ = ElfSymbols::read(FdSource(program.get()), image_base); });
  return symbols_;
}

std::string Kernel::describe(std::uint64_t address) { return symbols().describe(address); }

void Kernel::log(const std::string& message) const {
  if (logger) logger->debug(message);
}

std::int64_t Kernel::refuse(std::string_view call, std::string_view what, int error) const {
  if (logger) logger->debug("refused {}: {}", call, what);
  return -error;
}

}  // namespace ashlar::linux_user
