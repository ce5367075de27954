// What the engine keeps with a vCPU: its own block tables, its counters, its place among the context's vCPUs.
// Made when a context first runs the vCPU, destroyed with it or when another context takes it over.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <ashlar/engine.hpp>
#include <ashlar/vcpu.hpp>

#include "base/stats_cells.hpp"
#include "cache/epoch.hpp"
#include "engine/ir_cache.hpp"
#include "engine/jit_vcpu.hpp"
#include "engine/vcpu_tables.hpp"
#include "interp/interpreter.hpp"

namespace ashlar::engine {

class VcpuData;

/// The vCPUs that are bound to a context. Outlives both, whichever goes first. Thread-safe.
class VcpuRegistry {
 public:
  VcpuRegistry(cache::EpochDomain& epochs, LiveStats& stats) : epochs_(&epochs), stats_(&stats) {}

  void add(VcpuData& data);
  void remove(VcpuData& data) noexcept;
  /// The context goes: its vCPUs forget it.
  void close() noexcept;
  /// Sets attention bits on every vCPU, running or not.
  void attend_all(std::uint32_t bits) noexcept;

  /// How often vCPUs have been told to flush. Tables from before that are stale.
  std::uint64_t generation() const noexcept { return generation_.load(std::memory_order_acquire); }
  /// So many vCPUs that those at rest should not keep tables.
  bool crowded() const noexcept { return crowded_.load(std::memory_order_relaxed); }
  /// Tables for a vCPU that is inside the epoch domain, with nothing stale in them.
  std::unique_ptr<VcpuTables> tables();
  void give(std::unique_ptr<VcpuTables> tables) { spare_.give(std::move(tables)); }

  // Safepoints: the context's, one at a time.

  /// From here on vCPUs that look up wait, and those that are bound anew look up before they run.
  void begin_safepoint();
  /// Whether all are outside the epoch domain, where they are between runs and while they wait.
  bool all_outside() const;
  /// Those that are bound now. None goes before the end, but on this thread.
  std::vector<Vcpu*> vcpus() const;
  void end_safepoint() noexcept;
  /// By a vCPU that is outside the epoch domain: waits while there is a safepoint.
  void wait_for_end_of_safepoint() noexcept;

 private:
  mutable std::mutex mutex_;
  std::condition_variable safepoint_ended_;
  bool safepoint_ = false;
  std::thread::id safepoint_thread_;
  std::vector<VcpuData*> vcpus_;
  std::atomic<bool> crowded_{false};
  std::atomic<std::uint64_t> generation_{1};
  SpareTables spare_;
  cache::EpochDomain* epochs_;  ///< these two are null after close
  LiveStats* stats_;
};

/// Used by the thread that runs the vCPU, but for what the registry does. In the vCPU's own allocation,
/// behind its frame; a run touches its first line and the first one of the counters.
class alignas(64) VcpuData {
 public:
  VcpuData(ExecutionContext::Impl& context, Vcpu& vcpu, std::shared_ptr<VcpuRegistry> registry);
  ~VcpuData();
  VcpuData(const VcpuData&) = delete;
  VcpuData& operator=(const VcpuData&) = delete;

  /// The vCPU's data for this context; made, or made anew, if need be.
  static VcpuData& of(Vcpu& vcpu, ExecutionContext::Impl& context) {
    auto* data = static_cast<VcpuData*>(vcpu.frame().cold().engine);
    if (data != nullptr && data->context_ == &context) [[likely]]
      return *data;
    return bind(vcpu, context);
  }

  Vcpu& vcpu() noexcept { return vcpu_; }
  bool belongs_to(const ExecutionContext::Impl& context) const noexcept { return context_ == &context; }
  cache::EpochParticipant& participant() noexcept { return participant_; }
  StatsCell& stats() noexcept { return stats_; }

  // Its tables: in a session only, from begin to end.

  void begin() {
    if (tables_ == nullptr) [[unlikely]]
      borrow();
  }
  void end() noexcept {
    if (registry_->crowded()) [[unlikely]]
      lend();
  }
  VcpuTables& tables() noexcept { return *tables_; }
  /// Translations for execute_block; outside as well. Null if there are none.
  const VcpuTables::Singles* singles() const noexcept { return singles_; }
  void enter_single(Jit& jit, const cache::Translation& translation) {
    if (singles_ == nullptr) find_singles();
    const BlockKey key = translation.key();
    const std::size_t index = VcpuTables::Singles::index(key.addr.value);
    singles_->entries[index] = {key.addr.value, key.mode, translation.code(),
                                &jit.code().last_use(translation)};
    singles_->uses_float[index] = translation.uses_float();
  }
  TranslationBuffers& buffers() noexcept { return tables_->buffers; }

  /// The block of this key, if it is in the table that was used last.
  IrBlock* look_up(const BlockKey& key) const noexcept {
    const VcpuTables::Blocks* const current = tables_->current_blocks;
    if (current == nullptr || current->mode != key.mode) return nullptr;
    const auto& entry = current->blocks->entries[interp::JumpTable::index(key.addr.value)];
    return entry.addr == key.addr.value ? static_cast<IrBlock*>(entry.block) : nullptr;
  }
  /// Chooses the table for blocks of this one's mode.
  interp::JumpTable& table_for(const IrBlock& block) {
    const std::uint64_t mode = block.key().mode;
    const RoundingMode rounding = block.block->host_rounding();
    VcpuTables::Blocks* const current = tables_->current_blocks;
    if (current != nullptr && current->mode == mode && current->rounding == rounding) [[likely]]
      return *current->blocks;
    return choose_table(mode, rounding);
  }
  /// Enters a block into the table that table_for gave for it.
  static void enter(interp::JumpTable& table, IrBlock& block) noexcept {
    const std::uint64_t addr = block.key().addr.value;
    table.entries[interp::JumpTable::index(addr)] = {addr, &block};
  }
  /// What the context's JIT keeps with this vCPU; made when first asked for. Precondition: jit.available().
  JitVcpu& jit(Jit& jit) {
    if (!jit_.ready()) jit_.set_up(jit, vcpu_);
    return jit_;
  }
  /// Empties the tables.
  void forget() noexcept;

 private:
  friend class VcpuRegistry;

  static VcpuData& bind(Vcpu& vcpu, ExecutionContext::Impl& context);
  interp::JumpTable& choose_table(std::uint64_t mode, RoundingMode rounding);
  void find_singles();
  void borrow();
  void lend() noexcept;

  ExecutionContext::Impl* context_;         ///< null once the context is gone
  VcpuTables::Singles* singles_ = nullptr;  ///< in tables_: every look-up less is some percent of a call
  Vcpu& vcpu_;
  std::unique_ptr<VcpuTables> tables_;
  JitVcpu jit_;
  cache::EpochParticipant participant_;
  const std::shared_ptr<VcpuRegistry> registry_;
  StatsCell stats_;
};
static_assert(sizeof(VcpuData) <= Vcpu::kEngineRoom);

}  // namespace ashlar::engine
