// The short way of the x64 assembler gives asmjit's bytes: every form that it knows, with every register in
// every place, displacements and immediates around their limits, labels near and far.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "host/x64/assembler.hpp"

namespace {

namespace x86 = asmjit::x86;
namespace I = asmjit::x86::Inst;
using asmjit::Imm;

/// Two assemblers that are told the same.
class Two {
 public:
  Two() {
    for (asmjit::CodeHolder* holder : {&a_holder_, &b_holder_})
      holder->init(asmjit::Environment(asmjit::Arch::kX64));
    a_holder_.attach(&a_);
    b_holder_.attach(&b_);
    b_.restart();
  }
  /// `write` gets an assembler; asmjit's first.
  template <typename Write>
  void both(const Write& write) {
    both(write, write);
  }
  /// What asmjit is told, and what the other is told, which has a way of its own to say it.
  template <typename Theirs, typename Ours>
  void both(const Theirs& theirs, const Ours& ours) {
    const std::size_t from_a = a_.offset(), from_b = b_.offset();
    theirs(a_);
    ours(b_);
    compare(from_a, from_b);
  }
  void compare(std::size_t from_a, std::size_t from_b) {
    const std::vector<std::uint8_t> ours(b_.bufferData() + from_b, b_.bufferData() + b_.offset());
    const std::vector<std::uint8_t> theirs(a_.bufferData() + from_a, a_.bufferData() + a_.offset());
    if (ours != theirs) {
      const auto hex = [](const std::vector<std::uint8_t>& bytes) {
        static constexpr char kDigits[] = "0123456789abcdef";
        std::string text;
        for (const std::uint8_t byte : bytes) text += {' ', kDigits[byte >> 4], kDigits[byte & 15]};
        return text;
      };
      FAIL("ours", hex(ours), ", asmjit's", hex(theirs), ", number ", compared);
    }
    ++compared;
  }
  unsigned compared = 0;

