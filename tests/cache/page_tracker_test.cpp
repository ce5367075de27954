// The page tracker finds exactly the blocks whose guest code overlaps a range.
#include <algorithm>
#include <memory>
#include <set>
#include <vector>

#include <doctest/doctest.h>

#include "cache/page_tracker.hpp"
#include "support/rng.hpp"

namespace ashlar::cache {
namespace {

struct Block {
  explicit Block(std::vector<GuestRange> code) : ranges(std::move(code)), nodes(page_node_count(ranges)) {}
  std::span<const GuestRange> guest_ranges() const { return ranges; }
  std::span<PageNode<Block>> page_nodes() { return nodes; }
  std::vector<GuestRange> ranges;
  std::vector<PageNode<Block>> nodes;
};

std::set<const Block*> find(const PageTracker<Block>& tracker, GuestRange range) {
  std::vector<Block*> found;
  tracker.find(range, found);
  return {found.begin(), found.end()};
}

TEST_CASE("ranges at page borders and at both ends of the address space") {
  PageTracker<Block> tracker;
  Block first({{{0x1000}, 0x10}}), across({{{0x1ff8}, 0x10}}), last({{{0xfffffffffffffff0}, 0x10}}),
      wrapping({{{0xfffffffffffffffc}, 0x8}}), nothing({{{0x3000}, 0}});
  for (Block* block : {&first, &across, &last, &wrapping, &nothing}) tracker.add(*block);
  using Set = std::set<const Block*>;
  CHECK(find(tracker, {{0x1000}, 1}) == Set{&first});
  CHECK(find(tracker, {{0xfff}, 1}).empty());
  CHECK(find(tracker, {{0x100f}, 1}) == Set{&first});
  CHECK(find(tracker, {{0x1010}, 0xfe8}).empty());
  CHECK(find(tracker, {{0x2000}, 1}) == Set{&across});
  CHECK(find(tracker, {{0x1000}, 0x1000}) == Set{&first, &across});
  CHECK(find(tracker, {{0x1000}, 0}).empty());
  CHECK(find(tracker, {{0xffffffffffffffff}, 1}) == Set{&last, &wrapping});
  CHECK(find(tracker, {{0}, 1}) == Set{&wrapping});
  CHECK(find(tracker, {{0x3000}, 0x100}).empty());
  CHECK(find(tracker, {{0}, ~std::uint64_t{0}}) == Set{&first, &across, &last, &wrapping});
  for (Block* block : {&across, &last, &first, &wrapping, &nothing}) tracker.remove(*block);
  tracker.remove(first);  // again
  CHECK(tracker.empty());
  CHECK(find(tracker, {{0}, ~std::uint64_t{0}}).empty());
}

TEST_CASE("random blocks against a search through all of them") {
  constexpr std::uint64_t kSeed = 7;
  CAPTURE(kSeed);
  test::Rng rng(kSeed);
  PageTracker<Block> tracker;
  std::vector<std::unique_ptr<Block>> blocks;
  const auto random_range = [&](std::uint64_t largest) {
    return GuestRange{{0x10000 + rng.below(0x8000)}, rng.below(largest)};
  };
  for (int step = 0; step < 4000; ++step) {
    if (blocks.size() < 60 && rng.percent(60)) {
      std::vector<GuestRange> ranges;
      for (unsigned n = 1 + rng.below(3); n > 0; --n)
        ranges.push_back(random_range(rng.percent(20) ? 0x3000 : 100));
      blocks.push_back(std::make_unique<Block>(ranges));
      tracker.add(*blocks.back());
    } else if (!blocks.empty()) {
      std::swap(blocks[rng.below(blocks.size())], blocks.back());
      tracker.remove(*blocks.back());
      blocks.pop_back();
    }
    const GuestRange wanted = random_range(rng.percent(30) ? 0x9000 : 64);
    std::set<const Block*> expected;
    for (const auto& block : blocks) {
      const bool overlaps = std::any_of(block->ranges.begin(), block->ranges.end(),
                                        [&](const GuestRange& range) { return range.overlaps(wanted); });
      if (overlaps) expected.insert(block.get());
    }
    REQUIRE(find(tracker, wanted) == expected);
  }
}

}  // namespace
}  // namespace ashlar::cache
