// System calls made directly: memory, files, time, limits, and above all bad arguments.
#include <doctest/doctest.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "linux/kernel_fixture.hpp"

using namespace ashlar;
using namespace ashlar::linux_user;
using test::KernelFixture;

namespace {

constexpr std::uint64_t kBad = ~std::uint64_t{0} - 4095;
constexpr auto kCwd = static_cast<std::uint64_t>(abi::kAtFdCwd);

struct Directory {
  std::string path;
  Directory() {
    char name[] = "/tmp/ashlar-syscalls-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Directory() { std::filesystem::remove_all(path); }
};

}  // namespace

TEST_CASE("numbers and names") {
  CHECK(std::string(syscall_name(64)) == "write");
  CHECK(std::string(syscall_name(259)) == "riscv_flush_icache");
  CHECK(syscall_name(244) == nullptr);
  CHECK(syscall_name(~std::uint64_t{0}) == nullptr);
  KernelFixture k;
  for (const std::uint64_t number :
       {std::uint64_t{244}, std::uint64_t{511}, std::uint64_t{512}, ~std::uint64_t{0}}) {
    CHECK(call_system(*k.thread, number, {}) == -ENOSYS);
  }
}

TEST_CASE("no call minds wild arguments") {
  // Everything but what waits, ends the process or the thread. Nothing must crash, whatever it answers.
  static const std::set<std::string> kSkip = {"exit",          "exit_group",
                                              "rt_sigsuspend", "rt_sigtimedwait",
                                              "nanosleep",     "clock_nanosleep",
                                              "ppoll",         "pselect6",
                                              "rt_sigreturn",  "kill",
                                              "tkill",         "tgkill",
                                              "clone",         "futex",
                                              "eventfd2",      "timerfd_create",
                                              "pipe2",         "epoll_create1"};
  KernelFixture k;
  const std::uint64_t values[] = {0,
                                  1,
                                  8,
                                  KernelFixture::kPage + 4090,
                                  (64 << 20) - 3,
                                  64 << 20,
                                  kBad,
                                  ~std::uint64_t{0},
                                  std::uint64_t{1} << 63,
                                  0x7fffffff};
  std::uint64_t mix = 88172645463325252ull;
  for (std::uint64_t number = 0; number < 512; ++number) {
    const char* name = syscall_name(number);
    if (name == nullptr || kSkip.count(name) != 0) continue;
    CAPTURE(std::string(name));
    for (int round = 0; round < 60; ++round) {
      SyscallArgs args{};
      for (auto& arg : args) {
        mix ^= mix << 13;
        mix ^= mix >> 7;
        mix ^= mix << 17;
        arg = values[mix % std::size(values)];
      }
      const std::int64_t result = call_system(*k.thread, number, args);
      REQUIRE(result != kNoResult);
    }
    REQUIRE_FALSE(k.kernel->ending());
  }
}

TEST_CASE("brk grows, shrinks and clears") {
  KernelFixture k;
  const std::int64_t start = k.call("brk", 0);
  CHECK(start == 0x200000);
  CHECK(k.call("brk", start + 5000) == start + 5000);
  k.put(static_cast<std::uint64_t>(start) + 4992, std::uint64_t{42});
  CHECK(k.call("brk", start + 100) == start + 100);
  CHECK(k.call("brk", start + 9000) == start + 9000);
  CHECK(k.get<std::uint64_t>(static_cast<std::uint64_t>(start) + 4992) == 0);
  CHECK(k.call("brk", 1) == start + 9000);
  CHECK(k.call("brk", 48 << 20) == start + 9000);
  CHECK(k.call("brk", ~std::uint64_t{0}) == start + 9000);
}

TEST_CASE("mmap, mprotect, munmap") {
  KernelFixture k;
  FlatMemory& memory = *k.kernel->memory;
  const auto map = [&](std::uint64_t at, std::uint64_t size, std::uint64_t prot, std::uint64_t flags) {
    return k.call("mmap", at, size, prot, flags, -1, 0);
  };
  constexpr std::uint64_t kAnon = abi::kMapPrivate | abi::kMapAnonymous;
  const std::int64_t a = map(0, 5000, 3, kAnon);
  REQUIRE(a > 0);
  const auto at = static_cast<std::uint64_t>(a);
  CHECK(memory.permissions({at + 4096}) == (Perm::read | Perm::write));
  k.put(at + 8184, std::uint64_t{7});
  CHECK(k.call("mprotect", at, 4096, 1) == 0);
  CHECK_FALSE(k.kernel->user.put(at, 1));
  CHECK(k.call("mprotect", at + 1, 4096, 1) == -EINVAL);
  CHECK(k.call("mprotect", at + 4096, 8192, 1) == -ENOMEM);
  CHECK(k.call("mprotect", kBad, 4096, 1) == -ENOMEM);
  CHECK(map(at, 4096, 3, kAnon | abi::kMapFixedNoreplace) == -EEXIST);
  CHECK(map(at, 4096, 3, kAnon | abi::kMapFixed) == a);
  CHECK(map(at - (1 << 20), 4096, 3, kAnon) == a - (1 << 20));  // a hint that is free is taken
  CHECK(map(0, 0, 3, kAnon) == -EINVAL);
  CHECK(map(0, 1 << 30, 3, kAnon) == -ENOMEM);
  CHECK(map(0, ~std::uint64_t{0}, 3, kAnon) == -ENOMEM);
  CHECK(map(kBad, 4096, 3, kAnon | abi::kMapFixed) == -ENOMEM);
  CHECK(map(0, 4096, 3, kAnon | abi::kMapFixed) == -EPERM);
  CHECK(map(0, 4096, 3, abi::kMapAnonymous) == -EINVAL);
  CHECK(k.call("mmap", 0, 4096, 3, abi::kMapPrivate, 99, 0) == -EBADF);
  CHECK(k.call("munmap", at, 8192) == 0);
  CHECK(memory.is_free({{at}, 8192}));
  CHECK(k.call("munmap", at, 8192) == 0);
  CHECK(k.call("munmap", at + 8, 8192) == -EINVAL);
  CHECK(k.call("munmap", kBad, 8192) == -EINVAL);
}

TEST_CASE("mremap and madvise keep and drop contents") {
  KernelFixture k;
  constexpr std::uint64_t kAnon = abi::kMapPrivate | abi::kMapAnonymous;
  const auto at = static_cast<std::uint64_t>(k.call("mmap", 0x1000000, 4 * 4096, 3, kAnon, -1, 0));
  REQUIRE(at == 0x1000000);
  for (std::uint64_t i = 0; i < 4; ++i) k.put(at + i * 4096, i + 1);
  CHECK(k.call("mremap", at, 4 * 4096, 8 * 4096, 0, 0) == static_cast<std::int64_t>(at));
  CHECK(k.get<std::uint64_t>(at + 3 * 4096) == 4);
  CHECK(k.get<std::uint64_t>(at + 7 * 4096) == 0);
  CHECK(k.call("mmap", at + 8 * 4096, 4096, 3, kAnon | abi::kMapFixed, -1, 0) > 0);
  CHECK(k.call("mremap", at, 8 * 4096, 9 * 4096, 0, 0) == -ENOMEM);
  const std::int64_t moved = k.call("mremap", at, 8 * 4096, 9 * 4096, abi::kMremapMaymove, 0);
  REQUIRE(moved > 0);
  CHECK(moved != static_cast<std::int64_t>(at));
  const auto to = static_cast<std::uint64_t>(moved);
  for (std::uint64_t i = 0; i < 4; ++i) CHECK(k.get<std::uint64_t>(to + i * 4096) == i + 1);
  CHECK(k.kernel->memory->is_free({{at}, 8 * 4096}));
  CHECK(k.call("mremap", to, 9 * 4096, 4096, 0, 0) == moved);
  CHECK(k.kernel->memory->is_free({{to + 4096}, 8 * 4096}));
  const auto fixed = abi::kMremapMaymove | abi::kMremapFixed;
  CHECK(k.call("mremap", to, 4096, 4096, fixed, to) == -EINVAL);
  CHECK(k.call("mremap", to, 4096, 4096, fixed, kBad) == -EINVAL);
  CHECK(k.call("mremap", to, 4096, 4096, fixed, 0x1800000) == 0x1800000);
  CHECK(k.get<std::uint64_t>(0x1800000) == 1);
  CHECK(k.call("mremap", 0x1800000, 8192, 4096, 0, 0) == -EFAULT);
  CHECK(k.call("madvise", 0x1800000, 4096, 4) == 0);
  CHECK(k.get<std::uint64_t>(0x1800000) == 0);
  CHECK(k.call("madvise", 0x1800000, 8192, 4) == -ENOMEM);
  CHECK(k.call("madvise", 0x1800001, 4096, 4) == -EINVAL);
}

TEST_CASE("files within a grant, by every kind of call") {
  Directory d;
  KernelFixture k({{"/g", d.path}});
  const std::uint64_t name = k.put_text(k.kPage, "notes");
  const std::uint64_t buffer = k.kPage + 4096;
  const std::int64_t fd = k.call("openat", kCwd, name, abi::kCreat | 2, 0640);
  REQUIRE(fd == 0);
  k.put_text(buffer, "hello, world");
  CHECK(k.call("write", fd, buffer, 12) == 12);
  CHECK(k.call("write", fd, kBad, 12) == -EFAULT);
  CHECK(k.call("write", fd, kBad, 0) == 0);
  CHECK(k.call("lseek", fd, 7, 0) == 7);
  CHECK(k.call("read", fd, buffer + 100, 100) == 5);
  CHECK(k.get_text(buffer + 100) == "world");
  k.put(buffer + 200, abi::Iovec{buffer + 300, 3});
  k.put(buffer + 216, abi::Iovec{buffer + 400, 100});
  CHECK(k.call("preadv", fd, buffer + 200, 2, 0) == 12);
  CHECK(k.get_text(buffer + 300) == "hel");
  CHECK(k.get_text(buffer + 400) == "lo, world");
  k.put(buffer + 216, abi::Iovec{kBad, 100});
  CHECK(k.call("preadv", fd, buffer + 200, 2, 0) == 3);
  CHECK(k.call("preadv", fd, kBad, 2, 0) == -EFAULT);
  CHECK(k.call("readv", fd, buffer + 200, 5000) == -EINVAL);
  CHECK(k.call("fstat", fd, buffer) == 0);
  CHECK(k.get<abi::Stat>(buffer).size == 12);
  CHECK(k.get<abi::Stat>(buffer).mode == (0100000 | 0640));
  CHECK(k.call("newfstatat", kCwd, name, buffer, 0) == 0);
  CHECK(k.get<abi::Stat>(buffer).size == 12);
  CHECK(k.call("newfstatat", fd, k.put_text(k.kPage + 64, ""), buffer, abi::kAtEmptyPath) == 0);
  CHECK(k.call("newfstatat", kCwd, name, kBad, 0) == -EFAULT);
  CHECK(k.call("fcntl", fd, 3, 0) == (abi::kLargefile | 2));
  CHECK(k.call("fcntl", fd, 4, abi::kAppend | abi::kNonblock) == 0);
  CHECK(k.call("fcntl", fd, 3, 0) == (abi::kLargefile | abi::kAppend | abi::kNonblock | 2));
  CHECK(k.call("fcntl", fd, 0, 10) == 10);
  CHECK(k.call("dup3", fd, 20, abi::kCloexec) == 20);
  CHECK(k.call("fcntl", 20, 1, 0) == 1);
  CHECK(k.call("close_range", 10, 30, 0) == 0);
  CHECK(k.call("close", 20) == -EBADF);
  CHECK(k.call("ioctl", fd, 0x5401, buffer) == -ENOTTY);
  CHECK(k.call("ioctl", fd, 0x5412, buffer) == -ENOTTY);  // TIOCSTI
  CHECK(k.call("ftruncate", fd, 5) == 0);
  CHECK(k.call("close", fd) == 0);
  CHECK(k.call("read", fd, buffer, 1) == -EBADF);
  CHECK(k.call("truncate", name, 3) == 0);
  const std::uint64_t other = k.put_text(k.kPage + 128, "/g/other");
  CHECK(k.call("renameat2", kCwd, name, kCwd, other, 0) == 0);
  CHECK(k.call("faccessat", kCwd, name, 0) == -ENOENT);
  CHECK(k.call("faccessat", kCwd, other, 4) == 0);
  CHECK(k.call("linkat", kCwd, other, kCwd, name, 0) == 0);
  CHECK(k.call("unlinkat", kCwd, name, 0) == 0);
  CHECK(k.call("unlinkat", kCwd, other, abi::kAtRemovedir) == -ENOTDIR);
  const std::uint64_t dir = k.put_text(k.kPage + 192, "made");
  CHECK(k.call("mkdirat", kCwd, dir, 0755) == 0);
  CHECK(k.call("mkdirat", kCwd, dir, 0755) == -EEXIST);
  CHECK(k.call("chdir", dir) == 0);
  CHECK(k.call("getcwd", buffer, 100) == 8);
  CHECK(k.get_text(buffer) == "/g/made");
  CHECK(k.call("getcwd", buffer, 3) == -ERANGE);
  CHECK(k.call("chdir", k.put_text(k.kPage + 192, "..")) == 0);
  CHECK(k.call("chdir", other) == -ENOTDIR);
  // Mode bits that would lend rights are not set.
  CHECK(k.call("fchmodat", kCwd, other, 06755) == 0);
  CHECK(k.call("newfstatat", kCwd, other, buffer, 0) == 0);
  CHECK(k.get<abi::Stat>(buffer).mode == (0100000 | 0755));
}

TEST_CASE("the guest's umask counts, not the host's") {
  Directory d;
  KernelFixture k({{"/g", d.path}});
  CHECK(k.call("umask", 0) == 022);
  const std::uint64_t name = k.put_text(k.kPage, "wide");
  CHECK(k.call("openat", kCwd, name, abi::kCreat | 1, 0666) == 0);
  CHECK(k.call("fstat", 0, k.kPage + 4096) == 0);
  CHECK((k.get<abi::Stat>(k.kPage + 4096).mode & 0777) == 0666);
  CHECK(k.call("umask", 0177) == 0);
  CHECK(k.call("mkdirat", kCwd, k.put_text(k.kPage, "narrow"), 0777) == 0);
  CHECK(k.call("newfstatat", kCwd, k.kPage, k.kPage + 4096, 0) == 0);
  CHECK((k.get<abi::Stat>(k.kPage + 4096).mode & 0777) == 0600);
}

TEST_CASE("mapped files") {
  Directory d;
  KernelFixture k({{"/g", d.path}});
  const std::uint64_t name = k.put_text(k.kPage, "file");
  REQUIRE(k.call("openat", kCwd, name, abi::kCreat | 2, 0600) == 0);
  REQUIRE(k.call("write", 0, k.put_text(k.kPage + 64, "content"), 7) == 7);
  const std::int64_t shared = k.call("mmap", 0, 4096, 3, abi::kMapShared, 0, 0);
  const std::int64_t copy = k.call("mmap", 0, 4096, 3, abi::kMapPrivate, 0, 0);
  REQUIRE(shared > 0);
  REQUIRE(copy > 0);
  k.put(static_cast<std::uint64_t>(copy), 'P');
  k.put(static_cast<std::uint64_t>(shared) + 1, 'S');
  CHECK(k.call("pread64", 0, k.kPage + 128, 7, 0) == 7);
  CHECK(k.get_text(k.kPage + 128) == "cSntent");
  // A private copy that is discarded is the file again.
  CHECK(k.call("madvise", copy, 4096, 4) == 0);
  CHECK(k.get<char>(static_cast<std::uint64_t>(copy)) == 'c');
  CHECK(k.call("mmap", 0, 4096, 3, abi::kMapShared, 0, 100) == -EINVAL);
  REQUIRE(k.call("openat", kCwd, name, 0, 0) == 1);
  CHECK(k.call("mmap", 0, 4096, 3, abi::kMapShared, 1, 0) == -EACCES);
  const std::int64_t readable = k.call("mmap", 0, 4096, 1, abi::kMapShared, 1, 0);
  REQUIRE(readable > 0);
  CHECK(k.call("mprotect", readable, 4096, 3) == -EACCES);
}

TEST_CASE("pipes wait, end, and raise SIGPIPE") {
  KernelFixture k;
  const HostThreadScope scope(*k.thread);
  REQUIRE(k.call("pipe2", k.kPage, abi::kNonblock) == 0);
  CHECK(k.get<std::int32_t>(k.kPage) == 0);
  CHECK(k.get<std::int32_t>(k.kPage + 4) == 1);
  CHECK(k.call("read", 0, k.kPage, 10) == -EAGAIN);
  k.put(k.kPage, abi::PollFd{0, 1, 0});
  k.put(k.kPage + 8, abi::PollFd{1, 4, 0});
  k.put(k.kPage + 16, abi::PollFd{77, 1, 0});
  k.put(k.kPage + 24, abi::PollFd{-1, 1, 0});
  k.put(k.kPage + 64, abi::Timespec{0, 0});
  CHECK(k.call("ppoll", k.kPage, 4, k.kPage + 64, 0, 8) == 2);
  CHECK(k.get<abi::PollFd>(k.kPage).revents == 0);
  CHECK(k.get<abi::PollFd>(k.kPage + 8).revents == 4);
  CHECK(k.get<abi::PollFd>(k.kPage + 16).revents == 32);  // POLLNVAL
  CHECK(k.call("close", 0) == 0);
  CHECK(k.call("write", 1, k.kPage, 10) == -EPIPE);
  CHECK((k.thread->signals.pending.set() & abi::sig_bit(abi::kSigPipe)) != 0);
}

TEST_CASE("what is refused") {
  KernelFixture k;
  const std::uint64_t name = k.put_text(k.kPage, "/etc/passwd");
  CHECK(k.call("openat", kCwd, name, 0, 0) == -EACCES);
  CHECK(k.call("socket", 2, 1, 0) == -EACCES);
  CHECK(k.call("execve", name, 0, 0) == -EACCES);
  CHECK(k.call("clone", 17, 0, 0, 0, 0) == -ENOSYS);
  CHECK(k.call("ptrace", 0, 0, 0, 0) == -EPERM);
  CHECK(k.call("wait4", -1, 0, 0, 0) == -ECHILD);
  CHECK(k.call("prlimit64", 1, 7, 0, 0) == -ESRCH);
}

TEST_CASE("limits are kept") {
  KernelFixture k;
  k.put(k.kPage, abi::Rlimit{16, 32});
  CHECK(k.call("prlimit64", 0, 7, k.kPage, k.kPage + 16) == 0);
  CHECK(k.get<abi::Rlimit>(k.kPage + 16).cur == abi::kRlimInfinity);
  CHECK(k.call("getrlimit", 7, k.kPage + 16) == 0);
  CHECK(k.get<abi::Rlimit>(k.kPage + 16).cur == 16);
  k.put(k.kPage, abi::Rlimit{16, 64});
  CHECK(k.call("setrlimit", 7, k.kPage) == -EPERM);
  for (int i = 0; i < 16; ++i) CHECK(k.call("eventfd2", 0, 0) == i);
  CHECK(k.call("eventfd2", 0, 0) == -EMFILE);
}

TEST_CASE("futex words") {
  KernelFixture k;
  k.put(k.kPage, std::uint32_t{5});
  k.put(k.kPage + 64, abi::Timespec{0, 1'000'000});
  CHECK(k.call("futex", k.kPage, 0, 6, 0) == -EAGAIN);
  CHECK(k.call("futex", k.kPage, 0, 5, k.kPage + 64) == -ETIMEDOUT);
  CHECK(k.call("futex", k.kPage + 1, 0, 5, 0) == -EINVAL);
  CHECK(k.call("futex", kBad, 0, 5, 0) == -EFAULT);
  CHECK(k.call("futex", k.kPage, 9, 5, 0, 0, 0) == -EINVAL);
  CHECK(k.call("futex", k.kPage, 1, 1) == 0);
  CHECK(k.call("futex", k.kPage, 4, 1, 1, k.kPage + 4, 6) == -EAGAIN);
  CHECK(k.call("futex", k.kPage, 99, 1) == -ENOSYS);
  // Locks that name their owner.
  k.put(k.kPage, std::uint32_t{0});
  CHECK(k.call("futex", k.kPage, 8, 0) == 0);
  CHECK(k.get<std::uint32_t>(k.kPage) == 1000);
  CHECK(k.call("futex", k.kPage, 6, 0, 0) == -EDEADLK);
  CHECK(k.call("futex", k.kPage, 7, 0) == 0);
  CHECK(k.get<std::uint32_t>(k.kPage) == 0);
  CHECK(k.call("futex", k.kPage, 7, 0) == -EPERM);
  k.put(k.kPage, std::uint32_t{4711});
  CHECK(k.call("futex", k.kPage, 8, 0) == -EAGAIN);
  CHECK(k.call("futex", k.kPage, 6, 0, 0) == -ESRCH);
}

TEST_CASE("robust lists are walked, also circular ones") {
  KernelFixture k;
  const std::uint64_t head = k.kPage;
  const std::uint64_t entry = k.kPage + 256;
  k.put(head, abi::RobustListHead{entry, 16, 0});
  k.put(entry, entry);  // points at itself, never back at the head
  k.put(entry + 16, std::uint32_t{0x80000000 | 1000});
  CHECK(k.call("set_robust_list", head, 24) == 0);
  CHECK(k.call("set_robust_list", head, 23) == -EINVAL);
  release_robust_list(*k.thread);
  CHECK(k.get<std::uint32_t>(entry + 16) == 0xc0000000);  // FUTEX_WAITERS, FUTEX_OWNER_DIED
  k.put(entry + 16, std::uint32_t{1001});                 // somebody else's
  release_robust_list(*k.thread);
  CHECK(k.get<std::uint32_t>(entry + 16) == 1001);
}

TEST_CASE("the machine describes itself") {
  KernelFixture k;
  CHECK(k.call("uname", k.kPage) == 0);
  CHECK(k.get_text(k.kPage) == "Linux");
  CHECK(k.get_text(k.kPage + 4 * 65) == "riscv64");
  k.put(k.kPage, abi::HwprobePair{4, 99});
  k.put(k.kPage + 16, abi::HwprobePair{1234, 99});
  CHECK(k.call("riscv_hwprobe", k.kPage, 2, 0, 0, 0) == 0);
  CHECK(k.get<abi::HwprobePair>(k.kPage).value == 0x80000003b);  // F, D, C, Zba, Zbb, Zbs, Zicond
  CHECK(k.get<abi::HwprobePair>(k.kPage + 16).key == -1);
  CHECK(k.call("getrandom", k.kPage, 4096, 0) == 4096);
  CHECK(k.call("getrandom", kBad, 4096, 0) == -EFAULT);
  CHECK(k.call("getpid") == 1000);
  CHECK(k.call("gettid") == 1000);
}
