// How large a block may be; the verifier and the parser hold to it.
#pragma once

#include <cstddef>

namespace ashlar::ir {

inline constexpr std::size_t kMaxInsts = 4096;
inline constexpr std::size_t kMaxExits = 1024;

}  // namespace ashlar::ir
