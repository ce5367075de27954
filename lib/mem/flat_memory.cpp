// FlatMemory: one reserved window of host address space between guard regions, host protection in step with a
// table of page states. See <ashlar/memory.hpp> for the rules; the engine and embedders call it.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <ashlar/memory.hpp>

#include "mem/fault_guard.hpp"
#include "mem/gap_index.hpp"
#include "mem/layout.hpp"

namespace ashlar {
namespace {

static_assert(mem::kDisplacementSlack == FlatMemory::kDisplacementSlack);
static_assert(mem::kGuardSize == FlatMemory::kGuardSize);

// Page states: Perm bits, and these. A state is 0 exactly where nothing is mapped.
constexpr std::uint8_t kPermBits = 7;
constexpr std::uint8_t kMapped = 8;
constexpr std::uint8_t kHasCode = 16;  // fetched since the last notification
constexpr std::uint8_t kShared = 32;   // a MAP_SHARED file

constexpr std::uint64_t kMaxSize = std::uint64_t{1} << 46;
/// The window begins at a multiple of this, so that the host can back guest memory with huge pages.
constexpr std::uint64_t kBaseAlignment = std::uint64_t{2} << 20;

int host_protection(Perm perm) {
  // Guest pages are data for the host: execute is read. Write without read exists on no host that we know.
  if (has(perm, Perm::write)) return PROT_READ | PROT_WRITE;
  return perm == Perm::none ? PROT_NONE : PROT_READ;
}

bool allows(std::uint8_t state, AccessKind access) {
  switch (access) {
    case AccessKind::load:
      return (state & kPermBits) != 0;
    case AccessKind::store:
      return (state & static_cast<std::uint8_t>(Perm::write)) != 0;
    case AccessKind::fetch:
      return (state & static_cast<std::uint8_t>(Perm::exec)) != 0;
  }
  return false;
}

Error host_error(const char* what) {
  const int code = errno;
  return Error{code == ENOMEM ? ErrorCode::out_of_memory : ErrorCode::io_error,
               std::string(what) + ": " + std::strerror(code)};
}

/// Reserves address space for a window that begins at an address not below its size, and as much behind it
/// as this address says, with guard regions of these sizes around both. Gives the address; 0: the host has no
/// room for that.
std::uintptr_t reserve_low(std::uint64_t size, std::uint64_t lower, std::uint64_t upper) {
#if !defined(__x86_64__)
  // Others have a register to spare for the limit.
  return 0;
#endif
  // Below are programs that were linked for fixed addresses; a host's processes have 2^47 bytes.
  constexpr std::uintptr_t kLowest = std::uintptr_t{1} << 32, kHighest = std::uintptr_t{1} << 45;
  for (std::uintptr_t base = kLowest; base <= kHighest; base *= 2) {
    if (base < size) continue;
    void* const wanted = reinterpret_cast<void*>(base - lower);
    const std::uint64_t length = lower + base + upper;
    void* const got = mmap(wanted, length, PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (got == wanted) return base;
    // Kernels before 4.17 take the address for a hint.
    if (got != MAP_FAILED) munmap(got, length);
  }
  return 0;
}

Error outside_window(std::uint64_t size) {
  return Error{ErrorCode::out_of_range,
               "the range is not inside the guest memory of " + std::to_string(size) + " bytes"};
}

struct Pages {
  std::uint64_t first = 0;
  std::uint64_t end = 0;
  std::uint64_t count() const { return end - first; }
};

}  // namespace

struct FlatMemory::Impl {
  explicit Impl(std::uint64_t pages) : gaps(pages) {}
  ~Impl() {
    if (states != nullptr) munmap(states, page_count);
    if (reservation != nullptr) munmap(reservation, reservation_size);
  }

