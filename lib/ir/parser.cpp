// Reads IR text: what the printer prints, and what people write in tests. The grammar, line by line; a `;`
// starts a comment, empty lines do not count:
//
//   block      "block" key "{"  header*  (boundary | instruction)*  "}"
//   header     "rounding" mode            host rounding of the block; rne without this line
//              "range" number "+" number  guest code that the block covers: address, bytes
//              "temps" number             number of temporaries; without this line the highest used + 1
//              "exits" key ("," key)*     exits 0, 1, …; others follow in order of appearance
//   boundary   "@" number number "join"? ":"   guest instruction: address, length in bytes
//   key        number ["/" number]        address, mode; without mode 0
//   value      slot name | "s" digits | "t" digits | "zero"
//   number     decimal or 0x hexadecimal; constants may have a "-" in front
//
// An instruction is the opcode's name and its operands; by form (opcodes.inc):
//
// clang-format off
//   c64        dst, number
//   d, s       value
//   r          dst, a
//   rx         dst, a, aux                bit fields: dst, a, #lowest, #width
//   rr         dst, a, b
//   rrx        dst, a, b, aux
//   ri         dst, a, number
//   rrr        dst, a, b, c [, aux]
//   ld         dst, [a + number]          "+ number" may be "- number" or missing
//   st         [a + number], b
//   amo        dst, [a], b [, order]      lr: no b
//   cas        dst, [a], b, c [, order]
//   fence      bits, bits
//   help       [dst,] number(a, b, c)     fewer arguments: fewer values
//   xrr xri    a, b | number -> key
//   brr bri    a, b | number -> key, key
//   jmp        -> key [, hint] [, returns key]
//   ind        a [+ number] [, hint] [, returns key]
//   mode       a, b
//   exit       reason [detail] -> key
//
//   aux        a rounding mode (rne rtz rdn rup rmm), a division rule (all_ones zero), a shift count (#number)
//   order      relaxed release acquire acq_rel; relaxed when missing
//   bits       some of the letters i o r w in this order, or "none"
//   hint       plain call ret; plain when missing
//   reason     syscall breakpoint illegal_instruction guest_exit instruction_fence
// clang-format on
#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <ashlar/block_builder.hpp>
#include <ashlar/ir_text.hpp>

#include "ir/limits.hpp"
#include "ir/shape.hpp"
#include "ir/words.hpp"

namespace ashlar::ir {

namespace {

const std::unordered_map<std::string_view, Opcode>& opcodes_by_name() {
  static const auto map = [] {
    std::unordered_map<std::string_view, Opcode> m;
    for (std::size_t i = 0; i < kOpcodeCount; ++i) {
      m.emplace(op_info(static_cast<Opcode>(i)).name, static_cast<Opcode>(i));
    }
    return m;
  }();
  return map;
}

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '.';
}

class Parser {
 public:
  Parser(std::string_view text, const StateLayout& layout) : text_(text), layout_(layout) {
    for (std::size_t i = 0; i < layout.slots.size(); ++i) {
      slots_.emplace(layout.slots[i].name, static_cast<unsigned>(i));
    }
  }

  Result<BlockPtr> run() {
    if (!block()) return Error{ErrorCode::parse_error, error_};
    Block::Parts parts = builder_.parts();
    parts.ranges = ranges_;
    if (auto good = verify(parts, layout_); !good) return good.error();
    return Block::make(parts);
  }

 private:
  // Every method gives false behind the first error.
  bool expected(const std::string& what, std::optional<std::size_t> at = {}) {
    skip_blanks();
    const std::size_t where = at.value_or(pos_);
    const std::string_view before = text_.substr(0, where);
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
    std::string found;
    if (where >= text_.size()) {
      found = "the end of the text";
    } else if (text_[where] == '\n' || text_[where] == ';' || text_[where] == '\r') {
      found = "the end of the line";
    } else {
      std::size_t end = where;
      while (end < text_.size() && end - where < 40 && is_word(text_[end])) ++end;
      const unsigned char first = static_cast<unsigned char>(text_[where]);
      if (end == where && (first < ' ' || first > '~')) {
        found = "byte " + std::to_string(first);
      } else {
        found = "'" + std::string(text_.substr(where, std::max<std::size_t>(1, end - where))) + "'";
      }
    }
    error_ = "line " + std::to_string(line) + ", column " + std::to_string(where - line_start + 1) +
             ": expected " + what + ", found " + found;
    return false;
  }

