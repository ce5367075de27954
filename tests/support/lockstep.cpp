// Lock-step tests.
#include "support/lockstep.hpp"

#include <vector>

#include <ashlar/ir_text.hpp>

#include "support/reference.hpp"
#include "support/test_guest.hpp"

namespace ashlar::test {

namespace {

using Program = std::vector<ir::BlockPtr>;  // block id n at n - 1

Program next_program(RandomBlocks& blocks, const RandomBlockConfig& config) {
  Program program;
  for (std::uint64_t i = 0; i < config.ids; ++i) program.push_back(blocks.next());
  return program;
}

bool put(Machine& machine, const Program& program) {
  for (const auto& block : program) {
    if (!block || !machine.put(block->key().addr.value, *block)) return false;
  }
  return true;
}

std::string text_of(const Program& program) {
  std::string text;
  for (const auto& block : program) text += ir::print(*block, &test_layout());
  return text;
}

/// What a failure must say so that somebody can look for its cause.
std::string describe(const std::string& where, const std::string& blocks, const Vcpu& start,
                     const std::string& differs) {
  std::string text = where + ", from\n";
  for (unsigned i = 0; i < start.layout().slots.size(); ++i) {
    text += "  " + start.layout().slots[i].name + " = " + hex(start.slot(i)) + (i % 4 == 3 ? "\n" : "");
  }
  return text + "\n  flags = " + hex(start.float_flags()) + "\nfound against expected:\n" + differs + blocks;
}

/// A vCPU with memory, apart from any engine.
struct Plain {
  std::shared_ptr<FlatMemory> memory = make_test_memory();
  std::unique_ptr<Vcpu> vcpu;

