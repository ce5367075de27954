// brk, mmap and its relatives.
#include "linux/address_space.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "linux/abi.hpp"

namespace ashlar::linux_user {
namespace {

constexpr std::uint64_t kLowest = 0x10000;

std::uint64_t page_mask() { return FlatMemory::page_size() - 1; }
// Precondition: a is at most 2^63.
std::uint64_t page_up(std::uint64_t a) { return (a + page_mask()) & ~page_mask(); }

std::int64_t errno_of(const Error& error) { return error.code == ErrorCode::io_error ? -EACCES : -ENOMEM; }

}  // namespace

void AddressSpace::set_up(std::uint64_t start, std::uint64_t mmap_top) {
  brk_start_ = brk_ = start;
  mmap_top_ = mmap_top;
}

bool AddressSpace::inside(std::uint64_t at, std::uint64_t size) const {
  return at < memory_.size() && size <= memory_.size() - at;
}

std::uint64_t AddressSpace::brk(std::uint64_t end) {
  const std::scoped_lock lock(mutex_);
  if (end < brk_start_ || end >= mmap_top_) return brk_;
  const std::uint64_t old_page = page_up(brk_);
  const std::uint64_t new_page = page_up(end);
  if (new_page > old_page) {
    const GuestRange grown{{old_page}, new_page - old_page};
    if (!memory_.is_free(grown) || !memory_.map(grown, Perm::read | Perm::write)) return brk_;
  } else if (new_page < old_page) {
    if (!memory_.unmap({{new_page}, old_page - new_page})) return brk_;
    forget_files(new_page, old_page);
  }
  brk_ = end;
  return brk_;
}

std::int64_t AddressSpace::map(const MapRequest& request) {
  if (request.size == 0) return -EINVAL;
  if (request.size > memory_.size()) return -ENOMEM;
  const std::uint64_t size = page_up(request.size);
  std::uint64_t at = request.at;
  const std::scoped_lock lock(mutex_);
  if (request.fixed || request.no_replace) {
    if ((at & page_mask()) != 0) return -EINVAL;
    if (at < kLowest) return -EPERM;
    if (!inside(at, size)) return -ENOMEM;
    if (request.no_replace && !memory_.is_free({{at}, size})) return -EEXIST;
  } else {
    at = inside(at, size) ? page_up(at) : 0;
    if (at < kLowest || !inside(at, size) || !memory_.is_free({{at}, size})) {
      const GuestRange found = memory_.find_free(size, {{kLowest}, mmap_top_ - kLowest}, true);
      if (found.size == 0) return -ENOMEM;
      at = found.begin.value;
    }
  }
  const GuestRange range{{at}, size};
  Result<void> done = request.file ? memory_.map_file(range, request.perm, request.file->fd.get(),
                                                      request.offset, request.shared)
                                   : memory_.map(range, request.perm);
  if (!done) return errno_of(done.error());
  forget_files(at, at + size);
  if (request.file) files_[at] = {at + size, request.file, request.offset, request.shared};
  return static_cast<std::int64_t>(at);
}

std::int64_t AddressSpace::unmap(std::uint64_t at, std::uint64_t size) {
  if ((at & page_mask()) != 0 || size == 0 || !inside(at, size)) return -EINVAL;
  size = page_up(size);
  const std::scoped_lock lock(mutex_);
  if (Result<void> done = memory_.unmap({{at}, size}); !done) return -EINVAL;
  forget_files(at, at + size);
  return 0;
}

std::int64_t AddressSpace::protect(std::uint64_t at, std::uint64_t size, Perm perm) {
  if ((at & page_mask()) != 0) return -EINVAL;
  if (size == 0) return 0;
  if (!inside(at, size)) return -ENOMEM;
  size = page_up(size);
  const std::scoped_lock lock(mutex_);
  if (has(perm, Perm::write)) {
    // A shared mapping of a file that was opened for reading must stay read-only.
    for (const auto& [begin, mapping] : files_) {
      if (!mapping.shared || begin >= at + size || mapping.end <= at) continue;
      if ((::fcntl(mapping.file->fd.get(), F_GETFL) & O_ACCMODE) != O_RDWR) return -EACCES;
    }
  }
  if (Result<void> done = memory_.protect({{at}, size}, perm); !done) return errno_of(done.error());
  return 0;
}

std::int64_t AddressSpace::remap(std::uint64_t at, std::uint64_t old_size, std::uint64_t new_size,
                                 std::uint64_t flags, std::uint64_t to) {
  const bool may_move = (flags & abi::kMremapMaymove) != 0;
  const bool fixed = (flags & abi::kMremapFixed) != 0;
  if ((flags & ~(abi::kMremapMaymove | abi::kMremapFixed)) != 0 || (fixed && !may_move)) return -EINVAL;
  // An old size of zero asks for a second mapping of shared pages, which is not provided.
  if ((at & page_mask()) != 0 || new_size == 0 || old_size == 0) return -EINVAL;
  if (!inside(at, old_size)) return -EFAULT;
  if (new_size > memory_.size()) return -ENOMEM;
  old_size = page_up(old_size);
  new_size = page_up(new_size);
  const std::scoped_lock lock(mutex_);
  if (!memory_.is_mapped({{at}, old_size})) return -EFAULT;
  const Perm perm = memory_.permissions({at});

  if (fixed) {
    if ((to & page_mask()) != 0 || !inside(to, new_size) ||
        GuestRange{{at}, old_size}.overlaps({{to}, new_size}))
      return -EINVAL;
    if (to < kLowest) return -EPERM;
  }
  if (new_size < old_size) {
    if (!memory_.unmap({{at + new_size}, old_size - new_size})) return -EINVAL;
    forget_files(at + new_size, at + old_size);
    old_size = new_size;
  }
  if (old_size == new_size && !fixed) return static_cast<std::int64_t>(at);

  // What grows: anonymous pages are zero pages; a mapping of one file goes on in the file.
  std::uint64_t file_begin = 0;
  const FileMapping* found = file_at(at, &file_begin);
  FileMapping file{};
  if (found != nullptr) {
    if (found->end < at + old_size) return -EFAULT;
    file = *found;
    file.offset += at - file_begin;
  } else if (meets_file(at, at + old_size)) {
    return -EFAULT;
  }
  const auto map_growth = [&](std::uint64_t base) -> bool {
    if (new_size == old_size) return true;
    const GuestRange range{{base + old_size}, new_size - old_size};
    return file.file
               ? memory_.map_file(range, perm, file.file->fd.get(), file.offset + old_size, file.shared).ok()
               : memory_.map(range, perm).ok();
  };
  const auto note_file = [&](std::uint64_t base) {
    if (!file.file) return;
    files_[base] = {base + new_size, file.file, file.offset, file.shared};
  };

  if (!fixed && inside(at, new_size) && memory_.is_free({{at + old_size}, new_size - old_size}) &&
      map_growth(at)) {
    forget_files(at, at + new_size);
    note_file(at);
    return static_cast<std::int64_t>(at);
  }
  if (!may_move) return -ENOMEM;
  if (fixed) {
    if (!memory_.unmap({{to}, new_size})) return -EINVAL;
    forget_files(to, to + new_size);
  } else {
    const GuestRange room = memory_.find_free(new_size, {{kLowest}, mmap_top_ - kLowest}, true);
    if (room.size == 0) return -ENOMEM;
    to = room.begin.value;
  }
  if (!map_growth(to)) return -ENOMEM;
  if (!memory_.move({{at}, old_size}, {to})) {
    if (new_size > old_size) (void)memory_.unmap({{to + old_size}, new_size - old_size});
    return -ENOMEM;
  }
  forget_files(at, at + old_size);
  note_file(to);
  return static_cast<std::int64_t>(to);
}

std::int64_t AddressSpace::discard(std::uint64_t at, std::uint64_t size) {
  if ((at & page_mask()) != 0) return -EINVAL;
  if (size == 0) return 0;
  if (!inside(at, size)) return -ENOMEM;
  const std::uint64_t end = at + page_up(size);
  const std::scoped_lock lock(mutex_);
  std::int64_t result = 0;
  while (at < end) {
    bool mapped = false;
    const Perm perm = memory_.permissions({at}, &mapped);
    std::uint64_t begin = 0;
    const FileMapping* file = file_at(at, &begin);
    // A stretch of pages that are alike.
    std::uint64_t stop = at + FlatMemory::page_size();
    for (; stop < end; stop += FlatMemory::page_size()) {
      bool next_mapped = false;
      std::uint64_t next_begin = 0;
      if (memory_.permissions({stop}, &next_mapped) != perm || next_mapped != mapped ||
          file_at(stop, &next_begin) != file)
        break;
    }
    const GuestRange range{{at}, stop - at};
    Result<void> done;
    if (!mapped) {
      result = -ENOMEM;  // Linux goes on behind a hole, and reports it
    } else if (file == nullptr) {
      done = memory_.map(range, perm);
    } else if (!file->shared) {
      done = memory_.map_file(range, perm, file->file->fd.get(), file->offset + (at - begin), false);
    }
    if (!done) return -ENOMEM;
    at = stop;
  }
  return result;
}

void AddressSpace::forget_files(std::uint64_t at, std::uint64_t end) {
  auto it = files_.lower_bound(at);
  if (it != files_.begin() && std::prev(it)->second.end > at) --it;
  while (it != files_.end() && it->first < end) {
    const std::uint64_t begin = it->first;
    const FileMapping mapping = it->second;
    it = files_.erase(it);
    if (begin < at) files_[begin] = {at, mapping.file, mapping.offset, mapping.shared};
    if (mapping.end > end)
      files_[end] = {mapping.end, mapping.file, mapping.offset + (end - begin), mapping.shared};
  }
}

const AddressSpace::FileMapping* AddressSpace::file_at(std::uint64_t at, std::uint64_t* begin) const {
  auto it = files_.upper_bound(at);
  if (it == files_.begin()) return nullptr;
  --it;
  if (it->second.end <= at) return nullptr;
  *begin = it->first;
  return &it->second;
}

bool AddressSpace::meets_file(std::uint64_t at, std::uint64_t end) const {
  const auto it = files_.lower_bound(at);
  return it != files_.end() && it->first < end;
}

}  // namespace ashlar::linux_user
