// The ELF reader on good, truncated, mutated and hostile files.
#include <doctest/doctest.h>

#include <random>

#include "linux/elf.hpp"
#include "linux/small_elf.hpp"

using namespace ashlar;
using namespace ashlar::linux_user;
using test::SmallElf;

namespace {

Result<ElfImage> parse(const SmallElf& elf) {
  const auto bytes = elf.bytes();
  return ElfImage::parse(SpanSource(bytes));
}

std::string error_of(const SmallElf& elf) {
  const Result<ElfImage> image = parse(elf);
  return image ? "" : image.error().message;
}

SmallElf good() { return SmallElf({test::addi(test::kA7, 0, 93), test::kEcall}); }

}  // namespace

TEST_CASE("a good file is read as it is") {
  const SmallElf elf = good();
  const Result<ElfImage> image = parse(elf);
  REQUIRE(image.ok());
  CHECK_FALSE(image.value().position_independent);
  CHECK(image.value().entry == 0x10000 + 64 + 112);
  REQUIRE(image.value().segments.size() == 2);
  const ElfSegment& text = image.value().segments[0];
  CHECK(text.vaddr == 0x10000);
  CHECK((text.read && !text.write && text.exec));
  const ElfSegment& data = image.value().segments[1];
  CHECK(data.file_size == elf.data.size());
  CHECK(data.memory_size == 3 * 4096);
  CHECK((data.read && data.write && !data.exec));
  CHECK(image.value().phdr_vaddr == 0x10040);
  CHECK(image.value().phdr_count == 2);
  CHECK(image.value().low == 0x10000);
  CHECK(image.value().high == data.vaddr + 3 * 4096);
}

TEST_CASE("every proper prefix is refused with a sentence") {
  const auto bytes = good().bytes();
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    CAPTURE(n);
    const Result<ElfImage> image = ElfImage::parse(SpanSource(std::span{bytes}.first(n)));
    REQUIRE_FALSE(image.ok());
    if (n < 4) CHECK(image.error().message == "is not an ELF file");
    if (n >= 4) CHECK(image.error().message.find("truncated") != std::string::npos);
  }
}

TEST_CASE("what is wrong is named") {
  SmallElf elf = good();
  SUBCASE("magic") {
    elf.header.ident[1] = 'L';
    CHECK(error_of(elf) == "is not an ELF file");
  }
  SUBCASE("32 bit") {
    elf.header.ident[4] = 1;
    CHECK(error_of(elf) == "is not a 64-bit program");
  }
  SUBCASE("big endian") {
    elf.header.ident[5] = 2;
    CHECK(error_of(elf).find("big-endian") != std::string::npos);
  }
  SUBCASE("another machine") {
    elf.header.machine = 62;
    CHECK(error_of(elf) == "is a program for x86-64, not for RISC-V");
  }
  SUBCASE("an object file") {
    elf.header.type = 1;
    CHECK(error_of(elf).find("not an executable program") != std::string::npos);
  }
  SUBCASE("no program headers") {
    elf.header.phnum = 0;
    CHECK(error_of(elf).find("no program headers") != std::string::npos);
  }
  SUBCASE("too many program headers") {
    elf.header.phnum = 0xffff;
    CHECK(error_of(elf) == "has too many program headers");
  }
  SUBCASE("program headers of another size") {
    elf.header.phentsize = 32;
    CHECK(error_of(elf).find("wrong size") != std::string::npos);
  }
  SUBCASE("program headers behind the end") {
    for (const std::uint64_t at : {std::uint64_t{1} << 20, ~std::uint64_t{0}, ~std::uint64_t{0} - 50}) {
      elf.header.phoff = at;
      CHECK(error_of(elf).find("truncated") != std::string::npos);
    }
  }
  SUBCASE("dynamic") {
    elf.phdrs[1].type = 3;
    CHECK(error_of(elf).find("dynamically linked") != std::string::npos);
  }
  SUBCASE("nothing to load") {
    elf.phdrs[0].type = elf.phdrs[1].type = 4;
    CHECK(error_of(elf) == "has no loadable segment");
  }
  SUBCASE("more in the file than in memory") {
    elf.phdrs[1].memsz = elf.phdrs[1].filesz - 1;
    CHECK(error_of(elf).find("more bytes in the file than in memory") != std::string::npos);
  }
  SUBCASE("a segment of the file that wraps") {
    elf.phdrs[1].offset = ~std::uint64_t{0} - 4;
    CHECK(error_of(elf).find("truncated") != std::string::npos);
  }
  SUBCASE("a segment of memory that wraps") {
    elf.phdrs[1].vaddr = ~std::uint64_t{0} - 4096;
    CHECK(error_of(elf).find("does not fit into the address space") != std::string::npos);
    elf.phdrs[1].vaddr = 0x20000;
    elf.phdrs[1].memsz = ~std::uint64_t{0};
    CHECK(error_of(elf).find("does not fit into the address space") != std::string::npos);
  }
  SUBCASE("segments that overlap") {
    elf.phdrs[1].vaddr = 0x10010;
    CHECK(error_of(elf).find("overlap") != std::string::npos);
  }
  SUBCASE("an entry in no executable segment") {
    for (const std::uint64_t entry : {std::uint64_t{0}, std::uint64_t{0x20100}, ~std::uint64_t{0}}) {
      elf.header.entry = entry;
      CHECK(error_of(elf) == "starts at an address that is in no executable segment");
    }
  }
}

