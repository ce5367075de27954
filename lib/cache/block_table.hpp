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
#include "cache/epoch.hpp"

namespace ashlar::cache {

/// What a thread does that asks for a key that another thread is making.
enum class OnBusy : std::uint8_t { wait, leave };

/// The table does not own its values. Thread-safe; `find` and `claim` only inside the epoch domain.
///
/// Each shard is an array with open addressing. A slot belongs to one key from its first use until the shard
/// grows, so that readers compare keys without caring for writers: a key is written before its tag, and never
/// again. Removing a key empties the value and leaves the key. Growing copies into a new array and retires
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
    const Slot* slot = find_slot(*shard_of(hash).slots.load(std::memory_order_acquire), hash, key);
    return slot != nullptr ? slot->value.load(std::memory_order_acquire) : nullptr;
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
      const Slot* slot = find_slot(*shard.slots.load(std::memory_order_relaxed), hash, key);
      if (slot != nullptr) {
        if (T* value = slot->value.load(std::memory_order_relaxed)) return {value, false};
      }
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
    slot_for(shard, hash, key).value.store(value, std::memory_order_release);
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
    Slot* slot = find_slot(*shard.slots.load(std::memory_order_relaxed), hash, key);
    if (slot == nullptr || slot->value.load(std::memory_order_relaxed) != value || value == nullptr)
      return false;
    slot->value.store(nullptr, std::memory_order_release);
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
        if (T* value = slots.at[i].value.load(std::memory_order_relaxed)) function(*value);
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
    BlockKey key{};
    std::atomic<T*> value{nullptr};
  };
  struct Slots {
    explicit Slots(std::size_t count) : mask(count - 1), at(std::make_unique<Slot[]>(count)) {}
    const std::size_t mask;
    const std::unique_ptr<Slot[]> at;
  };
  struct alignas(64) Shard {
    std::atomic<Slots*> slots{nullptr};
    mutable std::mutex mutex;
    std::condition_variable settled;
    std::vector<BlockKey> claims;
    std::size_t waiting = 0;  ///< threads, for claims to be settled
    std::size_t used = 0;     ///< slots with a key
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

  static Slot* find_slot(Slots& slots, std::uint64_t hash, const BlockKey& key) noexcept {
    Slot* const at = slots.at.get();
    // Ends: at most half of the slots have a key.
    for (std::size_t i = hash >> 1;; ++i) {
      Slot& slot = at[i & slots.mask];
      const std::uint64_t tag = slot.tag.load(std::memory_order_acquire);
      if (tag == tag_of(hash) && slot.key == key) return &slot;
      if (tag == 0) return nullptr;
    }
  }

  static Slot& add_slot(Slots& slots, std::uint64_t hash, const BlockKey& key) noexcept {
    std::size_t i = hash >> 1;
    while (slots.at[i & slots.mask].tag.load(std::memory_order_relaxed) != 0) ++i;
    Slot& slot = slots.at[i & slots.mask];
    slot.key = key;
    slot.tag.store(tag_of(hash), std::memory_order_release);
    return slot;
  }

  /// The slot of a key, which is new if need be. Under the shard's lock.
  Slot& slot_for(Shard& shard, std::uint64_t hash, const BlockKey& key) {
    Slots* slots = shard.slots.load(std::memory_order_relaxed);
    if (Slot* slot = find_slot(*slots, hash, key)) return *slot;
    if ((shard.used + 1) * 2 > slots->mask + 1) slots = grow(shard, *slots);
    ++shard.used;
    return add_slot(*slots, hash, key);
  }

  Slots* grow(Shard& shard, Slots& old) {
    // Four times what lives: a shard that has mostly lost its keys stays as large as it was.
    std::size_t count = kFirstSlots;
    while (count < (shard.live + 1) * 4) count *= 2;
    auto grown = std::make_unique<Slots>(count);
    for (std::size_t i = 0; i <= old.mask; ++i) {
      const Slot& slot = old.at[i];
      T* const value = slot.value.load(std::memory_order_relaxed);
      if (value == nullptr) continue;
      add_slot(*grown, hash_of(slot.key), slot.key).value.store(value, std::memory_order_relaxed);
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
