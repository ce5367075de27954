// scale_bench: what blocks cost when there are many of them: making, finding, running, removing, and memory.
// One size a process, so that the peak of memory is that size's. Prints lines as engine_bench does.
// Usage: scale_bench BLOCKS
#include <algorithm>
#include <charconv>
#include <cstring>
#include <numeric>
#include <random>

#include "engine/bench.hpp"
#include "latency/rig.hpp"

namespace ashlar::bench {
namespace {

constexpr unsigned kSize = 5;
constexpr std::uint64_t kCodeLimit = std::uint64_t{1} << 30;

struct Scale {
  std::size_t count;
  std::string name;
  std::vector<std::uint32_t> block = make_block(Kind::integer, kSize);

  void per_block(const std::string& what, double seconds, std::size_t blocks) const {
    print(name + what, seconds / static_cast<double>(blocks) * 1e9, "ns");
  }
  void memory(const std::string& what, std::uint64_t before) const {
    const std::uint64_t after = resident();
    print(name + what, static_cast<double>(after - std::min(before, after)) / static_cast<double>(count),
          "bytes");
  }
};

/// Some thousand of the keys, at random, each time the same.
std::vector<BlockKey> sample(const std::vector<BlockKey>& keys) {
  std::mt19937_64 random(1);
  std::vector<BlockKey> chosen(std::max<std::size_t>(200'000, keys.size()));
  for (BlockKey& key : chosen) key = keys[random() % keys.size()];
  return chosen;
}

double execute_all(Rig& rig, const std::vector<BlockKey>& keys) {
  const double begin = thread_time();
  for (const BlockKey& key : keys) rig.execute_or_die(key);
  return thread_time() - begin;
}

void compiled(const Scale& scale) {
  Rig rig({.code_limit = kCodeLimit});
  const auto keys = rig.put_copies(scale.block, scale.count);
  const auto other = rig.put_copies(scale.block, 1)[0];
  rig.execute_or_die(other);
  const std::uint64_t before = resident();
  scale.per_block("compile", execute_all(rig, keys), keys.size());
  scale.memory("memory_per_block", before);
  const StatsSnapshot stats = rig.executor().stats();
  if (stats[Stat::evictions] != 0) fail("code memory was too small");
  print(scale.name + "code_per_block",
        static_cast<double>(stats[Stat::code_bytes_live]) / static_cast<double>(scale.count), "bytes");

  const auto chosen = sample(keys);
  {
    const cache::EpochScope scope(rig.inside().epochs());
    cache::Flavour single;
    single.linked = false;
    std::size_t found = 0;
    const double begin = thread_time();
    for (const BlockKey& key : chosen) found += rig.code().find(key, single) != nullptr;
    scale.per_block("find", thread_time() - begin, chosen.size());
    if (found != chosen.size()) fail("a block was not found");
  }
  scale.per_block("execute_block", execute_all(rig, chosen), chosen.size());

  constexpr std::uint64_t kBytes = 4 * kSize;
  const std::size_t single = std::min<std::size_t>(keys.size() / 4, 500);
  double begin = thread_time();
  for (std::size_t i = 0; i < single; ++i) {
    // Not neighbours, and not what is removed below.
    const BlockKey& key = keys[keys.size() / 2 + i];
    rig.context().invalidate({key.addr, kBytes});
  }
  scale.per_block("invalidate_one", thread_time() - begin, single);
  const std::size_t range = std::min<std::size_t>(keys.size() / 4, 4096);
  rig.execute_or_die(other);
  begin = thread_time();
  rig.context().invalidate({keys[0].addr, kBytes * range});
  scale.per_block("invalidate_range", thread_time() - begin, range);
  rig.execute_or_die(other);
  const std::uint64_t removed = rig.executor().stats()[Stat::blocks_invalidated];
  if (removed < single + range) fail("invalidation left blocks behind");
  begin = thread_time();
  rig.context().flush();
  scale.per_block("flush", thread_time() - begin, keys.size() - single - range);
  rig.execute_or_die(other);
}

/// Half of the blocks fit, all are asked for, twice in turn: every time one comes, an older one has gone.
void evicted(const Scale& scale, std::uint64_t code_bytes) {
  Rig rig({.code_limit = std::max<std::uint64_t>(code_bytes / 2, std::uint64_t{64} << 10)});
  const auto keys = rig.put_copies(scale.block, scale.count);
  execute_all(rig, keys);
  const double spent = execute_all(rig, keys);
  if (rig.executor().stats()[Stat::evictions] == 0) return;  // all of them fit into the least cache there is
  scale.per_block("compile_and_evict", spent, keys.size());
}

void interpreted(const Scale& scale) {
  Rig rig({.tiers = Tiers::interpreter});
  const auto keys = rig.put_copies(scale.block, scale.count);
  const std::uint64_t before = resident();
  scale.per_block("interpreter/prepare", execute_all(rig, keys), keys.size());
  scale.memory("interpreter/memory_per_block", before);
  const auto chosen = sample(keys);
  scale.per_block("interpreter/execute_block", execute_all(rig, chosen), chosen.size());
}

/// Host code of all blocks, from a few of them.
std::uint64_t code_bytes(const Scale& scale) {
  Rig rig;
  const auto keys = rig.put_copies(scale.block, 100);
  execute_all(rig, keys);
  return rig.executor().stats()[Stat::code_bytes_live] * scale.count / keys.size();
}

}  // namespace
}  // namespace ashlar::bench

int main(int argc, char** argv) {
  using namespace ashlar::bench;
  std::size_t count = 0;
  const char* const end = argc == 2 ? argv[1] + std::strlen(argv[1]) : nullptr;
  if (end == nullptr || std::from_chars(argv[1], end, count).ptr != end || count < 100 || count > 2'000'000)
    fail("scale_bench takes one argument: how many blocks, 100 to 2000000");
  const Scale scale{count, "scale/" + std::to_string(count) + "/"};
  compiled(scale);
  print(scale.name + "peak", static_cast<double>(peak_resident()), "bytes");
  evicted(scale, code_bytes(scale));
  interpreted(scale);
  return 0;
}
