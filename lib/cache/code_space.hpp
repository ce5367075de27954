// Who has which piece of code memory: chunks that are filled from front to back, the directory that finds a
// translation by host address, and the clock by which the coldest chunk is found. Used by the code cache.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/zero_pages.hpp"
#include "cache/code_memory.hpp"

namespace ashlar::cache {

class Translation;

/// Thread-safe. Its own lock is the last of the cache's locks: nothing is called while it is held.
///
/// The life of a chunk: free, then open (one at most: reservations are cut from it), then closed (full), and
/// free again when the last translation in it has been released. Whoever executes a chunk or asks for an
/// address in it is inside the epoch domain since before its translation was removed, so that the chunk can't
/// become free meanwhile.
class CodeSpace {
 public:
  /// `alignment` of each translation: a power of two, at least 8.
  CodeSpace(CodeMemory& memory, std::size_t alignment);
  CodeSpace(const CodeSpace&) = delete;
  CodeSpace& operator=(const CodeSpace&) = delete;

  enum class Status : std::uint8_t {
    reserved,
    no_space,   ///< until chunks have been evicted and nobody can be inside any more
    too_large,  ///< larger than a chunk: never
  };
  struct Piece {
    std::size_t size;
    Translation* translation;
    const std::byte* code = nullptr;  ///< result
  };

  /// Space for some pieces, side by side. Given back when it is not committed.
  class Reservation {
   public:
    Reservation(Reservation&& from) noexcept;
    Reservation& operator=(Reservation&&) = delete;
    ~Reservation();

    Status status() const noexcept { return status_; }
    /// The first so many of the pieces; 0 unless the status is `reserved`.
    std::size_t count() const noexcept { return count_; }
    std::uint32_t chunk() const noexcept { return chunk_; }
    const std::byte* begin() const noexcept { return begin_; }
    std::size_t size() const noexcept { return size_; }
    /// Other code was executed here before, and its pages are still the same: see
    /// CodeMemory::synchronise_cores.
    bool recycled() const noexcept { return recycled_; }
    /// The pieces, which are those that were reserved, belong to their translations now, each of which must
    /// be released. From here on `find` finds them, and who finds them sees what was written to translation
    /// and code before.
    void commit(std::span<const Piece> pieces) noexcept;

   private:
    friend class CodeSpace;
    Reservation() = default;
    CodeSpace* space_ = nullptr;
    Status status_ = Status::no_space;
    bool recycled_ = false;
    std::uint32_t chunk_ = 0;
    std::uint32_t first_ = 0;  ///< of its entries in the chunk's directory
    std::size_t count_ = 0;
    const std::byte* begin_ = nullptr;
    std::size_t size_ = 0;
  };
  /// For as many of the pieces, from the first, as fit in one chunk. Precondition: there are pieces.
  Reservation reserve(std::span<Piece> pieces);

  /// The translation that starts at `code` is gone: nobody executes it any more.
  void release(std::uint32_t chunk, const std::byte* code) noexcept;

  /// The translation whose code an executable address is in, or the one before it if it is between two; or
  /// null. Lock-free and async-signal-safe. Precondition: the caller is inside the epoch domain, or the
  /// address is not in the code memory.
  Translation* find(const void* at) const noexcept;

  /// The translation is in use: its chunk is warm.
  void touch(std::uint32_t chunk) noexcept { touch(chunks_[chunk].last_use); }
  /// The same, by what `last_use` gave.
  using LastUse = std::atomic<std::uint64_t>;
  LastUse& last_use(std::uint32_t chunk) noexcept { return chunks_[chunk].last_use; }
  void touch(LastUse& last) noexcept {
    const std::uint64_t now = clock_.load(std::memory_order_relaxed);
    if (last.load(std::memory_order_relaxed) != now) last.store(now, std::memory_order_relaxed);
  }

