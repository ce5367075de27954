// The translator's loop: fetches, decodes, dispatches, and decides where the block ends.
#include <algorithm>

#include "riscv/translate.hpp"

namespace ashlar::riscv {

// A key whose address has bit 0 set is the target of a jalr whose register had it set: jalr clears the bit,
// and leaves that to this place, which costs indirect jumps nothing.
Translator::Translator(BlockKey key, GuestMemory& memory, const TranslateLimits& limits, BlockBuilder& out)
    : out_(out),
      window_(memory),
      key_(key),
      limit_(std::clamp(limits.max_guest_insts, 1u, kMaxGuestInsts)),
      extend_(limits.extend),
      mode_(static_cast<unsigned>(key.mode & 7)),
      pc_(key.addr.value & ~std::uint64_t{1}) {
  values_[0] = 0;
  begin_segment(pc_);
}

// A table of functions, not a switch, which would look at the range and jump twice.
constexpr Translator::Method Translator::kMethods[] = {
    [](Translator& self, std::uint32_t) { self.illegal(); },
#define ASHLAR_RISCV_OP(op, mnemonic, mask, match, format, extension) \
  [](Translator& self, std::uint32_t word) { self.op_##op({word}); },
#include "riscv/encodings.inc"
};

TranslateResult Translator::run() {
  out_.begin(key_);
  out_.set_host_rounding(mode_ <= 3 ? static_cast<RoundingMode>(mode_) : RoundingMode::rne);
  // Each instruction is identified before the one in front of it is translated, and its length is taken from
  // its first bits, so that the processor does several at once and knows early where the dispatch will go.
  constexpr std::uint64_t nowhere = 1;  // instructions lie at even addresses
  std::uint64_t ahead_at = nowhere;
  Identified ahead{};
  unsigned ahead_length = 0;
  for (;;) {
    if (ahead_at != pc_) {
      std::uint32_t code;
      if (!window_.read(pc_, code)) {
        if (count_ == 0) return {window_.fault()};
        out_.jump({pc_});
        break;
      }
      ahead = identify(code);
      ahead_length = identified_length(code);
    }
    const std::uint32_t bits = ahead.word.bits, number = ahead.op_number;
    const unsigned length = ahead_length;
    const std::uint64_t behind = pc_ + length;
    const bool join = is_join(pc_);
    if (join) {
      known_ = 1;  // register 0
      open_exits_ -= static_cast<unsigned>(std::count(joins_, joins_ + join_count_, pc_));
    }
    out_.guest_instruction({pc_}, static_cast<std::uint8_t>(length), join);
    ++count_;
    next_ = behind;
    ahead_at = nowhere;
    if (std::uint32_t code; window_.peek(behind, code)) {
      ahead_at = behind;
      ahead = identify(code);
      ahead_length = identified_length(code);
    }
    kMethods[number](*this, bits);
    pc_ = next_;
    if (ended_) break;
    if (count_ >= limit_ || (pc_ == stop_at_ && pc_ != segment_begin_) ||
        temps_ > static_cast<unsigned>(Value::kMaxTemps) - kMostTempsOfOne) {
      out_.jump({pc_});
      break;
    }
  }
  out_.covers({{segment_begin_}, pc_ - segment_begin_});
  for (unsigned n = 0; n < segment_count_; ++n) out_.covers({{segments_[n].begin}, segments_[n].size});
  return {};
}

void Translator::begin_segment(std::uint64_t addr) {
  segment_begin_ = stop_at_ = addr;
  for (unsigned n = 0; n < segment_count_; ++n) {
    const std::uint64_t begin = segments_[n].begin;
    if (begin > addr && (stop_at_ == addr || begin < stop_at_)) stop_at_ = begin;
  }
}

bool Translator::is_covered(std::uint64_t addr) const {
  // While an instruction is translated, next_ is the end of the growing stretch.
  if (addr - segment_begin_ < next_ - segment_begin_) return true;
  for (unsigned n = 0; n < segment_count_; ++n) {
    if (addr - segments_[n].begin < segments_[n].size) return true;
  }
  return false;
}

bool Translator::is_listed_join(std::uint64_t addr) const {
  return std::find(joins_, joins_ + join_count_, addr) != joins_ + join_count_;
}

void Translator::go_to(std::uint64_t target) {
  if (target == next_) return;
  // One stretch must stay free for the growing one.
  if (!extend_ || count_ >= limit_ || segment_count_ + 1 >= kMaxSegments || is_covered(target)) {
    out_.jump({target});
    ended_ = true;
    return;
  }
  segments_[segment_count_++] = {segment_begin_, next_ - segment_begin_};
  next_ = target;
  begin_segment(target);
}

Translator::Value Translator::constant(std::uint64_t value) {
  if (value == 0) return Value::zero();
  const Value t = temp();
  out_.const64(t, value);
  return t;
}

void Translator::set_constant(unsigned n, std::uint64_t value) {
  if (n == 0 || (is_known(n) && values_[n] == value)) return;
  known_ |= 1u << n;
  values_[n] = value;
  out_.const64(Value::slot(x(n)), value);
}

void Translator::copy(unsigned rd, unsigned rs) {
  if (rd == 0 || rd == rs) return;
  if (is_known(rs)) return set_constant(rd, values_[rs]);
  out_.r(Opcode::mov64, dest(rd), source(rs));
}

}  // namespace ashlar::riscv
