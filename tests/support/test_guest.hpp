// The guest of tests that have no instruction set: its registers, helpers and memory, and comparing two of
// it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <ashlar/engine.hpp>
#include <ashlar/frontend.hpp>
#include <ashlar/memory.hpp>
#include <ashlar/state_layout.hpp>
#include <ashlar/vcpu.hpp>

#include "support/rng.hpp"

namespace ashlar::test {

inline constexpr unsigned kIntegerSlots = 24;
inline constexpr unsigned kRealSlots = 20;

/// Integer slots x0… and real slots f0…, more of each than a host keeps in registers; the first rank highest,
/// the last 0.
const StateLayout& test_layout();
constexpr unsigned integer_slot(unsigned i) { return i; }
constexpr unsigned real_slot(unsigned i) { return kIntegerSlots + i; }

/// Helpers that a block may call, by id:
///   0  gives a + 2 b + 3 c
///   1  exchanges x0 with x1 and f0 with f1, gives the old x2 and sets x2 to a
///   2  asks to leave the block behind the calling guest instruction; gives a
///   3  gives the bits of f2 and sets them to a
///   4  gives vcpu.pc()
///   5  gives the guest's float flags, plus 32 if the host's float unit does not round to nearest; sets the
///   guest's
///      flags to a, and raises all of the host's
std::span<const Helper> test_helpers();

/// A flat window of kWindow bytes: [0, kMapped) may be read and written, one page behind it only read,
/// nothing else is mapped.
inline constexpr std::uint64_t kWindow = 0x10000;
inline constexpr std::uint64_t kMapped = 0x8000;
std::shared_ptr<FlatMemory> make_test_memory();

/// Fills slots, float flags and memory [0, kMapped) with a mixture of extreme and random values.
void scramble(Vcpu& vcpu, Rng& rng);
/// Copies slots, float flags, key, reservation and memory [0, kMapped); the layouts are the same.
void copy_state(Vcpu& to, const Vcpu& from);

/// What differs between two vCPUs (slots, float flags, key, memory [0, kMapped)), a line each; empty if
/// nothing does.
/// Comparing memory takes the longest by far.
std::string difference(const Vcpu& a, const Vcpu& b, bool with_memory = true);
/// The same for results, tier and cache hits aside.
std::string difference(const ExecutionResult& a, const ExecutionResult& b);

std::string hex(std::uint64_t value);

}  // namespace ashlar::test
