// What the parts of engine_bench and scale_bench share: clocks, medians, a ring of blocks, printing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ashlar/ashlar.hpp>

namespace ashlar::bench {

/// Wall-clock seconds.
double now();
/// CPU seconds of the calling thread, which other work on the machine lengthens less.
double thread_time();
/// Of all threads of the process.
double process_time();
double median(std::vector<double> values);
/// Bytes of this process in memory now, and the most it ever had.
std::uint64_t resident();
std::uint64_t peak_resident();

/// A line "NAME VALUE UNIT" on stdout, which tools/bench reads.
void print(const std::string& name, double value, const char* unit);

[[noreturn]] void fail(const std::string& why);
template <typename T>
T need(Result<T> result) {
  if (!result) fail(result.error().message);
  return std::move(result).value();
}

/// Blocks 1..count, each of eight instructions; block i goes on to i + 1, the last to the first.
struct Ring {
  explicit Ring(std::uint64_t count, const ContextConfig& config = {});
  std::unique_ptr<Vcpu> vcpu() const;

  StateLayout layout{{{"a", SlotClass::integer, 1}, {"b", SlotClass::integer, 1}}};
  BlockStore store;
  std::unique_ptr<ExecutionContext> context;
};
inline constexpr std::uint64_t kRingBlock = 8;

// The parts of engine_bench.
void slices();
void blocks();
void cold_batch();
void threads();
void compile_together();
void pauses();
void many();
void watching();

}  // namespace ashlar::bench
