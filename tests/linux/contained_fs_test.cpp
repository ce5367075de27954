// Paths within grants: what resolves where, and what does not.
#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "linux/contained_fs.hpp"

using namespace ashlar;
using namespace ashlar::linux_user;
namespace stdfs = std::filesystem;

namespace {

// root/inside is granted, as /g or under its own path; root/outside holds what must not be reached.
struct Tree {
  stdfs::path root;
  std::unique_ptr<ContainedFs> fs;
  Tree() {
    char name[] = "/tmp/ashlar-contained-XXXXXX";
    root = ::mkdtemp(name);
    stdfs::create_directories(root / "inside/sub/deep");
    stdfs::create_directories(root / "outside");
    std::ofstream(root / "outside/secret") << "secret";
    std::ofstream(root / "inside/file") << "inside";
    std::ofstream(root / "inside/sub/file") << "sub";
  }
  ~Tree() { stdfs::remove_all(root); }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  void link(const std::string& name, const std::string& target) {
    stdfs::create_symlink(target, root / "inside" / name);
  }
  void grant(std::vector<Grant> grants) {
    auto made = ContainedFs::create(grants);
    REQUIRE(made.ok());
    fs = std::move(made).value();
  }
  void grant_inside() { grant({{"/g", (root / "inside").string()}}); }

