// The symbol table of an ELF file.
#include <algorithm>
#include <charconv>
#include <cstring>

#include "linux/elf.hpp"

namespace ashlar::linux_user {
namespace {

struct Shdr {
  std::uint32_t name, type;
  std::uint64_t flags, addr, offset, size;
  std::uint32_t link, info;
  std::uint64_t addralign, entsize;
};
static_assert(sizeof(Shdr) == 64);

struct Sym {
  std::uint32_t name;
  std::uint8_t info, other;
  std::uint16_t shndx;
  std::uint64_t value, size;
};
static_assert(sizeof(Sym) == 24);

constexpr std::uint32_t kShtSymtab = 2, kShtStrtab = 3;
constexpr std::uint64_t kMaxTable = std::uint64_t{1} << 28;

template <typename T>
bool read_object(const ByteSource& source, std::uint64_t offset, T& out) {
  return source.read(offset, std::as_writable_bytes(std::span{&out, 1}));
}

bool section(const ByteSource& source, std::uint64_t table, std::uint64_t index, Shdr& out) {
  if (index > 0xffff || table > source.size()) return false;
  return read_object(source, table + index * sizeof(Shdr), out) && out.size <= kMaxTable &&
         out.size <= source.size();
}

}  // namespace

ElfSymbols ElfSymbols::read(const ByteSource& source, std::uint64_t base) {
  ElfSymbols result;
  std::uint64_t shoff = 0;
  std::uint16_t shentsize = 0;
  std::uint16_t shnum = 0;
  if (!read_object(source, 40, shoff) || !read_object(source, 58, shentsize) ||
      !read_object(source, 60, shnum) || shentsize != sizeof(Shdr)) {
    return result;
  }
  for (std::uint64_t i = 0; i < shnum; ++i) {
    Shdr symtab{};
    Shdr strtab{};
    if (!section(source, shoff, i, symtab)) return result;
    if (symtab.type != kShtSymtab || symtab.entsize != sizeof(Sym)) continue;
    if (!section(source, shoff, symtab.link, strtab) || strtab.type != kShtStrtab) return result;
    std::vector<Sym> symbols(symtab.size / sizeof(Sym));
    result.strings_.resize(strtab.size);
    if (!source.read(symtab.offset, std::as_writable_bytes(std::span{symbols})) ||
        !source.read(strtab.offset, std::as_writable_bytes(std::span{result.strings_}))) {
      return {};
    }
    for (const Sym& s : symbols) {
      // Named functions, objects and untyped labels that are defined; not the mapping symbols ($x, $d).
      if ((s.info & 15) > 2 || s.shndx == 0 || s.name >= result.strings_.size()) continue;
      const char first = result.strings_[s.name];
      if (first == '\0' || first == '$') continue;
      result.symbols_.push_back({s.value + base, s.size, s.name});
    }
    break;
  }
  std::stable_sort(result.symbols_.begin(), result.symbols_.end(),
                   [](const Symbol& a, const Symbol& b) { return a.address < b.address; });
  return result;
}

std::string_view ElfSymbols::name_of(const Symbol& symbol) const {
  const char* begin = strings_.data() + symbol.name;
  return {begin, ::strnlen(begin, strings_.size() - symbol.name)};
}

std::optional<std::uint64_t> ElfSymbols::find(std::string_view name) const {
  for (const Symbol& s : symbols_) {
    if (name_of(s) == name) return s.address;
  }
  return std::nullopt;
}

std::string ElfSymbols::describe(std::uint64_t address) const {
  auto it = std::upper_bound(symbols_.begin(), symbols_.end(), address,
                             [](std::uint64_t a, const Symbol& s) { return a < s.address; });
  // The nearest symbol below that covers the address; a label without a size covers nothing but what no sized
  // one does.
  const Symbol* label = nullptr;
  for (int steps = 0; it != symbols_.begin() && steps < 64; ++steps) {
    --it;
    if (it->size != 0 && address - it->address < it->size) {
      label = &*it;
      break;
    }
    if (it->size == 0 && label == nullptr && address == it->address) label = &*it;
  }
  if (label == nullptr) return {};
  std::string text = "<";
  text += name_of(*label);
  if (address != label->address) {
    char digits[17];
    const auto end = std::to_chars(digits, digits + 16, address - label->address, 16).ptr;
    text.append("+0x").append(digits, end);
  }
  return text + ">";
}

}  // namespace ashlar::linux_user