  // Lexing. The text is small: words are cut from it where they are wanted.
  char peek() const { return pos_ < text_.size() ? text_[pos_] : '\0'; }
  void skip_blanks() {
    while (pos_ < text_.size() && (text_[pos_] == ' ' || text_[pos_] == '\t' || text_[pos_] == '\r')) ++pos_;
    if (peek() == ';') {
      while (pos_ < text_.size() && text_[pos_] != '\n') ++pos_;
    }
  }
  void skip_lines() {
    for (skip_blanks(); peek() == '\n'; skip_blanks()) ++pos_;
  }
  bool accept(char c) {
    skip_blanks();
    if (pos_ >= text_.size() || text_[pos_] != c) return false;
    ++pos_;
    return true;
  }
  bool expect(char c) { return accept(c) || expected(std::string("'") + c + "'"); }
  bool comma() { return expect(','); }
  bool end_of_line() {
    skip_blanks();
    if (pos_ >= text_.size()) return true;
    return accept('\n') || expected("the end of the line");
  }
  /// The word ahead, empty if there is none; not consumed.
  std::string_view word_ahead() {
    skip_blanks();
    std::size_t end = pos_;
    while (end < text_.size() && is_word(text_[end])) ++end;
    return text_.substr(pos_, end - pos_);
  }
  bool accept_word(std::string_view word) {
    if (word_ahead() != word) return false;
    pos_ += word.size();
    return true;
  }
  bool accept_arrow() {
    skip_blanks();
    if (text_.substr(pos_, 2) != "->") return false;
    pos_ += 2;
    return true;
  }
  bool arrow() { return accept_arrow() || expected("'->'"); }

  static int digit(char c) {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return 99;
  }
  /// Reads a magnitude; nothing consumed and false when there is none or it has more than 64 bits.
  bool magnitude(std::uint64_t& out) {
    const std::string_view word = word_ahead();
    const bool is_hex = word.size() > 2 && word[0] == '0' && (word[1] == 'x' || word[1] == 'X');
    const unsigned base = is_hex ? 16 : 10;
    std::uint64_t v = 0;
    const std::string_view digits = is_hex ? word.substr(2) : word;
    if (digits.empty()) return false;
    for (const char c : digits) {
      const unsigned d = static_cast<unsigned>(digit(c));
      if (d >= base || v > (~std::uint64_t{0} - d) / base) return false;
      v = v * base + d;
    }
    pos_ += word.size();
    out = v;
    return true;
  }
  bool number(std::uint64_t& out, const char* what = "a number", std::uint64_t max = ~std::uint64_t{0}) {
    skip_blanks();
    const std::size_t start = pos_;
    if (!magnitude(out) || out > max) return expected(what, start);
    return true;
  }
  /// 64 bits, with a sign if there is one.
  bool constant(std::uint64_t& out) {
    skip_blanks();
    const std::size_t start = pos_;
    const bool negative = accept('-');
    if (!magnitude(out) || (negative && out > (std::uint64_t{1} << 63)))
      return expected("a number of 64 bits", start);
    if (negative) out = 0 - out;
    return true;
  }
  /// `sign` says what was read in front of the number: displacements have theirs as an operator.
  bool immediate(std::int32_t& out, std::optional<bool> negated = {}) {
    skip_blanks();
    const std::size_t start = pos_;
    const bool negative = negated ? *negated : accept('-');
    std::uint64_t v = 0;
    if (!magnitude(v) || v > (std::uint64_t{1} << 31) - (negative ? 0 : 1)) {
      return expected("a signed number of 32 bits", start);
    }
    out = static_cast<std::int32_t>(negative ? 0 - v : v);
    return true;
  }
  bool hash_number(unsigned& out) {
    std::uint64_t v = 0;
    if (!expect('#') || !number(v, "a number up to 255", 255)) return false;
    out = static_cast<unsigned>(v);
    return true;
  }
  bool key(BlockKey& out) {
    out = {};
    if (!number(out.addr.value, "a block key (address or address/mode)")) return false;
    return !accept('/') || number(out.mode);
  }

