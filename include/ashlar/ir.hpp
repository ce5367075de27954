// The intermediate representation: opcodes, operands, instructions, blocks. Plain data; BlockBuilder
// (block_builder.hpp) makes blocks, ir_text.hpp prints, parses and verifies them.
//
// A block is straight-line three-address code over slots and temporaries, with side exits, and exactly one
// terminal, which is its last instruction. Blocks are immutable once built and may be shared by threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <ashlar/export.hpp>
#include <ashlar/float_env.hpp>
#include <ashlar/types.hpp>

namespace ashlar::ir {

enum class Opcode : std::uint16_t {
#define ASHLAR_OP(name, form, dst, src, effects) name,
#include <ashlar/opcodes.inc>
#undef ASHLAR_OP
};

inline constexpr std::size_t kOpcodeCount = 0
#define ASHLAR_OP(name, form, dst, src, effects) +1
#include <ashlar/opcodes.inc>
#undef ASHLAR_OP
    ;

/// Operand layouts; described at the top of opcodes.inc.
enum class Form : std::uint8_t {
  nop,
  c64,
  d,
  s,
  r,
  rr,
  ri,
  rrx,
  rx,
  rrr,
  ld,
  st,
  amo,
  cas,
  fence,
  help,
  xrr,
  xri,
  jmp,
  brr,
  bri,
  ind,
  mode,
  exit
};

/// Class of a value: integer, float, none; `M` marks memory forms whose address is an integer and whose data
/// is a float.
enum class ValueClass : std::uint8_t { N, I, F, M };

/// The effects column of the table.
enum Effect : std::uint16_t {
  kReadsMemory = 1,
  kWritesMemory = 2,
  kMayFault = 4,
  kMayExit = 8,
  kBarrier = 16,
  kCommutative = 32,
  kFloatFlags = 64,
  kRounds = 128,
  kTerminal = 256,
  kState = 512,
};

struct OpInfo {
  const char* name;
  Form form;
  ValueClass dst;
  ValueClass src;
  std::uint16_t effects;
};

/// The table's line for `op`. Constant time, no locking.
ASHLAR_API const OpInfo& info(Opcode op) noexcept;

/// What an operand names. It is the index of a 64-bit word relative to the vCPU frame's base
/// (vcpu_frame.hpp), so that an engine addresses it without looking at its kind: slots at and above
/// kFirstSlotWord, temporaries below kFirstTempWord, and one word that always reads as zero.
struct Value {
  std::int16_t word = kNone;

  static constexpr std::int16_t kNone = INT16_MIN;
  static constexpr std::int16_t kZeroWord = -1;
  static constexpr std::int16_t kFirstSlotWord = 4;  ///< the first word behind the frame's hot header
  static constexpr std::int16_t kColdWords = 40;  ///< words of the frame's cold header, in front of its base
  static constexpr std::int16_t kMaxSlots = 512;
  static constexpr std::int16_t kMaxTemps = 224;

  static constexpr Value none() { return {}; }
  /// Reads as integer 0 (float +0.0). Not a destination.
  static constexpr Value zero() { return {kZeroWord}; }
  /// Guest register number `i` of the state layout, 0 <= i < kMaxSlots.
  static constexpr Value slot(unsigned i) {
    return {static_cast<std::int16_t>(kFirstSlotWord + static_cast<int>(i))};
  }
  /// Block-local value number `i`, 0 <= i < kMaxTemps.
  static constexpr Value temp(unsigned i) {
    return {static_cast<std::int16_t>(-kColdWords - 1 - static_cast<int>(i))};
  }

  constexpr bool is_none() const { return word == kNone; }
  constexpr bool is_zero() const { return word == kZeroWord; }
  constexpr bool is_slot() const { return word >= kFirstSlotWord; }
  constexpr bool is_temp() const { return word < -kColdWords && word != kNone; }
  /// Precondition: is_slot().
  constexpr unsigned slot_index() const { return static_cast<unsigned>(word - kFirstSlotWord); }
  /// Precondition: is_temp().
  constexpr unsigned temp_index() const { return static_cast<unsigned>(-kColdWords - 1 - word); }
  constexpr bool operator==(const Value&) const = default;
};

/// What a division gives for a zero divisor and for the most negative number divided by -1.
enum class DivisionRule : std::uint8_t {
  all_ones,  ///< x / 0 = all ones, x % 0 = x; MIN / -1 = MIN, MIN % -1 = 0 (RISC-V unprivileged manual, "M")
  zero,      ///< x / 0 = 0,        x % 0 = x; MIN / -1 = MIN, MIN % -1 = 0 (Arm ARM, SDIV/UDIV)
};

/// Ordering of an atomic, as bits.
enum MemoryOrder : std::uint8_t { kRelaxed = 0, kRelease = 1, kAcquire = 2 };

/// What an engine may assume of a jump; wrong hints cost time, never correctness.
enum class JumpHint : std::uint8_t { plain, call, ret };

/// Why a block stops. `syscall` and above are what guests ask for; the engine adds its own reasons to these
/// in ExitReason (engine.hpp).
enum class StopReason : std::uint8_t {
  syscall,              ///< the guest calls its environment; resumes behind the instruction
  breakpoint,           ///< resumes at the instruction
  illegal_instruction,  ///< resumes at the instruction
  guest_exit,           ///< an embedder's own reason; `detail` says which
  instruction_fence,    ///< code may have changed: the engine drops stale translations and goes on by itself
};

/// One instruction: 16 bytes. Which fields count is said by the opcode's form.
struct Inst {
  Opcode op = Opcode::nop;
  Value dst;
  Value a;
  Value b;
  std::int32_t imm = 0;
  std::uint32_t ext =
      0;  ///< bits 15..0: c, or exit; 23..16: aux; 31..24: aux2; brr/bri: 31..16 the not-taken exit

