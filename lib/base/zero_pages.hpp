// Tables that begin as zeros. ZeroPages: large, and often little of it is used; pages of its own, which the
// host provides when they are first touched. ZeroArray: of any size, and used all over; its pages come all at
// once. Used by the engine and the caches.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

namespace ashlar {

/// Pages of zeros; `flags` in addition to mmap's usual ones. Throws std::bad_alloc.
inline void* map_zero_pages(std::size_t bytes, int flags = 0) {
  void* const at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  return at;
}

/// Owns a T whose bytes are all zero at first. Throws std::bad_alloc.
template <typename T>
class ZeroPages {
 public:
  static_assert(std::is_trivially_destructible_v<T> && std::is_standard_layout_v<T>);

  ZeroPages() : at_(static_cast<T*>(map_zero_pages(sizeof(T)))) {}
  ~ZeroPages() {
    if (at_ != nullptr) munmap(at_, sizeof(T));
  }
  ZeroPages(ZeroPages&& from) noexcept : at_(std::exchange(from.at_, nullptr)) {}
  ZeroPages& operator=(ZeroPages&& from) noexcept {
    std::swap(at_, from.at_);
    return *this;
  }

  /// All bytes zero again.
  void clear() noexcept { std::memset(static_cast<void*>(at_), 0, sizeof(T)); }

  T& operator*() const noexcept { return *at_; }
  T* operator->() const noexcept { return at_; }

 private:
  T* at_;
};

/// Owns `count` Ts whose bytes are all zero at first. Throws std::bad_alloc.
template <typename T>
class ZeroArray {
 public:
  static_assert(std::is_trivially_destructible_v<T> && std::is_standard_layout_v<T> &&
                alignof(T) <= alignof(std::max_align_t));

  explicit ZeroArray(std::size_t count) : bytes_(count * sizeof(T)) {
    // A page at a time, each costs a fault.
    void* const at =
        bytes_ < kOwnPages ? std::calloc(count, sizeof(T)) : map_zero_pages(bytes_, MAP_POPULATE);
    if (at == nullptr) throw std::bad_alloc();
    at_ = static_cast<T*>(at);
  }
  ~ZeroArray() {
    if (bytes_ < kOwnPages) {
      std::free(static_cast<void*>(at_));
    } else {
      munmap(static_cast<void*>(at_), bytes_);
    }
  }
  ZeroArray(const ZeroArray&) = delete;
  ZeroArray& operator=(const ZeroArray&) = delete;

  T& operator[](std::size_t i) const noexcept { return at_[i]; }
  T* get() const noexcept { return at_; }

 private:
  static constexpr std::size_t kOwnPages = std::size_t{16} << 10;

  const std::size_t bytes_;
  T* at_;
};

}  // namespace ashlar
