// The lock of a code cache, and the proof that it is held: functions that need the lock take a `const
// CacheLock&`, so that an unlocked call does not compile. Used by the code cache, the linker and the engine.
#pragma once

#include <mutex>

namespace ashlar::cache {

class CacheMutex {
 private:
  friend class CacheLock;
  std::mutex mutex_;
};

class CacheLock {
 public:
  explicit CacheLock(CacheMutex& mutex) : of_(&mutex), held_(mutex.mutex_) {}
  bool holds(const CacheMutex& mutex) const noexcept { return of_ == &mutex; }

 private:
  const CacheMutex* of_;
  std::unique_lock<std::mutex> held_;
};

}  // namespace ashlar::cache
