// Emitted code against the interpreter: the same random blocks from the same states, complete states compared
// after each. Linked and single-block code, with and without fuel, with each CPU feature switched off.
#include <doctest/doctest.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

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

/// A vCPU with a memory of its own.
struct Guest {
  Guest() {
    auto made = Vcpu::create(test::test_layout(), memory.get());
    REQUIRE(made);
    vcpu = std::move(*made);
  }
  const std::shared_ptr<FlatMemory> memory = test::make_test_memory();
  std::unique_ptr<Vcpu> vcpu;
};

/// How many runs of loops ended with the fuel or by attention; with `peel`, how many went through a second
/// copy of the body.
unsigned lockstep(std::uint64_t seed, const test::RandomBlockConfig& config, codegen::CompileOptions options,
                  const codegen::HostFeatures& features, unsigned blocks, bool optimise = false,
                  bool peel = false) {
  if (!NativeMachine::available()) return 0;
  NativeMachine machine(test::test_layout(), test::test_helpers(), features);
  machine.set_optimise(optimise, peel);
  const Guest a, b;
  // Both ways of checking addresses.
  options.base_is_limit = seed % 2 != 0 && a.memory->base_is_limit() && b.memory->base_is_limit();
  Vcpu& interpreted = *a.vcpu;
  Vcpu& native = *b.vcpu;
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
      // What has come through the first copy of the body notices attention where a later one leads back.
      for (unsigned copy = 1;
           loop && copy < machine.copies() && !test::difference(interpreted, native).empty(); ++copy) {
        wanted = interpret(interpreted, {}, 0);
        loop = ended_at_own_head(interpreted, wanted.outcome);
        second_copies += copy == 1 ? 1 : 0;
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

/// A loop of accesses through pointers and indices that go on by constants, in text.
std::string strider(test::Rng& rng) {
  static constexpr std::array<int, 14> kSteps = {1,    -1,    8,     -8,    16,     24,    -2048,
                                                 4096, 20000, 30000, 32767, -32767, 32768, 40000};
  static constexpr std::array<int, 10> kDisplacements = {0, 0, 0, 8, -8, 100, -2048, 30000, -30000, 40000};
  const auto pick = [&](const auto& from) { return std::to_string(from[rng.below(from.size())]); };
  const auto pointer = [&] { return "x" + std::to_string(1 + rng.below(4)); };
  const auto access = [&](const std::string& base) {
    const int displacement = kDisplacements[rng.below(kDisplacements.size())];
    const std::string place =
        "[" + base + (displacement < 0 ? " - " : " + ") + std::to_string(std::abs(displacement)) + "]";
    switch (rng.below(4)) {
      case 0:
        return "ld64 x5, " + place;
      case 1:
        return "ld8u x9, " + place;
      case 2:
        return "st32 " + place + ", x6";
      default:
        return "st8 " + place + ", x5";
    }
  };
  std::string text = "block 0x100 {\n";
  const unsigned length = 3 + static_cast<unsigned>(rng.below(7));
  // What leads to the beginning goes on at a boundary that is a join, if the key is its address.
  const unsigned begin = rng.percent(50) ? 0x100 : 0x1000;
  const auto address_of = [begin](unsigned n) { return "0x" + test::hex(begin + 4 * n).substr(2); };
  const unsigned target = rng.percent(40) ? 2 + static_cast<unsigned>(rng.below(length - 2)) : length;
  for (unsigned n = 0; n < length; ++n) {
    text += "@" + address_of(n) + " 4" + (n == target ? " join" : "") + ":\n  ";
    if (n == 0 && target < length) {
      text += "exit_ltu_i x10, " + std::to_string(rng.below(40)) + " -> " + address_of(target);
    } else if (rng.percent(10)) {
      text += "add64_i x12, x12, -1\n  exit_eq_i x12, " + std::to_string(rng.below(30)) + " -> 0x100";
    } else if (rng.percent(45)) {
      text += access(pointer());
    } else if (rng.percent(50)) {
      const std::string to = rng.percent(30) ? "x6" : pointer();
      text += "add64_i " + to + ", " + (rng.percent(85) ? to : pointer()) + ", " + pick(kSteps);
    } else if (rng.percent(10)) {
      text += "mov64 " + pointer() + ", " + pointer();
    } else {
      const std::string index = rng.percent(60) ? "x6" : "x8";
      if (index == "x8") text += "and64_i x8, x6, 255\n  ";
      text += rng.percent(50)
                  ? "add64 x8, " + index + ", " + pointer()
                  : "addshl64 x8, " + index + ", " + pointer() + ", #" + std::to_string(rng.below(4));
      text += "\n  " + access("x8");
    }
    text += "\n";
  }
  text += "@" + address_of(length) + " 4:\n  add64_i x7, x7, -1\n  sub64 x10, x7, x11\n";
  text += "@" + address_of(length + 1) + " 4:\n  br_ne_i x7, 0 -> 0x100, 0x300\n}\n";
  return text;
}

/// Memory around a window's guard regions, so that what gets past them does not fault.
class Surroundings {
 public:
  explicit Surroundings(const FlatMemory& memory) {
    const auto base = reinterpret_cast<std::uintptr_t>(memory.base());
    constexpr std::uint64_t kGuards = FlatMemory::kGuardSize;
    map(base - kGuards - kSize);
    map(base + memory.size() + kGuards + FlatMemory::page_size());
  }
  ~Surroundings() {
    for (void* const part : parts_) munmap(part, kSize);
  }
  Surroundings(const Surroundings&) = delete;
  Surroundings& operator=(const Surroundings&) = delete;

 private:
  static constexpr std::uint64_t kSize = 2 << 20;
  void map(std::uintptr_t at) {
    void* const part = mmap(reinterpret_cast<void*>(at), kSize, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (part != MAP_FAILED) parts_.push_back(part);
  }
  std::vector<void*> parts_;
};

TEST_CASE("pointers that go on in loops fault where they leave the window") {
  if (!NativeMachine::available()) return;
  NativeMachine machine(test::test_layout(), test::test_helpers(), codegen::detect_host_features());
  machine.set_optimise(true, true);
  const Guest a, b;
  // All of it, so that only the window's ends stop anybody.
  for (const Guest* guest : {&a, &b})
    REQUIRE(guest->memory->map({{0}, test::kWindow}, Perm::read | Perm::write));
  const Surroundings around_a(*a.memory), around_b(*b.memory);
  Vcpu& interpreted = *a.vcpu;
  Vcpu& native = *b.vcpu;
  test::Rng rng(91);
  unsigned faults = 0, unchecked = 0;
  for (unsigned i = 0; i < block_count(4000); ++i) {
    const std::string text = strider(rng);
    auto parsed = ir::parse(text, test::test_layout());
    REQUIRE_MESSAGE(parsed, (parsed ? "" : parsed.error().message), text);
    const ir::BlockPtr block = std::move(parsed).value();
    for (int repeat = 0; repeat < 3; ++repeat) {
      test::scramble(interpreted, rng);
      const auto near_window = [&] {
        static constexpr std::array<std::uint64_t, 5> kPlaces = {0, test::kWindow, test::kWindow / 2,
                                                                 test::kWindow + 32768, 0x8000'0000'0000};
        return kPlaces[rng.below(rng.percent(95) ? 3 : 5)] + rng.below(256) - 128;
      };
      for (unsigned slot = 1; slot <= 4; ++slot) interpreted.set_slot(slot, near_window());
      interpreted.set_slot(6, rng.percent(90) ? rng.below(64) : near_window());
      interpreted.set_slot(7, 1 + rng.below(40));
      interpreted.set_slot(11, rng.below(8));
      interpreted.set_slot(12, rng.below(60));
      test::copy_state(native, interpreted);
      for (Vcpu* v : {&interpreted, &native}) {
        v->set_pc(block->key().addr);
        v->set_mode(block->key().mode);
      }
      const auto finish = [&](Vcpu& vcpu, BlockEnd end, std::int64_t start) {
        for (;;) {
          if (start >= 0)
            end = NativeMachine::interpret(vcpu, *block, test::test_helpers(), false,
                                           static_cast<std::uint32_t>(start));
          start = -1;
          if (end.outcome != interp::Outcome::block_done) return end;
          if (vcpu.key() == block->key()) start = 0;
          for (const ir::Boundary& boundary : block->boundaries())
            if (boundary.join && boundary.pc == vcpu.pc()) start = boundary.first_inst;
          if (start < 0) return end;
        }
      };
      codegen::CompileOptions options = kLinked;
      options.base_is_limit = i % 2 != 0 && b.memory->base_is_limit();
      const BlockEnd got = finish(native, machine.run(native, *block, options), -1);
      const BlockEnd wanted = finish(interpreted, {}, 0);
      std::string diff = test::difference(interpreted, native);
      if (wanted.outcome != got.outcome) diff += "ends differ\n";
      if (!diff.empty()) {
        FAIL("block ", i, " repeat ", repeat, "\n", diff, "interpreter: ", describe(wanted),
             ", native: ", describe(got), "\n", text, machine.listing(*block, test::test_layout(), options));
      }
      faults += wanted.outcome == interp::Outcome::fault ? 1 : 0;
    }
    REQUIRE(machine.peeled());
    if (machine.emitted().check_faults.size() < machine.emitted().access_faults.size() / 2) ++unchecked;
  }
  CHECK(faults > block_count(4000) / 2);
  CHECK(unchecked > block_count(4000) / 10);
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
