// The interpreter (tier 0): a switch over the IR. It knows blocks, the vCPU's frame and flat guest memory,
// and nothing of caches or compilers: who calls it resolves block keys. Called by the engine only.
#pragma once

#include <atomic>
#include <cstdint>

#include <ashlar/frontend.hpp>
#include <ashlar/ir.hpp>
#include <ashlar/memory.hpp>
#include <ashlar/vcpu_frame.hpp>

namespace ashlar::interp {

/// A block as the interpreter runs it: the IR and, for each of its exits, the block that the exit leads to,
/// once known. The engine owns these. `successors` has one entry for each exit; null means unresolved.
/// Entries are set by the engine and cleared by it when the target is invalidated, also while other threads
/// run.
struct CodeBlock {
  const ir::Block* block = nullptr;
  /// The block's instructions prepared (interp/prepare.hpp), or as they are in the IR, which is slower.
  const ir::Inst* insts = nullptr;
  /// Only blocks of the same mode, hence of the same host_rounding.
  std::atomic<CodeBlock*>* successors = nullptr;
  /// Entries so far, approximately (relaxed, may lose counts between threads): what the hybrid's policy
  /// reads. An engine that can't do anything better for a hot block may set it back.
  std::atomic<std::uint32_t> executions{0};
};

/// A small direct-mapped table from guest address to block for indirect jumps, one per vCPU and mode.
struct JumpTable {
  static constexpr std::size_t kEntries = 1024;
  struct Entry {
    std::uint64_t addr;
    CodeBlock* block;  // null: empty
  };
  Entry entries[kEntries];
  static std::size_t index(std::uint64_t addr) noexcept { return (addr >> 1) & (kEntries - 1); }
};

/// Why `run` came back. In every case the frame's pc and mode name the block to go on with, except fault (pc
/// is the faulting guest instruction).
enum class Outcome : std::uint8_t {
  lookup,  ///< the next block is not known: resolve frame pc/mode; `from`/`exit` say which successor entry to
           ///< fill
  attention,  ///< an attention bit is set
  fuel,   ///< fuel is spent exactly (frame fuel is 0) or less than the next block needs and `exact` steps are
          ///< over
  stop,   ///< a stop terminal: reason and detail are in `stop_reason`, `detail`
  fault,  ///< frame fault_addr/fault_info
  hot,    ///< the next block has been entered RunState::hot_threshold times or more
  block_done,  ///< single-block mode: the block ended
};

struct RunState {
  // in
  CodeBlock* first = nullptr;
  JumpTable* jump_table = nullptr;  ///< may be null
  std::span<const Helper> helpers;
  bool count_fuel = false;  ///< stop exactly when frame fuel reaches 0, in the middle of a block if need be
  bool single_block = false;
  /// A block whose `executions`, this entry counted, reach this is not entered: Outcome::hot. The default
  /// stands for never.
  std::uint32_t hot_threshold = ~std::uint32_t{0};
  /// So many of them are entered nevertheless.
  std::uint32_t hot_entries = 0;
  /// Go on with this instruction of `first` instead of entering it: emitted code has done what lies before
  /// and charged the block's fuel less what restore_frame refunded.
  std::uint32_t start_inst = 0;
  /// Window of flat memory; null memory: every access faults.
  FlatMemory* memory = nullptr;
  // out
  CodeBlock* from =
      nullptr;  ///< Outcome::lookup by a direct exit: the block and exit index to be filled; else null
  std::uint32_t exit = 0;
  ir::StopReason stop_reason{};
  std::int32_t detail = 0;
  std::uint64_t blocks = 0;  ///< blocks executed
};

/// Executes from `state.first` until something else is needed. Float operations use the host's float unit in
/// the block's host_rounding mode, which the caller has set, with the unit's flags cleared before and folded
/// into the frame after (engine/float_env). Leaving in the middle of a block for fuel sets pc to the next
/// guest instruction.
Outcome run(VcpuFrame& frame, RunState& state) noexcept;

}  // namespace ashlar::interp
