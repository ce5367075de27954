// The contract between emitted code and the engine: entry points that emitted code calls through the frame,
// codes by which it comes back, and the register dump that describes a stop in the middle. Both hosts and the
// engine include this.
#pragma once

#include <cstddef>
#include <cstdint>

#include <ashlar/vcpu_frame.hpp>

namespace ashlar::codegen {

/// Addresses in VcpuCold::entries. Emitted code reaches the runtime only through these, so that it is
/// position independent.
enum class RuntimeEntry : std::uint8_t {
  exit,  ///< called; the return address names the exit site. Stores residents, leaves with HostExit::site
  jump_miss,    ///< jumped to; target in the host's jump register. Leaves with HostExit::jump, pc set
  jump_mode,    ///< jumped to; pc and mode already in the frame. Leaves with HostExit::mode
  check_fault,  ///< called; the return address names the fault site. Dumps registers, leaves with
                ///< HostExit::check_fault
  helper,  ///< called: stores residents, calls the helper whose id is in the first integer result register
           ///< with VcpuCold::args, the float unit in the host's state; reloads
  runtime_call,        ///< called: like a float_slow call that destroys nothing but the result register
  helper_single,       ///< helper, for code that is not linked
  check_fault_single,  ///< check_fault, for code that is not linked
  jump_probe,  ///< jumped to by a return that does not go where its call expected: empties the return-address
               ///< stack and looks the target in the host's jump register up in the jump cache
  count
};

/// VcpuCold::exit_code after emitted code has returned.
enum class HostExit : std::uint64_t {
  site,          ///< exit_info: host address behind the stub's call
  jump,          ///< indirect jump to frame pc that missed the jump cache
  mode,          ///< frame pc and mode were set by jump_mode
  check_fault,   ///< exit_info: host address behind the check stub's call; registers in the dump
  access_fault,  ///< exit_info: host address of the faulting instruction; registers in the dump;
                 ///< fault_addr/info are set
};

/// Registers at a fault, by host register number. Lives in the engine's tables of a vCPU that runs;
/// VcpuCold::dump points to it.
struct RegisterDump {
  std::uint64_t gpr[32];
  std::uint64_t vec[32];  ///< low 64 bits
};

// What code that is not linked returns.

/// The block has ended: the frame's pc is set, and the mode is as it was.
inline constexpr std::uint32_t kSingleDone = 0;
/// The block has ended: the frame's pc and mode are set.
inline constexpr std::uint32_t kSingleDoneInMode = 1;
/// A fault: VcpuCold::exit_code says which, as for linked code.
inline constexpr std::uint32_t kSingleFault = 2;
/// Plus an exit site's index: neither pc nor mode are set.
inline constexpr std::uint32_t kSingleSite = 3;

/// One of the blocks that RuntimeCode::enter_batch runs one after the other.
struct BatchStep {
  const void* code;    ///< not linked; null: the end
  std::uint64_t next;  ///< result: the pc that the block has ended with
};

/// Float operations that the host's unit can't do as asked (rounding modes that it lacks or that are not
/// set): operands are the bits in VcpuCold::args, `desc` is opcode | rounding << 16; returns the result's
/// bits and accumulates flags in the frame. Touches no state slot (they may sit in host registers) and not
/// the float unit. Called by emitted code, hence noexcept.
std::uint64_t float_slow(VcpuFrame* frame, std::uint32_t desc) noexcept;
/// Calls the embedder's helper `id` of the vCPU's front end with VcpuCold::args. Called by emitted code with
/// the state in the frame.
std::uint64_t call_helper(VcpuFrame* frame, std::uint32_t id) noexcept;

/// An entry of the jump cache that emitted code probes: a direct-mapped table indexed by (addr >> 1) &
/// (kEntries - 1). Empty entries are zero, but for the one of address 0, which holds another address: no
/// look-up matches them.
struct JumpCacheEntry {
  std::uint64_t addr;
  const void* code;
};
struct JumpCache {
  static constexpr std::size_t kEntries = 4096;
  JumpCacheEntry entries[kEntries];
  static std::size_t index(std::uint64_t addr) noexcept { return (addr >> 1) & (kEntries - 1); }
  /// To be called on one that is all zero.
  void begin() noexcept { entries[index(0)].addr = ~std::uint64_t{0}; }
};

}  // namespace ashlar::codegen
