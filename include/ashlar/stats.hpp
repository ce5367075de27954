// The one stats object of a context, as embedders see it.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include <ashlar/export.hpp>

namespace ashlar {

enum class Stat : std::uint8_t {
#define ASHLAR_STAT(name, unit, help) name,
#include <ashlar/stats.inc>
#undef ASHLAR_STAT
};

inline constexpr std::size_t kStatCount = 0
#define ASHLAR_STAT(name, unit, help) +1
#include <ashlar/stats.inc>
#undef ASHLAR_STAT
    ;

struct StatInfo {
  const char* name;
  const char* unit;
  const char* help;
};

ASHLAR_API const StatInfo& info(Stat stat) noexcept;

/// Sums of all threads' counters at about one moment: each value is exact for threads at rest, and no value
/// goes back between two snapshots (gauges apart).
struct ASHLAR_API StatsSnapshot {
  std::array<std::uint64_t, kStatCount> values{};

  std::uint64_t operator[](Stat stat) const noexcept { return values[static_cast<std::size_t>(stat)]; }
  /// What happened between `earlier` and this; gauges keep this snapshot's value.
  StatsSnapshot since(const StatsSnapshot& earlier) const noexcept;
  /// An aligned table, one line per counter that is not 0: name, value, unit, help.
  std::string to_table() const;
  /// One JSON object: {"name": value, ...}, every counter, in the list's order.
  std::string to_json() const;
};

}  // namespace ashlar