  std::byte* reservation = nullptr;
  std::uint64_t reservation_size = 0;
  std::byte* base = nullptr;
  std::uint64_t page_count = 0;
  std::uint64_t page = 0;
  unsigned page_shift = 0;
  /// One per page, read without a lock; written under `mutex`, but for kHasCode.
  std::atomic<std::uint8_t>* states = nullptr;

  /// Held while the host's mappings, `states` and `gaps` change together.
  mutable std::mutex mutex;
  mem::GapIndex gaps;

  std::mutex observers_mutex;
  std::condition_variable notified;
  std::vector<CodeObserver*> observers;
  unsigned notifying = 0;

  std::byte* host(std::uint64_t first_page) const { return base + (first_page << page_shift); }
  mem::HostRange window() const {
    const auto begin = reinterpret_cast<std::uintptr_t>(base);
    return {begin, begin + (page_count << page_shift)};
  }

  /// The pages that hold the range, if they are all inside the window.
  bool pages_of(GuestRange range, Pages& out) const {
    const std::uint64_t size = page_count << page_shift;
    if (range.begin.value > size || range.size > size - range.begin.value) return false;
    out.first = range.begin.value >> page_shift;
    out.end = range.size == 0 ? out.first : ((range.begin.value + range.size - 1) >> page_shift) + 1;
    return true;
  }

  std::uint8_t state_of(std::uint64_t index) const { return states[index].load(std::memory_order_acquire); }

  /// Gives pages a new state, and collects the ranges among them that held translated code into `changed`.
  void set_states(Pages pages, std::uint8_t state, std::vector<GuestRange>& changed) {
    for (std::uint64_t i = pages.first; i < pages.end; ++i) {
      if (states[i].load(std::memory_order_relaxed) == state) continue;  // most of a large fresh range
      if ((states[i].exchange(state, std::memory_order_acq_rel) & kHasCode) != 0) add_page(changed, i);
    }
  }

  void add_page(std::vector<GuestRange>& changed, std::uint64_t index) const {
    const GuestAddr at{index << page_shift};
    if (!changed.empty() && changed.back().end() == at) {
      changed.back().size += page;
    } else {
      changed.push_back({at, page});
    }
  }

  /// Takes the code marks off the pages and collects where they were.
  void clear_code(Pages pages, std::vector<GuestRange>& changed) {
    for (std::uint64_t i = pages.first; i < pages.end; ++i) {
      if ((states[i].load(std::memory_order_acquire) & kHasCode) == 0) continue;
      if ((states[i].fetch_and(static_cast<std::uint8_t>(~kHasCode), std::memory_order_acq_rel) & kHasCode) !=
          0) {
        add_page(changed, i);
      }
    }
  }

  void notify(const std::vector<GuestRange>& changed) {
    if (changed.empty()) return;
    std::vector<CodeObserver*> targets;
    {
      std::lock_guard lock(observers_mutex);
      if (observers.empty()) return;
      targets = observers;
      ++notifying;
    }
    for (CodeObserver* observer : targets) {
      for (const GuestRange& range : changed) observer->code_changed(range);
    }
    {
      std::lock_guard lock(observers_mutex);
      --notifying;
    }
    notified.notify_all();
  }

