// Guest memory through the interpreter: exact faults in the middle of blocks, atomics, reservations, other
// threads.
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "interp/mini_engine.hpp"
#include "ir/op_table.hpp"
#include "ir/semantics.hpp"

using namespace ashlar;
using namespace ashlar::test;
using interp::Outcome;
using ir::Opcode;
using ir::StopReason;
using ir::Value;

namespace {

const std::uint64_t kPage = FlatMemory::page_size();
constexpr Perm kRw = Perm::read | Perm::write;

std::shared_ptr<FlatMemory> make() {
  auto made = FlatMemory::create({64 * kPage});
  REQUIRE(made);
  auto memory = made.value();
  REQUIRE(memory->map({{kPage}, 4 * kPage}, kRw));
  REQUIRE(memory->map({{6 * kPage}, kPage}, Perm::read));
  REQUIRE(memory->map({{63 * kPage}, kPage}, kRw));
  return memory;
}

void poke(FlatMemory& memory, std::uint64_t at, std::uint64_t value) {
  REQUIRE(memory.write({at}, std::as_bytes(std::span(&value, 1))) == 8);
}
std::uint64_t peek(FlatMemory& memory, std::uint64_t at) {
  std::uint64_t value = 0;
  REQUIRE(memory.read({at}, std::as_writable_bytes(std::span(&value, 1))) == 8);
  return value;
}

/// Three guest instructions: r1 += 1; the access with base r0 (data r2, result r3, new value r4); r1 += 1.
void add_access(MiniEngine& engine, Opcode op, std::int32_t disp = 0) {
  BlockBuilder b;
  b.begin({{0x100}});
  b.guest_instruction({0x100}, 4);
  b.ri(Opcode::add64_i, slot(1), slot(1), 1);
  b.guest_instruction({0x104}, 4);
  b.ri(Opcode::add64_i, slot(5), slot(0), 0);
  const ir::Form form = ir::info(op).form;
  if (form == ir::Form::ld) b.load(op, slot(3), slot(0), disp);
  if (form == ir::Form::st) b.store(op, slot(0), disp, slot(2));
  if (form == ir::Form::amo) b.atomic(op, slot(3), slot(0), slot(2), Value::none(), 3);
  if (form == ir::Form::cas) b.atomic(op, slot(3), slot(0), slot(2), slot(4), 3);
  b.guest_instruction({0x108}, 4);
  b.ri(Opcode::add64_i, slot(1), slot(1), 1);
  b.guest_instruction({0x10c}, 4);
  b.stop(StopReason::guest_exit, {0x110});
  engine.add(b);
}

Outcome run_access(MiniEngine& engine, std::uint64_t base) {
  engine.set(0, base);
  engine.set(1, 0);
  engine.set(3, 0x5555);
  engine.vcpu->set_pc({0x100});
  return engine.run();
}

void check_fault(MiniEngine& engine, std::uint64_t base, FaultKind kind, AccessKind access,
                 std::uint64_t addr) {
  CAPTURE(base);
  REQUIRE(run_access(engine, base) == Outcome::fault);
  const Fault fault = engine.fault();
  CHECK(fault.kind == kind);
  CHECK(fault.access == access);
  CHECK(fault.addr.value == addr);
  CHECK(engine.vcpu->pc().value == 0x104);
  CHECK(engine[1] == 1);       // nothing behind the access was done,
  CHECK(engine[3] == 0x5555);  // nor the access,
  CHECK(engine[5] == base);    // but all before it
}

}  // namespace

