// The shared map from keys to translations under one and two threads, with and without writers, beside a hash
// table behind a shared mutex, which is what one would write first.
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

#include "cache/block_table.hpp"
#include "cache/epoch.hpp"
#include "latency/map_bench.hpp"

namespace ashlar::bench {
namespace {

/// Ours, as the engine's tables use it.
class Sharded {
 public:
  explicit Sharded(std::vector<MapValue>& values) : values_(values), table_(domain_) {
    const cache::EpochScope scope(domain_);
    for (std::size_t i = 0; i < kMapKeys; ++i) enter(i);
  }
  class User {
   public:
    explicit User(Sharded& map) : map_(map), scope_(map.domain_) {}
    MapValue* find(const BlockKey& key) { return map_.table_.find(key); }
    void replace(std::size_t i) {
      if (!map_.table_.remove(map_key(i), &map_.values_[i])) return;  // another writer is at it
      map_.enter(i);
    }

   private:
    Sharded& map_;
    cache::EpochScope scope_;
  };

 private:
  void enter(std::size_t i) {
    if (table_.claim(map_key(i), cache::OnBusy::wait).claimed) table_.publish(map_key(i), &values_[i]);
  }
  std::vector<MapValue>& values_;
  cache::EpochDomain domain_;
  cache::BlockTable<MapValue> table_;
};

class SharedMutex {
 public:
  explicit SharedMutex(std::vector<MapValue>& values) : values_(values) {
    for (std::size_t i = 0; i < kMapKeys; ++i) table_[map_key(i)] = &values[i];
  }
  class User {
   public:
    explicit User(SharedMutex& map) : map_(map) {}
    MapValue* find(const BlockKey& key) {
      const std::shared_lock lock(map_.mutex_);
      const auto found = map_.table_.find(key);
      return found != map_.table_.end() ? found->second : nullptr;
    }
    void replace(std::size_t i) {
      const std::lock_guard lock(map_.mutex_);
      map_.table_.erase(map_key(i));
      map_.table_[map_key(i)] = &map_.values_[i];
    }

   private:
    SharedMutex& map_;
  };

 private:
  struct Hash {
    std::size_t operator()(const BlockKey& key) const noexcept { return hash_of(key); }
  };
  std::vector<MapValue>& values_;
  std::shared_mutex mutex_;
  std::unordered_map<BlockKey, MapValue*, Hash> table_;
};

const Register all([] {
  add_map<Sharded>("ours");
  add_map<SharedMutex>("shared_mutex");
});

}  // namespace
}  // namespace ashlar::bench
