// The same on oneTBB's concurrent_hash_map, a peer; built where the library is installed.
#include <benchmark/benchmark.h>
#include <oneapi/tbb/concurrent_hash_map.h>
#include <oneapi/tbb/version.h>

#include "latency/map_bench.hpp"

namespace ashlar::bench {
namespace {

class Tbb {
 public:
  explicit Tbb(std::vector<MapValue>& values) : values_(values) {
    for (std::size_t i = 0; i < kMapKeys; ++i) table_.emplace(map_key(i), &values[i]);
  }
  class User {
   public:
    explicit User(Tbb& map) : map_(map) {}
    MapValue* find(const BlockKey& key) {
      Table::const_accessor found;
      return map_.table_.find(found, key) ? found->second : nullptr;
    }
    void replace(std::size_t i) {
      map_.table_.erase(map_key(i));
      map_.table_.emplace(map_key(i), &map_.values_[i]);
    }

   private:
    Tbb& map_;
  };

 private:
  struct Compare {
    static std::size_t hash(const BlockKey& key) noexcept { return hash_of(key); }
    static bool equal(const BlockKey& a, const BlockKey& b) noexcept { return a == b; }
  };
  using Table = tbb::concurrent_hash_map<BlockKey, MapValue*, Compare>;
  std::vector<MapValue>& values_;
  Table table_;
};

const Register all([] {
  benchmark::AddCustomContext("oneTBB", TBB_runtime_version());
  add_map<Tbb>("tbb");
});

}  // namespace
}  // namespace ashlar::bench