TEST_CASE("loads extend and stores truncate, at any alignment") {
  auto memory = make();
  MiniEngine engine(16, memory.get());
  const std::uint64_t at = 2 * kPage - 3;  // crosses a page
  struct Case {
    Opcode op;
    std::uint64_t expected;
  };
  const std::uint64_t value = 0x8182838485868788;
  poke(*memory, at, value);
  for (const Case c :
       {Case{Opcode::ld8u, 0x88}, Case{Opcode::ld8s, 0xffffffffffffff88}, Case{Opcode::ld16u, 0x8788},
        Case{Opcode::ld16s, 0xffffffffffff8788}, Case{Opcode::ld32u, 0x85868788},
        Case{Opcode::ld32s, 0xffffffff85868788}, Case{Opcode::ld64, value},
        Case{Opcode::fld32, 0xffffffff85868788}, Case{Opcode::fld64, value}}) {
    CAPTURE(ir::info(c.op).name);
    add_access(engine, c.op, -77);
    REQUIRE(run_access(engine, at + 77) == Outcome::stop);
    CHECK(engine[3] == c.expected);
  }
  for (const Case c :
       {Case{Opcode::st8, 0xff}, Case{Opcode::st16, 0xffff}, Case{Opcode::st32, 0xffffffff},
        Case{Opcode::st64, ~0ull}, Case{Opcode::fst32, 0xffffffff}, Case{Opcode::fst64, ~0ull}}) {
    CAPTURE(ir::info(c.op).name);
    poke(*memory, at, value);
    add_access(engine, c.op, 2047);
    engine.set(2, 0x0102030405060708);
    REQUIRE(run_access(engine, at - 2047) == Outcome::stop);
    CHECK(peek(*memory, at) == ((value & ~c.expected) | (0x0102030405060708 & c.expected)));
  }
}

TEST_CASE("faults are exact: kind, access, first bad byte, guest instruction, state") {
  auto memory = make();
  MiniEngine engine(16, memory.get());
  add_access(engine, Opcode::ld64);
  check_fault(engine, 0, FaultKind::unmapped, AccessKind::load, 0);
  check_fault(engine, 5 * kPage - 3, FaultKind::unmapped, AccessKind::load, 5 * kPage);
  check_fault(engine, 64 * kPage - 3, FaultKind::unmapped, AccessKind::load, 64 * kPage);
  for (const std::uint64_t wild :
       {64 * kPage, memory->check_limit(), memory->check_limit() + 1, std::uint64_t{1} << 32,
        std::uint64_t{1} << 63, ~std::uint64_t{0}, ~std::uint64_t{0} - kPage}) {
    check_fault(engine, wild, FaultKind::unmapped, AccessKind::load, wild);
  }
  add_access(engine, Opcode::ld32u, -8);
  REQUIRE(run_access(engine, 4) == Outcome::fault);
  CHECK(engine.fault().addr.value == ~std::uint64_t{0} - 3);  // wraps, below the window
  add_access(engine, Opcode::st64);
  poke(*memory, 5 * kPage - 8, 0);
  engine.set(2, ~0ull);
  check_fault(engine, 5 * kPage - 3, FaultKind::unmapped, AccessKind::store, 5 * kPage);
  CHECK(peek(*memory, 5 * kPage - 8) == 0);  // no part of it was stored
  check_fault(engine, 6 * kPage + 16, FaultKind::protection, AccessKind::store, 6 * kPage + 16);
  REQUIRE(memory->protect({{6 * kPage}, kPage}, Perm::none));
  add_access(engine, Opcode::ld8u);
  check_fault(engine, 6 * kPage + 16, FaultKind::protection, AccessKind::load, 6 * kPage + 16);
  // And the vCPU stays usable.
  REQUIRE(run_access(engine, kPage) == Outcome::stop);
  CHECK(engine[1] == 2);
}

TEST_CASE("a fault costs the fuel of what was executed before it") {
  auto memory = make();
  MiniEngine engine(16, memory.get());
  engine.state.count_fuel = true;
  add_access(engine, Opcode::ld64);
  for (const std::uint64_t base : {std::uint64_t{0}, std::uint64_t{1} << 40}) {  // by the host, by the check
    for (std::int64_t fuel = 2; fuel < 7; ++fuel) {
      engine.fuel() = fuel;
      REQUIRE(run_access(engine, base) == Outcome::fault);
      CHECK(engine.fuel() == fuel - 1);
      CHECK(engine.vcpu->pc().value == 0x104);
      CHECK(engine[1] == 1);
    }
  }
  engine.fuel() = 1;
  CHECK(run_access(engine, 0) == Outcome::fuel);
}