  // "" if refused with `error`, else the guest path that the place has.
  std::string at(const std::string& path, int* error, bool follow = true) {
    Place place;
    *error = fs->resolve(fs->start(), path, follow, place);
    last = place;
    return *error == 0 ? place.guest_path : "";
  }
  std::string good(const std::string& path, bool follow = true) {
    int error = 0;
    const std::string result = at(path, &error, follow);
    CAPTURE(path);
    CHECK(error == 0);
    return result;
  }
  int bad(const std::string& path, bool follow = true) {
    int error = 0;
    at(path, &error, follow);
    return error;
  }
  // Opens what was resolved last, as a system call would.
  std::string content() {
    REQUIRE(last.on_host());
    const HostFd fd(::openat(last.dir->get(), last.name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) return "error";
    char text[64];
    const ssize_t n = ::read(fd.get(), text, sizeof text);
    return n < 0 ? "error" : std::string(text, static_cast<std::size_t>(n));
  }
  Place last;
};

}  // namespace

TEST_CASE("paths inside a grant") {
  Tree t;
  t.grant_inside();
  CHECK(t.good("/g/file") == "/g/file");
  CHECK(t.content() == "inside");
  CHECK(t.good("file") == "/g/file");
  CHECK(t.good("sub/file") == "/g/sub/file");
  CHECK(t.content() == "sub");
  CHECK(t.good("./sub//./deep/../file") == "/g/sub/file");
  CHECK(t.good("/g") == "/g");
  CHECK(t.last.kind == PlaceKind::self);
  CHECK(t.good("sub/..") == "/g");
  CHECK(t.good("sub/deep/..") == "/g/sub");
  CHECK(t.good("new") == "/g/new");
  CHECK(t.bad("none/new") == ENOENT);
  CHECK(t.bad("file/x") == ENOTDIR);
  CHECK(t.bad("file/..") == ENOTDIR);
  CHECK(t.bad("file/") == ENOTDIR);
  CHECK(t.good("sub/") == "/g/sub");
  CHECK(t.bad("") == ENOENT);
  CHECK(t.bad(std::string(4096, 'x')) == ENAMETOOLONG);
  CHECK(t.bad(std::string(256, 'x')) == ENAMETOOLONG);
}

TEST_CASE("no path leads outside") {
  Tree t;
  t.link("up", "..");
  t.link("up2", "../..");
  t.link("secret", "../outside/secret");
  t.link("absolute", (t.root / "outside/secret").string());
  t.link("etc", "/etc");
  t.link("root", "/");
  t.link("chain", "secret");
  t.link("sub/back", "../../outside");
  t.link("proc", "/proc/self/root");
  t.grant_inside();
  for (const char* path : {"/", "..", "../..", "/g/.."}) {
    CHECK(t.good(path) == "/");
    CHECK(t.last.kind == PlaceKind::virtual_dir);
    CHECK_FALSE(t.last.on_host());
  }
  CHECK(t.good("up") == "/");
  CHECK(t.last.kind == PlaceKind::virtual_dir);
  for (const char* path : {"/etc/passwd",
                           "../outside/secret",
                           "/g/../outside/secret",
                           "up/outside/secret",
                           "up2/etc/passwd",
                           "secret",
                           "chain",
                           "absolute",
                           "etc/passwd",
                           "root/etc/passwd",
                           "sub/back/secret",
                           "../etc",
                           "/outside",
                           "proc/etc/passwd",
                           "/proc/self/root",
                           "/proc/self/maps",
                           "/proc/self/mem",
                           "/proc/1/root",
                           "/dev/mem",
                           "/dev/tty",
                           "/sys"}) {
    CAPTURE(path);
    CHECK(t.bad(path) == EACCES);
  }
  // A link is an entry like others when it is not followed.
  CHECK(t.good("secret", false) == "/g/secret");
  CHECK(t.content() == "error");
  CHECK(t.bad("secret/", false) == EACCES);
  // ".." of a link's target is the target's parent, not the link's.
  CHECK(t.good("root/g/file") == "/g/file");
}

TEST_CASE("links inside a grant") {
  Tree t;
  t.link("to-file", "sub/file");
  t.link("to-dir", "sub/deep");
  t.link("absolute", "/g/sub/file");
  t.link("loop", "loop");
  t.link("a", "b");
  t.link("b", "a");
  t.link("dangling", "sub/new");
  t.link("trailing", "sub/");
  t.grant_inside();
  CHECK(t.good("to-file") == "/g/sub/file");
  CHECK(t.content() == "sub");
  CHECK(t.good("to-dir/../file") == "/g/sub/file");
  CHECK(t.good("absolute") == "/g/sub/file");
  CHECK(t.good("trailing/file") == "/g/sub/file");
  CHECK(t.bad("loop") == ELOOP);
  CHECK(t.bad("a/x") == ELOOP);
  CHECK(t.good("dangling") == "/g/sub/new");
  CHECK(t.good("dangling", false) == "/g/dangling");
}

TEST_CASE("links that multiply end") {
  Tree t;
  // Each names the one before twice: 2^20 steps if nobody counted.
  t.link("l0", ".");
  for (int i = 1; i <= 20; ++i) {
    const std::string before = "l" + std::to_string(i - 1);
    t.link("l" + std::to_string(i), before + "/" + before);
  }
  t.grant_inside();
  CHECK(t.bad("l20/file") == ELOOP);
}

TEST_CASE("several grants, one inside another") {
  Tree t;
  t.link("to-other", "/other/secret");
  t.grant({{"/a/b", (t.root / "inside").string()},
           {"/other", (t.root / "outside").string()},
           {"/a/b/sub/mounted", (t.root / "outside").string()}});
  CHECK(t.fs->start().guest_path == "/a/b");
  CHECK(t.good("to-other") == "/other/secret");
  CHECK(t.content() == "secret");
  CHECK(t.good("sub/mounted/secret") == "/a/b/sub/mounted/secret");
  CHECK(t.content() == "secret");
  CHECK(t.good("sub/mounted/..") == "/a/b/sub");
  CHECK(t.good("sub/mounted/../file") == "/a/b/sub/file");
  CHECK(t.content() == "sub");
  CHECK(t.good("/a") == "/a");
  CHECK(t.last.kind == PlaceKind::virtual_dir);
  CHECK(t.bad("/a/c") == EACCES);
  CHECK(t.good("/other/../a/b/file") == "/a/b/file");
}

TEST_CASE("grants that make no sense are refused") {
  Tree t;
  const std::string inside = (t.root / "inside").string();
  CHECK(ContainedFs::create(std::vector<Grant>{{"relative", inside}}).error().code ==
        ErrorCode::invalid_argument);
  CHECK(ContainedFs::create(std::vector<Grant>{{"/g", inside}, {"/x/../g/", inside}}).error().code ==
        ErrorCode::invalid_argument);
  CHECK(ContainedFs::create(std::vector<Grant>{{"/g", inside + "/none"}}).error().code ==
        ErrorCode::io_error);
  CHECK(ContainedFs::create(std::vector<Grant>{{"/g", inside + "/file"}}).error().code ==
        ErrorCode::io_error);
  CHECK(ContainedFs::create(std::vector<Grant>{{"/g", "/proc"}}).error().code == ErrorCode::invalid_argument);
}

TEST_CASE("without grants there are only the harmless names") {
  Tree t;
  t.grant({});
  CHECK(t.fs->start().dir == nullptr);
  for (const char* path : {"/etc/passwd", "file", "/tmp", "/g"}) CHECK(t.bad(path) == EACCES);
  CHECK(t.good("/dev/null") == "/dev/null");
  CHECK(t.last.kind == PlaceKind::device);
  CHECK(t.good("dev/urandom") == "/dev/urandom");
  CHECK(t.good("/proc/self/exe") == "/proc/self/exe");
  CHECK(t.last.kind == PlaceKind::program);
  CHECK(t.good("/proc/self/fd/7") == "/proc/self/fd/7");
  CHECK(t.last.kind == PlaceKind::descriptor);
  CHECK(t.last.descriptor == 7);
  CHECK(t.good("/dev/stdout") == "/dev/stdout");
  CHECK(t.last.descriptor == 1);
  CHECK(t.bad("/proc/self/fd/x") == EACCES);
  CHECK(t.bad("/proc/self/fd/-1") == EACCES);
  CHECK(t.bad("/proc/self/fd/99999999999") == EACCES);
  CHECK(t.bad("/proc/self/exe/..") == ENOTDIR);
}

TEST_CASE("a granted root still has no proc file system behind it") {
  Tree t;
  t.grant({{"/", "/"}});
  CHECK(t.good(t.root.string() + "/inside/file") == t.root.string() + "/inside/file");
  CHECK(t.content() == "inside");
  CHECK(t.bad("/proc/self/mem") == EACCES);
  CHECK(t.bad("/proc/1/root/etc/passwd") == EACCES);
  CHECK(t.good("/proc/self/exe") == "/proc/self/exe");
  CHECK(t.last.kind == PlaceKind::program);
  CHECK(t.good("/..") == "/");
  CHECK(t.last.kind == PlaceKind::self);
}
