// The guest's descriptor table.
#include "linux/fd_table.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace ashlar::linux_user {

HostFd& HostFd::operator=(HostFd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

void HostFd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

FileKind kind_of(int host_fd) {
  struct stat st {};
  if (::fstat(host_fd, &st) != 0) return FileKind::stream;
  if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)) return FileKind::regular;
  return S_ISDIR(st.st_mode) ? FileKind::directory : FileKind::stream;
}

FilePtr FdTable::get(std::int32_t fd) const {
  const std::scoped_lock lock(mutex_);
  if (fd < 0 || static_cast<std::size_t>(fd) >= entries_.size()) return nullptr;
  return entries_[static_cast<std::size_t>(fd)].file;
}

std::int64_t FdTable::add(FilePtr file, bool cloexec, std::uint64_t lowest) {
  const std::scoped_lock lock(mutex_);
  std::uint64_t fd = lowest;
  while (fd < entries_.size() && entries_[fd].file) ++fd;
  if (fd >= limit_) return -EMFILE;
  if (fd >= entries_.size()) entries_.resize(fd + 1);
  entries_[fd] = {std::move(file), cloexec};
  return static_cast<std::int64_t>(fd);
}

std::int64_t FdTable::close(std::int32_t fd) {
  FilePtr closed;  // destroyed, and so closed, without the lock: closing may take long
  const std::scoped_lock lock(mutex_);
  if (fd < 0 || static_cast<std::size_t>(fd) >= entries_.size()) return -EBADF;
  closed = std::exchange(entries_[static_cast<std::size_t>(fd)].file, nullptr);
  return closed ? 0 : -EBADF;
}

std::int64_t FdTable::close_range(std::uint64_t first, std::uint64_t last, bool only_set_cloexec) {
  if (first > last) return -EINVAL;
  std::vector<FilePtr> closed;
  const std::scoped_lock lock(mutex_);
  for (std::uint64_t fd = first; fd < entries_.size() && fd <= last; ++fd) {
    if (only_set_cloexec) {
      entries_[fd].cloexec = true;
    } else {
      closed.push_back(std::exchange(entries_[fd].file, nullptr));
    }
  }
  return 0;
}

std::int64_t FdTable::dup_to(std::int32_t from, std::int32_t to, bool cloexec) {
  FilePtr closed;
  const std::scoped_lock lock(mutex_);
  if (from == to) return -EINVAL;
  if (from < 0 || static_cast<std::size_t>(from) >= entries_.size()) return -EBADF;
  FilePtr file = entries_[static_cast<std::size_t>(from)].file;
  if (!file || to < 0 || static_cast<std::uint64_t>(to) >= limit_) return -EBADF;
  const auto target = static_cast<std::size_t>(to);
  if (target >= entries_.size()) entries_.resize(target + 1);
  closed = std::exchange(entries_[target].file, std::move(file));
  entries_[target].cloexec = cloexec;
  return to;
}

std::int64_t FdTable::cloexec(std::int32_t fd) const {
  const std::scoped_lock lock(mutex_);
  if (fd < 0 || static_cast<std::size_t>(fd) >= entries_.size() ||
      !entries_[static_cast<std::size_t>(fd)].file) {
    return -EBADF;
  }
  return entries_[static_cast<std::size_t>(fd)].cloexec ? 1 : 0;
}

std::int64_t FdTable::set_cloexec(std::int32_t fd, bool on) {
  const std::scoped_lock lock(mutex_);
  if (fd < 0 || static_cast<std::size_t>(fd) >= entries_.size() ||
      !entries_[static_cast<std::size_t>(fd)].file) {
    return -EBADF;
  }
  entries_[static_cast<std::size_t>(fd)].cloexec = on;
  return 0;
}

void FdTable::set_limit(std::uint64_t limit) {
  const std::scoped_lock lock(mutex_);
  limit_ = std::min<std::uint64_t>(limit, 1 << 20);
}

}  // namespace ashlar::linux_user
