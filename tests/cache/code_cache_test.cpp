// The code cache: making, publishing, finding, linking, removing, evicting; and the stats that go with it.
#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "cache/code_cache.hpp"
#include "fake_code.hpp"
#include "support/counted.hpp"

namespace ashlar::cache {
namespace {

using codegen::Emitted;
using codegen::ExitKind;
using test::branch_target;
using test::fake_code;
using test::FakePatcher;
using test::kRealKinds;
using test::make_memory;
using test::stub_of;

constexpr Flavour kLinked{};

BlockKey key(std::uint64_t addr, std::uint64_t mode = 0) { return {{addr}, mode}; }

/// A cache with one vCPU, which is this thread.
struct Fixture {
  explicit Fixture(CodeMemoryKind kind = CodeMemoryKind::dual_mapped, std::uint64_t limit = 1 << 20,
                   std::int64_t range = std::int64_t{1} << 31)
      : memory(make_memory(kind, limit)), patcher(range) {
    domain.add(vcpu);
    domain.enter(vcpu);
    cache = std::make_unique<CodeCache>(*memory, patcher, 16, domain, stats);
  }
  ~Fixture() {
    domain.leave(vcpu);
    cache.reset();
    domain.remove(vcpu);
  }

  Translation* make(const Emitted& emitted, Flavour flavour = kLinked) {
    CodeCache::Making making[] = {{&emitted, {}}};
    return cache->make(making, flavour) == CodeCache::Outcome::made ? making[0].made : nullptr;
  }
  Translation* add(const Emitted& emitted, Flavour flavour = kLinked) {
    REQUIRE(cache->claim(emitted.key, flavour, OnBusy::leave).claimed);
    Translation* made = make(emitted, flavour);
    if (made == nullptr) {
      cache->abandon(emitted.key, flavour);
    } else {
      cache->publish(cache->lock(), {&made, 1});
    }
    return made;
  }
  void retire(const CodeCache::Removed& removed) { domain.retire(removed.data(), removed.size()); }
  std::size_t remove(GuestRange range) {
    CodeCache::Removed removed;
    cache->remove(cache->lock(), range, removed);
    retire(removed);
    return removed.size();
  }
  std::size_t flush() {
    CodeCache::Removed removed;
    cache->remove_all(cache->lock(), removed);
    retire(removed);
    return removed.size();
  }
  std::size_t evict() {
    CodeCache::Removed removed;
    cache->evict(cache->lock(), removed);
    retire(removed);
    return removed.size();
  }
  std::uint64_t stat(Stat which) const { return stats.snapshot()[which]; }

