// Reads ELF files of RISC-V programs: what has to be loaded (ElfImage), and names for addresses (ElfSymbols).
// Nothing in the file is trusted. For the loader and the process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <ashlar/result.hpp>
#include <ashlar/types.hpp>

namespace ashlar::linux_user {

/// Where an ELF file's bytes come from.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual std::uint64_t size() const = 0;
  /// Fills `to` from `offset`; false when that is not all inside, or can't be read.
  virtual bool read(std::uint64_t offset, std::span<std::byte> to) const = 0;
};

class SpanSource final : public ByteSource {
 public:
  explicit SpanSource(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::uint64_t size() const override { return bytes_.size(); }
  bool read(std::uint64_t offset, std::span<std::byte> to) const override;

 private:
  std::span<const std::byte> bytes_;
};

/// Does not own the descriptor.
class FdSource final : public ByteSource {
 public:
  explicit FdSource(int fd);
  std::uint64_t size() const override { return size_; }
  bool read(std::uint64_t offset, std::span<std::byte> to) const override;

 private:
  int fd_;
  std::uint64_t size_ = 0;
};

/// One PT_LOAD segment with at least one byte. Addresses are as in the file, before a base is added.
struct ElfSegment {
  std::uint64_t vaddr = 0;
  std::uint64_t memory_size = 0;  // >= file_size; vaddr + memory_size does not wrap
  std::uint64_t offset = 0;
  std::uint64_t file_size = 0;  // offset + file_size <= the file's size
  bool read = false, write = false, exec = false;
};

struct ElfImage {
  bool position_independent = false;
  std::uint64_t entry = 0;
  /// In ascending order, not overlapping.
  std::vector<ElfSegment> segments;
  /// Where the program headers are in memory (0: nowhere), and how many.
  std::uint64_t phdr_vaddr = 0;
  std::uint64_t phdr_count = 0;
  /// The file's first and last address; both inside 2^63.
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  static constexpr std::uint64_t kPhdrSize = 56;

  /// Each error is one sentence that starts behind the file's name: "is not an ELF file".
  static Result<ElfImage> parse(const ByteSource& source);
};

/// Functions and objects of the symbol table. A file without one, or with a broken one, has no symbols.
class ElfSymbols {
 public:
  ElfSymbols() = default;
  /// `base` is added to every address.
  static ElfSymbols read(const ByteSource& source, std::uint64_t base);

  std::optional<std::uint64_t> find(std::string_view name) const;
  /// "<name+0x12>", "<name>" at its start; empty outside of every symbol.
  std::string describe(std::uint64_t address) const;
  std::size_t size() const { return symbols_.size(); }

 private:
  struct Symbol {
    std::uint64_t address, size;
    std::uint32_t name;  // into strings_
  };
  std::string_view name_of(const Symbol& symbol) const;

  std::vector<Symbol> symbols_;  // by address
  std::string strings_;
};

}  // namespace ashlar::linux_user
