// The shared map from keys to translations under one and two threads, with and without writers, beside a hash
// table behind a shared mutex, which is what one would write first.
#include <benchmark/benchmark.h>

#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "cache/block_table.hpp"
#include "cache/epoch.hpp"
#include "latency/bench_names.hpp"
#include "latency/rig.hpp"

namespace ashlar::bench {
namespace {

constexpr std::size_t kKeys = 4096;
/// Keys of code that is some instructions apart; those behind kKeys are never entered, but by writers.
BlockKey key_of(std::size_t i) { return {{0x10000 + 44 * i}, 0}; }

struct Value {
  std::size_t number;
};

/// Ours, as the engine's tables use it.
class Sharded {
 public:
  explicit Sharded(std::vector<Value>& values) : values_(values), table_(domain_) {
    const cache::EpochScope scope(domain_);
    for (std::size_t i = 0; i < kKeys; ++i) enter(i);
  }
  /// One of the threads that use the map.
  class User {
   public:
    explicit User(Sharded& map) : map_(map), scope_(map.domain_) {}
    Value* find(const BlockKey& key) { return map_.table_.find(key); }
    void replace(std::size_t i) {
      if (!map_.table_.remove(key_of(i), &map_.values_[i])) return;  // another writer is at it
      map_.enter(i);
    }

   private:
    Sharded& map_;
    cache::EpochScope scope_;
  };

 private:
  void enter(std::size_t i) {
    if (table_.claim(key_of(i), cache::OnBusy::wait).claimed) table_.publish(key_of(i), &values_[i]);
  }
  std::vector<Value>& values_;
  cache::EpochDomain domain_;
  cache::BlockTable<Value> table_;
};

class SharedMutex {
 public:
  explicit SharedMutex(std::vector<Value>& values) : values_(values) {
    for (std::size_t i = 0; i < kKeys; ++i) table_[key_of(i)] = &values[i];
  }
  class User {
   public:
    explicit User(SharedMutex& map) : map_(map) {}
    Value* find(const BlockKey& key) {
      const std::shared_lock lock(map_.mutex_);
      const auto found = map_.table_.find(key);
      return found != map_.table_.end() ? found->second : nullptr;
    }
    void replace(std::size_t i) {
      const std::lock_guard lock(map_.mutex_);
      map_.table_.erase(key_of(i));
      map_.table_[key_of(i)] = &map_.values_[i];
    }

   private:
    SharedMutex& map_;
  };

 private:
  struct Hash {
    std::size_t operator()(const BlockKey& key) const noexcept { return hash_of(key); }
  };
  std::vector<Value>& values_;
  std::shared_mutex mutex_;
  std::unordered_map<BlockKey, Value*, Hash> table_;
};

/// `first`: of the kKeys keys that are looked up. One in `write_every` operations removes a key and enters it
/// again; 0: none.
template <typename Map>
void look_up(benchmark::State& state, std::size_t first, unsigned write_every) {
  static std::vector<Value> values(kKeys);
  static std::unique_ptr<Map> map;
  // The loop below begins and ends with a barrier over all threads.
  if (state.thread_index() == 0) map = std::make_unique<Map>(values);
  std::size_t i = static_cast<std::size_t>(state.thread_index()) * 977;
  std::unique_ptr<typename Map::User> user;
  unsigned until_write = write_every;
  std::size_t found = 0;
  for (auto _ : state) {
    if (user == nullptr) [[unlikely]]
      user = std::make_unique<typename Map::User>(*map);
    i = (i + 1289) % kKeys;
    if (write_every != 0 && --until_write == 0) {
      until_write = write_every;
      user->replace(i);
    } else {
      found += user->find(key_of(first + i)) != nullptr;
    }
  }
  benchmark::DoNotOptimize(found);
  if (write_every == 0 && (found != 0) != (first == 0)) die("the map did not find what is in it");
  user.reset();
}

const Register all([] {
  for (const int threads : {1, 2}) {
    const auto with = [threads](benchmark::internal::Benchmark* b) { b->Threads(threads); };
    with(add("map/ours/hit", look_up<Sharded>, std::size_t{0}, 0u));
    with(add("map/ours/miss", look_up<Sharded>, kKeys, 0u));
    with(add("map/ours/1_percent_writes", look_up<Sharded>, std::size_t{0}, 100u));
    with(add("map/ours/10_percent_writes", look_up<Sharded>, std::size_t{0}, 10u));
    with(add("map/shared_mutex/hit", look_up<SharedMutex>, std::size_t{0}, 0u));
    with(add("map/shared_mutex/miss", look_up<SharedMutex>, kKeys, 0u));
    with(add("map/shared_mutex/1_percent_writes", look_up<SharedMutex>, std::size_t{0}, 100u));
    with(add("map/shared_mutex/10_percent_writes", look_up<SharedMutex>, std::size_t{0}, 10u));
  }
});

}  // namespace
}  // namespace ashlar::bench
