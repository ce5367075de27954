// A guest with an instruction set of a dozen 4-byte instructions in guest memory, for tests of the engine:
// bits 7..0 the operation, bits 31..8 a signed immediate.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <ashlar/ashlar.hpp>

namespace ashlar::test {

enum class Toy : std::uint8_t {
  illegal = 0,
  add,      ///< x0 += imm
  jump,     ///< to pc + 4 imm
  loop,     ///< x3 -= 1; if x3 != 0, to pc + 4 imm
  jump_x4,  ///< to x4 + imm
  call,     ///< stop: syscall
  fence,    ///< stop: instruction_fence
  store,    ///< 32 bits of x1 at x2 + imm
  load,     ///< x5 = 64 bits at x2 + imm
  third,    ///< f0 = f1 / f2
  flags,    ///< x6 = float flags
  mode,     ///< to the next instruction, in mode imm
  helper,   ///< x7 = helper imm (x0, x1, x2)
};

constexpr std::uint32_t toy(Toy op, std::int32_t imm = 0) {
  return static_cast<std::uint32_t>(op) | static_cast<std::uint32_t>(imm) << 8;
}

inline constexpr std::uint64_t kToyCode = 0x10000;
inline constexpr std::uint64_t kToyData = 0x20000;

/// Counts translations of each key. Mode 1 rounds towards zero.
class ToyFrontend final : public Frontend {
 public:
  explicit ToyFrontend(std::vector<Helper> helpers = {}) : helpers_(std::move(helpers)) {
    for (int i = 0; i < 8; ++i) layout_.slots.push_back({"x" + std::to_string(i), SlotClass::integer, 1});
    for (int i = 0; i < 3; ++i) layout_.slots.push_back({"f" + std::to_string(i), SlotClass::real, 1});
  }
  static constexpr unsigned kF0 = 8;

  const StateLayout& layout() const noexcept override { return layout_; }
  std::span<const Helper> helpers() const noexcept override { return helpers_; }
  RoundingMode rounding(std::uint64_t mode) const noexcept override {
    return mode == 1 ? RoundingMode::rtz : RoundingMode::rne;
  }

  TranslateResult translate(BlockKey key, GuestMemory* memory, const TranslateLimits& limits,
                            BlockBuilder& out) const override {
    using enum ir::Opcode;
    using ir::Value;
    translations.fetch_add(1);
    const auto x = [](unsigned i) { return Value::slot(i); };
    const auto f = [](unsigned i) { return Value::slot(kF0 + i); };
    out.set_host_rounding(rounding(key.mode));
    GuestAddr pc = key.addr;
    for (std::uint32_t count = 0;; ++count, pc = pc + 4) {
      if (count == limits.max_guest_insts) {
        out.jump(pc);
        return {};
      }
      std::uint32_t word = 0;
      const std::size_t got = memory->fetch(pc, std::as_writable_bytes(std::span(&word, 1)));
      if (got < 4) {
        if (count == 0) {
          Fault fault = memory->check(pc, 4, AccessKind::fetch);
          if (fault.kind == FaultKind::none) fault.kind = FaultKind::unmapped;
          return {fault};
        }
        out.jump(pc);
        return {};
      }
      if (during_translation) during_translation();
      const auto imm = static_cast<std::int32_t>(word) >> 8;
      const GuestAddr target{pc.value + static_cast<std::uint64_t>(std::int64_t{imm} * 4)};
      const GuestAddr next = pc + 4;
      out.covers({pc, 4});
      out.guest_instruction(pc, 4);
      switch (static_cast<Toy>(word & 0xff)) {
        case Toy::add:
          out.ri(add64_i, x(0), x(0), imm);
          continue;
        case Toy::store:
          out.store(st32, x(2), imm, x(1));
          continue;
        case Toy::load:
          out.load(ld64, x(5), x(2), imm);
          continue;
        case Toy::third:
          out.rr(fdiv64, f(0), f(1), f(2), static_cast<unsigned>(rounding(key.mode)));
          continue;
        case Toy::flags:
          out.get_fflags(x(6));
          continue;
        case Toy::helper:
          out.call_helper(x(7), static_cast<unsigned>(imm), x(0), x(1), x(2));
          continue;
        case Toy::jump:
          out.jump(target);
          return {};
        case Toy::loop:
          out.ri(add64_i, x(3), x(3), -1);
          out.branch(br_ne_i, x(3), 0, target, next);
          return {};
        case Toy::jump_x4:
          out.jump_indirect(x(4), imm);
          return {};
        case Toy::call:
          out.stop(ir::StopReason::syscall, next);
          return {};
        case Toy::fence:
          out.stop(ir::StopReason::instruction_fence, next);
          return {};
        case Toy::mode: {
          const Value at = out.temp(), mode = out.temp();
          out.const64(at, next.value);
          out.const64(mode, static_cast<std::uint64_t>(imm));
          out.jump_mode(at, mode);
          return {};
        }
        case Toy::illegal:
          break;
      }
      out.stop(ir::StopReason::illegal_instruction, pc);
      return {};
    }
  }

  std::string disassemble(GuestAddr, GuestMemory*, unsigned* length) const override {
    if (length != nullptr) *length = 4;
    return "toy";
  }

  mutable std::atomic<int> translations{0};
  /// Called after each instruction has been fetched.
  std::function<void()> during_translation;

 private:
  StateLayout layout_;
  std::vector<Helper> helpers_;
};

/// Memory with an executable, writable code area at kToyCode and a data page at kToyData; front end, context,
/// executor.
struct ToyMachine {
  explicit ToyMachine(std::vector<Helper> helpers = {}, TranslateLimits limits = {}, bool keep = true,
                      std::uint32_t learn_after = ContextConfig{}.learn_registers_after)
      : frontend(std::move(helpers)) {
    auto made = FlatMemory::create({1 << 20});
    REQUIRE(made);
    memory = made.value();
    REQUIRE(memory->map({{kToyCode}, 0x8000}, Perm::read | Perm::write | Perm::exec));
    REQUIRE(memory->map({{kToyData}, 0x1000}, Perm::read | Perm::write));
    ContextConfig config;
    config.keep_blocks_run_once = keep;  // most tests count translations
    config.learn_registers_after = learn_after;
    config.frontend = &frontend;
    config.memory = memory.get();
    config.translate = limits;
    auto created = ExecutionContext::create(config);
    REQUIRE(created);
    context = std::move(created.value());
  }

  /// As an embedder writes: translations of what was there go.
  void code(std::initializer_list<std::uint32_t> words, std::uint64_t at = kToyCode) {
    const std::vector<std::uint32_t> copy(words);
    CHECK(memory->write({at}, std::as_bytes(std::span(copy))) == copy.size() * 4);
  }
  std::unique_ptr<Vcpu> vcpu(std::uint64_t pc = kToyCode) {
    auto made = Vcpu::create(frontend.layout(), memory.get());
    REQUIRE(made);
    made.value()->set_pc({pc});
    return std::move(made.value());
  }
  std::uint64_t stat(Stat which) const { return context->stats()[which]; }

  ToyFrontend frontend;
  std::shared_ptr<FlatMemory> memory;
  std::unique_ptr<ExecutionContext> context;
};

}  // namespace ashlar::test
