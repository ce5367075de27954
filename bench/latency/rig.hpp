// What the latency benchmarks run on: guest memory with code in it, a context, an executor, a vCPU.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <ashlar/engine.hpp>
#include <ashlar/memory.hpp>
#include <ashlar/riscv.hpp>
#include <ashlar/vcpu.hpp>

#include "engine/context.hpp"
#include "latency/guest_code.hpp"

namespace ashlar::bench {

enum class Tiers : std::uint8_t { jit, interpreter, hybrid };

struct RigConfig {
  Tiers tiers = Tiers::jit;
  /// TranslateLimits::extend: whether blocks go on over unconditional jumps.
  bool extend = true;
  /// ContextConfig::code_limit; 0: the default.
  std::uint64_t code_limit = 0;
};

/// Ends the process with a message when something can't be made: there is nothing to measure then.
class Rig {
 public:
  static constexpr std::uint64_t kData = 0x10000;
  static constexpr std::uint64_t kCode = 0x100000;

  explicit Rig(const RigConfig& config = {});

  /// Writes code to kCode and behind what was written before; gives its address.
  GuestAddr put(std::span<const std::uint32_t> words);
  /// Copies of a block, one behind the other; gives their keys.
  std::vector<BlockKey> put_copies(std::span<const std::uint32_t> words, std::size_t count);

  ExecutionResult execute(BlockKey key) { return executor_->execute_block(*vcpu_, key); }
  /// Ends the process unless the block ran to its end.
  void execute_or_die(BlockKey key);
  ExecutionEngine& executor() { return *executor_; }
  ExecutionContext& context() { return *context_; }
  ExecutionContext::Impl& inside() { return context_->impl(); }
  cache::CodeCache& code();
  Vcpu& vcpu() { return *vcpu_; }
  FlatMemory& memory() { return *memory_; }
  const Frontend& frontend() { return *frontend_; }
  void set(unsigned x, std::uint64_t value) { vcpu_->set_slot(riscv::x(x), value); }

 private:
  std::unique_ptr<Frontend> frontend_;
  std::shared_ptr<FlatMemory> memory_;
  std::unique_ptr<ExecutionContext> context_;
  std::unique_ptr<ExecutionEngine> executor_;
  std::unique_ptr<Vcpu> vcpu_;
  std::uint64_t end_ = kCode;
};

[[noreturn]] void die(const char* what);

}  // namespace ashlar::bench
