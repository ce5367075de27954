// Which AArch64 register does what in emitted code. Included by the a64 host alone.
//
//   x28   state: the vCPU's cold header, so that its scaled displacements reach everything but temporaries
#pragma once

namespace ashlar::host_a64 {

inline constexpr unsigned kStateRegister = 28;

}  // namespace ashlar::host_a64
