// The cache of IR blocks; see ir_cache.hpp. Lock order: the cache's mutex, then a shard of the table.
#include "engine/ir_cache.hpp"

#include <memory>
#include <new>
#include <utility>

#include "base/slab.hpp"
#include "interp/prepare.hpp"

namespace ashlar::engine {

using interp::CodeBlock;

IrBlock* IrBlock::make(ir::BlockPtr block, const CodeDigest& digest, Form form) {
  const GuestRange own{block->key().addr, 1};
  const std::size_t exits = block->exits().size();
  const std::size_t nodes = block->guest_ranges().empty() ? 1 : cache::page_node_count(block->guest_ranges());
  using Node = cache::PageNode<IrBlock>;
  static_assert(sizeof(IrBlock) % alignof(Link) == 0 && sizeof(Link) % alignof(Node) == 0 &&
                sizeof(Node) % alignof(std::atomic<CodeBlock*>) == 0 &&
                sizeof(std::atomic<CodeBlock*>) % alignof(ir::Inst) == 0);
  const std::size_t insts = form == Form::prepared ? block->insts().size() : 0;
  const std::size_t bytes = sizeof(IrBlock) + exits * sizeof(Link) + nodes * sizeof(Node) +
                            exits * sizeof(std::atomic<CodeBlock*>) + insts * sizeof(ir::Inst);
  auto* at = static_cast<std::byte*>(slab_allocate(bytes));
  auto* made = new (at) IrBlock;
  made->bytes_ = bytes;
  at += sizeof(IrBlock);
  made->links_ = reinterpret_cast<Link*>(at);
  std::uninitialized_value_construct_n(made->links_, exits);
  at += exits * sizeof(Link);
  made->page_nodes_ = reinterpret_cast<Node*>(at);
  std::uninitialized_value_construct_n(made->page_nodes_, nodes);
  at += nodes * sizeof(Node);
  made->successors = reinterpret_cast<std::atomic<CodeBlock*>*>(at);
  std::uninitialized_value_construct_n(made->successors, exits);
  at += exits * sizeof(std::atomic<CodeBlock*>);
  made->insts = block->insts().data();
  if (form == Form::prepared) {
    auto* const prepared = reinterpret_cast<ir::Inst*>(at);
    std::uninitialized_value_construct_n(prepared, insts);
    interp::prepare(block->insts(), {prepared, insts});
    made->insts = prepared;
  }
  made->page_node_count_ = nodes;
  made->own_range_ = own;
  made->digest_ = digest;
  made->block = block.get();
  made->owned_ = std::move(block);
  return made;
}

void IrBlock::destroy(void* object) noexcept {
  auto* const block = static_cast<IrBlock*>(object);
  const std::size_t bytes = block->bytes_;
  block->~IrBlock();
  slab_free(object, bytes);
}

IrBlock& IrBlock::Once::set(const ir::Block& body) noexcept {
  static std::atomic<CodeBlock*> unlinked[kMostExits];  // stays null
  body_.emplace(body);
  block_.block = &*body_;
  block_.insts = body_->insts().data();
  block_.successors = unlinked;
  block_.executions.store(0, std::memory_order_relaxed);
  return block_;
}

IrCache::~IrCache() {
  // Nobody is inside: no need to take them out of tables and lists one by one.
  std::vector<IrBlock*> left;
  table_.for_each([&](IrBlock& block) { left.push_back(&block); });
  for (IrBlock* block : left) IrBlock::destroy(block);
}

IrCache::Got IrCache::get(const BlockKey& key, TranslationBuffers& buffers, StatsCell& stats,
                          IrBlock::Form form) {
  if (IrBlock* block = table_.find(key)) {
    stats.add(Stat::lookup_hits);
    return {block, {}, true};
  }
  stats.add(Stat::lookup_misses);
  first_use(key);
  if (const auto claim = table_.claim(key, cache::OnBusy::wait); !claim.claimed)
    return {claim.value, {}, true};

  // A thread that changes this code again and again can't keep us here: after some attempts the block is run
  // once, unpublished, as if it had been made just before the change.
  constexpr int kAttempts = 4;
  for (int attempt = 1;; ++attempt) {
    const ChangeLog::Moment since = changes_.now();
    Translated translated = translator_.translate(key, buffers, stats);
    if (translated.block == nullptr) {
      table_.abandon(key);
      return {nullptr, translated.fault, false};
    }
    IrBlock* const made = IrBlock::make(std::move(translated.block), translated.digest, form);
    if (add(key, since, made) != nullptr) return {made, {}, false};
    if (attempt == kAttempts) {
      table_.abandon(key);
      const cache::EpochDomain::Garbage garbage{made, IrBlock::destroy};
      domain_.retire(&garbage, 1);
      return {made, {}, false, true};
    }
    IrBlock::destroy(made);
  }
}

/// Publishes; null, and nothing done, when the guest code has changed since.
IrBlock* IrCache::add(const BlockKey& key, ChangeLog::Moment since, IrBlock* made) {
  std::lock_guard lock(mutex_);
  if (changes_.changed_since(since, made->guest_ranges())) return nullptr;
  made->alive_ = true;
  pages_.add(*made);
  table_.publish(key, made);
  stats_.add(Stat::ir_blocks_live);
  return made;
}

void IrCache::link(IrBlock& from, std::uint32_t exit, IrBlock& to, StatsCell& stats) {
  // The interpreter keeps one rounding mode from block to block.
  if (from.block->host_rounding() != to.block->host_rounding()) return;
  std::lock_guard lock(mutex_);
  IrBlock::Link& link = from.links_[exit];
  if (!from.alive_ || !to.alive_ || link.to != nullptr) return;
  link = {&from, &to, nullptr, to.incoming_};
  if (to.incoming_ != nullptr) to.incoming_->previous = &link;
  to.incoming_ = &link;
  from.successors[exit].store(&to, std::memory_order_release);
  stats.add(Stat::links);
}

/// Under the lock.
void IrCache::unlink(IrBlock::Link& link, std::uint32_t exit) {
  link.from->successors[exit].store(nullptr, std::memory_order_release);
  if (link.next != nullptr) link.next->previous = link.previous;
  if (link.previous != nullptr) {
    link.previous->next = link.next;
  } else {
    link.to->incoming_ = link.next;
  }
  link = {};
}

void IrCache::remove(const Lock&, IrBlock& block, Removed& removed) {
  if (!block.alive_) return;
  block.alive_ = false;
  table_.remove(block.key(), &block);
  pages_.remove(block);
  std::uint64_t unlinked = 0;
  while (IrBlock::Link* link = block.incoming_) {
    unlink(*link, static_cast<std::uint32_t>(link - link->from->links_));
    ++unlinked;
  }
  for (std::uint32_t exit = 0; exit < block.block->exits().size(); ++exit) {
    if (block.links_[exit].to == nullptr) continue;
    unlink(block.links_[exit], exit);
    ++unlinked;
  }
  removed.push_back({&block, IrBlock::destroy});
  stats_.add(Stat::unlinks, unlinked);
  stats_.add(Stat::blocks_invalidated);
  stats_.subtract(Stat::ir_blocks_live);
}

void IrCache::remove(const Lock& lock, GuestRange range, Removed& removed) {
  std::vector<IrBlock*> found;
  pages_.find(range, found);
  for (IrBlock* block : found) remove(lock, *block, removed);
}

void IrCache::remove_all(const Lock& lock, Removed& removed) {
  std::vector<IrBlock*> found;
  table_.for_each([&](IrBlock& block) { found.push_back(&block); });
  for (IrBlock* block : found) remove(lock, *block, removed);
}

void IrCache::remove_changed(const Lock& lock, Removed& removed) {
  std::vector<IrBlock*> found;
  table_.for_each([&](IrBlock& block) {
    if (!translator_.unchanged(block.guest_ranges(), block.digest())) found.push_back(&block);
  });
  for (IrBlock* block : found) remove(lock, *block, removed);
}

}  // namespace ashlar::engine
