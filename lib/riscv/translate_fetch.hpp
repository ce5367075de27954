// Reads guest code for the translator: a small window over GuestMemory::fetch, so that the virtual call is
// paid once for some eighty instructions. For translate_block.cpp; lives on the stack of one translation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <ashlar/memory.hpp>

namespace ashlar::riscv {

class CodeWindow {
 public:
  explicit CodeWindow(GuestMemory& memory) : memory_(memory) {}

  /// The instruction at `pc`; of a compressed one only the low 16 bits count. False if one of its bytes can't
  /// be fetched; fault() then says why.
  bool read(std::uint64_t pc, std::uint32_t& word) { return peek(pc, word) || read_slowly(pc, word); }

  /// The same if the window holds all of it already; it does not fetch.
  bool peek(std::uint64_t pc, std::uint32_t& word) const {
    const std::uint64_t offset = pc - begin_;
    if (offset >= whole_words_) return false;
    std::memcpy(&word, bytes_ + offset, sizeof(word));
    return true;
  }

  /// Precondition: the last read failed.
  Fault fault() const;

 private:
  static constexpr std::uint64_t kSize = 256;
  // The window does not cross into the next page unless an instruction does: fetching marks pages as holding
  // code, and what follows may be data that the guest writes.
  static constexpr std::uint64_t kSmallestPage = 4096;

  bool read_slowly(std::uint64_t pc, std::uint32_t& word);
  std::size_t fetch(std::uint64_t at, std::size_t offset, std::size_t size);

  GuestMemory& memory_;
  std::uint64_t begin_ = 0;
  std::uint64_t whole_words_ = 0;  // offsets below this have four bytes in the window
  std::uint64_t fault_addr_ = 0;
  std::byte bytes_[kSize];
};

}  // namespace ashlar::riscv