TEST_CASE("without memory every access faults") {
  MiniEngine engine;
  for (const Opcode op : {Opcode::ld64, Opcode::st8, Opcode::swap32, Opcode::lr64, Opcode::sc64}) {
    add_access(engine, op);
    for (const std::uint64_t at :
         {std::uint64_t{0}, std::uint64_t{8}, kPage, ~std::uint64_t{0} & ~std::uint64_t{7}}) {
      if (op == Opcode::sc64 && at == 0) continue;  // without a reservation it touches nothing
      if (op == Opcode::sc64) continue;
      REQUIRE(run_access(engine, at) == Outcome::fault);
      CHECK(engine.fault().kind == FaultKind::unmapped);
      CHECK(engine.fault().addr.value == at);
    }
  }
}

TEST_CASE("a file that becomes shorter is a bus fault") {
  auto memory = make();
  MiniEngine engine(16, memory.get());
  const int fd = memfd_create("ashlar-test", 0);
  REQUIRE(ftruncate(fd, static_cast<off_t>(2 * kPage)) == 0);
  REQUIRE(memory->map_file({{20 * kPage}, 2 * kPage}, kRw, fd, 0, true));
  REQUIRE(ftruncate(fd, static_cast<off_t>(kPage)) == 0);
  add_access(engine, Opcode::ld64);
  check_fault(engine, 21 * kPage + 24, FaultKind::bus, AccessKind::load, 21 * kPage + 24);
  check_fault(engine, 21 * kPage - 4, FaultKind::bus, AccessKind::load, 21 * kPage);
  REQUIRE(run_access(engine, 21 * kPage - 8) == Outcome::stop);
  close(fd);
}

TEST_CASE("atomics: values, extension, alignment, permissions") {
  auto memory = make();
  MiniEngine engine(16, memory.get());
  const std::uint64_t values[] = {0,
                                  1,
                                  0x7fffffff,
                                  0x80000000,
                                  0xffffffff,
                                  0x8000000000000000,
                                  0x7fffffffffffffff,
                                  ~0ull,
                                  0x123456789abcdef0};
  int tested = 0;
  for (std::size_t i = 0; i < ir::kOpcodeCount; ++i) {
    const Opcode op = static_cast<Opcode>(i);
    const ir::Form form = ir::info(op).form;
    if (form != ir::Form::amo && form != ir::Form::cas) continue;
    ++tested;
    const std::string name = ir::info(op).name;
    CAPTURE(name);
    const bool narrow = name.ends_with("32");
    const std::uint64_t mask = narrow ? 0xffffffff : ~0ull;
    const auto extend = [&](std::uint64_t v) {
      return narrow ? static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(v))) : v;
    };
    add_access(engine, op);
    const AccessKind access = name.starts_with("lr") ? AccessKind::load : AccessKind::store;
    check_fault(engine, kPage + 2, FaultKind::misaligned, access, kPage + 2);
    if (!narrow) check_fault(engine, kPage + 4, FaultKind::misaligned, access, kPage + 4);
    if (!name.starts_with("sc")) check_fault(engine, 8, FaultKind::unmapped, access, 8);
    if (access == AccessKind::store && !name.starts_with("sc")) {
      check_fault(engine, 6 * kPage, FaultKind::protection, access, 6 * kPage);
    }
    for (const std::uint64_t old : values) {
      for (const std::uint64_t operand : values) {
        poke(*memory, kPage + 8, old);
        engine.set(2, operand);
        engine.set(4, 0x1111222233334444);
        REQUIRE(run_access(engine, kPage + 8) == Outcome::stop);
        std::uint64_t stored = old;
        std::uint64_t result = extend(old);
        if (ir::semantics::is_rmw(op)) stored = ir::semantics::rmw(op, extend(old), operand);
        if (form == ir::Form::cas && ((old ^ operand) & mask) == 0) stored = 0x1111222233334444;
        if (name.starts_with("sc")) result = 1;
        REQUIRE(peek(*memory, kPage + 8) == ((old & ~mask) | (stored & mask)));
        REQUIRE(engine[3] == result);
      }
    }
  }
  CHECK(tested == 24);
}

