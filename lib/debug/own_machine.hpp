// What machine this process runs as. For the code listeners of this room, whose files name it.
#pragma once

#include <cstdint>

#include <ashlar/result.hpp>

namespace ashlar::debug {

/// An ELF machine number, from the process's own ELF header. io_error.
Result<std::uint32_t> own_machine();

}  // namespace ashlar::debug
