// Prints decoded instructions for dumps, logs and tests; not for hot paths.
#pragma once

#include <cstdint>
#include <string>

#include "riscv/decode.hpp"

namespace ashlar::riscv {

// The text that `objdump -d -M no-aliases` prints: mnemonic, a tab, operands with ABI register names, branch
// targets as absolute hexadecimal addresses computed from the instruction's address `pc`. Compressed
// instructions appear as their expansion, illegal ones as `.2byte` or `.4byte` with the encoding.
std::string disassemble(const Decoded& instruction, uint64_t pc);

}  // namespace ashlar::riscv
