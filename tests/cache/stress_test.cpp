// Many threads on one code cache: vCPUs that look up, compile, link and walk through linked code, while
// others invalidate, flush and evict. ASHLAR_SEED=n repeats a run with another seed. Meant for
// ThreadSanitizer as well: in toggled memory code is written and read at the same address, so that it sees a
// reuse that comes too early.
#include <array>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "cache/code_cache.hpp"
#include "fake_code.hpp"
#include "support/counted.hpp"
#include "support/rng.hpp"

namespace ashlar::cache {
namespace {

using test::branch_target;
using test::Rng;

constexpr std::size_t kKeys = 300;
constexpr std::size_t kThreads = 3;
constexpr std::array<Flavour, 2> kFlavoursUsed = {Flavour{true, false, false}, Flavour{true, true, false}};

std::uint64_t seed() {
  const char* given = std::getenv("ASHLAR_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 0) : 20240607;
}

/// Checks that fail in other threads are counted: doctest's own are too slow for inner loops.
struct Failures {
  std::atomic<std::uint64_t> bad_code{0}, wrong_target{0}, stale{0}, not_found_by_pc{0}, wrong_site{0},
      compiled_twice{0};
  std::uint64_t sum() const {
    return bad_code + wrong_target + stale + not_found_by_pc + wrong_site + compiled_twice;
  }
};

struct Vcpu {
  EpochParticipant participant;
  std::atomic<bool> attention{false};
};

/// The engine, as far as the cache is concerned.
class World {
 public:
  World(CodeMemoryKind kind, std::uint64_t limit)
      : memory_(test::make_memory(kind, limit)), cache_(*memory_, patcher_, 16, domain_, stats_) {
    for (Vcpu& vcpu : vcpus_) domain_.add(vcpu.participant);
  }
  ~World() {
    for (Vcpu& vcpu : vcpus_) domain_.remove(vcpu.participant);
  }

  CodeCache& cache() { return cache_; }
  EpochDomain& domain() { return domain_; }
  LiveStats& stats() { return stats_; }
  Failures& failures() { return failures_; }
  std::uint64_t steps() const { return steps_; }
  std::uint64_t hops() const { return hops_; }
  std::uint64_t compiled() const { return compiled_; }

  template <typename Collect>
  void drop(Collect&& collect) {
    CodeCache::Removed removed;
    {
      const CacheLock lock = cache_.lock();
      collect(lock, removed);
      if (removed.empty()) return;
      for (Vcpu& vcpu : vcpus_) vcpu.attention.store(true, std::memory_order_seq_cst);
    }
    domain_.retire(removed.data(), removed.size());
    domain_.reclaim();
  }

  /// The guest's code at a key changes.
  void invalidate(std::size_t key) {
    const std::uint64_t version = changed_[key].fetch_add(1) + 1;
    drop([&](const CacheLock& lock, CodeCache::Removed& removed) {
      cache_.remove(lock, range_of(key), removed);
    });
    // Others may be at it as well.
    std::uint64_t done = done_[key].load();
    while (done < version && !done_[key].compare_exchange_weak(done, version)) {
    }
  }
  void flush() {
    drop([&](const CacheLock& lock, CodeCache::Removed& removed) { cache_.remove_all(lock, removed); });
  }
  void evict() {
    drop([&](const CacheLock& lock, CodeCache::Removed& removed) { cache_.evict(lock, removed); });
  }

  void run_vcpu(std::size_t index, std::uint64_t seed, const std::atomic<bool>& stop) {
    Vcpu& vcpu = vcpus_[index];
    Rng rng(seed);
    domain_.enter(vcpu.participant);
    while (!stop.load(std::memory_order_relaxed)) {
      steps_.fetch_add(1, std::memory_order_relaxed);
      if (vcpu.attention.load(std::memory_order_relaxed)) attend(vcpu);
      if (rng.percent(2)) {  // a system call
        domain_.leave(vcpu.participant);
        domain_.enter(vcpu.participant);
      }
      const Flavour flavour = rng.pick(kFlavoursUsed);
      const std::size_t key = rng.below(rng.percent(70) ? kKeys / 10 : kKeys);
      if (Translation* found = find_or_compile(vcpu, key, flavour, rng)) walk(vcpu, *found, rng);
    }
    domain_.leave(vcpu.participant);
  }

 private:
  static GuestRange range_of(std::size_t key) { return {{0x10000 + key * 0x40}, 0x40}; }
  static BlockKey key_of(std::size_t key) { return {{0x10000 + key * 0x40}, 0}; }
  static std::size_t index_of(BlockKey key) { return (key.addr.value - 0x10000) / 0x40; }

  void attend(Vcpu& vcpu) {
    domain_.quiesce(vcpu.participant);
    vcpu.attention.exchange(false, std::memory_order_seq_cst);
  }

  Translation* find_or_compile(Vcpu& vcpu, std::size_t key, Flavour flavour, Rng& rng) {
    const std::uint64_t done = done_[key].load(std::memory_order_acquire);
    if (Translation* found = cache_.find(key_of(key), flavour)) {
      if (found->note().words[0] < done) ++failures_.stale;
      cache_.touch(*found);
      return found;
    }
    const auto claim = cache_.claim(key_of(key), flavour, rng.percent(50) ? OnBusy::wait : OnBusy::leave);
    if (!claim.claimed) return claim.value;
    auto& busy = compiling_[key * 2 + (flavour == kFlavoursUsed[1])];
    if (busy.exchange(true)) ++failures_.compiled_twice;
    Translation* made = compile(vcpu, key, flavour, rng);
    if (made == nullptr) {
      busy = false;
      cache_.abandon(key_of(key), flavour);
    }
    if (cache_.eviction_due()) evict();
    return made;
  }

  /// Publishes; null when there is no space or the code has changed meanwhile.
  Translation* compile(Vcpu& vcpu, std::size_t key, Flavour flavour, Rng& rng) {
    const std::uint64_t version = changed_[key].load();
    std::vector<BlockKey> targets;
    for (unsigned n = rng.below(4); n > 0; --n) {
      targets.push_back(key_of(rng.below(rng.percent(70) ? kKeys / 10 : kKeys)));
    }
    const codegen::Emitted emitted = test::fake_code(key_of(key), targets, rng.below(60), {range_of(key)});
    CodeCache::Making making[] = {{&emitted, {{version, 0}}}};
    for (int attempt = 0; cache_.make(making, flavour) != CodeCache::Outcome::made; ++attempt) {
      if (attempt == 3) return nullptr;
      evict();
      attend(vcpu);
    }
    ++compiled_;
    CodeCache::Removed removed;
    {
      const CacheLock lock = cache_.lock();
      if (changed_[key].load() == version) {
        compiling_[key * 2 + (flavour == kFlavoursUsed[1])] = false;
        cache_.publish(lock, {&making[0].made, 1});
        return making[0].made;
      }
      cache_.withdraw(lock, *making[0].made, removed);
    }
    domain_.retire(removed.data(), removed.size());
    return nullptr;
  }

  /// Executes, with our eyes. No quiescent point on the way: whatever is reached must be there.
  void walk(Vcpu& vcpu, Translation& from, Rng& rng) {
    Translation* at = &from;
    for (unsigned hop = 0; hop < 16; ++hop) {
      const std::byte* const code = at->code();
      if (test::fetch(code) != test::kFakeMagic || test::key_in_code(code) != at->key() ||
          test::fetch(code + at->code_size() - 8) != ~test::kFakeMagic) {
        ++failures_.bad_code;
        return;
      }
      if (cache_.find_by_pc(code + rng.below(at->code_size())) != at) ++failures_.not_found_by_pc;
      if (at->exits().empty()) return;
      const std::uint32_t exit = rng.below(at->exits().size());
      const BlockKey target = at->exits()[exit].site.target;
      const std::uint64_t done = done_[index_of(target)].load(std::memory_order_acquire);
      const std::byte* const to = branch_target(*at, exit);
      if (to == test::stub_of(*at, exit)) {
        const auto site = cache_.site_of(code + at->exits()[exit].site.return_offset);
        if (site.from != at || site.exit != exit) ++failures_.wrong_site;
        Translation* const next = cache_.find(target, at->flavour());
        if (next == nullptr) return;
        cache_.link(*at, exit, *next);
        at = next;
        continue;
      }
      Translation* const next = cache_.find_by_pc(to);
      if (next == nullptr || next->code() != to || next->key() != target ||
          next->flavour() != at->flavour()) {
        ++failures_.wrong_target;
        return;
      }
      // Code that has changed may be reached by one who has been told and has not looked yet.
      if (next->note().words[0] < done && !vcpu.attention.load(std::memory_order_seq_cst)) ++failures_.stale;
      at = next;
      hops_.fetch_add(1, std::memory_order_relaxed);
    }
  }

  EpochDomain domain_;
  LiveStats stats_;
  test::FakePatcher patcher_;
  std::unique_ptr<CodeMemory> memory_;
  CodeCache cache_;
  std::array<Vcpu, kThreads> vcpus_;
  Failures failures_;
  /// How often the code of a key has changed, and how many of these changes are over.
  std::array<std::atomic<std::uint64_t>, kKeys> changed_{}, done_{};
  std::array<std::atomic<bool>, kKeys * 2> compiling_{};
  std::atomic<std::uint64_t> steps_{0}, hops_{0}, compiled_{0};
};

/// `rounds` changes of guest code, one every few steps of the vCPUs.
void stress(CodeMemoryKind kind, std::uint64_t limit, unsigned rounds, unsigned flush_percent) {
  const std::uint64_t seed_used = seed();
  World world(kind, limit);
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] { world.run_vcpu(i, seed_used + i, stop); });
  }
  Rng rng(seed_used + 100);
  for (unsigned round = 0; round < rounds; ++round) {
    const std::uint64_t go_on_at = world.steps() + rng.below(60);
    while (world.steps() < go_on_at) std::this_thread::yield();
    if (rng.percent(flush_percent)) {
      world.flush();
    } else {
      world.invalidate(rng.below(rng.percent(50) ? kKeys / 10 : kKeys));
    }
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();

  const Failures& failures = world.failures();
  const StatsSnapshot stats = world.stats().snapshot();
  MESSAGE(std::string(to_string(kind))
          << ", seed " << seed_used << ": " << world.compiled() << " compiled, " << stats[Stat::links]
          << " links, " << world.hops() << " hops through them, " << stats[Stat::blocks_invalidated]
          << " removed, " << stats[Stat::evictions] << " chunks evicted");
  CHECK(failures.bad_code == 0);
  CHECK(failures.wrong_target == 0);
  CHECK(failures.stale == 0);
  CHECK(failures.not_found_by_pc == 0);
  CHECK(failures.wrong_site == 0);
  CHECK(failures.compiled_twice == 0);
  CHECK(world.hops() > 0);
  CHECK_COUNTED(stats[Stat::links] > 0);

  // Everything that was taken comes back.
  world.flush();
  world.domain().reclaim();
  const StatsSnapshot after = world.stats().snapshot();
  CHECK_COUNTED(after[Stat::code_bytes_live] == 0);
  CHECK_COUNTED(after[Stat::code_bytes_retired] == 0);
  CHECK_COUNTED(after[Stat::unlinks] == after[Stat::links]);
  CHECK(world.cache().usage().closed_chunks == 0);
}

#if defined(__SANITIZE_THREAD__)
constexpr unsigned kRounds = 600;
#else
constexpr unsigned kRounds = 3000;
#endif

TEST_CASE("dual mapping, invalidations and flushes") {
  stress(CodeMemoryKind::dual_mapped, 1 << 20, kRounds, 5);
}
TEST_CASE("dual mapping, so little memory that chunks are evicted all the time") {
  stress(CodeMemoryKind::dual_mapped, 64 << 10, kRounds, 0);
}
TEST_CASE("toggled, invalidations and flushes") { stress(CodeMemoryKind::toggled, 1 << 20, kRounds / 2, 5); }
TEST_CASE("toggled, so little memory that chunks are evicted all the time") {
  stress(CodeMemoryKind::toggled, 64 << 10, kRounds / 2, 0);
}

}  // namespace
}  // namespace ashlar::cache
