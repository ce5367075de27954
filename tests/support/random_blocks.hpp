// Random valid blocks over test_layout(), for running engines against each other and for round trips. The
// opcodes come from the table: a new one takes part without a change here.
#pragma once

#include <cstdint>
#include <vector>

#include <ashlar/block_builder.hpp>
#include <ashlar/ir.hpp>

#include "support/rng.hpp"

namespace ashlar::test {

struct RandomBlockConfig {
  bool integer = true;
  bool real = true;
  bool memory = true;
  bool atomics = true;
  bool helpers = true;
  bool side_exits = true;
  bool empty_instructions = true;  ///< some guest instructions have no IR
  bool faults = true;              ///< some addresses lie at the end of what is mapped, or anywhere
  /// Length in guest instructions; each is one to four IR instructions (memory accesses need some for their
  /// address).
  unsigned min_length = 1;
  unsigned max_length = 60;
  /// Blocks are named by ids 1…ids, and all exits, direct and indirect, go to one of them. A power of two.
  std::uint64_t ids = 16;
  /// Percentage of blocks that end in `stop`.
  unsigned stops = 20;
  /// Percentage of guest instructions that are sequences which the optimiser knows, with registers that
  /// alias.
  unsigned idioms = 0;
  /// Percentage of exits that go to the block itself.
  unsigned loops = 0;
  /// Percentage of guest instructions that are joins; most side exits then go to one that lies ahead.
  unsigned joins = 0;
  /// Also blocks whose host rounding mode is not nearest-even (their front end must know).
  bool host_roundings = false;
};

/// A deterministic sequence of blocks: the same seed and configuration give the same ones.
class RandomBlocks {
 public:
  explicit RandomBlocks(std::uint64_t seed, const RandomBlockConfig& config = {});

  /// The next block, with the ids 1, 2, …, ids, 1, … as keys. Verified; the boundaries of id n lie at n
  /// << 16.
  ir::BlockPtr next();

 private:
  using Value = ir::Value;

  void guest_instruction();
  void idiom();
  void plain(ir::Opcode op);
  void access(ir::Opcode op);
  void side_exit(ir::Opcode op);
  void helper();
  void terminal();
  Value address(bool atomic, std::int32_t& displacement);
  Value source(ir::ValueClass cls);
  Value destination(ir::ValueClass cls);
  void defined(Value v, ir::ValueClass cls);
  unsigned aux(ir::Opcode op, unsigned& aux2);
  GuestAddr target();
  GuestAddr exit_target();

  Rng rng_;
  RandomBlockConfig config_;
  BlockBuilder builder_;
  std::uint64_t id_ = 0;
  std::vector<GuestAddr> joins_ahead_;  ///< the nearest last
  RoundingMode rounding_ = RoundingMode::rne;
  // Few registers take most of a block's operands, so that they alias.
  std::vector<Value> favourites_[2];
  std::vector<Value> temps_[2];
  // Opcodes by what emits them.
  std::vector<ir::Opcode> integer_, real_, accesses_, atomics_, exits_, branches_;
};

}  // namespace ashlar::test
