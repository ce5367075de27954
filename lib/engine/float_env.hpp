// The host's float unit around guest code: enter before the interpreter runs, leave before anything else
// does. Used by the executors.
#pragma once

#include <ashlar/float_env.hpp>
#include <ashlar/vcpu_frame.hpp>

#include "base/float_unit.hpp"

namespace ashlar::engine {

/// Keeps the host's environment while the guest's is in the unit. What the guest's operations raise is folded
/// into the frame at `leave`; what the host had raised is put back as it was.
class GuestFloatEnv {
 public:
  /// From here on the unit rounds as the guest's blocks want it, and its flags are the guest's. Enough to
  /// call again when only the mode changes.
  void enter(VcpuFrame& frame, RoundingMode mode) noexcept {
    if (inside_ && mode == mode_) return;
    const float_unit::Word now = float_unit::read();
    float_unit::Word wanted = float_unit::guest_word(mode);
    if (inside_) {
      // Keep what the guest has raised.
      wanted |= now ^ float_unit::without_flags(now);
    } else {
      host_ = now;
      frame.cold().host_float_control = now;  // for helpers
    }
    if (now != wanted) float_unit::write(wanted);
    inside_ = true;
    mode_ = mode;
  }

  /// The host's environment is back, and the guest's flags are in the frame.
  void leave(VcpuFrame& frame) noexcept {
    if (!inside_) return;
    const float_unit::Word now = float_unit::read();
    if (const std::uint8_t raised = float_unit::flags_of(now)) frame.cold().float_flags |= raised;
    if (now != host_) float_unit::write(host_);
    inside_ = false;
  }

 private:
  bool inside_ = false;
  RoundingMode mode_{};
  float_unit::Word host_ = 0;
};

}  // namespace ashlar::engine
