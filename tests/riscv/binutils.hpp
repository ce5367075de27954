// Runs the RISC-V cross binutils for the decoder's tests: an independent opinion on what every encoding
// means.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace ashlar::riscv::test {

// One use: a temporary directory, removed with the object, in which files are assembled and disassembled.
class Binutils {
 public:
  // Nothing if as, objcopy or objdump for riscv64-linux-gnu is not installed.
  static std::optional<Binutils> find();

  Binutils(Binutils&& other) noexcept;
  Binutils(const Binutils&) = delete;
  Binutils& operator=(const Binutils&) = delete;
  Binutils& operator=(Binutils&&) = delete;
  ~Binutils();

  // What `objdump -d -M no-aliases` prints for each instruction of `code`, placed at address 0: mnemonic, a
  // tab, operands. Symbols and comments are cut off. Empty if a tool failed.
  struct Line {
    uint64_t address;
    std::string text;
  };
  std::vector<Line> disassemble(std::span<const uint8_t> code) const;

  // The bytes that `source` assembles to, nothing if the assembler refuses it.
  std::optional<std::vector<uint8_t>> assemble(const std::string& source) const;

 private:
  explicit Binutils(std::filesystem::path directory) : directory_(std::move(directory)) {}

  std::filesystem::path directory_;
};

}  // namespace ashlar::riscv::test
