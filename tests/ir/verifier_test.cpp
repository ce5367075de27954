// Each rule of the IR, broken once: the verifier must name that rule and the instruction.
#include <functional>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <ashlar/block_builder.hpp>
#include <ashlar/ir_text.hpp>

#include "ir/equal.hpp"
#include "support/test_guest.hpp"

using namespace ashlar;
using namespace ashlar::test;
using ir::Inst;
using ir::Opcode;
using ir::Value;

namespace {

const Value x0 = Value::slot(integer_slot(0)), x1 = Value::slot(integer_slot(1));
const Value f0 = Value::slot(real_slot(0)), f1 = Value::slot(real_slot(1));
const Value t0 = Value::temp(0);

/// A block that can be broken anywhere: parts that own what they refer to.
struct Draft {
  BlockKey key;
  std::vector<Inst> insts;
  std::vector<ir::Exit> exits;
  std::vector<ir::Boundary> boundaries;
  std::vector<GuestRange> ranges;
  std::uint32_t temps = 0;
  RoundingMode rounding = RoundingMode::rne;

  std::string verdict(std::size_t helpers = ir::kMaxHelpers,
                      const StateLayout& layout = test_layout()) const {
    auto result =
        ir::verify(ir::Block::Parts{key, insts, exits, boundaries, ranges, temps, rounding}, layout, helpers);
    if (result.ok()) return "";
    CHECK(result.error().code == ErrorCode::invalid_ir);
    return result.error().message;
  }
};

/// `fill` emits instructions; a jump to 0x40 follows.
Draft draft(const std::function<void(BlockBuilder&)>& fill) {
  BlockBuilder b;
  b.begin({{0x10}, 0});
  fill(b);
  if (!b.terminated()) b.jump({0x40});
  const auto parts = b.parts();
  return {parts.key,
          {parts.insts.begin(), parts.insts.end()},
          {parts.exits.begin(), parts.exits.end()},
          {parts.boundaries.begin(), parts.boundaries.end()},
          {parts.ranges.begin(), parts.ranges.end()},
          parts.temp_count,
          parts.host_rounding};
}

std::string broken(const std::function<void(BlockBuilder&)>& fill, std::size_t helpers = ir::kMaxHelpers) {
  return draft(fill).verdict(helpers);
}

/// One instruction, changed.
std::string broken(const std::function<void(BlockBuilder&)>& fill, const std::function<void(Inst&)>& change) {
  Draft d = draft(fill);
  change(d.insts[0]);
  return d.verdict();
}

std::string inst0(const std::string& text, const std::string& rule) {
  return "block 0x10: instruction 0 (" + text + "): " + rule;
}

}  // namespace

TEST_CASE("what keeps the rules passes") {
  CHECK(broken(
            [](BlockBuilder& b) {
              const Value t = b.temp(), u = b.temp();
              b.guest_instruction({0x10}, 4);
              b.emit({});  // nop
              b.const64(t, ~0ull);
              b.rr(Opcode::add64, t, t, Value::zero());
              b.r(Opcode::f_from_bits64, u, t);
              b.rr(Opcode::fadd64, u, u, Value::zero(), 4);
              b.r(Opcode::ubfx64, x0, x1, 63, 1);
              b.r(Opcode::sbfx64, x0, x1, 0, 64);
              b.rr(Opcode::addshl_u32, x0, x0, x0, 31);
              b.call_helper({}, 0);
              b.call_helper(x0, 4, x0, x0, x0);
              b.atomic(Opcode::lr64, x0, x1, {}, {}, 3);
              b.atomic(Opcode::cas32, x0, x1, x0, x1, 0);
              b.fence(15, 15);
              b.store(Opcode::fst32, x0, INT32_MIN, u);
              b.call_indirect(x0, 0, {0x44});
            },
            5) == "");
}

