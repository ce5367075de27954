// The opcode list of docs/ir.md, made from opcodes.inc and the table that the library was built with. For
// ir_test.
#pragma once

#include <string>

namespace ashlar::test {

/// What belongs between the markers of docs/ir.md. `inc` is the text of opcodes.inc.
std::string opcode_list(const std::string& inc);

}  // namespace ashlar::test
