// Patches x86-64 branches. Used by the back end.
#pragma once

#include "codegen/backend.hpp"

namespace ashlar::host_x64 {

/// Sites are the four bytes of a branch's displacement, within one aligned word of eight bytes, which one
/// store replaces: other threads execute the old or the new branch (Intel SDM 3A 8.1.1, AMD APM 2 7.3.2:
/// aligned accesses are atomic, also to instruction fetch of the other processors).
class X64Patcher final : public codegen::Patcher {
 public:
  bool retarget(std::byte* site_rw, const std::byte* site, const std::byte* target) const noexcept override;
};

}  // namespace ashlar::host_x64
