// The guest of tests without an instruction set.
#include "support/test_guest.hpp"

#include <algorithm>
#include <cfenv>
#include <cstdio>
#include <cstring>
#include <utility>

#include "ir/float_semantics.hpp"

namespace ashlar::test {

namespace {

std::uint64_t sum(Vcpu&, std::uint64_t a, std::uint64_t b, std::uint64_t c) noexcept {
  return a + 2 * b + 3 * c;
}

std::uint64_t exchange(Vcpu& vcpu, std::uint64_t a, std::uint64_t, std::uint64_t) noexcept {
  for (const unsigned first : {integer_slot(0), real_slot(0)}) {
    const std::uint64_t old = vcpu.slot(first);
    vcpu.set_slot(first, vcpu.slot(first + 1));
    vcpu.set_slot(first + 1, old);
  }
  const std::uint64_t old = vcpu.slot(integer_slot(2));
  vcpu.set_slot(integer_slot(2), a);
  return old;
}

std::uint64_t leave(Vcpu& vcpu, std::uint64_t a, std::uint64_t, std::uint64_t) noexcept {
  vcpu.frame().hot.attention.fetch_or(kAttendExit);
  return a;
}

std::uint64_t exchange_real(Vcpu& vcpu, std::uint64_t a, std::uint64_t, std::uint64_t) noexcept {
  const std::uint64_t old = vcpu.slot(real_slot(2));
  vcpu.set_slot(real_slot(2), a);
  return old;
}

std::uint64_t where(Vcpu& vcpu, std::uint64_t, std::uint64_t, std::uint64_t) noexcept {
  return vcpu.pc().value;
}

std::uint64_t float_environment(Vcpu& vcpu, std::uint64_t a, std::uint64_t, std::uint64_t) noexcept {
  const std::uint64_t flags = vcpu.float_flags();
  vcpu.set_float_flags(static_cast<std::uint8_t>(a & 31));
  volatile double one = 1, tiny = 1e-30;
  const bool nearest = one + tiny == one && one - tiny == one;
  std::feraiseexcept(FE_ALL_EXCEPT);
  return flags + (nearest ? 0 : 32);
}

constexpr Helper kHelpers[] = {
    {"sum", sum},     {"exchange", exchange},
    {"leave", leave}, {"exchange_real", exchange_real},
    {"where", where}, {"float_environment", float_environment},
};

std::vector<std::uint8_t> contents(const Vcpu& vcpu) {
  std::vector<std::uint8_t> bytes;
  if (!vcpu.memory()) return bytes;
  bytes.resize(kMapped);
  bytes.resize(vcpu.memory()->read({0}, std::as_writable_bytes(std::span(bytes))));
  return bytes;
}

std::uint64_t random_value(Rng& rng, SlotClass cls) {
  const unsigned kind = rng.below(10);
  if (cls == SlotClass::integer) {
    if (kind < 6) return rng.pick(kIntegers);
    return rng.next() >> rng.below(64);
  }
  if (kind < 4) return ir::semantics::box32(rng.pick(kFloats32));
  if (kind < 8) return rng.pick(kFloats64);
  if (kind < 9) return ir::semantics::box32(static_cast<std::uint32_t>(rng.next()));
  return rng.next();
}

}  // namespace

const StateLayout& test_layout() {
  static const StateLayout layout = [] {
    StateLayout l;
    for (unsigned i = 0; i < kIntegerSlots; ++i) {
      l.slots.push_back(
          {"x" + std::to_string(i), SlotClass::integer, static_cast<std::uint8_t>(kIntegerSlots - 1 - i)});
    }
    for (unsigned i = 0; i < kRealSlots; ++i) {
      l.slots.push_back(
          {"f" + std::to_string(i), SlotClass::real, static_cast<std::uint8_t>(kRealSlots - 1 - i)});
    }
    return l;
  }();
  return layout;
}

std::span<const Helper> test_helpers() { return kHelpers; }

std::shared_ptr<FlatMemory> make_test_memory() {
  auto made = FlatMemory::create({kWindow});
  if (!made) return nullptr;
  auto memory = std::move(made).value();
  if (!memory->map({{0}, kMapped}, Perm::read | Perm::write)) return nullptr;
  if (!memory->map({{kMapped}, FlatMemory::page_size()}, Perm::read)) return nullptr;
  return memory;
}

void scramble(Vcpu& vcpu, Rng& rng) {
  const auto& slots = vcpu.layout().slots;
  for (unsigned i = 0; i < slots.size(); ++i) vcpu.set_slot(i, random_value(rng, slots[i].cls));
  vcpu.set_float_flags(rng.percent(50) ? 0 : static_cast<std::uint8_t>(rng.below(32)));
  if (!vcpu.memory()) return;
  std::vector<std::uint64_t> words(kMapped / 8);
  for (auto& word : words) word = random_value(rng, rng.percent(50) ? SlotClass::integer : SlotClass::real);
  vcpu.memory()->write({0}, std::as_bytes(std::span(words)));
}

void copy_state(Vcpu& to, const Vcpu& from) {
  for (unsigned i = 0; i < from.layout().slots.size(); ++i) to.set_slot(i, from.slot(i));
  to.set_float_flags(from.float_flags());
  to.set_pc(from.pc());
  to.set_mode(from.mode());
  to.clear_reservation();
  if (!to.memory()) return;
  const auto bytes = contents(from);
  to.memory()->write({0}, std::as_bytes(std::span(bytes)));
}

std::string hex(std::uint64_t value) {
  char text[20];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

std::string difference(const Vcpu& a, const Vcpu& b, bool with_memory) {
  std::string out;
  const auto compare = [&](std::string_view what, std::uint64_t x, std::uint64_t y) {
    if (x != y) out += std::string(what) + ": " + hex(x) + " against " + hex(y) + '\n';
  };
  for (unsigned i = 0; i < a.layout().slots.size(); ++i)
    compare(a.layout().slots[i].name, a.slot(i), b.slot(i));
  compare("float flags", a.float_flags(), b.float_flags());
  compare("pc", a.pc().value, b.pc().value);
  compare("mode", a.mode(), b.mode());
  if (!with_memory) return out;
  const auto x = contents(a), y = contents(b);
  compare("bytes of memory", x.size(), y.size());
  if (x == y) return out;
  unsigned shown = 0;
  for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
    if (x[i] == y[i]) continue;
    if (++shown > 16) {
      out += "and more bytes of memory\n";
      break;
    }
    compare("byte at " + hex(i), x[i], y[i]);
  }
  return out;
}

}  // namespace ashlar::test