namespace {

/// lr (op 0) and sc (op 1) at r0 as two one-instruction blocks, results in r3; data r2.
struct Reserver : MiniEngine {
  explicit Reserver(FlatMemory* memory) : MiniEngine(16, memory) {
    const Opcode ops[] = {Opcode::lr64, Opcode::sc64, Opcode::lr32, Opcode::sc32};
    for (unsigned i = 0; i < 4; ++i) {
      BlockBuilder b;
      b.begin(BlockKey::from_id(i));
      b.atomic(ops[i], slot(3), slot(0), i % 2 == 1 ? slot(2) : Value::none(), Value::none(), 0);
      b.stop(StopReason::guest_exit, {9});
      add(b);
    }
  }
  std::uint64_t go(unsigned block, std::uint64_t at, std::uint64_t data = 0) {
    set(0, at);
    set(2, data);
    vcpu->set_pc({block});
    REQUIRE(step() == Outcome::stop);
    return (*this)[3];
  }
  std::uint64_t lr(std::uint64_t at) { return go(0, at); }
  bool sc(std::uint64_t at, std::uint64_t data) { return go(1, at, data) == 0; }
};

}  // namespace

TEST_CASE("reservations: what breaks them and what does not") {
  auto memory = make();
  Reserver a(memory.get()), b(memory.get());
  const std::uint64_t at = kPage + 64, near = at + 8, far = 3 * kPage;
  poke(*memory, at, 5);
  CHECK_FALSE(a.sc(at, 6));  // none
  CHECK(a.lr(at) == 5);
  CHECK(a.sc(at, 6));
  CHECK(peek(*memory, at) == 6);
  CHECK_FALSE(a.sc(at, 7));  // spent
  CHECK(a.lr(at) == 6);
  CHECK_FALSE(a.sc(near, 7));  // another address
  CHECK_FALSE(a.sc(at, 7));    // which spent it too
  CHECK(a.lr(at) == 6);
  CHECK(a.lr(far) == 0);
  CHECK_FALSE(a.sc(at, 7));  // a later reservation elsewhere replaces it
  CHECK(a.lr(at) == 6);
  poke(*memory, at, 8);
  CHECK_FALSE(a.sc(at, 7));  // the value changed
  CHECK(a.lr(at) == 8);
  a.vcpu->clear_reservation();
  CHECK_FALSE(a.sc(at, 7));
  // Another vCPU's pair changes the value and changes it back: A-B-A, which compare-exchange alone would not
  // see.
  CHECK(a.lr(at) == 8);
  CHECK(b.lr(at) == 8);
  CHECK(b.sc(at, 9));
  CHECK(b.lr(at) == 9);
  CHECK(b.sc(at, 8));
  CHECK(peek(*memory, at) == 8);
  CHECK_FALSE(a.sc(at, 7));
  // A store-conditional that fails changes nothing, for others either.
  CHECK(a.lr(at) == 8);
  CHECK_FALSE(b.sc(at, 1));
  CHECK(a.sc(at, 10));
  // 32 bits: sign-extended, and the upper half stays.
  poke(*memory, at, 0x1234567880000000);
  CHECK(a.go(2, at) == 0xffffffff80000000);
  CHECK(a.go(3, at, 0xaaaaaaaa00000001) == 0);
  CHECK(peek(*memory, at) == 0x1234567800000001);
}

TEST_CASE("a store-conditional that faults holds nothing locked") {
  auto memory = make();
  Reserver a(memory.get()), b(memory.get());
  const std::uint64_t at = 2 * kPage;
  CHECK(a.lr(at) == 0);
  REQUIRE(memory->protect({{at}, kPage}, Perm::read));
  a.set(0, at);
  a.vcpu->set_pc({1});
  REQUIRE(a.step() == Outcome::fault);
  CHECK(a.fault().kind == FaultKind::protection);
  CHECK(a.fault().access == AccessKind::store);
  REQUIRE(memory->protect({{at}, kPage}, kRw));
  CHECK(b.lr(at) == 0);
  CHECK(b.sc(at, 1));
  CHECK_FALSE(a.sc(at, 2));
}

