// Reclamation by epochs; see epoch.hpp for the invariant.
#include "cache/epoch.hpp"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

// ThreadSanitizer knows neither fences nor membarrier.
#if defined(__SANITIZE_THREAD__)
#define ASHLAR_NO_FENCES 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ASHLAR_NO_FENCES 1
#endif
#endif

namespace ashlar::cache {
namespace {

bool membarrier_available() noexcept {
#ifdef ASHLAR_NO_FENCES
  return false;
#else
  static const bool available =
      syscall(__NR_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0 &&
      syscall(__NR_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
  return available;
#endif
}

}  // namespace

EpochDomain::EpochDomain() : asymmetric_(membarrier_available()) {}

EpochDomain::~EpochDomain() {
  for (const Retired& retired : retired_) retired.garbage.destroy(retired.garbage.object);
}

void EpochDomain::store_and_fence(std::atomic<std::uint64_t>& to, std::uint64_t value) noexcept {
#ifdef ASHLAR_NO_FENCES
  to.exchange(value, std::memory_order_seq_cst);
#else
  to.store(value, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

/// After this every thread either shows the epoch that it stored in `enter`, or reads as unlinked what we
/// have unlinked.
void EpochDomain::full_barrier() const noexcept {
  if (asymmetric_) {
    syscall(__NR_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    return;
  }
#ifndef ASHLAR_NO_FENCES
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

void EpochDomain::add(EpochParticipant& participant) {
  std::lock_guard lock(mutex_);
  participants_.push_back(&participant);
}

void EpochDomain::remove(EpochParticipant& participant) {
  std::lock_guard lock(mutex_);
  std::erase(participants_, &participant);
}

void EpochDomain::retire(const Garbage* objects, std::size_t count) {
  if (count == 0) return;
  std::lock_guard lock(mutex_);
  // Release: who reads the new epoch sees that the objects are unreachable.
  const std::uint64_t epoch = global_.fetch_add(1, std::memory_order_seq_cst) + 1;
  for (std::size_t i = 0; i < count; ++i) retired_.push_back({objects[i], epoch});
  waiting_.store(true, std::memory_order_relaxed);
}

void EpochDomain::reclaim() noexcept {
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock || retired_.empty()) return;
  const auto oldest_inside = [this] {
    std::uint64_t oldest = EpochParticipant::kIdle;
    for (const EpochParticipant* participant : participants_) {
      oldest = std::min(oldest, participant->epoch_.load(std::memory_order_seq_cst));
    }
    return oldest;
  };
  // Somebody who stays inside makes everybody else come by in vain: let that be cheap.
  if (oldest_inside() < retired_.front().epoch) return;
  full_barrier();
  const std::uint64_t oldest = oldest_inside();
  // Epochs ascend in the list.
  const auto end = std::find_if(retired_.begin(), retired_.end(),
                                [&](const Retired& retired) { return retired.epoch > oldest; });
  if (end == retired_.begin()) return;
  const std::vector<Retired> free(retired_.begin(), end);
  retired_.erase(retired_.begin(), end);
  waiting_.store(!retired_.empty(), std::memory_order_relaxed);
  lock.unlock();
  for (const Retired& retired : free) retired.garbage.destroy(retired.garbage.object);
}

std::size_t EpochDomain::waiting() const {
  std::lock_guard lock(mutex_);
  return retired_.size();
}

}  // namespace ashlar::cache
