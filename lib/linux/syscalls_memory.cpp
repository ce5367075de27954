// System calls on memory: heap, mappings, protection, instruction cache.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vector>

#include "linux/file_access.hpp"
#include "linux/kernel.hpp"
#include "linux/syscalls.hpp"

namespace ashlar::linux_user {
namespace {

bool perm_of(std::uint64_t prot, Perm& perm) {
  perm = Perm::none;
  if ((prot & ~(abi::kProtRead | abi::kProtWrite | abi::kProtExec)) != 0) return false;
  if ((prot & abi::kProtRead) != 0) perm = perm | Perm::read;
  if ((prot & abi::kProtWrite) != 0) perm = perm | Perm::write;
  if ((prot & abi::kProtExec) != 0) perm = perm | Perm::exec;
  return true;
}

}  // namespace

std::int64_t sys_brk(Thread& thread, const SyscallArgs& a) {
  return static_cast<std::int64_t>(thread.kernel.space.brk(a[0]));
}

std::int64_t sys_mmap(Thread& thread, const SyscallArgs& a) {
  AddressSpace::MapRequest request;
  request.at = a[0];
  request.size = a[1];
  if (!perm_of(a[2] & 7, request.perm)) return -EINVAL;
  const std::uint64_t flags = a[3];
  const std::uint64_t type = flags & abi::kMapType;
  if (type != abi::kMapShared && type != abi::kMapPrivate && type != abi::kMapSharedValidate) return -EINVAL;
  request.shared = type != abi::kMapPrivate;
  request.fixed = (flags & abi::kMapFixed) != 0;
  request.no_replace = (flags & abi::kMapFixedNoreplace) != 0;
  request.offset = a[5];
  if ((request.offset & (FlatMemory::page_size() - 1)) != 0) return -EINVAL;
  if ((flags & abi::kMapAnonymous) == 0) {
    request.file = usable_file(thread, a[4]);
    if (!request.file) return -EBADF;
    if (request.file->kind == FileKind::directory) return -ENODEV;
    const int mode = ::fcntl(request.file->fd.get(), F_GETFL) & O_ACCMODE;
    if (mode == O_WRONLY) return -EACCES;
    if (request.shared && has(request.perm, Perm::write) && mode != O_RDWR) return -EACCES;
    // Nothing the guest could not do with a private mapping, and devices behave so.
    if (request.file->kind == FileKind::stream) return -ENODEV;
  }
  return thread.kernel.space.map(request);
}

std::int64_t sys_munmap(Thread& thread, const SyscallArgs& a) {
  return thread.kernel.space.unmap(a[0], a[1]);
}

std::int64_t sys_mprotect(Thread& thread, const SyscallArgs& a) {
  Perm perm;
  if (!perm_of(a[2], perm)) return -EINVAL;
  return thread.kernel.space.protect(a[0], a[1], perm);
}

std::int64_t sys_mremap(Thread& thread, const SyscallArgs& a) {
  return thread.kernel.space.remap(a[0], a[1], a[2], a[3], a[4]);
}

std::int64_t sys_madvise(Thread& thread, const SyscallArgs& a) {
  // include/uapi/asm-generic/mman-common.h
  constexpr std::int32_t kDontneed = 4, kLastKnown = 25;
  const std::int32_t advice = as_int(a[2]);
  if (advice < 0 || advice > kLastKnown) return -EINVAL;
  if (advice == kDontneed) return thread.kernel.space.discard(a[0], a[1]);
  // MADV_FREE may leave the pages as they are; the others are hints.
  return 0;
}

std::int64_t sys_msync(Thread& thread, const SyscallArgs& a) {
  const std::uint64_t page = FlatMemory::page_size();
  if ((a[0] & (page - 1)) != 0 || (a[2] & ~std::uint64_t{7}) != 0) return -EINVAL;
  FlatMemory& memory = *thread.kernel.memory;
  if (a[0] >= memory.size() || a[1] > memory.size() - a[0] || !memory.is_mapped({{a[0]}, a[1]}))
    return -ENOMEM;
  if (a[1] == 0) return 0;
  return result_of(::msync(memory.base() + a[0], a[1], as_int(a[2])));
}

std::int64_t sys_mincore(Thread& thread, const SyscallArgs& a) {
  const std::uint64_t page = FlatMemory::page_size();
  if ((a[0] & (page - 1)) != 0) return -EINVAL;
  FlatMemory& memory = *thread.kernel.memory;
  if (a[0] >= memory.size() || a[1] > memory.size() - a[0] || !memory.is_mapped({{a[0]}, a[1]}))
    return -ENOMEM;
  // Whatever is mapped counts as resident: where the host keeps pages is not the guest's business.
  const std::vector<std::byte> resident((a[1] + page - 1) / page, std::byte{1});
  return thread.kernel.user.write(a[2], resident) ? 0 : -EFAULT;
}

std::int64_t sys_membarrier(Thread&, const SyscallArgs& a) {
  // Guest threads are threads of this process, so the host's barriers are theirs. Commands are the same
  // everywhere.
  return result_of(::syscall(SYS_membarrier, as_int(a[0]), static_cast<unsigned>(a[1]), as_int(a[2])));
}

std::int64_t sys_riscv_flush_icache(Thread& thread, const SyscallArgs& a) {
  constexpr std::uint64_t kLocalThread = 1;
  if ((a[2] & ~kLocalThread) != 0) return -EINVAL;
  if (a[1] < a[0]) return -EINVAL;
  if (a[1] > a[0]) thread.kernel.memory->invalidate_code({{a[0]}, a[1] - a[0]});
  return 0;
}

}  // namespace ashlar::linux_user
