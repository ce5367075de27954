// The engines under test, and machines to run them.
#include "support/machine.hpp"

#include <utility>
#include <vector>

#include <ashlar/hybrid.hpp>

#include "support/test_guest.hpp"

namespace ashlar::test {

std::span<const EngineMaker> engines() {
  static const std::vector<EngineMaker> list = {
      {"interpreter",
       [](ExecutionContext& context) { return std::make_unique<InterpreterExecutor>(context); }},
      {"jit", [](ExecutionContext& context) { return std::make_unique<JitExecutor>(context); }},
      {"hybrid", [](ExecutionContext& context) { return std::make_unique<HybridExecutor>(context); }},
  };
  return list;
}

Machine::Machine(const StateLayout& layout)
    : store_(layout, {test_helpers().begin(), test_helpers().end()}), memory_(make_test_memory()) {}

std::unique_ptr<Machine> Machine::create(const EngineMaker& engine, const StateLayout& layout) {
  std::unique_ptr<Machine> machine(new Machine(layout));
  if (!machine->memory_) return nullptr;
  ContextConfig config;
  config.frontend = &machine->store_;
  config.memory = machine->memory_.get();
  auto context = ExecutionContext::create(config);
  auto vcpu = Vcpu::create(machine->store_.layout(), machine->memory_.get());
  if (!context || !vcpu) return nullptr;
  machine->context_ = std::move(context).value();
  machine->vcpu_ = std::move(vcpu).value();
  machine->engine_ = engine.make(*machine->context_);
  return machine;
}

Result<void> Machine::put(std::uint64_t id, const ir::Block& block) {
  const bool had = store_.contains(id);
  auto put = store_.replace(id, block);
  if (put && had) engine_->invalidate(BlockStore::range_of(id));
  return put;
}

}  // namespace ashlar::test
