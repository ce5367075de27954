// The RISC-V front end as engines see it: the state layout, the helpers, and the way into the translator.
#include <chrono>
#include <cstring>
#include <string>

#include <ashlar/riscv.hpp>

#include "riscv/decode.hpp"
#include "riscv/disassemble.hpp"
#include "riscv/translate.hpp"

namespace ashlar::riscv {
namespace {

// Registers, most wanted first, by how often the benchmark guests' executed instructions name them. x0 has no
// slot.
constexpr std::uint8_t kIntegerOrder[] = {15, 14, 13, 8,  11, 10, 12, 2,  16, 9,  18, 1,  19, 22, 17, 20,
                                          6,  21, 23, 26, 24, 27, 29, 28, 25, 31, 5,  30, 7,  4,  3};
constexpr std::uint8_t kFloatOrder[] = {15, 14, 13, 12, 10, 1, 11, 8, 9,  0, 18, 19, 3,  20, 2,  21,
                                        26, 4,  22, 27, 24, 5, 25, 7, 23, 6, 16, 17, 28, 29, 30, 31};
static_assert(sizeof(kIntegerOrder) == 31 && sizeof(kFloatOrder) == 32);

StateLayout make_layout() {
  StateLayout layout;
  layout.slots.resize(kFrm + 1);
  for (unsigned n = 1; n < 32; ++n) layout.slots[x(n)] = {"x" + std::to_string(n), SlotClass::integer, 0};
  for (unsigned n = 0; n < 32; ++n) layout.slots[f(n)] = {"f" + std::to_string(n), SlotClass::real, 0};
  layout.slots[kFrm] = {"frm", SlotClass::integer, 0};
  std::uint8_t rank = 255;
  for (const std::uint8_t n : kIntegerOrder) layout.slots[x(n)].rank = rank--;
  rank = 255;
  for (const std::uint8_t n : kFloatOrder) layout.slots[f(n)].rank = rank--;
  return layout;
}

// cycle, time and instret: nanoseconds of a clock that never goes back, which is what QEMU's user mode does
// with the host's tick counter. Programs take differences of them; all three run at 10^9 per second here, on
// every host.
std::uint64_t clock(Vcpu&, std::uint64_t, std::uint64_t, std::uint64_t) noexcept {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(since).count());
}

constexpr Helper kHelpers[] = {{"riscv_clock", clock}};
static_assert(kHelperClock == 0 && std::size(kHelpers) == 1);

class RiscvFrontend final : public Frontend {
 public:
  const StateLayout& layout() const noexcept override { return layout_; }
  std::span<const Helper> helpers() const noexcept override { return kHelpers; }

  TranslateResult translate(BlockKey key, GuestMemory* memory, const TranslateLimits& limits,
                            BlockBuilder& out) const override {
    if (memory == nullptr) return {{FaultKind::unmapped, AccessKind::fetch, key.addr}};
    return Translator(key, *memory, limits, out).run();
  }

  RoundingMode rounding(std::uint64_t mode) const noexcept override {
    return (mode & 7) <= 3 ? static_cast<RoundingMode>(mode & 7) : RoundingMode::rne;
  }

  std::string disassemble(GuestAddr at, GuestMemory* memory, unsigned* length) const override {
    std::byte bytes[4] = {};
    const std::size_t size = memory == nullptr ? 0 : memory->read(at, bytes);
    std::uint32_t word;
    std::memcpy(&word, bytes, sizeof(word));
    const bool readable = size >= 2 && size >= instruction_length(static_cast<std::uint16_t>(word));
    if (!readable) {
      if (length != nullptr) *length = 0;
      return {};
    }
    const Decoded decoded = decode(word);
    if (length != nullptr) *length = decoded.length;
    return riscv::disassemble(decoded, at.value);
  }

 private:
  const StateLayout layout_ = make_layout();
};

}  // namespace

std::unique_ptr<Frontend> make_frontend() { return std::make_unique<RiscvFrontend>(); }

}  // namespace ashlar::riscv
