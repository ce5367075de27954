// Mapping and protecting executable pages; see code_memory.hpp.
//
// Plain mmap and not asmjit's VirtMem: all chunks of a context must be in reach of each other's branches, so
// they lie in one reservation, and VirtMem can't map at a given place.
#include "cache/code_memory.hpp"

#include <fcntl.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <string>

#include "base/assert.hpp"

namespace ashlar::cache {
namespace {

constexpr std::size_t kHeadBytes = 16 * 1024;
constexpr std::size_t kInstallAlignment = 64;

std::size_t round_up(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

/// Sixteen chunks or more where the limit allows, so that evicting one loses little; none so small that a
/// block of ordinary length would not fit, nor so large that a short program pays for pages that it does not
/// need.
std::size_t chunk_size_for(std::uint64_t limit, std::size_t page_size) {
  const std::uint64_t wanted = std::clamp<std::uint64_t>(std::bit_floor(limit / 16), std::uint64_t{16} << 10,
                                                         std::uint64_t{256} << 10);
  return round_up(static_cast<std::size_t>(wanted), page_size);
}

std::string refused(const char* what) {
  return std::string("the host refuses ") + what + ": " + std::strerror(errno);
}

int make_memfd() noexcept {
  // Kernels since 6.3 may be set up to make files not executable unless asked; older ones don't know the
  // flag.
  constexpr unsigned kCloseOnExec = 1, kExecutable = 0x10;
  int fd = static_cast<int>(syscall(__NR_memfd_create, "ashlar-code", kCloseOnExec | kExecutable));
  if (fd < 0 && errno == EINVAL)
    fd = static_cast<int>(syscall(__NR_memfd_create, "ashlar-code", kCloseOnExec));
  return fd;
}

}  // namespace

const char* to_string(CodeMemoryKind kind) noexcept {
  switch (kind) {
    case CodeMemoryKind::dual_mapped:
      return "dual_mapped";
    case CodeMemoryKind::toggled:
      return "toggled";
    case CodeMemoryKind::none:
      return "none";
  }
  return "?";
}

CodeMemory::CodeMemory(const CodeMemoryConfig& config) {
  const auto host_page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  page_size_ = std::max(config.page_size, host_page);
  chunk_size_ = chunk_size_for(config.limit, page_size_);
  chunk_count_ = static_cast<std::size_t>(std::max<std::uint64_t>(config.limit / chunk_size_, 1));
  head_size_ = round_up(kHeadBytes, page_size_);
}

Result<std::unique_ptr<CodeMemory>> CodeMemory::create(const CodeMemoryConfig& config) {
  const auto attempt = [&](CodeMemoryKind kind) -> Result<std::unique_ptr<CodeMemory>> {
    auto memory = std::unique_ptr<CodeMemory>(new CodeMemory(config));
    if (auto mapped = memory->map(kind); !mapped) return mapped.error();
    if (kind != CodeMemoryKind::none) {
      if (auto probed = memory->probe(config.probe); !probed) return probed.error();
    }
    return memory;
  };
  if (config.kind) return attempt(*config.kind);
  if (auto memory = attempt(CodeMemoryKind::dual_mapped)) return memory;
  if (auto memory = attempt(CodeMemoryKind::toggled)) return memory;
  return attempt(CodeMemoryKind::none);
}

CodeMemory::~CodeMemory() { unmap(); }

Result<void> CodeMemory::map(CodeMemoryKind kind) {
  kind_ = kind;
  if (kind == CodeMemoryKind::none) {
    chunk_count_ = 0;
    return {};
  }
  const std::size_t size = head_size_ + chunk_count_ * chunk_size_;
  const auto reserve = [size] {
    return mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  };
  void* const executable = reserve();
  if (executable == MAP_FAILED) return Error{ErrorCode::not_supported, refused("address space for code")};
  base_ = static_cast<const std::byte*>(executable);
  committed_ = std::make_unique<std::atomic<bool>[]>(chunk_count_);

  if (kind == CodeMemoryKind::toggled) {
    writable_ = static_cast<std::byte*>(executable);
    if (mprotect(executable, head_size_, PROT_READ | PROT_EXEC) != 0) {
      return Error{ErrorCode::not_supported, refused("executable memory")};
    }
  } else {
    void* const writable = reserve();
    if (writable == MAP_FAILED) return Error{ErrorCode::not_supported, refused("address space for code")};
    writable_ = static_cast<std::byte*>(writable);
    fd_ = make_memfd();
    if (fd_ < 0 || ftruncate(fd_, static_cast<off_t>(size)) != 0) {
      return Error{ErrorCode::not_supported, refused("a file in memory for code")};
    }
    if (!map_dual(0, head_size_)) {
      return Error{ErrorCode::not_supported, refused("a second mapping of executable memory")};
    }
  }
  can_synchronise_cores_ = register_process();
  return {};
}

void CodeMemory::unmap() noexcept {
  const std::size_t size = region_size();
  if (base_ != nullptr) munmap(const_cast<std::byte*>(base_), size);
  if (writable_ != nullptr && writable_ != base_) munmap(writable_, size);
  if (fd_ >= 0) close(fd_);
}

bool CodeMemory::map_dual(std::size_t offset, std::size_t size) noexcept {
  std::byte* const executable = const_cast<std::byte*>(base_) + offset;
  std::byte* const writable = writable_ + offset;
  const auto map_at = [&](std::byte* at, int protection) {
    return mmap(at, size, protection, MAP_SHARED | MAP_FIXED, fd_, static_cast<off_t>(offset)) != MAP_FAILED;
  };
  if (!map_at(writable, PROT_READ | PROT_WRITE)) return false;
  if (!map_at(executable, PROT_READ | PROT_EXEC)) {
    const int error = errno;
    mmap(writable, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    errno = error;
    return false;
  }
  // The pages are shared: a forked child that went on translating would overwrite its parent's code. Let it
  // crash instead.
  madvise(writable, size, MADV_DONTFORK);
  madvise(executable, size, MADV_DONTFORK);
  return true;
}

Result<void> CodeMemory::probe(const CodeProbe& probe) {
  const auto run = [this](std::span<const std::byte> code) -> std::optional<std::uint32_t> {
    {
      CodeWrite write(*this, base_, code.size());
      if (!write.ok()) return std::nullopt;
      std::memcpy(write.writable(base_), code.data(), code.size());
    }
    return reinterpret_cast<std::uint32_t (*)()>(reinterpret_cast<std::uintptr_t>(base_))();
  };
  ASHLAR_ASSERT(!probe.first.empty() && probe.first.size() <= 4096 && !probe.second.empty() &&
                    probe.second.size() <= 4096,
                "a probe of executable memory has no code, or too much");
  if (run(probe.first) != probe.first_result) {
    return Error{ErrorCode::not_supported, "the host does not execute code that was written"};
  }
  if (run(probe.second) != probe.second_result) {
    return Error{ErrorCode::not_supported, "the host executes old code after it was overwritten"};
  }
  return {};
}

bool CodeMemory::commit_chunk(std::size_t chunk) noexcept {
  const std::size_t offset = head_size_ + chunk * chunk_size_;
  if (!committed_[chunk].load(std::memory_order_relaxed)) {
    const bool done = kind_ == CodeMemoryKind::dual_mapped
                          ? map_dual(offset, chunk_size_)
                          : mprotect(writable_ + offset, chunk_size_, PROT_READ | PROT_EXEC) == 0;
    if (!done) return false;
    committed_[chunk].store(true, std::memory_order_release);
  }
  return true;
}

void CodeMemory::populate(std::size_t chunk, std::size_t begin, std::size_t size) noexcept {
  if (kind_ != CodeMemoryKind::dual_mapped) return;
  // Linux 5.14; without it each page costs a fault or two, which for short translations is most of
  // publishing them.
  constexpr int kPopulateRead = 22, kPopulateWrite = 23;
  const std::size_t offset = head_size_ + chunk * chunk_size_ + begin;
  madvise(writable_ + offset, size, kPopulateWrite);
  madvise(const_cast<std::byte*>(base_) + offset, size, kPopulateRead);
}

bool CodeMemory::discard_chunk(std::size_t chunk) noexcept {
  const std::size_t offset = head_size_ + chunk * chunk_size_;
  if (kind_ == CodeMemoryKind::dual_mapped) {
    return fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                     static_cast<off_t>(chunk_size_)) == 0;
  }
  return madvise(writable_ + offset, chunk_size_, MADV_DONTNEED) == 0;
}

Result<const std::byte*> CodeMemory::install(std::span<const std::byte> code) {
  if (kind_ == CodeMemoryKind::none) {
    return Error{ErrorCode::not_supported, "there is no executable memory"};
  }
  std::lock_guard lock(head_mutex_);
  const std::size_t offset = round_up(head_used_, kInstallAlignment);
  if (code.size() > head_size_ - std::min(offset, head_size_)) {
    return Error{ErrorCode::out_of_memory, "the space for the runtime's own code is used up"};
  }
  const std::byte* const at = base_ + offset;
  CodeWrite write(*this, at, code.size());
  if (!write.ok()) return Error{ErrorCode::out_of_memory, refused("to make code writable")};
  std::memcpy(write.writable(at), code.data(), code.size());
  head_used_ = offset + code.size();
  return at;
}

bool CodeMemory::wait_for_code(const void* fault_addr, const void* pc) const noexcept {
  if (kind_ != CodeMemoryKind::toggled || !contains(fault_addr)) return false;
  const auto at = reinterpret_cast<std::uintptr_t>(fault_addr);
  // An instruction may begin in the page before. Anything farther is an access to data, which is not ours to
  // wait for.
  constexpr std::uintptr_t kLongestInstruction = 16;
  if (at - reinterpret_cast<std::uintptr_t>(pc) >= kLongestInstruction) return false;
  // Pages that have been committed are executable whenever nobody writes to them: trying again must succeed.
  if (const std::size_t chunk = chunk_of(fault_addr);
      chunk != chunk_count_ && !committed_[chunk].load(std::memory_order_acquire)) {
    return false;
  }
  const auto is_written = [&] {
    return at >= writing_begin_.load(std::memory_order_seq_cst) &&
           at < writing_end_.load(std::memory_order_seq_cst);
  };
  for (unsigned i = 0; is_written(); ++i) {
    // Sleeping also lets a writer of lower priority on.
    constexpr unsigned kSpins = 200;
    if (i < kSpins) continue;
    const timespec pause{0, 20'000};
    nanosleep(&pause, nullptr);
  }
  return true;
}

bool CodeMemory::register_process() noexcept {
  static const bool available =
      syscall(__NR_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0) == 0;
  return available;
}

void CodeMemory::synchronise_cores() const noexcept {
  if (can_synchronise_cores_) syscall(__NR_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0);
}

CodeWrite::CodeWrite(CodeMemory& memory, const std::byte* begin, std::size_t size) noexcept
    : memory_(memory), begin_(begin), size_(size) {
  if (memory.kind_ != CodeMemoryKind::toggled) return;
  memory.write_mutex_.lock();
  // By offsets: pages that are larger than the host's need not be aligned to their size.
  const auto base = reinterpret_cast<std::uintptr_t>(memory.base_);
  const auto offset = static_cast<std::size_t>(begin - memory.base_);
  const std::uintptr_t first = base + offset / memory.page_size_ * memory.page_size_;
  const std::uintptr_t last = base + round_up(offset + size, memory.page_size_);
  // Both words change while nobody is kept waiting: the range between them is empty until the second is
  // stored.
  memory.writing_begin_.store(first, std::memory_order_seq_cst);
  memory.writing_end_.store(last, std::memory_order_seq_cst);
  if (mprotect(reinterpret_cast<void*>(first), last - first, PROT_READ | PROT_WRITE) == 0) return;
  ok_ = false;
  const int error = errno;
  // It may have changed a part of the range.
  if (mprotect(reinterpret_cast<void*>(first), last - first, PROT_READ | PROT_EXEC) != 0) {
    fatal("the host does not make code executable again");
  }
  memory.writing_end_.store(0, std::memory_order_seq_cst);
  memory.write_mutex_.unlock();
  errno = error;
}

CodeWrite::~CodeWrite() {
  if (!ok_) return;
  auto* const begin = const_cast<char*>(reinterpret_cast<const char*>(begin_));
  if (memory_.kind_ != CodeMemoryKind::toggled) {
    __builtin___clear_cache(begin, begin + size_);
    return;
  }
  const std::uintptr_t first = memory_.writing_begin_.load(std::memory_order_relaxed);
  const std::uintptr_t last = memory_.writing_end_.load(std::memory_order_relaxed);
  // Before anybody can execute it; reading, which this is to the host, is allowed all the time.
  __builtin___clear_cache(begin, begin + size_);
  if (mprotect(reinterpret_cast<void*>(first), last - first, PROT_READ | PROT_EXEC) != 0) {
    fatal("the host does not make code executable again");
  }
  memory_.writing_end_.store(0, std::memory_order_seq_cst);
  memory_.write_mutex_.unlock();
}

}  // namespace ashlar::cache
