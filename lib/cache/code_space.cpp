// Chunks, their directories, and which to evict; see code_space.hpp.
#include "cache/code_space.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/assert.hpp"

namespace ashlar::cache {
namespace {

constexpr std::uint32_t kFirstEntries = 64;
/// Memory is asked for in steps: of the first chunk a quarter of what is used, because most programs compile
/// little.
constexpr std::uint32_t kFirstStep = 16 * 1024, kStep = 64 * 1024;

/// So many chunks are cleared ahead of need: by the time the open one is full, vCPUs have long left the
/// evicted ones.
std::size_t chunks_ahead(std::size_t chunks) { return std::max<std::size_t>(chunks / 16, 1); }

}  // namespace

CodeSpace::CodeSpace(CodeMemory& memory, std::size_t alignment)
    : memory_(memory),
      alignment_(alignment),
      chunks_(std::make_unique<Chunk[]>(memory.chunk_count())),
      wanted_(chunks_ahead(memory.chunk_count())) {
  ASHLAR_ASSERT(std::has_single_bit(alignment) && alignment >= 8,
                "the alignment of code must be a power of two from 8");
  for (std::size_t i = 0; i < memory.chunk_count(); ++i) free_.push_back(static_cast<std::uint32_t>(i));
}

CodeSpace::Reservation::Reservation(Reservation&& from) noexcept
    : space_(std::exchange(from.space_, nullptr)),
      status_(from.status_),
      recycled_(from.recycled_),
      chunk_(from.chunk_),
      first_(from.first_),
      count_(from.count_),
      begin_(from.begin_),
      size_(from.size_) {}

CodeSpace::Reservation::~Reservation() {
  if (space_ != nullptr) space_->give_back(*this);
}

void CodeSpace::Reservation::commit(std::span<const Piece> pieces) noexcept {
  CodeSpace& space = *std::exchange(space_, nullptr);
  std::lock_guard lock(space.mutex_);
  Chunk& chunk = space.chunks_[chunk_];
  Entry* entry = &chunk.directory.load(std::memory_order_relaxed)->entries[first_];
  for (const Piece& piece : pieces) entry++->translation.store(piece.translation, std::memory_order_release);
}

CodeSpace::Reservation CodeSpace::reserve(std::span<Piece> pieces) {
  const auto aligned = [this](std::size_t size) {
    return (std::max<std::size_t>(size, 1) + alignment_ - 1) & ~(alignment_ - 1);
  };
  Reservation reservation;
  if (memory_.chunk_count() == 0) return reservation;
  if (aligned(pieces[0].size) > memory_.chunk_size()) {
    reservation.status_ = Status::too_large;
    return reservation;
  }
  std::lock_guard lock(mutex_);
  clock_.store(clock_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (open_ != kNone && memory_.chunk_size() - chunks_[open_].used < aligned(pieces[0].size)) close_chunk();
  if (open_ == kNone && !open_chunk()) return reservation;

  Chunk& chunk = chunks_[open_];
  reservation.first_ = chunk.count.load(std::memory_order_relaxed);
  reservation.begin_ = memory_.chunk_begin(open_) + chunk.used;
  for (Piece& piece : pieces) {
    const std::size_t size = aligned(piece.size);
    if (size > memory_.chunk_size() - chunk.used) break;
    piece.code = memory_.chunk_begin(open_) + chunk.used;
    append(chunk, chunk.used);
    chunk.used += static_cast<std::uint32_t>(size);
    ++chunk.holders;
    ++reservation.count_;
    reservation.size_ += size;
  }
  if (chunk.used > chunk.populated) populate(open_);
  reservation.space_ = this;
  reservation.status_ = Status::reserved;
  reservation.chunk_ = open_;
  reservation.recycled_ = chunk.recycled;
  touch(open_);
  return reservation;
}

bool CodeSpace::open_chunk() {
  const bool opened = !free_.empty() && memory_.commit_chunk(free_.front());
  if (opened) {
    open_ = free_.front();
    free_.pop_front();
    chunks_[open_].state = State::open;
  }
  update_due();
  return opened;
}

void CodeSpace::populate(std::uint32_t index) noexcept {
  Chunk& chunk = chunks_[index];
  const std::uint32_t step =
      index != 0 ? kStep : std::clamp(chunk.used / 4 / kFirstStep * kFirstStep, kFirstStep, kStep);
  const auto end = static_cast<std::uint32_t>(
      std::min<std::size_t>((chunk.used + step - 1) / step * step, memory_.chunk_size()));
  memory_.populate(index, chunk.populated, end - chunk.populated);
  chunk.populated = end;
}

void CodeSpace::close_chunk() noexcept {
  const std::uint32_t closing = std::exchange(open_, kNone);
  chunks_[closing].state = State::closed;
  if (chunks_[closing].holders == 0) make_free(closing);
}

void CodeSpace::append(Chunk& chunk, std::uint32_t begin) {
  const std::uint32_t count = chunk.count.load(std::memory_order_relaxed);
  Directory* directory = chunk.directory.load(std::memory_order_relaxed);
  if (directory == nullptr || count == directory->capacity) {
    auto larger = std::make_unique<Directory>(directory == nullptr ? kFirstEntries : directory->capacity * 2);
    for (std::uint32_t i = 0; i < count; ++i) {
      const Entry& from = directory->entries[i];
      Entry& to = larger->entries[i];
      to.begin.store(from.begin.load(std::memory_order_relaxed), std::memory_order_relaxed);
      to.translation.store(from.translation.load(std::memory_order_relaxed), std::memory_order_relaxed);
    }
    directory = larger.get();
    chunk.directories.push_back(std::move(larger));
    chunk.directory.store(directory, std::memory_order_release);
  }
  directory->entries[count].begin.store(begin, std::memory_order_relaxed);
  directory->entries[count].translation.store(nullptr, std::memory_order_relaxed);
  // Who sees the count sees the entry, and a directory that has it.
  chunk.count.store(count + 1, std::memory_order_release);
}

CodeSpace::Entry* CodeSpace::entry_at(const Chunk& chunk, std::uint32_t offset) noexcept {
  const std::uint32_t count = chunk.count.load(std::memory_order_acquire);
  if (count == 0) return nullptr;
  Entry* const entries = chunk.directory.load(std::memory_order_acquire)->entries.get();
  Entry* const behind = std::upper_bound(
      entries, entries + count, offset,
      [](std::uint32_t at, const Entry& entry) { return at < entry.begin.load(std::memory_order_relaxed); });
  return behind == entries ? nullptr : behind - 1;
}

Translation* CodeSpace::find(const void* at) const noexcept {
  const std::size_t chunk = memory_.chunk_of(at);
  if (chunk == memory_.chunk_count()) return nullptr;
  const auto offset =
      static_cast<std::uint32_t>(static_cast<const std::byte*>(at) - memory_.chunk_begin(chunk));
  const Entry* entry = entry_at(chunks_[chunk], offset);
  return entry != nullptr ? entry->translation.load(std::memory_order_acquire) : nullptr;
}

void CodeSpace::release(std::uint32_t chunk, const std::byte* code) noexcept {
  std::lock_guard lock(mutex_);
  const auto offset = static_cast<std::uint32_t>(code - memory_.chunk_begin(chunk));
  Entry* const entry = entry_at(chunks_[chunk], offset);
  ASHLAR_ASSERT(entry != nullptr && entry->begin.load(std::memory_order_relaxed) == offset,
                "code was released that was never reserved");
  entry->translation.store(nullptr, std::memory_order_relaxed);
  drop_holder(chunk);
}

void CodeSpace::give_back(const Reservation& reservation) noexcept {
  std::lock_guard lock(mutex_);
  Chunk& chunk = chunks_[reservation.chunk_];
  const auto begin = static_cast<std::uint32_t>(reservation.begin_ - memory_.chunk_begin(reservation.chunk_));
  const std::uint32_t count = chunk.count.load(std::memory_order_relaxed);
  Entry* const entries = chunk.directory.load(std::memory_order_relaxed)->entries.get();
  Entry* const first = entries + reservation.first_;
  for (std::size_t i = 0; i < reservation.count_; ++i)
    first[i].translation.store(nullptr, std::memory_order_relaxed);
  if (first + reservation.count_ == entries + count && chunk.state == State::open) {
    chunk.count.store(static_cast<std::uint32_t>(first - entries), std::memory_order_release);
    chunk.used = begin;
  }
  for (std::size_t i = 0; i < reservation.count_; ++i) drop_holder(reservation.chunk_);
}

void CodeSpace::drop_holder(std::uint32_t chunk) noexcept {
  // The open chunk goes on to be filled; it is looked at when it is closed.
  if (--chunks_[chunk].holders == 0 && chunks_[chunk].state == State::closed) make_free(chunk);
}

void CodeSpace::make_free(std::uint32_t index) noexcept {
  Chunk& chunk = chunks_[index];
  chunk.used = 0;
  chunk.count.store(0, std::memory_order_release);
  chunk.state = State::free;
  // The memory goes back to the host, and no core keeps instructions from it: the chunk is as good as new.
  // That is cheaper than to synchronise at each translation that is put there later.
  chunk.recycled = !memory_.discard_chunk(index);
  if (!chunk.recycled) chunk.populated = 0;
  if (!chunk.recycled) memory_.synchronise_cores();
  free_.push_back(index);
  update_due();
}

std::size_t CodeSpace::available() const noexcept {
  std::size_t n = free_.size();
  for (std::size_t i = 0; i < memory_.chunk_count(); ++i) {
    const Chunk& chunk = chunks_[i];
    if (chunk.state == State::closed && chunk.live.load(std::memory_order_relaxed) == 0) ++n;
  }
  return n;
}

std::uint32_t CodeSpace::coldest() const noexcept {
  std::uint32_t coldest = kNone;
  for (std::size_t i = 0; i < memory_.chunk_count(); ++i) {
    const Chunk& chunk = chunks_[i];
    if (chunk.state != State::closed || chunk.live.load(std::memory_order_relaxed) == 0) continue;
    if (coldest == kNone || chunk.last_use.load(std::memory_order_relaxed) <
                                chunks_[coldest].last_use.load(std::memory_order_relaxed)) {
      coldest = static_cast<std::uint32_t>(i);
    }
  }
  return coldest;
}

void CodeSpace::update_due() noexcept {
  eviction_due_.store(free_.size() < wanted_ && available() < wanted_ && coldest() != kNone,
                      std::memory_order_relaxed);
}

std::uint32_t CodeSpace::coldest_if_due() noexcept {
  std::lock_guard lock(mutex_);
  update_due();
  return eviction_due_.load(std::memory_order_relaxed) ? coldest() : kNone;
}

std::uint32_t CodeSpace::coldest_to_close() noexcept {
  std::lock_guard lock(mutex_);
  if (const std::uint32_t found = coldest(); found != kNone) return found;
  if (open_ == kNone || chunks_[open_].live.load(std::memory_order_relaxed) == 0) return kNone;
  const std::uint32_t closing = open_;
  close_chunk();
  return closing;
}

CodeSpace::Usage CodeSpace::usage() const {
  std::lock_guard lock(mutex_);
  Usage usage{free_.size(), 0};
  for (std::size_t i = 0; i < memory_.chunk_count(); ++i)
    usage.closed_chunks += chunks_[i].state == State::closed;
  return usage;
}

}  // namespace ashlar::cache
