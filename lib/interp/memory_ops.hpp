// Guest memory opcodes on a flat window. Included by interpreter.cpp only.
//
// Every function returns false, having done nothing, when the address fails the check. One that passes it may
// still fault on the host; VcpuCold::interp_inst says by then which instruction it was, and everything before
// it is in memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <ashlar/ir.hpp>
#include <ashlar/vcpu_frame.hpp>

#include "ir/float_semantics.hpp"
#include "ir/op_table.hpp"
#include "ir/semantics.hpp"
#include "mem/reservations.hpp"

namespace ashlar::interp {

using ir::Inst;
using ir::Opcode;

/// Bytes that a memory opcode accesses.
constexpr unsigned access_width(Opcode op) {
  using enum Opcode;
  switch (op) {
    case ld8u:
    case ld8s:
    case st8:
      return 1;
    case ld16u:
    case ld16s:
    case st16:
      return 2;
    case ld32u:
    case ld32s:
    case st32:
    case fld32:
    case fst32:
    case lr32:
    case sc32:
    case swap32:
    case fetch_add32:
    case fetch_and32:
    case fetch_or32:
    case fetch_xor32:
    case fetch_min_s32:
    case fetch_max_s32:
    case fetch_min_u32:
    case fetch_max_u32:
    case cas32:
      return 4;
    default:
      return 8;
  }
}

[[gnu::always_inline]] inline void about_to_access(VcpuCold& cold, const Inst* inst) {
  cold.interp_inst = inst;
  asm volatile("" ::: "memory");
}

/// `addr` is the whole address. `value` gets what `dst` is to get.
template <Opcode op>
[[gnu::always_inline]] inline bool load(std::uint64_t addr, std::uint64_t& value, const Inst* inst,
                                        VcpuCold& cold, std::byte* memory, std::uint64_t limit) {
  using enum Opcode;
  if (addr > limit) [[unlikely]]
    return false;
  about_to_access(cold, inst);
  const auto read = [&](auto word) {
    static_assert(sizeof word == access_width(op));
    std::memcpy(&word, memory + addr, sizeof word);
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(word));
  };
  if constexpr (op == ld8u) value = read(std::uint8_t{});
  if constexpr (op == ld8s) value = read(std::int8_t{});
  if constexpr (op == ld16u) value = read(std::uint16_t{});
  if constexpr (op == ld16s) value = read(std::int16_t{});
  if constexpr (op == ld32u) value = read(std::uint32_t{});
  if constexpr (op == ld32s) value = read(std::int32_t{});
  if constexpr (op == ld64 || op == fld64) value = read(std::uint64_t{});
  if constexpr (op == fld32) value = ir::semantics::box32(static_cast<std::uint32_t>(read(std::uint32_t{})));
  return true;
}

template <Opcode op>
[[gnu::always_inline]] inline bool store(std::uint64_t addr, std::uint64_t value, const Inst* inst,
                                         VcpuCold& cold, std::byte* memory, std::uint64_t limit) {
  if (addr > limit) [[unlikely]]
    return false;
  about_to_access(cold, inst);
  std::memcpy(memory + addr, &value, access_width(op));  // little-endian: the low bytes come first
  asm volatile("" ::: "memory");
  return true;
}

template <typename Word>
constexpr std::uint64_t extended(Word value) {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::make_signed_t<Word>>(value)));
}

/// Forms amo and cas; `operand` is b (0 if it has none), a cas finds c in `base`. All orders are taken as
/// sequentially consistent: stronger than asked, and no dearer where it matters. False also for a misaligned
/// address.
template <Opcode op>
[[gnu::always_inline]] inline bool atomic(std::uint64_t addr, std::uint64_t operand,
                                          const std::uint64_t* base, std::uint64_t& result, const Inst* inst,
                                          VcpuCold& cold, std::byte* memory, std::uint64_t limit) {
  using enum Opcode;
  constexpr unsigned width = access_width(op);
  using Word = std::conditional_t<width == 4, std::uint32_t, std::uint64_t>;
  if (addr > limit || addr % width != 0) [[unlikely]]
    return false;
  Word* const word = reinterpret_cast<Word*>(memory + addr);
  about_to_access(cold, inst);
  if constexpr (op == lr32 || op == lr64) {
    result = extended(mem::load_reserved(cold, word, addr));
  } else if constexpr (op == sc32 || op == sc64) {
    result = mem::store_conditional(cold, word, addr, static_cast<Word>(operand)) ? 0 : 1;
  } else if constexpr (op == cas32 || op == cas64) {
    auto expected = static_cast<Word>(operand);
    __atomic_compare_exchange_n(word, &expected, static_cast<Word>(base[inst->c().word]), false,
                                __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    result = extended(expected);
  } else {
    const auto value = static_cast<Word>(operand);
    if constexpr (op == swap32 || op == swap64) {
      result = extended(__atomic_exchange_n(word, value, __ATOMIC_SEQ_CST));
    } else if constexpr (op == fetch_add32 || op == fetch_add64) {
      result = extended(__atomic_fetch_add(word, value, __ATOMIC_SEQ_CST));
    } else if constexpr (op == fetch_and32 || op == fetch_and64) {
      result = extended(__atomic_fetch_and(word, value, __ATOMIC_SEQ_CST));
    } else if constexpr (op == fetch_or32 || op == fetch_or64) {
      result = extended(__atomic_fetch_or(word, value, __ATOMIC_SEQ_CST));
    } else if constexpr (op == fetch_xor32 || op == fetch_xor64) {
      result = extended(__atomic_fetch_xor(word, value, __ATOMIC_SEQ_CST));
    } else {
      Word old = __atomic_load_n(word, __ATOMIC_RELAXED);
      while (!__atomic_compare_exchange_n(word, &old,
                                          static_cast<Word>(ir::semantics::rmw<op>(extended(old), operand)),
                                          true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
      }
      result = extended(old);
    }
  }
  asm volatile("" ::: "memory");
  return true;
}

/// A guest fence. Only an earlier write before a later read needs more than acquire and release on any host
/// of ours.
[[gnu::always_inline]] inline void fence(unsigned sets) {
  const unsigned before = sets >> 4, after = sets & 15;
  if ((before & 5) != 0 && (after & 10) != 0) {  // out or write before in or read
    std::atomic_thread_fence(std::memory_order_seq_cst);
  } else {
    std::atomic_thread_fence(std::memory_order_acq_rel);
  }
}

}  // namespace ashlar::interp
