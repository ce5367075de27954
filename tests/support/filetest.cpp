// File tests. A file has blocks in IR text and cases that execute them; `;` starts a comment:
//
//   layout x0 x1 f0:real             the slots, if not the test guest's (test_guest.hpp: x0 to x23, f0 to
//   f19) block 0x1 { ... }                registered under its address; may exit to other blocks of the file
//   case any words                   a fresh state: all slots, flags and the 32 KiB of memory are 0
//     set x0 = 1, u32[0x100] = -1    changes the state; any number of such lines
//     execute 0x1                    executes one block; or:
//     run 0x1 [fuel 10]              runs from there
//     stops block_done -> 0x2        why it stopped and where it goes on; reasons as in ExitReason, and
//     stops guest_exit 7 -> 0x2        with the detail
//     stops fault store unmapped 0x8000 -> 0x14     with access, kind and guest address
//     stops fuel -> 0x14, 10 instructions           with the count, if it matters
//     after x0 = 2                   what has changed; everything that is not named is as before the
//     execution
//
// execute/run, stops and after lines may repeat within a case; the state goes on. The state's parts are
//
//   slot = value          u8[address] u16[…] u32[…] u64[…] = value          flags = none | nx, uf, of, dz, nv
//   joined by |
//
// and values are numbers, or f32(number), which is boxed, or f64(number); numbers of floats may also be inf,
// -inf, nan (canonical) and snan. Each case is executed twice, so that the second time finds everything
// cached and linked.
#include "support/filetest.hpp"

#include <array>
#include <bit>
#include <cstdlib>
#include <optional>
#include <vector>

#include <ashlar/ir_text.hpp>

#include "ir/float_semantics.hpp"
#include "support/test_guest.hpp"

namespace ashlar::test {

namespace {

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r");
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

/// Cuts the first word off.
std::string_view take_word(std::string_view& text) {
  text = trimmed(text);
  const std::string_view word = text.substr(0, text.find_first_of(" \t"));
  text = trimmed(text.substr(word.size()));
  return word;
}

std::optional<std::uint64_t> number(std::string_view text) {
  const std::string s(trimmed(text));
  if (s.empty()) return {};
  char* end = nullptr;
  const bool negative = s[0] == '-';
  const std::uint64_t v = std::strtoull(s.c_str() + (negative ? 1 : 0), &end, 0);
  if (*end != '\0' || end == s.c_str()) return {};
  return negative ? 0 - v : v;
}

std::optional<std::uint64_t> value(std::string_view text) {
  text = trimmed(text);
  const bool single = text.starts_with("f32(");
  if (!single && !text.starts_with("f64(")) return number(text);
  if (!text.ends_with(")")) return {};
  const std::string inner(text.substr(4, text.size() - 5));
  if (inner == "nan")
    return single ? ir::semantics::box32(ir::semantics::kCanonicalNan32) : ir::semantics::kCanonicalNan64;
  if (inner == "snan") return single ? ir::semantics::box32(0x7f800001) : 0x7ff0000000000001;
  char* end = nullptr;
  const std::uint64_t bits =
      single ? ir::semantics::box32(std::bit_cast<std::uint32_t>(std::strtof(inner.c_str(), &end)))
             : std::bit_cast<std::uint64_t>(std::strtod(inner.c_str(), &end));
  if (inner.empty() || *end != '\0') return {};
  return bits;
}

/// A part of the state and what it is to be.
struct Item {
  enum class Kind { slot, memory, flags } kind;
  std::uint64_t where = 0;  // slot or address
  unsigned bytes = 0;
  std::uint64_t value = 0;
};

struct State {
  std::vector<std::uint64_t> slots;
  std::uint8_t flags = 0;
  std::vector<std::uint8_t> memory = std::vector<std::uint8_t>(kMapped);

