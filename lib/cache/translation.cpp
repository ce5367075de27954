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
  std::size_t bytes = sizeof(Translation);
  const auto reserve = [&bytes]<typename T>(std::size_t count, Array<T>& array) {
    static_assert(std::is_trivially_destructible_v<T>);
    array = {static_cast<std::uint32_t>(bytes), static_cast<std::uint32_t>(count)};
    bytes += count * sizeof(T);
  };
  Translation laid_out;
  reserve(emitted.exits.size(), laid_out.exits_);
  reserve(nodes, laid_out.page_nodes_);
  reserve(ranges.size(), laid_out.guest_ranges_);
  reserve(emitted.access_faults.size(), laid_out.access_faults_);
  reserve(emitted.check_faults.size(), laid_out.check_faults_);
  reserve(emitted.write_backs.size(), laid_out.write_backs_);
  reserve(emitted.residents.size(), laid_out.residents_);

  auto* const made = new (slab_allocate(bytes)) Translation(laid_out);
  const auto copy = [made]<typename T>(std::span<const T> from, Array<T> to) {
    static_assert(std::is_trivially_copyable_v<T>);
    if (!from.empty()) std::uninitialized_copy(from.begin(), from.end(), made->array(to).begin());
  };
  const std::span<TranslationExit> exits = made->array(made->exits_);
  for (std::size_t i = 0; i < exits.size(); ++i) new (&exits[i]) TranslationExit{emitted.exits[i], made};
  const std::span<Node> page_nodes = made->page_nodes();
  std::uninitialized_value_construct(page_nodes.begin(), page_nodes.end());
  copy(ranges, made->guest_ranges_);
  copy(all(emitted.access_faults), made->access_faults_);
  copy(all(emitted.check_faults), made->check_faults_);
  copy(all(emitted.write_backs), made->write_backs_);
  copy(all(emitted.residents), made->residents_);

  made->key_ = emitted.key;
  made->flavour_ = flavour;
  made->code_size_ = static_cast<std::uint32_t>(emitted.code.size());
  made->guest_inst_count_ = emitted.guest_inst_count;
  made->uses_float_ = emitted.uses_float;
  made->note_ = note;
  made->cache_ = &cache;
  made->bytes_ = static_cast<std::uint32_t>(bytes);
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
