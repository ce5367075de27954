// What the translator's suites share: guest code in memory that is executable to the byte, an assembler of
// single words from the encodings table, and blocks as text.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include <ashlar/block_builder.hpp>
#include <ashlar/ir_text.hpp>
#include <ashlar/riscv.hpp>

#include "riscv/decode.hpp"

namespace ashlar::riscv::test {

inline constexpr std::uint64_t kCode = 0x10000;

/// Executable stretches of any length at any address; everything between them is unmapped.
class CodeMemory final : public GuestMemory {
 public:
  void put(std::uint64_t at, const void* bytes, std::size_t size) {
    const auto* from = static_cast<const std::byte*>(bytes);
    pieces_.push_back({at, {from, from + size}});
  }
  void put(std::uint64_t at, std::initializer_list<std::uint32_t> words) {
    put(at, std::data(words), words.size() * 4);
  }
  void clear() { pieces_.clear(); }
  /// Calls of fetch so far.
  std::size_t fetches = 0;

  std::size_t read(GuestAddr from, std::span<std::byte> to) const noexcept override {
    std::size_t done = 0;
    while (done < to.size()) {
      const Piece* piece = find(from.value + done);
      if (piece == nullptr) break;
      const std::size_t offset = from.value + done - piece->begin;
      const std::size_t size = std::min(to.size() - done, piece->bytes.size() - offset);
      std::memcpy(to.data() + done, piece->bytes.data() + offset, size);
      done += size;
    }
    return done;
  }
  std::size_t write(GuestAddr, std::span<const std::byte>) noexcept override { return 0; }
  std::size_t fetch(GuestAddr at, std::span<std::byte> to) noexcept override {
    ++fetches;
    return read(at, to);
  }
  Fault check(GuestAddr at, std::size_t size, AccessKind access) const noexcept override {
    for (std::size_t n = 0; n < size; ++n) {
      if (find(at.value + n) == nullptr) return {FaultKind::unmapped, access, at + n};
    }
    return {};
  }
  void add_observer(CodeObserver*) override {}
  void remove_observer(CodeObserver*) override {}

 private:
  struct Piece {
    std::uint64_t begin;
    std::vector<std::byte> bytes;
  };
  const Piece* find(std::uint64_t at) const {
    for (const Piece& piece : pieces_) {
      if (at - piece.begin < piece.bytes.size()) return &piece;
    }
    return nullptr;
  }
  std::vector<Piece> pieces_;
};

// --- encoders: the fields of a format around a row's match
inline std::uint32_t r(Op op, unsigned rd, unsigned rs1, unsigned rs2 = 0) {
  return op_info(op).match | rd << 7 | rs1 << 15 | rs2 << 20;
}
/// Also loads, jalr, shifts, CSR instructions.
inline std::uint32_t i(Op op, unsigned rd, unsigned rs1, int imm) {
  return op_info(op).match | rd << 7 | rs1 << 15 | static_cast<std::uint32_t>(imm) << 20;
}
inline std::uint32_t s(Op op, unsigned rs2, int imm, unsigned rs1) {
  const auto bits = static_cast<std::uint32_t>(imm);
  return op_info(op).match | (bits & 31) << 7 | rs1 << 15 | rs2 << 20 | bits >> 5 << 25;
}
inline std::uint32_t b(Op op, unsigned rs1, unsigned rs2, int offset) {
  const auto bits = static_cast<std::uint32_t>(offset);
  return op_info(op).match | (bits >> 11 & 1) << 7 | (bits >> 1 & 15) << 8 | rs1 << 15 | rs2 << 20 |
         (bits >> 5 & 63) << 25 | (bits >> 12 & 1) << 31;
}
/// `imm`: bits 31..12 of the constant.
inline std::uint32_t u(Op op, unsigned rd, std::uint32_t imm) {
  return op_info(op).match | rd << 7 | imm << 12;
}
inline std::uint32_t j(unsigned rd, int offset) {
  const auto bits = static_cast<std::uint32_t>(offset);
  return op_info(Op::jal).match | rd << 7 | (bits & 0xff000) | (bits >> 11 & 1) << 20 |
         (bits >> 1 & 1023) << 21 | (bits >> 20 & 1) << 31;
}
/// Rounding mode 7 is dynamic.
inline std::uint32_t fp(Op op, unsigned rd, unsigned rs1, unsigned rs2 = 0, unsigned rm = 7,
                        unsigned rs3 = 0) {
  return r(op, rd, rs1, rs2) | rm << 12 | rs3 << 27;
}
inline std::uint32_t plain(Op op) { return op_info(op).match; }

/// One front end with its memory and builder.
struct Subject {
  CodeMemory memory;
  std::unique_ptr<Frontend> frontend = make_frontend();
  BlockBuilder builder;
  TranslateLimits limits;

  TranslateResult translate(std::uint64_t at, std::uint64_t mode = 0) {
    return frontend->translate({{at}, mode}, &memory, limits, builder);
  }
  /// Translates, verifies, and gives the IR's instructions, separated by "; ".
  std::string ir_at(std::uint64_t at, std::uint64_t mode = 0) {
    const TranslateResult result = translate(at, mode);
    REQUIRE(result.fetch_fault.kind == FaultKind::none);
    const auto verified = ir::verify(builder.parts(), frontend->layout(), frontend->helpers().size());
    CHECK_MESSAGE(verified.ok(), (verified.ok() ? std::string() : verified.error().message));
    std::string text;
    for (const ir::Inst& inst : builder.insts()) {
      if (!text.empty()) text += "; ";
      text += ir::print(inst, builder.parts().exits, &frontend->layout());
    }
    return text;
  }
  /// The same for code that is put at kCode. Nothing follows it, so that it ends by a jump behind it, which
  /// is cut off if `whole` is false.
  std::string ir(std::initializer_list<std::uint32_t> words, std::uint64_t mode = 0, bool whole = false) {
    memory.clear();
    memory.put(kCode, words);
    std::string text = ir_at(kCode, mode);
    CHECK(builder.guest_inst_count() <= words.size());
    char end[48];
    const int length = std::snprintf(end, sizeof(end), "jump -> 0x%llx",
                                     static_cast<unsigned long long>(kCode + 4 * words.size()));
    if (mode != 0) std::snprintf(end + length, 8, "/0x%x", static_cast<unsigned>(mode));
    if (!whole && text.ends_with(end)) {
      text.resize(text.size() - std::strlen(end));
      if (text.ends_with("; ")) text.resize(text.size() - 2);
    }
    return text;
  }
};

}  // namespace ashlar::riscv::test
