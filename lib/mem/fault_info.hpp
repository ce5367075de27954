// How a fault is written into the frame (VcpuCold::fault_addr, fault_info) and read back. For whoever raises
// or reports guest faults: interp and the engine.
#pragma once

#include <cstdint>

#include <ashlar/memory.hpp>
#include <ashlar/vcpu_frame.hpp>

namespace ashlar::mem {

constexpr std::uint64_t pack_fault_info(FaultKind kind, AccessKind access) {
  return static_cast<std::uint64_t>(kind) | static_cast<std::uint64_t>(access) << 8;
}

inline void store_fault(VcpuCold& cold, const Fault& fault) noexcept {
  cold.fault_addr = fault.addr.value;
  cold.fault_info = pack_fault_info(fault.kind, fault.access);
}

inline Fault load_fault(const VcpuCold& cold) noexcept {
  return {static_cast<FaultKind>(cold.fault_info & 0xff),
          static_cast<AccessKind>((cold.fault_info >> 8) & 0xff),
          {cold.fault_addr}};
}

}  // namespace ashlar::mem