  bool value(Value& out) {
    const std::string_view word = word_ahead();
    const std::size_t start = pos_;
    if (word.empty() || is_digit(word[0])) return expected("a register, temporary or zero");
    pos_ += word.size();
    if (const auto slot = slots_.find(word); slot != slots_.end()) {
      out = Value::slot(slot->second);
      return true;
    }
    if (word == "zero") {
      out = Value::zero();
      return true;
    }
    const bool temp = word[0] == 't';
    unsigned i = 0;
    if ((temp || word[0] == 's') && word.size() <= 4 && index(word.substr(1), i)) {
      if (!temp && i < static_cast<unsigned>(Value::kMaxSlots)) {
        out = Value::slot(i);
        return true;
      }
      if (temp && i < static_cast<unsigned>(Value::kMaxTemps)) {
        temps_ = std::max(temps_, i + 1);
        out = Value::temp(i);
        return true;
      }
      return expected(temp ? "a temporary (t0 to t223)" : "a slot (s0 to s511)", start);
    }
    return expected("a register, temporary or zero", start);
  }
  static bool index(std::string_view digits, unsigned& out) {
    if (digits.empty() || (digits.size() > 1 && digits[0] == '0')) return false;
    out = 0;
    for (const char c : digits) {
      if (!is_digit(c)) return false;
      out = out * 10 + static_cast<unsigned>(c - '0');
    }
    return true;
  }

  template <std::size_t n>
  bool one_of(const std::array<std::string_view, n>& list, const char* what, unsigned& out) {
    const std::string_view word = word_ahead();
    const auto found = std::find(list.begin(), list.end(), word);
    if (word.empty() || found == list.end()) {
      std::string all = what;
      for (std::size_t i = 0; i < n; ++i) all += (i == 0 ? " (" : ", ") + std::string(list[i]);
      return expected(all + ")");
    }
    pos_ += word.size();
    out = static_cast<unsigned>(found - list.begin());
    return true;
  }

  bool block() {
    skip_lines();
    if (!accept_word("block")) return expected("'block'");
    BlockKey own;
    if (!key(own) || !expect('{') || !end_of_line()) return false;
    builder_.begin(own);
    if (!headers() || !body()) return false;
    skip_lines();
    if (pos_ < text_.size()) return expected("the end of the text");
    // The builder hands out temporaries in order; the text names them.
    if (stated_temps_) temps_ = *stated_temps_;
    for (unsigned i = 0; i < temps_; ++i) (void)builder_.temp();
    return true;
  }

  bool headers() {
    for (;;) {
      skip_lines();
      if (accept_word("rounding")) {
        unsigned mode = 0;
        if (!one_of(words::kRounding, "a rounding mode", mode)) return false;
        builder_.set_host_rounding(static_cast<RoundingMode>(mode));
      } else if (accept_word("range")) {
        GuestRange range;
        if (!number(range.begin.value, "an address") || !expect('+') || !number(range.size)) return false;
        ranges_.push_back(range);
      } else if (accept_word("temps")) {
        std::uint64_t count = 0;
        if (!number(count, "a number of temporaries up to 224", Value::kMaxTemps)) return false;
        stated_temps_ = static_cast<unsigned>(count);
      } else if (accept_word("exits")) {
        do {
          BlockKey target;
          unsigned exit = 0;
          if (!key(target) || !exit_to(target, exit)) return false;
        } while (accept(','));
      } else {
        return true;
      }
      if (!end_of_line()) return false;
    }
  }

  bool body() {
    for (;;) {
      skip_lines();
      if (accept('}')) return true;
      if (accept('@')) {
        std::uint64_t pc = 0, length = 0;
        if (builder_.guest_inst_count() >= kMaxInsts) return expected("at most 4096 boundaries", pos_ - 1);
        if (!number(pc, "an address") || !number(length, "a length up to 255", 255)) return false;
        const bool join = accept_word("join");
        if (!expect(':')) return false;
        builder_.guest_instruction({pc}, static_cast<std::uint8_t>(length), join);
      } else if (!instruction()) {
        return false;
      }
      if (!end_of_line()) return false;
    }
  }

