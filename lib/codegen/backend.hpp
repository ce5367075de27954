// The interface of a host back end: one virtual call per block. A back end is compiled in and emits on any
// machine; only executing needs the right CPU. The engine chooses one; `dump` and tests use them, too.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <ashlar/ir.hpp>
#include <ashlar/result.hpp>
#include <ashlar/state_layout.hpp>

#include "codegen/emitted.hpp"
#include "codegen/patcher.hpp"
#include "codegen/residents.hpp"
#include "codegen/runtime.hpp"

namespace ashlar::codegen {

enum class HostArch : std::uint8_t { x64, a64 };

/// How code is to behave. Translations made under different options live in different tables and are never
/// linked.
struct CompileOptions {
  /// Linked code: slots resident in host registers across blocks, exits patchable, indirect jumps probe the
  /// jump cache. Not linked (execute_block): nothing resident, every exit returns to the caller.
  bool linked = true;
  /// Charge the block's guest instructions at entry against VcpuHot::fuel.
  bool count_fuel = false;
  /// Count executions into *profile_counter.
  std::uint64_t* profile_counter = nullptr;
  /// The host address of the window's beginning, taken as a guest address, is as good a limit as
  /// VcpuHot::mem_limit (FlatMemory::base_is_limit), and lies in a register anyway.
  bool base_is_limit = false;
  /// Fill Emitted::code_map.
  bool map_code = false;
  /// Count executions of each way through the block (codegen/way.hpp): way_count() counters.
  std::uint64_t* way_counters = nullptr;
  /// Add 1 to *threshold_counter in front of each execution, and leave (Emitted::threshold_return), with
  /// nothing of the block done, when that makes it 0.
  std::uint64_t* threshold_counter = nullptr;
  /// The boundary at which a block that jumps to its own beginning goes on when it does: the second of
  /// several copies of its body (opt::Loops::peel), each of as many boundaries. 0: the beginning.
  std::uint16_t loop_head = 0;
  /// Which slots live in registers in linked code; empty: Backend::residents without weights.
  std::span<const Resident> residents;
};

/// Offsets of the routines in the code that `emit_runtime` makes.
struct RuntimeCode {
  std::vector<std::byte> code;
  std::uint32_t entries[static_cast<std::size_t>(RuntimeEntry::count)] = {};
  /// void enter(VcpuFrame*, const void* code): runs linked code; loads residents, sets the float unit up.
  std::uint32_t enter_linked = 0;
  /// std::uint32_t enter_single(VcpuFrame*, const void* code, bool uses_float): runs code that is not linked;
  /// returns kSingleDone and so on. The float unit is set up only if `uses_float`.
  std::uint32_t enter_single = 0;
  /// std::uint32_t enter_batch(VcpuFrame*, BatchStep* steps, bool uses_float): runs the steps' code, which is
  /// not linked and of one mode, as long as blocks return kSingleDone and no attention bits are set; returns
  /// what the last block has returned. VcpuCold::batch_step is the first step then that has not ended with
  /// kSingleDone.
  std::uint32_t enter_batch = 0;
  /// Where a host fault in linked / other code goes on: leaves with HostExit::access_fault / kSingleFault;
  /// registers are in the dump.
  std::uint32_t resume_fault = 0;
  std::uint32_t resume_fault_single = 0;
};

/// Compiles blocks. One per compiling thread: it keeps its buffers.
class Compiler {
 public:
  virtual ~Compiler() = default;
  /// Emits `block`. The result is complete or, on an internal error of the assembler, an error and nothing.
  virtual Result<void> compile(const ir::Block& block, const CompileOptions& options, Emitted& out) = 0;
  /// The same, and a listing: the register plan in lines "; slot=register ...", then host assembly, with a
  /// line "; guest 0x..." where the code of a guest instruction begins and "; out of line" before what is
  /// left for the end.
  virtual Result<std::string> listing(const ir::Block& block, const CompileOptions& options) = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual HostArch arch() const noexcept = 0;
  virtual std::unique_ptr<Compiler> make_compiler(const StateLayout& layout) const = 0;
  /// Which slots are to live in which registers in linked code: those of the highest ranks, or, of those that
  /// have a rank, the ones with the greatest weights. `weights`: none, or one for each slot.
  virtual std::vector<Resident> residents(const StateLayout& layout,
                                          std::span<const std::uint64_t> weights) const = 0;
  /// The runtime's routines for linked code with these residents.
  virtual Result<RuntimeCode> emit_runtime(std::span<const Resident> residents) const = 0;
  virtual const Patcher& patcher() const noexcept = 0;
  /// A function `std::uint32_t()` that returns `value`, for probing executable memory.
  virtual std::vector<std::byte> probe(std::uint32_t value) const = 0;
  /// Alignment of a translation's first byte.
  virtual std::size_t code_alignment() const noexcept = 0;
};

/// What the CPU offers beyond the base ISA; chosen once at start, overridable for tests.
struct HostFeatures {
  bool bmi1 = false, bmi2 = false, lzcnt = false, popcnt = false, sse41 = false, avx = false,
       fma = false;  // x64
  // a64
  bool lse = false;       ///< atomics in one instruction
  bool far_code = false;  ///< not the CPU's: code may lie farther apart than a branch reaches
};

/// The back ends. Thread-safe.
std::unique_ptr<Backend> make_x64_backend(const HostFeatures& features);
std::unique_ptr<Backend> make_a64_backend(const HostFeatures& features);
/// Features of this machine's CPU.
HostFeatures detect_host_features() noexcept;

}  // namespace ashlar::codegen
