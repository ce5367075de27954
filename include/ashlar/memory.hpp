// Guest memory: the interface, and the flat model.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include <ashlar/export.hpp>
#include <ashlar/result.hpp>
#include <ashlar/types.hpp>

namespace ashlar {

/// Page permissions, as bits. Execute implies read (as it does for Linux guests on RISC-V hardware without
/// execute-only pages), and so does write.
enum class Perm : std::uint8_t { none = 0, read = 1, write = 2, exec = 4 };
constexpr Perm operator|(Perm a, Perm b) {
  return static_cast<Perm>(static_cast<int>(a) | static_cast<int>(b));
}
constexpr Perm operator&(Perm a, Perm b) {
  return static_cast<Perm>(static_cast<int>(a) & static_cast<int>(b));
}
constexpr bool has(Perm set, Perm bits) { return (set & bits) == bits; }

enum class AccessKind : std::uint8_t { load, store, fetch };

enum class FaultKind : std::uint8_t {
  none,
  unmapped,    ///< nothing is mapped there (Linux: SEGV_MAPERR)
  protection,  ///< mapped without the permission (SEGV_ACCERR)
  misaligned,  ///< an atomic at an address that is not naturally aligned
  bus,         ///< the host has no memory behind the page (a file that became shorter)
};

struct Fault {
  FaultKind kind = FaultKind::none;
  AccessKind access = AccessKind::load;
  GuestAddr addr;  ///< the first byte that could not be accessed
};

/// Told when guest code may have changed. Called without the memory's locks held, by the thread that made the
/// change, before the change returns to its caller.
class CodeObserver {
 public:
  virtual void code_changed(GuestRange range) = 0;

 protected:
  ~CodeObserver() = default;
};

/// What the engine needs of a guest's memory. Implementations are thread-safe.
class ASHLAR_API GuestMemory {
 public:
  virtual ~GuestMemory() = default;

  /// Copies; returns how many bytes were copied before a page that forbids it (bytes.size() when all).
  /// These respect guest permissions. Never crash, whatever other threads unmap meanwhile.
  virtual std::size_t read(GuestAddr from, std::span<std::byte> to) const noexcept = 0;
  /// A write by the embedder: invalidates translations of what it overwrites.
  virtual std::size_t write(GuestAddr to, std::span<const std::byte> from) noexcept = 0;
  /// Executable bytes at `at`: up to to.size(), fewer at the end of executable pages, 0 if not executable.
  /// Marks the pages as holding translated code.
  virtual std::size_t fetch(GuestAddr at, std::span<std::byte> to) noexcept = 0;
  /// Why an access of `size` bytes at `at` would fault; kind none if it would not.
  virtual Fault check(GuestAddr at, std::size_t size, AccessKind access) const noexcept = 0;

  /// Observers live longer than their registration.
  virtual void add_observer(CodeObserver* observer) = 0;
  virtual void remove_observer(CodeObserver* observer) = 0;
};

struct FlatMemoryConfig {
  /// Size of the window in bytes: guest addresses [0, size). A multiple of the page size, up to 2^46. Address
  /// space for the window is reserved without committing memory; memory is committed page by page when the
  /// guest touches it.
  std::uint64_t size = std::uint64_t{1} << 30;
};

/// One window of guest addresses [0, size), at one place in the host's address space, between two guard
/// regions. All guest accesses are checked against it: no guest address reaches host memory outside the
/// window.
class ASHLAR_API FlatMemory final : public GuestMemory {
 public:
  /// Fails with out_of_memory when the host refuses the reservation, invalid_argument for a bad size.
  static Result<std::shared_ptr<FlatMemory>> create(const FlatMemoryConfig& config);
  ~FlatMemory() override;
  FlatMemory(const FlatMemory&) = delete;
  FlatMemory& operator=(const FlatMemory&) = delete;

  std::uint64_t size() const noexcept { return size_; }
  /// Bytes of a page: the host's page size, at least 4096. Ranges below are rounded outwards to it.
  static std::uint64_t page_size() noexcept;

  /// Maps fresh zero pages over whatever was there. out_of_range when not inside the window.
  Result<void> map(GuestRange range, Perm perm);
  /// Maps a host file over whatever was there. `fd` is not kept. shared: MAP_SHARED, else private.
  Result<void> map_file(GuestRange range, Perm perm, int fd, std::uint64_t offset, bool shared);
  /// Unmapped pages inside the range are not an error.
  Result<void> unmap(GuestRange range);
  /// Fails with out_of_range, changing nothing, when a page of the range is not mapped.
  Result<void> protect(GuestRange range, Perm perm);
  /// Moves pages with their contents (mremap). The ranges must not overlap and be of equal size.
  Result<void> move(GuestRange from, GuestAddr to);
  /// Whether every page of the range is mapped / free.
  bool is_mapped(GuestRange range) const noexcept;
  bool is_free(GuestRange range) const noexcept;
  /// Permissions of the page; `mapped` false for a page that is not mapped.
  Perm permissions(GuestAddr at, bool* mapped = nullptr) const noexcept;
  /// The lowest or highest (`top_down`) free range of `size` bytes within `within`; size 0 if there is none.
  GuestRange find_free(std::uint64_t size, GuestRange within, bool top_down = true) const noexcept;
  /// Translations of the range are invalid from now on (a flush of the guest's instruction cache).
  void invalidate_code(GuestRange range);

  enum class Exchange : std::uint8_t { done, differs, fault };
  /// Replaces the 32-bit word at `at` by `desired` if it equals `expected`, in one step for guest threads too
  /// (sequentially consistent). `differs`: nothing was changed, `expected` is what is there. `fault`: the
  /// word is misaligned or not writable. Does not invalidate translations.
  Exchange compare_exchange(GuestAddr at, std::uint32_t& expected, std::uint32_t desired) noexcept;

  /// Host address of guest address 0. For system calls that hand memory to the host's kernel, which checks it
  /// (EFAULT); dereferencing it directly is undefined where pages are not accessible.
  std::byte* base() const noexcept { return base_; }
  /// Highest base address that the inline check lets through: size() plus half the upper guard.
  std::uint64_t check_limit() const noexcept;
  /// Whether every guest address up to reinterpret_cast<std::uintptr_t>(base()) is as good as one that
  /// check_limit() lets through, so that emitted code compares with the base, which it has in a register. So
  /// it is where the host gives address space low enough that as much again behind the window can be
  /// reserved.
  bool base_is_limit() const noexcept { return base_is_limit_; }
  /// Displacements d with |d| < this may be added to a checked base address: guards swallow them.
  static constexpr std::uint64_t kDisplacementSlack = 32 * 1024;
  static constexpr std::uint64_t kGuardSize = 64 * 1024;

  std::size_t read(GuestAddr from, std::span<std::byte> to) const noexcept override;
  std::size_t write(GuestAddr to, std::span<const std::byte> from) noexcept override;
  std::size_t fetch(GuestAddr at, std::span<std::byte> to) noexcept override;
  Fault check(GuestAddr at, std::size_t size, AccessKind access) const noexcept override;
  void add_observer(CodeObserver* observer) override;
  void remove_observer(CodeObserver* observer) override;

 private:
  struct Impl;
  explicit FlatMemory(std::unique_ptr<Impl> impl, std::byte* base, std::uint64_t size, bool base_is_limit);
  std::unique_ptr<Impl> impl_;
  std::byte* base_;
  std::uint64_t size_;
  bool base_is_limit_;
};

}  // namespace ashlar
