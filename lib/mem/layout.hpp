// Constants of the flat window that emitted code relies on. For code generators, which must not see the
// memory's interface; flat_memory.cpp asserts that they agree with FlatMemory's own.
#pragma once

#include <cstdint>

namespace ashlar::mem {

/// A base address that passed the check against VcpuHot::mem_limit may have any displacement d with |d| <
/// this added to it without another check: the result is inside the window or in a guard region, where it
/// faults.
inline constexpr std::int64_t kDisplacementSlack = 32 * 1024;
/// Size of either guard region, in bytes. The upper one has a further page, for accesses that begin in its
/// last bytes.
inline constexpr std::uint64_t kGuardSize = 64 * 1024;

/// The reservation granule of a host address lies at this part of the address in the table of versions
/// (reservations.hpp): granules are as large as their entries.
inline constexpr std::uint32_t kReservationTableMask = 1023 * 64;

}  // namespace ashlar::mem