TEST_CASE("many threads count with LR/SC, AMOs and CAS without losing any") {
  auto memory = make();
  constexpr int kThreads = 4;
  constexpr std::uint64_t kCount = 20000;
  std::vector<std::thread> threads;
  std::atomic<int> bad{0};
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      MiniEngine engine(16, memory.get());
      BlockBuilder b;
      b.begin({{0x100}});
      b.atomic(Opcode::lr64, slot(3), slot(0), Value::none(), Value::none(), 0);
      b.ri(Opcode::add64_i, slot(3), slot(3), 1);
      b.atomic(Opcode::sc64, slot(4), slot(0), slot(3), Value::none(), 0);
      b.exit_if(Opcode::exit_ne_i, slot(4), 0, {0x100});
      b.ri(Opcode::add64_i, slot(5), slot(0), 8);
      b.const64(slot(6), 1);
      b.atomic(Opcode::fetch_add32, slot(3), slot(5), slot(6), Value::none(), 0);
      b.ri(Opcode::add64_i, slot(5), slot(0), 16);
      b.jump({0x200});
      engine.add(b);
      b.begin({{0x200}});
      b.load(Opcode::ld64, slot(7), slot(5), 0);
      b.ri(Opcode::add64_i, slot(8), slot(7), 1);
      b.atomic(Opcode::cas64, slot(9), slot(5), slot(7), slot(8), 0);
      b.exit_if(Opcode::exit_ne, slot(9), slot(7), {0x200});
      b.ri(Opcode::add64_i, slot(1), slot(1), -1);
      b.branch(Opcode::br_ne_i, slot(1), 0, {0x100}, {0x300});
      engine.add(b);
      engine.set(0, kPage);
      engine.set(1, kCount);
      engine.vcpu->set_pc({0x100});
      if (engine.run() != Outcome::lookup || engine.vcpu->pc().value != 0x300) ++bad;
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(bad == 0);
  CHECK(peek(*memory, kPage) == kThreads * kCount);
  CHECK((peek(*memory, kPage + 8) & 0xffffffff) == kThreads * kCount);
  CHECK(peek(*memory, kPage + 16) == kThreads * kCount);
}

TEST_CASE("a lock-free stack on LR/SC keeps its nodes: the A-B-A test") {
  // head at kPage; node n at kPage + 64 * n holds the next node's address. Threads pop two nodes and push
  // them in the other order, which loses or doubles nodes at once if a pop's store-conditional succeeds
  // against a head that went and came back.
  auto memory = make();
  constexpr std::uint64_t kNodes = 4;
  const std::uint64_t head = kPage;
  for (std::uint64_t n = 0; n < kNodes; ++n)
    poke(*memory, kPage + 64 * (n + 1), n + 1 < kNodes ? kPage + 64 * (n + 2) : 0);
  poke(*memory, head, kPage + 64);
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      MiniEngine engine(16, memory.get());
      BlockBuilder b;
      const auto pop = [&](std::uint64_t at, unsigned into, std::uint64_t next, std::uint64_t empty) {
        b.begin({{at}});
        b.atomic(Opcode::lr64, slot(into), slot(0), Value::none(), Value::none(), 0);
        b.exit_if(Opcode::exit_eq_i, slot(into), 0, {empty});
        b.load(Opcode::ld64, slot(4), slot(into), 0);
        b.atomic(Opcode::sc64, slot(5), slot(0), slot(4), Value::none(), 0);
        b.branch(Opcode::br_ne_i, slot(5), 0, {at}, {next});
        engine.add(b);
      };
      const auto push = [&](std::uint64_t at, unsigned from, std::uint64_t next) {
        b.begin({{at}});
        b.atomic(Opcode::lr64, slot(4), slot(0), Value::none(), Value::none(), 0);
        b.store(Opcode::st64, slot(from), 0, slot(4));
        b.atomic(Opcode::sc64, slot(5), slot(0), slot(from), Value::none(), 0);
        b.branch(Opcode::br_ne_i, slot(5), 0, {at}, {next});
        engine.add(b);
      };
      pop(0x100, 2, 0x200, 0x500);
      pop(0x200, 3, 0x300, 0x400);
      push(0x300, 3, 0x400);  // the second popped first
      push(0x400, 2, 0x500);
      b.begin({{0x500}});
      b.ri(Opcode::add64_i, slot(1), slot(1), -1);
      b.branch(Opcode::br_ne_i, slot(1), 0, {0x100}, {0x600});
      engine.add(b);
      engine.set(0, head);
      engine.set(1, 30000);
      engine.vcpu->set_pc({0x100});
      engine.run();
    });
  }
  for (auto& thread : threads) thread.join();
  std::array<int, kNodes> seen{};
  std::uint64_t node = peek(*memory, head);
  for (std::uint64_t steps = 0; node != 0 && steps <= kNodes; ++steps) {
    const std::uint64_t n = (node - kPage) / 64 - 1;
    REQUIRE(n < kNodes);
    ++seen[n];
    node = peek(*memory, node);
  }
  CHECK(node == 0);
  for (const int count : seen) CHECK(count == 1);
}

