// asmjit's assembler with a short way for the instruction forms that make up most of the emitted code: the
// same bytes for a tenth of the work. Everything else, and everything while somebody logs, goes to asmjit.
// Used by the x64 compiler.
#pragma once

#include <asmjit/x86.h>

namespace ashlar::host_x64 {

class Assembler final : public asmjit::x86::Assembler {
 public:
  asmjit::Error _emit(asmjit::InstId id, const asmjit::Operand_& o0, const asmjit::Operand_& o1,
                      const asmjit::Operand_& o2, const asmjit::Operand_* more) override;

 private:
  bool emit_short(asmjit::InstId id, const asmjit::Operand_& o0, const asmjit::Operand_& o1);
};

}  // namespace ashlar::host_x64
