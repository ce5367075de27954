// Opcode tests: for each opcode of the table, blocks around one instruction in all arrangements of its
// operands, executed with extreme values and compared with the reference. Any engine can be driven.
#pragma once

#include <string>

#include <ashlar/ir.hpp>

#include "support/machine.hpp"

namespace ashlar::test {

struct OpcodeReport {
  unsigned blocks = 0;
  unsigned cases = 0;    ///< executions; 0 would mean that nobody thought of this opcode
  std::string failures;  ///< the first few, with block, operand values and differences
};

OpcodeReport check_opcode(ir::Opcode op, const EngineMaker& engine);

}  // namespace ashlar::test
