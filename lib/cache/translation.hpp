// A translation: emitted code in its place in code memory, and everything that must be known of it. Made and
// owned by the code cache; read by the engine, its fault handler and dumps.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <tuple>
#include <utility>

#include <ashlar/types.hpp>

#include "cache/page_tracker.hpp"
#include "codegen/emitted.hpp"

namespace ashlar::cache {

class CodeCache;
class Translation;

/// What code was compiled for. Translations of different flavours are never linked, and those of different
/// kinds are found apart.
struct Flavour {
  bool linked = true;
  bool count_fuel = false;
  /// Of linked code, for vCPUs whose memory has FlatMemory::base_is_limit().
  bool base_is_limit = false;
  /// Of linked code, by which plan of registers. Translations of one key and different plans are never there
  /// at the same time for long.
  std::uint8_t plan = 0;

  constexpr bool operator==(const Flavour&) const = default;
  /// Of the table that translations of this flavour are found in.
  constexpr std::size_t index() const {
    return std::size_t{linked} | std::size_t{count_fuel} << 1 | std::size_t{base_is_limit} << 2;
  }
};
inline constexpr std::size_t kFlavours = 8;

/// What the publisher wants to find again in a translation; the cache does not look at it.
struct PublisherNote {
  std::uint64_t words[2] = {};
};

/// An exit site and where it leads. The links change under the cache's lock.
struct TranslationExit {
  codegen::ExitSite site;
  Translation* from = nullptr;
  Translation* to = nullptr;  ///< linked to; it has this exit in its list of incoming ones
  TranslationExit* previous = nullptr;
  TranslationExit* next = nullptr;
};

/// Nothing changes after it has been made but what is said to be under the cache's lock.
class Translation {
 public:
  enum class State : std::uint8_t {
    made,     ///< executable, and nobody can find it
    live,     ///< in the index
    retired,  ///< out of the index; freed when nobody can be inside
  };

  BlockKey key() const noexcept { return key_; }
  Flavour flavour() const noexcept { return flavour_; }
  /// Where execution enters.
  const std::byte* code() const noexcept { return code_; }
  std::uint32_t code_size() const noexcept { return code_size_; }
  bool contains(const void* pc) const noexcept {
    return reinterpret_cast<std::uintptr_t>(pc) - reinterpret_cast<std::uintptr_t>(code_) < code_size_;
  }
  std::uint32_t guest_inst_count() const noexcept { return guest_inst_count_; }
  bool uses_float() const noexcept { return uses_float_; }
  const PublisherNote& note() const noexcept { return note_; }

  std::span<const TranslationExit> exits() const noexcept { return part<Part::exits>(); }
  std::span<const codegen::FaultSite> access_faults() const noexcept { return part<Part::access_faults>(); }
  std::span<const codegen::FaultSite> check_faults() const noexcept { return part<Part::check_faults>(); }
  std::span<const codegen::WriteBack> write_backs() const noexcept { return part<Part::write_backs>(); }
  std::span<const codegen::WriteBack> write_backs(const codegen::FaultSite& site) const noexcept {
    return write_backs().subspan(site.write_back_begin, site.write_back_count);
  }
  /// codegen::Emitted::residents.
  std::span<const codegen::Resident> residents() const noexcept { return part<Part::residents>(); }
  /// What it was made from; a block that does not say counts as made from its address.
  std::span<const GuestRange> guest_ranges() const noexcept { return part<Part::guest_ranges>(); }

  // These are async-signal-safe.
  static constexpr std::uint32_t kNoExit = ~std::uint32_t{0};
  /// The exit whose stub's call returns to `pc`, or kNoExit. Of linked code only.
  std::uint32_t exit_at(const void* pc) const noexcept;
  /// Whether `pc` is codegen::Emitted::threshold_return.
  bool is_threshold(const void* pc) const noexcept {
    return threshold_return_ != 0 && pc == code_ + threshold_return_;
  }
  /// The site of the host instruction at `pc` that may fault, or null.
  const codegen::FaultSite* access_fault_at(const void* pc) const noexcept;
  /// The site of the bounds check whose stub's call returns to `pc`, or null.
  const codegen::FaultSite* check_fault_at(const void* pc) const noexcept;

  /// Under the cache's lock.
  State state() const noexcept { return state_; }
  std::span<PageNode<Translation>> page_nodes() noexcept { return part<Part::page_nodes>(); }

 private:
  friend class CodeCache;
  friend class Linker;

  /// A copy of the record, in one piece of memory; its code has no place yet.
  static Translation* make(const codegen::Emitted& emitted, Flavour flavour, const PublisherNote& note,
                           CodeCache& cache);
  static void destroy(Translation* translation) noexcept;
  Translation() = default;
  ~Translation() = default;

  /// What stands behind the translation in the same piece of memory, in this order. How much there is of each
  /// is all that is kept: programs have tens of thousands of translations, and fresh pages cost more than
  /// additions.
  enum class Part : std::uint8_t {
    exits,
    page_nodes,
    guest_ranges,
    access_faults,
    check_faults,
    write_backs,
    residents,
    count
  };
  using Parts = std::tuple<TranslationExit, PageNode<Translation>, GuestRange, codegen::FaultSite,
                           codegen::FaultSite, codegen::WriteBack, codegen::Resident>;
  static constexpr std::size_t kParts = std::tuple_size_v<Parts>;
  template <Part P>
  using Element = std::tuple_element_t<static_cast<std::size_t>(P), Parts>;

  /// From the translation's beginning; of Part::count, its size altogether.
  template <Part P>
  std::size_t offset_of() const noexcept {
    return [this]<std::size_t... I>(std::index_sequence<I...>) {
      return (sizeof(Translation) + ... + (counts_[I] * sizeof(Element<Part{I}>)));
    }
    (std::make_index_sequence<static_cast<std::size_t>(P)>());
  }
  std::size_t size() const noexcept { return offset_of<Part::count>(); }
  template <Part P>
  std::span<Element<P>> part() noexcept {
    return {reinterpret_cast<Element<P>*>(reinterpret_cast<std::byte*>(this) + offset_of<P>()),
            counts_[static_cast<std::size_t>(P)]};
  }
  template <Part P>
  std::span<const Element<P>> part() const noexcept {
    return const_cast<Translation*>(this)->part<P>();
  }

  BlockKey key_;
  const std::byte* code_ = nullptr;
  TranslationExit* incoming_ = nullptr;
  CodeCache* cache_ = nullptr;
  PublisherNote note_;
  std::array<std::uint32_t, kParts> counts_{};
  std::uint32_t code_size_ = 0;
  std::uint32_t chunk_ = 0;
  std::uint32_t guest_inst_count_ = 0;
  std::uint32_t threshold_return_ = 0;
  Flavour flavour_;
  State state_ = State::made;
  bool uses_float_ = false;
};

}  // namespace ashlar::cache
