// Patches AArch64 branches. Used by the back end.
#pragma once

#include "codegen/backend.hpp"

namespace ashlar::host_a64 {

/// A site is one `b` or `bl`, an aligned word that one store replaces: other threads execute the old or the
/// new branch (Arm ARM, B2.2.5 "Concurrent modification and execution of instructions": B and BL are among
/// the instructions for which that holds without further synchronisation).
///
/// Where code may lie farther apart than a branch reaches (HostFeatures::far_code), the emitter puts a veneer
/// behind each site:
///
///   +0  b    ...             the site, or bl
///   +4  ldr  x17, +20
///   +8  adr  x16, +0
///   +12 add  x17, x17, x16
///   +16 br   x17
///   +20 .quad distance       of the target from the site; aligned to 8; the stub's at first
///
/// A target out of reach is stored there, and the site goes to +4. Who reads a distance that is older than
/// the branch goes where the site led before, which is as good as having come earlier.
class A64Patcher final : public codegen::Patcher {
 public:
  static constexpr std::uint32_t kVeneer = 4, kDistance = 20;

  explicit A64Patcher(bool far_code) : far_code_(far_code) {}
  bool retarget(std::byte* site_rw, const std::byte* site, const std::byte* target) const noexcept override;
  std::size_t extent() const noexcept override { return far_code_ ? 32 : 8; }

 private:
  bool far_code_;
};

}  // namespace ashlar::host_a64
