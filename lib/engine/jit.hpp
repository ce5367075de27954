// What a context has for compiled code: the back end, executable memory with the runtime's routines, the code
// cache, compilers. Made when a JitExecutor is first used. Also the host fault handler of emitted code. For
// the engine's own files.
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include <ashlar/engine.hpp>

#include "base/float_unit.hpp"
#include "base/zero_pages.hpp"
#include "cache/code_cache.hpp"
#include "cache/code_memory.hpp"
#include "codegen/backend.hpp"
#include "engine/change_log.hpp"
#include "engine/ir_cache.hpp"
#include "engine/pinned_blocks.hpp"
#include "engine/register_plan.hpp"
#include "engine/translator.hpp"
#include "opt/optimise.hpp"

namespace ashlar::engine {

/// Thread-safe. Translations are used inside the context's epoch domain.
class Jit {
 public:
  /// What the parts of a context lend.
  struct Parts {
    const ContextConfig& config;
    const Translator& translator;
    const ChangeLog& changes;
    const PinnedBlocks& pinned;
    cache::EpochDomain& epochs;
    LiveStats& stats;
  };
  explicit Jit(const Parts& parts);
  ~Jit();
  Jit(const Jit&) = delete;
  Jit& operator=(const Jit&) = delete;

  /// Whether there is executable memory. If not, executors interpret.
  bool available() const noexcept { return code_ != nullptr; }
  /// Precondition for what follows: available().
  cache::CodeCache& code() noexcept { return *code_; }
  /// The number of the plan that linked code is compiled by now.
  std::uint8_t plan_number() const noexcept { return plan_.load(std::memory_order_acquire); }
  const RegisterPlan& plan(std::uint8_t number) const noexcept { return *plans_[number]; }
  using EnterSingle = std::uint32_t (*)(VcpuFrame*, const void* code, bool uses_float);
  using EnterBatch = std::uint32_t (*)(VcpuFrame*, codegen::BatchStep* steps, bool uses_float);
  /// Runs a block that is not linked, with the float unit as it needs it; gives what it returns
  /// (codegen/runtime.hpp). The frame's mode is the block's.
  std::uint32_t run_single(VcpuFrame& frame, const void* code, bool uses_float, std::uint64_t mode) const {
    if (!uses_float) [[likely]]
      return enter_single_(&frame, code, false);
    begin_floats(frame, mode);
    const std::uint32_t exit = enter_single_(&frame, code, true);
    end_floats(frame);
    return exit;
  }
  /// The same with blocks of one mode, one after the other (RuntimeCode::enter_batch).
  std::uint32_t run_batch(VcpuFrame& frame, codegen::BatchStep* steps, bool uses_float,
                          std::uint64_t mode) const {
    if (!uses_float) return enter_batch_(&frame, steps, false);
    begin_floats(frame, mode);
    const std::uint32_t exit = enter_batch_(&frame, steps, true);
    end_floats(frame);
    return exit;
  }
  /// What emitted code is to find, and leaves, of the float unit.
  void begin_floats(VcpuFrame& frame, std::uint64_t mode) const {
    frame.cold().guest_float_control = float_unit::guest_word(config_.frontend->rounding(mode));
  }
  static void end_floats(VcpuFrame& frame) noexcept {
    if (const std::uint8_t raised = float_unit::flags_of(frame.cold().float_status))
      frame.cold().float_flags |= raised;
  }
  /// A jump cache in which every look-up misses.
  const codegen::JumpCache& missing() const noexcept { return *missing_; }

  struct Got {
    cache::Translation* translation = nullptr;  ///< null: `fault`, or interpret the block this time
    Fault fault;
    bool hit = false;
    bool refused = false;  ///< the block can't be compiled, now or later
  };
  /// Compiles, unless somebody else has: callers look first. `source`: the block's IR, which spares
  /// translating the guest code again.
  Got get(const BlockKey& key, cache::Flavour flavour, StatsCell& stats, cache::CodeCache::Removed& removed,
          const IrBlock* source = nullptr);
  /// Compiles those that are not there, together.
  void prepare(std::span<const BlockKey> keys, cache::Flavour flavour, StatsCell& stats,
               cache::CodeCache::Removed& removed);

