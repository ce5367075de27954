// What a back end hands over: host code and everything that others must know about it. Plain records; the
// code is position independent and deterministic. The cache copies, links and unlinks it without knowing
// opcodes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <ashlar/ir.hpp>
#include <ashlar/types.hpp>

#include "codegen/reg.hpp"

namespace ashlar::codegen {

/// What the code does at an exit site when it is not linked.
enum class ExitKind : std::uint8_t {
  direct,     ///< goes to `target`; linkable
  call,       ///< goes to `target` by a host call; linkable, see the host's patcher
  attention,  ///< an attention bit was seen; resume at `target`; never linked
  fuel,       ///< not enough fuel for the block; nothing of it done; resume at `target`; never linked
  stop,       ///< a stop terminal; `stop_reason`, `detail`; resume at `target`; never linked
};

/// One way out of a translation. Emitted code names it to the runtime by the return address of a call to the
/// `exit` entry
/// (`return_offset`), so that an unlinked exit costs a few bytes and a linked one nothing.
struct ExitSite {
  static constexpr std::uint32_t kNotPatchable = ~std::uint32_t{0};

  BlockKey target;
  ExitKind kind = ExitKind::direct;
  ir::StopReason stop_reason{};
  std::int32_t detail = 0;
  /// Offset of the branch displacement to be patched (lies in one aligned 8-byte word), or kNotPatchable.
  std::uint32_t patch_offset = kNotPatchable;
  /// Offset of the stub that the unlinked branch goes to.
  std::uint32_t stub_offset = 0;
  /// Offset behind the stub's call into the runtime: how the runtime recognises the site. Ascending over
  /// sites in linked code; code that is not linked returns kSingleSite + the site's index instead, or at a
  /// plain end kSingleDone.
  std::uint32_t return_offset = 0;
};

/// What is still to be done to a register's bits before anybody may see them.
enum class Finish : std::uint8_t {
  nothing,
  nan64,   ///< an f64 result, whose NaN is to become canonical
  nan32,   ///< an f32 result, the same
  box32,   ///< a binary32 in the low half: the upper half is to become all ones
  extend,  ///< an integer in the low half: to be sign-extended
};

/// A value in a host register that is not yet in the frame, or not as it is to be.
struct WriteBack {
  std::int16_t word;  ///< frame word
  Reg reg;
  Finish finish = Finish::nothing;
};

/// A place where emitted code may be stopped: by a host fault at `offset`, or by a failed check whose stub's
/// call returns to `offset`. Everything before IR instruction `inst` is done, nothing of it and of later
/// ones. A failed check says only that the emitted code does not handle the case (an address outside the
/// window's inline check, a binary32 that is not boxed): the interpreter does.
struct FaultSite {
  GuestAddr guest_pc;        ///< the guest instruction to resume at
  std::uint32_t offset = 0;  ///< ascending over sites of the same kind
  /// Residents but for those that stand here, as they are; then these.
  std::uint32_t write_back_begin = 0;
  std::uint16_t write_back_count = 0;
  std::uint16_t inst = 0;  ///< the IR instruction; after a failed check the interpreter goes on with it
  /// Guest instructions of the block that were charged as fuel at entry but are not done.
  std::uint32_t fuel_refund = 0;
};

/// Where the code of a guest instruction begins; for dumps and profilers.
struct CodeMapEntry {
  std::uint32_t offset;
  GuestAddr pc;
};

struct Emitted {
  std::vector<std::byte> code;
  std::vector<ExitSite> exits;
  std::vector<FaultSite> access_faults;  ///< by offset of the faulting host instruction
  std::vector<FaultSite> check_faults;   ///< by return offset of the check's stub
  std::vector<WriteBack> write_backs;
  /// Which slots live in registers at fault sites, where the block has made a choice of its own; else empty.
  std::vector<Resident> residents;
  std::vector<CodeMapEntry> code_map;  ///< if CompileOptions::map_code
  std::vector<GuestRange> guest_ranges;
  BlockKey key;
  std::uint32_t guest_inst_count = 0;
  bool goes_round =
      false;  ///< what leads back to its own beginning stays inside, unless attention bits are set
  bool uses_float = false;  ///< touches the float unit: single-block code needs it set up
  /// Behind the stub's call by which the block leaves when CompileOptions::threshold_counter has become 0,
  /// with nothing of it done; 0: it has none. All counted blocks have this one: it is no exit site.
  std::uint32_t threshold_return = 0;

  void clear() {
    code.clear();
    exits.clear();
    access_faults.clear();
    check_faults.clear();
    write_backs.clear();
    residents.clear();
    code_map.clear();
    guest_ranges.clear();
    guest_inst_count = 0;
    goes_round = false;
    threshold_return = 0;
  }
};

}  // namespace ashlar::codegen
