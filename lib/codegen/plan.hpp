// What is known of a block before emission: when each value is used next, and which accesses need a bounds
// check. Computed once per block by one backward and one forward pass; host-neutral. Used by the lowering
// driver and both hosts' emitters.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <ashlar/ir.hpp>

#include "codegen/ranges.hpp"
#include "ir/operands.hpp"

namespace ashlar::codegen {

using ir::WordIndex;

/// Facts about one instruction. "Next" positions are instruction indices of the value's next read; kNever if
/// it is not read again before it is overwritten or the block ends (a slot's value then still has to reach
/// the frame).
struct InstPlan {
  static constexpr std::uint16_t kNever = 0xffff;
  std::uint16_t next_dst = kNever;  ///< these four have a meaning where the instruction has the operand
  /// What is written is overwritten later, and nothing in between can leave the block or fault: it need not
  /// be stored.
  bool dead_store = false;
  /// The access's base is not known to pass the window check.
  bool needs_check = false;
  std::uint16_t next_a = kNever;
  std::uint16_t next_b = kNever;
  std::uint16_t next_c = kNever;
  /// Of a side exit: the boundary behind it at which it goes on in this block, 0 if it leaves.
  std::uint16_t join = 0;
  /// The slot to check in place of the base, which is not far from it; none: the base itself.
  ir::Value check_instead;
  std::uint16_t unused = 0;  ///< 16 bytes are written at once
};
static_assert(sizeof(InstPlan) == 16);

class Plan {
 public:
  /// `slack`: displacements smaller in magnitude than this are swallowed by the window's guards. `joins`:
  /// side exits may go on at joins of the block (where the host can do it, and the block's instructions need
  /// not be counted). `loop_head`: see CompileOptions; such a block is worth some thought.
  void analyse(const ir::Block& block, std::int64_t slack, bool joins = false, std::uint16_t loop_head = 0);
  const InstPlan& operator[](std::size_t inst) const { return insts_[inst]; }
  /// Whether the block needs the float unit in the guest's state.
  bool uses_float() const { return present_.touches_float; }

 private:
  void find_joins(const ir::Block& block);
  void find_next_uses(const ir::Block& block);
  void find_checks(const ir::Block& block, std::int64_t slack);
  void find_checks_thoroughly(const ir::Block& block, std::int64_t slack, std::uint16_t loop_head);

  /// What addresses are known by: the value of `word`, and of `index` shifted left by `shift` if there is
  /// one.
  struct Address {
    std::int16_t word;
    std::int16_t index = kNoIndex;
    std::uint8_t shift = 0;
    bool operator==(const Address&) const = default;
    bool reads(std::int16_t w) const { return word == w || index == w; }
    static constexpr std::int16_t kNoIndex = INT16_MIN;
  };
  /// A base that passed the check stays good until it is overwritten; a value made from it by adding a
  /// constant inherits that with an offset, as long as offset plus displacement stays within the guards. What
  /// has been accessed passes as well: it lies in the window.
  struct Checked {
    Address address;
    std::int64_t low, high;  ///< the value of `address` is a checked address plus something between these
    bool operator==(const Checked&) const = default;
  };
  struct CheckedSet {
    static constexpr std::size_t kMax = 16;
    std::array<Checked, kMax> all;
    std::size_t count = 0;
    std::uint64_t words = 0;  ///< `bit` of the words of addresses, and maybe of others

    static std::uint64_t bit(std::int16_t word) { return std::uint64_t{1} << (word & 63); }
    /// Whether the instruction may change what is known, where addresses have no index.
    bool may_concern(const ir::Inst& inst) const {
      return (words & (bit(inst.dst.word) | bit(inst.a.word))) != 0 || inst.op == ir::Opcode::call_helper;
    }
    const Checked* find(const Address& address) const;
    const Checked* find(ir::Value v) const { return find(Address{v.word}); }
    /// Drops what the word is part of.
    void drop(ir::Value v);
    void add(const Checked& checked);
    void add(ir::Value v, std::int64_t offset) { add({{v.word}, offset, offset}); }
    /// Keeps what is in both, with the bounds of both.
    void intersect(const CheckedSet& other);
    /// Drops what is not in `other` with bounds as wide.
    void keep_stable(const CheckedSet& other);
    /// The word's value grows by this.
    void advance(ir::Value v, std::int64_t by, std::int64_t slack);
    bool operator==(const CheckedSet& other) const;
  };
  /// What is known on the ways that lead to a join from before.
  struct Arrival {
    std::uint16_t boundary;
    CheckedSet checked;
  };
  /// A word that is a sum now.
  struct Sum {
    std::int16_t word;
    Address is;
  };

  void find_check(const ir::Inst& inst, InstPlan& plan, CheckedSet& known, std::int64_t slack, bool thorough);
  void follow(const ir::Inst& inst, CheckedSet& known, std::int64_t slack, bool thorough);

  std::vector<InstPlan> insts_;
  CheckedSet known_;  ///< what find_checks keeps
  std::vector<Arrival> arrivals_;
  std::unique_ptr<Ranges> ranges_;  ///< made when first needed: it fills pages, and most blocks need none
  std::vector<Sum> sums_;           ///< what is thought about where a block is worth it
  /// Of each word: `next`, the instruction that reads it next, as `base_` plus its number; what is below
  /// `base_` is of an earlier block, and means none. `replaced_in`, behind which instruction its value is
  /// replaced before anything can observe the frame: the number of the stretch without observers that the
  /// replacement lies in.
  struct Word {
    std::uint32_t next = 0;
    std::uint32_t replaced_in = 0;
  };
  std::array<Word, WordIndex::kMasked> words_{};
  static constexpr std::uint32_t kBlock = 1 << 16;  ///< more than a block has instructions
  std::uint32_t base_ = 0, stretch_ = 0;
  ir::OpTraits present_;  ///< of all instructions together
};

}  // namespace ashlar::codegen
