// See slab.hpp. One process-wide slab: blocks of all contexts are alike.
#include "base/slab.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <mutex>
#include <new>
#include <vector>

// AddressSanitizer is to see each block by itself.
#if defined(__SANITIZE_ADDRESS__)
#define ASHLAR_NO_SLAB 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASHLAR_NO_SLAB 1
#endif
#endif

namespace ashlar {
namespace {

constexpr std::size_t kStep = 16;
constexpr std::size_t kLargest = 8192;  ///< above, the general allocator does
constexpr std::size_t kFirstPiece = std::size_t{64} << 10, kLargestPiece = std::size_t{512} << 10;
constexpr std::size_t kStepReady = std::size_t{16} << 10;  ///< divides kFirstPiece

class Slab {
 public:
  void* allocate(std::size_t size) {
    std::lock_guard lock(mutex_);
    ++live_;
    if (Free*& free = free_[size / kStep]; free != nullptr) {
      Free* const taken = free;
      free = taken->next;
      return taken;
    }
    if (static_cast<std::size_t>(end_ - next_) < size && !add_piece()) {
      --live_;
      return nullptr;
    }
    void* const taken = next_;
    next_ += size;
    if (next_ > ready_) make_ready();
    return taken;
  }

  void free(void* memory, std::size_t size) noexcept {
    std::lock_guard lock(mutex_);
    auto* const freed = static_cast<Free*>(memory);
    freed->next = free_[size / kStep];
    free_[size / kStep] = freed;
    // One piece stays: who compiles block by block frees each before the next, and is not to map memory for
    // each.
    if (--live_ == 0 && pieces_.size() > 1) release();
  }

 private:
  struct Free {
    Free* next;
  };
  struct Piece {
    void* at;
    std::size_t size;
  };

  bool add_piece() {
    pieces_.reserve(pieces_.size() + 1);
    void* const at = mmap(nullptr, piece_size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return false;
    pieces_.push_back({at, piece_size_});
    next_ = ready_ = static_cast<std::byte*>(at);
    end_ = next_ + piece_size_;
    piece_size_ = std::min(piece_size_ * 2, kLargestPiece);
    return true;
  }
  /// Asks the host for the next pages, all at once: more, the more there are already.
  void make_ready() noexcept {
    constexpr int kPopulateWrite = 23;  // Linux 5.14; without it they come one by one
    const std::size_t wanted =
        std::max<std::size_t>(kStepReady * pieces_.size(), static_cast<std::size_t>(next_ - ready_));
    const std::size_t size = std::min((wanted + kStepReady - 1) / kStepReady * kStepReady,
                                      static_cast<std::size_t>(end_ - ready_));
    madvise(ready_, size, kPopulateWrite);
    ready_ += size;
  }
  /// Precondition: nothing is allocated, and there are pieces.
  void release() noexcept {
    for (std::size_t i = 1; i < pieces_.size(); ++i) munmap(pieces_[i].at, pieces_[i].size);
    pieces_.resize(1);
    free_ = {};
    next_ = static_cast<std::byte*>(pieces_[0].at);
    end_ = ready_ = next_ + pieces_[0].size;
    piece_size_ = 2 * kFirstPiece;
  }

  std::mutex mutex_;
  std::size_t live_ = 0;
  std::byte* next_ = nullptr;
  std::byte* end_ = nullptr;
  std::byte* ready_ = nullptr;  ///< the host has provided the pages up to here
  std::size_t piece_size_ = kFirstPiece;
  std::array<Free*, kLargest / kStep + 1> free_{};
  std::vector<Piece> pieces_;
};

/// Never destroyed: blocks may outlive static objects.
[[maybe_unused]] Slab& slab() {
  static Slab* const the = new Slab;
  return *the;
}

[[maybe_unused]] constexpr std::size_t rounded(std::size_t bytes) {
  return (std::max(bytes, std::size_t{1}) + kStep - 1) / kStep * kStep;
}

}  // namespace

void* slab_allocate(std::size_t bytes) {
#ifndef ASHLAR_NO_SLAB
  if (rounded(bytes) <= kLargest) {
    if (void* const memory = slab().allocate(rounded(bytes))) return memory;
    throw std::bad_alloc();
  }
#endif
  return ::operator new(bytes);
}

void slab_free(void* memory, std::size_t bytes) noexcept {
#ifndef ASHLAR_NO_SLAB
  if (rounded(bytes) <= kLargest) {
    slab().free(memory, rounded(bytes));
    return;
  }
#endif
  static_cast<void>(bytes);
  ::operator delete(memory);
}

}  // namespace ashlar