TEST_CASE("program headers in no segment have no address") {
  SmallElf elf = good();
  elf.phdrs[0].offset = 64 + 112;
  elf.phdrs[0].vaddr = 0x10000 + 64 + 112;
  elf.phdrs[0].filesz = elf.phdrs[0].memsz = 8;
  const Result<ElfImage> image = parse(elf);
  REQUIRE(image.ok());
  CHECK(image.value().phdr_vaddr == 0);
}

TEST_CASE("mutated files never break the rules of an image") {
  const auto original = good().bytes();
  std::mt19937_64 random(20260101);
  int accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    auto bytes = original;
    const int changes = 1 + static_cast<int>(random() % 6);
    for (int i = 0; i < changes; ++i) {
      static constexpr std::uint8_t kValues[] = {0, 1, 0x7f, 0x80, 0xff};
      bytes[4 + random() % (64 + 112 - 4)] =
          static_cast<std::byte>(random() % 2 ? kValues[random() % 5] : random());
    }
    const Result<ElfImage> image = ElfImage::parse(SpanSource(bytes));
    if (!image) {
      REQUIRE_FALSE(image.error().message.empty());
      continue;
    }
    ++accepted;
    std::uint64_t last = 0;
    bool entry_inside = false;
    for (const ElfSegment& s : image.value().segments) {
      REQUIRE(s.vaddr >= last);
      REQUIRE(s.file_size <= s.memory_size);
      REQUIRE(s.memory_size <= (std::uint64_t{1} << 63) - s.vaddr);
      REQUIRE(s.offset <= bytes.size());
      REQUIRE(s.file_size <= bytes.size() - s.offset);
      last = s.vaddr + s.memory_size;
      entry_inside = entry_inside || (s.exec && image.value().entry - s.vaddr < s.memory_size);
    }
    REQUIRE(entry_inside);
    REQUIRE(image.value().high == last);
  }
  CHECK(accepted > 100);  // else the mutations are too coarse to test anything
}

namespace {

// A section header table with one symbol table and its strings behind the small program.
std::vector<std::byte> with_symbols(std::uint64_t strings_size_claimed = 0) {
  struct Shdr {
    std::uint32_t name, type;
    std::uint64_t flags, addr, offset, size;
    std::uint32_t link, info;
    std::uint64_t align, entsize;
  };
  struct Sym {
    std::uint32_t name;
    std::uint8_t info, other;
    std::uint16_t shndx;
    std::uint64_t value, size;
  };
  SmallElf elf = good();
  const std::string strings("\0start\0helper\0label\0$x\0", 23);
  const Sym symbols[] = {
      {0, 0, 0, 0, 0, 0},        {1, 2, 0, 1, 0x100b0, 8},  {7, 2, 0, 1, 0x100b8, 0x20},
      {14, 0, 0, 1, 0x20000, 0}, {20, 0, 0, 1, 0x100b4, 0},
  };
  const std::uint64_t base = elf.bytes().size();
  elf.header.shoff = base + sizeof symbols + strings.size();
  elf.header.shnum = 3;
  const Shdr sections[] = {
      {},
      {0, 2, 0, 0, base, sizeof symbols, 2, 0, 8, sizeof(Sym)},
      {0, 3, 0, 0, base + sizeof symbols, strings_size_claimed != 0 ? strings_size_claimed : strings.size(),
       0, 0, 1, 0},
  };
  auto bytes = elf.bytes();
  const auto put = [&](const void* from, std::size_t size) {
    const std::size_t before = bytes.size();
    bytes.resize(before + size);
    std::memcpy(bytes.data() + before, from, size);
  };
  put(symbols, sizeof symbols);
  put(strings.data(), strings.size());
  put(sections, sizeof sections);
  return bytes;
}

}  // namespace

TEST_CASE("symbols name addresses") {
  const auto bytes = with_symbols();
  const ElfSymbols symbols = ElfSymbols::read(SpanSource(bytes), 0x1000);
  CHECK(symbols.size() == 3);
  CHECK(symbols.find("start") == 0x110b0u);
  CHECK(symbols.find("label") == 0x21000u);
  CHECK_FALSE(symbols.find("$x").has_value());
  CHECK(symbols.describe(0x110b0) == "<start>");
  CHECK(symbols.describe(0x110b7) == "<start+0x7>");
  CHECK(symbols.describe(0x110b8) == "<helper>");
  CHECK(symbols.describe(0x110d7) == "<helper+0x1f>");
  CHECK(symbols.describe(0x110d8) == "");
  CHECK(symbols.describe(0x21000) == "<label>");
  CHECK(symbols.describe(0) == "");
}

TEST_CASE("broken symbol tables are no symbols") {
  const auto bytes = with_symbols();
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    const ElfSymbols symbols = ElfSymbols::read(SpanSource(std::span{bytes}.first(n)), 0);
    CAPTURE(n);
    REQUIRE(symbols.size() == 0);
  }
  for (const std::uint64_t size : {std::uint64_t{1} << 20, ~std::uint64_t{0}, std::uint64_t{1} << 40}) {
    CHECK(ElfSymbols::read(SpanSource(with_symbols(size)), 0).size() == 0);
  }
  std::mt19937_64 random(7);
  for (int round = 0; round < 5000; ++round) {
    auto mutated = bytes;
    for (int i = 0; i < 4; ++i) mutated[bytes.size() - 1 - random() % 320] = static_cast<std::byte>(random());
    const ElfSymbols symbols = ElfSymbols::read(SpanSource(mutated), 0);
    (void)symbols.describe(random());
    REQUIRE(symbols.size() <= 5);
  }
}
