// See output_file.hpp.
#include "debug/output_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace ashlar::debug {

OutputFile::~OutputFile() {
  if (fd_ >= 0) ::close(fd_);
}

Result<OutputFile> OutputFile::create(const std::string& path) {
  OutputFile file;
  ::unlink(path.c_str());
  // O_EXCL also refuses a symbolic link that somebody has put there meanwhile.
  file.fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file.fd_ < 0) return Error{ErrorCode::io_error, "can't create '" + path + "': " + std::strerror(errno)};
  return file;
}

void OutputFile::append(std::span<const std::byte> bytes) noexcept {
  while (!bytes.empty() && !failed_) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    failed_ = written <= 0;
    if (!failed_) bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

}  // namespace ashlar::debug