TEST_CASE("terminals") {
  Draft d;
  d.key = {{0x10}, 2};
  CHECK(d.verdict() == "block 0x10/0x2: there are no instructions");
  CHECK(broken([](BlockBuilder& b) {
          b.jump({0x40});
          b.emit({});
          b.jump({0x40});
        }) == inst0("jump -> 0x40", "a terminal must be the last instruction"));
  Draft open = draft([](BlockBuilder& b) { b.emit({}); });
  open.insts.pop_back();
  CHECK(open.verdict() == inst0("nop", "the last instruction must be a terminal"));
}

TEST_CASE("opcodes are those of the table") {
  CHECK(broken([](BlockBuilder& b) { b.emit({}); },
               [](Inst& i) { i.op = static_cast<Opcode>(ir::kOpcodeCount); }) ==
        inst0("opcode#" + std::to_string(ir::kOpcodeCount), "there is no such opcode"));
}

TEST_CASE("operands are there, and no others") {
  const auto add = [](BlockBuilder& b) { b.rr(Opcode::add64, x0, x0, x1); };
  CHECK(broken(add, [](Inst& i) { i.a = {}; }) == inst0("add64 x0, none, x1", "operand a is missing"));
  CHECK(broken(add, [](Inst& i) { i.b = {}; }) == inst0("add64 x0, x0, none", "operand b is missing"));
  CHECK(broken(add, [](Inst& i) { i.dst = {}; }) == inst0("add64 none, x0, x1", "operand dst is missing"));
  CHECK(broken(add, [](Inst& i) { i.ext = Inst::pack(x0); }) ==
        inst0("add64 x0, x0, x1", "the opcode has no operand c"));
  CHECK(broken(add, [](Inst& i) { i.imm = 1; }) == inst0("add64 x0, x0, x1", "the opcode has no immediate"));
  CHECK(broken(add, [](Inst& i) { i.ext = Inst::pack({}, 1); }) ==
        inst0("add64 x0, x0, x1", "the opcode has no aux"));
  CHECK(broken(add, [](Inst& i) { i.ext = Inst::pack({}, 0, 1); }) ==
        inst0("add64 x0, x0, x1", "the opcode has no aux2"));
  CHECK(broken([](BlockBuilder& b) { b.emit({}); }, [](Inst& i) { i.ext = 1; }) ==
        inst0("nop", "the opcode has no operand c"));
  CHECK(broken([](BlockBuilder& b) { b.ri(Opcode::add64_i, x0, x0, 1); }, [](Inst& i) { i.b = x1; }) ==
        inst0("add64_i x0, x0, 1", "the opcode has no operand b"));
  CHECK(broken([](BlockBuilder& b) { b.get_fflags(x0); }, [](Inst& i) { i.a = x1; }) ==
        inst0("get_fflags x0", "the opcode has no operand a"));
  CHECK(broken([](BlockBuilder& b) { b.set_fflags(x0); }, [](Inst& i) { i.dst = x1; }) ==
        inst0("set_fflags x0", "the opcode has no operand dst"));
  CHECK(broken([](BlockBuilder& b) { b.rrr(Opcode::select, x0, x0, x0, {}); }) ==
        inst0("select x0, x0, x0, none", "operand c is missing"));
  CHECK(broken([](BlockBuilder& b) { b.atomic(Opcode::lr32, x0, x1, x0, {}, 0); }) ==
        inst0("lr32 x0, [x1], x0", "the opcode has no operand b"));
  CHECK(broken([](BlockBuilder& b) { b.atomic(Opcode::sc32, x0, x1, {}, {}, 0); }) ==
        inst0("sc32 x0, [x1], none", "operand b is missing"));
  CHECK(broken([](BlockBuilder& b) { b.call_helper({}, 0, {}, x0); }) ==
        inst0("call_helper 0(none, x0)", "operand a is missing"));
  CHECK(broken([](BlockBuilder& b) { b.call_helper({}, 0, x0, {}, x0); }) ==
        inst0("call_helper 0(x0, none, x0)", "operand b is missing"));
}

