// From a block key to verified, optimised IR: the one place that calls the front end and the passes. Used by
// the IR cache, the compiling executors and dumps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <ashlar/block_builder.hpp>
#include <ashlar/frontend.hpp>
#include <ashlar/ir.hpp>
#include <ashlar/memory.hpp>

#include "base/stats_cells.hpp"

namespace ashlar::engine {

/// What the bytes of a block's guest code were when it was translated, to find out later whether they still
/// are. Needed because guests write to their code without our noticing (nothing is write-protected) until
/// they fence.
struct CodeDigest {
  enum class Kind : std::uint8_t {
    none,      ///< the block was not read from guest memory: it never goes stale unnoticed
    known,     ///< `hash` is the hash of the bytes of the guest ranges
    unstable,  ///< the bytes changed while they were read, or were read in a way that we did not see: stale
  };
  Kind kind = Kind::none;
  std::uint64_t hash = 0;
};

/// Guest memory as the front end sees it while it translates: remembers what was fetched. One per translating
/// thread.
class RecordingMemory final : public GuestMemory {
 public:
  void begin(GuestMemory* memory) noexcept;
  /// The digest of what was fetched of `ranges` since `begin`.
  CodeDigest digest(std::span<const GuestRange> ranges);

  std::size_t read(GuestAddr from, std::span<std::byte> to) const noexcept override;
  std::size_t write(GuestAddr to, std::span<const std::byte> from) noexcept override;
  std::size_t fetch(GuestAddr at, std::span<std::byte> to) noexcept override;
  Fault check(GuestAddr at, std::size_t size, AccessKind access) const noexcept override;
  void add_observer(CodeObserver* observer) override;
  void remove_observer(CodeObserver* observer) override;

 private:
  struct Piece {
    GuestAddr at;
    std::size_t offset, size;
  };
  bool assemble(GuestRange range);

  GuestMemory* memory_ = nullptr;
  std::vector<Piece> pieces_;
  std::vector<std::byte> bytes_;
  std::vector<std::byte> assembled_;
};

/// What a translating thread keeps from block to block.
struct TranslationBuffers {
  BlockBuilder builder;
  RecordingMemory memory;
};

struct Translated {
  ir::BlockPtr block;  ///< null: `fault`
  CodeDigest digest;
  Fault fault;
};

/// Thread-safe; each thread brings its buffers.
class Translator {
 public:
  Translator(const Frontend& frontend, GuestMemory* memory, const TranslateLimits& limits)
      : frontend_(frontend), memory_(memory), limits_(limits) {}

  Translated translate(BlockKey key, TranslationBuffers& buffers, StatsCell& stats) const;
  /// For a block that is needed only now: it lies in the buffers, until they are used again. Nothing:
  /// `fault`. `digest` may be null.
  std::optional<ir::Block> translate_in_place(BlockKey key, TranslationBuffers& buffers, StatsCell& stats,
                                              Fault& fault, CodeDigest* digest = nullptr) const;
  /// As the front end left it, for dumps.
  Translated translate_only(BlockKey key, TranslationBuffers& buffers) const;

  /// Whether guest memory still holds what a block over these ranges was made from.
  bool unchanged(std::span<const GuestRange> ranges, const CodeDigest& digest) const;

 private:
  /// translate_in_place, uncounted.
  std::optional<ir::Block> translate_over(BlockKey key, TranslationBuffers& buffers, Fault& fault,
                                          CodeDigest* digest) const;

  const Frontend& frontend_;
  GuestMemory* memory_;
  TranslateLimits limits_;
};

}  // namespace ashlar::engine
