// The parts of BlockBuilder that are not worth inlining (build_verified: verifier.cpp).
#include <ashlar/block_builder.hpp>

#include <algorithm>

namespace ashlar {

void BlockBuilder::begin(BlockKey key) {
  key_ = key;
  host_rounding_ = RoundingMode::rne;
  temp_count_ = 0;
  insts_.clear();
  exits_.clear();
  boundaries_.clear();
  ranges_.clear();
}

void BlockBuilder::covers(GuestRange range) {
  if (range.size == 0) return;
  // Whatever the new range touches or overlaps grows by it and is taken out, until nothing does. A range that
  // ends at 2^64 touches none at 0: merged they would wrap.
  for (std::size_t i = ranges_.size(); i-- > 0;) {
    const GuestRange old = ranges_[i];
    const bool touches = (old.end() == range.begin && range.begin.value != 0) ||
                         (range.end() == old.begin && old.begin.value != 0) || old.overlaps(range);
    if (!touches) continue;
    if (old.end() == range.begin && i + 1 == ranges_.size() && ranges_.size() == 1) {
      ranges_[i].size += range.size;  // the way of nearly every block: one instruction behind the other
      return;
    }
    const std::uint64_t begin = std::min(old.begin.value, range.begin.value);
    const std::uint64_t last = std::max(old.end().value - 1, range.end().value - 1);
    range = {{begin}, last - begin + 1};
    ranges_.erase(ranges_.begin() + static_cast<std::ptrdiff_t>(i));
    i = ranges_.size();
  }
  ranges_.push_back(range);
}

unsigned BlockBuilder::exit_to(BlockKey target) {
  for (std::size_t i = exits_.size(); i-- > 0;) {
    if (exits_[i].target == target) return static_cast<unsigned>(i);
  }
  exits_.push_back({target});
  return static_cast<unsigned>(exits_.size() - 1);
}

void BlockBuilder::call(GuestAddr target, GuestAddr return_to) {
  const unsigned exit = exit_to(target);
  const unsigned site = exit_to(return_to);
  emit({Opcode::jump,
        {},
        {},
        {},
        static_cast<std::int32_t>(site),
        ir::Inst::pack_exit(exit, static_cast<unsigned>(ir::JumpHint::call))});
}

void BlockBuilder::branch(Opcode op, Value a, Value b, GuestAddr taken, GuestAddr not_taken) {
  const unsigned yes = exit_to(taken);
  emit({op, {}, a, b, 0, ir::Inst::pack_exit(yes, exit_to(not_taken))});
}

void BlockBuilder::branch(Opcode op, Value a, std::int32_t imm, GuestAddr taken, GuestAddr not_taken) {
  const unsigned yes = exit_to(taken);
  emit({op, {}, a, {}, imm, ir::Inst::pack_exit(yes, exit_to(not_taken))});
}

void BlockBuilder::jump_indirect(Value a, std::int32_t imm, ir::JumpHint hint) {
  emit({Opcode::jump_ind,
        {},
        a,
        {},
        imm,
        ir::Inst::pack_exit(ir::Inst::kNoExit, static_cast<unsigned>(hint))});
}

void BlockBuilder::call_indirect(Value a, std::int32_t imm, GuestAddr return_to) {
  emit({Opcode::jump_ind,
        {},
        a,
        {},
        imm,
        ir::Inst::pack_exit(exit_to(return_to), static_cast<unsigned>(ir::JumpHint::call))});
}

void BlockBuilder::assign(const ir::Block::Parts& parts) {
  host_rounding_ = parts.host_rounding;
  temp_count_ = parts.temp_count;
  insts_.assign(parts.insts);
  exits_.assign(parts.exits.begin(), parts.exits.end());
  boundaries_.assign(parts.boundaries);
  ranges_.clear();
  for (const GuestRange& range : parts.ranges)
    covers(range);  // who composes parts need not look for overlaps
}

ir::Block::Parts BlockBuilder::parts() const noexcept {
  return {key_, insts_.items(), exits_, boundaries_.items(), ranges_, temp_count_, host_rounding_};
}

ir::BlockPtr BlockBuilder::build() const { return ir::Block::make(parts()); }

}  // namespace ashlar
