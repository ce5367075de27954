// The C++ functions that emitted code calls. noexcept throughout: emitted code has no unwind information.
#include "codegen/runtime.hpp"

#include <ashlar/frontend.hpp>
#include <ashlar/vcpu.hpp>

#include "base/float_unit.hpp"
#include "ir/float_semantics.hpp"

namespace ashlar::codegen {

std::uint64_t float_slow(VcpuFrame* frame, std::uint32_t desc) noexcept {
  VcpuCold& cold = frame->cold();
  const auto op = static_cast<ir::Opcode>(desc & 0xffff);
  const auto mode = static_cast<RoundingMode>(desc >> 16 & 7);
  std::uint8_t flags = 0;
  const std::uint64_t result =
      ir::semantics::eval_float(op, mode, cold.args[0], cold.args[1], cold.args[2], flags);
  cold.float_flags |= flags;
  return result;
}

std::uint64_t call_helper(VcpuFrame* frame, std::uint32_t id) noexcept {
  VcpuCold& cold = frame->cold();
  cold.float_flags |= float_unit::flags_of(cold.float_status);
  cold.float_status = 0;
  const Helper& helper = static_cast<const Helper*>(cold.helpers)[id];
  return helper.function(*cold.vcpu, cold.args[0], cold.args[1], cold.args[2]);
}

}  // namespace ashlar::codegen
