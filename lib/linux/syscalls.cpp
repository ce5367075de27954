// Dispatch, and what the system calls of several topics share.
#include "linux/syscalls.hpp"

#include <cerrno>
#include <string>

#include "linux/kernel.hpp"

namespace ashlar::linux_user {
namespace {

struct Entry {
  const char* name = nullptr;
  std::int64_t (*handler)(Thread&, const SyscallArgs&) = nullptr;  // null: `result` is the answer
  std::int64_t result = -ENOSYS;
};

constexpr std::size_t kTableSize = 512;

constexpr std::array<Entry, kTableSize> make_table() {
  std::array<Entry, kTableSize> table{};
#define ASHLAR_SYSCALL(number, name) table[number] = {#name, sys_##name, 0};
#define ASHLAR_SYSCALL_FIXED(number, name, result) table[number] = {#name, nullptr, result};
#include "linux/syscalls.inc"
#undef ASHLAR_SYSCALL
#undef ASHLAR_SYSCALL_FIXED
  return table;
}

constexpr std::array<Entry, kTableSize> kTable = make_table();

}  // namespace

const char* syscall_name(std::uint64_t number) { return number < kTableSize ? kTable[number].name : nullptr; }

std::int64_t call_system(Thread& thread, std::uint64_t number, const SyscallArgs& args) {
  if (number >= kTableSize || kTable[number].name == nullptr) {
    thread.kernel.log("unknown system call " + std::to_string(number));
    return -ENOSYS;
  }
  const Entry& entry = kTable[number];
  if (entry.handler != nullptr) return entry.handler(thread, args);
  if (entry.result < 0) thread.kernel.log("refused system call " + std::string(entry.name));
  return entry.result;
}

std::int64_t read_timeout(Thread& thread, std::uint64_t at, std::optional<abi::Timespec>& out) {
  out.reset();
  if (at == 0) return 0;
  abi::Timespec t{};
  if (!thread.kernel.user.get(at, t)) return -EFAULT;
  if (!is_valid(t)) return -EINVAL;
  out = t;
  return 0;
}

std::int64_t TemporaryMask::set(std::uint64_t at, std::uint64_t size) {
  if (at == 0) return 0;
  if (size != sizeof(abi::SigSet)) return -EINVAL;
  abi::SigSet mask = 0;
  if (!thread_.kernel.user.get(at, mask)) return -EFAULT;
  set(mask);
  return 0;
}

void TemporaryMask::set(abi::SigSet mask) {
  const std::scoped_lock lock(thread_.kernel.signals.mutex);
  thread_.signals.saved_mask = thread_.signals.blocked;
  thread_.signals.blocked = mask & ~kUnblockable;
  active_ = true;
  // Signals that were blocked until now have not interrupted anything.
  thread_.attention().store(true);
}

std::int64_t TemporaryMask::finish(std::int64_t result) {
  if (result == -EINTR) return abi::kRestartNohand;
  if (active_) {
    const std::scoped_lock lock(thread_.kernel.signals.mutex);
    thread_.signals.blocked = *thread_.signals.saved_mask;
    thread_.signals.saved_mask.reset();
  }
  return result;
}

}  // namespace ashlar::linux_user