  Plain() {
    if (auto made = Vcpu::create(test_layout(), memory.get()); made && memory) vcpu = std::move(made).value();
  }
};

/// The reference's run: blocks until something other than the end of a block.
ExecutionResult run_reference(Vcpu& vcpu, const Program& program, std::uint64_t fuel) {
  std::uint64_t done = 0;
  for (;;) {
    ExecutionResult result;
    const BlockKey key = vcpu.key();
    if (fuel == done) {
      result.reason = ExitReason::fuel;
    } else if (key.mode != 0 || key.addr.value == 0 || key.addr.value > program.size()) {
      result.reason = ExitReason::fault;
      result.fault = {FaultKind::unmapped, AccessKind::fetch, key.addr};
    } else {
      result = execute_reference(vcpu, *program[key.addr.value - 1], test_helpers(), fuel - done);
      done += result.instructions;
      if (result.reason == ExitReason::block_done) continue;
    }
    result.instructions = done;
    result.next = vcpu.key();
    return result;
  }
}

}  // namespace

LockstepReport compare_with_reference(const EngineMaker& engine, std::uint64_t seed, unsigned programs,
                                      unsigned states, const RandomBlockConfig& config) {
  LockstepReport report;
  Rng rng(seed);
  RandomBlocks blocks(seed, config);
  auto machine = Machine::create(engine, test_layout());
  Plain start, expected;
  if (!machine || !start.vcpu || !expected.vcpu) return {0, 0, "the machines could not be made"};
  for (unsigned p = 0; p < programs; ++p) {
    const Program program = next_program(blocks, config);
    if (!put(*machine, program)) return {0, 0, "the blocks could not be registered"};
    for (unsigned s = 0; s < states; ++s) {
      scramble(*start.vcpu, rng);
      for (const auto& block : program) {
        copy_state(machine->vcpu(), *start.vcpu);
        copy_state(*expected.vcpu, *start.vcpu);
        const ExecutionResult result = machine->engine().execute_block(machine->vcpu(), block->key());
        ExecutionResult reference = execute_reference(*expected.vcpu, *block, test_helpers());
        reference.instructions = result.instructions;
        ++report.executions;
        const std::string differs =
            difference(result, reference) + difference(machine->vcpu(), *expected.vcpu);
        if (differs.empty()) continue;
        report.failures =
            describe(engine.name + ", seed " + std::to_string(seed) + ", program " + std::to_string(p),
                     ir::print(*block, &test_layout()), *start.vcpu, differs);
        return report;
      }
    }
  }
  return report;
}

namespace {

/// A run on some engine or the reference, from the vCPU's key.
using Runner = std::function<ExecutionResult(std::uint64_t fuel)>;

LockstepReport compare_runs(const std::string& name, std::uint64_t seed, unsigned programs, unsigned states,
                            const RandomBlockConfig& config, Vcpu& a, Vcpu& b,
                            const std::function<bool(const Program&)>& begin, const Runner& run_a,
                            const Runner& run_b) {
  LockstepReport report;
  Rng rng(seed);
  RandomBlocks blocks(seed, config);
  Plain start;
  if (!start.vcpu) return {0, 0, "the machines could not be made"};
  for (unsigned p = 0; p < programs; ++p) {
    const Program program = next_program(blocks, config);
    if (!begin(program)) return {0, 0, "the blocks could not be registered"};
    for (unsigned s = 0; s < states; ++s) {
      scramble(*start.vcpu, rng);
      start.vcpu->set_pc({1 + rng.below(config.ids)});
      start.vcpu->set_mode(0);
      copy_state(a, *start.vcpu);
      copy_state(b, *start.vcpu);
      for (unsigned piece = 0; piece < 8; ++piece) {
        const std::uint64_t fuel = rng.percent(30) ? rng.below(20) : rng.below(2000);
        const ExecutionResult of_a = run_a(fuel), of_b = run_b(fuel);
        ++report.executions;
        report.instructions += of_a.instructions;
        std::string differs = difference(of_a, of_b) + difference(a, b);
        if (!differs.empty()) {
          differs += std::string("(stopped by ") + to_string(of_b.reason) + " at " +
                     hex(of_b.next.addr.value) + ")\n";
          report.failures =
              describe(name + ", seed " + std::to_string(seed) + ", program " + std::to_string(p) +
                           ", piece " + std::to_string(piece) + " with fuel " + std::to_string(fuel) +
                           ", program begun at " + hex(start.vcpu->pc().value),
                       text_of(program), *start.vcpu, differs);
          return report;
        }
        // Goes on where there is a block: behind a stop, or where fuel ended between blocks.
        if (of_a.next.mode != 0 || of_a.next.addr.value - 1 >= config.ids) break;
      }
    }
  }
  return report;
}

}  // namespace

LockstepReport compare_engines(const EngineMaker& a, const EngineMaker& b, std::uint64_t seed,
                               unsigned programs, unsigned states, const RandomBlockConfig& config) {
  auto x = Machine::create(a, test_layout()), y = Machine::create(b, test_layout());
  if (!x || !y) return {0, 0, "the machines could not be made"};
  const auto runner = [](Machine& machine) {
    return [&machine](std::uint64_t fuel) {
      RunLimits limits;
      limits.fuel = fuel;
      return machine.engine().run(machine.vcpu(), limits);
    };
  };
  return compare_runs(
      a.name + " against " + b.name, seed, programs, states, config, x->vcpu(), y->vcpu(),
      [&](const Program& program) { return put(*x, program) && put(*y, program); }, runner(*x), runner(*y));
}

LockstepReport compare_runs_with_reference(const EngineMaker& engine, std::uint64_t seed, unsigned programs,
                                           unsigned states, const RandomBlockConfig& config) {
  auto machine = Machine::create(engine, test_layout());
  Plain reference;
  if (!machine || !reference.vcpu) return {0, 0, "the machines could not be made"};
  const Program* program = nullptr;
  return compare_runs(
      engine.name + " against the reference", seed, programs, states, config, machine->vcpu(),
      *reference.vcpu,
      [&](const Program& next) {
        program = &next;
        return put(*machine, next);
      },
      [&](std::uint64_t fuel) {
        RunLimits limits;
        limits.fuel = fuel;
        return machine->engine().run(machine->vcpu(), limits);
      },
      [&](std::uint64_t fuel) { return run_reference(*reference.vcpu, *program, fuel); });
}

}  // namespace ashlar::test
