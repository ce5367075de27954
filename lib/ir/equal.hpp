// Comparing blocks and taking them apart. For the library's own rooms and tests.
#pragma once

#include <ashlar/ir.hpp>

namespace ashlar::ir {

/// Whether the blocks agree in everything that a Block holds: key, instructions field by field, exits in
/// their order, boundaries, guest ranges, number of temporaries, rounding mode.
bool equal(const Block& a, const Block& b) noexcept;

/// Views of the block's parts, valid as long as the block.
Block::Parts parts_of(const Block& block) noexcept;

}  // namespace ashlar::ir