  bool exit_to(BlockKey target, unsigned& out) {
    out = builder_.exit_to(target);
    return builder_.exit_count() <= kMaxExits || expected("at most 1024 exits");
  }
  bool exit(unsigned& out) {
    BlockKey target;
    return key(target) && exit_to(target, out);
  }

  bool address(Inst& inst, bool displaced) {
    if (!expect('[') || !value(inst.a) || (displaced && !displacement(inst.imm))) return false;
    return expect(']');
  }
  bool displacement(std::int32_t& imm) {
    if (accept('+')) return immediate(imm, false);
    if (accept('-')) return immediate(imm, true);
    return true;
  }
  bool fence_half(unsigned& out) {
    const std::string_view word = word_ahead();
    out = 0;
    for (const char c : word) {
      const std::size_t i = words::kFence.find(c);
      if (i == words::kFence.npos) break;
      out |= 8u >> i;
    }
    if (word == words::kNoFence) out = 0;
    // Printed back, the word must be itself: letters once, in order.
    std::string again;
    for (unsigned i = 0; i < 4; ++i) {
      if ((out & (8u >> i)) != 0) again += words::kFence[i];
    }
    if (word.empty() || (word != again && word != words::kNoFence)) {
      return expected("some of the letters iorw, in this order, or none");
    }
    pos_ += word.size();
    return true;
  }

  /// Reads aux in its own words; the caller has read the comma.
  bool aux(AuxKind kind, unsigned& out, unsigned& out2) {
    switch (kind) {
      case AuxKind::rounding:
        return one_of(words::kRounding, "a rounding mode", out);
      case AuxKind::division:
        return one_of(words::kDivision, "a division rule", out);
      case AuxKind::order:
        return one_of(words::kOrder, "a memory order", out);
      case AuxKind::shift32:
      case AuxKind::shift64:
        return hash_number(out);
      case AuxKind::bit_field:
        return hash_number(out) && comma() && hash_number(out2);
      case AuxKind::fence:
        return fence_half(out) && comma() && fence_half(out2);
      case AuxKind::none:
      case AuxKind::hint:
      case AuxKind::stop:
        break;
    }
    return true;
  }
  bool comma_aux(AuxKind kind, unsigned& out, unsigned& out2) {
    return kind == AuxKind::none || (comma() && aux(kind, out, out2));
  }

  bool instruction() {
    const std::string_view word = word_ahead();
    const auto found = opcodes_by_name().find(word);
    if (word.empty() || found == opcodes_by_name().end()) return expected("an opcode, '@' or '}'");
    if (builder_.inst_count() >= kMaxInsts) return expected("at most 4096 instructions");
    pos_ += word.size();
    Inst inst;
    inst.op = found->second;
    if (!operands(inst)) return false;
    builder_.emit(inst);
    return true;
  }

  bool operands(Inst& inst) {
    const Shape shape = shape_of(inst.op);
    unsigned aux1 = 0, aux2 = 0;
    Value c;
    bool good = true;
    switch (op_info(inst.op).form) {
      case Form::nop:
        return true;  // the default instruction, ext included
      case Form::c64: {
        std::uint64_t v = 0;
        if (!value(inst.dst) || !comma() || !constant(v)) return false;
        inst.imm = static_cast<std::int32_t>(v);
        inst.ext = static_cast<std::uint32_t>(v >> 32);
        return true;
      }
      case Form::d:
        good = value(inst.dst);
        break;
      case Form::s:
        good = value(inst.a);
        break;
      case Form::r:
      case Form::rx:
        good = value(inst.dst) && comma() && value(inst.a) && comma_aux(shape.aux, aux1, aux2);
        break;
      case Form::rr:
      case Form::rrx:
        good = value(inst.dst) && comma() && value(inst.a) && comma() && value(inst.b) &&
               comma_aux(shape.aux, aux1, aux2);
        break;
      case Form::ri:
        good = value(inst.dst) && comma() && value(inst.a) && comma() && immediate(inst.imm);
        break;
      case Form::rrr:
        good = value(inst.dst) && comma() && value(inst.a) && comma() && value(inst.b) && comma() &&
               value(c) && comma_aux(shape.aux, aux1, aux2);
        break;
      case Form::ld:
        good = value(inst.dst) && comma() && address(inst, true);
        break;
      case Form::st:
        good = address(inst, true) && comma() && value(inst.b);
        break;
      case Form::amo:
      case Form::cas:
        good = value(inst.dst) && comma() && address(inst, false) &&
               (shape.b == ValueClass::N || (comma() && value(inst.b))) &&
               (shape.c == ValueClass::N || (comma() && value(c))) &&
               (!accept(',') || aux(AuxKind::order, aux1, aux2));
        break;
      case Form::fence:
        good = aux(AuxKind::fence, aux1, aux2);
        aux1 = (aux1 << 4) | aux2;
        aux2 = 0;
        break;
      case Form::help:
        good = helper(inst, c);
        break;
      case Form::mode:
        good = value(inst.a) && comma() && value(inst.b);
        break;
      case Form::xrr:
      case Form::xri:
      case Form::brr:
      case Form::bri:
        return comparison(inst, shape);
      case Form::jmp:
        return jump(inst);
      case Form::ind:
        return indirect(inst);
      case Form::exit:
        return stop(inst);
    }
    inst.ext = Inst::pack(c, aux1, aux2);
    return good;
  }

