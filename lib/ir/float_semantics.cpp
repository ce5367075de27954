// The reference for floating-point opcodes: softfloat, opcode by opcode.
#include "ir/float_semantics.hpp"

#include "ir/softfloat.hpp"

namespace ashlar::ir::semantics {

std::uint64_t eval_float(Opcode op, RoundingMode rm, std::uint64_t a, std::uint64_t b, std::uint64_t c,
                         std::uint8_t& flags) noexcept {
  namespace sf = softfloat;
  using detail::sx;
  switch (op) {
#define ASHLAR_FLOAT_VALUE(name, ...) \
  case Opcode::name:                  \
    return __VA_ARGS__;
#define ASHLAR_FLOAT_BITS(name, ...) \
  case Opcode::name:                 \
    return eval_float_bits<Opcode::name>(a, b);
#include "ir/float_semantics.inc"
#undef ASHLAR_FLOAT_VALUE
#undef ASHLAR_FLOAT_BITS
    default:
      return 0;
  }
}

}  // namespace ashlar::ir::semantics