TEST_CASE("operands are places that there are") {
  const auto move = [](Value dst, Value a) { return [=](BlockBuilder& b) { b.r(Opcode::mov64, dst, a); }; };
  CHECK(broken(move(Value::zero(), x0)) == inst0("mov64 zero, x0", "zero cannot be written"));
  CHECK(broken(move(x0, Value::slot(44))) ==
        inst0("mov64 x0, s44", "operand a is slot 44, of which there are only 44"));
  CHECK(broken(move(Value::slot(511), x0)) ==
        inst0("mov64 s511, x0", "operand dst is slot 511, of which there are only 44"));
  CHECK(broken(move(t0, x0)) ==
        inst0("mov64 t0, x0", "operand dst is temporary 0, of which there are only 0"));
  for (const int word : {-2, -32, 0, 3}) {
    const Value odd{static_cast<std::int16_t>(word)};
    CHECK(broken(move(x0, odd)) == inst0("mov64 x0, word#" + std::to_string(word),
                                         "operand a is neither a slot nor a temporary nor zero"));
    CHECK(broken(move(odd, x0)) == inst0("mov64 word#" + std::to_string(word) + ", x0",
                                         "operand dst is neither a slot nor a temporary nor zero"));
  }
  StateLayout big;
  for (unsigned i = 0; i < 513; ++i) big.slots.push_back({"s" + std::to_string(i), SlotClass::integer, 0});
  CHECK(draft([](BlockBuilder&) {}).verdict(0, big) == "block 0x10: the layout has more than 512 slots");
}

TEST_CASE("temporaries are defined before they are read") {
  CHECK(broken([](BlockBuilder& b) {
          const Value t = b.temp();
          b.rr(Opcode::add64, t, t, x0);
        }) == inst0("add64 t0, t0, x0", "operand a is a temporary that nothing has defined"));
  CHECK(broken([](BlockBuilder& b) {
          (void)b.temp();
          b.store(Opcode::st64, x0, 0, t0);
        }) == inst0("st64 [x0], t0", "operand b is a temporary that nothing has defined"));
  CHECK(broken([](BlockBuilder& b) {
          (void)b.temp();
          b.rrr(Opcode::select, x0, x0, x0, t0);
        }) == inst0("select x0, x0, x0, t0", "operand c is a temporary that nothing has defined"));
  CHECK(broken([](BlockBuilder& b) {
          (void)b.temp();
          b.jump_indirect(t0, 0);
        }) == inst0("jump_ind t0", "operand a is a temporary that nothing has defined"));
}

TEST_CASE("temporaries end at a join") {
  const auto across = [](bool join) {
    return draft([join](BlockBuilder& b) {
             b.guest_instruction({0x10}, 4);
             const Value t = b.temp();
             b.const64(t, 1);
             b.exit_if(Opcode::exit_eq, x0, x1, {0x14});
             b.guest_instruction({0x14}, 4, join);
             b.rr(Opcode::add64, x0, x0, t);
             b.jump({0x18});
           })
        .verdict();
  };
  CHECK(across(false) == "");
  CHECK(across(true).find("operand b is a temporary that was defined in front of a join") !=
        std::string::npos);
}