  EpochDomain domain;
  EpochParticipant vcpu;
  LiveStats stats;
  std::unique_ptr<CodeMemory> memory;
  FakePatcher patcher;
  std::unique_ptr<CodeCache> cache;
};

TEST_CASE("what was published is found, with its code in executable memory") {
  for (const CodeMemoryKind kind : kRealKinds) {
    Fixture f(kind);
    const Emitted emitted = fake_code(key(0x1000, 3), {key(0x2000)});
    Translation* const made = f.add(emitted);
    REQUIRE(made != nullptr);
    CHECK(f.cache->find(key(0x1000, 3), kLinked) == made);
    CHECK(f.cache->find(key(0x1000), kLinked) == nullptr);
    CHECK(f.cache->find(key(0x1000, 3), Flavour{true, true, false}) == nullptr);
    CHECK(std::memcmp(made->code(), emitted.code.data(), emitted.code.size()) == 0);
    CHECK(made->code_size() == emitted.code.size());
    CHECK(reinterpret_cast<std::uintptr_t>(made->code()) % 16 == 0);
    CHECK(f.memory->contains(made->code()));
    CHECK(made->state() == Translation::State::live);
    CHECK_COUNTED(f.stat(Stat::code_bytes_emitted) == emitted.code.size());
    CHECK_COUNTED(f.stat(Stat::code_bytes_live) == emitted.code.size());
    CHECK(branch_target(*made, 0) == stub_of(*made, 0));
  }
}

TEST_CASE("a translation knows everything that the record said") {
  Fixture f;
  Emitted emitted = fake_code(key(0x1000), {key(1), key(2), key(3)});
  emitted.uses_float = true;
  emitted.guest_inst_count = 12;
  emitted.guest_ranges = {{{0x1000}, 8}, {{0x9000}, 4}};
  using codegen::Reg;
  emitted.write_backs = {
      {1, Reg::integer(2)}, {3, Reg::real(4), codegen::Finish::box32}, {-5, Reg::integer(6)}};
  for (std::uint32_t i = 0; i < 5; ++i) {
    codegen::FaultSite site;
    site.offset = 4 + 8 * i;
    site.guest_pc = {i};
    emitted.access_faults.push_back(site);
    site.offset = 6 + 8 * i;
    site.guest_pc = {100 + i};
    site.write_back_begin = 1;
    site.write_back_count = 2;
    emitted.check_faults.push_back(site);
  }
  CodeCache::Making making[] = {{&emitted, {{5, 6}}}};
  REQUIRE(f.cache->make(making, kLinked) == CodeCache::Outcome::made);
  Translation* const made = making[0].made;
  CHECK(made->note().words[1] == 6);
  CHECK(made->uses_float());
  CHECK(made->guest_inst_count() == 12);
  CHECK(std::ranges::equal(made->guest_ranges(), emitted.guest_ranges));
  REQUIRE(made->exits().size() == 3);
  CHECK(made->exits()[2].site.target == key(3));

  const std::byte* const code = made->code();
  for (std::uint32_t i = 0; i < 5; ++i) {
    const auto access = f.cache->access_fault(code + 4 + 8 * i);
    REQUIRE(access.site != nullptr);
    CHECK(access.in == made);
    CHECK(access.site->guest_pc == GuestAddr{i});
    const auto check = f.cache->check_fault(code + 6 + 8 * i);
    REQUIRE(check.site != nullptr);
    CHECK(check.site->guest_pc == GuestAddr{100 + i});
    REQUIRE(made->write_backs(*check.site).size() == 2);
    CHECK(made->write_backs(*check.site)[0].reg == Reg::real(4));
    CHECK(made->write_backs(*check.site)[0].finish == codegen::Finish::box32);
    CHECK(made->write_backs(*check.site)[1].word == -5);
  }
  CHECK(f.cache->access_fault(code + 5).in == made);
  CHECK(f.cache->access_fault(code + 5).site == nullptr);
  CHECK(f.cache->access_fault(code).site == nullptr);
  CHECK(f.cache->access_fault(code + made->code_size() - 1).site == nullptr);
  CHECK(f.cache->access_fault(&f).in == nullptr);
  for (std::uint32_t i = 0; i < 3; ++i) {
    const auto at = f.cache->site_of(code + made->exits()[i].site.return_offset);
    CHECK(at.from == made);
    CHECK(at.exit == i);
  }
  CHECK(f.cache->site_of(code + 3).from == nullptr);
  CHECK(f.cache->site_of(nullptr).from == nullptr);
  // Nobody finds it by its key yet.
  CHECK(f.cache->find(key(0x1000), kLinked) == nullptr);
  CodeCache::Removed removed;
  f.cache->withdraw(f.cache->lock(), *made, removed);
  CHECK_COUNTED(f.stat(Stat::code_bytes_retired) == emitted.code.size());
  f.retire(removed);
  f.domain.quiesce(f.vcpu);
  CHECK_COUNTED(f.stat(Stat::code_bytes_retired) == 0);
  CHECK(f.cache->find_by_pc(code) == nullptr);
}

TEST_CASE("the call at the very end of a translation returns to it, not to the next") {
  Fixture f;
  Emitted emitted = fake_code(key(1), {key(2)});
  emitted.code.resize(emitted.exits[0].return_offset);  // 40 bytes: padded to 48
  emitted.code.resize(48);
  emitted.exits[0].return_offset = 48;
  Translation* const first = f.add(emitted);
  Translation* const second = f.add(fake_code(key(9), {}));
  REQUIRE(second->code() == first->code() + 48);
  CHECK(f.cache->site_of(first->code() + 48).from == first);
  CHECK(f.cache->find_by_pc(first->code() + 48) == second);
}

TEST_CASE("code that is not linked names exits by index: no address is a site of it") {
  Fixture f;
  const Flavour single{false, false, false};
  Translation* const made = f.add(fake_code(key(1), {key(2)}), single);
  CHECK(f.cache->site_of(made->code() + made->exits()[0].site.return_offset).from == nullptr);
  CHECK(f.cache->find_by_pc(made->code()) == made);
}

TEST_CASE("links are made and undone in the code, in both kinds of memory") {
  for (const CodeMemoryKind kind : kRealKinds) {
    CAPTURE(std::string(to_string(kind)));
    Fixture f(kind);
    Translation* const a = f.add(fake_code(key(1), {key(2), key(1)}));
    Translation* const b = f.add(fake_code(key(2), {key(1)}, 0, {{{0x8000}, 4}}));
    CHECK(f.cache->link(*a, 0, *b));
    CHECK(f.cache->link(*a, 1, *a));  // a loop
    CHECK(f.cache->link(*b, 0, *a));
    CHECK(!f.cache->link(*a, 0, *b));  // again
    CHECK(branch_target(*a, 0) == b->code());
    CHECK(branch_target(*a, 1) == a->code());
    CHECK(branch_target(*b, 0) == a->code());
    CHECK(a->exits()[0].to == b);
    CHECK(Linker::incoming(f.cache->lock(), *a) == 2);
    CHECK_COUNTED(f.stat(Stat::links) == 3);

    CHECK(f.remove({{0x8000}, 1}) == 1);
    CHECK(branch_target(*a, 0) == stub_of(*a, 0));
    CHECK(branch_target(*a, 1) == a->code());
    CHECK(a->exits()[0].to == nullptr);
    CHECK(Linker::incoming(f.cache->lock(), *a) == 1);
    CHECK_COUNTED(f.stat(Stat::unlinks) == 2);
    CHECK_COUNTED(f.stat(Stat::blocks_invalidated) == 1);
    CHECK(!f.cache->link(*a, 0, *b));  // it is gone
    CHECK(!f.cache->link(*b, 0, *a));
    CHECK(f.cache->find(key(2), kLinked) == nullptr);
    CHECK(f.cache->find_by_pc(b->code()) == b);  // we may still be in it

    f.domain.quiesce(f.vcpu);
    Translation* const again = f.add(fake_code(key(2), {key(1)}));
    CHECK(f.cache->link(*a, 0, *again));
    CHECK(branch_target(*a, 0) == again->code());
    CHECK(f.flush() == 2);
    CHECK_COUNTED(f.stat(Stat::unlinks) == f.stat(Stat::links));
  }
}

TEST_CASE("a link can be taken back alone, in any order of the list") {
  Fixture f;
  Linker linker(*f.memory, f.patcher);
  Translation* const to = f.add(fake_code(key(9), {}));
  for (const std::vector<std::uint32_t>& order :
       {std::vector<std::uint32_t>{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {1, 2, 0}, {0, 2, 1}}) {
    Translation* const from = f.add(fake_code(key(1), {key(9), key(9), key(9)}));
    for (std::uint32_t i = 0; i < 3; ++i) REQUIRE(f.cache->link(*from, i, *to));
    const CacheLock lock = f.cache->lock();
    std::size_t left = 3;
    for (const std::uint32_t i : order) {
      CHECK(linker.unlink(lock, *from, i));
      CHECK(!linker.unlink(lock, *from, i));
      CHECK(Linker::incoming(lock, *to) == --left);
      CHECK(branch_target(*from, i) == stub_of(*from, i));
    }
    CodeCache::Removed removed;
    f.cache->remove(lock, key(1), kLinked, removed);
    CHECK(removed.size() == 1);
    f.retire(removed);
  }
}

TEST_CASE("what can't be linked is not") {
  Fixture f;
  const Flavour counting{true, true, false}, single{false, false, false};
  Translation* const to = f.add(fake_code(key(9), {}));
  Translation* const other = f.add(fake_code(key(9), {}), counting);
  Translation* const alone = f.add(fake_code(key(9), {}), single);
  Translation* const alone_too = f.add(fake_code(key(8), {key(9)}), single);
  Emitted emitted = fake_code(key(1), {key(9), key(9), key(9), key(9), key(9), key(9)});
  emitted.exits[0].kind = ExitKind::attention;
  emitted.exits[1].kind = ExitKind::fuel;
  emitted.exits[2].kind = ExitKind::stop;
  emitted.exits[3].patch_offset = codegen::ExitSite::kNotPatchable;
  emitted.exits[4].kind = ExitKind::call;
  Translation* const from = f.add(emitted);
  for (std::uint32_t i = 0; i < 4; ++i) CHECK(!f.cache->link(*from, i, *to));
  CHECK(!f.cache->link(*from, 4, *other));
  CHECK(!f.cache->link(*alone_too, 0, *alone));
  CHECK(f.cache->link(*from, 4, *to));
  CHECK(f.cache->link(*from, 5, *to));
  Translation* const unpublished = f.make(fake_code(key(7), {key(9)}));
  CHECK(!f.cache->link(*unpublished, 0, *to));
  CHECK(!f.cache->link(*from, 0, *unpublished));
  CodeCache::Removed removed;
  f.cache->withdraw(f.cache->lock(), *unpublished, removed);
  f.retire(removed);
}

TEST_CASE("a target out of the branch's range stays unlinked") {
  Fixture f(CodeMemoryKind::dual_mapped, 1 << 20, 1024);
  Translation* const from = f.add(fake_code(key(1), {key(2), key(3)}));
  Translation* const near = f.add(fake_code(key(2), {}, 200));
  Translation* const far = f.add(fake_code(key(3), {}));
  CHECK(f.cache->link(*from, 0, *near));
  CHECK(!f.cache->link(*from, 1, *far));
  CHECK(branch_target(*from, 1) == stub_of(*from, 1));
  CHECK(from->exits()[1].to == nullptr);
}

TEST_CASE("removal by range, key and predicate takes exactly what is meant") {
  Fixture f;
  const Flavour counting{true, true, false};
  f.add(fake_code(key(0x1000), {}, 0, {{{0x1000}, 0x10}}));
  f.add(fake_code(key(0x1000), {}, 0, {{{0x1000}, 0x10}}), counting);
  f.add(fake_code(key(0x1010), {}, 0, {{{0x1010}, 0x10}, {{0x5000}, 4}}));
  f.add(fake_code(key(0x2000), {}));  // says nothing: counts as its address
  CHECK(f.remove({{0x1020}, 0x100}) == 0);
  CHECK(f.remove({{0x2001}, 1}) == 0);
  CHECK(f.remove({{0x5003}, 1}) == 1);
  CHECK(f.cache->find(key(0x1010), kLinked) == nullptr);
  CHECK(f.remove({{0x100f}, 1}) == 2);  // both flavours
  CHECK(f.cache->find(key(0x1000), counting) == nullptr);
  CHECK(f.cache->find(key(0x2000), kLinked) != nullptr);
  f.add(fake_code(key(0x3000), {}));
  CodeCache::Removed removed;
  f.cache->remove(f.cache->lock(), key(0x4000), kLinked, removed);
  CHECK(removed.empty());
  f.cache->remove_if(
      f.cache->lock(), [](const Translation& t) { return t.key().addr.value == 0x2000; }, removed);
  CHECK(removed.size() == 1);
  f.retire(removed);
  CHECK(f.flush() == 1);
  CHECK(f.flush() == 0);
  CHECK_COUNTED(f.stat(Stat::code_bytes_live) == 0);
}

TEST_CASE("memory is used again when nobody can be inside, and not before") {
  Fixture f(CodeMemoryKind::dual_mapped, 64 << 10);
  Translation* const first = f.add(fake_code(key(1), {}));
  const std::byte* const place = first->code();
  CHECK(f.flush() == 1);
  f.domain.reclaim();
  CHECK_COUNTED(f.stat(Stat::code_bytes_retired) != 0);
  CHECK(f.cache->find_by_pc(place) == first);
  Translation* const second = f.add(fake_code(key(1), {}));
  CHECK(second->code() != place);
  f.domain.quiesce(f.vcpu);
  CHECK_COUNTED(f.stat(Stat::code_bytes_retired) == 0);
  CHECK(f.cache->find_by_pc(place) == nullptr);
  CHECK(f.cache->find_by_pc(second->code()) == second);
  CHECK(f.flush() == 1);
  f.domain.quiesce(f.vcpu);
  // Chunks are used in turn; this one is free as soon as it is full.
  std::size_t added = 0;
  for (bool again = false; !again; ++added) {
    REQUIRE(added < 1000);
    again = f.add(fake_code(key(1), {}, 200))->code() == place;
    CHECK(f.flush() == 1);
    f.domain.quiesce(f.vcpu);
  }
  CHECK(added > 30);
}

TEST_CASE("a batch is made in one go, over several chunks if need be") {
  for (const CodeMemoryKind kind : kRealKinds) {
    Fixture f(kind, 64 << 10);
    std::vector<Emitted> emitted;
    for (std::uint64_t i = 0; i < 40; ++i) emitted.push_back(fake_code(key(i), {key(i + 1)}, 100 + i));
    std::vector<CodeCache::Making> batch;
    for (const Emitted& e : emitted) {
      REQUIRE(f.cache->claim(e.key, kLinked, OnBusy::leave).claimed);
      batch.push_back({&e, {}});
    }
    REQUIRE(f.cache->make(batch, kLinked) == CodeCache::Outcome::made);
    std::vector<Translation*> made;
    std::set<std::size_t> chunks;
    for (const auto& making : batch) {
      made.push_back(making.made);
      chunks.insert(f.memory->chunk_of(making.made->code()));
      CHECK(std::memcmp(making.made->code(), making.emitted->code.data(), making.emitted->code.size()) == 0);
    }
    CHECK(chunks.size() == 3);
    CHECK(f.cache->find(key(5), kLinked) == nullptr);
    f.cache->publish(f.cache->lock(), made);
    for (std::uint64_t i = 0; i < 40; ++i) CHECK(f.cache->find(key(i), kLinked) == made[i]);
  }
}

TEST_CASE("an empty batch, a piece that is too large, a cache without memory") {
  Fixture f(CodeMemoryKind::dual_mapped, 64 << 10);
  CHECK(f.cache->make({}, kLinked) == CodeCache::Outcome::made);
  const Emitted large = fake_code(key(1), {}, 3000), small = fake_code(key(2), {});
  CodeCache::Making batch[] = {{&small, {}}, {&large, {}}, {&small, {}}};
  CHECK(f.cache->make(batch, kLinked) == CodeCache::Outcome::too_large);
  CHECK(batch[0].made != nullptr);
  CHECK(batch[1].made == nullptr);
  CHECK(batch[2].made == nullptr);
  CodeCache::Removed removed;
  f.cache->withdraw(f.cache->lock(), *batch[0].made, removed);
  f.retire(removed);

  Fixture none(CodeMemoryKind::none);
  CHECK(none.make(small) == nullptr);
  CHECK(none.cache->find(key(2), kLinked) == nullptr);
  CHECK(none.cache->find_by_pc(&none) == nullptr);
  CHECK(none.evict() == 0);
}

TEST_CASE("eviction makes room chunk by chunk, the untouched first, and no link leads into what is gone") {
  for (const CodeMemoryKind kind : kRealKinds) {
    CAPTURE(std::string(to_string(kind)));
    Fixture f(kind, 64 << 10);  // four chunks of 16 KiB, about sixteen blocks in each
    Translation* const hot = f.add(fake_code(key(0), {key(1), key(2)}, 120));
    std::uint64_t evicted = 0;
    for (std::uint64_t i = 1; i <= 1000; ++i) {
      Translation* made = f.add(fake_code(key(i), {key(0)}, 120));
      REQUIRE(made != nullptr);
      REQUIRE(f.cache->link(*made, 0, *hot));
      if (i <= 2) REQUIRE(f.cache->link(*hot, static_cast<std::uint32_t>(i - 1), *made));
      f.cache->touch(*hot);
      if (f.cache->eviction_due()) {
        evicted += f.evict();
        CHECK(!f.cache->eviction_due());
      }
      f.domain.quiesce(f.vcpu);
    }
    CHECK(evicted > 800);
    CHECK_COUNTED(f.stat(Stat::evictions) > 50);
    CHECK(f.cache->find(key(0), kLinked) == hot);
    // The first two lie in the chunk of the hot one and stay with it.
    CHECK(f.cache->find(key(1), kLinked) != nullptr);
    CHECK(f.cache->find(key(100), kLinked) == nullptr);
    CHECK(f.cache->find(key(1000), kLinked) != nullptr);
    std::size_t live = 0;
    f.cache->for_each(f.cache->lock(), [&](Translation& t) {
      ++live;
      for (const TranslationExit& exit : t.exits()) {
        if (exit.to != nullptr) CHECK(exit.to->state() == Translation::State::live);
      }
    });
    CHECK(Linker::incoming(f.cache->lock(), *hot) == live - 1);
    CHECK(live <= 64);
    CHECK_COUNTED(f.stat(Stat::code_bytes_live) + f.stat(Stat::code_bytes_retired) <= 64 << 10);
  }
}

TEST_CASE("full of code that somebody may be in: no space until he has moved on") {
  for (const std::uint64_t page_size : {4096u, 65536u}) {  // four chunks, one chunk
    Fixture f;
    f.cache.reset();
    f.memory = make_memory(CodeMemoryKind::dual_mapped, 64 << 10, page_size);
    f.cache = std::make_unique<CodeCache>(*f.memory, f.patcher, 16, f.domain, f.stats);
    std::uint64_t i = 0;
    while (f.add(fake_code(key(i), {}, 120)) != nullptr) {
      ++i;
      REQUIRE(i < 1000);
    }
    CHECK(i >= 60);
    CHECK(f.cache->eviction_due());
    CHECK(f.evict() > 0);
    CHECK(f.evict() == 0);  // enough will be free
    CHECK(f.add(fake_code(key(i), {}, 120)) == nullptr);
    f.domain.quiesce(f.vcpu);
    CHECK(f.add(fake_code(key(i), {}, 120)) != nullptr);
  }
}

TEST_CASE("an unlinked translation may be reached from one that is retired, and lives as long") {
  // The vCPU is in `a`, which is removed; it follows its old branch to `b`, which is removed afterwards.
  Fixture f;
  Translation* const a = f.add(fake_code(key(1), {key(2)}, 0, {{{0x1000}, 1}}));
  Translation* const b = f.add(fake_code(key(2), {}, 0, {{{0x2000}, 1}}));
  REQUIRE(f.cache->link(*a, 0, *b));
  CHECK(f.remove({{0x1000}, 1}) == 1);
  CHECK(f.remove({{0x2000}, 1}) == 1);
  f.domain.reclaim();
  CHECK(branch_target(*a, 0) == b->code());
  CHECK(test::key_in_code(b->code()) == key(2));
  f.domain.quiesce(f.vcpu);
  CHECK_COUNTED(f.stat(Stat::code_bytes_retired) == 0);
}

TEST_CASE("one thread compiles a key, the others wait for it or go on") {
  Fixture f;
  REQUIRE(f.cache->claim(key(1), kLinked, OnBusy::wait).claimed);
  CHECK(!f.cache->claim(key(1), kLinked, OnBusy::leave).claimed);
  // Another flavour is another key.
  REQUIRE(f.cache->claim(key(1), Flavour{false, false, false}, OnBusy::leave).claimed);
  f.cache->abandon(key(1), Flavour{false, false, false});
  std::vector<std::thread> waiting;
  std::atomic<int> got{0};
  for (int i = 0; i < 3; ++i) {
    waiting.emplace_back([&] {
      EpochScope inside(f.domain);
      const auto claim = f.cache->claim(key(1), kLinked, OnBusy::wait);
      if (!claim.claimed && claim.value != nullptr && claim.value->key() == key(1)) ++got;
    });
  }
  Translation* made = f.make(fake_code(key(1), {}));
  f.cache->publish(f.cache->lock(), {&made, 1});
  for (std::thread& thread : waiting) thread.join();
  CHECK(got == 3);
}

}  // namespace
}  // namespace ashlar::cache
