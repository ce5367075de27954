// LR/SC: load-reserved and store-conditional on host memory that other guest threads use at the same time.
// Inline, for the interpreter and for the helpers of emitted code alike.
//
// A global table of versions, one for each group of 64-byte granules, makes every successful
// store-conditional visible: LR notes the granule's version and the value read; SC succeeds only if nobody's
// SC has succeeded on the granule since (version) and the value is what LR read (compare-exchange). So A-B-A
// through store-conditionals, as lock-free stacks built on LR/SC meet it, is detected. Plain stores and
// fetch-and-modify atomics do not bump versions: they are detected by value alone. docs/atomics.md says why
// that is right for C and C++ programs, and what can differ.
//
// A granule's version is odd while an SC is between its two compare-exchanges. SC never waits; LR waits a
// little, and then reads on with a version that makes its SC fail. Two addresses that share a version cost
// each other retries, never correctness.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include <ashlar/vcpu_frame.hpp>

#include "mem/layout.hpp"

namespace ashlar::mem {

inline constexpr std::size_t kReservationGranules = 1024;  // 64 KiB, one cache line each

struct alignas(64) ReservationGranule {
  std::atomic<std::uint64_t> version{0};
};
static_assert(sizeof(ReservationGranule) == 64 && (kReservationGranules - 1) * 64 == kReservationTableMask,
              "emitted code masks the host address to find the entry");
extern ReservationGranule reservation_granules[kReservationGranules];

/// By host address, so that vCPUs that share memory share granules.
inline ReservationGranule& granule_of(const void* host) noexcept {
  return reservation_granules[(reinterpret_cast<std::uintptr_t>(host) >> 6) & (kReservationGranules - 1)];
}

inline constexpr std::uint64_t kNoReservation = ~std::uint64_t{0};

/// The version to note for a reservation on `host`: even, or one that no SC will match.
inline std::uint64_t reservation_version(const void* host) noexcept {
  std::atomic<std::uint64_t>& version = granule_of(host).version;
  std::uint64_t seen = version.load(std::memory_order_acquire);
  for (int spins = 0; (seen & 1) != 0 && spins < 64; ++spins) seen = version.load(std::memory_order_acquire);
  return seen & ~std::uint64_t{1};
}

/// Loads the naturally aligned word at `host` (guest address `addr`) and reserves it. The access may fault;
/// the frame holds no reservation then.
template <typename Word>
[[gnu::always_inline]] inline Word load_reserved(VcpuCold& cold, Word* host, std::uint64_t addr) noexcept {
  cold.reservation_addr = kNoReservation;
  const std::uint64_t version = reservation_version(host);
  const Word value = __atomic_load_n(host, __ATOMIC_SEQ_CST);
  cold.reservation_version = version;
  cold.reservation_value = value;
  cold.reservation_addr = addr;
  return value;
}

/// Stores `value` at `host` (guest address `addr`) if the reservation still holds; drops it in any case.
/// Returns whether it stored. While the memory access may fault, `reservation_version` is odd, which says
/// that the granule of the access is locked by this vCPU: who catches a fault calls
/// `abandon_store_conditional` before anything else.
template <typename Word>
[[gnu::always_inline]] inline bool store_conditional(VcpuCold& cold, Word* host, std::uint64_t addr,
                                                     Word value) noexcept {
  const bool reserved = cold.reservation_addr == addr;
  cold.reservation_addr = kNoReservation;
  if (!reserved) return false;
  std::atomic<std::uint64_t>& granule = granule_of(host).version;
  std::uint64_t version = cold.reservation_version;
  if (!granule.compare_exchange_strong(version, version + 1, std::memory_order_acquire)) return false;
  cold.reservation_version = version + 1;
  asm volatile("" ::: "memory");
  auto expected = static_cast<Word>(cold.reservation_value);
  const bool stored =
      __atomic_compare_exchange_n(host, &expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  asm volatile("" ::: "memory");
  cold.reservation_version = version;
  granule.store(stored ? version + 2 : version, std::memory_order_release);
  return stored;
}

/// After a host fault at `host` in code that may have been a store-conditional of this vCPU: unlocks the
/// granule if so.
inline void abandon_store_conditional(VcpuCold& cold, const void* host) noexcept {
  if ((cold.reservation_version & 1) == 0) return;
  cold.reservation_version &= ~std::uint64_t{1};
  granule_of(host).version.store(cold.reservation_version, std::memory_order_release);
}

}  // namespace ashlar::mem
