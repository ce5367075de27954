// The live stats object; see stats_cells.hpp.
#include "base/stats_cells.hpp"

#include <algorithm>

namespace ashlar {

void LiveStats::attach(StatsCell& cell) {
  std::lock_guard lock(mutex_);
  cells_.push_back(&cell);
}

void LiveStats::detach(StatsCell& cell) {
  // Under the snapshots' lock, so that no snapshot sees a count in both places or in neither.
  std::lock_guard lock(mutex_);
  if (std::erase(cells_, &cell) == 0) return;
  for (std::size_t i = 0; i < kStatCount; ++i) {
    shared_[i].fetch_add(cell.values_[i].exchange(0, std::memory_order_relaxed), std::memory_order_relaxed);
  }
}

StatsSnapshot LiveStats::snapshot() const {
  StatsSnapshot sum;
  std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < kStatCount; ++i) {
    sum.values[i] = shared_[i].load(std::memory_order_relaxed);
    for (const StatsCell* cell : cells_) sum.values[i] += cell->values_[i].load(std::memory_order_relaxed);
  }
  return sum;
}

}  // namespace ashlar