  /// Translations of the chunk that can be found: the caller's count, changed under the caller's lock.
  void add_live(std::uint32_t chunk) noexcept {
    std::atomic<std::uint32_t>& live = chunks_[chunk].live;
    live.store(live.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  void remove_live(std::uint32_t chunk) noexcept {
    std::atomic<std::uint32_t>& live = chunks_[chunk].live;
    live.store(live.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
  }

  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  /// Whether there is too little space that is free or becomes free as vCPUs move on, and a chunk to evict.
  /// Cheap.
  bool eviction_due() const noexcept { return eviction_due_.load(std::memory_order_relaxed); }
  /// The chunk to evict, if eviction is due: the one that has not been touched for longest; or kNone. To be
  /// called again after its translations have been removed.
  std::uint32_t coldest_if_due() noexcept;
  /// The chunk with live translations that has not been touched for longest, whether eviction is due or not;
  /// the open one, which is closed then, if there is no other. Or kNone.
  std::uint32_t coldest_to_close() noexcept;
  /// Appends all translations in the chunk that accept(translation) wants; those of which may be released
  /// meanwhile are gone when it is called. The function must not use the space.
  template <typename Accept>
  void collect(std::uint32_t chunk, Accept&& accept, std::vector<Translation*>& out) const {
    std::lock_guard lock(mutex_);
    const Chunk& in = chunks_[chunk];
    const std::uint32_t count = in.count.load(std::memory_order_relaxed);
    const Directory* directory = in.directory.load(std::memory_order_relaxed);
    for (std::uint32_t i = 0; i < count; ++i) {
      Translation* translation = directory->entries[i].translation.load(std::memory_order_relaxed);
      if (translation != nullptr && accept(*translation)) out.push_back(translation);
    }
  }

  struct Usage {
    std::size_t free_chunks, closed_chunks;
  };
  Usage usage() const;

 private:
  struct Entry {
    std::atomic<std::uint32_t> begin;
    std::atomic<Translation*> translation;  ///< null before the commit and after the release
  };
  /// Grows by making a larger one; those before stay, for who reads them.
  struct Directory {
    explicit Directory(std::uint32_t size) : capacity(size), entries(size) {}
    const std::uint32_t capacity;
    const ZeroArray<Entry> entries;
  };
  enum class State : std::uint8_t { free, open, closed };
  /// One line each: there is one for every 256 KiB that code may take.
  struct alignas(64) Chunk {
    std::atomic<std::uint64_t> last_use{0};
    std::atomic<std::uint32_t> count{0};  ///< entries in use, ascending; stored after them
    std::atomic<std::uint32_t> live{0};   ///< stored under the caller's lock, read under ours
    std::atomic<Directory*> directory{nullptr};
    // Under the lock:
    State state = State::free;
    bool recycled = false;
    std::uint32_t used = 0;       ///< bytes
    std::uint32_t populated = 0;  ///< bytes that have memory
    std::uint32_t holders = 0;    ///< entries that have not been released or given back
    std::vector<std::unique_ptr<Directory>> directories;
  };

  bool open_chunk();
  void close_chunk() noexcept;
  /// Has the host provide memory for what is used of the chunk, and some more.
  void populate(std::uint32_t chunk) noexcept;
  void append(Chunk& chunk, std::uint32_t begin);
  void drop_holder(std::uint32_t chunk) noexcept;
  void make_free(std::uint32_t chunk) noexcept;
  void give_back(const Reservation& reservation) noexcept;
  /// The entry with the last begin that is not behind `offset`.
  static Entry* entry_at(const Chunk& chunk, std::uint32_t offset) noexcept;
  /// Chunks that are free, or will be without an eviction.
  std::size_t available() const noexcept;
  std::uint32_t coldest() const noexcept;
  void update_due() noexcept;

  CodeMemory& memory_;
  const std::size_t alignment_;
  const std::unique_ptr<Chunk[]> chunks_;
  const std::size_t wanted_;  ///< chunks that we want to be available
  std::atomic<std::uint64_t> clock_{1};
  std::atomic<bool> eviction_due_{false};

  mutable std::mutex mutex_;
  std::uint32_t open_ = kNone;
  std::deque<std::uint32_t> free_;  ///< used in turn
};

}  // namespace ashlar::cache
