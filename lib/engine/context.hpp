// The inside of an ExecutionContext: what executors share. For the engine's own files.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include <ashlar/engine.hpp>

#include "base/stats_cells.hpp"
#include "cache/epoch.hpp"
#include "engine/change_log.hpp"
#include "engine/ir_cache.hpp"
#include "engine/jit.hpp"
#include "engine/pinned_blocks.hpp"
#include "engine/translator.hpp"
#include "engine/vcpu_data.hpp"

namespace ashlar {

/// Thread-safe.
class ExecutionContext::Impl final : public CodeObserver {
 public:
  explicit Impl(const ContextConfig& config);
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  const ContextConfig& config() const noexcept { return config_; }
  const Frontend& frontend() const noexcept { return *config_.frontend; }
  cache::EpochDomain& epochs() noexcept { return epochs_; }
  LiveStats& stats() noexcept { return stats_; }
  const engine::Translator& translator() const noexcept { return translator_; }
  engine::IrCache& ir_cache() noexcept { return ir_cache_; }
  const std::shared_ptr<engine::VcpuRegistry>& registry() const noexcept { return registry_; }

  /// Afterwards no look-up finds a translation of code in the range, and every vCPU has been told to forget
  /// those that it found before.
  void invalidate(GuestRange range);
  void flush();
  /// A vCPU has executed an instruction fence: translations are dropped whose guest code, as it is in memory
  /// now, differs from what they were made from. That finds code that was changed through a writable alias or
  /// before a page lost its write permission, and costs one reading of all translated code.
  void fence_instructions();

  void code_changed(GuestRange range) override;

  /// From here on the block of this key is interpreted.
  void pin(BlockKey key);
  void unpin(BlockKey key);

  void at_safepoint(const std::function<void(std::span<Vcpu* const>)>& function);
  std::uint64_t trim(std::uint64_t bytes);

  /// Made when first asked for.
  engine::Jit& jit() {
    engine::Jit* const made = jit_if_made();
    return made != nullptr ? *made : make_jit();
  }
  /// Null if nobody has asked for it yet.
  engine::Jit* jit_if_made() noexcept { return jit_made_.load(std::memory_order_acquire); }
  /// The code of a block has counted as many executions as it was to: gives registers to other slots, if that
  /// is better and still to be decided, or has the code made anew without counting.
  void block_is_hot(const BlockKey& key, StatsCell& stats);
  /// Sees off what has been removed from the code cache: tells the vCPUs, then retires it.
  void see_off(cache::CodeCache::Removed& removed);

 private:
  engine::Jit& make_jit();
  /// Lets `collect(lock, removed)` take blocks out of the cache, and sees them off.
  template <typename Collect>
  void drop(Collect&& collect);
  /// The same for compiled code, if there is any.
  template <typename Collect>
  void drop_code(Collect&& collect);

  const ContextConfig config_;
  LiveStats stats_;
  cache::EpochDomain epochs_;
  engine::ChangeLog changes_;
  engine::PinnedBlocks pinned_;
  engine::Translator translator_;
  engine::IrCache ir_cache_;
  std::shared_ptr<engine::VcpuRegistry> registry_;
  std::mutex safepoint_mutex_;  ///< held during a safepoint
  std::mutex jit_mutex_;
  std::unique_ptr<engine::Jit> jit_;
  std::atomic<engine::Jit*> jit_made_{nullptr};
};

}  // namespace ashlar
