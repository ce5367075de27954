// The interface of a front end: who brings a guest instruction set implements this.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include <ashlar/block_builder.hpp>
#include <ashlar/export.hpp>
#include <ashlar/float_env.hpp>
#include <ashlar/memory.hpp>
#include <ashlar/state_layout.hpp>
#include <ashlar/types.hpp>

namespace ashlar {

class Vcpu;

/// A function that blocks may call (`call_helper`). It must not throw: emitted code has no unwind
/// information. It sees the vCPU's whole state in memory and may change it; `vcpu.pc()` is the address of the
/// calling guest instruction. To leave the block behind this guest instruction it sets kAttendExit in the
/// vCPU's attention word.
using HelperFunction = std::uint64_t (*)(Vcpu& vcpu, std::uint64_t a, std::uint64_t b,
                                         std::uint64_t c) noexcept;

struct Helper {
  const char* name;  ///< unique, for dumps and IR text
  HelperFunction function;
};

/// How far a front end may follow the guest's code within one block.
struct TranslateLimits {
  std::uint32_t max_guest_insts = 64;
  /// Follow unconditional jumps and fall through conditional branches (as side exits).
  bool extend = true;
};

/// How `translate` ended.
struct TranslateResult {
  /// none: the builder holds a complete block (with one terminal). Otherwise nothing can be executed at the
  /// key's address because fetching its first instruction faults so; nothing is cached then.
  Fault fetch_fault;
};

/// A front end turns guest code into blocks. One object serves a context and all its threads: `translate`
/// must be thread-safe and deterministic: the same code and key give the same block.
class ASHLAR_API Frontend {
 public:
  virtual ~Frontend() = default;

  virtual const StateLayout& layout() const noexcept = 0;
  /// Helpers by id (position). Must not change.
  virtual std::span<const Helper> helpers() const noexcept { return {}; }

  /// Builds the block that starts at `key`. `memory` may be null for front ends without guest code in memory.
  virtual TranslateResult translate(BlockKey key, GuestMemory* memory, const TranslateLimits& limits,
                                    BlockBuilder& out) const = 0;

  /// The rounding mode that the host's float unit should have for blocks of this mode. rmm counts as rne.
  virtual RoundingMode rounding(std::uint64_t mode) const noexcept {
    (void)mode;
    return RoundingMode::rne;
  }

  /// Text of the guest instruction at `at`, and its length in bytes (0 if it can't be read); for dumps.
  virtual std::string disassemble(GuestAddr at, GuestMemory* memory, unsigned* length) const = 0;
};

}  // namespace ashlar
