// The words that the text form has for small constants. For the printer and the parser.
#pragma once

#include <array>
#include <string_view>

namespace ashlar::ir::words {

// In the order of RoundingMode, DivisionRule, MemoryOrder, JumpHint and StopReason.
inline constexpr std::array<std::string_view, 5> kRounding = {"rne", "rtz", "rdn", "rup", "rmm"};
inline constexpr std::array<std::string_view, 2> kDivision = {"all_ones", "zero"};
inline constexpr std::array<std::string_view, 4> kOrder = {"relaxed", "release", "acquire", "acq_rel"};
inline constexpr std::array<std::string_view, 3> kHint = {"plain", "call", "ret"};
inline constexpr std::array<std::string_view, 5> kStop = {"syscall", "breakpoint", "illegal_instruction",
                                                          "guest_exit", "instruction_fence"};
/// Bits 3..0 of a fence's halves.
inline constexpr std::string_view kFence = "iorw";
inline constexpr std::string_view kNoFence = "none";

}  // namespace ashlar::ir::words