  /// Makes the host's pages inaccessible and without contents.
  bool host_unmap(Pages pages) const {
    return mmap(host(pages.first), pages.count() << page_shift, PROT_NONE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED;
  }

  /// Repeats the host's protection for what `states` says, after a change that failed half way.
  void restore_protection(Pages pages) const {
    for (std::uint64_t i = pages.first; i < pages.end; ++i) {
      mprotect(host(i), page, host_protection(static_cast<Perm>(state_of(i) & kPermBits)));
    }
  }

  /// How many of the bytes [at, at + size) can be accessed before a page that forbids it.
  std::uint64_t accessible(std::uint64_t at, std::uint64_t size, AccessKind access) const {
    const std::uint64_t limit = page_count << page_shift;
    if (at >= limit) return 0;
    size = std::min(size, limit - at);
    std::uint64_t done = 0;
    while (done < size && allows(state_of((at + done) >> page_shift), access)) {
      done += page - ((at + done) & (page - 1));
    }
    return std::min(done, size);
  }

  /// Copies between the window and host memory as far as the guest's permissions and the host allow.
  template <AccessKind access>
  std::size_t copy(std::uint64_t at, std::byte* host_bytes, std::size_t size) const noexcept {
    const auto move = [&](std::uint64_t offset, std::size_t n) {
      std::byte* inside = base + at + offset;
      return access == AccessKind::store ? mem::guarded_copy(inside, host_bytes + offset, n, window())
                                         : mem::guarded_copy(host_bytes + offset, inside, n, window());
    };
    const auto total = static_cast<std::size_t>(accessible(at, size, access));
    if (total == 0 || move(0, total)) return total;
    // Another thread has taken pages away, or a file became shorter: find the page by trying them in order.
    std::size_t done = 0;
    while (done < total) {
      const auto n = std::min<std::size_t>(total - done, page - ((at + done) & (page - 1)));
      if (!move(done, n)) break;
      done += n;
    }
    return done;
  }

  Result<void> move_by_copy(Pages from, Pages to, std::uint64_t bytes);
};

Result<std::shared_ptr<FlatMemory>> FlatMemory::create(const FlatMemoryConfig& config) {
  const std::uint64_t page = page_size();
  if (config.size == 0 || config.size > kMaxSize || config.size % page != 0) {
    return Error{ErrorCode::invalid_argument,
                 "the size of guest memory must be a multiple of " + std::to_string(page) +
                     " between one page and 2^46 bytes, not " + std::to_string(config.size)};
  }
  auto impl = std::make_unique<Impl>(config.size / page);
  impl->page = page;
  while ((std::uint64_t{1} << impl->page_shift) < page) ++impl->page_shift;
  impl->page_count = config.size / page;

  const std::uint64_t lower = std::max(kGuardSize, page);
  const std::uint64_t upper = lower + page;
  const std::uint64_t wanted = lower + config.size + upper + kBaseAlignment;
  const auto reserve = [](std::uint64_t size, int prot) -> void* {
    return mmap(nullptr, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  };
  std::uintptr_t base = reserve_low(config.size, lower, upper);
  const bool base_is_limit = base != 0;
  std::uintptr_t end = base + base + upper;
  if (!base_is_limit) {
    void* window = reserve(wanted, PROT_NONE);
    if (window == MAP_FAILED) {
      return Error{ErrorCode::out_of_memory, "the host refuses to reserve " + std::to_string(config.size) +
                                                 " bytes of address space: " + std::strerror(errno)};
    }
    // Give back what the alignment of the base leaves over at both ends.
    const auto start = reinterpret_cast<std::uintptr_t>(window);
    base = (start + lower + kBaseAlignment - 1) & ~(kBaseAlignment - 1);
    end = base + config.size + upper;
    if (base - lower > start) munmap(window, base - lower - start);
    if (start + wanted > end) munmap(reinterpret_cast<void*>(end), start + wanted - end);
  }
  const std::uintptr_t first = base - lower;
  impl->reservation = reinterpret_cast<std::byte*>(first);
  impl->reservation_size = end - first;
  impl->base = reinterpret_cast<std::byte*>(base);

  void* states = reserve(impl->page_count, PROT_READ | PROT_WRITE);
  if (states == MAP_FAILED) return host_error("the host refuses memory for the page table");
  // Zero-filled memory is an array of zero atomics: they are lock-free bytes.
  static_assert(sizeof(std::atomic<std::uint8_t>) == 1 && std::atomic<std::uint8_t>::is_always_lock_free);
  impl->states = static_cast<std::atomic<std::uint8_t>*>(states);

  std::byte* const host_base = impl->base;
  mem::install_fault_handlers();
  return std::shared_ptr<FlatMemory>(new FlatMemory(std::move(impl), host_base, config.size, base_is_limit));
}

FlatMemory::FlatMemory(std::unique_ptr<Impl> impl, std::byte* base, std::uint64_t size, bool base_is_limit)
    : impl_(std::move(impl)), base_(base), size_(size), base_is_limit_(base_is_limit) {}
FlatMemory::~FlatMemory() = default;

std::uint64_t FlatMemory::page_size() noexcept {
  static const std::uint64_t size =
      std::max<std::uint64_t>(4096, static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)));
  return size;
}

std::uint64_t FlatMemory::check_limit() const noexcept { return size_ + kGuardSize / 2; }

Result<void> FlatMemory::map(GuestRange range, Perm perm) {
  Pages pages;
  if (!impl_->pages_of(range, pages)) return outside_window(size_);
  if (pages.count() == 0) return {};
  std::vector<GuestRange> changed;
  {
    std::lock_guard lock(impl_->mutex);
    if (mmap(impl_->host(pages.first), pages.count() << impl_->page_shift, host_protection(perm),
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED) {
      return host_error("the host refuses to map guest memory");
    }
    impl_->set_states(pages, static_cast<std::uint8_t>(perm) | kMapped, changed);
    impl_->gaps.take(pages.first, pages.end);
  }
  impl_->notify(changed);
  return {};
}

Result<void> FlatMemory::map_file(GuestRange range, Perm perm, int fd, std::uint64_t offset, bool shared) {
  Pages pages;
  if (!impl_->pages_of(range, pages)) return outside_window(size_);
  if (offset % impl_->page != 0 || range.begin.value % impl_->page != 0) {
    return Error{ErrorCode::invalid_argument, "a file is mapped at multiples of the page size only"};
  }
  if (pages.count() == 0) return {};
  const std::uint64_t bytes = pages.count() << impl_->page_shift;
  std::vector<GuestRange> changed;
  {
    std::lock_guard lock(impl_->mutex);
    // Elsewhere first: a refusal of the file must not cost the guest what is mapped there now.
    void* elsewhere = mmap(nullptr, bytes, host_protection(perm),
                           shared ? MAP_SHARED : MAP_PRIVATE | MAP_NORESERVE, fd, static_cast<off_t>(offset));
    if (elsewhere == MAP_FAILED) return host_error("the host refuses to map the file");
    if (mremap(elsewhere, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, impl_->host(pages.first)) ==
        MAP_FAILED) {
      const Error error = host_error("the host refuses to map the file into guest memory");
      munmap(elsewhere, bytes);
      return error;
    }
    impl_->set_states(
        pages, static_cast<std::uint8_t>(static_cast<std::uint8_t>(perm) | kMapped | (shared ? kShared : 0)),
        changed);
    impl_->gaps.take(pages.first, pages.end);
  }
  impl_->notify(changed);
  return {};
}

Result<void> FlatMemory::unmap(GuestRange range) {
  Pages pages;
  if (!impl_->pages_of(range, pages)) return outside_window(size_);
  std::vector<GuestRange> changed;
  bool refused = false;
  {
    std::lock_guard lock(impl_->mutex);
    std::vector<Pages> taken;
    impl_->gaps.for_each_taken(pages.first, pages.end, [&](std::uint64_t first, std::uint64_t end) {
      taken.push_back({first, end});
    });
    for (const Pages part : taken) {
      if (!impl_->host_unmap(part)) {
        refused = true;
        break;
      }
      impl_->set_states(part, 0, changed);
      impl_->gaps.release(part.first, part.end);
    }
  }
  impl_->notify(changed);
  if (refused) return Error{ErrorCode::out_of_memory, "the host refuses to unmap guest memory"};
  return {};
}

Result<void> FlatMemory::protect(GuestRange range, Perm perm) {
  Pages pages;
  if (!impl_->pages_of(range, pages)) return outside_window(size_);
  if (pages.count() == 0) return {};
  std::vector<GuestRange> changed;
  {
    std::lock_guard lock(impl_->mutex);
    if (!impl_->gaps.none_free(pages.first, pages.end)) {
      return Error{ErrorCode::out_of_range, "a page of the range is not mapped"};
    }
    if (mprotect(impl_->host(pages.first), pages.count() << impl_->page_shift, host_protection(perm)) != 0) {
      const Error error = host_error("the host refuses the protection");
      impl_->restore_protection(pages);
      return error;
    }
    for (std::uint64_t i = pages.first; i < pages.end; ++i) {
      // Code that stays executable stays translated; a fetch may set its mark at the same time.
      const std::uint8_t keep = has(perm, Perm::exec) ? kHasCode | kShared : kShared;
      std::uint8_t old = impl_->state_of(i);
      while (!impl_->states[i].compare_exchange_weak(
          old, static_cast<std::uint8_t>((old & keep) | kMapped | static_cast<std::uint8_t>(perm)),
          std::memory_order_acq_rel)) {
      }
      if ((old & kHasCode & ~keep) != 0) impl_->add_page(changed, i);
    }
  }
  impl_->notify(changed);
  return {};
}

// For pages that mremap does not move as one piece: several host mappings, or a kernel older than
// MREMAP_DONTUNMAP.
Result<void> FlatMemory::Impl::move_by_copy(Pages from, Pages to, std::uint64_t bytes) {
  for (std::uint64_t i = from.first; i < from.end; ++i) {
    if ((state_of(i) & kShared) != 0) {
      return Error{ErrorCode::not_supported,
                   "the host can't move this range, which has shared file mappings in it"};
    }
  }
  // Into fresh memory outside the window, so that nothing is lost if any step fails.
  void* fresh =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (fresh == MAP_FAILED) return host_error("the host refuses memory to move guest memory");
  for (std::uint64_t i = 0; i < from.count(); ++i) {
    std::byte* const source = host(from.first + i);
    const bool hidden = (state_of(from.first + i) & kPermBits) == 0;
    if (hidden) mprotect(source, page, PROT_READ);
    // A page without memory behind it (a file that became shorter) arrives as zeros.
    mem::guarded_copy(static_cast<std::byte*>(fresh) + (i << page_shift), source, page, window());
    if (hidden) mprotect(source, page, PROT_NONE);
  }
  if (mremap(fresh, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, host(to.first)) == MAP_FAILED) {
    const Error error = host_error("the host refuses to move guest memory");
    munmap(fresh, bytes);
    return error;
  }
  // The caller has not changed the states yet: those of `from` are what `to` becomes.
  for (std::uint64_t i = 0; i < from.count();) {
    const int prot = host_protection(static_cast<Perm>(state_of(from.first + i) & kPermBits));
    std::uint64_t n = 1;
    while (i + n < from.count() &&
           host_protection(static_cast<Perm>(state_of(from.first + i + n) & kPermBits)) == prot)
      ++n;
    mprotect(host(to.first + i), n << page_shift, prot);
    i += n;
  }
  return {};
}

Result<void> FlatMemory::move(GuestRange from, GuestAddr to) {
  Pages source, target;
  if (!impl_->pages_of(from, source) || !impl_->pages_of({to, from.size}, target))
    return outside_window(size_);
  if (from.begin.value % impl_->page != 0 || to.value % impl_->page != 0 || from.overlaps({to, from.size})) {
    return Error{ErrorCode::invalid_argument,
                 "memory is moved between page-aligned ranges that do not overlap"};
  }
  if (source.count() == 0) return {};
  const std::uint64_t bytes = source.count() << impl_->page_shift;
  std::vector<GuestRange> changed;
  {
    std::lock_guard lock(impl_->mutex);
    if (!impl_->gaps.none_free(source.first, source.end)) {
      return Error{ErrorCode::out_of_range, "a page of the range is not mapped"};
    }
    // DONTUNMAP: the hole that a plain mremap leaves could be taken by another thread's mmap before we fill
    // it.
#ifndef MREMAP_DONTUNMAP
    constexpr int MREMAP_DONTUNMAP = 4;
#endif
    if (mremap(impl_->host(source.first), bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
               impl_->host(target.first)) == MAP_FAILED) {
      if (auto copied = impl_->move_by_copy(source, target, bytes); !copied) return copied.error();
    }
    for (std::uint64_t i = 0; i < source.count(); ++i) {
      const auto state = static_cast<std::uint8_t>(impl_->state_of(source.first + i) & ~kHasCode);
      impl_->set_states({target.first + i, target.first + i + 1}, state, changed);
    }
    impl_->gaps.take(target.first, target.end);
    // Replacing a mapping by an inaccessible one of the same place and size merges mappings, so it needs no
    // new one; were it refused all the same, the pages are unreachable for guest and engine by their states.
    if (!impl_->host_unmap(source)) mprotect(impl_->host(source.first), bytes, PROT_NONE);
    impl_->set_states(source, 0, changed);
    impl_->gaps.release(source.first, source.end);
  }
  impl_->notify(changed);
  return {};
}

bool FlatMemory::is_mapped(GuestRange range) const noexcept {
  Pages pages;
  if (!impl_->pages_of(range, pages)) return false;
  std::lock_guard lock(impl_->mutex);
  return impl_->gaps.none_free(pages.first, pages.end);
}

bool FlatMemory::is_free(GuestRange range) const noexcept {
  Pages pages;
  if (!impl_->pages_of(range, pages)) return false;
  std::lock_guard lock(impl_->mutex);
  return impl_->gaps.all_free(pages.first, pages.end);
}

Perm FlatMemory::permissions(GuestAddr at, bool* mapped) const noexcept {
  const std::uint8_t state =
      at.value < size_ ? impl_->state_of(at.value >> impl_->page_shift) : std::uint8_t{0};
  if (mapped != nullptr) *mapped = (state & kMapped) != 0;
  return static_cast<Perm>(state & kPermBits);
}

GuestRange FlatMemory::find_free(std::uint64_t size, GuestRange within, bool top_down) const noexcept {
  if (size == 0 || size > size_ || within.begin.value >= size_) return {};
  const std::uint64_t page = impl_->page;
  const std::uint64_t end = within.begin.value + std::min(within.size, size_ - within.begin.value);
  const std::uint64_t pages = (size + page - 1) / page;
  std::lock_guard lock(impl_->mutex);
  const auto found = impl_->gaps.find(pages, (within.begin.value + page - 1) / page, end / page, top_down);
  if (!found) return {};
  return {{*found << impl_->page_shift}, pages << impl_->page_shift};
}

void FlatMemory::invalidate_code(GuestRange range) {
  Pages pages;
  if (range.begin.value >= size_) return;
  range.size = std::min(range.size, size_ - range.begin.value);
  if (!impl_->pages_of(range, pages)) return;
  std::vector<GuestRange> changed;
  std::vector<Pages> taken;
  {
    std::lock_guard lock(impl_->mutex);
    impl_->gaps.for_each_taken(pages.first, pages.end, [&](std::uint64_t first, std::uint64_t end) {
      taken.push_back({first, end});
    });
  }
  for (const Pages part : taken) impl_->clear_code(part, changed);
  impl_->notify(changed);
}

std::size_t FlatMemory::read(GuestAddr from, std::span<std::byte> to) const noexcept {
  return impl_->copy<AccessKind::load>(from.value, to.data(), to.size());
}

std::size_t FlatMemory::write(GuestAddr to, std::span<const std::byte> from) noexcept {
  const std::size_t done =
      impl_->copy<AccessKind::store>(to.value, const_cast<std::byte*>(from.data()), from.size());
  // Also what a store that failed in the middle of a page may have written of it.
  Pages pages;
  if (!from.empty() && to.value < size_ &&
      impl_->pages_of({to, std::min<std::uint64_t>(from.size(), size_ - to.value)}, pages)) {
    std::vector<GuestRange> changed;
    impl_->clear_code({pages.first, std::min(pages.end, ((to.value + done) >> impl_->page_shift) + 1)},
                      changed);
    impl_->notify(changed);
  }
  return done;
}

namespace {

// Keeps nothing of its own in registers across the sigsetjmp, as FaultGuard asks.
FlatMemory::Exchange guarded_exchange(std::byte* at, std::uint32_t* expected, std::uint32_t desired,
                                      mem::HostRange range) noexcept {
  mem::FaultGuard guard(range);
  if (sigsetjmp(guard.env(), 0) != 0) return FlatMemory::Exchange::fault;
  guard.arm();
  const bool done = __atomic_compare_exchange_n(reinterpret_cast<std::uint32_t*>(at), expected, desired,
                                                false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  guard.disarm();
  return done ? FlatMemory::Exchange::done : FlatMemory::Exchange::differs;
}

}  // namespace

FlatMemory::Exchange FlatMemory::compare_exchange(GuestAddr at, std::uint32_t& expected,
                                                  std::uint32_t desired) noexcept {
  if (at.value % 4 != 0 || impl_->accessible(at.value, 4, AccessKind::store) != 4) return Exchange::fault;
  return guarded_exchange(base_ + at.value, &expected, desired, impl_->window());
}

std::size_t FlatMemory::fetch(GuestAddr at, std::span<std::byte> to) noexcept {
  // Nearly always all lies in one page, which is marked already: every block is fetched, and is short.
  const std::uint64_t first = at.value >> impl_->page_shift;
  if (first < impl_->page_count && (at.value & (impl_->page - 1)) + to.size() <= impl_->page) {
    const std::uint8_t state = impl_->state_of(first);
    if (allows(state, AccessKind::fetch) && (state & kHasCode) != 0 &&
        mem::guarded_copy(to.data(), impl_->base + at.value, to.size(), impl_->window()))
      return to.size();
  }
  const auto limit = static_cast<std::size_t>(impl_->accessible(at.value, to.size(), AccessKind::fetch));
  // Marks come before the bytes are read: who changes them from now on tells the observers.
  std::size_t marked = 0;
  while (marked < limit) {
    const std::uint64_t index = (at.value + marked) >> impl_->page_shift;
    std::uint8_t state = impl_->state_of(index);
    while (allows(state, AccessKind::fetch) && (state & kHasCode) == 0 &&
           !impl_->states[index].compare_exchange_weak(state, state | kHasCode, std::memory_order_acq_rel)) {
    }
    if (!allows(state, AccessKind::fetch)) break;
    marked += impl_->page - ((at.value + marked) & (impl_->page - 1));
  }
  return impl_->copy<AccessKind::fetch>(at.value, to.data(), std::min(marked, limit));
}

Fault FlatMemory::check(GuestAddr at, std::size_t size, AccessKind access) const noexcept {
  const std::uint64_t done = impl_->accessible(at.value, size, access);
  if (done >= size) return {FaultKind::none, access, at};
  const GuestAddr bad{at.value + done};
  const bool mapped = bad.value < size_ && (impl_->state_of(bad.value >> impl_->page_shift) & kMapped) != 0;
  return {mapped ? FaultKind::protection : FaultKind::unmapped, access, bad};
}

void FlatMemory::add_observer(CodeObserver* observer) {
  std::lock_guard lock(impl_->observers_mutex);
  impl_->observers.push_back(observer);
}

void FlatMemory::remove_observer(CodeObserver* observer) {
  std::unique_lock lock(impl_->observers_mutex);
  std::erase(impl_->observers, observer);
  // A notification that began before may still be calling it.
  impl_->notified.wait(lock, [&] { return impl_->notifying == 0; });
}

}  // namespace ashlar
