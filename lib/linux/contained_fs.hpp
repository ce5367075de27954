// Resolves guest paths to places on the host, within granted directories only. For the system calls that take
// paths; docs/security.md argues why nothing else is reachable.
//
// The rule: the host's kernel is only ever given a directory descriptor that was reached from a grant, and
// one name without a slash, not "..", with symbolic links not followed. Links and ".." are walked here, in
// the guest's name space, so no race with another thread or program can lead outside.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <ashlar/linux.hpp>
#include <ashlar/result.hpp>

#include "linux/fd_table.hpp"

namespace ashlar::linux_user {

using SharedFd = std::shared_ptr<const HostFd>;

enum class PlaceKind : std::uint8_t {
  entry,        ///< `name` in the directory `dir`; it may or may not exist, and is no symlink if links were
                ///< followed
  self,         ///< the directory `dir` itself; `name` is "."
  virtual_dir,  ///< a directory above grants: can be looked at and entered, not listed
  device,       ///< a harmless host device; `name` is its host path
  program,      ///< /proc/self/exe
  descriptor,   ///< /proc/self/fd/N and its aliases; `descriptor` is N
};

/// Where a guest path leads.
struct Place {
  PlaceKind kind = PlaceKind::entry;
  SharedFd dir;
  std::string name;
  /// Canonical guest path of the place.
  std::string guest_path;
  std::int32_t descriptor = -1;

  /// Whether system calls may use (dir, name).
  bool on_host() const { return kind == PlaceKind::entry || kind == PlaceKind::self; }
};

/// A directory that relative paths start from. `dir` is null for a virtual directory.
struct Base {
  SharedFd dir;
  std::string guest_path;
};

class ContainedFs {
 public:
  /// Opens the granted directories. io_error for one that can't be opened, invalid_argument for guest paths
  /// that are not absolute, given twice, or for directories of a proc file system.
  static Result<std::unique_ptr<ContainedFs>> create(std::span<const Grant> grants);

  /// The first grant, or the virtual root.
  Base start() const;
  /// Resolves `path` from `base`. Returns 0 or an errno value. `follow_last`: whether a symbolic link in the
  /// last place is followed.
  int resolve(const Base& base, std::string_view path, bool follow_last, Place& out) const;

 private:
  struct Root {
    std::string guest_path;  // canonical, "" for the root
    SharedFd dir;
    std::uint64_t device;
  };
  struct Walk;
  const Root* find_root(std::string_view guest_path) const;
  bool is_virtual(std::string_view guest_path) const;

  std::vector<Root> roots_;
};

/// Whether the descriptor is of a proc file system, whose links lead out of any directory.
bool is_procfs(int host_fd);

}  // namespace ashlar::linux_user
