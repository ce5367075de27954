// The walk through the guest's name space.
#include "linux/contained_fs.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace ashlar::linux_user {
namespace {

// As many as Linux follows (MAXSYMLINKS), and its limit on a path's length (PATH_MAX, terminator included).
constexpr int kMaxLinks = 40;
constexpr std::size_t kMaxPath = 4096;

// Devices that reveal and change nothing; they exist for every guest at these paths.
constexpr std::array<std::string_view, 5> kDevices = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random",
                                                      "/dev/urandom"};
constexpr std::array<std::string_view, 2> kDescriptorDirs = {"/proc/self/fd/", "/dev/fd/"};

// Pushes the components of `path` so that the first is on top.
void push_components(std::vector<std::string>& stack, std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (!part.empty()) parts.emplace_back(part);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  stack.insert(stack.end(), std::make_move_iterator(parts.rbegin()), std::make_move_iterator(parts.rend()));
}

// Fills `out` if `path` is one of the names that every guest has.
bool find_synthetic(const std::string& path, Place& out) {
  if (path.size() < 5 || (path.compare(0, 5, "/dev/") != 0 && path.compare(0, 5, "/proc") != 0)) return false;
  if (std::find(kDevices.begin(), kDevices.end(), path) != kDevices.end()) {
    out.kind = PlaceKind::device;
  } else if (path == "/proc/self/exe") {
    out.kind = PlaceKind::program;
  } else if (path == "/dev/stdin" || path == "/dev/stdout" || path == "/dev/stderr") {
    out.kind = PlaceKind::descriptor;
    out.descriptor = path == "/dev/stdin" ? 0 : path == "/dev/stdout" ? 1 : 2;
  } else {
    for (const std::string_view dir : kDescriptorDirs) {
      if (path.compare(0, dir.size(), dir) != 0) continue;
      const char* first = path.data() + dir.size();
      const char* last = path.data() + path.size();
      const auto [end, error] = std::from_chars(first, last, out.descriptor);
      if (error != std::errc{} || end != last || out.descriptor < 0) return false;
      out.kind = PlaceKind::descriptor;
      out.guest_path = path;
      return true;
    }
    return false;
  }
  out.name = path;
  out.guest_path = path;
  return true;
}

std::string canonical(std::string_view path) {
  std::vector<std::string> stack;
  push_components(stack, path);
  std::string out;
  while (!stack.empty()) {
    std::string part = std::move(stack.back());
    stack.pop_back();
    if (part == ".") continue;
    if (part == "..") {
      out.erase(std::min(out.rfind('/'), out.size()));
    } else {
      out += '/';
      out += part;
    }
  }
  return out;
}

bool is_prefix_dir(std::string_view dir, std::string_view path) {
  return path.size() > dir.size() && path.substr(0, dir.size()) == dir && path[dir.size()] == '/';
}

}  // namespace

