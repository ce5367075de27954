// Large tables that begin as zeros and of which often little is used: pages of their own, which the host
// provides when they are first touched. Used by the engine.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

namespace ashlar {

/// Owns a T whose bytes are all zero at first. Throws std::bad_alloc.
template <typename T>
class ZeroPages {
 public:
  static_assert(std::is_trivially_destructible_v<T> && std::is_standard_layout_v<T>);

  ZeroPages() {
    void* const at = mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) throw std::bad_alloc();
    at_ = static_cast<T*>(at);
  }
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

}  // namespace ashlar
