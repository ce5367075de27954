// The shared index from block key to whatever has been made of the block: a sharded hash table whose readers
// take no lock and never wait, and which lets exactly one thread make the entry of a key. The engine's IR
// cache and the code cache are built on it.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <ashlar/types.hpp>

#include "base/assert.hpp"
#include "base/zero_pages.hpp"
#include "cache/epoch.hpp"

namespace ashlar::cache {

/// What a thread does that asks for a key that another thread is making.
enum class OnBusy : std::uint8_t { wait, leave };

/// The table does not own its values, which must have `BlockKey key() const` and be kept, when they are
/// removed, until nobody can be inside. Thread-safe; `find` and `claim` only inside the epoch domain.
///
/// Each shard is an array with open addressing, of which a slot has a hash and a value: small, because a
/// program that runs once touches the table in a new place for each block. A slot belongs to one hash from
/// its first use until the shard grows, so that readers compare without caring for writers; whose value it
/// is, the value says. Removing a key empties the slot's value. Growing copies into a new array and retires
/// the old one; a reader that is still in the old one sees what stood there, as if it had come earlier.
template <typename T>
class BlockTable {
 public:
  explicit BlockTable(EpochDomain& domain) : domain_(domain) {
    for (Shard& shard : shards_) shard.slots.store(&empty_, std::memory_order_relaxed);
  }
  ~BlockTable() {
    for (Shard& shard : shards_) {
      if (Slots* slots = shard.slots.load(std::memory_order_relaxed); slots != &empty_) delete slots;
    }
  }
  BlockTable(const BlockTable&) = delete;
  BlockTable& operator=(const BlockTable&) = delete;

  /// The value of a key, or null. Wait-free.
  T* find(const BlockKey& key) const noexcept {
    const std::uint64_t hash = hash_of(key);
    return look_up(*shard_of(hash).slots.load(std::memory_order_acquire), hash, key).value;
  }

  struct Claim {
    T* value = nullptr;  ///< the key has a value
    bool claimed =
        false;  ///< it has none, and the caller is the one to make it: `publish` or `abandon` must follow
  };
  /// Both empty: another thread is making the value, and the caller did not want to wait.
  Claim claim(const BlockKey& key, OnBusy on_busy) {
    const std::uint64_t hash = hash_of(key);
    Shard& shard = shard_of(hash);
    std::unique_lock lock(shard.mutex);
    for (bool patient = true;; patient = false) {
      if (T* const value = look_up(*shard.slots.load(std::memory_order_relaxed), hash, key).value)
        return {value, false};
      if (std::find(shard.claims.begin(), shard.claims.end(), key) == shard.claims.end()) {
        shard.claims.push_back(key);
        return {nullptr, true};
      }
      if (on_busy == OnBusy::leave) return {};
      if (patient) {
        // Most are made within some microseconds, and being woken takes longer.
        lock.unlock();
        if (T* const value = watch(key)) return {value, false};
        lock.lock();
      } else {
        ++shard.waiting;
        shard.settled.wait(lock);
        --shard.waiting;
      }
    }
  }
  /// Enters the value of a key that the caller has claimed.
  void publish(const BlockKey& key, T* value) {
    const std::uint64_t hash = hash_of(key);
    Shard& shard = shard_of(hash);
    std::lock_guard lock(shard.mutex);
    slot_for(shard, hash).value.store(value, std::memory_order_release);
    ++shard.live;
    settle(shard, key);
  }
  /// Gives a claim up; one of those who wait for it gets it.
  void abandon(const BlockKey& key) {
    Shard& shard = shard_of(hash_of(key));
    std::lock_guard lock(shard.mutex);
    settle(shard, key);
  }

  /// Removes the key if `value` is what it has. The caller retires the value.
  bool remove(const BlockKey& key, const T* value) {
    const std::uint64_t hash = hash_of(key);
    Shard& shard = shard_of(hash);
    std::lock_guard lock(shard.mutex);
    const Found found = look_up(*shard.slots.load(std::memory_order_relaxed), hash, key);
    if (found.value != value || value == nullptr) return false;
    found.slot->value.store(nullptr, std::memory_order_release);
    --shard.live;
    return true;
  }

  /// Calls function(T&) for every value that is there during the whole call; of others, perhaps. The table is
  /// locked shard by shard: the function must not use it.
  template <typename Function>
  void for_each(Function&& function) const {
    for (const Shard& shard : shards_) {
      std::lock_guard lock(shard.mutex);
      Slots& slots = *shard.slots.load(std::memory_order_relaxed);
      for (std::size_t i = 0; i <= slots.mask; ++i) {
        if (T* value = slots[i].value.load(std::memory_order_relaxed)) function(*value);
      }
    }
  }

  std::size_t size() const {
    std::size_t size = 0;
    for (const Shard& shard : shards_) {
      std::lock_guard lock(shard.mutex);
      size += shard.live;
    }
    return size;
  }

