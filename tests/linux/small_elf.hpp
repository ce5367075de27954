// Makes small RISC-V ELF files, right or wrong, for the suites of the Linux runner.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "linux/fd_table.hpp"

namespace ashlar::test {

struct SmallElf {
  struct Ehdr {
    std::uint8_t ident[16] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    std::uint16_t type = 2, machine = 243;
    std::uint32_t version = 1;
    std::uint64_t entry = 0x10000 + 64 + 2 * 56, phoff = 64, shoff = 0;
    std::uint32_t flags = 5;
    std::uint16_t ehsize = 64, phentsize = 56, phnum = 2, shentsize = 64, shnum = 0, shstrndx = 0;
  };
  struct Phdr {
    std::uint32_t type = 1, flags = 5;
    std::uint64_t offset = 0, vaddr = 0x10000, paddr = 0x10000, filesz = 0, memsz = 0, align = 4096;
  };

  Ehdr header;
  /// A read-execute segment of the headers and the code at 0x10000, and a read-write one at 0x20000: file
  /// bytes, then zeros.
  Phdr phdrs[2];
  std::vector<std::uint32_t> code;
  std::string data = "data bytes";

  explicit SmallElf(std::vector<std::uint32_t> words) : code(std::move(words)) {
    const std::uint64_t text = 64 + 2 * 56 + 4 * code.size();
    phdrs[0].filesz = phdrs[0].memsz = text;
    phdrs[1].flags = 6;
    phdrs[1].offset = text;
    phdrs[1].vaddr = phdrs[1].paddr = 0x20000 + text % 4096;
    phdrs[1].filesz = data.size();
    phdrs[1].memsz = 3 * 4096;
  }

  std::vector<std::byte> bytes() const {
    std::vector<std::byte> out(sizeof header + sizeof phdrs + 4 * code.size() + data.size());
    std::byte* to = out.data();
    const auto put = [&](const void* from, std::size_t size) {
      std::memcpy(to, from, size);
      to += size;
    };
    put(&header, sizeof header);
    put(phdrs, sizeof phdrs);
    put(code.data(), 4 * code.size());
    put(data.data(), data.size());
    return out;
  }
};

inline linux_user::HostFd file_of(const std::vector<std::byte>& bytes) {
  linux_user::HostFd fd(::memfd_create("small-elf", MFD_CLOEXEC));
  if (::write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) return {};
  return fd;
}

/// A file with a path that Process::create can open; removed with the object.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::vector<std::byte>& bytes) {
    char name[] = "/tmp/ashlar-elf-XXXXXX";
    const linux_user::HostFd fd(::mkstemp(name));
    path_ = name;
    ok_ = ::write(fd.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
  }
  ~TemporaryFile() { ::unlink(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }
  bool ok() const { return ok_; }

 private:
  std::string path_;
  bool ok_ = false;
};

// Instructions that the tests' programs are made of.
constexpr std::uint32_t addi(unsigned rd, unsigned rs, int imm) {
  return static_cast<std::uint32_t>(imm) << 20 | rs << 15 | rd << 7 | 0x13;
}
constexpr std::uint32_t lui(unsigned rd, std::uint32_t upper) { return upper << 12 | rd << 7 | 0x37; }
constexpr std::uint32_t sd(unsigned data, unsigned base, int imm) {
  const auto i = static_cast<std::uint32_t>(imm);
  return (i >> 5 & 127) << 25 | data << 20 | base << 15 | 3 << 12 | (i & 31) << 7 | 0x23;
}
constexpr std::uint32_t ld(unsigned rd, unsigned base, int imm) {
  return static_cast<std::uint32_t>(imm) << 20 | base << 15 | 3 << 12 | rd << 7 | 0x03;
}
constexpr std::uint32_t kEcall = 0x73, kEbreak = 0x100073, kSelfJump = 0x6f;
constexpr unsigned kA0 = 10, kA1 = 11, kA2 = 12, kA7 = 17;

}  // namespace ashlar::test
