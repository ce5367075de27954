// Blocks: one allocation that holds the header and, behind it, the block's arrays.
#include <algorithm>
#include <cstring>
#include <new>
#include <type_traits>

#include <ashlar/ir.hpp>

#include "base/slab.hpp"
#include "ir/equal.hpp"

namespace ashlar::ir {

namespace {

// Arrays follow each other in falling alignment, so that none needs padding in front of it.
static_assert(alignof(Block) == 8 && alignof(Exit) == 8 && alignof(Boundary) == 8 &&
              alignof(GuestRange) == 8);
static_assert(sizeof(Block) % 8 == 0 && alignof(Inst) <= 8 && sizeof(Inst) % alignof(Inst) == 0);

template <typename T>
const T* place(std::byte*& at, std::span<const T> from) noexcept {
  static_assert(std::is_trivially_copyable_v<T>);
  T* to = reinterpret_cast<T*>(at);
  if (!from.empty()) std::memcpy(static_cast<void*>(to), from.data(), from.size_bytes());
  at += from.size_bytes();
  return to;
}

}  // namespace

Block::Ptr Block::make(const Parts& parts) {
  const auto ranges = parts.ranges.first(std::min(parts.ranges.size(), kMaxRanges));
  const std::size_t bytes = sizeof(Block) + parts.exits.size_bytes() + parts.boundaries.size_bytes() +
                            ranges.size_bytes() + parts.insts.size_bytes();
  auto* storage = static_cast<std::byte*>(slab_allocate(bytes));
  Ptr block(::new (storage) Block());
  block->key_ = parts.key;
  std::byte* at = storage + sizeof(Block);
  block->exits_ = place(at, parts.exits);
  block->boundaries_ = place(at, parts.boundaries);
  block->ranges_ = place(at, ranges);
  block->insts_ = place(at, parts.insts);
  block->inst_count_ = static_cast<std::uint32_t>(parts.insts.size());
  block->exit_count_ = static_cast<std::uint32_t>(parts.exits.size());
  block->boundary_count_ = static_cast<std::uint32_t>(parts.boundaries.size());
  block->range_count_ = static_cast<std::uint32_t>(ranges.size());
  block->temp_count_ = parts.temp_count;
  block->bytes_ = static_cast<std::uint32_t>(bytes);
  block->host_rounding_ = parts.host_rounding;
  return block;
}

Block Block::over(const Parts& parts) noexcept {
  Block block;
  block.key_ = parts.key;
  block.insts_ = parts.insts.data();
  block.exits_ = parts.exits.data();
  block.boundaries_ = parts.boundaries.data();
  block.ranges_ = parts.ranges.data();
  block.inst_count_ = static_cast<std::uint32_t>(parts.insts.size());
  block.exit_count_ = static_cast<std::uint32_t>(parts.exits.size());
  block.boundary_count_ = static_cast<std::uint32_t>(parts.boundaries.size());
  block.range_count_ = static_cast<std::uint32_t>(std::min(parts.ranges.size(), kMaxRanges));
  block.temp_count_ = parts.temp_count;
  block.host_rounding_ = parts.host_rounding;
  return block;
}

void Block::Deleter::operator()(Block* block) const noexcept {
  static_assert(std::is_trivially_destructible_v<Block>);
  slab_free(block, block->memory_bytes());
}

const Boundary* Block::boundary_of(std::size_t index) const noexcept {
  const auto all = boundaries();
  // Of guest instructions that begin at the same place only the last one has instructions.
  const auto behind = std::upper_bound(all.begin(), all.end(), index,
                                       [](std::size_t i, const Boundary& b) { return i < b.first_inst; });
  return behind == all.begin() ? nullptr : &*std::prev(behind);
}

std::uint32_t Block::guest_insts_before(std::size_t index) const noexcept {
  const Boundary* boundary = boundary_of(index);
  return boundary ? static_cast<std::uint32_t>(boundary - boundaries_) : 0;
}

bool equal(const Block& a, const Block& b) noexcept {
  const auto same_exit = [](const Exit& x, const Exit& y) { return x.target == y.target; };
  const auto same_boundary = [](const Boundary& x, const Boundary& y) {
    return x.pc == y.pc && x.first_inst == y.first_inst && x.length == y.length && x.join == y.join;
  };
  return a.key() == b.key() && a.temp_count() == b.temp_count() && a.host_rounding() == b.host_rounding() &&
         std::ranges::equal(a.insts(), b.insts()) && std::ranges::equal(a.exits(), b.exits(), same_exit) &&
         std::ranges::equal(a.boundaries(), b.boundaries(), same_boundary) &&
         std::ranges::equal(a.guest_ranges(), b.guest_ranges());
}

Block::Parts parts_of(const Block& block) noexcept {
  return {block.key(),          block.insts(),      block.exits(),        block.boundaries(),
          block.guest_ranges(), block.temp_count(), block.host_rounding()};
}

}  // namespace ashlar::ir
