// The lowering driver: walks a block in order and asks the host's emitter for each instruction. The emitter
// has one member `emit_<opcode>` per line of the opcode table; a missing one does not build. Used by both
// hosts' back ends.
#pragma once

#include <cstddef>
#include <cstdint>

#include <ashlar/ir.hpp>

#include "codegen/plan.hpp"

namespace ashlar::codegen {

template <typename Emitter>
void lower(const ir::Block& block, Emitter& emitter) {
  const auto insts = block.insts();
  const auto boundaries = block.boundaries();
  const ir::Boundary* boundary = boundaries.data();
  const ir::Boundary* const last = boundary + boundaries.size();
  std::uint32_t number = 0;  // of the boundary
  emitter.begin_block();
  for (std::size_t i = 0; i < insts.size(); ++i) {
    if (i != 0) emitter.next_instruction();
    if (boundary != last && boundary->first_inst <= i) {
      do emitter.begin_guest_instruction(*boundary++, number++);
      while (boundary != last && boundary->first_inst <= i);
      emitter.end_boundaries();
    }
    const ir::Inst& inst = insts[i];
    switch (inst.op) {
#define ASHLAR_OP(name, form, dst, src, effects) \
  case ir::Opcode::name:                         \
    emitter.emit_##name(inst);                   \
    break;
#include <ashlar/opcodes.inc>
#undef ASHLAR_OP
    }
    emitter.end_instruction();
  }
  emitter.end_block();
}

}  // namespace ashlar::codegen
