// A file that perf reads while and after we run. For the code listeners of this room.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include <ashlar/result.hpp>

namespace ashlar::debug {

/// Owns the descriptor. Not thread-safe.
class OutputFile {
 public:
  OutputFile() = default;
  OutputFile(OutputFile&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();

  /// Makes a new file that only we may read and write, in place of one that is there: the directory may be
  /// everybody's, and perf ignores files of other users.
  static Result<OutputFile> create(const std::string& path);

  int fd() const noexcept { return fd_; }
  /// Appends at once, so that nothing is lost however the process ends. After a failure, such as a full disk,
  /// nothing is written any more: readers find a whole prefix.
  void append(std::span<const std::byte> bytes) noexcept;

 private:
  int fd_ = -1;
  bool failed_ = false;
};

}  // namespace ashlar::debug