  static constexpr std::uint16_t kNoExit = 0xffff;

  constexpr Value c() const { return {static_cast<std::int16_t>(ext & 0xffff)}; }
  constexpr std::uint16_t exit() const { return static_cast<std::uint16_t>(ext & 0xffff); }
  constexpr std::uint16_t exit_not() const { return static_cast<std::uint16_t>(ext >> 16); }
  constexpr std::uint8_t aux() const { return static_cast<std::uint8_t>(ext >> 16); }
  constexpr std::uint8_t aux2() const { return static_cast<std::uint8_t>(ext >> 24); }
  /// The constant of const64.
  constexpr std::uint64_t imm64() const {
    return (std::uint64_t{ext} << 32) | static_cast<std::uint32_t>(imm);
  }
  constexpr RoundingMode rounding() const { return static_cast<RoundingMode>(aux() & 7); }
  constexpr bool operator==(const Inst&) const = default;

  static constexpr std::uint32_t pack(Value c, unsigned aux = 0, unsigned aux2 = 0) {
    return static_cast<std::uint16_t>(c.word) | (aux << 16) | (aux2 << 24);
  }
  static constexpr std::uint32_t pack_exit(unsigned exit, unsigned aux = 0) { return exit | (aux << 16); }
};
static_assert(sizeof(Inst) == 16);

/// Where a guest instruction begins in a block: instructions [first_inst, next boundary's first_inst) belong
/// to it.
struct Boundary {
  GuestAddr pc;
  std::uint16_t first_inst = 0;
  std::uint8_t length = 0;  ///< bytes of guest code
  /// Side exits of this block that go to `pc` (under the block's mode) may go on here instead of leaving: the
  /// instructions from here on assume nothing that the ones before have established.
  bool join = false;
};

/// A place outside the block that it can go to. Direct exits are what the engine links.
struct Exit {
  BlockKey target;
};

/// An immutable block in one allocation.
class ASHLAR_API Block {
 public:
  BlockKey key() const noexcept { return key_; }
  std::span<const Inst> insts() const noexcept { return {insts_, inst_count_}; }
  const Inst& terminal() const noexcept { return insts_[inst_count_ - 1]; }
  std::span<const Exit> exits() const noexcept { return {exits_, exit_count_}; }
  std::span<const Boundary> boundaries() const noexcept { return {boundaries_, boundary_count_}; }
  /// Guest code that the block was translated from: up to kMaxRanges disjoint ranges (blocks extend over
  /// jumps).
  std::span<const GuestRange> guest_ranges() const noexcept { return {ranges_, range_count_}; }
  std::uint32_t temp_count() const noexcept { return temp_count_; }
  /// Number of guest instructions, at least 1 (a hand-built block without boundaries counts as one).
  std::uint32_t guest_inst_count() const noexcept { return boundary_count_ ? boundary_count_ : 1; }
  /// The rounding mode that the host's float unit has while the block runs: nearest-even where the guest's
  /// mode is one that hosts lack. Instructions whose mode differs take a slow path.
  RoundingMode host_rounding() const noexcept { return host_rounding_; }
  /// The guest instruction to which instruction `index` belongs; nullptr for a block without boundaries.
  const Boundary* boundary_of(std::size_t index) const noexcept;
  /// Guest instructions completed before instruction `index` begins.
  std::uint32_t guest_insts_before(std::size_t index) const noexcept;
  /// Bytes of host memory that the block takes.
  std::size_t memory_bytes() const noexcept { return bytes_; }

  static constexpr std::size_t kMaxRanges = 8;

  struct Parts {
    BlockKey key;
    std::span<const Inst> insts;
    std::span<const Exit> exits;
    std::span<const Boundary> boundaries;
    std::span<const GuestRange> ranges;
    std::uint32_t temp_count = 0;
    RoundingMode host_rounding = RoundingMode::rne;
  };
  struct Deleter {
    void operator()(Block* block) const noexcept;
  };
  using Ptr = std::unique_ptr<Block, Deleter>;
  /// Copies the parts into one allocation. Does not verify; `parts.insts` must not be empty and at most
  /// kMaxRanges ranges are kept.
  static Ptr make(const Parts& parts);
  /// A block that copies nothing: the parts, of which not more than kMaxRanges ranges, must outlive it. For
  /// one that is used once. `memory_bytes` is 0.
  static Block over(const Parts& parts) noexcept;

 private:
  Block() = default;
  BlockKey key_;
  const Inst* insts_ = nullptr;
  const Exit* exits_ = nullptr;
  const Boundary* boundaries_ = nullptr;
  const GuestRange* ranges_ = nullptr;
  std::uint32_t inst_count_ = 0, exit_count_ = 0, boundary_count_ = 0, range_count_ = 0, temp_count_ = 0;
  std::uint32_t bytes_ = 0;
  RoundingMode host_rounding_ = RoundingMode::rne;
};

using BlockPtr = Block::Ptr;

}  // namespace ashlar::ir