TEST_CASE("classes agree") {
  CHECK(broken([](BlockBuilder& b) { b.rr(Opcode::add64, x0, x0, f0); }) ==
        inst0("add64 x0, x0, f0", "operand b is a float and must be an integer"));
  CHECK(broken([](BlockBuilder& b) { b.rr(Opcode::add64, f0, x0, x0); }) ==
        inst0("add64 f0, x0, x0", "operand dst is a float and must be an integer"));
  CHECK(broken([](BlockBuilder& b) { b.rr(Opcode::fadd64, f0, x0, f1); }) ==
        inst0("fadd64 f0, x0, f1, rne", "operand a is an integer and must be a float"));
  CHECK(broken([](BlockBuilder& b) { b.rrr(Opcode::fmadd64, f0, f0, f1, x0); }) ==
        inst0("fmadd64 f0, f0, f1, x0, rne", "operand c is an integer and must be a float"));
  CHECK(broken([](BlockBuilder& b) { b.load(Opcode::fld64, f0, f1, 0); }) ==
        inst0("fld64 f0, [f1]", "operand a is a float and must be an integer"));
  CHECK(broken([](BlockBuilder& b) { b.load(Opcode::fld64, x0, x1, 0); }) ==
        inst0("fld64 x0, [x1]", "operand dst is an integer and must be a float"));
  CHECK(broken([](BlockBuilder& b) { b.store(Opcode::fst64, x0, 0, x1); }) ==
        inst0("fst64 [x0], x1", "operand b is an integer and must be a float"));
  CHECK(broken([](BlockBuilder& b) { b.r(Opcode::i64_from_f64, f0, f0); }) ==
        inst0("i64_from_f64 f0, f0, rne", "operand dst is a float and must be an integer"));
  CHECK(broken([](BlockBuilder& b) { b.jump_mode(x0, f0); }) ==
        inst0("jump_mode x0, f0", "operand b is a float and must be an integer"));
  // A temporary has the class of its first definition.
  CHECK(broken([](BlockBuilder& b) {
          const Value t = b.temp();
          b.r(Opcode::fmov, t, f0);
          b.r(Opcode::mov64, t, x0);
        }) == "block 0x10: instruction 1 (mov64 t0, x0): operand dst is a float and must be an integer");
  CHECK(broken([](BlockBuilder& b) {
          const Value t = b.temp();
          b.const64(t, 0);
          b.r(Opcode::fmov, f0, t);
        }) == "block 0x10: instruction 1 (fmov f0, t0): operand a is an integer and must be a float");
}

TEST_CASE("aux is in range") {
  CHECK(broken([](BlockBuilder& b) { b.rr(Opcode::fadd64, f0, f0, f1, 5); }) ==
        inst0("fadd64 f0, f0, f1, #5", "aux 5 is not a rounding mode (0 to 4)"));
  CHECK(broken([](BlockBuilder& b) { b.r(Opcode::i32_from_f64, x0, f0, 7); }) ==
        inst0("i32_from_f64 x0, f0, #7", "aux 7 is not a rounding mode (0 to 4)"));
  CHECK(broken([](BlockBuilder& b) { b.rr(Opcode::div_s64, x0, x0, x1, 2); }) ==
        inst0("div_s64 x0, x0, x1, #2", "aux 2 is not a division rule (0 or 1)"));
  CHECK(broken([](BlockBuilder& b) { b.rr(Opcode::addshl64, x0, x0, x1, 64); }) ==
        inst0("addshl64 x0, x0, x1, #64", "aux 64 is not a shift count of 0 to 63"));
  CHECK(broken([](BlockBuilder& b) { b.rr(Opcode::addshl_u32, x0, x0, x1, 32); }) ==
        inst0("addshl_u32 x0, x0, x1, #32", "aux 32 is not a shift count of 0 to 31"));
  CHECK(broken([](BlockBuilder& b) { b.r(Opcode::shl_u32, x0, x0, 64); }) ==
        inst0("shl_u32 x0, x0, #64", "aux 64 is not a shift count of 0 to 63"));
  CHECK(broken([](BlockBuilder& b) { b.r(Opcode::ubfx64, x0, x0, 0, 0); }) ==
        inst0("ubfx64 x0, x0, #0, #0", "the bit field of width 0 at bit 0 is not inside 64 bits"));
  CHECK(broken([](BlockBuilder& b) { b.r(Opcode::sbfx64, x0, x0, 60, 5); }) ==
        inst0("sbfx64 x0, x0, #60, #5", "the bit field of width 5 at bit 60 is not inside 64 bits"));
  CHECK(broken([](BlockBuilder& b) { b.atomic(Opcode::swap64, x0, x0, x1, {}, 4); }) ==
        inst0("swap64 x0, [x0], x1, #4", "aux 4 is not a memory order (0 to 3)"));
  CHECK(broken([](BlockBuilder& b) { b.jump_indirect(x0, 0); },
               [](Inst& i) { i.ext = Inst::pack_exit(Inst::kNoExit, 3); }) ==
        inst0("jump_ind x0, #3", "aux 3 is not a jump hint (0 to 2)"));
  CHECK(broken([](BlockBuilder& b) { b.stop(static_cast<ir::StopReason>(5), {0x40}); }) ==
        inst0("stop #5 -> 0x40", "aux 5 is not a stop reason (0 to 4)"));
}

