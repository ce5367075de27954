// The optimising passes over one block, cheap enough for tier 1: constants, redundant extensions, shifts and
// additions that are one instruction, dead code and dead writes of slots. What the register allocator does
// anyway (forwarding of state, redundant bounds checks) is not repeated here. Used by the engine in front of
// compilation, and by dumps.
//
// What an observer can see stays as it is: in front of every instruction that may fault, may leave the block
// or looks at state, all slots and all temporaries that are still read have the values that the block's own
// IR gives them. So whoever stops in the optimised block can go on in the original one.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <ashlar/ir.hpp>

#include "ir/operands.hpp"

namespace ashlar::opt {

/// What becomes of a block that ends by a jump to its own beginning.
enum class Loops : std::uint8_t {
  keep,
  /// Its body is there twice: whoever goes round goes on at the second copy, in front of which everything is
  /// known that the first has found out. If it is short, more than twice, and whoever goes round goes through
  /// all but the first. Multiplies the code: for blocks that are hot.
  peel,
};

/// For one thread; keeps its buffers from block to block.
class Optimiser {
 public:
  /// The block to compile: `block` itself when there is nothing to gain, else one that lives until the next
  /// call.
  const ir::Block& optimise(const ir::Block& block, Loops loops = Loops::keep);
  /// The boundary at which the second copy of a loop begins in what `optimise` returned; 0: there is none.
  std::uint16_t loop_head() const { return loop_head_; }
  /// The number in the original block of an instruction of what `optimise` returned.
  std::uint32_t origin(std::size_t inst) const {
    return identity_ ? static_cast<std::uint32_t>(inst) : origin_[inst];
  }

  /// Replaces the numbers of instructions in records of places by those in the original block. Who stops at
  /// the first instruction starts the block anew.
  template <typename Sites>
  void name_origins(Sites& sites) const {
    if (identity_) return;
    for (auto& site : sites)
      if (site.inst != 0) site.inst = origin_[site.inst];
  }

 private:
  static constexpr std::uint16_t kNotInBlock = 0xffff;

  /// What is known of a word's value at the point that the forward pass has reached. A word of another serial
  /// has no value of this block, and nothing is known of it.
  struct Word {
    std::uint32_t serial = 0;
    std::uint16_t def = kNotInBlock;         ///< the instruction that made the value
    std::uint16_t def_before = kNotInBlock;  ///< the one that made the value before that
    std::uint16_t stretch = 0;               ///< number of observers in front of `def`
    std::uint8_t unsigned_bits = 64;         ///< the value is below 2 to this power
    bool sign_extended = false;              ///< the value is its low 32 bits, sign-extended
    bool constant = false;                   ///< constants_ has the value
    bool read = false;                       ///< since `def`
  };
  const Word& word(ir::Value v) const;
  std::uint64_t constant_of(ir::Value v) const { return v.is_zero() ? 0 : constants_[index(v)]; }
  static std::size_t index(ir::Value v) { return ir::WordIndex::masked(v); }

  bool peel(const ir::Block& block);
  void forward(std::span<const ir::Boundary> boundaries);
  void forget();
  bool has_unread_temporary(unsigned count) const;
  void fold_constants(ir::Inst& inst);
  void simplify(ir::Inst& inst);
  void combine(std::size_t n);
  struct Known {
    std::uint8_t unsigned_bits;
    bool sign_extended, constant;
  };
  Known known_of(const ir::Inst& inst);
  const ir::Inst* maker(ir::Value v) const;
  bool can_skip(ir::Value through, std::size_t n, std::uint16_t removed = kNotInBlock) const;
  void skip(ir::Value through);
  bool rotate(std::size_t n);
  bool scaled_add(std::size_t n, ir::Value shifted, ir::Value other);
  bool and_not(std::size_t n, ir::Value inverted, ir::Value other);
  void replace(ir::Inst& inst, const ir::Inst& by);
  void backward();
  const ir::Block& rebuild(const ir::Block& block);

  std::vector<ir::Inst> insts_;
  std::vector<ir::Inst> packed_;
  std::vector<std::uint32_t> origin_;
  std::vector<ir::Boundary> boundaries_;
  // By `index`.
  std::array<Word, ir::WordIndex::kMasked> words_{};
  std::array<std::uint64_t, ir::WordIndex::kMasked> constants_{};
  /// For the backward pass: what becomes of the word's value.
  struct Fate {
    std::uint32_t serial = 0;   ///< of the block that the rest is about
    std::uint32_t stretch = 0;  ///< the stretch without observers in which it is replaced, 0 for none
    bool read = false;          ///< before it is replaced
  };
  std::array<Fate, ir::WordIndex::kMasked> fates_{};
  std::uint32_t serial_ = 0;
  std::uint16_t stretch_ = 0;
  std::uint16_t loop_head_ = 0;
  std::size_t copy_size_ = 0;  ///< instructions of `insts_` for one round
  bool any_constant_ = false;
  bool leaves_unread_ = false;  ///< some value may be replaced without having been read
  bool changed_ = false;
  bool identity_ = true;
  ir::BlockPtr result_;
};

}  // namespace ashlar::opt