 private:
  asmjit::CodeHolder a_holder_, b_holder_;
  x86::Assembler a_;
  ashlar::host_x64::Assembler b_;
};

std::vector<x86::Mem> memories(std::uint32_t size) {
  std::vector<x86::Mem> all;
  for (unsigned base = 0; base < 16; ++base) {
    for (const int disp : {0, 1, -1, 127, 128, -128, -129, 100000, -100000})
      all.push_back(x86::Mem(x86::gpq(base), disp, size));
    for (unsigned index = 0; index < 16; ++index) {
      if (index == 4) continue;
      for (const int disp : {0, 8, -1000})
        for (unsigned shift = 0; shift < 4; ++shift)
          all.push_back(x86::Mem(x86::gpq(base), x86::gpq(index), shift, disp, size));
    }
  }
  return all;
}

constexpr std::int64_t kImmediates[] = {
    0, 1, -1, 127, 128, -128, -129, 0x7fffffff, -0x80000000ll, 0x80000000ll, 0xffffffffll};

TEST_CASE("register forms have asmjit's bytes") {
  Two two;
  for (unsigned i = 0; i < 16; ++i) {
    for (unsigned j = 0; j < 16; ++j) {
      for (const bool wide : {false, true}) {
        const x86::Gp to = wide ? x86::Gp(x86::gpq(i)) : x86::Gp(x86::gpd(i));
        const x86::Gp from = wide ? x86::Gp(x86::gpq(j)) : x86::Gp(x86::gpd(j));
        two.both([&](auto& as) { as.add(to, from); });
        two.both([&](auto& as) { as.or_(to, from); });
        two.both([&](auto& as) { as.and_(to, from); });
        two.both([&](auto& as) { as.sub(to, from); });
        two.both([&](auto& as) { as.xor_(to, from); });
        two.both([&](auto& as) { as.cmp(to, from); });
        two.both([&](auto& as) { as.mov(to, from); });
        two.both([&](auto& as) { as.test(to, from); });
        two.both([&](auto& as) { as.imul(to, from); });
        for (const x86::Gp& narrow : {x86::Gp(x86::gpb_lo(j)), x86::Gp(x86::gpw(j))}) {
          two.both([&](auto& as) { as.movzx(to, narrow); });
          two.both([&](auto& as) { as.movsx(to, narrow); });
        }
      }
      two.both([&](auto& as) { as.movsxd(x86::gpq(i), x86::gpd(j)); });
      two.both([&](auto& as) { as.movaps(x86::xmm(i), x86::xmm(j)); });
    }
    for (const x86::Gp& r : {x86::Gp(x86::gpq(i)), x86::Gp(x86::gpd(i))}) {
      for (const std::int64_t imm : kImmediates) {
        // asmjit refuses what is not a 32-bit number, signed or not, for 32-bit registers.
        two.both([&](auto& as) { as.add(r, Imm(imm)); });
        two.both([&](auto& as) { as.or_(r, Imm(imm)); });
        two.both([&](auto& as) { as.and_(r, Imm(imm)); });
        two.both([&](auto& as) { as.sub(r, Imm(imm)); });
        two.both([&](auto& as) { as.xor_(r, Imm(imm)); });
        two.both([&](auto& as) { as.cmp(r, Imm(imm)); });
        two.both([&](auto& as) { as.mov(r, Imm(imm)); });
      }
      for (const std::int64_t imm : {0x123456789abcdef0ll, 0x100000000ll, -0x80000001ll})
        two.both([&](auto& as) { as.mov(r.r64(), Imm(imm)); });
      for (const int count : {1, 2, 31, 63}) {
        two.both([&](auto& as) { as.shl(r, Imm(count)); });
        two.both([&](auto& as) { as.shr(r, Imm(count)); });
        two.both([&](auto& as) { as.sar(r, Imm(count)); });
      }
    }
  }
  CHECK(two.compared > 10000);
}

TEST_CASE("shifts and rotations have asmjit's bytes") {
  using ashlar::host_x64::Shift;
  asmjit::CodeHolder a_holder, b_holder;
  a_holder.init(asmjit::Environment(asmjit::Arch::kX64));
  b_holder.init(asmjit::Environment(asmjit::Arch::kX64));
  x86::Assembler a(&a_holder);
  ashlar::host_x64::Assembler b;
  b_holder.attach(&b);
  b.restart();
  const std::pair<Shift, asmjit::InstId> all[] = {{Shift::rol, I::kIdRol},
                                                  {Shift::ror, I::kIdRor},
                                                  {Shift::shl, I::kIdShl},
                                                  {Shift::shr, I::kIdShr},
                                                  {Shift::sar, I::kIdSar}};
  for (const auto& [op, id] : all)
    for (unsigned i = 0; i < 16; ++i)
      for (const x86::Gp& r : {x86::Gp(x86::gpq(i)), x86::Gp(x86::gpd(i))}) {
        a.emit(id, r, x86::cl);
        b.shift(op, r);
        for (const int count : {1, 2, 31}) {
          a.emit(id, r, Imm(count));
          b.shift(op, r, Imm(count));
        }
      }
  REQUIRE(a.offset() == b.offset());
  CHECK(std::equal(a.bufferData(), a.bufferData() + a.offset(), b.bufferData()));
}

TEST_CASE("memory forms have asmjit's bytes") {
  Two two;
  for (const unsigned r : {0u, 3u, 4u, 5u, 7u, 8u, 12u, 13u, 15u}) {
    for (const std::uint32_t size : {4u, 8u}) {
      const x86::Gp reg = size == 8 ? x86::Gp(x86::gpq(r)) : x86::Gp(x86::gpd(r));
      for (const x86::Mem& mem : memories(size)) {
        two.both([&](auto& as) { as.mov(reg, mem); });
        two.both([&](auto& as) { as.mov(mem, reg); });
        two.both([&](auto& as) { as.add(reg, mem); });
        two.both([&](auto& as) { as.cmp(reg, mem); });
        two.both([&](auto& as) { as.xor_(mem, reg); });
        two.both([&](auto& as) { as.cmp(mem, reg); });
        two.both([&](auto& as) { as.imul(reg, mem); });
        two.both([&](auto& as) { as.lea(reg, mem); });
      }
    }
    for (const x86::Mem& mem : memories(4)) {
      two.both([&](auto& as) { as.movsxd(x86::gpq(r), mem); });
      two.both([&](auto& as) { as.movss(x86::xmm(r), mem); });
      two.both([&](auto& as) { as.movss(mem, x86::xmm(r)); });
    }
    for (const x86::Mem& mem : memories(8)) {
      two.both([&](auto& as) { as.movsd(x86::xmm(r), mem); });
      two.both([&](auto& as) { as.movsd(mem, x86::xmm(r)); });
    }
    for (const x86::Mem& mem : memories(1)) {
      two.both([&](auto& as) { as.movzx(x86::gpd(r), mem); });
      two.both([&](auto& as) { as.movsx(x86::gpq(r), mem); });
      two.both([&](auto& as) { as.mov(mem, x86::gpb_lo(r)); });
    }
    for (const x86::Mem& mem : memories(2)) {
      two.both([&](auto& as) { as.movsx(x86::gpq(r), mem); });
      two.both([&](auto& as) { as.mov(mem, x86::gpw(r)); });
    }
  }
  for (const std::uint32_t size : {4u, 8u})
    for (const x86::Mem& mem : memories(size))
      for (const std::int64_t imm : {0, 5, 500, -500}) {
        two.both([&](auto& as) { as.cmp(mem, Imm(imm)); });
        two.both([&](auto& as) { as.mov(mem, Imm(imm)); });
      }
  for (const x86::Mem& mem : memories(8)) {
    two.both([&](auto& as) { as.jmp(mem); });
    two.both([&](auto& as) { as.call(mem); });
  }
  CHECK(two.compared > 10000);
}

TEST_CASE("the frame's memory has asmjit's bytes") {
  using ashlar::host_x64::FrameMem;
  Two two;
  for (const int disp : {0, 1, -1, 127, 128, -128, -129, 100000, -100000}) {
    for (unsigned r = 0; r < 16; ++r) {
      for (const std::uint32_t size : {4u, 8u}) {
        const x86::Gp reg = size == 8 ? x86::Gp(x86::gpq(r)) : x86::Gp(x86::gpd(r));
        const FrameMem frame{disp, size};
        const x86::Mem mem(x86::rbp, disp, size);
        two.both([&](auto& as) { as.mov(reg, mem); }, [&](auto& as) { as.mov(reg, frame); });
        two.both([&](auto& as) { as.mov(mem, reg); }, [&](auto& as) { as.mov(frame, reg); });
        two.both([&](auto& as) { as.add(reg, mem); }, [&](auto& as) { as.add(reg, frame); });
        two.both([&](auto& as) { as.cmp(mem, reg); }, [&](auto& as) { as.cmp(frame, reg); });
      }
      const FrameMem byte{disp, 1}, frame{disp, 8};
      two.both([&](auto& as) { as.cmp(x86::Mem(byte), x86::gpb_lo(r)); },
               [&](auto& as) { as.cmp(byte, x86::gpb_lo(r)); });
      two.both([&](auto& as) { as.movsd(x86::xmm(r), x86::Mem(frame)); },
               [&](auto& as) { as.movsd(x86::xmm(r), frame); });
      two.both([&](auto& as) { as.movsd(x86::Mem(frame), x86::xmm(r)); },
               [&](auto& as) { as.movsd(frame, x86::xmm(r)); });
    }
    for (const std::uint32_t size : {4u, 8u})
      for (const std::int64_t imm : {0, 5, 127, 128, -128, 500, -500}) {
        const FrameMem frame{disp, size};
        two.both([&](auto& as) { as.sub(x86::Mem(frame), Imm(imm)); },
                 [&](auto& as) { as.sub(frame, Imm(imm)); });
        two.both([&](auto& as) { as.mov(x86::Mem(frame), Imm(imm)); },
                 [&](auto& as) { as.mov(frame, Imm(imm)); });
      }
    const FrameMem entry{disp, 8};
    two.both([&](auto& as) { as.call(x86::Mem(entry)); }, [&](auto& as) { as.call(entry); });
    two.both([&](auto& as) { as.jmp(x86::Mem(entry)); }, [&](auto& as) { as.jmp(entry); });
  }
  CHECK(two.compared > 1500);
}

TEST_CASE("loads and stores of guest memory have asmjit's bytes") {
  using ashlar::host_x64::GuestMem;
  Two two;
  for (unsigned index = 0; index < 16; ++index) {
    if (index == 4) continue;
    for (const int disp : {0, 1, -1, 127, 128, -128, -129, 30000}) {
      const auto at = [&](std::uint32_t size) { return GuestMem{index, disp, size}; };
      for (unsigned r = 0; r < 16; ++r) {
        const x86::Gp to64 = x86::gpq(r), to32 = x86::gpd(r);
        const auto load = [&](std::uint32_t size, bool is_signed, const auto& theirs) {
          two.both(theirs, [&](auto& as) { as.load(r, at(size), is_signed); });
        };
        const x86::Mem mem8 = at(8), mem4 = at(4), mem2 = at(2), mem1 = at(1);
        for (const bool is_signed : {false, true}) load(8, is_signed, [&](auto& as) { as.mov(to64, mem8); });
        load(4, false, [&](auto& as) { as.mov(to32, mem4); });
        load(4, true, [&](auto& as) { as.movsxd(to64, mem4); });
        load(2, false, [&](auto& as) { as.movzx(to32, mem2); });
        load(2, true, [&](auto& as) { as.movsx(to64, mem2); });
        load(1, false, [&](auto& as) { as.movzx(to32, mem1); });
        load(1, true, [&](auto& as) { as.movsx(to64, mem1); });
        two.both([&](auto& as) { as.mov(mem8, to64); }, [&](auto& as) { as.store(at(8), r); });
        two.both([&](auto& as) { as.mov(mem4, to32); }, [&](auto& as) { as.store(at(4), r); });
        two.both([&](auto& as) { as.mov(mem2, x86::gpw(r)); }, [&](auto& as) { as.store(at(2), r); });
        two.both([&](auto& as) { as.mov(mem1, x86::gpb_lo(r)); }, [&](auto& as) { as.store(at(1), r); });
      }
    }
  }
  CHECK(two.compared > 10000);
}

TEST_CASE("sums and increments have asmjit's bytes") {
  Two two;
  for (unsigned to = 0; to < 16; ++to) {
    for (unsigned a = 0; a < 16; ++a) {
      for (const bool wide : {false, true}) {
        const x86::Gp reg = wide ? x86::Gp(x86::gpq(to)) : x86::Gp(x86::gpd(to));
        for (unsigned b = 0; b < 16; ++b) {
          if (b == 4) continue;
          two.both([&](auto& as) { as.lea(reg, x86::ptr(x86::gpq(a), x86::gpq(b))); },
                   [&](auto& as) { as.lea_sum(wide, to, a, b); });
        }
        for (const int by : {0, 1, 127, -128, 128, 5000})
          two.both([&](auto& as) { as.lea(reg, x86::ptr(x86::gpq(a), by)); },
                   [&](auto& as) { as.lea_sum_immediate(wide, to, a, by); });
      }
    }
    two.both([&](auto& as) { as.add(x86::qword_ptr(x86::gpq(to)), Imm(1)); },
             [&](auto& as) { as.increment_at(to); });
    const auto cond = static_cast<x86::CondCode>(to);
    two.both([&](auto& as) { as.emit(I::setccFromCond(cond), x86::al); }, [&](auto& as) { as.set_al(cond); });
  }
  CHECK(two.compared > 5000);
}

/// Jumps in both directions, near and far, some of them to one label.
template <typename Assembler>
void write_jumps(Assembler& as, unsigned filling) {
  const asmjit::Label head = as.newLabel(), tail = as.newLabel(), table = as.newLabel();
  const auto fill = [&] {
    for (unsigned i = 0; i < filling; ++i) as.xor_(x86::eax, x86::ecx);
  };
  as.bind(head);
  fill();
  as.j(x86::CondCode::kB, tail);
  as.jne(head);
  as.lea(x86::r9, x86::ptr(table));
  as.call(head);
  as.jmp(tail);
  fill();
  as.jmp(head);
  as.call(tail);
  as.js(head);
  as.bind(tail);
  fill();
  as.bind(table);
  const std::uint8_t bytes[] = {1, 2, 3};
  as.embed(bytes, sizeof bytes);
  as.lea(x86::rcx, x86::ptr(table));
}

TEST_CASE("jumps have asmjit's bytes") {
  Two two;
  for (unsigned filling = 0; filling < 80; ++filling) two.both([&](auto& as) { write_jumps(as, filling); });
  // Buffers are enlarged on the way.
  two.both([&](auto& as) { write_jumps(as, 100000); });
}

TEST_CASE("nothing is left of what stood in front of a restart") {
  asmjit::CodeHolder holder;
  holder.init(asmjit::Environment(asmjit::Arch::kX64));
  ashlar::host_x64::Assembler as;
  holder.attach(&as);
  std::vector<std::uint8_t> first;
  for (int round = 0; round < 3; ++round) {
    as.restart();
    write_jumps(as, 20);
    const std::vector<std::uint8_t> bytes(as.bufferData(), as.bufferData() + as.offset());
    if (round == 0) first = bytes;
    CHECK(bytes == first);
  }
  CHECK(holder.labelCount() == 0);
}

}  // namespace
