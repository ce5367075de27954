// Reclamation by epochs: what has been made unreachable is freed when every participant (a vCPU that runs)
// has since passed a point where it holds no pointers. Entering and leaving cost the participant two plain
// stores: where the host has membarrier, whoever frees pays for the ordering. Used by the block tables, the
// engine's IR cache and the code cache.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <vector>

namespace ashlar::cache {

/// One who reads shared structures without locks. Used by one thread at a time; its owner sees that nobody
/// else writes to its cache line.
class EpochParticipant {
 private:
  friend class EpochDomain;
  static constexpr std::uint64_t kIdle = std::numeric_limits<std::uint64_t>::max();
  std::atomic<std::uint64_t> epoch_{kIdle};
};

/// Thread-safe. Invariant: an object retired at epoch e was unreachable before the global epoch became e; a
/// participant whose own epoch is e or later has begun to read after that, so it can't hold the object.
class EpochDomain {
 public:
  EpochDomain();
  /// Frees what is left. Precondition: nobody is inside.
  ~EpochDomain();
  EpochDomain(const EpochDomain&) = delete;
  EpochDomain& operator=(const EpochDomain&) = delete;

  void add(EpochParticipant& participant);
  /// Precondition: the participant is not inside.
  void remove(EpochParticipant& participant);

  /// From here on the participant may read what it finds, until `leave`.
  void enter(EpochParticipant& participant) noexcept {
    const std::uint64_t now = global_.load(std::memory_order_acquire);
    if (asymmetric_) {
      participant.epoch_.store(now, std::memory_order_relaxed);
      std::atomic_signal_fence(std::memory_order_seq_cst);
    } else {
      store_and_fence(participant.epoch_, now);
    }
  }
  void leave(EpochParticipant& participant) noexcept {
    participant.epoch_.store(EpochParticipant::kIdle, std::memory_order_release);
    if (waiting_.load(std::memory_order_relaxed)) reclaim();
  }
  /// A quiescent point: the participant holds no pointer that it read before.
  void quiesce(EpochParticipant& participant) noexcept {
    if (global_.load(std::memory_order_relaxed) == participant.epoch_.load(std::memory_order_relaxed)) return;
    // What the participant did before must not seem to come after.
    participant.epoch_.store(EpochParticipant::kIdle, std::memory_order_release);
    enter(participant);
    if (waiting_.load(std::memory_order_relaxed)) reclaim();
  }
  static bool inside(const EpochParticipant& participant) noexcept {
    return participant.epoch_.load(std::memory_order_acquire) != EpochParticipant::kIdle;
  }
  /// After this, every participant either is seen inside, or sees when it enters what the caller has stored
  /// before.
  void barrier() const noexcept { full_barrier(); }

  using Destroy = void (*)(void* object) noexcept;
  struct Garbage {
    void* object;
    Destroy destroy;
  };
  /// Takes objects that no reader can find any more; each is destroyed once, by whichever thread comes by.
  void retire(const Garbage* objects, std::size_t count);
  template <typename T>
  void retire(T* object) {
    const Garbage garbage{object, [](void* p) noexcept { delete static_cast<T*>(p); }};
    retire(&garbage, 1);
  }
  /// Destroys what can be destroyed. Returns at once when another thread is at it or nothing is waiting.
  void reclaim() noexcept;
  /// Objects waiting.
  std::size_t waiting() const;

 private:
  struct Retired {
    Garbage garbage;
    std::uint64_t epoch;
  };
  void full_barrier() const noexcept;
  static void store_and_fence(std::atomic<std::uint64_t>& to, std::uint64_t value) noexcept;

  std::atomic<std::uint64_t> global_{1};
  std::atomic<bool> waiting_{false};
  const bool asymmetric_;
  mutable std::mutex mutex_;
  std::vector<EpochParticipant*> participants_;
  std::vector<Retired> retired_;
};

/// Inside a domain for a scope, for threads that are no vCPU.
class EpochScope {
 public:
  explicit EpochScope(EpochDomain& domain) : domain_(domain) {
    domain_.add(participant_);
    domain_.enter(participant_);
  }
  ~EpochScope() {
    domain_.leave(participant_);
    domain_.remove(participant_);
  }
  EpochScope(const EpochScope&) = delete;
  EpochScope& operator=(const EpochScope&) = delete;

 private:
  EpochDomain& domain_;
  EpochParticipant participant_;
};

}  // namespace ashlar::cache
