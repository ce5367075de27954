// The plain address and size types that every other header uses. No dependencies.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace ashlar {

/// An address in the guest's address space. Guest addresses and host pointers never mix: there is no
/// conversion between the two except through a GuestMemory.
struct GuestAddr {
  std::uint64_t value = 0;

  constexpr auto operator<=>(const GuestAddr&) const = default;
  /// Guest address arithmetic wraps modulo 2^64, as guests' does.
  friend constexpr GuestAddr operator+(GuestAddr a, std::uint64_t n) { return {a.value + n}; }
  friend constexpr GuestAddr operator-(GuestAddr a, std::uint64_t n) { return {a.value - n}; }
};

/// The half-open range [begin, begin + size) of guest addresses; `size` is in bytes.
struct GuestRange {
  GuestAddr begin;
  std::uint64_t size = 0;

  constexpr bool operator==(const GuestRange&) const = default;
  /// The first address behind the range. Wraps to 0 for a range that ends at 2^64.
  constexpr GuestAddr end() const { return begin + size; }
  constexpr bool contains(GuestAddr a) const { return a.value - begin.value < size; }
  constexpr bool overlaps(const GuestRange& o) const {
    return size != 0 && o.size != 0 &&
           (o.begin.value - begin.value < size || begin.value - o.begin.value < o.size);
  }
};

/// Names a block: a guest address (or an embedder's id) plus the mode bits under which it was translated.
/// Two keys with different modes are different blocks. What a mode means is the front end's business; the
/// engine only carries it (RISC-V uses it for the floating-point rounding mode).
struct BlockKey {
  GuestAddr addr;
  std::uint64_t mode = 0;

  constexpr auto operator<=>(const BlockKey&) const = default;
  /// The key of a block that an embedder registered under `id` in a BlockStore.
  static constexpr BlockKey from_id(std::uint64_t id) { return {{id}, 0}; }
};

/// Hash of a key for tables in host memory. A full avalanche: the cache's shards use its top bits and the
/// buckets its low bits.
constexpr std::uint64_t hash_of(const BlockKey& key) noexcept {
  std::uint64_t h = (key.addr.value ^ (key.mode * 0x9e3779b97f4a7c15ull)) * 0xff51afd7ed558ccdull;
  h ^= h >> 32;
  h *= 0xc4ceb9fe1a85ec53ull;
  return h ^ (h >> 29);
}

}  // namespace ashlar

template <>
struct std::hash<ashlar::BlockKey> {
  std::size_t operator()(const ashlar::BlockKey& key) const noexcept {
    return static_cast<std::size_t>(ashlar::hash_of(key));
  }
};
