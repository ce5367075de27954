// A window without memory, for vCPUs that have none: address 0, the only one that the check of such a vCPU
// lets through, with every displacement that emitted code may add to it, faults like any other inaccessible
// page.
#pragma once

#include <cstddef>

#include "mem/fault_guard.hpp"

namespace ashlar::mem {

/// Host address of guest address 0; null when the host refuses even that. One for the process.
std::byte* null_window() noexcept;
/// The range around it in which accesses fault.
HostRange null_window_range() noexcept;

}  // namespace ashlar::mem
