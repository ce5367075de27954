// What the JIT keeps with a vCPU: jump caches by mode and flavour, and the register dump of faults. For the
// engine's own files.
#pragma once

#include <memory>
#include <vector>

#include <ashlar/vcpu.hpp>

#include "cache/translation.hpp"
#include "codegen/runtime.hpp"
#include "engine/jit.hpp"

namespace ashlar::engine {

/// Used by the thread that runs the vCPU.
class JitVcpu {
 public:
  JitVcpu(Jit& jit, Vcpu& vcpu) : jit_(jit), vcpu_(vcpu) {
    VcpuCold& cold = vcpu.frame().cold();
    for (std::size_t i = 0; i < static_cast<std::size_t>(codegen::RuntimeEntry::count); ++i)
      cold.entries[i] = jit.entry(static_cast<codegen::RuntimeEntry>(i));
    cold.dump = &dump_;
    vcpu.frame().hot.jump_cache.store(&jit.missing(), std::memory_order_relaxed);
    vcpu.set_missing_jump_cache(&jit.missing());
  }

  Jit& jit() noexcept { return jit_; }
  const codegen::RegisterDump& dump() const noexcept { return dump_; }

  /// Makes indirect jumps probe the cache of this mode and flavour and lets calls push return addresses.
  /// Look at the attention bits afterwards: a request that came in between may have been undone.
  codegen::JumpCache& select(std::uint64_t mode, cache::Flavour flavour) {
    if (current_ == nullptr || current_->mode != mode || current_->flavour != flavour) choose(mode, flavour);
    // Some thousand nested calls; what lies below is for helpers and signal handlers.
    constexpr std::uintptr_t kStackForCalls = 16 * 1024;
    const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    vcpu_.frame().cold().ras_limit.store(here - kStackForCalls, std::memory_order_relaxed);
    vcpu_.frame().hot.jump_cache.store(&current_->cache, std::memory_order_seq_cst);
    return current_->cache;
  }
  static void enter(codegen::JumpCache& cache, const cache::Translation& translation) noexcept {
    const std::uint64_t addr = translation.key().addr.value;
    cache.entries[codegen::JumpCache::index(addr)] = {addr, translation.code()};
  }
  void forget() noexcept {
    for (const auto& table : tables_) clear(table->cache);
  }

 private:
  struct Table {
    std::uint64_t mode = 0;
    cache::Flavour flavour;
    codegen::JumpCache cache;
  };
  static constexpr std::size_t kMaxTables = 8;

  void clear(codegen::JumpCache& cache) noexcept { cache = jit_.missing(); }
  void choose(std::uint64_t mode, cache::Flavour flavour) {
    for (const auto& table : tables_) {
      if (table->mode == mode && table->flavour == flavour) {
        current_ = table.get();
        return;
      }
    }
    if (tables_.size() == kMaxTables) tables_.clear();
    tables_.push_back(std::make_unique<Table>());
    current_ = tables_.back().get();
    current_->mode = mode;
    current_->flavour = flavour;
    clear(current_->cache);
  }

  Jit& jit_;
  Vcpu& vcpu_;
  codegen::RegisterDump dump_{};
  Table* current_ = nullptr;
  std::vector<std::unique_ptr<Table>> tables_;
};

}  // namespace ashlar::engine
