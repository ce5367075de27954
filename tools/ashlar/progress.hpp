// A line on the terminal while a program runs for long. For the ashlar command's own files.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include <ashlar/linux.hpp>

namespace ashlar::tool {

/// While it lives, and from two seconds on, says on stderr how long the process has been running and what it
/// does: if stderr is a terminal and stdout is not, for what the program prints is progress enough.
class Progress {
 public:
  explicit Progress(const linux_user::Process& process);
  /// Wipes the line away.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

 private:
  void show(const linux_user::Process& process);

  std::mutex mutex_;
  std::condition_variable ended_;
  bool end_ = false;
  std::thread thread_;
};

}  // namespace ashlar::tool
