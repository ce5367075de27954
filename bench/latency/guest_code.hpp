// The guest code that the latency benchmarks translate: RISC-V blocks of a given size and kind, encoded here
// so that no cross compiler is needed. Position independent: one block is copied to as many addresses as a
// benchmark wants keys.
#pragma once

#include <cstdint>
#include <vector>

namespace ashlar::bench {

enum class Kind : std::uint8_t { integer, memory, real, branches };
inline constexpr Kind kKinds[] = {Kind::integer, Kind::memory, Kind::real, Kind::branches};
const char* to_string(Kind kind);

/// A block of exactly `size` guest instructions, at least 1, the last of which returns to x1. Conditional
/// branches are never taken when the registers are as Rig sets them up. Memory is accessed from x10 on,
/// within 2 KiB.
std::vector<std::uint32_t> make_block(Kind kind, unsigned size);

// --- single instructions; registers are numbers, offsets bytes ---

constexpr std::uint32_t r_type(std::uint32_t match, unsigned rd, unsigned rs1, unsigned rs2) {
  return match | rd << 7 | rs1 << 15 | rs2 << 20;
}
constexpr std::uint32_t i_type(std::uint32_t match, unsigned rd, unsigned rs1, std::int32_t imm) {
  return match | rd << 7 | rs1 << 15 | static_cast<std::uint32_t>(imm) << 20;
}
constexpr std::uint32_t s_type(std::uint32_t match, unsigned rs2, unsigned rs1, std::int32_t imm) {
  const auto bits = static_cast<std::uint32_t>(imm);
  return match | (bits & 31) << 7 | rs1 << 15 | rs2 << 20 | (bits >> 5 & 127) << 25;
}
constexpr std::uint32_t branch(std::uint32_t match, unsigned rs1, unsigned rs2, std::int32_t offset) {
  const auto bits = static_cast<std::uint32_t>(offset);
  return match | (bits >> 11 & 1) << 7 | (bits >> 1 & 15) << 8 | rs1 << 15 | rs2 << 20 |
         (bits >> 5 & 63) << 25 | (bits >> 12 & 1) << 31;
}
constexpr std::uint32_t jal(unsigned rd, std::int32_t offset) {
  const auto bits = static_cast<std::uint32_t>(offset);
  return 0x6f | rd << 7 | (bits & 0xff000) | (bits >> 11 & 1) << 20 | (bits >> 1 & 1023) << 21 |
         (bits >> 20 & 1) << 31;
}
constexpr std::uint32_t addi(unsigned rd, unsigned rs1, std::int32_t imm) {
  return i_type(0x13, rd, rs1, imm);
}
constexpr std::uint32_t add(unsigned rd, unsigned rs1, unsigned rs2) { return r_type(0x33, rd, rs1, rs2); }
constexpr std::uint32_t jalr(unsigned rd, unsigned rs1) { return i_type(0x67, rd, rs1, 0); }
constexpr std::uint32_t beq(unsigned a, unsigned b, std::int32_t offset) {
  return branch(0x63, a, b, offset);
}
constexpr std::uint32_t bne(unsigned a, unsigned b, std::int32_t offset) {
  return branch(0x1063, a, b, offset);
}
constexpr std::uint32_t kRet = jalr(0, 1);
constexpr std::uint32_t kEcall = 0x73;

}  // namespace ashlar::bench
