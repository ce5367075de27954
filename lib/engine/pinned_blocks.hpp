// Blocks that an embedder wants interpreted. Owned by the context; asked by whoever compiles.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <vector>

#include <ashlar/types.hpp>

namespace ashlar::engine {

/// Thread-safe. Asking costs a load as long as nothing is pinned.
class PinnedBlocks {
 public:
  void add(BlockKey key) {
    std::lock_guard lock(mutex_);
    if (std::find(keys_.begin(), keys_.end(), key) != keys_.end()) return;
    keys_.push_back(key);
    count_.store(keys_.size(), std::memory_order_seq_cst);
  }
  void remove(BlockKey key) {
    std::lock_guard lock(mutex_);
    std::erase(keys_, key);
    count_.store(keys_.size(), std::memory_order_seq_cst);
  }
  bool contains(BlockKey key) const {
    if (count_.load(std::memory_order_seq_cst) == 0) return false;
    std::lock_guard lock(mutex_);
    return std::find(keys_.begin(), keys_.end(), key) != keys_.end();
  }

 private:
  std::atomic<std::size_t> count_{0};
  mutable std::mutex mutex_;
  std::vector<BlockKey> keys_;  ///< few
};

}  // namespace ashlar::engine
