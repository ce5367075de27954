// Names of host registers, and which slot lives in which. Host-neutral; used by both hosts, the record of
// emitted code and the engine.
#pragma once

#include <cstdint>

#include <ashlar/ir.hpp>

namespace ashlar::codegen {

/// A host register: integer registers are 0..31, float registers 32..63, each numbered as the host does.
struct Reg {
  std::uint8_t id = kNone;

  static constexpr std::uint8_t kNone = 0xff;
  static constexpr std::uint8_t kFloatBase = 32;
  static constexpr Reg integer(unsigned n) { return {static_cast<std::uint8_t>(n)}; }
  static constexpr Reg real(unsigned n) { return {static_cast<std::uint8_t>(n + kFloatBase)}; }
  constexpr bool is_none() const { return id == kNone; }
  constexpr bool is_float() const { return id >= kFloatBase && id != kNone; }
  /// The host's own number.
  constexpr unsigned number() const { return id & 31u; }
  constexpr std::uint64_t mask() const { return std::uint64_t{1} << id; }
  constexpr bool operator==(const Reg&) const = default;
};

/// A state slot that lives in a host register.
struct Resident {
  ir::Value slot;
  Reg reg;
  std::uint8_t unused = 0;  ///< so that all its bytes count, and residents can be compared as bytes
  constexpr bool operator==(const Resident&) const = default;
};

}  // namespace ashlar::codegen
