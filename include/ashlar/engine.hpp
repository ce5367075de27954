// Contexts and execution engines: the main door of the library.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <spdlog/fwd.h>

#include <ashlar/code_listener.hpp>
#include <ashlar/export.hpp>
#include <ashlar/frontend.hpp>
#include <ashlar/memory.hpp>
#include <ashlar/result.hpp>
#include <ashlar/stats.hpp>
#include <ashlar/types.hpp>
#include <ashlar/vcpu.hpp>

namespace ashlar {

/// How executable memory is had.
enum class CodeMemoryMode : std::uint8_t {
  automatic,    ///< dual mapping, then toggled protection, then none: the first that works
  dual_mapped,  ///< one writable and one executable mapping of the same pages
  toggled,      ///< one mapping, switched between writable and executable
  none,         ///< no executable memory: everything is interpreted
};

struct ContextConfig {
  /// Required. Must outlive the context.
  const Frontend* frontend = nullptr;
  /// Where guest code is fetched from; may be null for a BlockStore. Must outlive the context.
  GuestMemory* memory = nullptr;
  TranslateLimits translate{};
  /// Blocks that `run` interprets are kept from the first time on. If not, a block that has not been asked
  /// for before is translated for this one time, and again when it is to be kept: most blocks of a program
  /// run once. True is for front ends that take long to translate.
  bool keep_blocks_run_once = false;
  /// Upper limit of host code, in bytes, at least 64 KiB.
  std::uint64_t code_limit = std::uint64_t{64} << 20;
  CodeMemoryMode code_memory = CodeMemoryMode::automatic;
  /// Compiled blocks count their executions until one has reached this number (twice it, four times it, while
  /// all blocks together have not been executed 16 times each: making them anew would not pay), and again
  /// until about 256 times as many blocks have been executed; both times the state slots that the hottest
  /// blocks use get the host's registers, and code is compiled anew if they are others than before. Meanwhile
  /// a block is optimised when it has itself been executed so often, or has been near it at such a time; what
  /// is compiled later, is at once. 0: slots keep the registers that the front end's ranks give them, and all
  /// blocks are optimised at once.
  std::uint32_t learn_registers_after = 16384;
  /// Where the library logs; null: nowhere.
  std::shared_ptr<spdlog::logger> logger{};
  /// Are told of all host code. Must outlive the context; none may be null.
  std::vector<CodeListener*> code_listeners{};
  /// Compiled blocks count how often they are entered (PublishedCode::executions), which slows them down.
  bool count_executions = false;
  /// Compiled blocks count each way through them (PublishedCode::ways), which slows them down by half or
  /// more.
  bool count_ways = false;
};

enum class ExitReason : std::uint8_t {
  block_done,           ///< execute_block: the block ended and names its successor
  fuel,                 ///< RunLimits::fuel is spent
  halted,               ///< Vcpu::request_halt
  syscall,              ///< resumes behind the instruction
  breakpoint,           ///< resumes at the instruction
  illegal_instruction,  ///< resumes at the instruction
  guest_exit,           ///< a block's own stop; `detail` is the block's
  fault,  ///< `fault` says what and where; resumes at the faulting instruction, nothing of it done
};

/// The name of a reason, for logs and messages.
ASHLAR_API const char* to_string(ExitReason reason) noexcept;

enum class Tier : std::uint8_t { none, interpreter, jit };

struct ExecutionResult {
  ExitReason reason = ExitReason::block_done;
  /// Which engine ran the block (execute_block), or the last one (run).
  Tier tier = Tier::none;
  /// execute_block: the block was in the cache already (translated for the interpreter, compiled for the
  /// JIT).
  bool cache_hit = false;
  /// Where execution goes on; also in the vCPU.
  BlockKey next;
  /// `stop`'s detail for guest_exit.
  std::int32_t detail = 0;
  /// Valid if reason is fault.
  Fault fault;
  /// Guest instructions executed, if the run counted them (RunLimits::fuel), else 0.
  std::uint64_t instructions = 0;
};

struct RunLimits {
  /// Stop after exactly so many guest instructions. Not set: not counted, which is faster.
  std::optional<std::uint64_t> fuel;
};

/// How often the interpreter has entered a block, about: threads may lose counts, and engines that compile
/// set it back for blocks that they can't compile now.
struct BlockExecutions {
  BlockKey key;
  std::uint32_t executions = 0;
};

class ExecutionEngine;

/// What executors and threads share: translated blocks, the code cache, the stats. Must outlive its
/// executors, and its vCPUs' runs. All methods are thread-safe.
class ASHLAR_API ExecutionContext final {
 public:
  /// invalid_argument without a front end, or for a limit outside its range.
  static Result<std::unique_ptr<ExecutionContext>> create(const ContextConfig& config);
  ~ExecutionContext();
  ExecutionContext(const ExecutionContext&) = delete;
  ExecutionContext& operator=(const ExecutionContext&) = delete;

