// The contract between emitted code and the engine: entry points that emitted code calls through the frame, codes by
// which it comes back, and the register dump that describes a stop in the middle. Both hosts and the engine include this.
#pragma once

#include <cstddef>
#include <cstdint>

#include <ashlar/vcpu_frame.hpp>

namespace ashlar::codegen {

/// Addresses in VcpuCold::entries. Emitted code reaches the runtime only through these, so that it is position independent.
enum class RuntimeEntry : std::uint8_t {
  exit,         ///< called; the return address names the exit site. Stores residents, leaves with HostExit::site
  jump_miss,    ///< jumped to; target in the host's jump register. Leaves with HostExit::jump, pc set
  jump_mode,    ///< jumped to; pc and mode already in the frame. Leaves with HostExit::mode
  check_fault,  ///< called; the return address names the fault site. Dumps registers, leaves with HostExit::check_fault
  helper,       ///< called: stores residents, calls an embedder's helper with the float unit in the host's state, reloads
  runtime_call, ///< called: saves what a C++ call destroys, calls a function of ours, restores
  leave,        ///< jumped to; residents need no storing. exit_code/exit_info already set (single-block code)
  count
};

/// VcpuCold::exit_code after emitted code has returned.
enum class HostExit : std::uint64_t {
  site,          ///< exit_info: host address behind the stub's call
  jump,          ///< indirect jump to frame pc that missed the jump cache
  mode,          ///< frame pc and mode were set by jump_mode
  check_fault,   ///< exit_info: host address behind the check stub's call; registers in the dump
  access_fault,  ///< exit_info: host address of the faulting instruction; registers in the dump; fault_addr/info are set
  helper_exit,   ///< a helper set kAttendExit; frame pc is where to go on
};

/// Registers at a fault, by host register number. Lives in the engine's data of a vCPU; VcpuCold::dump points to it.
struct RegisterDump {
  std::uint64_t gpr[32];
  std::uint64_t vec[32];  ///< low 64 bits
};

/// A function of the library that emitted code calls by runtime_call: it may look at and change the frame's cold header,
/// reservation and guest memory, never state slots (they may sit in host registers).
using RuntimeFunction = std::uint64_t (*)(VcpuFrame* frame, std::uint64_t a, std::uint64_t b, std::uint64_t c) noexcept;

/// An entry of the jump cache that emitted code probes: a direct-mapped table indexed by (addr >> 1) & (kEntries - 1).
/// Empty entries hold any address and the jump_miss entry as code, so that a false match is harmless.
struct JumpCacheEntry {
  std::uint64_t addr;
  const void* code;
};
struct JumpCache {
  static constexpr std::size_t kEntries = 4096;
  JumpCacheEntry entries[kEntries];
  static std::size_t index(std::uint64_t addr) noexcept { return (addr >> 1) & (kEntries - 1); }
};

}  // namespace ashlar::codegen
