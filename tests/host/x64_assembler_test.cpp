// The short way of the x64 assembler gives asmjit's bytes: every form that it knows, with every register in
// every place, displacements and immediates around their limits.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "host/x64/assembler.hpp"

namespace {

namespace x86 = asmjit::x86;
namespace I = asmjit::x86::Inst;
using asmjit::Imm;
using asmjit::Operand;

class Two {
 public:
  Two() {
    for (asmjit::CodeHolder* holder : {&a_holder_, &b_holder_})
      holder->init(asmjit::Environment(asmjit::Arch::kX64));
    a_holder_.attach(&a_);
    b_holder_.attach(&b_);
  }
  void both(asmjit::InstId id, const Operand& o0, const Operand& o1) {
    const std::size_t from_a = a_.offset(), from_b = b_.offset();
    const asmjit::Error wrong = a_.emit(id, o0, o1);
    REQUIRE(b_.emit(id, o0, o1) == wrong);
    const std::vector<std::uint8_t> ours(b_.bufferData() + from_b, b_.bufferData() + b_.offset());
    const std::vector<std::uint8_t> theirs(a_.bufferData() + from_a, a_.bufferData() + a_.offset());
    if (ours != theirs) {
      asmjit::String name;
      asmjit::InstAPI::instIdToString(asmjit::Arch::kX64, id, name);
      const auto hex = [](const std::vector<std::uint8_t>& bytes) {
        std::string text;
        for (const std::uint8_t byte : bytes) text += " " + std::to_string(byte);
        return text;
      };
      FAIL(std::string(name.data()), " with registers ", o0.id(), " and ", o1.id(), ":", hex(ours),
           ", asmjit:", hex(theirs));
    }
    ++compared;
  }
  unsigned compared = 0;

 private:
  asmjit::CodeHolder a_holder_, b_holder_;
  x86::Assembler a_;
  ashlar::host_x64::Assembler b_;
};

std::vector<Operand> memories(std::uint32_t size) {
  std::vector<Operand> all;
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

TEST_CASE("the same bytes") {
  Two two;
  const asmjit::InstId arithmetic[] = {I::kIdAdd, I::kIdOr, I::kIdAnd, I::kIdSub, I::kIdXor, I::kIdCmp};
  const std::int64_t immediates[] = {
      0, 1, -1, 127, 128, -128, -129, 0x7fffffff, -0x80000000ll, 0x80000000ll, 0xffffffffll};
  for (unsigned i = 0; i < 16; ++i) {
    for (unsigned j = 0; j < 16; ++j) {
      const Operand d64 = x86::gpq(i), s64 = x86::gpq(j), d32 = x86::gpd(i), s32 = x86::gpd(j);
      for (const asmjit::InstId id : {I::kIdMov, I::kIdTest, I::kIdImul, I::kIdAdd, I::kIdOr, I::kIdAnd,
                                      I::kIdSub, I::kIdXor, I::kIdCmp}) {
        two.both(id, d64, s64);
        two.both(id, d32, s32);
      }
      two.both(I::kIdMovsxd, d64, s32);
      for (const asmjit::InstId id : {I::kIdMovzx, I::kIdMovsx})
        for (const Operand& to : {d64, d32}) {
          two.both(id, to, x86::gpb_lo(j));
          two.both(id, to, x86::gpw(j));
        }
    }
    for (const Operand& r : {Operand(x86::gpq(i)), Operand(x86::gpd(i))}) {
      for (const asmjit::InstId id : arithmetic)
        for (const std::int64_t imm : immediates) two.both(id, r, Imm(imm));
      for (const asmjit::InstId id : {I::kIdShl, I::kIdShr, I::kIdSar, I::kIdRol, I::kIdRor})
        for (const int count : {1, 2, 31, 63}) two.both(id, r, Imm(count));
    }
  }
  for (const unsigned r : {0u, 3u, 4u, 5u, 7u, 8u, 12u, 13u, 15u}) {
    for (const std::uint32_t size : {4u, 8u}) {
      const Operand reg = size == 8 ? Operand(x86::gpq(r)) : Operand(x86::gpd(r));
      for (const Operand& mem : memories(size)) {
        for (const asmjit::InstId id : {I::kIdMov, I::kIdAdd, I::kIdCmp, I::kIdImul}) two.both(id, reg, mem);
        for (const asmjit::InstId id : {I::kIdMov, I::kIdXor, I::kIdCmp}) two.both(id, mem, reg);
        two.both(I::kIdLea, reg, mem);
      }
    }
    for (const Operand& mem : memories(4)) two.both(I::kIdMovsxd, x86::gpq(r), mem);
    for (const Operand& mem : memories(1)) {
      two.both(I::kIdMovzx, x86::gpd(r), mem);
      two.both(I::kIdMovsx, x86::gpq(r), mem);
      two.both(I::kIdMov, mem, x86::gpb_lo(r));
    }
    for (const Operand& mem : memories(2)) two.both(I::kIdMovsx, x86::gpq(r), mem);
  }
  for (const std::uint32_t size : {4u, 8u})
    for (const Operand& mem : memories(size))
      for (const std::int64_t imm : {0, 5, 500}) two.both(I::kIdCmp, mem, Imm(imm));
  CHECK(two.compared > 10000);
}

}  // namespace
