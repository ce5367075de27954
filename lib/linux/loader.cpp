// Segments, trampoline and initial stack.
#include "linux/loader.hpp"

#include <algorithm>
#include <vector>

#include "linux/user_memory.hpp"

namespace ashlar::linux_user {
namespace {

// Where position-independent programs go: above the addresses that null pointers with offsets reach.
constexpr std::uint64_t kPieBase = 0x100000;
// Addresses below are never mapped (the kernel's default vm.mmap_min_addr).
constexpr std::uint64_t kLowest = 0x10000;

std::uint64_t page_mask() { return FlatMemory::page_size() - 1; }
std::uint64_t page_down(std::uint64_t a) { return a & ~page_mask(); }
std::uint64_t page_up(std::uint64_t a) { return (a + page_mask()) & ~page_mask(); }

Perm perm_of(const ElfSegment& s) {
  Perm perm = Perm::none;
  if (s.read) perm = perm | Perm::read;
  if (s.write) perm = perm | Perm::write;
  if (s.exec) perm = perm | Perm::exec;
  return perm;
}

Error bad(std::string message) { return {ErrorCode::invalid_argument, std::move(message)}; }

// Whether each segment can be mapped straight from the file: its pages are the file's pages, and no two
// segments share one. Not so on hosts whose pages are larger than the linker assumed.
bool can_map_file(const ElfImage& image) {
  std::uint64_t last_end = 0;
  for (const ElfSegment& s : image.segments) {
    if (((s.vaddr - s.offset) & page_mask()) != 0 || page_down(s.vaddr) < last_end) return false;
    last_end = page_up(s.vaddr + s.memory_size);
  }
  return true;
}

Result<void> map_segment(FlatMemory& memory, const ElfSegment& s, std::uint64_t base, int fd) {
  const std::uint64_t start = page_down(s.vaddr + base);
  const std::uint64_t file_end = s.vaddr + base + s.file_size;
  const std::uint64_t mapped_end = s.file_size != 0 ? page_up(file_end) : start;
  const std::uint64_t end = page_up(s.vaddr + base + s.memory_size);
  const Perm perm = perm_of(s);
  if (mapped_end > start) {
    const bool zero_tail = s.memory_size > s.file_size && file_end != mapped_end;
    const Perm first = zero_tail ? Perm::read | Perm::write : perm;
    if (Result<void> ok =
            memory.map_file({{start}, mapped_end - start}, first, fd, page_down(s.offset), false);
        !ok) {
      return ok.error();
    }
    if (zero_tail) {
      const std::vector<std::byte> zeros(mapped_end - file_end);
      if (memory.write({file_end}, zeros) != zeros.size()) return bad("is truncated: its data can't be read");
      if (Result<void> ok = memory.protect({{start}, mapped_end - start}, perm); !ok) return ok.error();
    }
  }
  if (end > mapped_end) return memory.map({{mapped_end}, end - mapped_end}, perm);
  return {};
}

// For images whose segments share pages: everything is copied, and a page gets what any of its segments asks
// for.
Result<void> copy_segments(FlatMemory& memory, const ElfImage& image, std::uint64_t base, int fd) {
  const FdSource source(fd);
  const std::uint64_t start = page_down(image.low + base);
  for (const ElfSegment& s : image.segments) {
    const std::uint64_t from = page_down(s.vaddr + base);
    const std::uint64_t to = page_up(s.vaddr + base + s.memory_size);
    for (std::uint64_t page = from; page < to; page += FlatMemory::page_size()) {
      if (memory.is_mapped({{page}, 1})) continue;
      if (Result<void> ok = memory.map({{page}, 1}, Perm::read | Perm::write); !ok) return ok.error();
    }
    std::vector<std::byte> bytes(s.file_size);
    if (!source.read(s.offset, bytes) || memory.write({s.vaddr + base}, bytes) != bytes.size()) {
      return bad("can't be read");
    }
  }
  std::uint64_t done = start;
  for (std::size_t i = 0; i < image.segments.size(); ++i) {
    const std::uint64_t to = page_up(image.segments[i].vaddr + base + image.segments[i].memory_size);
    for (std::uint64_t page = std::max(done, page_down(image.segments[i].vaddr + base)); page < to;
         page += FlatMemory::page_size()) {
      Perm perm = Perm::none;
      for (const ElfSegment& s : image.segments) {
        if (s.vaddr + base < page + FlatMemory::page_size() && page < s.vaddr + base + s.memory_size) {
          perm = perm | perm_of(s);
        }
      }
      if (Result<void> ok = memory.protect({{page}, 1}, perm); !ok) return ok.error();
    }
    done = std::max(done, to);
  }
  return {};
}

}  // namespace

Result<LoadedImage> load_image(FlatMemory& memory, const ElfImage& image, int fd) {
  LoadedImage loaded;
  if (image.position_independent && image.low < kPieBase) loaded.base = kPieBase - page_down(image.low);
  const std::uint64_t low = image.low + loaded.base;
  const std::uint64_t high = image.high + loaded.base;
  if (page_down(low) < kLowest)
    return bad("wants to be loaded below address 0x10000, where nothing may be mapped");
  // Pages behind the image must be left for heap and stack, and rounding up must not wrap.
  if (high > memory.size() - FlatMemory::page_size()) {
    return Error{ErrorCode::out_of_memory,
                 "does not fit into the guest memory of " + std::to_string(memory.size() >> 20) + " MiB"};
  }
  if (can_map_file(image)) {
    for (const ElfSegment& s : image.segments) {
      if (Result<void> ok = map_segment(memory, s, loaded.base, fd); !ok) return ok.error();
    }
  } else if (Result<void> ok = copy_segments(memory, image, loaded.base, fd); !ok) {
    return ok.error();
  }
  loaded.entry = image.entry + loaded.base;
  loaded.phdr = image.phdr_vaddr != 0 ? image.phdr_vaddr + loaded.base : 0;
  loaded.phdr_count = image.phdr_count;
  loaded.end = page_up(high);
  return loaded;
}

Result<std::uint64_t> map_trampoline(FlatMemory& memory) {
  const std::uint64_t page = FlatMemory::page_size();
  const GuestRange range = memory.find_free(page, {{kLowest}, memory.size() - kLowest}, true);
  if (range.size == 0) return Error{ErrorCode::out_of_memory, "leaves no room for the signal trampoline"};
  if (Result<void> ok = memory.map(range, Perm::read | Perm::write); !ok) return ok.error();
  // li a7, 139 (rt_sigreturn); ecall
  constexpr std::array<std::uint32_t, 2> kCode = {0x08b00893, 0x00000073};
  UserMemory(memory).put(range.begin.value, kCode);
  if (Result<void> ok = memory.protect(range, Perm::read | Perm::exec); !ok) return ok.error();
  return range.begin.value;
}

namespace {

// Auxiliary vector types (include/uapi/linux/auxvec.h).
enum Aux : std::uint64_t {
  kAtNull = 0,
  kAtPhdr = 3,
  kAtPhent = 4,
  kAtPhnum = 5,
  kAtPagesz = 6,
  kAtBase = 7,
  kAtFlags = 8,
  kAtEntry = 9,
  kAtUid = 11,
  kAtEuid = 12,
  kAtGid = 13,
  kAtEgid = 14,
  kAtHwcap = 16,
  kAtClktck = 17,
  kAtSecure = 23,
  kAtRandom = 25,
  kAtExecfn = 31,
  kAtMinsigstksz = 51,
};

constexpr std::uint64_t hwcap_bit(char extension) { return std::uint64_t{1} << (extension - 'A'); }
constexpr std::uint64_t kHwcap =
    hwcap_bit('I') | hwcap_bit('M') | hwcap_bit('A') | hwcap_bit('F') | hwcap_bit('D') | hwcap_bit('C');

// Writes downwards from the top of the stack.
class StackWriter {
 public:
  StackWriter(FlatMemory& memory, std::uint64_t low, std::uint64_t sp)
      : memory_(memory), low_(low), sp_(sp) {}
  std::uint64_t push(std::span<const std::byte> bytes) {
    if (bytes.size() > sp_ - low_) {
      ok_ = false;
      return sp_;
    }
    sp_ -= bytes.size();
    ok_ = ok_ && memory_.write(sp_, bytes);
    return sp_;
  }
  std::uint64_t push(const std::string& text) {
    return push(std::as_bytes(std::span{text.c_str(), text.size() + 1}));
  }
  void align(std::uint64_t bytes) { sp_ = std::max(low_, sp_ & ~(bytes - 1)); }
  bool ok() const { return ok_; }
  std::uint64_t sp() const { return sp_; }

