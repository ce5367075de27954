// The memory of a vCPU as emitted code sees it. This is the ABI between the engine, the interpreter and both
// hosts' emitted code; embedders use Vcpu (vcpu.hpp) instead.
//
//   word    -40-n..-41   temporaries: temp i is word -41-i
//   word    -40..-1      VcpuCold (its last word, -1, always reads as zero)
//   base -> word 0..3    VcpuHot
//   word    4..          state slots
//
// The x86-64 host's state register points 128 bytes past the base, so that the hot header and the first 28
// slots are reached by one-byte displacements; the AArch64 host's points to the cold header, so that its
// scaled displacements reach everything but temporaries.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include <ashlar/ir.hpp>

namespace ashlar {

class Vcpu;

/// Reasons for a vCPU to look up from its work at the next check; bits of VcpuHot::attention. Any thread may
/// set bits.
enum Attention : std::uint32_t {
  kAttendHalt = 1,       ///< Vcpu::request_halt
  kAttendFlush = 2,      ///< translations were invalidated: forget the jump cache and return stack
  kAttendSafepoint = 4,  ///< somebody waits for all vCPUs at block boundaries
  kAttendExit = 8,       ///< a helper asks to leave the block
  kAttendPolicy = 16,    ///< the engine's preferences have changed: go to the dispatcher
};

struct VcpuHot {
  /// Highest base address that passes the inline check of a flat window: the window's size plus what its
  /// upper guard region swallows. 0 with paged memory.
  std::uint64_t mem_limit;
  /// Attention bits. Checked at backward jumps; emitted indirect jumps notice by `jump_cache`.
  std::atomic<std::uint32_t> attention;
  std::uint32_t reserved;
  /// Guest instructions that may still run, where fuel is counted.
  std::int64_t fuel;
  /// The jump cache that indirect jumps probe: the vCPU's own for its current mode, or one that always misses
  /// while attention bits are set, so that emitted indirect jumps need no check of their own.
  std::atomic<const void*> jump_cache;
};

struct VcpuCold {
  /// Addresses of the runtime's routines that emitted code calls; indexed by codegen::RuntimeEntry.
  const void* entries[9];
  /// Operands of a runtime call (codegen::RuntimeEntry::runtime_call).
  std::uint64_t args[3];
  /// Host float status word (MXCSR, FPSR) as emitted code left it; the engine folds its flags into
  /// float_flags.
  std::uint64_t float_status;
  /// The table of reservation versions (mem/reservations.hpp).
  void* reservations;
  /// Constants that emitted code reads: the canonical NaNs, binary32 boxed.
  std::uint64_t canonical_nan64;
  std::uint64_t canonical_nan32;
  /// Where emitted code is in a batch of blocks (codegen::BatchStep).
  void* batch_step;
  std::uint64_t spare;
  /// Where emitted code and the fault handler leave the registers of a stop in the middle of a block
  /// (codegen::RegisterDump).
  void* dump;
  /// The return-address stack is the host's own: an emitted guest call is a host call, and while the host's
  /// stack pointer is above this, it may push. All ones while attention bits are set, so that every call
  /// looks up.
  std::atomic<std::uint64_t> ras_limit;
  /// Interpreter: the instruction being executed, stored before each access that may fault.
  const void* interp_inst;
  /// Host float control word (MXCSR, FPCR) for guest code in the current mode, flags clear.
  std::uint64_t guest_float_control;
  /// How emitted code left: an engine-internal code, and the exit site or fault that it left by.
  std::uint64_t exit_code;
  std::uint64_t exit_info;
  /// Host stack pointer to return to, and the host's own float control word while guest code runs.
  std::uint64_t host_sp;
  std::uint64_t host_float_control;
  /// Where helpers find the vCPU object and the engine's private data of this vCPU.
  Vcpu* vcpu;
  void* engine;
  /// Fault of the last access: guest address and FaultKind/AccessKind.
  std::uint64_t fault_addr;
  std::uint64_t fault_info;
  /// LR/SC reservation: address (all ones: none), value read, version of the address's reservation granule.
  std::uint64_t reservation_addr;
  std::uint64_t reservation_value;
  std::uint64_t reservation_version;
  /// Accumulated float flags, less those that still sit in the host's float unit. FloatFlags bits.
  std::uint64_t float_flags;
  /// Where to go on: address and mode of the next block.
  std::uint64_t pc;
  std::uint64_t mode;
  /// Host address of guest address 0 of a flat window.
  std::byte* mem_base;
  /// Table of helper functions, indexed by helper id.
  const void* helpers;
  /// Reserved for the memory model's own data (soft TLB).
  void* memory_data;
  std::uint64_t zero;
};

static_assert(sizeof(VcpuHot) == 8 * ir::Value::kFirstSlotWord);
static_assert(sizeof(VcpuCold) == 8 * ir::Value::kColdWords);

/// A pointer to the base of a frame.
struct VcpuFrame {
  VcpuHot hot;

  VcpuCold& cold() noexcept { return *(reinterpret_cast<VcpuCold*>(this) - 1); }
  const VcpuCold& cold() const noexcept { return *(reinterpret_cast<const VcpuCold*>(this) - 1); }
  std::uint64_t* words() noexcept { return reinterpret_cast<std::uint64_t*>(this); }
  const std::uint64_t* words() const noexcept { return reinterpret_cast<const std::uint64_t*>(this); }
  std::uint64_t& operator[](ir::Value v) noexcept { return words()[v.word]; }
  std::uint64_t operator[](ir::Value v) const noexcept { return words()[v.word]; }
};

/// Byte offset of a cold field from the frame's base (negative).
#define ASHLAR_COLD_OFFSET(field)                                   \
  (static_cast<std::int32_t>(offsetof(::ashlar::VcpuCold, field)) - \
   static_cast<std::int32_t>(sizeof(::ashlar::VcpuCold)))

}  // namespace ashlar
