// The code cache: translations in executable memory, found by block key or host address, linked to each
// other, removed by guest range or as a whole, evicted when space runs short. Shared by all vCPUs of a
// context, which owns it.
//
// The way of a translation: claim(key) -> compile -> make (reserves, writes, commits) -> publish -> remove ->
// the caller tells all vCPUs (attention) -> the caller retires it to the epoch domain -> its memory is used
// again.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <ashlar/types.hpp>

#include "base/stats_cells.hpp"
#include "cache/block_table.hpp"
#include "cache/cache_lock.hpp"
#include "cache/code_memory.hpp"
#include "cache/code_space.hpp"
#include "cache/epoch.hpp"
#include "cache/linker.hpp"
#include "cache/page_tracker.hpp"
#include "cache/translation.hpp"

namespace ashlar::cache {

/// Thread-safe. Everything that takes or gives a Translation, and `find`, only inside the epoch domain: a
/// translation stays valid until the caller leaves or passes a quiescent point, even if it is removed
/// meanwhile.
///
/// Lock order: the cache's lock, then a shard of a table or the code space or (toggled memory) the right to
/// write.
class CodeCache {
 public:
  /// `alignment`: of each translation's first byte, a power of two, at least 8. All arguments must outlive
  /// the cache.
  CodeCache(CodeMemory& memory, const codegen::Patcher& patcher, std::size_t alignment, EpochDomain& domain,
            LiveStats& stats);
  /// Precondition: nobody is inside the epoch domain.
  ~CodeCache();
  CodeCache(const CodeCache&) = delete;
  CodeCache& operator=(const CodeCache&) = delete;

  // --- look-ups, all without locks ---

  Translation* find(const BlockKey& key, Flavour flavour) const noexcept {
    const BlockTable<Translation>* const table = tables_[flavour.index()].load(std::memory_order_acquire);
    return table != nullptr ? table->find(key) : nullptr;
  }
  /// The translation whose code the host address is in, or null; any address will do. Async-signal-safe. For
  /// a return address that may lie just behind a translation's last instruction, pass the address before it.
  Translation* find_by_pc(const void* pc) const noexcept;
  struct ExitRef {
    Translation* from = nullptr;
    std::uint32_t exit = Translation::kNoExit;  ///< kNoExit: by codegen::Emitted::threshold_return
  };
  /// The exit that emitted code has left by: the one whose stub's call returns to `return_address`.
  /// Async-signal-safe.
  ExitRef site_of(const void* return_address) const noexcept;
  struct FaultRef {
    Translation* in = nullptr;
    const codegen::FaultSite* site = nullptr;  ///< null: no fault is expected there
  };
  /// Of the host instruction at `pc`, which may fault. Async-signal-safe.
  FaultRef access_fault(const void* pc) const noexcept;
  /// Of the bounds check whose stub's call returns to `return_address`. Async-signal-safe.
  FaultRef check_fault(const void* return_address) const noexcept;

  /// To be called on look-ups in the dispatcher: eviction takes what has not been touched for long.
  void touch(const Translation& translation) noexcept { space_.touch(translation.chunk_); }
  /// The same in two steps, the first of which is done once.
  CodeSpace::LastUse& last_use(const Translation& translation) noexcept {
    return space_.last_use(translation.chunk_);
  }
  void touch(CodeSpace::LastUse& last_use) noexcept { space_.touch(last_use); }

  // --- making ---

  using Claim = BlockTable<Translation>::Claim;
  /// One thread at a time compiles a key: see BlockTable::claim. Who has claimed must publish or abandon.
  Claim claim(const BlockKey& key, Flavour flavour, OnBusy on_busy) {
    return table(flavour).claim(key, on_busy);
  }
  void abandon(const BlockKey& key, Flavour flavour) { table(flavour).abandon(key); }

