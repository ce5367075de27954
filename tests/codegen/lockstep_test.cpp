// Emitted code against the interpreter: the same random blocks from the same states, complete states compared
// after each. Linked and single-block code, with and without fuel, with each CPU feature switched off.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>

#include <ashlar/ir_text.hpp>

#include "support/native_machine.hpp"
#include "support/random_blocks.hpp"
#include "support/test_guest.hpp"

namespace ashlar {
namespace {

using test::BlockEnd;
using test::NativeMachine;

std::string describe(const BlockEnd& end) {
  return "outcome " + std::to_string(static_cast<int>(end.outcome)) + " reason " +
         std::to_string(static_cast<int>(end.stop_reason)) + " detail " + std::to_string(end.detail) +
         (end.used_interpreter ? " handed over at instruction " + std::to_string(end.stopped_at) : "");
}

/// Repetitions, more of them when asked for from outside: ASHLAR_FUZZ_BLOCKS.
unsigned block_count(unsigned fallback) {
  const char* const asked = std::getenv("ASHLAR_FUZZ_BLOCKS");
  return asked != nullptr ? static_cast<unsigned>(std::strtoul(asked, nullptr, 10)) : fallback;
}

/// Where to write what blocks have done to the state, a line each, for comparing hosts with each other:
/// ASHLAR_STATES. tools/check --arm64 does that.
std::ofstream* states_file() {
  static const char* const path = std::getenv("ASHLAR_STATES");
  static std::ofstream file(path != nullptr ? path : "");
  return path != nullptr ? &file : nullptr;
}

void write_state(std::ostream& out, std::uint64_t seed, unsigned block, int repeat, const Vcpu& vcpu) {
  const VcpuFrame& frame = vcpu.frame();
  out << seed << ' ' << block << ' ' << repeat << std::hex;
  for (unsigned i = 0; i < test::kIntegerSlots + test::kRealSlots; ++i)
    out << ' ' << frame[ir::Value::slot(i)];
  // FNV-1a over the memory.
  std::uint64_t hash = 0xcbf2'9ce4'8422'2325;
  for (std::uint64_t i = 0; i < test::kMapped; ++i)
    hash = (hash ^ std::to_integer<std::uint64_t>(frame.cold().mem_base[i])) * 0x100'0000'01b3;
  out << " flags " << unsigned{vcpu.float_flags()} << " at " << vcpu.key().addr.value << " memory " << hash
      << std::dec << '\n';
}

/// How many runs of loops ended with the fuel or by attention; with `peel`, how many went through a second
/// copy of the body.
unsigned lockstep(std::uint64_t seed, const test::RandomBlockConfig& config,
                  const codegen::CompileOptions& options, const codegen::HostFeatures& features,
                  unsigned blocks, bool optimise = false, bool peel = false) {
  if (!NativeMachine::available()) return 0;
  NativeMachine machine(test::test_layout(), test::test_helpers(), features);
  machine.set_optimise(optimise, peel);
  auto memory_a = test::make_test_memory();
  auto memory_b = test::make_test_memory();
  auto a = Vcpu::create(test::test_layout(), memory_a.get());
  auto b = Vcpu::create(test::test_layout(), memory_b.get());
  REQUIRE(a);
  REQUIRE(b);
  Vcpu& interpreted = **a;
  Vcpu& native = **b;
  test::RandomBlocks generator(seed, config);
  unsigned rounds = 0, second_copies = 0;
  test::Rng rng(seed ^ 0x5eed);
  for (unsigned i = 0; i < blocks; ++i) {
    const ir::BlockPtr block = generator.next();
    for (int repeat = 0; repeat < 3; ++repeat) {
      if (repeat == 0) test::scramble(interpreted, rng);
      test::copy_state(native, interpreted);
      for (Vcpu* v : {&interpreted, &native}) {
        v->frame().hot.attention.store(0);
        v->clear_reservation();  // versions belong to the memory that was read
        v->frame().hot.fuel = 1000;
        v->set_pc(block->key().addr);
        v->set_mode(block->key().mode);
      }
      // A block that is a loop goes round until its fuel is spent or somebody wants attention.
      machine.set_attention(!options.count_fuel);
      const auto ended_at_own_head = [&](const Vcpu& vcpu, interp::Outcome outcome) {
        return machine.emitted().goes_round && vcpu.key() == block->key() &&
               (outcome == interp::Outcome::block_done || outcome == interp::Outcome::attention ||
                outcome == interp::Outcome::fuel);
      };
      const auto goes_on = [&](const Vcpu& vcpu, interp::Outcome outcome) {
        return options.count_fuel && ended_at_own_head(vcpu, outcome) &&
               vcpu.frame().hot.fuel >= block->guest_inst_count();
      };
      // Side exits go on at joins, unless every block is run for itself or its instructions are counted.
      const auto interpret = [&](Vcpu& vcpu, BlockEnd end, std::int64_t start) {
        for (;;) {
          if (start >= 0)
            end = NativeMachine::interpret(vcpu, *block, test::test_helpers(), options.count_fuel,
                                           static_cast<std::uint32_t>(start));
          start = -1;
          if (!options.linked || options.count_fuel || end.outcome != interp::Outcome::block_done) return end;
          for (const ir::Boundary& boundary : block->boundaries())
            if (boundary.join && boundary.pc == vcpu.pc()) start = boundary.first_inst;
          if (start < 0) return end;
        }
      };
      BlockEnd got, wanted;
      do got = interpret(native, machine.run(native, *block, options), -1);
      while (goes_on(native, got.outcome));
      do wanted = interpret(interpreted, {}, 0);
      while (goes_on(interpreted, wanted.outcome));
      bool loop = ended_at_own_head(interpreted, wanted.outcome);
      // What has come through the first copy of the body notices attention behind the second.
      if (loop && machine.peeled() && !test::difference(interpreted, native).empty()) {
        wanted = interpret(interpreted, {}, 0);
        loop = ended_at_own_head(interpreted, wanted.outcome);
        ++second_copies;
      }
      rounds += loop ? 1 : 0;
      if (wanted.outcome == interp::Outcome::block_done &&
          (got.outcome == interp::Outcome::attention || (loop && got.outcome == interp::Outcome::fuel)))
        got.outcome = interp::Outcome::block_done;
      std::string diff = test::difference(interpreted, native);
      // Emitted code may notice a helper's wish to leave where the interpreter goes on to the block's end,
      // and the other way round.
      if (wanted.outcome != got.outcome ||
          (wanted.outcome == interp::Outcome::stop &&
           (wanted.stop_reason != got.stop_reason || wanted.detail != got.detail)))
        diff += "ends differ\n";
      if (options.count_fuel && interpreted.frame().hot.fuel != native.frame().hot.fuel)
        diff += "fuel " + std::to_string(interpreted.frame().hot.fuel) + " against " +
                std::to_string(native.frame().hot.fuel) + "\n";
      // Whether a loop stays inside its code is the host's affair, and so where it ends.
      const auto exits = block->exits();
      const bool comes_back = std::any_of(exits.begin(), exits.end(),
                                          [&](const ir::Exit& e) { return e.target == block->key(); });
      // With fuel an indirect jump to the block's own beginning counts as going round, too.
      const ir::Form end = ir::info(block->terminal().op).form;
      const bool may_return = options.count_fuel && (end == ir::Form::ind || end == ir::Form::mode);
      if (states_file() != nullptr && !comes_back && !may_return)
        write_state(*states_file(), seed, i, repeat, native);
      if (!diff.empty()) {
        FAIL("seed ", seed, " block ", i, " repeat ", repeat, "\n", diff, "interpreter: ", describe(wanted),
             ", native: ", describe(got), "\n", ir::print(*block, &test::test_layout()),
             machine.listing(*block, test::test_layout(), options));
      }
    }
  }
  return peel ? second_copies : rounds;
}

const codegen::CompileOptions kLinked{};
codegen::CompileOptions single() {
  codegen::CompileOptions options;
  options.linked = false;
  return options;
}
codegen::CompileOptions fuelled() {
  codegen::CompileOptions options;
  options.count_fuel = true;
  return options;
}

TEST_CASE("integer blocks") {
  test::RandomBlockConfig config;
  config.real = config.memory = config.atomics = config.helpers = config.faults = false;
  lockstep(1, config, kLinked, codegen::detect_host_features(), block_count(3000));
  lockstep(2, config, single(), codegen::detect_host_features(), block_count(3000));
  lockstep(3, config, fuelled(), codegen::detect_host_features(), block_count(1000));
}

TEST_CASE("memory, faults in the middle") {
  test::RandomBlockConfig config;
  config.real = config.atomics = config.helpers = false;
  lockstep(11, config, kLinked, codegen::detect_host_features(), block_count(3000));
  lockstep(12, config, single(), codegen::detect_host_features(), block_count(3000));
  lockstep(13, config, fuelled(), codegen::detect_host_features(), block_count(1000));
}

TEST_CASE("float blocks") {
  test::RandomBlockConfig config;
  config.atomics = config.helpers = false;
  config.host_roundings = true;
  lockstep(21, config, kLinked, codegen::detect_host_features(), block_count(3000));
  lockstep(22, config, single(), codegen::detect_host_features(), block_count(3000));
}

TEST_CASE("everything") {
  test::RandomBlockConfig config;
  config.host_roundings = true;
  lockstep(31, config, kLinked, codegen::detect_host_features(), block_count(3000));
  lockstep(32, config, single(), codegen::detect_host_features(), block_count(3000));
  lockstep(33, config, fuelled(), codegen::detect_host_features(), block_count(3000));
}

TEST_CASE("optimised blocks") {
  test::RandomBlockConfig config;
  config.idioms = 60;
  config.real = config.atomics = config.helpers = false;
  lockstep(51, config, kLinked, codegen::detect_host_features(), block_count(6000), true);
  lockstep(52, config, single(), codegen::detect_host_features(), block_count(3000), true);
  config.real = config.atomics = config.helpers = true;
  config.host_roundings = true;
  config.idioms = 30;
  lockstep(53, config, fuelled(), codegen::detect_host_features(), block_count(3000), true);
  lockstep(54, config, kLinked, codegen::HostFeatures{}, block_count(3000), true);
}

TEST_CASE("loops with registers of their own") {
  test::RandomBlockConfig config;
  config.loops = 50;
  config.max_length = 20;
  config.helpers = false;
  unsigned rounds = 0;
  rounds += lockstep(61, config, kLinked, codegen::detect_host_features(), block_count(3000));
  rounds += lockstep(62, config, fuelled(), codegen::detect_host_features(), block_count(3000));
  rounds += lockstep(63, config, fuelled(), codegen::detect_host_features(), block_count(3000), true);
  if (NativeMachine::available()) CHECK(rounds > 0);
}

TEST_CASE("loops whose body is there twice") {
  test::RandomBlockConfig config;
  config.loops = 60;
  config.max_length = 20;
  config.helpers = false;
  config.idioms = 40;
  config.host_roundings = true;
  unsigned second_copies = 0;
  second_copies +=
      lockstep(81, config, kLinked, codegen::detect_host_features(), block_count(4000), true, true);
  config.joins = 25;
  second_copies +=
      lockstep(82, config, kLinked, codegen::detect_host_features(), block_count(4000), true, true);
  config.real = config.atomics = false;
  second_copies += lockstep(83, config, kLinked, codegen::HostFeatures{}, block_count(4000), true, true);
  config.memory = false;
  second_copies +=
      lockstep(84, config, kLinked, codegen::detect_host_features(), block_count(4000), true, true);
  if (NativeMachine::available()) CHECK(second_copies > block_count(4000) / 4);
}

TEST_CASE("side exits that go on at joins") {
  test::RandomBlockConfig config;
  config.joins = 25;
  config.host_roundings = true;
  lockstep(71, config, kLinked, codegen::detect_host_features(), block_count(3000));
  lockstep(72, config, single(), codegen::detect_host_features(), block_count(500));
  lockstep(73, config, fuelled(), codegen::detect_host_features(), block_count(500));
  config.loops = 20;
  config.idioms = 30;
  config.max_length = 30;
  lockstep(74, config, kLinked, codegen::detect_host_features(), block_count(3000), true);
  config.real = config.helpers = false;
  lockstep(75, config, kLinked, codegen::detect_host_features(), block_count(3000), true);
}

TEST_CASE("the base instruction set alone") {
  test::RandomBlockConfig config;
  config.host_roundings = true;
  lockstep(41, config, kLinked, codegen::HostFeatures{}, block_count(3000));
  lockstep(42, config, single(), codegen::HostFeatures{}, block_count(3000));
}

}  // namespace
}  // namespace ashlar
