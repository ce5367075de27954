// Reclamation by epochs, and the sharded table that relies on it.
#include <array>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "cache/block_table.hpp"
#include "cache/epoch.hpp"
#include "support/rng.hpp"

namespace ashlar::cache {
namespace {

struct Counted {
  explicit Counted(int* count) : gone(count) {}
  ~Counted() { ++*gone; }
  int* gone;
};

TEST_CASE("garbage goes when everybody who was inside has left or passed a quiescent point") {
  int gone = 0;
  {
    EpochDomain domain;
    EpochParticipant a, b;
    domain.add(a);
    domain.add(b);
    domain.enter(a);
    domain.retire(new Counted(&gone));
    domain.enter(b);  // after: can't have it
    domain.reclaim();
    CHECK(gone == 0);
    domain.quiesce(b);
    CHECK(gone == 0);
    domain.quiesce(a);
    CHECK(gone == 1);
    CHECK(domain.waiting() == 0);
    domain.retire(new Counted(&gone));
    domain.leave(a);
    CHECK(gone == 1);  // b entered before
    domain.leave(b);
    CHECK(gone == 2);
    domain.retire(new Counted(&gone));  // nobody is inside
    domain.reclaim();
    CHECK(gone == 3);
    domain.enter(a);
    domain.retire(new Counted(&gone));
    domain.leave(a);
    domain.remove(a);
    domain.remove(b);
    domain.retire(new Counted(&gone));
  }
  CHECK(gone == 5);  // the last with the domain
}

TEST_CASE("objects retired at different epochs go in order") {
  int early = 0, late = 0;
  EpochDomain domain;
  EpochParticipant a, b;
  domain.add(a);
  domain.add(b);
  domain.enter(a);
  domain.retire(new Counted(&early));
  domain.enter(b);
  domain.retire(new Counted(&late));
  domain.leave(a);
  CHECK(early == 1);
  CHECK(late == 0);
  domain.leave(b);
  CHECK(late == 1);
  domain.remove(a);
  domain.remove(b);
}

struct Named {
  BlockKey name;
  BlockKey key() const { return name; }
};

TEST_CASE("the table finds what is in it, through growth and removal") {
  EpochDomain domain;
  EpochScope scope(domain);
  BlockTable<Named> table(domain);
  std::vector<std::unique_ptr<Named>> all;
  const auto key = [](std::uint64_t i) { return BlockKey{{i * 4}, i % 3}; };
  for (std::uint64_t i = 0; i < 5000; ++i) {
    CHECK(table.find(key(i)) == nullptr);
    REQUIRE(table.claim(key(i), OnBusy::wait).claimed);
    all.push_back(std::make_unique<Named>(Named{key(i)}));
    table.publish(key(i), all.back().get());
    CHECK(table.claim(key(i), OnBusy::wait).value == all.back().get());
  }
  for (std::uint64_t i = 0; i < 5000; ++i) REQUIRE(table.find(key(i)) == all[i].get());
  CHECK(table.find({{4}, 2}) == nullptr);  // the address is there in another mode
  CHECK(table.size() == 5000);
  for (std::uint64_t i = 0; i < 5000; i += 2) {
    CHECK_FALSE(table.remove(key(i), all[i + 1].get()));
    CHECK(table.remove(key(i), all[i].get()));
    CHECK_FALSE(table.remove(key(i), all[i].get()));
  }
  for (std::uint64_t i = 0; i < 5000; ++i) REQUIRE(table.find(key(i)) == (i % 2 ? all[i].get() : nullptr));
  CHECK(table.size() == 2500);
  std::set<Named*> seen;
  table.for_each([&](Named& named) { seen.insert(&named); });
  CHECK(seen.size() == 2500);
  // A removed key may come again, and keys that come and go for ever do not fill the table.
  for (std::uint64_t i = 0; i < 20000; ++i) {
    Named passing{{{0x10000000 + i * 2}, 0}};
    REQUIRE(table.claim(passing.name, OnBusy::wait).claimed);
    table.publish(passing.name, &passing);
    REQUIRE(table.find(passing.name) == &passing);
    REQUIRE(table.remove(passing.name, &passing));
  }
  CHECK(table.size() == 2500);
}

TEST_CASE("keys of the same hash are different keys") {
  // What hash_of takes together before it mixes.
  const BlockKey first{{0x1000}, 0}, second{{0x1000 ^ 0x9e3779b97f4a7c15}, 1},
      third{{0x1000 ^ (2 * 0x9e3779b97f4a7c15)}, 2};
  REQUIRE(hash_of(first) == hash_of(second));
  REQUIRE(hash_of(first) == hash_of(third));
  EpochDomain domain;
  EpochScope scope(domain);
  BlockTable<Named> table(domain);
  Named one{first}, two{second}, other{third};
  const auto enter = [&](Named& named) {
    REQUIRE(table.claim(named.name, OnBusy::wait).claimed);
    table.publish(named.name, &named);
  };
  enter(one);
  CHECK(table.find(second) == nullptr);
  enter(two);
  CHECK(table.find(first) == &one);
  CHECK(table.find(second) == &two);
  // Behind a slot without a value is looked on, and the slot serves whoever comes next.
  CHECK(table.remove(first, &one));
  CHECK(table.find(first) == nullptr);
  CHECK(table.find(second) == &two);
  enter(other);
  CHECK(table.find(third) == &other);
  CHECK(table.find(second) == &two);
  enter(one);
  // So do they when the table has grown.
  std::vector<std::unique_ptr<Named>> more;
  for (std::uint64_t i = 0; i < 3000; ++i)
    enter(*more.emplace_back(std::make_unique<Named>(Named{{{i * 2 + 1}, 0}})));
  CHECK(table.find(first) == &one);
  CHECK(table.find(second) == &two);
  CHECK(table.find(third) == &other);
  CHECK(table.remove(second, &two));
  CHECK_FALSE(table.remove(second, &two));
  CHECK(table.find(third) == &other);
}

TEST_CASE("a claim is one thread's; the others wait or leave, and get it when it is given up") {
  EpochDomain domain;
  BlockTable<Named> table(domain);
  const BlockKey key{{100}, 0};
  Named value{key};
  REQUIRE(table.claim(key, OnBusy::wait).claimed);
  const auto busy = table.claim(key, OnBusy::leave);
  CHECK_FALSE(busy.claimed);
  CHECK(busy.value == nullptr);
  BlockTable<Named>::Claim waited;
  std::thread waiter([&] { waited = table.claim(key, OnBusy::wait); });
  table.abandon(key);
  waiter.join();
  CHECK(waited.claimed);
  BlockTable<Named>::Claim found;
  std::thread second([&] { found = table.claim(key, OnBusy::wait); });
  table.publish(key, &value);
  second.join();
  CHECK(found.value == &value);
  CHECK_FALSE(found.claimed);
}

TEST_CASE("readers, makers and removers at the same time") {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    EpochDomain domain;
    struct Live {
      BlockKey name;
      std::uint64_t check;
      BlockKey key() const { return name; }
      ~Live() { check = 0; }
    };
    BlockTable<Live> table(domain);
    constexpr std::uint64_t kKeys = 200;
    std::array<std::atomic<int>, kKeys> making{};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        test::Rng rng(seed * 10 + static_cast<std::uint64_t>(t));
        EpochParticipant self;
        domain.add(self);
        for (int i = 0; i < 4000; ++i) {
          domain.enter(self);
          const std::uint64_t n = rng.below(kKeys);
          const BlockKey key{{n}, 0};
          Live* live = table.find(key);
          if (live == nullptr) {
            const auto claim = table.claim(key, rng.percent(50) ? OnBusy::wait : OnBusy::leave);
            live = claim.value;
            if (claim.claimed) {
              if (making[n].fetch_add(1) != 0) FAIL_CHECK("two makers of one key");
              const bool gives_up = rng.percent(20);
              if (!gives_up) live = new Live{key, n ^ 0x5555};
              making[n].fetch_sub(1);
              if (gives_up) {
                table.abandon(key);
              } else {
                table.publish(key, live);
              }
            }
          } else if (rng.percent(20)) {
            // Several may try; the one that removes it retires it.
            if (table.remove(key, live)) domain.retire(live);
          }
          if (live != nullptr && (live->name != key || live->check != (n ^ 0x5555)))
            FAIL_CHECK("a dead entry");
          domain.leave(self);
        }
        domain.remove(self);
      });
    }
    for (std::thread& thread : threads) thread.join();
    std::vector<Live*> rest;
    table.for_each([&](Live& live) { rest.push_back(&live); });
    for (Live* live : rest) {
      CHECK(table.remove(live->name, live));
      delete live;
    }
    domain.reclaim();
    CHECK(domain.waiting() == 0);
  }
}

}  // namespace
}  // namespace ashlar::cache