  struct Making {
    const codegen::Emitted* emitted;
    PublisherNote note;
    Translation* made = nullptr;  ///< result
  };
  enum class Outcome : std::uint8_t {
    made,
    no_space,   ///< evict, let the vCPU pass a quiescent point, and try again; or interpret
    too_large,  ///< larger than a chunk of code memory: interpret
  };
  /// Brings emitted code into executable memory; nobody finds it yet. A batch costs one reservation and one
  /// switch of protection for each chunk that it comes to lie in. Stops at the first that does not fit; those
  /// before have `made` set.
  Outcome make(std::span<Making> batch, Flavour flavour);

  CacheLock lock() const { return CacheLock(mutex_); }
  /// Enters made translations into the index. Precondition: the caller has claimed their keys.
  void publish(const CacheLock& lock, std::span<Translation* const> made);

  /// Links the exit to `to`. False when it can't be, or one of the two has been removed meanwhile.
  bool link(Translation& from, std::uint32_t exit, Translation& to);

  // --- removing ---

  /// What has been made unreachable, but for vCPUs' own tables and stacks. The caller sets attention bits on
  /// all vCPUs and then retires the objects to the epoch domain, in this order. Empty: nothing was removed,
  /// nobody need be told.
  using Removed = std::vector<EpochDomain::Garbage>;
  /// Those whose guest code overlaps the range.
  void remove(const CacheLock& lock, GuestRange range, Removed& removed);
  /// The one of this key, if there is one.
  void remove(const CacheLock& lock, const BlockKey& key, Flavour flavour, Removed& removed);
  void remove_all(const CacheLock& lock, Removed& removed);
  /// Those for which wanted(const Translation&) is true. It must not use the cache.
  template <typename Predicate>
  void remove_if(const CacheLock& lock, Predicate&& wanted, Removed& removed) {
    std::vector<Translation*> found;
    for_each(lock, [&](Translation& translation) {
      if (wanted(static_cast<const Translation&>(translation))) found.push_back(&translation);
    });
    remove(lock, found, removed);
  }
  /// Takes one that was made but not published; it may have been run.
  void withdraw(const CacheLock& lock, Translation& made, Removed& removed);

  /// Whether `evict` should be called. Cheap: to be asked after each publication.
  bool eviction_due() const noexcept { return space_.eviction_due(); }
  /// Removes what lies in the coldest chunks until enough space is free or becomes free as vCPUs move on;
  /// nothing if there is enough.
  void evict(const CacheLock& lock, Removed& removed);

  /// Removes the coldest chunks' translations, at least `bytes` of them if there are as many; gives how many
  /// bytes of code that was.
  std::uint64_t trim(const CacheLock& lock, std::uint64_t bytes, Removed& removed);

  // --- for the engine's set-up, dumps, tests ---

  CodeMemory& memory() noexcept { return memory_; }
  CodeSpace::Usage usage() const { return space_.usage(); }
  /// Calls function(Translation&) for every live one; it must not use the cache.
  template <typename Function>
  void for_each(const CacheLock&, Function&& function) const {
    for (const auto& each : tables_) {
      if (const auto* const table = each.load(std::memory_order_acquire)) table->for_each(function);
    }
  }

 private:
  Outcome place(std::span<Making> batch, std::span<CodeSpace::Piece> pieces);
  void remove(const CacheLock& lock, std::span<Translation* const> found, Removed& removed);
  void retire(Translation& translation, Removed& removed);
  static void destroy(void* translation) noexcept;
  /// The table of a flavour; made when it is first asked for.
  BlockTable<Translation>& table(Flavour flavour) {
    BlockTable<Translation>* const made = tables_[flavour.index()].load(std::memory_order_acquire);
    return made != nullptr ? *made : make_table(flavour);
  }
  BlockTable<Translation>& make_table(Flavour flavour);

  CodeMemory& memory_;
  EpochDomain& domain_;
  LiveStats& stats_;
  mutable CacheMutex mutex_;
  CodeSpace space_;
  Linker linker_;
  PageTracker<Translation> pages_;
  std::mutex making_table_;
  std::array<std::atomic<BlockTable<Translation>*>, kFlavours> tables_{};
};

}  // namespace ashlar::cache
