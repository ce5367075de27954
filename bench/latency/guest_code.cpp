// See guest_code.hpp.
#include "latency/guest_code.hpp"

namespace ashlar::bench {

const char* to_string(Kind kind) {
  switch (kind) {
    case Kind::integer:
      return "integer";
    case Kind::memory:
      return "memory";
    case Kind::real:
      return "float";
    case Kind::branches:
      return "branches";
  }
  return "";
}

namespace {

/// The registers of the n-th instruction: x11 to x17 and x28 to x31 in turn, so that values flow from one to
/// the next.
constexpr unsigned kRegisters[] = {11, 12, 13, 14, 15, 16, 17, 28, 29, 30, 31};
constexpr unsigned reg(unsigned n) { return kRegisters[n % std::size(kRegisters)]; }

std::uint32_t integer(unsigned n) {
  const unsigned rd = reg(n), a = reg(n + 10), b = reg(n + 7);
  switch (n % 10) {
    case 0:
      return addi(rd, a, 17);
    case 1:
      return add(rd, a, b);
    case 2:
      return i_type(0x1013, rd, a, 3);  // slli
    case 3:
      return r_type(0x4033, rd, a, b);  // xor
    case 4:
      return r_type(0x4000'0033, rd, a, b);  // sub
    case 5:
      return i_type(0x7013, rd, a, 255);  // andi
    case 6:
      return r_type(0x3b, rd, a, b);  // addw
    case 7:
      return r_type(0x3033, rd, a, b);  // sltu
    case 8:
      return r_type(0x0200'0033, rd, a, b);  // mul
    default:
      return i_type(0x5013, rd, a, 7);  // srli
  }
}

std::uint32_t memory(unsigned n) {
  const unsigned rd = reg(n), a = reg(n + 10);
  const auto at = static_cast<std::int32_t>(n * 8);
  switch (n % 5) {
    case 0:
      return i_type(0x3003, rd, 10, at);  // ld
    case 1:
      return addi(rd, a, 1);
    case 2:
      return s_type(0x3023, a, 10, at);  // sd
    case 3:
      return i_type(0x2003, rd, 10, at);  // lw
    default:
      return s_type(0x2023, a, 10, at);  // sw
  }
}

std::uint32_t real(unsigned n) {
  constexpr unsigned kDynamic = 7u << 12;  // rounding mode: as frm says
  // Operands are never results, so that values stay what they are however often the block runs.
  const unsigned fd = 9 + n % 7, a = 1 + n % 8, b = 1 + (n + 3) % 8;
  switch (n % 6) {
    case 0:
      return i_type(0x3007, fd, 10, static_cast<std::int32_t>(n * 8));  // fld
    case 1:
      return r_type(0x0200'0053 | kDynamic, fd, a, b);  // fadd.d
    case 2:
      return r_type(0x1200'0053 | kDynamic, fd, a, b);  // fmul.d
    case 3:
      return r_type(0x0200'0043 | kDynamic | (1u + (n + 5) % 8) << 27, fd, a, b);  // fmadd.d
    case 4:
      return r_type(0x0a00'0053 | kDynamic, fd, a, b);  // fsub.d
    default:
      return s_type(0x3027, a, 10, static_cast<std::int32_t>(n * 8));  // fsd
  }
}

std::uint32_t branches(unsigned n) {
  if (n % 3 != 2) return integer(n % 6);
  // x5 and x6 differ; the target lies outside the block.
  return beq(5, 6, 1024);
}

}  // namespace

std::vector<std::uint32_t> make_block(Kind kind, unsigned size) {
  std::vector<std::uint32_t> words;
  for (unsigned n = 0; n + 1 < size; ++n) {
    switch (kind) {
      case Kind::integer:
        words.push_back(integer(n));
        break;
      case Kind::memory:
        words.push_back(memory(n));
        break;
      case Kind::real:
        words.push_back(real(n));
        break;
      case Kind::branches:
        words.push_back(branches(n));
        break;
    }
  }
  words.push_back(kRet);
  return words;
}

}  // namespace ashlar::bench
