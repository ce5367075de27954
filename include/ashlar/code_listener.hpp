// Who wants to know which host code was made, and where: profilers' and debuggers' interfaces
// (<ashlar/debug.hpp>), or an embedder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <ashlar/types.hpp>

namespace ashlar {

/// A block's host code, as a CodeListener is told of it. The spans are valid during the call.
struct PublishedCode {
  /// Where in a block's host code that of a guest instruction begins: `offset` bytes behind its first byte.
  struct Point {
    std::uint32_t offset = 0;
    GuestAddr pc;
  };

  BlockKey key;
  /// Where the code is executed.
  const void* address = nullptr;
  /// The bytes as they were emitted; those at `address` change when blocks are linked.
  std::span<const std::byte> code;
  /// In ascending order.
  std::span<const Point> points;
  /// With ContextConfig::count_executions: how often code of this key was entered, counted by that code
  /// itself without synchronisation. To be read as an atomic; valid as long as the context. Else null.
  std::uint64_t* executions = nullptr;
  /// With ContextConfig::count_ways, likewise: how often each of the N guest instructions of `points` was
  /// executed, each in the code along the block; how often the block was left or shortened by the side exit
  /// of each, where that takes code of its own; then how often the block was entered from elsewhere, its
  /// final branch taken, and not taken, where these take code of their own: 2 * N + 3 counters. Else empty.
  std::span<std::uint64_t> ways{};
};

/// Told of all host code of a context: set ContextConfig::code_listeners. Called on the thread that compiles,
/// by several at once; must not call into the context. A block may have been entered already. Code that is
/// dropped is not reported: later code may overlap it, and is what counts then.
class CodeListener {
 public:
  virtual ~CodeListener() = default;
  /// The routines between the library and emitted code; once for a context, before any block.
  virtual void runtime_published(const void* address, std::span<const std::byte> code) = 0;
  virtual void code_published(const PublishedCode& published) = 0;
};

}  // namespace ashlar
