// Translations as one allocation; look-ups by host address. See translation.hpp.
#include "cache/translation.hpp"

#include <algorithm>
#include <memory>
#include <new>
#include <type_traits>

#include "base/slab.hpp"

namespace ashlar::cache {
namespace {

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
  static_assert(kParts == static_cast<std::size_t>(Part::count));
  Translation laid_out;
  const std::size_t counts[] = {emitted.exits.size(),
                                nodes,
                                ranges.size(),
                                emitted.access_faults.size(),
                                emitted.check_faults.size(),
                                emitted.write_backs.size(),
                                emitted.residents.size()};
  std::copy(std::begin(counts), std::end(counts), laid_out.counts_.begin());

  auto* const made = new (slab_allocate(laid_out.size())) Translation(laid_out);
  const auto copy = []<typename T>(std::span<const T> from, std::span<T> to) {
    static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);
    if (!from.empty()) std::uninitialized_copy(from.begin(), from.end(), to.begin());
  };
  const std::span<TranslationExit> exits = made->part<Part::exits>();
  for (std::size_t i = 0; i < exits.size(); ++i) new (&exits[i]) TranslationExit{emitted.exits[i], made};
  const std::span<Node> page_nodes = made->page_nodes();
  std::uninitialized_value_construct(page_nodes.begin(), page_nodes.end());
  copy(ranges, made->part<Part::guest_ranges>());
  copy(all(emitted.access_faults), made->part<Part::access_faults>());
  copy(all(emitted.check_faults), made->part<Part::check_faults>());
  copy(all(emitted.write_backs), made->part<Part::write_backs>());
  copy(all(emitted.residents), made->part<Part::residents>());

  made->key_ = emitted.key;
  made->flavour_ = flavour;
  made->code_size_ = static_cast<std::uint32_t>(emitted.code.size());
  made->guest_inst_count_ = emitted.guest_inst_count;
  made->threshold_return_ = emitted.threshold_return;
  made->uses_float_ = emitted.uses_float;
  made->note_ = note;
  made->cache_ = &cache;
  return made;
}

void Translation::destroy(Translation* translation) noexcept {
  const std::size_t bytes = translation->size();
  translation->~Translation();
  slab_free(translation, bytes);
}

std::uint32_t Translation::exit_at(const void* pc) const noexcept {
  if (!flavour_.linked) return kNoExit;
  const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(pc) - code_);
  const auto all_exits = exits();
  const auto found = std::lower_bound(
      all_exits.begin(), all_exits.end(), offset,
      [](const TranslationExit& exit, std::size_t at) { return exit.site.return_offset < at; });
  if (found == all_exits.end() || found->site.return_offset != offset) return kNoExit;
  return static_cast<std::uint32_t>(found - all_exits.begin());
}

const codegen::FaultSite* Translation::access_fault_at(const void* pc) const noexcept {
  return site_at(access_faults(), static_cast<std::size_t>(static_cast<const std::byte*>(pc) - code_));
}

const codegen::FaultSite* Translation::check_fault_at(const void* pc) const noexcept {
  return site_at(check_faults(), static_cast<std::size_t>(static_cast<const std::byte*>(pc) - code_));
}

}  // namespace ashlar::cache
