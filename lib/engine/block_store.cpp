// Blocks registered under ids, as a front end; see <ashlar/block_store.hpp>.
#include <ashlar/block_store.hpp>

#include <mutex>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <ashlar/ir_text.hpp>

#include "ir/equal.hpp"

namespace ashlar {

struct BlockStore::Impl {
  const StateLayout layout;
  const std::vector<Helper> helpers;
  mutable std::shared_mutex mutex;
  std::unordered_map<std::uint64_t, ir::BlockPtr> blocks;

  Result<void> put(std::uint64_t id, const ir::Block::Parts& parts, bool replace) {
    if (auto verified = ir::verify(parts, layout, helpers.size()); !verified) return verified;
    ir::BlockPtr block = ir::Block::make(parts);
    std::unique_lock lock(mutex);
    ir::BlockPtr& place = blocks[id];
    if (place != nullptr && !replace) {
      return Error{ErrorCode::already_exists,
                   "a block with id " + std::to_string(id) + " is registered already"};
    }
    place = std::move(block);
    return {};
  }
};

BlockStore::BlockStore(StateLayout layout, std::vector<Helper> helpers)
    : impl_(new Impl{std::move(layout), std::move(helpers), {}, {}}) {}
BlockStore::~BlockStore() = default;

Result<void> BlockStore::add(std::uint64_t id, const ir::Block& block) {
  return impl_->put(id, ir::parts_of(block), false);
}

Result<void> BlockStore::add(std::uint64_t id, const BlockBuilder& builder) {
  return impl_->put(id, builder.parts(), false);
}

Result<void> BlockStore::replace(std::uint64_t id, const ir::Block& block) {
  return impl_->put(id, ir::parts_of(block), true);
}

Result<void> BlockStore::remove(std::uint64_t id) {
  std::unique_lock lock(impl_->mutex);
  if (impl_->blocks.erase(id) == 0) {
    return Error{ErrorCode::unknown_block, "no block is registered under id " + std::to_string(id)};
  }
  return {};
}

bool BlockStore::contains(std::uint64_t id) const {
  std::shared_lock lock(impl_->mutex);
  return impl_->blocks.contains(id);
}

std::size_t BlockStore::size() const {
  std::shared_lock lock(impl_->mutex);
  return impl_->blocks.size();
}

const StateLayout& BlockStore::layout() const noexcept { return impl_->layout; }
std::span<const Helper> BlockStore::helpers() const noexcept { return impl_->helpers; }

TranslateResult BlockStore::translate(BlockKey key, GuestMemory*, const TranslateLimits&,
                                      BlockBuilder& out) const {
  const TranslateResult unknown{{FaultKind::unmapped, AccessKind::fetch, key.addr}};
  std::shared_lock lock(impl_->mutex);
  const auto found = impl_->blocks.find(key.addr.value);
  if (found == impl_->blocks.end() || key.mode != 0) return unknown;
  ir::Block::Parts parts = ir::parts_of(*found->second);
  // What the block covers besides, as far as there is room, comes behind what it is invalidated by.
  std::vector<GuestRange> ranges{range_of(key.addr.value)};
  ranges.insert(ranges.end(), parts.ranges.begin(), parts.ranges.end());
  parts.ranges = ranges;
  out.begin(key);
  out.assign(parts);
  return {};
}

std::string BlockStore::disassemble(GuestAddr at, GuestMemory*, unsigned* length) const {
  std::shared_lock lock(impl_->mutex);
  const auto found = impl_->blocks.find(at.value);
  if (length != nullptr) *length = found == impl_->blocks.end() ? 0 : 1;
  return found == impl_->blocks.end() ? std::string() : "block " + std::to_string(at.value);
}

}  // namespace ashlar
