// The code cache; see code_cache.hpp.
#include "cache/code_cache.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/assert.hpp"

namespace ashlar::cache {

CodeCache::CodeCache(CodeMemory& memory, const codegen::Patcher& patcher, std::size_t alignment,
                     EpochDomain& domain, LiveStats& stats)
    : memory_(memory), domain_(domain), stats_(stats), space_(memory, alignment), linker_(memory, patcher) {}

CodeCache::~CodeCache() {
  Removed left;
  remove_all(lock(), left);
  for (const auto& garbage : left) garbage.destroy(garbage.object);
  // What was retired before refers to this cache. Nobody is inside: it can go now.
  domain_.reclaim();
  for (const auto& table : tables_) delete table.load(std::memory_order_relaxed);
}

BlockTable<Translation>& CodeCache::make_table(Flavour flavour) {
  std::lock_guard lock(making_table_);
  auto& place = tables_[flavour.index()];
  if (place.load(std::memory_order_relaxed) == nullptr)
    place.store(std::make_unique<BlockTable<Translation>>(domain_).release(), std::memory_order_release);
  return *place.load(std::memory_order_relaxed);
}

Translation* CodeCache::find_by_pc(const void* pc) const noexcept {
  Translation* const translation = space_.find(pc);
  return translation != nullptr && translation->contains(pc) ? translation : nullptr;
}

CodeCache::ExitRef CodeCache::site_of(const void* return_address) const noexcept {
  Translation* const translation = find_by_pc(static_cast<const std::byte*>(return_address) - 1);
  if (translation == nullptr) return {};
  const std::uint32_t exit = translation->exit_at(return_address);
  if (exit == Translation::kNoExit && !translation->is_threshold(return_address)) return {};
  return {translation, exit};
}

CodeCache::FaultRef CodeCache::access_fault(const void* pc) const noexcept {
  Translation* const translation = find_by_pc(pc);
  if (translation == nullptr) return {};
  return {translation, translation->access_fault_at(pc)};
}

CodeCache::FaultRef CodeCache::check_fault(const void* return_address) const noexcept {
  Translation* const translation = find_by_pc(static_cast<const std::byte*>(return_address) - 1);
  if (translation == nullptr) return {};
  return {translation, translation->check_fault_at(return_address)};
}

CodeCache::Outcome CodeCache::make(std::span<Making> batch, Flavour flavour) {
  constexpr std::size_t kAtOnce = 16;
  while (!batch.empty()) {
    const std::span<Making> now = batch.first(std::min(batch.size(), kAtOnce));
    std::array<CodeSpace::Piece, kAtOnce> pieces;  // not cleared: it is one at a time as a rule
    for (std::size_t i = 0; i < now.size(); ++i)
      pieces[i] = {now[i].emitted->code.size(),
                   Translation::make(*now[i].emitted, flavour, now[i].note, *this)};
    if (const Outcome outcome = place(now, std::span(pieces).first(now.size())); outcome != Outcome::made)
      return outcome;
    batch = batch.subspan(now.size());
  }
  return Outcome::made;
}

/// Gives the pieces, which are the batch's translations, their places in code memory.
CodeCache::Outcome CodeCache::place(std::span<Making> batch, std::span<CodeSpace::Piece> pieces) {
  const auto give_up = [&](Outcome outcome) {
    for (const CodeSpace::Piece& piece : pieces) Translation::destroy(piece.translation);
    return outcome;
  };
  while (!pieces.empty()) {
    CodeSpace::Reservation reservation = space_.reserve(pieces);
    if (reservation.status() == CodeSpace::Status::too_large) return give_up(Outcome::too_large);
    if (reservation.status() == CodeSpace::Status::no_space) return give_up(Outcome::no_space);
    const std::size_t count = reservation.count();
    std::uint64_t bytes = 0;
    {
      CodeWrite write(memory_, reservation.begin(), reservation.size());
      if (!write.ok()) return give_up(Outcome::no_space);
      for (std::size_t i = 0; i < count; ++i) {
        const auto& code = batch[i].emitted->code;
        std::memcpy(write.writable(pieces[i].code), code.data(), code.size());
        bytes += code.size();
      }
    }
    if (reservation.recycled()) memory_.synchronise_cores();
    for (std::size_t i = 0; i < count; ++i) {
      Translation* const translation = pieces[i].translation;
      translation->code_ = pieces[i].code;
      translation->chunk_ = reservation.chunk();
      batch[i].made = translation;
    }
    stats_.add(Stat::code_bytes_emitted, bytes);
    reservation.commit(pieces.first(count));
    pieces = pieces.subspan(count);
    batch = batch.subspan(count);
  }
  return Outcome::made;
}

void CodeCache::publish(const CacheLock& lock, std::span<Translation* const> made) {
  ASHLAR_ASSERT(lock.holds(mutex_), "a code cache was changed under the lock of another");
  static_cast<void>(lock);
  for (Translation* translation : made) {
    ASHLAR_ASSERT(translation->state_ == Translation::State::made, "a translation was published twice");
    translation->state_ = Translation::State::live;
    space_.add_live(translation->chunk_);
    pages_.add(*translation);
    stats_.add(Stat::code_bytes_live, translation->code_size_);
    table(translation->flavour_).publish(translation->key_, translation);
  }
}

bool CodeCache::link(Translation& from, std::uint32_t exit, Translation& to) {
  const CacheLock held = lock();
  if (!linker_.link(held, from, exit, to)) return false;
  stats_.add(Stat::links);
  space_.touch(to.chunk_);
  return true;
}

void CodeCache::retire(Translation& translation, Removed& removed) {
  translation.state_ = Translation::State::retired;
  stats_.add(Stat::code_bytes_retired, translation.code_size_);
  removed.push_back({&translation, destroy});
}

/// Some may stand there more than once.
void CodeCache::remove(const CacheLock& lock, std::span<Translation* const> found, Removed& removed) {
  ASHLAR_ASSERT(lock.holds(mutex_), "a code cache was changed under the lock of another");
  const std::size_t first = removed.size();
  for (Translation* translation : found) {
    if (translation->state_ != Translation::State::live) continue;
    table(translation->flavour_).remove(translation->key_, translation);
    pages_.remove(*translation);
    space_.remove_live(translation->chunk_);
    stats_.subtract(Stat::code_bytes_live, translation->code_size_);
    retire(*translation, removed);
  }
  std::uint64_t unlinks = 0;
  for (std::size_t i = first; i < removed.size(); ++i) {
    unlinks += linker_.detach(lock, *static_cast<Translation*>(removed[i].object));
  }
  stats_.add(Stat::unlinks, unlinks);
  stats_.add(Stat::blocks_invalidated, removed.size() - first);
}

void CodeCache::remove(const CacheLock& lock, GuestRange range, Removed& removed) {
  std::vector<Translation*> found;
  pages_.find(range, found);
  remove(lock, found, removed);
}

void CodeCache::remove(const CacheLock& lock, const BlockKey& key, Flavour flavour, Removed& removed) {
  Translation* const translation = find(key, flavour);
  if (translation != nullptr) remove(lock, {&translation, 1}, removed);
}

void CodeCache::remove_all(const CacheLock& lock, Removed& removed) {
  remove_if(
      lock, [](const Translation&) { return true; }, removed);
}

void CodeCache::withdraw(const CacheLock& lock, Translation& made, Removed& removed) {
  ASHLAR_ASSERT(lock.holds(mutex_) && made.state_ == Translation::State::made,
                "a published translation was withdrawn");
  static_cast<void>(lock);
  retire(made, removed);
}

void CodeCache::evict(const CacheLock& lock, Removed& removed) {
  for (;;) {
    const std::uint32_t chunk = space_.coldest_if_due();
    if (chunk == CodeSpace::kNone) return;
    std::vector<Translation*> found;
    space_.collect(
        chunk, [](const Translation& t) { return t.state_ == Translation::State::live; }, found);
    remove(lock, found, removed);
    stats_.add(Stat::evictions);
  }
}

std::uint64_t CodeCache::trim(const CacheLock& lock, std::uint64_t bytes, Removed& removed) {
  std::uint64_t trimmed = 0;
  while (trimmed < bytes) {
    const std::uint32_t chunk = space_.coldest_to_close();
    if (chunk == CodeSpace::kNone) break;
    std::vector<Translation*> found;
    space_.collect(
        chunk, [](const Translation& t) { return t.state_ == Translation::State::live; }, found);
    for (const Translation* translation : found) trimmed += translation->code_size_;
    remove(lock, found, removed);
  }
  return trimmed;
}

/// By the epoch domain, when nobody can be inside.
void CodeCache::destroy(void* object) noexcept {
  auto* const translation = static_cast<Translation*>(object);
  CodeCache& cache = *translation->cache_;
  cache.stats_.subtract(Stat::code_bytes_retired, translation->code_size_);
  const std::uint32_t chunk = translation->chunk_;
  const std::byte* const code = translation->code_;
  // Last: from then on the next code may be written there.
  cache.space_.release(chunk, code);
  Translation::destroy(translation);
}

}  // namespace ashlar::cache