 private:
  UserMemory memory_;
  std::uint64_t low_, sp_;
  bool ok_ = true;
};

}  // namespace

Result<Stack> build_stack(FlatMemory& memory, const StackConfig& config) {
  const std::uint64_t size = page_up(std::min(config.size, memory.size()));
  if (size == 0 || config.size > memory.size()) {
    return Error{ErrorCode::invalid_argument,
                 "the stack's size must be between one page and the memory's size"};
  }
  const GuestRange range = memory.find_free(size + kStackGuard, {{kLowest}, memory.size() - kLowest}, true);
  if (range.size == 0) {
    return Error{ErrorCode::out_of_memory,
                 "the guest memory has no room for a stack of " + std::to_string(size >> 10) + " KiB"};
  }
  Stack stack{range.begin.value + kStackGuard, range.end().value, 0};
  if (Result<void> ok = memory.map({{stack.low}, size}, Perm::read | Perm::write); !ok) return ok.error();

  // From the top: a zero word, the file name, environment and argument strings (the first argument lowest),
  // the platform's name, random bytes; then, 16-byte aligned, argc, argv, envp and the auxiliary vector
  // upwards. Linux allows the strings a quarter of the stack.
  StackWriter writer(memory, stack.high - size / 4, stack.high);
  const std::uint64_t zero = 0;
  writer.push(std::as_bytes(std::span{&zero, 1}));
  const std::uint64_t exec_name = writer.push(config.exec_name);
  std::vector<std::uint64_t> envp(config.env.size());
  for (std::size_t i = config.env.size(); i-- > 0;) envp[i] = writer.push(config.env[i]);
  std::vector<std::uint64_t> argv(config.args.size());
  for (std::size_t i = config.args.size(); i-- > 0;) argv[i] = writer.push(config.args[i]);
  writer.align(16);
  const std::uint64_t random = writer.push(config.random);

  std::vector<std::uint64_t> words;
  words.push_back(argv.size());
  words.insert(words.end(), argv.begin(), argv.end());
  words.push_back(0);
  words.insert(words.end(), envp.begin(), envp.end());
  words.push_back(0);
  const auto aux = [&](Aux type, std::uint64_t value) {
    words.push_back(type);
    words.push_back(value);
  };
  aux(kAtHwcap, kHwcap);
  aux(kAtPagesz, FlatMemory::page_size());
  aux(kAtClktck, 100);
  aux(kAtPhdr, config.image.phdr);
  aux(kAtPhent, ElfImage::kPhdrSize);
  aux(kAtPhnum, config.image.phdr_count);
  aux(kAtBase, 0);
  aux(kAtFlags, 0);
  aux(kAtEntry, config.image.entry);
  aux(kAtUid, config.uid);
  aux(kAtEuid, config.euid);
  aux(kAtGid, config.gid);
  aux(kAtEgid, config.egid);
  aux(kAtSecure, 0);
  aux(kAtRandom, random);
  aux(kAtExecfn, exec_name);
  aux(kAtMinsigstksz, 2048);
  aux(kAtNull, 0);
  const auto bytes = std::as_bytes(std::span{words});
  const Error too_long{ErrorCode::invalid_argument, "the arguments and environment are too long"};
  if (!writer.ok() || bytes.size() > size / 8) return too_long;
  // argc must be 16-byte aligned, so what pads goes above the vector.
  writer.push(std::vector<std::byte>((writer.sp() - bytes.size()) & 15));
  stack.sp = writer.push(bytes);
  if (!writer.ok()) return too_long;
  return stack;
}

}  // namespace ashlar::linux_user
