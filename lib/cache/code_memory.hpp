// Executable memory: one contiguous stretch of address space, committed chunk by chunk, written and executed
// without ever being both in one mapping. This file and code_memory.cpp are the only ones that map or protect
// executable pages. Used by the code space and the linker; the engine installs its runtime routines here.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

#include <ashlar/result.hpp>

namespace ashlar::cache {

enum class CodeMemoryKind : std::uint8_t {
  dual_mapped,  ///< one writable and one executable mapping of the same pages
  toggled,      ///< one mapping whose pages are switched between writable and executable
  none,         ///< no executable memory: nothing can be reserved
};

/// Two functions `std::uint32_t()` in host code, at least one byte and at most 4 KiB each, and what they
/// return. The second is written over the first and executed through the same address, because there are
/// hosts (qemu-aarch64 7.2) that execute old code after a change through the other mapping.
struct CodeProbe {
  std::span<const std::byte> first;
  std::uint32_t first_result = 0;
  std::span<const std::byte> second;
  std::uint32_t second_result = 0;
};

struct CodeMemoryConfig {
  /// Bytes for translations; the runtime's routines have a page or so besides. Rounded down to whole chunks,
  /// at least one.
  std::uint64_t limit = std::uint64_t{64} << 20;
  /// Not set: dual mapping, then toggled, then none: the first that passes the probe.
  std::optional<CodeMemoryKind> kind;
  CodeProbe probe;
  /// 0: the host's. Tests pass larger ones.
  std::size_t page_size = 0;
};

class CodeMemory {
 public:
  /// not_supported when a kind is asked for that this host does not let us have.
  static Result<std::unique_ptr<CodeMemory>> create(const CodeMemoryConfig& config);
  ~CodeMemory();
  CodeMemory(const CodeMemory&) = delete;
  CodeMemory& operator=(const CodeMemory&) = delete;

  CodeMemoryKind kind() const noexcept { return kind_; }
  std::size_t page_size() const noexcept { return page_size_; }
  std::size_t chunk_size() const noexcept { return chunk_size_; }
  /// 0 for kind none.
  std::size_t chunk_count() const noexcept { return chunk_count_; }
  const std::byte* chunk_begin(std::size_t chunk) const noexcept {
    return base_ + head_size_ + chunk * chunk_size_;
  }
  /// Which chunk an executable address is in, or chunk_count(). Any address will do. Async-signal-safe.
  std::size_t chunk_of(const void* at) const noexcept {
    const std::uintptr_t offset =
        reinterpret_cast<std::uintptr_t>(at) - reinterpret_cast<std::uintptr_t>(base_) - head_size_;
    return offset < chunk_count_ * chunk_size_ ? offset / chunk_size_ : chunk_count_;
  }
  /// Whether the address is in a chunk or in what `install` has placed.
  bool contains(const void* at) const noexcept {
    return reinterpret_cast<std::uintptr_t>(at) - reinterpret_cast<std::uintptr_t>(base_) < region_size();
  }

  /// Makes a chunk usable: executable, zero or with what it had. Also after discard_chunk. Not thread-safe
  /// for the same chunk. False when the host refuses.
  bool commit_chunk(std::size_t chunk) noexcept;
  /// Has the pages of `size` bytes from `begin` of a committed chunk present, where the host can do that in
  /// one go. Both multiples of the page size.
  void populate(std::size_t chunk, std::size_t begin, std::size_t size) noexcept;
  /// Gives the pages of a chunk that nobody executes back to the host; it stays executable, and reads as
  /// zero. False when the host can't: nothing has changed.
  bool discard_chunk(std::size_t chunk) noexcept;

  /// Places code that stays as long as the memory does, aligned to 64 bytes. out_of_memory when the space for
  /// such code is used up, not_supported for kind none. Thread-safe.
  Result<const std::byte*> install(std::span<const std::byte> code);

  /// In toggled memory a thread that executes a page while another thread writes to it faults. Called by the
  /// host fault handler with the faulting address and the program counter: if that is such a fault, waits
  /// until the page is executable again and returns true: try again. Async-signal-safe.
  bool wait_for_code(const void* fault_addr, const void* pc) const noexcept;

  /// Has the kernel prepare for synchronise_cores; `create` sees to it too. Once in a process, and best while
  /// that has one thread: it takes a microsecond then, and some ten milliseconds later.
  static bool register_process() noexcept;
  /// All threads of the process forget instructions that they may have fetched ahead. To be called when a
  /// chunk has been discarded, or else between writing code where other code was executed before and letting
  /// anybody execute it.
  void synchronise_cores() const noexcept;

 private:
  friend class CodeWrite;
  explicit CodeMemory(const CodeMemoryConfig& config);
  Result<void> map(CodeMemoryKind kind);
  void unmap() noexcept;
  bool map_dual(std::size_t offset, std::size_t size) noexcept;
  Result<void> probe(const CodeProbe& probe);
  std::size_t region_size() const noexcept {
    return base_ == nullptr ? 0 : head_size_ + chunk_count_ * chunk_size_;
  }

  CodeMemoryKind kind_ = CodeMemoryKind::none;
  std::size_t page_size_;
  std::size_t chunk_size_;
  std::size_t chunk_count_;
  std::size_t head_size_;            ///< for `install`, before the chunks
  const std::byte* base_ = nullptr;  ///< executable
  std::byte* writable_ = nullptr;    ///< the same for toggled memory
  int fd_ = -1;
  bool can_synchronise_cores_ = false;
  std::unique_ptr<std::atomic<bool>[]> committed_;

  std::mutex head_mutex_;
  std::size_t head_used_ = 0;

  /// Toggled memory: held while pages are writable. The pages stand in the two words for the fault handler.
  std::mutex write_mutex_;
  std::atomic<std::uintptr_t> writing_begin_{0};
  std::atomic<std::uintptr_t> writing_end_{0};
};

/// While it lives, [begin, begin + size) can be written through `writable`; when it ends, the range is
/// executable and the instruction caches are told. Other threads may execute, and for dual mapping also
/// write, the memory around, and, if only single aligned words are stored, the range itself.
///
/// In toggled memory those who execute a page meanwhile wait in the fault handler
/// (CodeMemory::wait_for_code). That needs no safepoint and can't deadlock: a thread that executes emitted
/// code holds no lock of ours, so that the writer never waits for it; and the writer runs no emitted code
/// before it is done.
class CodeWrite {
 public:
  CodeWrite(CodeMemory& memory, const std::byte* begin, std::size_t size) noexcept;
  ~CodeWrite();
  CodeWrite(const CodeWrite&) = delete;
  CodeWrite& operator=(const CodeWrite&) = delete;

  /// False when the host refused to make the range writable: nothing may be written.
  bool ok() const noexcept { return ok_; }
  /// The alias of an executable address in the range.
  std::byte* writable(const std::byte* at) const noexcept { return memory_.writable_ + (at - memory_.base_); }

 private:
  CodeMemory& memory_;
  const std::byte* const begin_;
  const std::size_t size_;
  bool ok_ = true;
};

const char* to_string(CodeMemoryKind kind) noexcept;

}  // namespace ashlar::cache