  const ContextConfig& config() const noexcept;
  StatsSnapshot stats() const;
  /// Makes every translation of code in the range unreachable: no look-up finds it any more. A vCPU that is
  /// running meanwhile may go on in the removed blocks it is in or that are linked to it, until it next looks
  /// up from its work: within a bounded number of blocks, and before its run returns.
  void invalidate(GuestRange range);
  /// Everything.
  void flush();
  /// No engine of this context compiles the block that begins at `key` until `unpin`: it is interpreted,
  /// every time. Compiled code of it becomes unreachable, as by `invalidate`. For blocks with special
  /// instructions, say. A block that begins before the key and runs on into its code is another block.
  void pin_to_interpreter(BlockKey key);
  void unpin(BlockKey key);

  /// Brings every vCPU of this context to a block boundary, its state in memory, calls `function` here with
  /// the vCPUs that the context has run, and lets them go on, also when `function` throws. One comes after
  /// the other. Meanwhile runs that begin wait, and so does who destroys such a vCPU on another thread; one
  /// between two runs is its owner's, who is not stopped. The time until `function` is called is bounded as
  /// a halt's is: a vCPU in a helper is waited for. `function` may use the context, but run no vCPU of it.
  /// Precondition: this thread is not in a helper of a vCPU of this context.
  void at_safepoint(const std::function<void(std::span<Vcpu* const>)>& function);
  /// Gives back at least `bytes` of code memory, if there is as much, by removing the compiled code that has
  /// not been looked up for longest; returns how many bytes of code were removed. Whole chunks go, so it may
  /// be more. The memory itself is free when no vCPU can be inside any more. It costs the guests recompiling.
  std::uint64_t trim(std::uint64_t bytes);
  /// The blocks that the interpreter has entered most often, the first first, at most `limit`. For collectors
  /// and schedulers that poll: costs a walk over all blocks.
  std::vector<BlockExecutions> block_executions(std::size_t limit) const;
  /// Translates (or finds) a block and returns its IR as text, before and after optimising; for dumps and
  /// tests.
  Result<std::string> dump_ir(BlockKey key, bool optimised);
  /// Compiles a block for the host architecture `arch` ("x64"; "a64" where there is an emitter) as
  /// JitExecutor::run would, whatever this machine is, and returns a listing: a header of lines that begin
  /// with ';' (size, registers), then the host's assembly under a line
  /// "; <address>  <guest instruction>" for each guest instruction. invalid_argument for another arch,
  /// not_supported without an emitter for it, unknown_block if the code can't be fetched. Nothing is entered
  /// into the cache.
  /// `hot`: as for a block that has become hot, whose body is there several times if it is a loop.
  Result<std::string> dump_host(BlockKey key, std::string_view arch, bool hot = false);

  /// For the library's own executors.
  class Impl;
  Impl& impl() noexcept { return *impl_; }

 private:
  explicit ExecutionContext(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Runs vCPUs. Thread-safe: any number of threads may use one executor at once, each with its own vCPUs.
class ASHLAR_API ExecutionEngine {
 public:
  virtual ~ExecutionEngine() = default;

  /// Executes the one block named by `key`, whatever the vCPU's pc was, and leaves the vCPU at its successor.
  /// A block that is not there is translated (and compiled) first. A fetch fault is ExitReason::fault.
  virtual ExecutionResult execute_block(Vcpu& vcpu, BlockKey key) = 0;
  /// Executes blocks one after the other in the given order, one result for each, and returns how many were
  /// executed: stops behind the first that ended otherwise than block_done. results.size() must be at least
  /// keys.size().
  virtual std::size_t execute_blocks(Vcpu& vcpu, std::span<const BlockKey> keys,
                                     std::span<ExecutionResult> results) = 0;
  /// Runs from the vCPU's pc until something stops it.
  virtual ExecutionResult run(Vcpu& vcpu, const RunLimits& limits = {}) = 0;

  virtual void flush() = 0;
  virtual void invalidate(GuestRange range) = 0;
  virtual StatsSnapshot stats() const = 0;
};

/// Tier 0: the interpreter; needs no executable memory.
class ASHLAR_API InterpreterExecutor final : public ExecutionEngine {
 public:
  explicit InterpreterExecutor(ExecutionContext& context);
  ExecutionResult execute_block(Vcpu& vcpu, BlockKey key) override;
  std::size_t execute_blocks(Vcpu& vcpu, std::span<const BlockKey> keys,
                             std::span<ExecutionResult> results) override;
  ExecutionResult run(Vcpu& vcpu, const RunLimits& limits = {}) override;
  void flush() override;
  void invalidate(GuestRange range) override;
  StatsSnapshot stats() const override;

 private:
  ExecutionContext& context_;
};

/// Tier 1: compiles every block to host code when it is first executed. Where no executable memory can be had
/// it interprets, and says so once in the log.
class ASHLAR_API JitExecutor final : public ExecutionEngine {
 public:
  explicit JitExecutor(ExecutionContext& context);
  ExecutionResult execute_block(Vcpu& vcpu, BlockKey key) override;
  /// Blocks of the batch that are not compiled yet are compiled together first.
  std::size_t execute_blocks(Vcpu& vcpu, std::span<const BlockKey> keys,
                             std::span<ExecutionResult> results) override;
  ExecutionResult run(Vcpu& vcpu, const RunLimits& limits = {}) override;
  void flush() override;
  void invalidate(GuestRange range) override;
  StatsSnapshot stats() const override;

 private:
  ExecutionContext& context_;
};

}  // namespace ashlar
