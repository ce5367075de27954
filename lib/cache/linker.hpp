// Links between translations: an exit's branch is patched to go straight to its target, and back to its own
// stub. Knows exit sites, not opcodes. Used by the code cache, with its lock held.
//
// Invariants, all under the lock:
// - An exit with `to` set is in the list of incoming exits of `to`, and its branch goes to to->code().
// - An exit of a live translation without `to` has its branch at its stub.
// - Both ends of a link are live and of one flavour. When a translation is detached, exits of others that
// lead to it go
//   back to their stubs; its own branches stay as they are. Whoever executes it may so follow a link to a
//   translation that has been retired later; that is safe, because he has been inside the epoch domain since
//   before either was retired.
#pragma once

#include <cstdint>

#include "cache/cache_lock.hpp"
#include "cache/code_memory.hpp"
#include "cache/translation.hpp"
#include "codegen/patcher.hpp"

namespace ashlar::cache {

class Linker {
 public:
  Linker(CodeMemory& memory, const codegen::Patcher& patcher) : memory_(memory), patcher_(patcher) {}

  /// False, and nothing done, when one of the two is not live, they differ in flavour, the exit can't be
  /// linked or is linked already, or the target is out of the branch's range.
  bool link(const CacheLock&, Translation& from, std::uint32_t exit, Translation& to);
  /// Makes the exit leave through its stub again. False when it was not linked.
  bool unlink(const CacheLock&, Translation& from, std::uint32_t exit);

  /// The number of live exits that lead to the translation.
  static std::size_t incoming(const CacheLock&, const Translation& to) noexcept;

  /// Removes all links from and to a translation that has just ceased to be live. Those between it and others
  /// that are not live any more need no patch: of many to be detached, mark all first. Returns how many links
  /// there were.
  std::uint64_t detach(const CacheLock&, Translation& translation);

 private:
  static void drop(TranslationExit& exit) noexcept;
  bool retarget(const TranslationExit& exit, const std::byte* target) noexcept;
  void to_stub(const TranslationExit& exit) noexcept;

  CodeMemory& memory_;
  const codegen::Patcher& patcher_;
};

}  // namespace ashlar::cache
