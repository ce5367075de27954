// Rebuilds the frame after emitted code was stopped in the middle, from the register dump and the fault site.
// Host-neutral; used by the engine's dispatcher and by tests.
#pragma once

#include <span>

#include "codegen/emitted.hpp"
#include "codegen/residents.hpp"
#include "codegen/runtime.hpp"

namespace ashlar::codegen {

/// Stores what the site and `residents` (empty for code that is not linked) say is in registers, finished.
/// Refunds fuel.
void restore_frame(VcpuFrame& frame, const FaultSite& site, std::span<const WriteBack> write_backs,
                   std::span<const Resident> residents, const RegisterDump& dump) noexcept;

/// The site with this offset; nullptr if there is none. `sites` is sorted by offset.
const FaultSite* find_fault_site(std::span<const FaultSite> sites, std::uint32_t offset) noexcept;

}  // namespace ashlar::codegen
