// What is left to be emitted at a block's end: closures, one after the other in memory that is kept from
// block to block, because a block has several and an allocation for each would cost more than the code
// itself. Used by the emitters.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include <asmjit/core.h>

namespace ashlar::host {

class ColdCode {
 public:
  /// `code()` will emit what stands at `label`.
  template <typename Code>
  void add(const asmjit::Label& label, const Code& code) {
    static_assert(std::is_trivially_destructible_v<Code> && sizeof(Code) <= kChunk &&
                  alignof(Code) <= alignof(std::max_align_t));
    void* const at = new (allocate(sizeof code)) Code(code);
    pieces_.push_back({label, at, [](void* closure) { (*static_cast<Code*>(closure))(); }});
  }
  void clear() {
    pieces_.clear();
    chunk_ = used_ = 0;
  }
  /// Emits all, those too that are added by others' code: `begin(label)`, then what stands there.
  template <typename Begin>
  void emit(Begin&& begin) {
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      const Piece piece = pieces_[i];
      begin(piece.label);
      piece.run(piece.closure);
    }
  }

 private:
  struct Piece {
    asmjit::Label label;
    void* closure;
    void (*run)(void*);
  };
  static constexpr std::size_t kChunk = 4096;

  void* allocate(std::size_t size) {
    constexpr std::size_t kAlignment = alignof(std::max_align_t);
    if (used_ + size > kChunk) {
      ++chunk_;
      used_ = 0;
    }
    if (chunk_ == chunks_.size()) chunks_.push_back(std::make_unique<std::byte[]>(kChunk));
    void* const at = chunks_[chunk_].get() + used_;
    used_ += (size + kAlignment - 1) & ~(kAlignment - 1);
    return at;
  }

  std::vector<Piece> pieces_;
  std::vector<std::unique_ptr<std::byte[]>> chunks_;
  std::size_t chunk_ = 0, used_ = 0;  ///< the chunk that is being filled, and how far
};

}  // namespace ashlar::host