TEST_CASE("exits, return sites and helpers are there") {
  CHECK(broken([](BlockBuilder& b) { b.exit_if(Opcode::exit_eq, x0, x1, {0x40}); },
               [](Inst& i) { i.ext = Inst::pack_exit(1); }) ==
        inst0("exit_eq x0, x1 -> exit#1", "the target is exit 1, of which there are only 1"));
  CHECK(broken([](BlockBuilder& b) { b.branch(Opcode::br_eq, x0, x1, {0x40}, {0x44}); },
               [](Inst& i) { i.ext = Inst::pack_exit(0, 2); }) ==
        inst0("br_eq x0, x1 -> 0x40, exit#2", "the target is exit 2, of which there are only 2"));
  CHECK(broken([](BlockBuilder& b) { b.stop(ir::StopReason::syscall, {0x40}); },
               [](Inst& i) { i.ext = Inst::pack_exit(9, 0); }) ==
        inst0("stop syscall -> exit#9", "the target is exit 9, of which there are only 1"));
  CHECK(broken([](BlockBuilder& b) { b.call({0x40}, {0x14}); }, [](Inst& i) { i.imm = 2; }) ==
        inst0("jump -> 0x40, call, returns exit#2", "the return site is exit 2, of which there are only 2"));
  CHECK(broken([](BlockBuilder& b) { b.call({0x40}, {0x14}); }, [](Inst& i) { i.imm = -2; }) ==
        inst0("jump -> 0x40, call, returns exit#4294967294",
              "the return site is exit -2, of which there are only 2"));
  CHECK(broken([](BlockBuilder& b) { b.call({0x40}, {0x14}); },
               [](Inst& i) { i.ext = Inst::pack_exit(0, 0); }) ==
        inst0("jump -> 0x40, returns 0x14", "only a call has a return site"));
  CHECK(broken([](BlockBuilder& b) { b.call_indirect(x0, 0, {0x14}); },
               [](Inst& i) { i.ext = Inst::pack_exit(0, 2); }) ==
        inst0("jump_ind x0, ret, returns 0x14", "only a call has a return site"));
  CHECK(broken([](BlockBuilder& b) { b.call_indirect(x0, 0, {0x14}); },
               [](Inst& i) { i.ext = Inst::pack_exit(1, 1); }) ==
        inst0("jump_ind x0, call, returns exit#1", "the return site is exit 1, of which there are only 1"));
  CHECK(broken([](BlockBuilder& b) { b.call_helper(x0, 5); }, 5) ==
        inst0("call_helper x0, 5()", "helper 5 is not one of the 5 helpers"));
  CHECK(broken([](BlockBuilder& b) { b.call_helper(x0, 0); }, 0) ==
        inst0("call_helper x0, 0()", "helper 0 is not one of the 0 helpers"));
  CHECK(broken([](BlockBuilder& b) { b.call_helper(x0, 0); }, [](Inst& i) { i.imm = -1; }) ==
        inst0("call_helper x0, -1()", "helper -1 is not one of the 65536 helpers"));
  Draft twice = draft([](BlockBuilder& b) { b.branch(Opcode::br_eq, x0, x1, {0x40}, {0x44}); });
  twice.exits[1] = twice.exits[0];
  CHECK(twice.verdict() == "block 0x10: exit 1 has the target of exit 0");
}

