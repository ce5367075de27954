// What is known of each counter, and snapshots as text; see <ashlar/stats.hpp>.
#include <ashlar/stats.hpp>

#include <algorithm>
#include <string_view>

namespace ashlar {
namespace {

constexpr StatInfo kStats[kStatCount] = {
#define ASHLAR_STAT(name, unit, help) {#name, unit, help},
#include <ashlar/stats.inc>
#undef ASHLAR_STAT
};

/// The list's own rule: what says "now" at its end is a gauge.
constexpr bool is_gauge(std::size_t index) {
  constexpr std::string_view kNow = " now";
  const std::string_view help = kStats[index].help;
  return help.size() >= kNow.size() && help.substr(help.size() - kNow.size()) == kNow;
}
static_assert(is_gauge(static_cast<std::size_t>(Stat::code_bytes_live)));
static_assert(!is_gauge(static_cast<std::size_t>(Stat::runs)));

}  // namespace

const StatInfo& info(Stat stat) noexcept { return kStats[static_cast<std::size_t>(stat)]; }

StatsSnapshot StatsSnapshot::since(const StatsSnapshot& earlier) const noexcept {
  StatsSnapshot difference;
  for (std::size_t i = 0; i < kStatCount; ++i) {
    difference.values[i] = is_gauge(i) ? values[i] : values[i] - earlier.values[i];
  }
  return difference;
}

std::string StatsSnapshot::to_table() const {
  std::size_t name_width = 0, value_width = 0, unit_width = 0;
  for (std::size_t i = 0; i < kStatCount; ++i) {
    if (values[i] == 0) continue;
    name_width = std::max(name_width, std::string_view(kStats[i].name).size());
    value_width = std::max(value_width, std::to_string(values[i]).size());
    unit_width = std::max(unit_width, std::string_view(kStats[i].unit).size());
  }
  std::string table;
  for (std::size_t i = 0; i < kStatCount; ++i) {
    if (values[i] == 0) continue;
    const std::string_view name = kStats[i].name, unit = kStats[i].unit;
    const std::string value = std::to_string(values[i]);
    table.append(name).append(name_width - name.size() + 2 + value_width - value.size(), ' ');
    table.append(value).append(" ").append(unit).append(unit_width - unit.size() + 2, ' ');
    table.append(kStats[i].help).append("\n");
  }
  return table;
}

std::string StatsSnapshot::to_json() const {
  std::string json = "{";
  for (std::size_t i = 0; i < kStatCount; ++i) {
    if (i != 0) json += ", ";
    json.append("\"").append(kStats[i].name).append("\": ").append(std::to_string(values[i]));
  }
  return json + "}";
}

}  // namespace ashlar
