// A translation: emitted code in its place in code memory, and everything that must be known of it. Made and
// owned by the code cache; read by the engine, its fault handler and dumps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

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

  std::span<const TranslationExit> exits() const noexcept { return array(exits_); }
  std::span<const codegen::FaultSite> access_faults() const noexcept { return array(access_faults_); }
  std::span<const codegen::FaultSite> check_faults() const noexcept { return array(check_faults_); }
  std::span<const codegen::WriteBack> write_backs() const noexcept { return array(write_backs_); }
  std::span<const codegen::WriteBack> write_backs(const codegen::FaultSite& site) const noexcept {
    return write_backs().subspan(site.write_back_begin, site.write_back_count);
  }
  /// codegen::Emitted::residents.
  std::span<const codegen::Resident> residents() const noexcept { return array(residents_); }
  /// What it was made from; a block that does not say counts as made from its address.
  std::span<const GuestRange> guest_ranges() const noexcept { return array(guest_ranges_); }

  // These are async-signal-safe.
  static constexpr std::uint32_t kNoExit = ~std::uint32_t{0};
  /// The exit whose stub's call returns to `pc`, or kNoExit. Of linked code only.
  std::uint32_t exit_at(const void* pc) const noexcept;
  /// The site of the host instruction at `pc` that may fault, or null.
  const codegen::FaultSite* access_fault_at(const void* pc) const noexcept;
  /// The site of the bounds check whose stub's call returns to `pc`, or null.
  const codegen::FaultSite* check_fault_at(const void* pc) const noexcept;

  /// Under the cache's lock.
  State state() const noexcept { return state_; }
  std::span<PageNode<Translation>> page_nodes() noexcept { return array(page_nodes_); }

 private:
  friend class CodeCache;
  friend class Linker;

  /// A copy of the record, in one piece of memory; its code has no place yet.
  static Translation* make(const codegen::Emitted& emitted, Flavour flavour, const PublisherNote& note,
                           CodeCache& cache);
  static void destroy(Translation* translation) noexcept;
  Translation() = default;
  ~Translation() = default;

  /// Behind the translation, in the same piece of memory. Programs have tens of thousands of translations:
  /// half the size of a span counts.
  template <typename T>
  struct Array {
    std::uint32_t offset = 0, count = 0;
  };
  template <typename T>
  std::span<T> array(Array<T> a) noexcept {
    return {reinterpret_cast<T*>(reinterpret_cast<std::byte*>(this) + a.offset), a.count};
  }
  template <typename T>
  std::span<const T> array(Array<T> a) const noexcept {
    return {reinterpret_cast<const T*>(reinterpret_cast<const std::byte*>(this) + a.offset), a.count};
  }

  BlockKey key_;
  const std::byte* code_ = nullptr;
  std::uint32_t code_size_ = 0;
  std::uint32_t chunk_ = 0;
  std::uint32_t guest_inst_count_ = 0;
  Flavour flavour_;
  State state_ = State::made;
  bool uses_float_ = false;
  TranslationExit* incoming_ = nullptr;
  Array<TranslationExit> exits_;
  Array<codegen::FaultSite> access_faults_, check_faults_;
  Array<codegen::WriteBack> write_backs_;
  Array<codegen::Resident> residents_;
  Array<GuestRange> guest_ranges_;
  Array<PageNode<Translation>> page_nodes_;
  PublisherNote note_;
  CodeCache* cache_ = nullptr;
  std::uint32_t bytes_ = 0;  ///< of this record
};

}  // namespace ashlar::cache