  struct Remake {
    bool all = false;             ///< linked code is to be dropped, after `adopt_plan` under the same lock
    std::vector<BlockKey> these;  ///< if not all: of these
  };
  /// Code that counts its executions says that the block has been executed often.
  Remake block_is_hot(const BlockKey& key, StatsCell& stats);
  void adopt_plan(const cache::CacheLock&) noexcept {
    std::lock_guard lock(plans_mutex_);
    plan_.store(static_cast<std::uint8_t>(plan_count_ - 1), std::memory_order_release);
  }

  /// The digest of the guest code that a translation was made from.
  static CodeDigest digest_of(const cache::Translation& translation) noexcept;

  struct FaultHook;

 private:
  Result<void> set_up();
  Result<void> add_plan(std::vector<codegen::Resident> residents);
  /// What compiling takes; one for each thread that compiles at a time.
  struct Workshop {
    std::unique_ptr<codegen::Compiler> compiler;
    /// Made when first asked for: programs that run for a short time optimise nothing, and its tables fill
    /// pages.
    opt::Optimiser& optimiser() {
      if (made_optimiser == nullptr) made_optimiser = std::make_unique<opt::Optimiser>();
      return *made_optimiser;
    }
    std::unique_ptr<opt::Optimiser> made_optimiser;
    codegen::Emitted emitted;
    TranslationBuffers buffers;
    /// What is made ready to be published together.
    static constexpr std::size_t kBatch = 16;
    std::vector<std::unique_ptr<codegen::Emitted>> batch;
  };
  std::size_t prepare_some(Workshop& workshop, std::span<const BlockKey> keys, cache::Flavour flavour,
                           StatsCell& stats, cache::CodeCache::Removed& removed);
  std::unique_ptr<Workshop> borrow();
  void give_back(std::unique_ptr<Workshop> workshop);
  /// Translates, unless there is a source, and emits into the workshop's record. False: `got` says why.
  bool emit(Workshop& workshop, const BlockKey& key, cache::Flavour flavour, const IrBlock* source,
            codegen::Emitted& out, CodeDigest& digest, Got& got, StatsCell& stats);
  /// What blocks of this key count their executions in, or null.
  std::uint64_t* counter_of(const BlockKey& key);
  /// The same for the ways through a block of so many guest instructions (codegen/way.hpp), or empty.
  std::span<std::uint64_t> way_counters_of(const BlockKey& key, std::size_t guest_insts);
  void make_room(cache::CodeCache::Removed& removed);
  /// `emitted`: what `made` was made from.
  void tell_listeners(const cache::Translation& made, const codegen::Emitted& emitted);

  const ContextConfig& config_;
  const Translator& translator_;
  const ChangeLog& changes_;
  const PinnedBlocks& pinned_;
  cache::EpochDomain& epochs_;
  LiveStats& stats_;
  std::unique_ptr<codegen::Backend> backend_;
  std::unique_ptr<cache::CodeMemory> memory_;
  std::unique_ptr<cache::CodeCache> code_;
  EnterSingle enter_single_ = nullptr;
  EnterBatch enter_batch_ = nullptr;
  std::mutex plans_mutex_;
  std::array<std::unique_ptr<const RegisterPlan>, 4> plans_;
  std::size_t plan_count_ = 0;
  std::atomic<std::uint8_t> plan_{0};
  std::unique_ptr<RegisterLearning> learning_;
  ZeroPages<codegen::JumpCache> missing_;
  /// The workshop that was given back last, for the one thread that compiles as a rule; others share
  /// `workshops_`.
  std::atomic<Workshop*> spare_{nullptr};
  std::mutex workshops_mutex_;
  std::vector<std::unique_ptr<Workshop>> workshops_;
  std::mutex counters_mutex_;
  std::map<BlockKey, std::uint64_t> counters_;
  /// By the number of instructions, too: another block may take the place of one.
  std::map<std::pair<BlockKey, std::size_t>, std::vector<std::uint64_t>> way_counters_;
};

}  // namespace ashlar::engine