  void apply(const Item& item) {
    switch (item.kind) {
      case Item::Kind::slot:
        slots[item.where] = item.value;
        break;
      case Item::Kind::flags:
        flags = static_cast<std::uint8_t>(item.value);
        break;
      case Item::Kind::memory:
        for (unsigned i = 0; i < item.bytes; ++i) {
          memory[item.where + i] = static_cast<std::uint8_t>(item.value >> (8 * i));
        }
    }
  }
};

/// One execution: what changes before it, how it ends, what it changes.
struct Step {
  unsigned line = 0;
  std::vector<Item> set, after;
  bool run = false;
  std::uint64_t key = 0;
  std::optional<std::uint64_t> fuel;
  bool stated = false;  // there was a `stops`
  ExecutionResult expected;
  std::optional<std::uint64_t> instructions;
};

struct Case {
  std::string words;
  unsigned line = 0;
  std::vector<Step> steps;
};

constexpr std::array kReasons = {ExitReason::block_done, ExitReason::fuel,
                                 ExitReason::halted,     ExitReason::syscall,
                                 ExitReason::breakpoint, ExitReason::illegal_instruction,
                                 ExitReason::guest_exit, ExitReason::fault};

class FileTest {
 public:
  FileTest(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  bool parse() {
    layout_ = test_layout();
    while (pos_ < text_.size()) {
      const std::size_t start = pos_;
      std::string_view line = next_line();
      const std::string_view word = take_word(line);
      if (word.empty()) continue;
      if (word == "block") {
        if (!block(start)) return false;
      } else if (word == "layout") {
        if (!layout(line)) return false;
      } else if (word == "case") {
        cases_.push_back({std::string(line), line_, {}});
      } else if (cases_.empty()) {
        return fail("expected 'layout', 'block' or 'case'");
      } else if (!in_case(word, line)) {
        return false;
      }
    }
    for (const Case& c : cases_) {
      line_ = c.line;
      if (c.steps.empty()) return fail("the case executes nothing");
      for (const Step& step : c.steps) {
        line_ = step.line;
        if (!step.stated) return fail("an execution without a 'stops' line");
      }
    }
    return !cases_.empty() || fail("there are no cases");
  }

  unsigned run(const EngineMaker& engine) {
    auto machine = Machine::create(engine, layout_);
    if (!machine) {
      fail("the machine could not be made");
      return 0;
    }
    for (const auto& block : blocks_) {
      if (auto put = machine->put(block->key().addr.value, *block); !put) {
        fail(put.error().message);
        return 0;
      }
    }
    for (const Case& c : cases_) {
      for (const char* round : {"cold", "warm"}) {
        if (!run_case(c, *machine, engine.name + ", " + round)) break;
      }
    }
    return static_cast<unsigned>(cases_.size());
  }

  const std::string& failures() const { return failures_; }

 private:
  bool fail(const std::string& what) {
    failures_ += name_ + ":" + std::to_string(line_) + ": " + what + "\n";
    return false;
  }

  /// The rest of the current line without its comment.
  std::string_view next_line() {
    ++line_;
    const std::size_t end = std::min(text_.find('\n', pos_), text_.size());
    const std::string_view line = text_.substr(pos_, end - pos_);
    pos_ = end + 1;
    return trimmed(line.substr(0, line.find(';')));
  }

  bool layout(std::string_view names) {
    layout_.slots.clear();
    while (!names.empty()) {
      std::string_view name = take_word(names);
      const bool is_real = name.ends_with(":real");
      if (is_real) name.remove_suffix(5);
      // Low ranks for the later ones, so that some are resident in emitted code and some are not.
      const auto rank = layout_.slots.size() < 200 ? 200 - layout_.slots.size() : 0;
      layout_.slots.push_back({std::string(name), is_real ? SlotClass::real : SlotClass::integer,
                               static_cast<std::uint8_t>(rank)});
    }
    return true;
  }

  bool block(std::size_t start) {
    const unsigned first = line_;
    while (pos_ < text_.size() && next_line() != "}") {
    }
    auto parsed = ir::parse(text_.substr(start, std::min(pos_, text_.size()) - start), layout_);
    if (!parsed) {
      line_ = first;
      return fail(parsed.error().message + " (lines counted from here)");
    }
    blocks_.push_back(std::move(parsed).value());
    return true;
  }

  bool in_case(std::string_view word, std::string_view line) {
    auto& steps = cases_.back().steps;
    if (word == "set") {
      if (steps.empty() || steps.back().stated) steps.emplace_back();
      steps.back().line = line_;
      return items(line, steps.back().set);
    }
    if (word == "execute" || word == "run") {
      if (steps.empty() || steps.back().stated) steps.emplace_back();
      Step& step = steps.back();
      step.line = line_;
      step.run = word == "run";
      const auto key = number(take_word(line));
      if (!key) return fail("expected a block's address");
      step.key = *key;
      if (line.empty()) return true;
      if (!step.run || take_word(line) != "fuel") return fail("expected the end of the line");
      step.fuel = number(line);
      return step.fuel ? true : fail("expected a number of instructions");
    }
    if (steps.empty()) return fail("nothing has been executed");
    if (word == "stops") return stops(line, steps.back());
    if (word == "after") return items(line, steps.back().after);
    return fail("expected 'set', 'execute', 'run', 'stops', 'after' or 'case'");
  }

  bool stops(std::string_view line, Step& step) {
    step.stated = true;
    const auto arrow = line.find("->");
    if (arrow == line.npos) return fail("expected '->'");
    std::string_view before = line.substr(0, arrow), behind = line.substr(arrow + 2);
    const std::string_view reason = take_word(before);
    bool known = false;
    for (const ExitReason r : kReasons) {
      if (reason != to_string(r)) continue;
      step.expected.reason = r;
      known = true;
    }
    if (!known) return fail("there is no such reason");
    if (step.expected.reason == ExitReason::guest_exit) {
      const auto detail = number(before);
      if (!detail) return fail("expected the detail");
      step.expected.detail = static_cast<std::int32_t>(*detail);
    } else if (step.expected.reason == ExitReason::fault) {
      if (!fault(before, step.expected.fault)) return false;
    }
    if (const auto comma = behind.find(','); comma != behind.npos) {
      std::string_view count = behind.substr(comma + 1);
      step.instructions = number(take_word(count));
      if (!step.instructions || count != "instructions") return fail("expected a number of instructions");
      behind = behind.substr(0, comma);
    }
    const auto slash = behind.find('/');
    const auto addr = number(behind.substr(0, slash));
    const auto mode =
        slash == behind.npos ? std::optional<std::uint64_t>(0) : number(behind.substr(slash + 1));
    if (!addr || !mode) return fail("expected a key");
    step.expected.next = {{*addr}, *mode};
    return true;
  }

  bool fault(std::string_view text, Fault& out) {
    const std::string_view access = take_word(text), kind = take_word(text);
    const auto addr = number(text);
    if (access == "load")
      out.access = AccessKind::load;
    else if (access == "store")
      out.access = AccessKind::store;
    else if (access == "fetch")
      out.access = AccessKind::fetch;
    else
      return fail("expected load, store or fetch");
    if (kind == "unmapped")
      out.kind = FaultKind::unmapped;
    else if (kind == "protection")
      out.kind = FaultKind::protection;
    else if (kind == "misaligned")
      out.kind = FaultKind::misaligned;
    else
      return fail("expected unmapped, protection or misaligned");
    if (!addr) return fail("expected the address of the fault");
    out.addr = {*addr};
    return true;
  }

  bool items(std::string_view line, std::vector<Item>& out) {
    while (!line.empty()) {
      const auto comma = line.find(',');
      std::string_view item = line.substr(0, comma);
      line = comma == line.npos ? std::string_view() : trimmed(line.substr(comma + 1));
      const auto equals = item.find('=');
      if (equals == item.npos) return fail("expected '='");
      if (!one_item(trimmed(item.substr(0, equals)), trimmed(item.substr(equals + 1)), out)) return false;
    }
    return true;
  }

  bool one_item(std::string_view what, std::string_view is, std::vector<Item>& out) {
    if (what == "flags") {
      Item item{Item::Kind::flags};
      for (std::size_t at = 0; is != "none" && at <= is.size();) {
        const std::size_t end = std::min(is.find('|', at), is.size());
        const std::string_view name = trimmed(is.substr(at, end - at));
        constexpr std::array<std::string_view, 5> kNames = {"nx", "uf", "of", "dz", "nv"};
        const auto found = std::find(kNames.begin(), kNames.end(), name);
        if (found == kNames.end()) return fail("there is no flag '" + std::string(name) + "'");
        item.value |= 1u << (found - kNames.begin());
        at = end + 1;
      }
      out.push_back(item);
      return true;
    }
    const auto v = value(is);
    if (!v) return fail("'" + std::string(is) + "' is no value");
    if (const auto open = what.find('['); open != what.npos && what.ends_with("]")) {
      const auto address = number(what.substr(open + 1, what.size() - open - 2));
      const std::string_view type = what.substr(0, open);
      const unsigned bytes = type == "u8" ? 1 : type == "u16" ? 2 : type == "u32" ? 4 : type == "u64" ? 8 : 0;
      if (!address || bytes == 0 || *address > kMapped - bytes) return fail("no such memory");
      out.push_back({Item::Kind::memory, *address, bytes, *v});
      return true;
    }
    for (unsigned i = 0; i < layout_.slots.size(); ++i) {
      if (layout_.slots[i].name != what) continue;
      out.push_back({Item::Kind::slot, i, 8, *v});
      return true;
    }
    return fail("there is no slot '" + std::string(what) + "'");
  }

  bool run_case(const Case& c, Machine& machine, const std::string& round) {
    // The expected state, in a vCPU of its own, so that one comparison serves all.
    auto memory = make_test_memory();
    auto model = Vcpu::create(layout_, memory.get());
    if (!memory || !model) return fail("the expected state could not be made");
    Vcpu& vcpu = machine.vcpu();
    State state;
    state.slots.resize(layout_.slots.size());
    vcpu.clear_reservation();
    put(vcpu, state);
    for (const Step& step : c.steps) {
      for (const Item& item : step.set) {
        state.apply(item);
        put_item(vcpu, item);
      }
      vcpu.set_pc({step.key});
      vcpu.set_mode(0);
      RunLimits limits;
      limits.fuel = step.fuel;
      ExecutionResult result = step.run ? machine.engine().run(vcpu, limits)
                                        : machine.engine().execute_block(vcpu, BlockKey::from_id(step.key));
      for (const Item& item : step.after) state.apply(item);
      put(**model, state);
      (*model)->set_pc(step.expected.next.addr);
      (*model)->set_mode(step.expected.next.mode);
      ExecutionResult expected = step.expected;
      expected.instructions = step.instructions.value_or(result.instructions);
      const std::string differs = difference(result, expected) + difference(vcpu, **model);
      if (!differs.empty()) {
        line_ = step.line;
        return fail("case '" + c.words + "' (" + round + "): found against expected:\n" + differs);
      }
    }
    return true;
  }

  static void put(Vcpu& vcpu, const State& state) {
    for (unsigned i = 0; i < state.slots.size(); ++i) vcpu.set_slot(i, state.slots[i]);
    vcpu.set_float_flags(state.flags);
    vcpu.memory()->write({0}, std::as_bytes(std::span(state.memory)));
  }

  // Nothing else is touched: a write elsewhere could drop a reservation.
  static void put_item(Vcpu& vcpu, const Item& item) {
    switch (item.kind) {
      case Item::Kind::slot:
        vcpu.set_slot(static_cast<unsigned>(item.where), item.value);
        break;
      case Item::Kind::flags:
        vcpu.set_float_flags(static_cast<std::uint8_t>(item.value));
        break;
      case Item::Kind::memory:
        vcpu.memory()->write({item.where}, std::as_bytes(std::span(&item.value, 1)).first(item.bytes));
    }
  }

  const std::string_view text_;
  const std::string name_;
  std::size_t pos_ = 0;
  unsigned line_ = 0;
  StateLayout layout_;
  std::vector<ir::BlockPtr> blocks_;
  std::vector<Case> cases_;
  std::string failures_;
};

}  // namespace

FileTestResult run_file_test(std::string_view text, const std::string& name, const EngineMaker& engine) {
  FileTest test(text, name);
  FileTestResult result;
  if (test.parse()) result.cases = test.run(engine);
  result.failures = test.failures();
  return result;
}

}  // namespace ashlar::test
