// What is measured on each map from keys to translations, ours and others, and how they are called: for the
// files that bring a map.
#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <ashlar/types.hpp>

#include "latency/bench_names.hpp"
#include "latency/rig.hpp"

namespace ashlar::bench {

inline constexpr std::size_t kMapKeys = 4096;

/// Keys of code that is some instructions apart; those behind kMapKeys are never entered.
inline BlockKey map_key(std::size_t i) { return {{0x10000 + 44 * i}, 0}; }

struct MapValue {
  BlockKey name;
  BlockKey key() const { return name; }
};
inline std::vector<MapValue> map_values() {
  std::vector<MapValue> values(kMapKeys);
  for (std::size_t i = 0; i < kMapKeys; ++i) values[i].name = map_key(i);
  return values;
}

/// A Map is made from the values and enters kMapKeys of them under their keys. A Map::User is one of the
/// threads that use it: `find` gives the value or null, `replace` removes a key and enters it again.
///
/// `first`: of the kMapKeys keys that are looked up. One in `write_every` operations replaces; 0: none.
template <typename Map>
void look_up(benchmark::State& state, std::size_t first, unsigned write_every) {
  static std::vector<MapValue> values = map_values();
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
    i = (i + 1289) % kMapKeys;
    if (write_every != 0 && --until_write == 0) {
      until_write = write_every;
      user->replace(i);
    } else {
      found += user->find(map_key(first + i)) != nullptr;
    }
  }
  benchmark::DoNotOptimize(found);
  if (write_every == 0 && (found != 0) != (first == 0)) die("the map did not find what is in it");
  user.reset();
}

/// "map/NAME/...", by one and by two threads.
template <typename Map>
void add_map(const std::string& name) {
  for (const int threads : {1, 2}) {
    const auto with = [&](const char* what, std::size_t first, unsigned write_every) {
      add("map/" + name + "/" + what, look_up<Map>, first, write_every)->Threads(threads);
    };
    with("hit", 0, 0);
    with("miss", kMapKeys, 0);
    with("1_percent_writes", 0, 100);
    with("10_percent_writes", 0, 10);
  }
}

}  // namespace ashlar::bench
