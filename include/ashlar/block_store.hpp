// For embedders without a guest instruction set: blocks built by hand, registered and executed under ids.
#pragma once

#include <cstdint>
#include <memory>

#include <ashlar/export.hpp>
#include <ashlar/frontend.hpp>

namespace ashlar {

/// A front end whose "guest code" is a table of blocks. Thread-safe. Give it to a context like any other
/// front end; after replacing or removing a block, call the engine's `invalidate` with `range_of(id)` to drop
/// what was made from the old one.
class ASHLAR_API BlockStore final : public Frontend {
 public:
  /// The layout is copied.
  explicit BlockStore(StateLayout layout, std::vector<Helper> helpers = {});
  ~BlockStore() override;

  /// Registers a block under an id. invalid_ir when it does not verify; already_exists when the id is taken.
  /// The block's own key is not looked at. Exits to BlockKey::from_id(other) go to other blocks of the store.
  Result<void> add(std::uint64_t id, const ir::Block& block);
  /// The same from what a builder holds.
  Result<void> add(std::uint64_t id, const BlockBuilder& builder);
  /// Puts a block in the place of another (or where there is none).
  Result<void> replace(std::uint64_t id, const ir::Block& block);
  /// unknown_block if there is none.
  Result<void> remove(std::uint64_t id);
  bool contains(std::uint64_t id) const;
  std::size_t size() const;
  static GuestRange range_of(std::uint64_t id) { return {{id}, 1}; }

  const StateLayout& layout() const noexcept override;
  std::span<const Helper> helpers() const noexcept override;
  /// An id that is not registered is a fetch fault of kind unmapped.
  TranslateResult translate(BlockKey key, GuestMemory*, const TranslateLimits&,
                            BlockBuilder& out) const override;
  std::string disassemble(GuestAddr at, GuestMemory*, unsigned* length) const override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ashlar
