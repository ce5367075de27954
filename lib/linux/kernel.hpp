// What one guest process has in common: memory, files, threads, timers, its end. The kernel that its system
// calls talk to. For the runner's own files.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <ashlar/engine.hpp>
#include <ashlar/frontend.hpp>
#include <ashlar/linux.hpp>
#include <ashlar/memory.hpp>

#include "linux/address_space.hpp"
#include "linux/contained_fs.hpp"
#include "linux/elf.hpp"
#include "linux/fd_table.hpp"
#include "linux/futex.hpp"
#include "linux/signals.hpp"
#include "linux/thread.hpp"
#include "linux/timers.hpp"
#include "linux/user_memory.hpp"

namespace ashlar::linux_user {

struct Kernel {
  explicit Kernel(std::shared_ptr<FlatMemory> flat);
  ~Kernel();

  // Order matters: what is below may refer to what is above.
  std::shared_ptr<FlatMemory> memory;
  UserMemory user;
  std::unique_ptr<Frontend> frontend;
  std::unique_ptr<ExecutionContext> context;
  std::unique_ptr<ExecutionEngine> engine;
  std::shared_ptr<spdlog::logger> logger;
  std::function<void()> thread_started;

  AddressSpace space;
  FdTable fds;
  std::unique_ptr<ContainedFs> fs;
  FutexTable futexes;
  Signals signals;
  std::uint64_t trampoline = 0;

  // The program's file: what /proc/self/exe opens, and where symbols come from.
  HostFd program;
  std::string program_path;  // as the guest sees it
  std::uint64_t image_base = 0;

  std::mutex fs_mutex;  // guards cwd
  Base cwd;
  std::atomic<std::uint32_t> umask{022};
  std::int32_t pid = 0;

  std::mutex limits_mutex;
  std::array<abi::Rlimit, abi::kRlimitCount> limits{};

  /// Instructions that may still run, if limited.
  bool has_fuel = false;
  std::atomic<std::int64_t> fuel{0};

  // --- threads
  // -----------------------------------------------------------------------------------------------------

  using ThreadPtr = std::shared_ptr<Thread>;
  /// Adds a thread with a new id; it is not started. Fails with -EAGAIN.
  ThreadPtr add_thread(std::unique_ptr<Vcpu> vcpu);
  /// Starts the host thread of one that was added. False if the host refuses; the thread is removed then.
  bool start(const ThreadPtr& thread);
  ThreadPtr find_thread(std::int32_t tid);
  /// Called by a thread as its last act: the process ends with its last thread.
  void thread_ended(Thread& thread, int status);
  /// Waits until every thread has ended, and joins them.
  void wait_for_threads();
  void for_each_thread(const std::function<void(Thread&)>& action);

  // --- signals
  // -----------------------------------------------------------------------------------------------------

  /// Makes a signal pending for a thread, or for the process, and interrupts whom it concerns. 0 or -EAGAIN.
  std::int64_t send(Thread& thread, const abi::SigInfo& info);
  std::int64_t send_process(const abi::SigInfo& info);
  /// Interrupts the threads that could take a signal pending for the process. For a thread that has blocked
  /// signals, or ends: one that was meant for it may be another's now. Costs nothing while none is pending.
  void retarget();

  // --- the end
  // -----------------------------------------------------------------------------------------------------

  /// Ends the process; the first call decides how. Any thread.
  void end(ExitStatus status);
  bool ending() const { return ending_.load(); }
  /// Ends the process by a signal. `cause` says more, e.g. the fault; may be empty.
  void die(int signal, const std::string& cause);
  ExitStatus exit_status();

  std::string describe(std::uint64_t address);
  const ElfSymbols& symbols();
  void log(const std::string& message) const;
  /// A refusal for containment's sake, logged.
  std::int64_t refuse(std::string_view call, std::string_view what, int error) const;

  std::unique_ptr<Timers> timers;

 private:
  std::mutex threads_mutex_;
  std::condition_variable threads_changed_;
  std::vector<ThreadPtr> threads_;   // alive
  std::vector<ThreadPtr> finished_;  // to be joined
  std::int32_t next_tid_ = 0;

  std::atomic<bool> ending_{false};
  std::mutex end_mutex_;
  ExitStatus exit_status_;

  std::once_flag symbols_read_;
  ElfSymbols symbols_;
};

}  // namespace ashlar::linux_user
