// The engine of both tiers: interprets what is cold, compiles what has become warm, runs what is compiled.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include <ashlar/engine.hpp>
#include <ashlar/export.hpp>
#include <ashlar/types.hpp>

namespace ashlar {

/// Which tier a HybridExecutor leans to.
enum class TierPreference : std::uint8_t {
  balanced,     ///< compiles what has been interpreted HybridConfig::warm_executions times
  jit,          ///< compiles everything when it is first executed
  interpreter,  ///< compiles only what has been interpreted HybridConfig::hot_executions times, and
                ///< interprets what is not as hot even if there is compiled code of it
};

/// Who compiles for a HybridExecutor.
enum class CompileMode : std::uint8_t {
  caller,   ///< the thread that runs the vCPU, at once
  workers,  ///< threads of the executor; the vCPU goes on in the interpreter and never waits for them
  manual,   ///< nobody until HybridExecutor::compile_pending is called: deterministic, for tests
};

struct HybridConfig {
  TierPreference preference = TierPreference::balanced;
  /// Entries of a block into the interpreter before it is compiled; at least 1. Entries are counted for each
  /// block, by all vCPUs together, approximately. What compiled code comes to is compiled as soon.
  std::uint32_t warm_executions = 16;
  /// The same for TierPreference::interpreter; at least warm_executions.
  std::uint32_t hot_executions = 20'000;
  /// So many times must blocks have become due before executable memory and a compiler are set up and threads
  /// are started. That costs as much as compiling some dozens of blocks, which short programs need not pay; a
  /// block that is put off must become due anew.
  std::uint32_t setup_after = 1;
  CompileMode mode = CompileMode::caller;
  /// Threads of CompileMode::workers, at least 1.
  unsigned compile_threads = 1;
  /// Blocks that may wait to be compiled (workers, manual). When the queue is full the coldest is dropped,
  /// and asks again when it has been executed some more.
  std::size_t queue_capacity = 256;
};

/// Tiers 0 and 1. ExecutionResult::tier says which of them ran a block. Where no executable memory can be had
/// it interprets. Its threads, if it has any, end with it; what they have not compiled then is dropped.
class ASHLAR_API HybridExecutor final : public ExecutionEngine {
 public:
  /// Values outside their ranges are taken as the nearest that is inside.
  explicit HybridExecutor(ExecutionContext& context, const HybridConfig& config = {});
  ~HybridExecutor() override;
  HybridExecutor(const HybridExecutor&) = delete;
  HybridExecutor& operator=(const HybridExecutor&) = delete;

  ExecutionResult execute_block(Vcpu& vcpu, BlockKey key) override;
  /// Those of the batch that are due to be compiled are compiled together first.
  std::size_t execute_blocks(Vcpu& vcpu, std::span<const BlockKey> keys,
                             std::span<ExecutionResult> results) override;
  ExecutionResult run(Vcpu& vcpu, const RunLimits& limits = {}) override;
  void flush() override;
  void invalidate(GuestRange range) override;
  StatsSnapshot stats() const override;

  /// True: TierPreference::jit, false: TierPreference::interpreter. Any thread. vCPUs that are running follow
  /// within a bounded number of blocks, as they do for a halt.
  void set_prefer_jit(bool prefer) noexcept {
    set_preference(prefer ? TierPreference::jit : TierPreference::interpreter);
  }
  void set_preference(TierPreference preference) noexcept;
  TierPreference preference() const noexcept;

  /// CompileMode::manual: compiles up to `limit` waiting blocks, the hottest first, and returns how many were
  /// taken from the queue.
  std::size_t compile_pending(std::size_t limit = ~std::size_t{0});
  /// CompileMode::workers: waits until nothing is waiting to be compiled, nor being compiled. Only what
  /// vCPUs asked for before is waited for; while others run, more may come.
  void wait_for_compilations();
  /// Blocks that wait to be compiled.
  std::size_t pending() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ashlar
