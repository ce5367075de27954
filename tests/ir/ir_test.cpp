// Blocks, the builder, the text form, and that docs/ir.md lists the opcodes as they are.
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include <doctest/doctest.h>
#include <ashlar/block_builder.hpp>
#include <ashlar/ir_text.hpp>

#include "ir/docs_opcodes.hpp"
#include "ir/equal.hpp"
#include "ir/shape.hpp"
#include "support/random_blocks.hpp"
#include "support/test_guest.hpp"

using namespace ashlar;
using namespace ashlar::test;
using ir::Opcode;
using ir::Value;

namespace {

std::string read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE_MESSAGE(in.good(), path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string source_root() {
  const char* root = std::getenv("ASHLAR_SOURCE_ROOT");
  REQUIRE(root != nullptr);
  return root;
}

/// Parses, prints and parses again; gives the print.
std::string round_trip(const std::string& text) {
  auto first = ir::parse(text, test_layout());
  REQUIRE_MESSAGE(first.ok(), first.error().message << "\n" << text);
  const std::string printed = ir::print(**first, &test_layout());
  auto second = ir::parse(printed, test_layout());
  REQUIRE_MESSAGE(second.ok(), second.error().message << "\n" << printed);
  CHECK_MESSAGE(ir::equal(**first, **second), printed);
  CHECK(ir::print(**second, &test_layout()) == printed);
  return printed;
}

std::string parse_error(const std::string& text) {
  auto parsed = ir::parse(text, test_layout());
  REQUIRE_FALSE(parsed.ok());
  return parsed.error().message;
}

}  // namespace

TEST_CASE("values are words of the frame") {
  CHECK(Value::none().is_none());
  CHECK_FALSE(Value::none().is_temp());
  CHECK(Value::zero().is_zero());
  CHECK_FALSE(Value::zero().is_slot());
  CHECK_FALSE(Value::zero().is_temp());
  for (unsigned i : {0u, 1u, 27u, 511u}) {
    CHECK(Value::slot(i).is_slot());
    CHECK(Value::slot(i).slot_index() == i);
    CHECK_FALSE(Value::slot(i).is_temp());
  }
  for (unsigned i : {0u, 1u, 223u}) {
    CHECK(Value::temp(i).is_temp());
    CHECK(Value::temp(i).temp_index() == i);
    CHECK_FALSE(Value::temp(i).is_slot());
  }
  const ir::Inst inst{Opcode::const64, Value::temp(0), {}, {}, static_cast<std::int32_t>(0x89abcdef),
                      0x01234567};
  CHECK(inst.imm64() == 0x0123456789abcdef);
}

TEST_CASE("the builder's blocks hold what was put in") {
  BlockBuilder b;
  b.begin({{0x1000}, 3});
  const Value t = b.temp();
  b.guest_instruction({0x1000}, 4);
  b.guest_instruction({0x1004}, 2);  // the first has no IR
  b.load(Opcode::ld64, t, Value::slot(1), 8);
  b.rr(Opcode::add64, Value::slot(0), t, t);
  b.guest_instruction({0x1006}, 4);
  b.exit_if(Opcode::exit_eq_i, t, 5, {0x2000});
  CHECK_FALSE(b.terminated());
  b.branch(Opcode::br_ne, t, Value::slot(2), {0x2000}, {0x3000});
  CHECK(b.terminated());
  b.covers({{0x1000}, 4});
  b.covers({{0x1004}, 6});
  b.covers({{0x3000}, 2});
  b.set_host_rounding(RoundingMode::rup);

  auto block = b.build();
  CHECK(block->key() == BlockKey{{0x1000}, 3});
  CHECK(block->insts().size() == 4);
  CHECK(block->terminal().op == Opcode::br_ne);
  REQUIRE(block->exits().size() == 2);
  CHECK(block->exits()[0].target == BlockKey{{0x2000}, 3});
  CHECK(block->terminal().exit() == 0);
  CHECK(block->terminal().exit_not() == 1);
  CHECK(block->temp_count() == 1);
  CHECK(block->host_rounding() == RoundingMode::rup);
  REQUIRE(block->guest_ranges().size() == 2);
  CHECK(block->guest_ranges()[0] == GuestRange{{0x1000}, 10});
  CHECK(block->guest_inst_count() == 3);
  CHECK(block->boundary_of(0)->pc.value == 0x1004);
  CHECK(block->boundary_of(1)->pc.value == 0x1004);
  CHECK(block->boundary_of(3)->pc.value == 0x1006);
  CHECK(block->guest_insts_before(0) == 1);
  CHECK(block->guest_insts_before(3) == 2);
  CHECK(block->memory_bytes() >= 4 * 16 + 2 * 16 + 3 * 16 + 2 * 16);
  CHECK(ir::equal(*block, *b.build()));

  b.begin({{0x5000}, 0});
  CHECK(b.inst_count() == 0);
  CHECK(b.exit_count() == 0);
  b.call({0x6000}, {0x5004});
  auto call = b.build_verified(test_layout());
  REQUIRE(call.ok());
  CHECK((*call)->boundary_of(0) == nullptr);
  CHECK((*call)->guest_inst_count() == 1);
  CHECK((*call)->guest_insts_before(0) == 0);
  CHECK((*call)->terminal().imm == 1);
  CHECK((*call)->guest_ranges().empty());
  CHECK((*call)->host_rounding() == RoundingMode::rne);
  CHECK_FALSE(ir::equal(**call, *block));

  b.begin({{0}, 0});
  b.rr(Opcode::add64, Value::slot(0), Value::temp(0), Value::slot(0));
  auto bad = b.build_verified(test_layout());
  REQUIRE_FALSE(bad.ok());
  CHECK(bad.error().code == ErrorCode::invalid_ir);
}

TEST_CASE("builders grow, and are copied and moved with what they hold") {
  BlockBuilder b;
  b.begin({{0x1000}, 0});
  constexpr unsigned many = 1000;
  for (unsigned n = 0; n < many; ++n) {
    b.guest_instruction({0x1000 + 4 * n}, 4);
    b.ri(Opcode::add64_i, Value::slot(1), Value::slot(1), static_cast<std::int32_t>(n));
  }
  b.jump({0x9000});
  const auto block = b.build();
  REQUIRE(block->insts().size() == many + 1);
  REQUIRE(block->boundaries().size() == many);
  unsigned wrong = 0;
  for (unsigned n = 0; n < many; ++n) {
    wrong += block->insts()[n].imm != static_cast<std::int32_t>(n) ||
             block->boundaries()[n].first_inst != n || block->boundaries()[n].pc.value != 0x1000 + 4 * n;
  }
  CHECK(wrong == 0);

  BlockBuilder copy = b;
  BlockBuilder assigned;
  assigned.begin({});
  assigned.guest_instruction({8}, 2);
  assigned = copy;
  b.begin({});
  CHECK(ir::equal(*copy.build(), *block));
  CHECK(ir::equal(*assigned.build(), *block));
  BlockBuilder moved = std::move(copy);
  CHECK(ir::equal(*moved.build(), *block));
  copy = std::move(moved);
  CHECK(ir::equal(*copy.build(), *block));
  assigned.assign(ir::parts_of(*block));
  CHECK(ir::equal(*assigned.build(), *block));
}

TEST_CASE("the builder runs out of temporaries without a crash") {
  BlockBuilder b;
  b.begin({});
  for (int i = 0; i < Value::kMaxTemps; ++i) CHECK(b.temp() == Value::temp(static_cast<unsigned>(i)));
  CHECK(b.temp().is_none());
}

TEST_CASE("covered ranges merge") {
  BlockBuilder b;
  const auto ranges_of = [&](std::initializer_list<GuestRange> list) {
    b.begin({});
    for (const GuestRange& r : list) b.covers(r);
    return std::vector<GuestRange>(b.parts().ranges.begin(), b.parts().ranges.end());
  };
  using List = std::vector<GuestRange>;
  CHECK(ranges_of({{{8}, 4}, {{12}, 4}, {{16}, 2}}) == List{{{8}, 10}});
  CHECK(ranges_of({{{12}, 4}, {{8}, 4}}) == List{{{8}, 8}});
  CHECK(ranges_of({{{8}, 4}, {{16}, 4}, {{12}, 4}}) == List{{{8}, 12}});
  CHECK(ranges_of({{{8}, 4}, {{10}, 4}}) == List{{{8}, 6}});
  CHECK(ranges_of({{{8}, 4}, {{8}, 4}}) == List{{{8}, 4}});
  CHECK(ranges_of({{{8}, 0}}).empty());
  CHECK(ranges_of({{{8}, 4}, {{13}, 4}}).size() == 2);
  // A range that ends at 2^64 is no neighbour of one that begins at 0.
  CHECK(ranges_of({{{~0ull - 3}, 4}, {{0}, 4}}).size() == 2);
  CHECK(ranges_of({{{0}, 4}, {{~0ull - 3}, 4}}).size() == 2);
}

TEST_CASE("text: one line of every form") {
  const std::string printed = round_trip(R"(
; a comment
block 0x1000/0x2 {   ; header
  rounding rup
  range 0x1000 + 12
  range 0x2000 + 4
@0x1000 4:
  nop
  const64 t0, 0x8000000000000000
  const64 t1, -1
  const64 t2, 7
  mov64 x1, t0
  add64 x1, x1, zero
  add64_i x1, x2, -2147483648
  div_s64 x1, x2, x3, all_ones
  rem_u32s x1, x2, x3, zero
  addshl64 x1, x2, x3, #63
  ubfx64 x1, x2, #8, #56
  select x1, x2, x3, x4
@0x1004 4:
@0x1008 4:
  ld8u x1, [x2]
  fld32 f1, [x2 - 2147483648]
  st64 [x2 + 2147483647], zero
  lr64 x1, [x2], acquire
  sc64 x1, [x2], x3, acq_rel
  fetch_add32 x1, [x2], x3, relaxed
  cas64 x1, [x2], x3, x4, release
  fence iorw, none
  fence r, rw
  fadd64 f1, f2, f3, rmm
  fsqrt32 f1, f2, rtz
  fmadd64 f1, f2, f3, f4, rdn
  f64_from_f32 f1, f2
  get_fflags x1
  set_fflags x1
  call_helper x1, 2(x2, x3, x4)
  call_helper 65535()
  exit_ltu x1, x2 -> 0x2000
  exit_eq_i x1, -1 -> 0x2000/0x2
  jump_ind x1 - 4, call, returns 0x100c/0x2
}
)");
  CHECK(printed.find("block 0x1000/0x2 {\n  rounding rup\n  range 0x1000 + 12\n  range 0x2000 + 4\n@0x1000 "
                     "4:\n  nop\n") == 0);
  CHECK(printed.find("  const64 t1, 0xffffffffffffffff\n  const64 t2, 7\n") != std::string::npos);
  CHECK(printed.find("@0x1004 4:\n@0x1008 4:\n  ld8u x1, [x2]\n") != std::string::npos);
  CHECK(printed.find("  fetch_add32 x1, [x2], x3\n") != std::string::npos);
  CHECK(printed.find("  call_helper 65535()\n") != std::string::npos);
}

TEST_CASE("text: every terminal") {
  for (const char* line : {
           "jump -> 0x10",
           "jump -> 0x10, call, returns 0x4",
           "jump -> 0x10, ret",
           "jump -> 0x10, call",
           "br_eq x1, x2 -> 0x10, 0x20",
           "br_geu_i x1, -1 -> 0x10, 0x10",
           "jump_ind x1",
           "jump_ind x1 + 8, ret",
           "jump_ind x1, call, returns 0x4/0x1",
           "jump_mode x1, x2",
           "stop syscall -> 0x4",
           "stop guest_exit -7 -> 0x4",
           "stop breakpoint -> 0x0",
           "stop illegal_instruction -> 0x0",
           "stop instruction_fence -> 0x4",
       }) {
    CHECK(round_trip(std::string("block 0x0 {\n  ") + line + "\n}\n") ==
          std::string("block 0x0 {\n  ") + line + "\n}\n");
  }
}

TEST_CASE("text: exits and temporaries that nothing uses keep their place") {
  BlockBuilder b;
  b.begin({});
  (void)b.exit_to(GuestAddr{0x30});
  (void)b.exit_to(GuestAddr{0x20});
  (void)b.temp();
  (void)b.temp();
  b.jump({0x20});
  auto block = b.build();
  const std::string printed = ir::print(*block, &test_layout());
  CHECK(printed == "block 0x0 {\n  temps 2\n  exits 0x30, 0x20\n  jump -> 0x20\n}\n");
  auto parsed = ir::parse(printed, test_layout());
  REQUIRE(parsed.ok());
  CHECK(ir::equal(*block, **parsed));
}

TEST_CASE("text: slots by number without a layout") {
  auto block = ir::parse("block 0x0 {\n add64 s0, s1, x2\n jump -> 0x0\n}", test_layout());
  REQUIRE(block.ok());
  CHECK(ir::print(**block) == "block 0x0 {\n  add64 s0, s1, s2\n  jump -> 0x0\n}\n");
}

TEST_CASE("text: errors say where and what") {
  CHECK(parse_error("") == "line 1, column 1: expected 'block', found the end of the text");
  CHECK(parse_error("blok 0 {}") == "line 1, column 1: expected 'block', found 'blok'");
  CHECK(parse_error("block x {\n}") ==
        "line 1, column 7: expected a block key (address or address/mode), found 'x'");
  const auto in_body = [](const std::string& line) {
    return parse_error("block 0 {\n  " + line + "\n  jump -> 0\n}\n");
  };
  CHECK(in_body("add65 x0, x1, x2") == "line 2, column 3: expected an opcode, '@' or '}', found 'add65'");
  CHECK(in_body("add64 x0, x1") == "line 2, column 15: expected ',', found the end of the line");
  CHECK(in_body("add64 x0, x1, y") == "line 2, column 17: expected a register, temporary or zero, found 'y'");
  CHECK(in_body("add64 x0, x1, t224") ==
        "line 2, column 17: expected a temporary (t0 to t223), found 't224'");
  CHECK(in_body("add64 x0, x1, s512") == "line 2, column 17: expected a slot (s0 to s511), found 's512'");
  CHECK(in_body("add64_i x0, x1, 2147483648") ==
        "line 2, column 19: expected a signed number of 32 bits, found '2147483648'");
  CHECK(in_body("const64 x0, 0x10000000000000000") ==
        "line 2, column 15: expected a number of 64 bits, found '0x10000000000000000'");
  CHECK(in_body("fadd64 f0, f1, f2, up") ==
        "line 2, column 22: expected a rounding mode (rne, rtz, rdn, rup, rmm), found 'up'");
  CHECK(in_body("fence wr, r") ==
        "line 2, column 9: expected some of the letters iorw, in this order, or none, found 'wr'");
  CHECK(in_body("nop nop") == "line 2, column 7: expected the end of the line, found 'nop'");
  CHECK(in_body("ld64 x0, x1") == "line 2, column 12: expected '[', found 'x1'");
  CHECK(in_body("@5 256:") == "line 2, column 6: expected a length up to 255, found '256'");
  CHECK(parse_error("block 0 {\n  jump -> 0\n") ==
        "line 3, column 1: expected an opcode, '@' or '}', found the end of the text");
  CHECK(parse_error("block 0 {\n  jump -> 0\n}\nblock") ==
        "line 4, column 1: expected the end of the text, found 'block'");
  CHECK(parse_error("block 0 {\n \x01\n}") ==
        "line 2, column 2: expected an opcode, '@' or '}', found byte 1");
}

TEST_CASE("text: what is no text gives an error, not a crash") {
  Rng rng(7);
  RandomBlocks blocks(11);
  for (int i = 0; i < 300; ++i) {
    std::string text = ir::print(*blocks.next(), &test_layout());
    for (unsigned n = 1 + rng.below(4); n-- > 0;) {
      const std::size_t at = rng.below(text.size());
      switch (rng.below(3)) {
        case 0:
          text[at] = static_cast<char>(rng.next());
          break;
        case 1:
          text.erase(at, 1 + rng.below(9));
          break;
        default:
          text.insert(at, text.substr(rng.below(text.size()), rng.below(20)));
          break;
      }
    }
    auto parsed = ir::parse(text, test_layout());
    if (!parsed) CHECK_FALSE(parsed.error().message.empty());
  }
}

TEST_CASE("text: a block of limits' size is read, a larger one refused") {
  const auto with = [](unsigned count) {
    std::string text = "block 0 {\n";
    for (unsigned i = 1; i < count; ++i) text += "nop\n";
    return text + "jump -> 0\n}\n";
  };
  CHECK(ir::parse(with(4096), test_layout()).ok());
  CHECK(parse_error(with(4097)).find("expected at most 4096 instructions") != std::string::npos);
  std::string exits = "block 0 {\nexits 0";
  for (unsigned i = 1; i < 1024; ++i) exits += ", " + std::to_string(i);
  CHECK(ir::parse(exits + "\njump -> 0\n}", test_layout()).ok());
  CHECK(parse_error(exits + ", 1024\njump -> 0\n}").find("expected at most 1024 exits") != std::string::npos);
}

TEST_CASE("random blocks survive the round trip") {
  RandomBlockConfig config;
  config.host_roundings = true;
  config.joins = 10;
  RandomBlocks blocks(2024, config);
  std::set<Opcode> seen;
  for (int i = 0; i < 3000; ++i) {
    auto block = blocks.next();
    REQUIRE(block);
    const std::string text = ir::print(*block, &test_layout());
    auto parsed = ir::parse(text, test_layout());
    REQUIRE_MESSAGE(parsed.ok(), parsed.error().message << "\n" << text);
    CHECK_MESSAGE(ir::equal(*block, **parsed), text);
    for (const auto& inst : block->insts()) seen.insert(inst.op);
  }
  // The generator forgets no opcode: it is what engines are compared with.
  for (std::size_t i = 0; i < ir::kOpcodeCount; ++i) {
    CHECK_MESSAGE(seen.count(static_cast<Opcode>(i)) == 1, ir::info(static_cast<Opcode>(i)).name);
  }
}

TEST_CASE("random blocks are the same for the same seed") {
  RandomBlocks a(5), b(5), c(6);
  bool differs = false;
  for (int i = 0; i < 50; ++i) {
    auto x = a.next(), y = b.next(), z = c.next();
    CHECK(ir::equal(*x, *y));
    differs = differs || !ir::equal(*x, *z);
  }
  CHECK(differs);
}

TEST_CASE("docs/ir.md lists the opcodes as they are") {
  const std::string path = source_root() + "/docs/ir.md";
  const std::string list = opcode_list(read_all(source_root() + "/include/ashlar/opcodes.inc"));
  REQUIRE(list.find("`add64`") != std::string::npos);
  std::string page = read_all(path);
  const std::string begin_mark = "<!-- opcodes: begin -->\n", end_mark = "<!-- opcodes: end -->";
  const auto begin = page.find(begin_mark), end = page.find(end_mark);
  REQUIRE(begin != std::string::npos);
  REQUIRE(end != std::string::npos);
  const std::string there = page.substr(begin + begin_mark.size(), end - begin - begin_mark.size());
  if (there != list && std::getenv("ASHLAR_UPDATE_DOCS") != nullptr) {
    std::ofstream(path, std::ios::binary) << page.substr(0, begin) << begin_mark << list << page.substr(end);
    return;
  }
  CHECK_MESSAGE(there == list,
                "docs/ir.md differs from opcodes.inc; run this suite with ASHLAR_UPDATE_DOCS=1");
}

TEST_CASE("docs/ir.md: every example of the text form parses") {
  const std::string page = read_all(source_root() + "/docs/ir.md");
  // The forms' table: each `…` in its last column is an instruction.
  std::istringstream lines(page.substr(page.find("| form | fields | text |")));
  unsigned examples = 0;
  for (std::string line; std::getline(lines, line) && !line.empty();) {
    const auto column = line.find(" | `");
    if (column == std::string::npos) continue;
    std::string rest = line.substr(column + 3);
    for (auto open = rest.find('`'); open != std::string::npos; open = rest.find('`')) {
      const auto close = rest.find('`', open + 1);
      const std::string inst = rest.substr(open + 1, close - open - 1);
      rest = rest.substr(close + 1);
      std::string text = "block 0x1000 {\n" + inst + "\n";
      const auto name = inst.substr(0, inst.find(' '));
      if (name != "jump" && name != "stop" && name.rfind("br_", 0) != 0 && name != "jump_ind" &&
          name != "jump_mode") {
        text += "jump -> 0\n";
      }
      round_trip(text + "}\n");
      ++examples;
    }
  }
  CHECK(examples >= 25);
}
