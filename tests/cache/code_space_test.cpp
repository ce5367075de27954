// The space for code: placement, giving back, finding by address, and which chunk is the coldest.
#include <algorithm>
#include <map>
#include <vector>

#include <doctest/doctest.h>

#include "cache/code_space.hpp"
#include "fake_code.hpp"
#include "support/rng.hpp"

namespace ashlar::cache {
namespace {

using test::make_memory;
using Status = CodeSpace::Status;

/// The space does not look into translations: any address will do.
Translation* name(std::uintptr_t n) { return reinterpret_cast<Translation*>(n * 8); }

TEST_CASE("pieces lie side by side, aligned, and are found by every address in them") {
  auto memory = make_memory(CodeMemoryKind::dual_mapped, 64 << 10);
  CodeSpace space(*memory, 32);
  std::vector<CodeSpace::Piece> pieces = {{1, name(1)}, {32, name(2)}, {33, name(3)}, {0, name(4)}};
  auto reservation = space.reserve(pieces);
  REQUIRE(reservation.status() == Status::reserved);
  CHECK(reservation.count() == 4);
  CHECK(reservation.size() == 32 + 32 + 64 + 32);
  CHECK(!reservation.recycled());
  const std::byte* const begin = reservation.begin();
  CHECK(pieces[0].code == begin);
  CHECK(pieces[1].code == begin + 32);
  CHECK(pieces[2].code == begin + 64);
  CHECK(pieces[3].code == begin + 128);
  CHECK(space.find(begin) == nullptr);
  reservation.commit(pieces);
  CHECK(space.find(begin) == name(1));
  CHECK(space.find(begin + 32) == name(2));
  CHECK(space.find(begin + 63) == name(2));
  CHECK(space.find(begin + 96) == name(3));
  CHECK(space.find(begin - 1) == nullptr);
  CHECK(space.find(&space) == nullptr);
  CHECK(space.find(nullptr) == nullptr);
  space.release(reservation.chunk(), pieces[1].code);
  CHECK(space.find(begin + 40) == nullptr);
  CHECK(space.find(begin + 64) == name(3));
}

TEST_CASE("what is not committed is given back") {
  auto memory = make_memory(CodeMemoryKind::dual_mapped, 64 << 10);
  CodeSpace space(*memory, 16);
  std::vector<CodeSpace::Piece> kept = {{16, name(1)}}, dropped = {{100, name(2)}, {100, name(3)}};
  auto first = space.reserve(kept);
  first.commit(kept);
  const std::byte* place = nullptr;
  {
    auto second = space.reserve(dropped);
    place = second.begin();
    CHECK(second.count() == 2);
  }
  CHECK(space.find(place) == name(1));  // between two: the one before, which says whether it has the address
  auto third = space.reserve(dropped);
  CHECK(third.begin() == place);
  {
    // Not the last any more: its space stays unused.
    auto moved = std::move(third);
    auto fourth = space.reserve(kept);
    CHECK(fourth.begin() > place);
    fourth.commit(kept);
  }
  CHECK(space.find(place) == nullptr);
  CHECK(space.find(place + 224) == name(1));
}

TEST_CASE("a batch is cut at the end of a chunk; what is larger than one is refused") {
  auto memory = make_memory(CodeMemoryKind::dual_mapped, 64 << 10);
  CodeSpace space(*memory, 16);
  const std::size_t chunk = memory->chunk_size();
  std::vector<CodeSpace::Piece> pieces = {{chunk / 2, name(1)}, {chunk / 2, name(2)}, {16, name(3)}};
  auto first = space.reserve(pieces);
  CHECK(first.count() == 2);
  first.commit(std::span(pieces).first(2));
  auto second = space.reserve(std::span(pieces).subspan(2));
  CHECK(second.count() == 1);
  CHECK(second.chunk() != first.chunk());
  second.commit(std::span(pieces).subspan(2));
  std::vector<CodeSpace::Piece> whole = {{chunk, name(4)}}, larger = {{chunk + 1, name(5)}};
  auto third = space.reserve(whole);
  CHECK(third.status() == Status::reserved);
  auto fourth = space.reserve(larger);
  CHECK(fourth.status() == Status::too_large);
  CHECK(fourth.count() == 0);
}

TEST_CASE("space ends, the coldest chunk is named, and comes back once it is empty") {
  auto memory = make_memory(CodeMemoryKind::dual_mapped, 64 << 10);  // four chunks
  CodeSpace space(*memory, 16);
  std::map<std::uint32_t, std::vector<const std::byte*>> in;
  const auto take = [&] {
    std::vector<CodeSpace::Piece> piece = {{memory->chunk_size() / 4, name(9)}};
    auto reservation = space.reserve(piece);
    if (reservation.status() != Status::reserved) return false;
    reservation.commit(piece);
    space.add_live(reservation.chunk());
    in[reservation.chunk()].push_back(piece[0].code);
    return true;
  };
  int taken = 0;
  while (take()) {
    ++taken;
    REQUIRE(taken <= 16);
    // From the moment that the last chunk is opened.
    CHECK(space.eviction_due() == (taken > 12));
  }
  CHECK(taken == 16);
  CHECK(space.eviction_due());
  std::vector<std::uint32_t> order;
  for (const auto& [chunk, codes] : in) order.push_back(chunk);
  REQUIRE(order.size() == 4);

  space.touch(order[0]);  // was the coldest until now
  const std::uint32_t coldest = space.coldest_if_due();
  CHECK(coldest == order[1]);
  std::vector<Translation*> found;
  space.collect(
      coldest, [](const Translation&) { return true; }, found);
  CHECK(found == std::vector<Translation*>(4, name(9)));
  for (int i = 0; i < 4; ++i) space.remove_live(coldest);
  CHECK(space.coldest_if_due() == CodeSpace::kNone);  // enough becomes free
  CHECK(!space.eviction_due());
  CHECK(!take());
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(!take());
    space.release(coldest, in[coldest][i]);
  }
  in[coldest].clear();
  REQUIRE(take());
  CHECK(in[coldest].size() == 1);
  std::vector<CodeSpace::Piece> piece = {{16, name(1)}};
  CHECK(!space.reserve(piece).recycled());  // its pages are new
  CHECK(space.usage().closed_chunks == 3);
}

TEST_CASE("random placements are found until they are released") {
  constexpr std::uint64_t kSeed = 11;
  CAPTURE(kSeed);
  test::Rng rng(kSeed);
  auto memory = make_memory(CodeMemoryKind::toggled, 128 << 10);
  CodeSpace space(*memory, 16);
  struct Placed {
    const std::byte* code;
    std::size_t size;
    std::uint32_t chunk;
    Translation* translation;
  };
  std::vector<Placed> placed;
  std::uintptr_t next = 1;
  for (int step = 0; step < 20000; ++step) {
    if (rng.percent(52)) {
      std::vector<CodeSpace::Piece> pieces;
      for (unsigned n = 1 + rng.below(4); n > 0; --n) pieces.push_back({1 + rng.below(400), name(next++)});
      auto reservation = space.reserve(pieces);
      if (reservation.status() == Status::reserved && !rng.percent(10)) {
        for (std::size_t i = 0; i < reservation.count(); ++i) {
          placed.push_back({pieces[i].code, pieces[i].size, reservation.chunk(), pieces[i].translation});
        }
        reservation.commit(std::span(pieces).first(reservation.count()));
      }
    } else if (!placed.empty()) {
      // Mostly old ones, so that chunks become empty.
      const std::size_t i =
          rng.below(rng.percent(90) ? std::min<std::size_t>(placed.size(), 8) : placed.size());
      space.release(placed[i].chunk, placed[i].code);
      placed.erase(placed.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if (placed.empty()) continue;
    const Placed& some = placed[rng.below(placed.size())];
    REQUIRE(space.find(some.code + rng.below(some.size)) == some.translation);
  }
  std::sort(placed.begin(), placed.end(), [](const Placed& a, const Placed& b) { return a.code < b.code; });
  for (std::size_t i = 1; i < placed.size(); ++i) {
    REQUIRE(placed[i - 1].code + placed[i - 1].size <= placed[i].code);
  }
  for (const Placed& p : placed) space.release(p.chunk, p.code);
  // All but the open one are free.
  CHECK(space.usage().closed_chunks == 0);
}

}  // namespace
}  // namespace ashlar::cache