  bool helper(Inst& inst, Value& c) {
    if (!word_ahead().empty() && !is_digit(word_ahead()[0]) && !(value(inst.dst) && comma())) return false;
    std::uint64_t id = 0;
    if (!number(id, "a helper's number", kMaxHelpers - 1) || !expect('(')) return false;
    inst.imm = static_cast<std::int32_t>(id);
    if (accept(')')) return true;
    Value* const arguments[] = {&inst.a, &inst.b, &c};
    for (Value* argument : arguments) {
      if (!value(*argument)) return false;
      if (accept(')')) return true;
      if (argument != &c && !comma()) return false;
    }
    return expect(')');
  }

  bool comparison(Inst& inst, const Shape& shape) {
    if (!value(inst.a) || !comma()) return false;
    if (shape.b != ValueClass::N ? !value(inst.b) : !immediate(inst.imm)) return false;
    unsigned yes = 0, no = 0;
    if (!arrow() || !exit(yes)) return false;
    if (shape.low == LowHalf::branch && (!comma() || !exit(no))) return false;
    inst.ext = Inst::pack_exit(yes, no);
    return true;
  }

  /// [, hint] [, returns key]
  bool hint_and_site(unsigned& hint, std::optional<unsigned>& site) {
    bool hinted = false;
    while (accept(',')) {
      if (accept_word("returns")) {
        unsigned exit_index = 0;
        if (!exit(exit_index)) return false;
        site = exit_index;
        return true;
      }
      if (hinted) return expected("'returns'");
      if (!one_of(words::kHint, "'returns' or a hint", hint)) return false;
      hinted = true;
    }
    return true;
  }

  bool jump(Inst& inst) {
    unsigned target = 0, hint = 0;
    std::optional<unsigned> site;
    if (!arrow() || !exit(target) || !hint_and_site(hint, site)) return false;
    inst.imm = site ? static_cast<std::int32_t>(*site) : -1;
    inst.ext = Inst::pack_exit(target, hint);
    return true;
  }

  bool indirect(Inst& inst) {
    unsigned hint = 0;
    std::optional<unsigned> site;
    if (!value(inst.a) || !displacement(inst.imm) || !hint_and_site(hint, site)) return false;
    inst.ext = Inst::pack_exit(site.value_or(Inst::kNoExit), hint);
    return true;
  }

  bool stop(Inst& inst) {
    unsigned reason = 0, target = 0;
    if (!one_of(words::kStop, "a stop reason", reason)) return false;
    if (!accept_arrow() && !(immediate(inst.imm) && arrow())) return false;
    if (!exit(target)) return false;
    inst.ext = Inst::pack_exit(target, reason);
    return true;
  }

  const std::string_view text_;
  const StateLayout& layout_;
  std::unordered_map<std::string_view, unsigned> slots_;
  std::size_t pos_ = 0;
  unsigned temps_ = 0;
  std::optional<unsigned> stated_temps_;
  std::vector<GuestRange> ranges_;  // as written: the builder would merge them
  BlockBuilder builder_;
  std::string error_;
};

}  // namespace

Result<BlockPtr> parse(std::string_view text, const StateLayout& layout) {
  return Parser(text, layout).run();
}

}  // namespace ashlar::ir
