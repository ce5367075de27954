// The free page ranges of a window, ordered by address and by size class, so that the lowest or highest free
// range of a size is found without walking all of them. Not thread-safe: FlatMemory uses it under its lock.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>

namespace ashlar::mem {

class GapIndex {
 public:
  /// All of [0, pages) is free.
  explicit GapIndex(std::uint64_t pages);

  /// Makes [first, end) free or taken, whatever parts of it were before.
  void release(std::uint64_t first, std::uint64_t end);
  void take(std::uint64_t first, std::uint64_t end);

  bool all_free(std::uint64_t first, std::uint64_t end) const;
  bool none_free(std::uint64_t first, std::uint64_t end) const;

  /// First page of the highest or lowest free range of `pages` pages (at least 1) inside [first, end).
  std::optional<std::uint64_t> find(std::uint64_t pages, std::uint64_t first, std::uint64_t end,
                                    bool highest) const;

  /// Calls visit(first, end) for the parts of [first, end) that are taken, in order.
  template <typename Visit>
  void for_each_taken(std::uint64_t first, std::uint64_t end, Visit&& visit) const {
    std::uint64_t at = first;
    auto gap = gaps_.upper_bound(first);
    if (gap != gaps_.begin()) --gap;
    for (; gap != gaps_.end() && gap->first < end; ++gap) {
      if (gap->second <= at) continue;
      if (gap->first > at) visit(at, gap->first);
      at = gap->second;
    }
    if (at < end) visit(at, end);
  }

 private:
  static unsigned class_of(std::uint64_t pages);
  void insert(std::uint64_t first, std::uint64_t end);
  void erase(std::map<std::uint64_t, std::uint64_t>::iterator gap);

  std::map<std::uint64_t, std::uint64_t> gaps_;       // first page -> end; never adjacent, never empty
  std::array<std::set<std::uint64_t>, 48> by_class_;  // floor(log2(pages)) -> first pages
};

}  // namespace ashlar::mem
