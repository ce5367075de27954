// The ways through a block's code: what a listing names in comments, and what CompileOptions::way_counters
// counts, so that instructions can be weighed by how often they are executed. Used by both hosts' emitters
// and by the engine.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ashlar::codegen {

/// In a listing a way's code follows a comment that opens with these words, up to the next such comment.
enum class Way : std::uint8_t {
  guest,      ///< "; guest 0x…": along the block, a guest instruction
  exit,       ///< "; exit N": out of line, the way out by the side exit of the block's Nth guest instruction
  entered,    ///< "; entered": once for each entry from elsewhere, in front of a loop's head
  taken,      ///< "; taken": the final branch's code when it is taken
  not_taken,  ///< "; not taken": and when it is not
};
// And "; seldom": what is executed when something is wrong, missing or not yet linked.

/// How many counters a block of `guest_insts` instructions has.
constexpr std::size_t way_count(std::size_t guest_insts) { return 2 * guest_insts + 3; }

/// The counter of a way. `guest_inst`: which instruction, for `guest` and `exit`.
constexpr std::size_t way_index(Way way, std::size_t guest_inst, std::size_t guest_insts) {
  switch (way) {
    case Way::guest:
      return guest_inst;
    case Way::exit:
      return guest_insts + guest_inst;
    case Way::entered:
      return 2 * guest_insts;
    case Way::taken:
      return 2 * guest_insts + 1;
    case Way::not_taken:
      return 2 * guest_insts + 2;
  }
  return 0;
}

}  // namespace ashlar::codegen
