// The opcode table behind ir::info.
#include "ir/op_table.hpp"

namespace ashlar::ir {

const OpInfo& info(Opcode op) noexcept { return op_info(op); }

}  // namespace ashlar::ir
