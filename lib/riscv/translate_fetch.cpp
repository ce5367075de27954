// The slow part of CodeWindow: refilling, and instructions that straddle two pages.
#include "riscv/translate_fetch.hpp"

#include <algorithm>

#include "riscv/decode.hpp"

namespace ashlar::riscv {

std::size_t CodeWindow::fetch(std::uint64_t at, std::size_t offset, std::size_t size) {
  return memory_.fetch({at}, {bytes_ + offset, size});
}

bool CodeWindow::read_slowly(std::uint64_t pc, std::uint32_t& word) {
  const std::uint64_t in_page = kSmallestPage - (pc & (kSmallestPage - 1));
  std::size_t size = fetch(pc, 0, static_cast<std::size_t>(std::min(kSize, in_page)));
  whole_words_ = 0;
  if (size < 2) {
    fault_addr_ = pc + size;
    return false;
  }
  if (size < 4) {
    std::uint16_t parcel;
    std::memcpy(&parcel, bytes_, sizeof(parcel));
    word = parcel;
    if (instruction_length(parcel) == 2) return true;
    size = 2 + fetch(pc + 2, 2, 2);
    if (size < 4) {
      fault_addr_ = pc + size;
      return false;
    }
  }
  begin_ = pc;
  whole_words_ = size - 3;
  std::memcpy(&word, bytes_, sizeof(word));
  return true;
}

Fault CodeWindow::fault() const {
  Fault fault = memory_.check({fault_addr_}, 1, AccessKind::fetch);
  // Another thread may have mapped the page since; when it was read it could not be.
  if (fault.kind == FaultKind::none) fault.kind = FaultKind::unmapped;
  fault.access = AccessKind::fetch;
  fault.addr = {fault_addr_};
  return fault;
}

}  // namespace ashlar::riscv
