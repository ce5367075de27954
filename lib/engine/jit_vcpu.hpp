// What the JIT keeps with a vCPU: the way to its jump caches, and the register dump of faults. For the
// engine's own files.
#pragma once

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
  JitVcpu(Jit& jit, Vcpu& vcpu) : jit_(jit), vcpu_(vcpu) {
    vcpu.frame().cold().dump = &dump_;
    follow(jit.plan(0));
    put_away();
    vcpu.set_missing_jump_cache(&jit.missing());
  }

  Jit& jit() noexcept { return jit_; }
  /// Before code is entered that was made by this plan: the runtime's routines are to be the plan's.
  void follow(const RegisterPlan& plan) noexcept {
    if (plan_ == &plan) return;
    plan_ = &plan;
    for (std::size_t i = 0; i < static_cast<std::size_t>(codegen::RuntimeEntry::count); ++i)
      vcpu_.frame().cold().entries[i] = plan.entry(static_cast<codegen::RuntimeEntry>(i));
  }
  const codegen::RegisterDump& dump() const noexcept { return dump_; }

  /// Makes indirect jumps probe the cache of this mode and flavour and lets calls push return addresses.
  /// Look at the attention bits afterwards: a request that came in between may have been undone.
  codegen::JumpCache& select(VcpuTables& tables, std::uint64_t mode, cache::Flavour flavour) {
    const VcpuTables::Translations* const current = tables.current_translations;
    if (current == nullptr || current->mode != mode || current->flavour != flavour)
      choose(tables, mode, flavour);
    // Some thousand nested calls; what lies below is for helpers and signal handlers.
    constexpr std::uintptr_t kStackForCalls = 16 * 1024;
    const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    std::atomic<std::uint64_t>& ras_limit = vcpu_.frame().cold().ras_limit;
    std::atomic<const void*>& jumps = vcpu_.frame().hot.jump_cache;
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
  void forget(VcpuTables& tables) noexcept {
    for (const auto& table : tables.translations) {
      table->cache.clear();
      table->cache->begin();
    }
  }
  /// The vCPU gives its tables away.
  void put_away() noexcept { vcpu_.frame().hot.jump_cache.store(&jit_.missing(), std::memory_order_relaxed); }

 private:
  void choose(VcpuTables& tables, std::uint64_t mode, cache::Flavour flavour) {
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

  Jit& jit_;
  Vcpu& vcpu_;
  const RegisterPlan* plan_ = nullptr;
  codegen::RegisterDump dump_{};
};

}  // namespace ashlar::engine
