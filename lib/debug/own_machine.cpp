// See own_machine.hpp.
#include "debug/own_machine.hpp"

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstring>

namespace ashlar::debug {

Result<std::uint32_t> own_machine() {
  const int fd = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  Elf64_Ehdr header{};
  const bool whole = fd >= 0 && ::read(fd, &header, sizeof header) == sizeof header;
  if (fd >= 0) ::close(fd);
  if (!whole || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
    return Error{ErrorCode::io_error,
                 "can't read the ELF header of /proc/self/exe, which describes this machine"};
  return std::uint32_t{header.e_machine};
}

}  // namespace ashlar::debug