 private:
  struct Slot {
    std::atomic<std::uint64_t> tag{0};  ///< 0: free; else the key's hash, with bit 0 set
    std::atomic<T*> value{nullptr};
  };
  struct Slots {
    explicit Slots(std::size_t count) : mask(count - 1), at(count) {}
    Slot& operator[](std::size_t i) const { return at[i & mask]; }
    const std::size_t mask;
    const ZeroArray<Slot> at;
  };
  struct Found {
    Slot* slot = nullptr;
    T* value = nullptr;  ///< null: there is none
  };
  struct alignas(64) Shard {
    std::atomic<Slots*> slots{nullptr};
    mutable std::mutex mutex;
    std::condition_variable settled;
    std::vector<BlockKey> claims;
    std::size_t waiting = 0;  ///< threads, for claims to be settled
    std::size_t used = 0;     ///< slots with a hash
    std::size_t live = 0;     ///< keys with a value
  };

  static constexpr unsigned kShardBits = 5;
  static constexpr std::size_t kFirstSlots = 32;

  /// Waits for the value for a while.
  T* watch(const BlockKey& key) const {
    constexpr int kTurns = 40;
    for (int i = 0; i < kTurns; ++i) {
      std::this_thread::yield();
      if (T* const value = find(key)) return value;
    }
    return nullptr;
  }

  static constexpr std::uint64_t tag_of(std::uint64_t hash) { return hash | 1; }
  Shard& shard_of(std::uint64_t hash) { return shards_[hash >> (64 - kShardBits)]; }
  const Shard& shard_of(std::uint64_t hash) const { return shards_[hash >> (64 - kShardBits)]; }

  static Found look_up(const Slots& slots, std::uint64_t hash, const BlockKey& key) noexcept {
    // Ends: some slots are free.
    for (std::size_t i = hash >> 1;; ++i) {
      Slot& slot = slots[i];
      const std::uint64_t tag = slot.tag.load(std::memory_order_acquire);
      if (tag == tag_of(hash)) {
        T* const value = slot.value.load(std::memory_order_acquire);
        if (value != nullptr && value->key() == key) return {&slot, value};
      } else if (tag == 0) {
        return {};
      }
    }
  }

  /// A slot of the hash that has no value, or a free one.
  static Slot& vacant(const Slots& slots, std::uint64_t hash) noexcept {
    for (std::size_t i = hash >> 1;; ++i) {
      Slot& slot = slots[i];
      const std::uint64_t tag = slot.tag.load(std::memory_order_relaxed);
      if (tag == 0 || (tag == tag_of(hash) && slot.value.load(std::memory_order_relaxed) == nullptr))
        return slot;
    }
  }

  /// Where the value of a key of this hash may stand that has none yet. Under the shard's lock.
  Slot& slot_for(Shard& shard, std::uint64_t hash) {
    Slots* slots = shard.slots.load(std::memory_order_relaxed);
    Slot* slot = &vacant(*slots, hash);
    if (slot->tag.load(std::memory_order_relaxed) != 0) return *slot;
    if ((shard.used + 1) * 8 > (slots->mask + 1) * 5) slot = &vacant(*grow(shard, *slots), hash);
    ++shard.used;
    slot->tag.store(tag_of(hash), std::memory_order_release);
    return *slot;
  }

  Slots* grow(Shard& shard, Slots& old) {
    // By what lives: a shard that has mostly lost its keys stays as large as it was.
    std::size_t count = kFirstSlots;
    while (count < (shard.live + 1) * 2) count *= 2;
    auto grown = std::make_unique<Slots>(count);
    for (std::size_t i = 0; i <= old.mask; ++i) {
      T* const value = old[i].value.load(std::memory_order_relaxed);
      if (value == nullptr) continue;
      const std::uint64_t tag = old[i].tag.load(std::memory_order_relaxed);
      Slot& slot = vacant(*grown, tag);
      slot.tag.store(tag, std::memory_order_relaxed);
      slot.value.store(value, std::memory_order_relaxed);
    }
    shard.used = shard.live;
    Slots* const made = grown.release();
    shard.slots.store(made, std::memory_order_release);
    if (&old != &empty_) domain_.retire(&old);
    return made;
  }

  void settle(Shard& shard, const BlockKey& key) {
    const auto found = std::find(shard.claims.begin(), shard.claims.end(), key);
    ASHLAR_ASSERT(found != shard.claims.end(), "a block was published that nobody had claimed");
    *found = shard.claims.back();
    shard.claims.pop_back();
    if (shard.waiting != 0) shard.settled.notify_all();
  }

  EpochDomain& domain_;
  Slots empty_{1};
  std::array<Shard, std::size_t{1} << kShardBits> shards_;
};

}  // namespace ashlar::cache
