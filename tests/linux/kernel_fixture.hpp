// A guest process without an engine: memory, one thread, a kernel to call. For suites that make system calls
// directly.
#pragma once

#include <doctest/doctest.h>

#include <ashlar/riscv.hpp>

#include "linux/kernel.hpp"
#include "linux/syscalls.hpp"

namespace ashlar::test {

struct KernelFixture {
  static constexpr std::uint64_t kPage = 0x100000;  // read-write, 16 pages
  std::shared_ptr<linux_user::Kernel> kernel;
  std::shared_ptr<linux_user::Thread> thread;

  explicit KernelFixture(std::vector<linux_user::Grant> grants = {}) {
    FlatMemoryConfig config;
    config.size = 64 << 20;
    kernel = std::make_shared<linux_user::Kernel>(std::move(FlatMemory::create(config)).value());
    kernel->frontend = riscv::make_frontend();
    auto fs = linux_user::ContainedFs::create(grants);
    REQUIRE(fs.ok());
    kernel->fs = std::move(fs).value();
    kernel->cwd = kernel->fs->start();
    kernel->pid = 1000;
    kernel->trampoline = 0x3fff000;
    kernel->limits.fill({abi_infinity, abi_infinity});
    kernel->space.set_up(0x200000, 48 << 20);
    REQUIRE(kernel->memory->map({{kPage}, 16 * 4096}, Perm::read | Perm::write).ok());
    linux_user::install_interrupt_handler();
    thread = add_thread();
  }

  static constexpr std::uint64_t abi_infinity = linux_user::abi::kRlimInfinity;

  std::shared_ptr<linux_user::Thread> add_thread() {
    auto vcpu = Vcpu::create(kernel->frontend->layout(), kernel->memory.get());
    REQUIRE(vcpu.ok());
    return kernel->add_thread(std::move(vcpu).value());
  }

  /// Calls by name, as the guest would by number.
  template <typename... Args>
  std::int64_t call(const std::string& name, Args... args) {
    linux_user::SyscallArgs a{static_cast<std::uint64_t>(args)...};
    for (std::uint64_t number = 0; number < 512; ++number) {
      const char* found = linux_user::syscall_name(number);
      if (found != nullptr && name == found) return linux_user::call_system(*thread, number, a);
    }
    FAIL("no such system call: " << name);
    return 0;
  }

  template <typename T>
  void put(std::uint64_t at, const T& value) {
    REQUIRE(kernel->user.put(at, value));
  }
  std::uint64_t put_text(std::uint64_t at, const std::string& text) {
    REQUIRE(kernel->user.write(at, std::as_bytes(std::span{text.c_str(), text.size() + 1})));
    return at;
  }
  template <typename T>
  T get(std::uint64_t at) {
    T value{};
    REQUIRE(kernel->user.get(at, value));
    return value;
  }
  std::string get_text(std::uint64_t at) {
    std::string out;
    REQUIRE(kernel->user.string(at, out) == 0);
    return out;
  }
};

}  // namespace ashlar::test
