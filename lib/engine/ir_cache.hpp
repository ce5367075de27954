// The cache of IR blocks as the interpreter runs them: found by key without locks, linked exit to block,
// removed by guest range. Shared by all vCPUs of a context; owned by it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include <ashlar/ir.hpp>

#include "base/stats_cells.hpp"
#include "base/zero_pages.hpp"
#include "cache/block_table.hpp"
#include "cache/epoch.hpp"
#include "cache/page_tracker.hpp"
#include "engine/change_log.hpp"
#include "engine/translator.hpp"
#include "interp/interpreter.hpp"

namespace ashlar::engine {

/// A block in the cache, in one allocation with its exits and page nodes. Only `successors`, `executions` and
/// `refused` change while vCPUs use it; the rest is the cache's, under its lock.
class IrBlock final : public interp::CodeBlock {
 public:
  /// What the interpreter gets: the IR as it is, which it executes at two thirds of the speed, or a prepared
  /// copy, which costs time and memory.
  enum class Form : std::uint8_t { plain, prepared };
  static IrBlock* make(ir::BlockPtr block, const CodeDigest& digest, Form form);
  static void destroy(void* block) noexcept;

  BlockKey key() const noexcept { return block->key(); }
  /// What the block was made from; a block whose front end does not say counts as made from its address.
  std::span<const GuestRange> guest_ranges() const noexcept {
    return block->guest_ranges().empty() ? std::span<const GuestRange>(&own_range_, 1)
                                         : block->guest_ranges();
  }
  std::span<cache::PageNode<IrBlock>> page_nodes() noexcept { return {page_nodes_, page_node_count_}; }
  const CodeDigest& digest() const noexcept { return digest_; }
  /// Whether it is in the cache. Who makes something else of the block publishes that under a lock and asks
  /// for this under the same lock: who changes guest code takes the IR away before it takes that lock.
  bool alive() const noexcept { return alive_.load(std::memory_order_seq_cst); }

  class Once;

  /// The compiler will not have the block. Set by whoever tried.
  std::atomic<bool> refused{false};

 private:
  friend class IrCache;
  /// An exit in the list of those that lead to `to`.
  struct Link {
    IrBlock* from = nullptr;
    IrBlock* to = nullptr;
    Link* previous = nullptr;
    Link* next = nullptr;
  };

  IrBlock() = default;
  ~IrBlock() = default;

  ir::BlockPtr owned_;
  CodeDigest digest_;
  GuestRange own_range_;
  cache::PageNode<IrBlock>* page_nodes_ = nullptr;
  std::size_t page_node_count_ = 0;
  std::size_t bytes_ = 0;  ///< of the allocation
  Link* links_ = nullptr;  ///< one for each exit
  Link* incoming_ = nullptr;
  std::atomic<bool> alive_{false};  ///< in the table; changes under the cache's lock
};

/// The place of a block that is executed once and never in the cache: neither linked nor remembered. One for
/// each vCPU that runs.
class IrBlock::Once {
 public:
  /// Over `body`, which must not have more exits than kMostExits.
  IrBlock& set(const ir::Block& body) noexcept;
  static constexpr std::size_t kMostExits = 64;

 private:
  std::optional<ir::Block> body_;
  IrBlock block_;
};

/// Thread-safe. `find`, `get` and `link` only inside the epoch domain: a block that they give stays valid
/// until the caller leaves or passes a quiescent point, even if it is removed meanwhile.
class IrCache {
 public:
  IrCache(const Translator& translator, const ChangeLog& changes, cache::EpochDomain& domain,
          LiveStats& stats)
      : translator_(translator), changes_(changes), domain_(domain), stats_(stats), table_(domain) {}
  ~IrCache();

  IrBlock* find(const BlockKey& key) const noexcept { return table_.find(key); }

  /// Whether the block is probably asked for for the first time, so that neither its IR nor compiled code is
  /// anywhere; remembers that it has been. Of each address one bit, shared with a few others, which is never
  /// taken back. Who compiles without IR calls it too.
  bool first_use(const BlockKey& key) noexcept {
    const std::uint64_t index = (key.addr.value >> 1 ^ key.mode << 10) % kSeenBits;
    std::atomic<std::uint64_t>& word = seen_->words[index / 64];
    const std::uint64_t bit = std::uint64_t{1} << index % 64;
    const std::uint64_t seen = word.load(std::memory_order_relaxed);
    // Another thread's bit may get lost: that block is run once more.
    if ((seen & bit) == 0) word.store(seen | bit, std::memory_order_relaxed);
    return (seen & bit) == 0;
  }

  struct Got {
    IrBlock* block = nullptr;  ///< null: `fault`
    Fault fault;
    bool hit = false;  ///< somebody had translated it before
    /// The block is already retired, or an IrBlock::Once: it may be run, but no table may keep it, because no
    /// flush will take it out again.
    bool unpublished = false;
  };
  /// Finds or translates.
  Got get(const BlockKey& key, TranslationBuffers& buffers, StatsCell& stats, IrBlock::Form form);

  /// Makes the exit lead to `to` from now on, unless one of the blocks has been removed.
  void link(IrBlock& from, std::uint32_t exit, IrBlock& to, StatsCell& stats);

  /// Proof that the cache is locked. While it is, nothing is published, linked or removed.
  class Lock {
   private:
    friend class IrCache;
    explicit Lock(std::mutex& mutex) : held_(mutex) {}
    std::unique_lock<std::mutex> held_;
  };
  Lock lock() const { return Lock(mutex_); }

  /// Calls function(const IrBlock&) for every block; it must not use the cache.
  template <typename Function>
  void for_each(const Lock&, Function&& function) const {
    table_.for_each([&](const IrBlock& block) { function(block); });
  }

  using Removed = std::vector<cache::EpochDomain::Garbage>;
  /// These make blocks unreachable, but for vCPUs' own tables, and append them to `removed`, which the caller
  /// retires once every vCPU has been told.
  void remove(const Lock& lock, GuestRange range, Removed& removed);
  void remove_all(const Lock& lock, Removed& removed);
  /// Those whose guest code is no longer what it was.
  void remove_changed(const Lock& lock, Removed& removed);

 private:
  IrBlock* add(const BlockKey& key, ChangeLog::Moment since, IrBlock* made);
  void remove(const Lock& lock, IrBlock& block, Removed& removed);
  static void unlink(IrBlock::Link& link, std::uint32_t exit);

  const Translator& translator_;
  const ChangeLog& changes_;
  cache::EpochDomain& domain_;
  LiveStats& stats_;
  cache::BlockTable<IrBlock> table_;
  mutable std::mutex mutex_;
  cache::PageTracker<IrBlock> pages_;
  static constexpr std::uint64_t kSeenBits = std::uint64_t{1} << 18;
  struct Seen {
    std::atomic<std::uint64_t> words[kSeenBits / 64];
  };
  ZeroPages<Seen> seen_;
};

}  // namespace ashlar::engine
