// Translations as one allocation; look-ups by host address. See translation.hpp.
#include "cache/translation.hpp"

#include <algorithm>
#include <memory>
#include <new>
#include <type_traits>

#include "base/slab.hpp"

namespace ashlar::cache {
namespace {

/// Hands out arrays from one piece of memory, the most strictly aligned types first.
class Layout {
 public:
  explicit Layout(std::byte* at) : at_(at) {}

  template <typename T>
  std::span<T> take(std::size_t count) {
    static_assert(std::is_trivially_destructible_v<T>);
    T* const first = reinterpret_cast<T*>(at_);
    std::uninitialized_value_construct_n(first, count);
    at_ += count * sizeof(T);
    return {first, count};
  }
  template <typename T>
  std::span<T> copy(std::span<const T> from) {
    static_assert(std::is_trivially_copyable_v<T>);
    T* const first = reinterpret_cast<T*>(at_);
    std::uninitialized_copy(from.begin(), from.end(), first);
    at_ += from.size_bytes();
    return {first, from.size()};
  }

 private:
  std::byte* at_;
};

template <typename T>
std::span<const T> all(const std::vector<T>& from) {
  return from;
}

const codegen::FaultSite* site_at(std::span<const codegen::FaultSite> sites, std::size_t offset) noexcept {
  const auto found =
      std::lower_bound(sites.begin(), sites.end(), offset,
                       [](const codegen::FaultSite& site, std::size_t at) { return site.offset < at; });
  return found != sites.end() && found->offset == offset ? &*found : nullptr;
}

}  // namespace

Translation* Translation::make(const codegen::Emitted& emitted, Flavour flavour, const PublisherNote& note,
                               CodeCache& cache) {
  using Node = PageNode<Translation>;
  const GuestRange own{emitted.key.addr, 1};
  const std::span<const GuestRange> ranges =
      emitted.guest_ranges.empty() ? std::span(&own, 1) : all(emitted.guest_ranges);
  const std::size_t nodes = page_node_count(ranges);

  static_assert(alignof(Translation) == 8 && alignof(TranslationExit) == 8 && alignof(Node) == 8 &&
                alignof(GuestRange) == 8 && alignof(codegen::FaultSite) == 8 &&
                alignof(codegen::WriteBack) <= 4 &&
                alignof(codegen::Resident) <= alignof(codegen::WriteBack));
  const std::size_t bytes = sizeof(Translation) + emitted.exits.size() * sizeof(TranslationExit) +
                            nodes * sizeof(Node) + ranges.size_bytes() +
                            all(emitted.access_faults).size_bytes() + all(emitted.check_faults).size_bytes() +
                            all(emitted.write_backs).size_bytes() + all(emitted.residents).size_bytes();
  auto* const at = static_cast<std::byte*>(slab_allocate(bytes));
  auto* const made = new (at) Translation;
  Layout layout(at + sizeof(Translation));
  made->exits_ = layout.take<TranslationExit>(emitted.exits.size());
  for (std::size_t i = 0; i < emitted.exits.size(); ++i) {
    made->exits_[i].site = emitted.exits[i];
    made->exits_[i].from = made;
  }
  made->page_nodes_ = layout.take<Node>(nodes);
  made->guest_ranges_ = layout.copy(ranges);
  made->access_faults_ = layout.copy(all(emitted.access_faults));
  made->check_faults_ = layout.copy(all(emitted.check_faults));
  made->write_backs_ = layout.copy(all(emitted.write_backs));
  made->residents_ = layout.copy(all(emitted.residents));

  made->key_ = emitted.key;
  made->flavour_ = flavour;
  made->code_size_ = static_cast<std::uint32_t>(emitted.code.size());
  made->guest_inst_count_ = emitted.guest_inst_count;
  made->uses_float_ = emitted.uses_float;
  made->note_ = note;
  made->cache_ = &cache;
  made->bytes_ = bytes;
  return made;
}

void Translation::destroy(Translation* translation) noexcept {
  const std::size_t bytes = translation->bytes_;
  translation->~Translation();
  slab_free(translation, bytes);
}

std::uint32_t Translation::exit_at(const void* pc) const noexcept {
  if (!flavour_.linked) return kNoExit;
  const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(pc) - code_);
  const auto found = std::lower_bound(
      exits_.begin(), exits_.end(), offset,
      [](const TranslationExit& exit, std::size_t at) { return exit.site.return_offset < at; });
  if (found == exits_.end() || found->site.return_offset != offset) return kNoExit;
  return static_cast<std::uint32_t>(found - exits_.begin());
}

const codegen::FaultSite* Translation::access_fault_at(const void* pc) const noexcept {
  return site_at(access_faults_, static_cast<std::size_t>(static_cast<const std::byte*>(pc) - code_));
}

const codegen::FaultSite* Translation::check_fault_at(const void* pc) const noexcept {
  return site_at(check_faults_, static_cast<std::size_t>(static_cast<const std::byte*>(pc) - code_));
}

}  // namespace ashlar::cache