TEST_CASE("pages taken and given by another thread are faults or not, never crashes") {
  auto memory = make();
  MiniEngine engine(16, memory.get());
  BlockBuilder b;
  b.begin({{0x100}});
  b.guest_instruction({0x100}, 4);
  b.load(Opcode::ld64, slot(3), slot(0), 0);
  b.guest_instruction({0x104}, 4);
  b.store(Opcode::st64, slot(0), 8, slot(3));
  b.guest_instruction({0x108}, 4);
  b.jump({0x100});
  engine.add(b);
  engine.set(0, 2 * kPage);
  std::atomic<bool> stop{false};
  std::thread mapper([&] {
    for (int i = 0; i < 2000; ++i) {
      REQUIRE(memory->unmap({{2 * kPage}, kPage}));
      REQUIRE(memory->map({{2 * kPage}, kPage}, kRw));
      REQUIRE(memory->protect({{2 * kPage}, kPage}, Perm::read));
      REQUIRE(memory->protect({{2 * kPage}, kPage}, kRw));
    }
    stop = true;
    engine.vcpu->request_halt();
  });
  engine.vcpu->set_pc({0x100});
  while (!stop) {
    const Outcome outcome = engine.run();
    if (outcome == Outcome::attention) break;
    REQUIRE(outcome == Outcome::fault);
    const Fault fault = engine.fault();
    const bool load = engine.vcpu->pc().value == 0x100;
    REQUIRE(fault.access == (load ? AccessKind::load : AccessKind::store));
    REQUIRE(fault.addr.value == 2 * kPage + (load ? 0 : 8));
    engine.vcpu->set_pc({0x100});
  }
  mapper.join();
}

namespace {

FlatMemory* helper_memory = nullptr;
std::uint64_t reading_helper(Vcpu&, std::uint64_t at, std::uint64_t, std::uint64_t) noexcept {
  std::byte buffer[16];
  return helper_memory->read({at}, buffer);
}

}  // namespace

TEST_CASE(
    "a helper may read guest memory, also where there is none, and faults are caught again afterwards") {
  auto memory = make();
  helper_memory = memory.get();
  MiniEngine engine(16, memory.get(), {{"read", reading_helper}});
  BlockBuilder b;
  b.begin({{0x100}});
  b.guest_instruction({0x100}, 4);
  b.call_helper(slot(3), 0, slot(0));
  b.guest_instruction({0x104}, 4);
  b.load(Opcode::ld64, slot(4), slot(0), 0);
  b.guest_instruction({0x108}, 4);
  b.stop(StopReason::guest_exit, {0});
  engine.add(b);
  engine.vcpu->set_pc({0x100});
  engine.set(0, kPage);
  CHECK(engine.run() == Outcome::stop);
  CHECK(engine[3] == 16);
  engine.set(0, 5 * kPage - 4);
  engine.vcpu->set_pc({0x100});
  CHECK(engine.run() == Outcome::fault);
  CHECK(engine[3] == 4);
  CHECK(engine.vcpu->pc().value == 0x104);
  CHECK(engine.fault().addr.value == 5 * kPage);
}
