// The guest's file descriptors: a table of its own, so that no number that the guest passes ever names a host
// descriptor of the engine's. For the runner's own files.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace ashlar::linux_user {

/// An owned host descriptor.
class HostFd {
 public:
  HostFd() = default;
  explicit HostFd(int fd) : fd_(fd) {}
  HostFd(HostFd&& other) noexcept : fd_(other.release()) {}
  HostFd& operator=(HostFd&& other) noexcept;
  ~HostFd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void reset();

 private:
  int fd_ = -1;
};

enum class FileKind : std::uint8_t {
  regular,    ///< never blocks for long
  directory,  ///< `guest_path` is the base of relative paths
  stream,     ///< pipe, terminal, device, event: reads and writes may block until a signal
  path,       ///< opened with O_PATH
};

/// An open file. Shared by duplicated descriptors, and by system calls in flight while another thread closes
/// it.
struct File {
  HostFd fd;
  FileKind kind = FileKind::regular;
  /// Canonical guest path of directories and regular files at the time of opening; empty for pipes and the
  /// like.
  std::string guest_path;
};
using FilePtr = std::shared_ptr<const File>;

/// What kind of file a host descriptor is, by fstat.
FileKind kind_of(int host_fd);

/// Thread-safe. Results are descriptor numbers, 0 or -errno.
class FdTable {
 public:
  static constexpr unsigned kDefaultLimit = 1024;

  FilePtr get(std::int32_t fd) const;
  std::int64_t add(FilePtr file, bool cloexec, std::uint64_t lowest = 0);
  std::int64_t close(std::int32_t fd);
  std::int64_t close_range(std::uint64_t first, std::uint64_t last, bool only_set_cloexec);
  /// dup3's meaning: from == to is EINVAL.
  std::int64_t dup_to(std::int32_t from, std::int32_t to, bool cloexec);
  std::int64_t cloexec(std::int32_t fd) const;
  std::int64_t set_cloexec(std::int32_t fd, bool on);
  /// RLIMIT_NOFILE's soft limit.
  void set_limit(std::uint64_t limit);

 private:
  struct Entry {
    FilePtr file;
    bool cloexec = false;
  };
  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
  std::uint64_t limit_ = kDefaultLimit;
};

}  // namespace ashlar::linux_user
