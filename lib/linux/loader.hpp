// Puts a program into guest memory as the kernel's execve does: segments, signal trampoline, stack. For the
// process.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <ashlar/memory.hpp>
#include <ashlar/result.hpp>

#include "linux/elf.hpp"

namespace ashlar::linux_user {

struct LoadedImage {
  /// Added to the file's addresses.
  std::uint64_t base = 0;
  std::uint64_t entry = 0;
  std::uint64_t phdr = 0;
  std::uint64_t phdr_count = 0;
  /// First page behind the image: where the heap starts.
  std::uint64_t end = 0;
};

/// Maps the segments. `fd` is the file that `image` was parsed from.
Result<LoadedImage> load_image(FlatMemory& memory, const ElfImage& image, int fd);

/// Maps, read-only and executable, the code that a signal handler returns to (what the vDSO's
/// __vdso_rt_sigreturn is on hardware), and returns its address.
Result<std::uint64_t> map_trampoline(FlatMemory& memory);

struct StackConfig {
  std::span<const std::string> args;
  std::span<const std::string> env;
  std::string exec_name;
  LoadedImage image;
  std::uint64_t size = 0;
  std::array<std::byte, 16> random{};
  std::uint32_t uid = 0, euid = 0, gid = 0, egid = 0;
};

struct Stack {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  /// The initial stack pointer: 16-byte aligned, argc is there.
  std::uint64_t sp = 0;
};

/// Maps the stack at the top of the window and fills in argc, argv, envp, the auxiliary vector and the
/// strings in the order of the kernel's create_elf_tables (fs/binfmt_elf.c). Below it stays a guard that
/// nothing is mapped in.
Result<Stack> build_stack(FlatMemory& memory, const StackConfig& config);

/// Bytes below a stack that mappings keep away from (the kernel's stack_guard_gap).
inline constexpr std::uint64_t kStackGuard = 256 * 4096;

}  // namespace ashlar::linux_user
