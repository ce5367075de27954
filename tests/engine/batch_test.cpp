// execute_blocks against as many calls of execute_block: the same results and the same state, whatever
// happens in the middle. ASHLAR_SEED=n repeats a run with another seed.
#include <doctest/doctest.h>

#include <cstdlib>
#include <vector>

#include "engine/toy_guest.hpp"
#include "support/counted.hpp"
#include "support/rng.hpp"

namespace ashlar::test {
namespace {

std::uint64_t seed() {
  const char* given = std::getenv("ASHLAR_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 0) : 20250611;
}

constexpr std::uint64_t kStride = 0x20;
constexpr unsigned kPlain = 90, kSpecial = 30;

std::uint64_t ask_to_halt(Vcpu& cpu, std::uint64_t, std::uint64_t, std::uint64_t) noexcept {
  cpu.request_halt();
  return 1;
}
std::uint64_t ask_to_leave(Vcpu& cpu, std::uint64_t, std::uint64_t, std::uint64_t) noexcept {
  cpu.request_attention(kAttendExit);
  return 2;
}
/// Other code where the first block was, and where one is that often comes next.
std::uint64_t rewrite(Vcpu& cpu, std::uint64_t x0, std::uint64_t, std::uint64_t) noexcept {
  auto& memory = static_cast<FlatMemory&>(*cpu.memory());
  const std::uint32_t word = toy(Toy::add, static_cast<std::int32_t>(x0 % 1000) + 1);
  for (const unsigned block : {0u, 1u})
    memory.write({kToyCode + block * kStride}, std::as_bytes(std::span(&word, 1)));
  return 3;
}

struct BatchMachine : ToyMachine {
  BatchMachine() : ToyMachine({{"halt", ask_to_halt}, {"leave", ask_to_leave}, {"rewrite", rewrite}}) {
    for (unsigned i = 0; i < kPlain + kSpecial; ++i) write_block(i);
  }
  static BlockKey key(unsigned block, std::uint64_t mode) { return {{kToyCode + block * kStride}, mode}; }
  void write_block(unsigned i) {
    const std::uint64_t at = kToyCode + i * kStride;
    const auto n = static_cast<std::int32_t>(i);
    if (i >= kPlain) {
      switch (i % 10) {
        case 0:
          return code({toy(Toy::add, n), toy(Toy::helper, 0), toy(Toy::add, 1), toy(Toy::jump, 1)}, at);
        case 1:
          return code({toy(Toy::add, n), toy(Toy::helper, 1), toy(Toy::add, 1), toy(Toy::jump, 1)}, at);
        case 2:
          return code({toy(Toy::add, n), toy(Toy::helper, 2), toy(Toy::add, 1), toy(Toy::jump, 1)}, at);
        case 3:
          return code({toy(Toy::add, n), toy(Toy::fence)}, at);
        case 4:
          return code({toy(Toy::add, n), toy(Toy::call)}, at);
        case 5:
          return code({toy(Toy::add, n), toy(Toy::illegal)}, at);
        case 6:
          return code({toy(Toy::add, n), toy(Toy::load, 0x60000), toy(Toy::jump, 1)}, at);
        case 7:
          return code({toy(Toy::third), toy(Toy::store, 0x1000), toy(Toy::jump, 1)}, at);
        case 8:
          return code({toy(Toy::third), toy(Toy::helper, 0), toy(Toy::call)}, at);
        default:
          return code({toy(Toy::third), toy(Toy::flags), toy(Toy::helper, 2), toy(Toy::jump, 1)}, at);
      }
    }
    switch (i % 7) {
      case 2:
        return code({toy(Toy::add, n), toy(Toy::jump_x4, n)}, at);
      case 3:
        return code({toy(Toy::add, n), toy(Toy::loop, 5)}, at);
      case 4:
        return code({toy(Toy::third), toy(Toy::flags), toy(Toy::add, 1), toy(Toy::jump, -3)}, at);
      case 5:
        return code({toy(Toy::add, n), toy(Toy::mode, n % 2)}, at);
      case 6:
        return code({toy(Toy::store, n % 8 * 8), toy(Toy::load, n % 4 * 8), toy(Toy::jump, 4)}, at);
      default:
        return code({toy(Toy::add, n), toy(Toy::jump, 6)}, at);
    }
  }
  static void start(Vcpu& cpu, Rng& rng) {
    cpu.set_slot(1, rng.next());
    cpu.set_slot(2, kToyData);
    cpu.set_slot(3, 1 + rng.below(3));
    cpu.set_slot(4, kToyCode + rng.below(100) * 4);
    cpu.set_slot(ToyFrontend::kF0 + 1, 0x3ff0'0000'0000'0000 + rng.below(16));
    cpu.set_slot(ToyFrontend::kF0 + 2, rng.percent(20) ? 0 : 0x4008'0000'0000'0000);
    cpu.set_float_flags(0);
  }
};

void check_same(const ExecutionResult& batch, const ExecutionResult& single, bool hits_too) {
  CHECK(batch.reason == single.reason);
  CHECK(batch.tier == single.tier);
  CHECK(batch.next == single.next);
  CHECK(batch.detail == single.detail);
  CHECK(batch.fault.kind == single.fault.kind);
  CHECK(batch.fault.addr == single.fault.addr);
  CHECK(batch.instructions == single.instructions);
  if (hits_too) CHECK(batch.cache_hit == single.cache_hit);
}

/// Random batches of blocks, most of them known, with something special in the middle of some.
void compare(TierPreference preference) {
  BatchMachine together, alone;
  HybridConfig config;
  config.preference = preference;
  HybridExecutor batches(*together.context, config), singles(*alone.context, config);
  auto a = together.vcpu(), b = alone.vcpu();
  const std::uint64_t base = seed();
  MESSAGE("seed " << base);
  Rng rng(base), state_a(base + 1), state_b(base + 1);
  std::vector<BlockKey> keys;
  std::vector<ExecutionResult> results;
  std::size_t known = 0, special = 0;
  for (int round = 0; round < 600; ++round) {
    CAPTURE(round);
    keys.resize(1 + rng.below(rng.percent(20) ? 200 : 20));
    results.assign(keys.size(), {});
    const unsigned mode_percent = rng.percent(30) ? 30 : 0;
    const unsigned special_percent = rng.percent(50) ? 3 : 0;
    for (BlockKey& key : keys) {
      const unsigned block = rng.percent(special_percent) ? kPlain + rng.below(kSpecial)
                                                          : rng.below(rng.percent(10) ? 2 : kPlain);
      key = BatchMachine::key(block, rng.percent(mode_percent) ? 1 : 0);
    }
    BatchMachine::start(*a, state_a);
    BatchMachine::start(*b, state_b);
    const StatsSnapshot before_a = together.context->stats(), before_b = alone.context->stats();
    const std::size_t done = batches.execute_blocks(*a, keys, results);
    std::vector<ExecutionResult> expected;
    for (const BlockKey& key : keys) {
      expected.push_back(singles.execute_block(*b, key));
      if (expected.back().reason != ExitReason::block_done) break;
    }
    REQUIRE(done == expected.size());
    const StatsSnapshot since_a = together.context->stats().since(before_a);
    const StatsSnapshot since_b = alone.context->stats().since(before_b);
    const bool nothing_new = kCounting && since_a[Stat::blocks_compiled] == 0 &&
                             since_b[Stat::blocks_compiled] == 0 && since_a[Stat::blocks_translated] == 0 &&
                             since_b[Stat::blocks_translated] == 0;
    for (std::size_t i = 0; i < done; ++i) {
      CAPTURE(i);
      check_same(results[i], expected[i], nothing_new);
    }
    if (nothing_new) {
      ++known;
      CHECK_COUNTED(since_a[Stat::jit_entries] == since_b[Stat::jit_entries]);
      CHECK_COUNTED(since_a[Stat::memory_faults] == since_b[Stat::memory_faults]);
      CHECK_COUNTED(since_a[Stat::runs] == 1);
    }
    special += expected.back().reason != ExitReason::block_done;
    CHECK(a->key() == b->key());
    CHECK(a->float_flags() == b->float_flags());
    for (unsigned slot = 0; slot < ToyFrontend::kF0 + 3; ++slot) {
      CAPTURE(slot);
      CHECK(a->slot(slot) == b->slot(slot));
    }
    // A request that the batch has left belongs to the next call.
    CHECK(a->frame().hot.attention.load() == b->frame().hot.attention.load());
  }
  CHECK_COUNTED(known > 100);
  CHECK(special > 50);
}

}  // namespace

TEST_CASE("a batch does what as many single calls do") {
  compare(TierPreference::jit);
  compare(TierPreference::balanced);
  compare(TierPreference::interpreter);
}

TEST_CASE("a batch stops at a block that another one has changed, and executes what is there now") {
  BatchMachine m;
  JitExecutor jit(*m.context);
  auto cpu = m.vcpu();
  const unsigned rewriting = kPlain + 2;
  const BlockKey keys[] = {m.key(0, 0), m.key(7, 0), m.key(rewriting, 0), m.key(0, 0), m.key(7, 0)};
  ExecutionResult results[5];
  for (int round = 0; round < 4; ++round) {
    cpu->set_slot(0, 100);
    const std::uint64_t first = round == 0 ? 0 : 300;  // what the round before has put there
    m.code({toy(Toy::add, static_cast<std::int32_t>(first))}, kToyCode);
    CHECK(jit.execute_blocks(*cpu, keys, results) == 5);
    for (const ExecutionResult& result : results) CHECK(result.reason == ExitReason::block_done);
    const std::uint64_t at_helper = 100 + first + 7 + rewriting;
    CHECK(cpu->slot(0) == at_helper + 1 + at_helper % 1000 + 1 + 7);
  }
}

TEST_CASE("a halt that was asked for before a batch ends it before its first block") {
  BatchMachine m;
  JitExecutor jit(*m.context);
  auto cpu = m.vcpu();
  const BlockKey keys[] = {m.key(0, 0), m.key(7, 0)};
  ExecutionResult results[2];
  CHECK(jit.execute_blocks(*cpu, keys, results) == 2);
  CHECK(jit.execute_blocks(*cpu, keys, results) == 2);
  const std::uint64_t sum = cpu->slot(0);
  cpu->request_halt();
  CHECK(jit.execute_blocks(*cpu, keys, results) == 1);
  CHECK(results[0].reason == ExitReason::halted);
  CHECK(results[0].next == keys[0]);
  CHECK(cpu->slot(0) == sum);
  CHECK(jit.execute_blocks(*cpu, keys, results) == 2);
  CHECK(cpu->slot(0) == sum + 7);
}

}  // namespace ashlar::test
