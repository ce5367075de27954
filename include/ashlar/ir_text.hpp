// Text form and checking of IR: what `print` prints, `parse` reads.
#pragma once

#include <string>
#include <string_view>

#include <ashlar/export.hpp>
#include <ashlar/ir.hpp>
#include <ashlar/result.hpp>
#include <ashlar/state_layout.hpp>

namespace ashlar::ir {

/// One instruction, for messages and dumps. Slots print by name when `layout` is given, else as s<number>.
ASHLAR_API std::string print(const Inst& inst, std::span<const Exit> exits,
                             const StateLayout* layout = nullptr);
/// A whole block. Stable: equal blocks print equally.
ASHLAR_API std::string print(const Block& block, const StateLayout* layout = nullptr);
/// Reads one block. parse_error says line and column and what was expected; the result is verified
/// (invalid_ir).
ASHLAR_API Result<BlockPtr> parse(std::string_view text, const StateLayout& layout);
/// For whoever verifies before it is known which helpers there will be: ids are only checked against
/// kMaxHelpers.
inline constexpr std::size_t kMaxHelpers = 65536;

/// Checks every rule of the IR (docs/ir.md); the error names the instruction (index and text) and the rule.
/// Helper ids must be below `helper_count`.
ASHLAR_API Result<void> verify(const Block::Parts& parts, const StateLayout& layout,
                               std::size_t helper_count = kMaxHelpers);
ASHLAR_API Result<void> verify(const Block& block, const StateLayout& layout,
                               std::size_t helper_count = kMaxHelpers);

}  // namespace ashlar::ir
