// What the optimising passes make of blocks: text in, text out. That the results mean the same is held by the
// lock-step test (tests/codegen), which runs random optimised blocks against the interpreter.
#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include <ashlar/ir_text.hpp>

#include "opt/optimise.hpp"
#include "support/test_guest.hpp"

namespace ashlar {
namespace {

std::string block_of(std::string_view body) {
  std::string text = "block 0x1000 {\n  range 0x1000 + 4\n  temps 8\n@0x1000 4:\n";
  text += body;
  text += "  jump -> 0x2000\n}\n";
  return text;
}

/// The instructions that are left.
std::string optimised(std::string_view body) {
  auto block = ir::parse(block_of(body), test::test_layout());
  if (!block) return block.error().message;
  opt::Optimiser optimiser;
  const std::string text = ir::print(optimiser.optimise(**block), &test::test_layout());
  const std::string head = "@0x1000 4:\n", tail = "  jump -> 0x2000\n";
  const std::size_t begin = text.find(head) + head.size();
  return text.substr(begin, text.find(tail) - begin);
}

TEST_CASE("shifts there and back") {
  CHECK(optimised("  shl64_i x5, x6, 32\n  shr64_i x5, x5, 32\n") == "  zext32 x5, x6\n");
  CHECK(optimised("  shl64_i x5, x5, 48\n  sar64_i x5, x5, 48\n") == "  sext16 x5, x5\n");
  CHECK(optimised("  shl64_i x5, x5, 32\n  shr64_i x5, x5, 29\n") == "  shl_u32 x5, x5, #3\n");
  CHECK(optimised("  shl64_i x5, x5, 32\n  shr64_i x5, x5, 40\n") == "  shr32_i x5, x5, 8\n");
  CHECK(optimised("  shl64_i x5, x5, 8\n  sar64_i x5, x5, 12\n") == "  sbfx64 x5, x5, #4, #52\n");
  SUBCASE("the first result is wanted") {
    const char* const both = "  shl64_i x5, x5, 32\n  shr64_i x6, x5, 32\n";
    CHECK(optimised(both) == both);
    CHECK(optimised("  shl64_i x5, x7, 32\n  shr64_i x6, x5, 32\n") ==
          "  shl64_i x5, x7, 32\n  zext32 x6, x7\n");
  }
  SUBCASE("somebody may look in between") {
    const char* const seen = "  shl64_i x5, x5, 32\n  st8 [x6], x7\n  shr64_i x5, x5, 32\n";
    CHECK(optimised(seen) == seen);
  }
  SUBCASE("the operand has changed in between") {
    const char* const changed = "  shl64_i x5, x7, 32\n  add64_i x7, x7, 1\n  shr64_i x5, x5, 32\n";
    CHECK(optimised(changed) == changed);
  }
}

TEST_CASE("scaled additions") {
  CHECK(optimised("  shl64_i x5, x5, 3\n  add64 x5, x5, x6\n") == "  addshl64 x5, x5, x6, #3\n");
  CHECK(optimised("  shl64_i x5, x5, 3\n  add64 x5, x6, x5\n") == "  addshl64 x5, x5, x6, #3\n");
  CHECK(optimised("  shl64_i x5, x5, 32\n  shr64_i x5, x5, 30\n  add64 x5, x5, x6\n") ==
        "  addshl_u32 x5, x5, x6, #2\n");
  const char* const twice = "  shl64_i x5, x5, 3\n  add64 x5, x5, x5\n";
  CHECK(optimised(twice) == twice);
}

TEST_CASE("rotations") {
  CHECK(optimised("  shl32s_i t0, x5, 26\n  shr32_i t1, x5, 6\n  or64 x6, t0, t1\n") ==
        "  rotr32s_i x6, x5, 6\n");
  CHECK(optimised("  shr32_i x7, x5, 6\n  shl32s_i x5, x5, 26\n  or64 x5, x5, x7\n  const64 x7, 1\n") ==
        "  rotr32s_i x5, x5, 6\n  const64 x7, 1\n");
  CHECK(optimised("  shr64_i t1, x5, 60\n  shl64_i t0, x5, 4\n  xor64 x6, t0, t1\n") ==
        "  rotr64_i x6, x5, 60\n");
  SUBCASE("not of one value") {
    const char* const two = "  shl32s_i x5, x5, 26\n  shr32_i x7, x5, 6\n  or64 x5, x5, x7\n";
    CHECK(optimised(two) == two);
  }
}

TEST_CASE("constants") {
  CHECK(optimised("  const64 t0, 5\n  add64 x5, t0, x6\n") == "  add64_i x5, x6, 5\n");
  CHECK(optimised("  const64 t0, 5\n  const64 t1, 3\n  sub64 x5, t0, t1\n") == "  const64 x5, 2\n");
  const char* const wide = "  const64 t0, 0x123456789\n  add64 x5, x6, t0\n";
  CHECK(optimised(wide) == wide);
  SUBCASE("a temporary that is wanted by who stops in between stays") {
    const char* const stays = "  const64 t0, 5\n  ld8u x7, [x8]\n  add64 x5, x6, t0\n";
    CHECK(optimised(stays) == stays);
  }
}

TEST_CASE("extensions of what is extended") {
  CHECK(optimised("  add32s x5, x6, x7\n  sext32 x5, x5\n") == "  add32s x5, x6, x7\n");
  CHECK(optimised("  ld8u x5, [x6]\n  and64_i x5, x5, 255\n") == "  ld8u x5, [x6]\n");
  CHECK(optimised("  ld32s x5, [x6]\n  zext32 x5, x5\n") == "  ld32s x5, [x6]\n  zext32 x5, x5\n");
}

TEST_CASE("dead code and dead writes") {
  CHECK(optimised("  add64 t0, x5, x6\n") == "");
  CHECK(optimised("  add64 x5, x6, x7\n  const64 x5, 1\n") == "  const64 x5, 1\n");
  const char* const seen = "  add64 x5, x6, x7\n  ld8u x5, [x8]\n";
  CHECK(optimised(seen) == seen);
  const char* const effects = "  ld64 t0, [x5]\n";
  CHECK(optimised(effects) == effects);
}

TEST_CASE("who stops in the optimised block goes on in the original one") {
  auto block = ir::parse(block_of("  shl64_i x5, x5, 32\n  shr64_i x5, x5, 32\n  st8 [x5], x6\n"),
                         test::test_layout());
  REQUIRE(block);
  opt::Optimiser optimiser;
  const ir::Block& made = optimiser.optimise(**block);
  REQUIRE(made.insts().size() == 3);
  CHECK(optimiser.origin(1) == 2);
  struct Site {
    std::uint32_t inst;
  };
  std::vector<Site> sites{{0}, {1}};
  optimiser.name_origins(sites);
  CHECK(sites[0].inst == 0);  // starts anew
  CHECK(sites[1].inst == 2);
}

const std::string kStore = "  st8 [x9], x10\n";
constexpr int kStores = 24;

/// A loop's two copies, the second behind its boundary; empty if the block is left alone. What stands between
/// is so long that there are not more.
std::string peeled(std::string_view body) {
  std::string text = "block 0x1000 {\n  range 0x1000 + 8\n@0x1000 4:\n";
  for (int i = 0; i < kStores; ++i) text += kStore;
  auto block = ir::parse(text + std::string(body) + "}\n", test::test_layout());
  if (!block) return block.error().message;
  opt::Optimiser optimiser;
  const ir::Block& made = optimiser.optimise(**block, opt::Loops::peel);
  if (optimiser.loop_head() == 0) return {};
  CHECK(made.boundaries()[optimiser.loop_head()].pc == made.boundaries()[0].pc);
  CHECK(made.boundaries()[optimiser.loop_head()].join);
  for (std::size_t n = 0; n < made.insts().size(); ++n) CHECK(optimiser.origin(n) < (*block)->insts().size());
  text = ir::print(made, &test::test_layout());
  for (std::size_t at; (at = text.find(kStore)) != std::string::npos;) text.erase(at, kStore.size());
  return text.substr(text.find("  add"));
}

TEST_CASE("the body of a hot loop is there twice") {
  const std::string counts = "  add64_i x5, x5, 1\n";
  const std::string head = "@0x1000 4 join:\n";
  CHECK(peeled(counts + "  br_ne x5, x6 -> 0x1000, 0x1008\n") ==
        counts + "  exit_eq x5, x6 -> 0x1008\n" + head + counts + "  br_ne x5, x6 -> 0x1000, 0x1008\n}\n");
  CHECK(peeled(counts + "  br_ltu_i x5, 7 -> 0x1008, 0x1000\n") ==
        counts + "  exit_ltu_i x5, 7 -> 0x1008\n" + head + counts +
            "  br_ltu_i x5, 7 -> 0x1008, 0x1000\n}\n");
  CHECK(peeled(counts + "  exit_ges x5, x6 -> 0x1008\n  jump -> 0x1000\n") ==
        counts + "  exit_ges x5, x6 -> 0x1008\n" + head + counts +
            "  exit_ges x5, x6 -> 0x1008\n  jump -> 0x1000\n}\n");
  SUBCASE("what is no loop is not") {
    CHECK(peeled(counts + "  br_ne x5, x6 -> 0x1004, 0x1008\n").empty());
    CHECK(peeled(counts + "  br_ne x5, x6 -> 0x1000, 0x1000\n").empty());
    CHECK(peeled(counts + "  jump -> 0x1000, call, returns 0x1004\n").empty());
    CHECK(peeled(counts + "  call_helper 0()\n  jump -> 0x1000\n").empty());
  }
}

TEST_CASE("the body of a short hot loop is there more often, and each copy but the last leads to the next") {
  const auto copies = [](int stores) {
    std::string text = "block 0x1000 {\n  range 0x1000 + 8\n@0x1000 4:\n  exit_eq x7, x8 -> 0x1000\n";
    for (int i = 0; i < stores; ++i) text += kStore;
    auto block = ir::parse(text + "  br_ltu_i x5, 7 -> 0x1008, 0x1000\n}\n", test::test_layout());
    REQUIRE(block);
    opt::Optimiser optimiser;
    const ir::Block& made = optimiser.optimise(**block, opt::Loops::peel);
    const std::size_t size = (*block)->insts().size();
    const std::size_t count = made.boundaries().size();
    CHECK(optimiser.loop_head() == 1);
    REQUIRE(made.insts().size() == count * size);
    for (std::size_t n = 0; n < made.insts().size(); ++n) CHECK(optimiser.origin(n) == n % size);
    for (std::size_t copy = 0; copy < count; ++copy) {
      CHECK(made.boundaries()[copy].first_inst == copy * size);
      CHECK(made.boundaries()[copy].join == (copy != 0));
      const ir::Opcode last = made.insts()[(copy + 1) * size - 1].op;
      CHECK(last == (copy + 1 < count ? ir::Opcode::exit_ltu_i : ir::Opcode::br_ltu_i));
    }
    return count;
  };
  CHECK(copies(0) == 4);
  CHECK(copies(14) == 4);
  CHECK(copies(15) == 3);
  CHECK(copies(22) == 3);
  CHECK(copies(23) == 2);
}

TEST_CASE("and with the inverse of what the other operand holds") {
  CHECK(optimised("  xor64_i x5, x6, -1\n  and64 x5, x5, x7\n") == "  andn64 x5, x7, x6\n");
  CHECK(optimised("  xor64_i x5, x6, -1\n  and64 x5, x7, x5\n") == "  andn64 x5, x7, x6\n");
  const char* const other_mask = "  xor64_i x5, x6, -2\n  and64 x5, x5, x7\n";
  CHECK(optimised(other_mask) == other_mask);
  const char* const gone = "  xor64_i x5, x6, -1\n  ld64 x6, [x7]\n  and64 x5, x5, x7\n";
  CHECK(optimised(gone) == gone);
}

}  // namespace
}  // namespace ashlar
