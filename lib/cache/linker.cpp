// Linking and unlinking; see linker.hpp for the invariants.
#include "cache/linker.hpp"

#include "base/assert.hpp"

namespace ashlar::cache {

using codegen::ExitKind;
using codegen::ExitSite;

bool Linker::link(const CacheLock&, Translation& from, std::uint32_t index, Translation& to) {
  TranslationExit& exit = from.part<Translation::Part::exits>()[index];
  const bool linkable = (exit.site.kind == ExitKind::direct || exit.site.kind == ExitKind::call) &&
                        exit.site.patch_offset != ExitSite::kNotPatchable;
  if (!linkable || exit.to != nullptr || from.flavour_ != to.flavour_ || !from.flavour_.linked) return false;
  if (from.state_ != Translation::State::live || to.state_ != Translation::State::live) return false;
  if (!retarget(exit, to.code_)) return false;
  exit.to = &to;
  exit.previous = nullptr;
  exit.next = to.incoming_;
  if (to.incoming_ != nullptr) to.incoming_->previous = &exit;
  to.incoming_ = &exit;
  return true;
}

bool Linker::unlink(const CacheLock&, Translation& from, std::uint32_t index) {
  TranslationExit& exit = from.part<Translation::Part::exits>()[index];
  if (exit.to == nullptr) return false;
  to_stub(exit);
  drop(exit);
  return true;
}

std::uint64_t Linker::detach(const CacheLock&, Translation& translation) {
  std::uint64_t links = 0;
  while (TranslationExit* exit = translation.incoming_) {
    if (exit->from->state_ == Translation::State::live) to_stub(*exit);
    drop(*exit);
    ++links;
  }
  for (TranslationExit& exit : translation.part<Translation::Part::exits>()) {
    if (exit.to == nullptr) continue;
    drop(exit);
    ++links;
  }
  return links;
}

std::size_t Linker::incoming(const CacheLock&, const Translation& to) noexcept {
  std::size_t count = 0;
  for (const TranslationExit* exit = to.incoming_; exit != nullptr; exit = exit->next) ++count;
  return count;
}

void Linker::drop(TranslationExit& exit) noexcept {
  if (exit.next != nullptr) exit.next->previous = exit.previous;
  if (exit.previous != nullptr) {
    exit.previous->next = exit.next;
  } else {
    exit.to->incoming_ = exit.next;
  }
  exit.to = nullptr;
  exit.previous = nullptr;
  exit.next = nullptr;
}

bool Linker::retarget(const TranslationExit& exit, const std::byte* target) noexcept {
  const std::byte* const site = exit.from->code_ + exit.site.patch_offset;
  // The whole word: that is what the patcher stores.
  const std::byte* const word = site - (reinterpret_cast<std::uintptr_t>(site) & 7);
  CodeWrite write(memory_, word, patcher_.extent());
  return write.ok() && patcher_.retarget(write.writable(site), site, target);
}

void Linker::to_stub(const TranslationExit& exit) noexcept {
  // A link that can't be undone would lead into freed memory. The stub is in reach, since it was the branch's
  // first target.
  if (!retarget(exit, exit.from->code_ + exit.site.stub_offset))
    fatal("a link between translations can't be undone");
}

}  // namespace ashlar::cache
