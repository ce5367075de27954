// The checks of ELF headers. Every number of the file is compared with what surrounds it before use, and sums
// are formed only where they can't wrap.
#include "linux/elf.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace ashlar::linux_user {
namespace {

// From the ELF-64 object file format and the RISC-V psABI.
struct Ehdr {
  std::uint8_t ident[16];
  std::uint16_t type, machine;
  std::uint32_t version;
  std::uint64_t entry, phoff, shoff;
  std::uint32_t flags;
  std::uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
static_assert(sizeof(Ehdr) == 64);

struct Phdr {
  std::uint32_t type, flags;
  std::uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
static_assert(sizeof(Phdr) == ElfImage::kPhdrSize);

constexpr std::uint32_t kPtLoad = 1, kPtInterp = 3, kPtPhdr = 6;
constexpr std::uint16_t kTypeExec = 2, kTypeDyn = 3, kMachineRiscv = 243;
// The kernel refuses headers of more than a page (load_elf_phdrs); no linker makes more than a dozen.
constexpr std::uint16_t kMaxPhdrs = 4096 / sizeof(Phdr);

Error bad(std::string message) { return {ErrorCode::invalid_argument, std::move(message)}; }

std::string machine_name(std::uint16_t machine) {
  switch (machine) {
    case 3:
      return "32-bit x86";
    case 40:
      return "32-bit Arm";
    case 62:
      return "x86-64";
    case 183:
      return "AArch64";
    default:
      return "machine number " + std::to_string(machine);
  }
}

Result<void> check_header(const Ehdr& h) {
  if (h.ident[4] != 2) return bad("is not a 64-bit program");
  if (h.ident[5] != 1) return bad("is a big-endian program; only little-endian RISC-V programs run here");
  if (h.ident[6] != 1 || h.version != 1) return bad("has an unknown ELF version");
  if (h.machine != kMachineRiscv)
    return bad("is a program for " + machine_name(h.machine) + ", not for RISC-V");
  if (h.type != kTypeExec && h.type != kTypeDyn)
    return bad("is not an executable program (object file or core dump?)");
  if (h.phnum == 0) return bad("has no program headers, so there is nothing to load");
  if (h.phentsize != sizeof(Phdr)) return bad("has program headers of a wrong size");
  if (h.phnum > kMaxPhdrs) return bad("has too many program headers");
  return {};
}

Result<ElfSegment> check_segment(const Phdr& p, std::size_t index, std::uint64_t file_size) {
  const std::string which = "segment " + std::to_string(index);
  if (p.filesz > p.memsz) return bad("is damaged: " + which + " has more bytes in the file than in memory");
  if (p.offset > file_size || p.filesz > file_size - p.offset)
    return bad("is truncated: " + which + " ends behind the file's end");
  constexpr std::uint64_t kLimit = std::uint64_t{1} << 63;
  if (p.vaddr >= kLimit || p.memsz > kLimit - p.vaddr)
    return bad("is damaged: " + which + " does not fit into the address space");
  return ElfSegment{p.vaddr,           p.memsz, p.offset, p.filesz, (p.flags & 4) != 0, (p.flags & 2) != 0,
                    (p.flags & 1) != 0};
}

}  // namespace

bool SpanSource::read(std::uint64_t offset, std::span<std::byte> to) const {
  if (offset > bytes_.size() || to.size() > bytes_.size() - offset) return false;
  if (!to.empty()) std::memcpy(to.data(), bytes_.data() + offset, to.size());
  return true;
}

FdSource::FdSource(int fd) : fd_(fd) {
  struct stat st {};
  if (::fstat(fd, &st) == 0 && st.st_size > 0) size_ = static_cast<std::uint64_t>(st.st_size);
}

bool FdSource::read(std::uint64_t offset, std::span<std::byte> to) const {
  while (!to.empty()) {
    if (offset >= size_) return false;
    const ssize_t got = ::pread(fd_, to.data(), to.size(), static_cast<off_t>(offset));
    if (got <= 0) return false;
    offset += static_cast<std::uint64_t>(got);
    to = to.subspan(static_cast<std::size_t>(got));
  }
  return true;
}

Result<ElfImage> ElfImage::parse(const ByteSource& source) {
  Ehdr header{};
  const auto header_bytes = std::as_writable_bytes(std::span{&header, 1});
  if (!source.read(0, header_bytes.first(std::min<std::uint64_t>(4, source.size()))) ||
      std::memcmp(header.ident, "\177ELF", 4) != 0) {
    return bad("is not an ELF file");
  }
  if (!source.read(0, header_bytes)) return bad("is truncated: it ends inside the ELF header");
  if (Result<void> ok = check_header(header); !ok) return ok.error();

  std::vector<Phdr> phdrs(header.phnum);
  if (!source.read(header.phoff, std::as_writable_bytes(std::span{phdrs}))) {
    return bad("is truncated: its program headers lie behind the file's end");
  }

  ElfImage image;
  image.position_independent = header.type == kTypeDyn;
  image.entry = header.entry;
  image.phdr_count = header.phnum;
  for (std::size_t i = 0; i < phdrs.size(); ++i) {
    const Phdr& p = phdrs[i];
    if (p.type == kPtInterp) {
      return bad(
          "is dynamically linked; only static and static-PIE programs run here (link it with -static)");
    }
    if (p.type == kPtPhdr) image.phdr_vaddr = p.vaddr;
    if (p.type != kPtLoad || p.memsz == 0) continue;
    Result<ElfSegment> segment = check_segment(p, i, source.size());
    if (!segment) return segment.error();
    image.segments.push_back(*segment);
  }
  if (image.segments.empty()) return bad("has no loadable segment");

  std::sort(image.segments.begin(), image.segments.end(),
            [](const ElfSegment& a, const ElfSegment& b) { return a.vaddr < b.vaddr; });
  for (std::size_t i = 1; i < image.segments.size(); ++i) {
    const ElfSegment& before = image.segments[i - 1];
    if (before.vaddr + before.memory_size > image.segments[i].vaddr)
      return bad("is damaged: two of its segments overlap");
  }
  image.low = image.segments.front().vaddr;
  image.high = image.segments.back().vaddr + image.segments.back().memory_size;

  bool entry_inside = false;
  bool phdr_inside = false;
  const std::uint64_t phdr_bytes = image.phdr_count * kPhdrSize;
  for (const ElfSegment& s : image.segments) {
    if (s.exec && image.entry >= s.vaddr && image.entry - s.vaddr < s.memory_size) entry_inside = true;
    const auto holds = [&](std::uint64_t vaddr) {
      return vaddr >= s.vaddr && vaddr - s.vaddr <= s.file_size &&
             phdr_bytes <= s.file_size - (vaddr - s.vaddr);
    };
    if (image.phdr_vaddr != 0 && holds(image.phdr_vaddr)) phdr_inside = true;
  }
  if (!entry_inside) return bad("starts at an address that is in no executable segment");
  if (!phdr_inside) {
    // As the kernel does: the segment that covers the headers' place in the file.
    image.phdr_vaddr = 0;
    for (const ElfSegment& s : image.segments) {
      if (header.phoff >= s.offset && header.phoff - s.offset <= s.file_size &&
          phdr_bytes <= s.file_size - (header.phoff - s.offset)) {
        image.phdr_vaddr = s.vaddr + (header.phoff - s.offset);
        break;
      }
    }
  }
  return image;
}

}  // namespace ashlar::linux_user