TEST_CASE("boundaries are in order and inside") {
  Draft d = draft([](BlockBuilder& b) {
    b.guest_instruction({0x10}, 4);
    b.emit({});
    b.guest_instruction({0x14}, 4);
    b.emit({});
    b.guest_instruction({0x18}, 4);
  });
  CHECK(d.verdict() == "");
  Draft late = d;
  late.boundaries[0].first_inst = 1;
  CHECK(late.verdict() == "block 0x10: boundary 0 (0x10) is the first and must be at instruction 0");
  Draft behind = d;
  behind.boundaries[2].first_inst = 3;
  CHECK(behind.verdict() == "block 0x10: boundary 2 (0x18) is at instruction 3, of which there are only 3");
  Draft back = d;
  back.boundaries[2].first_inst = 0;
  CHECK(back.verdict() == "block 0x10: boundary 2 (0x18) is in front of the boundary before it");
  Draft many = d;
  many.boundaries.assign(4097, d.boundaries[0]);
  CHECK(many.verdict() == "block 0x10: there are more than 4096 boundaries");
}

TEST_CASE("ranges are sound") {
  Draft d = draft([](BlockBuilder&) {});
  d.ranges = {{{0x10}, 4}, {{0x20}, 4}, {{~0ull}, 1}};
  CHECK(d.verdict() == "");
  Draft empty = d;
  empty.ranges[1].size = 0;
  CHECK(empty.verdict() == "block 0x10: guest range 1 is empty");
  Draft overlap = d;
  overlap.ranges[1].begin = {0x13};
  CHECK(overlap.verdict() == "block 0x10: guest ranges 0 and 1 overlap");
  Draft wraps = d;
  wraps.ranges[2].size = 2;
  CHECK(wraps.verdict() == "block 0x10: guest range 2 passes the end of the address space");
  Draft many = d;
  many.ranges.clear();
  for (std::uint64_t i = 0; i < 9; ++i) many.ranges.push_back({{16 * i}, 4});
  CHECK(many.verdict() == "block 0x10: there are more than 8 guest ranges");
  many.ranges.pop_back();
  CHECK(many.verdict() == "");
}

TEST_CASE("limits of size") {
  Draft d = draft([](BlockBuilder&) {});
  d.insts.insert(d.insts.begin(), 4095, Inst{});
  CHECK(d.verdict() == "");
  d.insts.insert(d.insts.begin(), Inst{});
  CHECK(d.verdict() == "block 0x10: there are more than 4096 instructions");
  Draft exits = draft([](BlockBuilder&) {});
  for (std::uint64_t i = 1; i < 1024; ++i) exits.exits.push_back({{{0x1000 + i}, 0}});
  CHECK(exits.verdict() == "");
  exits.exits.push_back({{{0x5000}, 0}});
  CHECK(exits.verdict() == "block 0x10: there are more than 1024 exits");
  Draft temps = draft([](BlockBuilder&) {});
  temps.temps = 224;
  CHECK(temps.verdict() == "");
  temps.temps = 225;
  CHECK(temps.verdict() == "block 0x10: there are more than 224 temporaries");
  Draft rounding = draft([](BlockBuilder&) {});
  rounding.rounding = RoundingMode::rmm;
  CHECK(rounding.verdict() == "block 0x10: the host's rounding mode is none of rne, rtz, rdn, rup");
}

TEST_CASE("a block is verified as its parts are") {
  Draft d = draft([](BlockBuilder& b) { b.call_helper(x0, 3); });
  auto block = ir::Block::make({d.key, d.insts, d.exits, d.boundaries, d.ranges, d.temps, d.rounding});
  CHECK(ir::verify(*block, test_layout(), 4).ok());
  CHECK_FALSE(ir::verify(*block, test_layout(), 3).ok());
}
