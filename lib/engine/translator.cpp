// Translation of guest code to IR, and digests of the code; see translator.hpp.
#include "engine/translator.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include <ashlar/ir_text.hpp>

#include "base/assert.hpp"
#include "engine/sampled_time.hpp"

namespace ashlar::engine {
namespace {

/// Not against adversaries: a guest that finds a collision runs its own stale code.
class Hash {
 public:
  void add(std::span<const std::byte> bytes) noexcept {
    std::size_t i = 0;
    for (; i + 8 <= bytes.size(); i += 8) {
      std::uint64_t word;
      std::memcpy(&word, bytes.data() + i, 8);
      mix(word);
    }
    // What is left is part of the last eight bytes; of fewer in all there are at most seven.
    if (bytes.size() >= 8) {
      std::uint64_t last;
      std::memcpy(&last, bytes.data() + bytes.size() - 8, 8);
      mix(last);
      mix(bytes.size());
    } else {
      std::uint64_t rest = bytes.size();
      std::memcpy(reinterpret_cast<std::byte*>(&rest) + 1, bytes.data(), bytes.size());
      mix(rest);
    }
  }
  std::uint64_t value() const noexcept { return state_; }

 private:
  void mix(std::uint64_t word) noexcept {
    state_ = (state_ ^ word) * 0x9fb2'1c65'1e98'df25ull;
    state_ ^= state_ >> 29;
  }
  std::uint64_t state_ = 0x243f'6a88'85a3'08d3ull;
};

void count(StatsCell& stats, std::uint64_t guest_instructions) {
  stats.add(Stat::blocks_translated);
  stats.add(Stat::guest_instructions_translated, guest_instructions);
}

ir::Block::Parts parts(BlockKey key, const TranslationBuffers& buffers) {
  ir::Block::Parts parts = buffers.builder.parts();
  parts.key = key;  // the cache relies on it, whatever the front end did with the builder
  return parts;
}

#ifndef NDEBUG
void verify_or_die(const ir::Block& block, const Frontend& frontend, const char* who) {
  if (auto verified = ir::verify(block, frontend.layout(), frontend.helpers().size()); !verified) {
    const std::string detail = verified.error().message + "\n" + ir::print(block, &frontend.layout());
    fatal(who, detail.c_str());
  }
}
#endif

}  // namespace

void RecordingMemory::begin(GuestMemory* memory) noexcept {
  memory_ = memory;
  pieces_.clear();
  bytes_.clear();
}

std::size_t RecordingMemory::read(GuestAddr from, std::span<std::byte> to) const noexcept {
  return memory_->read(from, to);
}
std::size_t RecordingMemory::write(GuestAddr to, std::span<const std::byte> from) noexcept {
  return memory_->write(to, from);
}
std::size_t RecordingMemory::fetch(GuestAddr at, std::span<std::byte> to) noexcept {
  const std::size_t size = memory_->fetch(at, to);
  if (size != 0) {
    pieces_.push_back({at, bytes_.size(), size});
    bytes_.insert(bytes_.end(), to.begin(), to.begin() + static_cast<std::ptrdiff_t>(size));
  }
  return size;
}
Fault RecordingMemory::check(GuestAddr at, std::size_t size, AccessKind access) const noexcept {
  return memory_->check(at, size, access);
}
void RecordingMemory::add_observer(CodeObserver* observer) { memory_->add_observer(observer); }
void RecordingMemory::remove_observer(CodeObserver* observer) { memory_->remove_observer(observer); }

/// Puts the fetched bytes of a range into assembled_. False when some were not fetched, or twice and not the
/// same.
bool RecordingMemory::assemble(GuestRange range) {
  assembled_.resize(range.size);
  for (std::uint64_t done = 0; done < range.size;) {
    const GuestAddr at = range.begin + done;
    const auto piece = std::find_if(pieces_.begin(), pieces_.end(), [&](const Piece& candidate) {
      return at.value - candidate.at.value < candidate.size;
    });
    if (piece == pieces_.end()) return false;
    const std::uint64_t skip = at.value - piece->at.value;
    const std::uint64_t size = std::min<std::uint64_t>(piece->size - skip, range.size - done);
    std::memcpy(assembled_.data() + done, bytes_.data() + piece->offset + skip, size);
    done += size;
  }
  return std::all_of(pieces_.begin(), pieces_.end(), [&](const Piece& piece) {
    if (!range.overlaps({piece.at, piece.size})) return true;
    const std::uint64_t in_range = range.contains(piece.at) ? piece.at.value - range.begin.value : 0;
    const std::uint64_t in_piece = range.contains(piece.at) ? 0 : range.begin.value - piece.at.value;
    const std::uint64_t size = std::min<std::uint64_t>(range.size - in_range, piece.size - in_piece);
    return std::memcmp(assembled_.data() + in_range, bytes_.data() + piece.offset + in_piece, size) == 0;
  });
}

CodeDigest RecordingMemory::digest(std::span<const GuestRange> ranges) {
  if (pieces_.empty()) return {};
  Hash hash;
  if (pieces_.size() == 1) {
    const Piece& piece = pieces_.front();
    for (const GuestRange& range : ranges) {
      const std::uint64_t skip = range.begin.value - piece.at.value;
      if (skip > piece.size || range.size > piece.size - skip) return {CodeDigest::Kind::unstable, 0};
      hash.add(std::span(bytes_).subspan(skip, range.size));
    }
    return {CodeDigest::Kind::known, hash.value()};
  }
  for (const GuestRange& range : ranges) {
    if (!assemble(range)) return {CodeDigest::Kind::unstable, 0};
    hash.add(assembled_);
  }
  return {CodeDigest::Kind::known, hash.value()};
}

std::optional<ir::Block> Translator::translate_over(BlockKey key, TranslationBuffers& buffers, Fault& fault,
                                                    CodeDigest* digest) const {
  GuestMemory* memory = memory_;
  if (memory != nullptr && digest != nullptr) {
    buffers.memory.begin(memory_);
    memory = &buffers.memory;
  }
  buffers.builder.begin(key);
  const TranslateResult result = frontend_.translate(key, memory, limits_, buffers.builder);
  if (result.fetch_fault.kind != FaultKind::none) {
    fault = result.fetch_fault;
    return std::nullopt;
  }
  const ir::Block block = ir::Block::over(parts(key, buffers));
#ifndef NDEBUG
  verify_or_die(block, frontend_, "the front end has made a block that does not verify:");
#endif
  if (digest != nullptr) {
    *digest = CodeDigest{};
    if (memory_ != nullptr) *digest = buffers.memory.digest(block.guest_ranges());
  }
  return block;
}

Translated Translator::translate_only(BlockKey key, TranslationBuffers& buffers) const {
  Translated translated;
  if (translate_over(key, buffers, translated.fault, &translated.digest))
    translated.block = ir::Block::make(parts(key, buffers));
  return translated;
}

Translated Translator::translate(BlockKey key, TranslationBuffers& buffers, StatsCell& stats) const {
  const SampledTime time(stats, Stat::blocks_translated, Stat::translate_time);
  Translated translated = translate_only(key, buffers);
  if (translated.block != nullptr) count(stats, translated.block->guest_inst_count());
  return translated;
}

std::optional<ir::Block> Translator::translate_in_place(BlockKey key, TranslationBuffers& buffers,
                                                        StatsCell& stats, Fault& fault,
                                                        CodeDigest* digest) const {
  const SampledTime time(stats, Stat::blocks_translated, Stat::translate_time);
  const std::optional<ir::Block> block = translate_over(key, buffers, fault, digest);
  if (block) count(stats, block->guest_inst_count());
  return block;
}

bool Translator::unchanged(std::span<const GuestRange> ranges, const CodeDigest& digest) const {
  if (digest.kind == CodeDigest::Kind::none) return true;
  if (digest.kind == CodeDigest::Kind::unstable || memory_ == nullptr) return false;
  Hash hash;
  std::vector<std::byte> bytes;
  for (const GuestRange& range : ranges) {
    bytes.resize(range.size);
    if (memory_->fetch(range.begin, bytes) != range.size) return false;
    hash.add(bytes);
  }
  return hash.value() == digest.hash;
}

}  // namespace ashlar::engine
