// Which blocks were made from which guest pages, so that a change of guest memory finds them without a
// search. Not thread-safe: the owner's lock protects it. Used by the engine's IR cache and the code cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include <ashlar/types.hpp>

namespace ashlar::cache {

/// T has `std::span<const GuestRange> guest_ranges() const` and `std::span<PageNode<T>> page_nodes()`, of
/// which the latter has page_node_count(ranges) elements.
template <typename T>
struct PageNode {
  T* owner = nullptr;
  PageNode* previous = nullptr;
  PageNode* next = nullptr;
  std::uint64_t page = 0;
};

inline constexpr unsigned kTrackedPageShift = 12;

/// Calls function(page) for each page of the ranges, perhaps several times where ranges share a page.
template <typename Function>
void for_each_page(std::span<const GuestRange> ranges, Function&& function) {
  for (const GuestRange& range : ranges) {
    if (range.size == 0) continue;
    const std::uint64_t first = range.begin.value >> kTrackedPageShift;
    const std::uint64_t count =
        ((range.begin.value & ((1u << kTrackedPageShift) - 1)) + range.size - 1) >> kTrackedPageShift;
    for (std::uint64_t i = 0; i <= count; ++i)
      function((first + i) & (~std::uint64_t{0} >> kTrackedPageShift));
  }
}

inline std::size_t page_node_count(std::span<const GuestRange> ranges) {
  std::size_t count = 0;
  for_each_page(ranges, [&](std::uint64_t) { ++count; });
  return count;
}

template <typename T>
class PageTracker {
 public:
  void add(T& block) {
    std::span<PageNode<T>> nodes = block.page_nodes();
    std::size_t used = 0;
    for_each_page(block.guest_ranges(), [&](std::uint64_t page) {
      PageNode<T>& node = nodes[used++];
      // Blocks are made in the neighbourhood of others.
      if (last_ == nullptr || last_->first != page) last_ = &*pages_.try_emplace(page, nullptr).first;
      PageNode<T>*& head = last_->second;
      node = {&block, nullptr, head, page};
      if (head != nullptr) head->previous = &node;
      head = &node;
    });
  }

  void remove(T& block) {
    for (PageNode<T>& node : block.page_nodes()) {
      if (node.owner == nullptr) continue;
      if (node.next != nullptr) node.next->previous = node.previous;
      if (node.previous != nullptr) {
        node.previous->next = node.next;
      } else if (node.next != nullptr) {
        pages_[node.page] = node.next;
      } else {
        pages_.erase(node.page);
        last_ = nullptr;
      }
      node = {};
    }
  }

  /// Appends the blocks whose guest code overlaps the range, some perhaps more than once.
  void find(GuestRange range, std::vector<T*>& out) const {
    if (range.size == 0) return;
    const auto collect = [&](const PageNode<T>* head) {
      for (const PageNode<T>* node = head; node != nullptr; node = node->next) {
        for (const GuestRange& code : node->owner->guest_ranges()) {
          if (!code.overlaps(range)) continue;
          out.push_back(node->owner);
          break;
        }
      }
    };
    if (range.size >> kTrackedPageShift < pages_.size()) {
      for_each_page({&range, 1}, [&](std::uint64_t page) {
        if (const auto found = pages_.find(page); found != pages_.end()) collect(found->second);
      });
    } else {
      for (const auto& [page, head] : pages_) collect(head);
    }
  }

  bool empty() const noexcept { return pages_.empty(); }

 private:
  using Pages = std::unordered_map<std::uint64_t, PageNode<T>*>;
  Pages pages_;
  typename Pages::value_type* last_ = nullptr;  ///< the page of the block that was added last
};

}  // namespace ashlar::cache
