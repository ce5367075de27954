// What the JIT keeps with a vCPU: the way to its jump caches. For the engine's own files.
#pragma once

#include <algorithm>
#include <iterator>
#include <memory>

#include <ashlar/vcpu.hpp>

#include "cache/translation.hpp"
#include "codegen/runtime.hpp"
#include "engine/jit.hpp"
#include "engine/vcpu_tables.hpp"

namespace ashlar::engine {

/// Used by the thread that runs the vCPU.
class JitVcpu {
 public:
  bool ready() const noexcept { return plan_ != nullptr; }
  /// Once, before all else.
  void set_up(const Jit& jit, Vcpu& vcpu) noexcept {
    follow(vcpu.frame(), jit.plan(0));
    vcpu.frame().hot.jump_cache.store(&jit.missing(), std::memory_order_relaxed);
    vcpu.set_missing_jump_cache(&jit.missing());
  }

  /// Before code is entered that was made by this plan: the runtime's routines are to be the plan's.
  void follow(VcpuFrame& frame, const RegisterPlan& plan) noexcept {
    if (plan_ == &plan) return;
    plan_ = &plan;
    for (std::size_t i = 0; i < static_cast<std::size_t>(codegen::RuntimeEntry::count); ++i)
      frame.cold().entries[i] = plan.entry(static_cast<codegen::RuntimeEntry>(i));
  }

  /// Makes indirect jumps probe the cache of this mode and flavour and lets calls push return addresses.
  /// Look at the attention bits afterwards: a request that came in between may have been undone.
  static codegen::JumpCache& select(VcpuFrame& frame, VcpuTables& tables, std::uint64_t mode,
                                    cache::Flavour flavour) {
    const VcpuTables::Translations* const current = tables.current_translations;
    if (current == nullptr || current->mode != mode || current->flavour != flavour)
      choose(tables, mode, flavour);
    // Some thousand nested calls; what lies below is for helpers and signal handlers.
    constexpr std::uintptr_t kStackForCalls = 16 * 1024;
    const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    std::atomic<std::uint64_t>& ras_limit = frame.cold().ras_limit;
    std::atomic<const void*>& jumps = frame.hot.jump_cache;
    codegen::JumpCache& cache = *tables.current_translations->cache;
    const std::uint64_t limit = here - kStackForCalls;
    // As they are as a rule; and who stores nothing undoes nothing.
    if (ras_limit.load(std::memory_order_relaxed) == limit && jumps.load(std::memory_order_relaxed) == &cache)
      return cache;
    ras_limit.store(limit, std::memory_order_relaxed);
    jumps.store(&cache, std::memory_order_seq_cst);
    return cache;
  }
  static void enter(codegen::JumpCache& cache, const cache::Translation& translation) noexcept {
    const std::uint64_t addr = translation.key().addr.value;
    cache.entries[codegen::JumpCache::index(addr)] = {addr, translation.code()};
  }
  static void forget(VcpuTables& tables) noexcept {
    for (const auto& table : tables.translations) {
      table->cache.clear();
      table->cache->begin();
      std::fill(std::begin(table->entered), std::end(table->entered), nullptr);
    }
  }

 private:
  static void choose(VcpuTables& tables, std::uint64_t mode, cache::Flavour flavour) {
    for (const auto& table : tables.translations) {
      if (table->mode == mode && table->flavour == flavour) {
        tables.current_translations = table.get();
        return;
      }
    }
    if (tables.translations.size() == VcpuTables::kMost) tables.translations.clear();
    tables.translations.push_back(std::make_unique<VcpuTables::Translations>());
    VcpuTables::Translations& made = *tables.translations.back();
    made.mode = mode;
    made.flavour = flavour;
    made.cache->begin();
    tables.current_translations = &made;
  }

  const RegisterPlan* plan_ = nullptr;  ///< null: not set up
};

}  // namespace ashlar::engine
