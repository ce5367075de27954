// Runs static RISC-V (RV64GC) Linux programs: ELF loader, system calls, threads, signals. It uses the rest of
// the public API as any embedder would.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <spdlog/fwd.h>

#include <ashlar/engine.hpp>
#include <ashlar/export.hpp>
#include <ashlar/frontend.hpp>
#include <ashlar/memory.hpp>
#include <ashlar/result.hpp>
#include <ashlar/stats.hpp>
#include <ashlar/types.hpp>

namespace ashlar::linux_user {

/// A host directory that the guest may use, and the absolute path under which it sees it.
struct Grant {
  std::string guest;
  std::string host;
};

struct ProcessConfig {
  /// Host path of a static or static-PIE RV64 ELF file.
  std::string program;
  /// The guest's argv. When empty, argv[0] is `program`.
  std::vector<std::string> args;
  /// The guest's environment, "NAME=value" each. Nothing of the host's environment is passed on by itself.
  std::vector<std::string> env;
  /// The guest reaches no file but standard input, output and error, a few harmless devices, and what is
  /// granted here. Its working directory is the first grant's, or "/".
  std::vector<Grant> grants;
  /// Bytes of guest address space: program, heap, stack and mappings together. A multiple of the page size.
  std::uint64_t memory_size = std::uint64_t{2} << 30;
  /// Bytes of the main thread's stack, below which lies a guard.
  std::uint64_t stack_size = std::uint64_t{8} << 20;
  /// Stop the program after so many guest instructions, all threads together. Exact for a single thread; with
  /// several, those that run when the pool is empty stop together.
  std::optional<std::uint64_t> fuel;
  /// What the execution context gets; `frontend` and `memory` are set by the process.
  ContextConfig context;
  /// Makes the engine; null: an InterpreterExecutor.
  std::function<Result<std::unique_ptr<ExecutionEngine>>(ExecutionContext&)> make_engine;
  /// Where refused and unknown system calls are logged (debug level); null: nowhere.
  std::shared_ptr<spdlog::logger> logger;
  /// Called on each host thread that runs a guest thread, before it does; null: nothing. Several at once.
  std::function<void()> thread_started;
};

/// How a program ended.
struct ExitStatus {
  /// As a shell would see it: the program's exit code, 128 + signal when a signal ended it, kFuelStatus when
  /// the fuel was spent.
  int status = 0;
  /// The signal that ended it, or 0.
  int signal = 0;
  bool out_of_fuel = false;
  /// One sentence without a full stop when it did not exit by itself, e.g. "program terminated by signal 11
  /// (Segmentation fault): store to unmapped address 0x0 at pc 0x10430 <main+0x12>"; else empty.
  std::string description;

  static constexpr int kFuelStatus = 124;
};

/// One guest process: its memory, files, threads, and the context and engine that run it.
///
/// The first `run` installs a handler for one host signal (host_signal()), which interrupts the guest
/// threads' blocking system calls and stays installed; guest threads block SIGPIPE. There is no other
/// process-wide state.
class ASHLAR_API Process {
 public:
  /// Loads the program and lays out its stack. Errors are io_error (the file can't be read), invalid_argument
  /// (not a program that can run here, a bad grant or size), out_of_memory.
  static Result<std::unique_ptr<Process>> create(ProcessConfig config);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  /// Runs the program to its end; the guest's main thread runs on the calling thread, others on threads of
  /// their own, all of which have ended on return. Call once.
  ExitStatus run();
  /// Ends the program with a status, from any thread; `run` returns soon.
  void terminate(int status) noexcept;

  ExecutionContext& context() noexcept;
  FlatMemory& memory() noexcept;
  const Frontend& frontend() const noexcept;
  GuestAddr entry() const noexcept;
  StatsSnapshot stats() const;

  /// Address of a symbol of the program's symbol table; nothing if it has none of that name.
  std::optional<GuestAddr> find_symbol(const std::string& name) const;
  /// "<name+0x12>" for an address inside a function or object of the symbol table, else empty.
  std::string describe(GuestAddr at) const;

  /// The host's real-time signal in use, process-wide: SIGRTMAX - 3.
  static int host_signal() noexcept;

 private:
  class Impl;
  explicit Process(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ashlar::linux_user