bool is_procfs(int host_fd) {
  struct statfs fs {};
  return ::fstatfs(host_fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

Result<std::unique_ptr<ContainedFs>> ContainedFs::create(std::span<const Grant> grants) {
  auto fs = std::make_unique<ContainedFs>();
  for (const Grant& grant : grants) {
    if (grant.guest.empty() || grant.guest[0] != '/') {
      return Error{ErrorCode::invalid_argument,
                   "the guest path of a granted directory must be absolute, not '" + grant.guest + "'"};
    }
    Root root{canonical(grant.guest), nullptr, 0};
    if (fs->find_root(root.guest_path) != nullptr) {
      return Error{ErrorCode::invalid_argument, "the guest path '" + grant.guest + "' is granted twice"};
    }
    HostFd fd(::open(grant.host.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    struct stat st {};
    if (!fd || ::fstat(fd.get(), &st) != 0) {
      return Error{ErrorCode::io_error,
                   "can't grant the directory '" + grant.host + "': " + std::strerror(errno)};
    }
    if (is_procfs(fd.get())) {
      return Error{ErrorCode::invalid_argument,
                   "can't grant '" + grant.host + "': the links of a proc file system lead outside of it"};
    }
    root.device = st.st_dev;
    root.dir = std::make_shared<HostFd>(std::move(fd));
    fs->roots_.push_back(std::move(root));
  }
  return fs;
}

Base ContainedFs::start() const {
  if (roots_.empty()) return {nullptr, ""};
  return {roots_.front().dir, roots_.front().guest_path};
}

const ContainedFs::Root* ContainedFs::find_root(std::string_view guest_path) const {
  for (const Root& root : roots_) {
    if (root.guest_path == guest_path) return &root;
  }
  return nullptr;
}

bool ContainedFs::is_virtual(std::string_view guest_path) const {
  for (const Root& root : roots_) {
    if (is_prefix_dir(guest_path, root.guest_path)) return true;
  }
  for (const std::string_view dir : kDescriptorDirs) {
    if (is_prefix_dir(guest_path, dir)) return true;
  }
  return guest_path.empty();
}

// Where the walk is: in a host directory, or in a virtual one (dir null).
struct ContainedFs::Walk {
  SharedFd dir;
  std::string path;
  std::uint64_t device = 0;

  void enter(const Root& root) {
    dir = root.dir;
    path = root.guest_path;
    device = root.device;
  }
};

int ContainedFs::resolve(const Base& base, std::string_view path, bool follow_last, Place& out) const {
  if (path.empty()) return ENOENT;
  if (path.size() >= kMaxPath) return ENAMETOOLONG;
  std::vector<std::string> stack;
  push_components(stack, path);
  const bool must_be_dir = path.back() == '/';

  Walk at;
  const auto restart = [&] {
    at = {};
    if (const Root* root = find_root("")) at.enter(*root);
  };
  if (path[0] == '/') {
    restart();
  } else {
    at = {base.dir, base.guest_path == "/" ? "" : base.guest_path, 0};
    struct stat st {};
    if (at.dir && ::fstat(at.dir->get(), &st) == 0) at.device = st.st_dev;
  }

  int links = 0;
  while (!stack.empty()) {
    const std::string part = std::move(stack.back());
    stack.pop_back();
    if (part == ".") continue;
    if (part == "..") {
      // The parent in the guest's name space, walked to from the root again.
      std::string parent = at.path.substr(0, std::min(at.path.rfind('/'), at.path.size()));
      restart();
      push_components(stack, parent);
      continue;
    }
    if (part.size() > 255) return ENAMETOOLONG;
    const bool last = stack.empty();
    std::string child = at.path + "/" + part;
    if (child.size() >= 2 * kMaxPath) return ENAMETOOLONG;

    out = {};
    if (find_synthetic(child, out)) return last && !must_be_dir ? 0 : ENOTDIR;
    if (const Root* root = find_root(child)) {
      at.enter(*root);
      continue;
    }
    if (!at.dir) {
      if (!is_virtual(child)) return EACCES;
      at.path = std::move(child);
      continue;
    }
    if (last && !follow_last && !must_be_dir) {
      out = {PlaceKind::entry, at.dir, part, std::move(child), -1};
      return 0;
    }

    HostFd fd(::openat(at.dir->get(), part.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat st {};
    if (!fd || ::fstat(fd.get(), &st) != 0) {
      const int error = errno;
      if (error == ENOENT && is_virtual(child)) {
        at = {nullptr, std::move(child), 0};
        continue;
      }
      if (error != ENOENT || !last) return error;
      out = {PlaceKind::entry, at.dir, part, std::move(child), -1};
      return 0;
    }
    if (S_ISLNK(st.st_mode)) {
      if (++links > kMaxLinks) return ELOOP;
      std::array<char, kMaxPath> target;
      const ssize_t size = ::readlinkat(fd.get(), "", target.data(), target.size());
      if (size < 0) return errno;
      if (size == 0) return ENOENT;
      const std::string_view text{target.data(), static_cast<std::size_t>(size)};
      if (text[0] == '/') restart();
      push_components(stack, text);
      if (stack.size() > kMaxPath) return ENAMETOOLONG;
      continue;
    }
    if (st.st_dev != at.device && is_procfs(fd.get())) {
      if (!is_virtual(child)) return EACCES;
      at = {nullptr, std::move(child), 0};
      continue;
    }
    if (last && !must_be_dir) {
      out = {PlaceKind::entry, at.dir, part, std::move(child), -1};
      return 0;
    }
    if (!S_ISDIR(st.st_mode)) return ENOTDIR;
    if (last) {
      out = {PlaceKind::entry, at.dir, part, std::move(child), -1};
      return 0;
    }
    at = {std::make_shared<HostFd>(std::move(fd)), std::move(child), st.st_dev};
  }

  // The path ended in a directory: a root, "/", "." or "..".
  out = {at.dir ? PlaceKind::self : PlaceKind::virtual_dir, at.dir, ".", at.path.empty() ? "/" : at.path, -1};
  return 0;
}

}  // namespace ashlar::linux_user
