// Everything that a test needs to execute blocks on some engine: the engines that there are, and a machine of
// blocks, memory, context, executor and vCPU.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include <ashlar/block_store.hpp>
#include <ashlar/engine.hpp>
#include <ashlar/memory.hpp>
#include <ashlar/vcpu.hpp>

namespace ashlar::test {

/// An engine under test. Suites that are about what blocks mean run on all of them.
struct EngineMaker {
  std::string name;
  std::function<std::unique_ptr<ExecutionEngine>(ExecutionContext&)> make;
};

/// The engines that can execute on this host, the interpreter first. A new executor gets its line here.
std::span<const EngineMaker> engines();

/// Stays where it is: its parts refer to each other.
class Machine {
 public:
  /// With test_helpers() and make_test_memory(). Null when something could not be made.
  static std::unique_ptr<Machine> create(const EngineMaker& engine, const StateLayout& layout);

  /// Registers the block under `id`, in place of an older one, whose translations are dropped.
  Result<void> put(std::uint64_t id, const ir::Block& block);

  BlockStore& store() { return store_; }
  FlatMemory& memory() { return *memory_; }
  ExecutionEngine& engine() { return *engine_; }
  Vcpu& vcpu() { return *vcpu_; }

 private:
  explicit Machine(const StateLayout& layout);
  BlockStore store_;
  std::shared_ptr<FlatMemory> memory_;
  std::unique_ptr<ExecutionContext> context_;
  std::unique_ptr<ExecutionEngine> engine_;
  std::unique_ptr<Vcpu> vcpu_;
};

}  // namespace ashlar::test
