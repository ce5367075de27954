// Bookkeeping of free ranges; see gap_index.hpp.
#include "mem/gap_index.hpp"

#include <algorithm>
#include <bit>

namespace ashlar::mem {

unsigned GapIndex::class_of(std::uint64_t pages) { return static_cast<unsigned>(std::bit_width(pages) - 1); }

GapIndex::GapIndex(std::uint64_t pages) {
  if (pages != 0) insert(0, pages);
}

void GapIndex::insert(std::uint64_t first, std::uint64_t end) {
  gaps_.emplace(first, end);
  by_class_[class_of(end - first)].insert(first);
}

void GapIndex::erase(std::map<std::uint64_t, std::uint64_t>::iterator gap) {
  by_class_[class_of(gap->second - gap->first)].erase(gap->first);
  gaps_.erase(gap);
}

void GapIndex::release(std::uint64_t first, std::uint64_t end) {
  if (first >= end) return;
  // Swallow every gap that overlaps or touches.
  auto gap = gaps_.upper_bound(end);
  while (gap != gaps_.begin()) {
    auto before = std::prev(gap);
    if (before->second < first) break;
    first = std::min(first, before->first);
    end = std::max(end, before->second);
    gap = std::next(before);
    erase(before);
  }
  insert(first, end);
}

void GapIndex::take(std::uint64_t first, std::uint64_t end) {
  if (first >= end) return;
  std::uint64_t left_first = first, right_end = end;  // what stays free of the outermost gaps
  auto gap = gaps_.lower_bound(end);
  while (gap != gaps_.begin()) {
    auto before = std::prev(gap);
    if (before->second <= first) break;
    left_first = std::min(left_first, before->first);
    right_end = std::max(right_end, before->second);
    gap = std::next(before);
    erase(before);
  }
  if (left_first < first) insert(left_first, first);
  if (right_end > end) insert(end, right_end);
}

bool GapIndex::all_free(std::uint64_t first, std::uint64_t end) const {
  if (first >= end) return true;
  auto gap = gaps_.upper_bound(first);
  return gap != gaps_.begin() && std::prev(gap)->second >= end;
}

bool GapIndex::none_free(std::uint64_t first, std::uint64_t end) const {
  if (first >= end) return true;
  auto gap = gaps_.lower_bound(end);
  return gap == gaps_.begin() || std::prev(gap)->second <= first;
}

std::optional<std::uint64_t> GapIndex::find(std::uint64_t pages, std::uint64_t first, std::uint64_t end,
                                            bool highest) const {
  if (pages == 0 || first >= end || pages > end - first) return std::nullopt;
  std::optional<std::uint64_t> best;
  // In classes above the size's own every gap is large enough, but for the one or two that the limits cut.
  for (unsigned cls = class_of(pages); cls < by_class_.size(); ++cls) {
    const auto& starts = by_class_[cls];
    if (starts.empty()) continue;
    const auto fits = [&](std::uint64_t start) -> std::optional<std::uint64_t> {
      const std::uint64_t low = std::max(start, first);
      const std::uint64_t high = std::min(gaps_.find(start)->second, end);
      if (low >= high || high - low < pages) return std::nullopt;
      return highest ? high - pages : low;
    };
    if (highest) {
      for (auto it = starts.lower_bound(end); it != starts.begin();) {
        --it;
        if (auto at = fits(*it)) {
          if (!best || *at > *best) best = at;
          break;
        }
        if (*it < first) break;
      }
    } else {
      auto it = starts.upper_bound(first);
      if (it != starts.begin()) --it;
      for (; it != starts.end() && *it < end; ++it) {
        if (auto at = fits(*it)) {
          if (!best || *at < *best) best = at;
          break;
        }
      }
    }
  }
  return best;
}

}  // namespace ashlar::mem
