// What IR each guest instruction becomes.
#include "riscv/translate_support.hpp"

namespace ashlar::riscv::test {
namespace {

constexpr unsigned ra = 1, sp = 2, t0 = 5, a0 = 10, a1 = 11, a2 = 12;

TEST_CASE("layout: slots as riscv.hpp says, every rank distinct within its class") {
  const auto frontend = make_frontend();
  const auto& slots = frontend->layout().slots;
  REQUIRE(slots.size() == 64);
  std::vector<bool> integer(256), real(256);
  for (unsigned n = 1; n < 32; ++n) {
    CHECK(slots[x(n)].name == "x" + std::to_string(n));
    CHECK(slots[x(n)].cls == SlotClass::integer);
    CHECK_FALSE(integer[slots[x(n)].rank]);
    integer[slots[x(n)].rank] = true;
  }
  for (unsigned n = 0; n < 32; ++n) {
    CHECK(slots[f(n)].name == "f" + std::to_string(n));
    CHECK(slots[f(n)].cls == SlotClass::real);
    CHECK_FALSE(real[slots[f(n)].rank]);
    real[slots[f(n)].rank] = true;
  }
  CHECK(slots[kFrm].name == "frm");
  CHECK(slots[kFrm].rank == 0);
  CHECK_FALSE(integer[0]);
  CHECK_FALSE(real[0]);
}

TEST_CASE("integer: one instruction each, x0 folded away") {
  Subject t;
  CHECK(t.ir({r(Op::add, a0, a1, a2)}) == "add64 x10, x11, x12");
  CHECK(t.ir({r(Op::add, a0, 0, a2)}) == "mov64 x10, x12");
  CHECK(t.ir({r(Op::add, a0, a1, 0)}) == "mov64 x10, x11");
  CHECK(t.ir({r(Op::add, 0, a1, a2)}) == "");
  CHECK(t.ir({r(Op::sub, a0, 0, a1)}) == "sub64 x10, zero, x11");
  CHECK(t.ir({r(Op::sub, a0, a1, 0)}) == "mov64 x10, x11");
  CHECK(t.ir({i(Op::addi, a0, a0, -5)}) == "add64_i x10, x10, -5");
  CHECK(t.ir({i(Op::addi, a0, a1, 0)}) == "mov64 x10, x11");
  CHECK(t.ir({i(Op::addi, a0, a0, 0)}) == "");
  CHECK(t.ir({i(Op::addi, 0, 0, 0)}) == "");
  CHECK(t.ir({i(Op::addi, a0, 0, 7)}) == "const64 x10, 7");
  CHECK(t.ir({i(Op::addiw, a0, a1, 0)}) == "sext32 x10, x11");
  CHECK(t.ir({i(Op::addiw, a0, a1, 3)}) == "add32s_i x10, x11, 3");
  CHECK(t.ir({r(Op::addw, a0, a1, 0)}) == "sext32 x10, x11");
  CHECK(t.ir({r(Op::subw, a0, 0, a1)}) == "sub32s x10, zero, x11");
  CHECK(t.ir({i(Op::xori, a0, a1, -1)}) == "xor64_i x10, x11, -1");
  CHECK(t.ir({i(Op::andi, a0, a1, 255)}) == "zext8 x10, x11");
  CHECK(t.ir({i(Op::andi, a0, a1, 15)}) == "and64_i x10, x11, 15");
  CHECK(t.ir({r(Op::and_, a0, a1, 0)}) == "const64 x10, 0");
  CHECK(t.ir({r(Op::or_, a0, 0, a1)}) == "mov64 x10, x11");
  CHECK(t.ir({r(Op::xor_, a0, a1, 0)}) == "mov64 x10, x11");
  CHECK(t.ir({i(Op::slli, a0, a1, 63)}) == "shl64_i x10, x11, 63");
  CHECK(t.ir({i(Op::srliw, a0, a1, 31)}) == "shr32_i x10, x11, 31");
  CHECK(t.ir({i(Op::srliw, a0, a1, 0)}) == "sext32 x10, x11");
  CHECK(t.ir({i(Op::sraiw, a0, a1, 4)}) == "sar32s_i x10, x11, 4");
  CHECK(t.ir({r(Op::sra, a0, a1, a2)}) == "sar64 x10, x11, x12");
  CHECK(t.ir({r(Op::srlw, a0, a1, a2)}) == "shr32s x10, x11, x12");
}

TEST_CASE("comparisons") {
  Subject t;
  CHECK(t.ir({i(Op::sltiu, a0, a1, 1)}) == "set_eq_i x10, x11, 0");
  CHECK(t.ir({i(Op::sltiu, a0, a1, 0)}) == "const64 x10, 0");
  CHECK(t.ir({i(Op::sltiu, a0, a1, -1)}) == "set_ltu_i x10, x11, -1");
  CHECK(t.ir({i(Op::slti, a0, a1, 1)}) == "set_lts_i x10, x11, 1");
  CHECK(t.ir({r(Op::sltu, a0, 0, a1)}) == "set_ne_i x10, x11, 0");
  CHECK(t.ir({r(Op::slt, a0, 0, a1)}) == "set_ges_i x10, x11, 1");
  CHECK(t.ir({r(Op::slt, a0, a1, 0)}) == "set_lts_i x10, x11, 0");
  CHECK(t.ir({r(Op::sltu, a0, a1, a2)}) == "set_ltu x10, x11, x12");
  CHECK(t.ir({r(Op::slt, a0, a1, a1)}) == "const64 x10, 0");
  CHECK(t.ir({r(Op::slt, 0, a1, a2)}) == "");
}

TEST_CASE("constants are known inside the block, and every boundary is exact") {
  Subject t;
  CHECK(t.ir({u(Op::lui, a0, 0x12345), i(Op::addiw, a0, a0, 0x678)}) ==
        "const64 x10, 0x12345000; const64 x10, 0x12345678");
  CHECK(t.ir({u(Op::lui, a0, 0x80000), i(Op::addi, a0, a0, -1)}) ==
        "const64 x10, 0xffffffff80000000; const64 x10, 0xffffffff7fffffff");
  CHECK(t.ir({u(Op::lui, a0, 0x80000), i(Op::addiw, a0, a0, -1)}) ==
        "const64 x10, 0xffffffff80000000; const64 x10, 0x7fffffff");
  CHECK(t.ir({u(Op::auipc, a0, 1), i(Op::addi, a0, a0, 16)}) == "const64 x10, 0x11000; const64 x10, 0x11010");
  CHECK(t.ir({u(Op::auipc, a0, 1), i(Op::ld, a0, a0, 16)}) == "const64 x10, 0x11000; ld64 x10, [x10 + 16]");
  CHECK(t.ir({i(Op::addi, a0, 0, -1), i(Op::srli, a0, a0, 32)}) ==
        "const64 x10, 0xffffffffffffffff; const64 x10, 0xffffffff");
  // The load makes the register unknown again.
  CHECK(t.ir({i(Op::addi, a0, 0, 1), i(Op::lw, a0, sp, 0), i(Op::addi, a0, a0, 1)}) ==
        "const64 x10, 1; ld32s x10, [x2]; add64_i x10, x10, 1");
  CHECK(t.ir({i(Op::addi, a0, 0, 1), i(Op::addi, a0, 0, 1)}) == "const64 x10, 1");
  CHECK(t.builder.guest_inst_count() == 2);
}

TEST_CASE("shift pairs are bit fields where the source survives") {
  Subject t;
  CHECK(t.ir({i(Op::slli, a0, a1, 32), i(Op::srli, a0, a0, 32)}) == "shl64_i x10, x11, 32; zext32 x10, x11");
  CHECK(t.ir({i(Op::slli, a0, a1, 48), i(Op::srli, a0, a0, 48)}) ==
        "shl64_i x10, x11, 48; ubfx64 x10, x11, #0, #16");
  CHECK(t.ir({i(Op::slli, a0, a1, 40), i(Op::srai, a0, a0, 56)}) ==
        "shl64_i x10, x11, 40; sbfx64 x10, x11, #16, #8");
  CHECK(t.ir({i(Op::slli, a0, a1, 32), i(Op::srai, a0, a0, 32)}) == "shl64_i x10, x11, 32; sext32 x10, x11");
  CHECK(t.ir({i(Op::slli, a0, a1, 32), i(Op::srli, a0, a0, 30)}) ==
        "shl64_i x10, x11, 32; shl_u32 x10, x11, #2");
  CHECK(t.ir({i(Op::slli, a0, a1, 33), i(Op::srli, a0, a0, 30)}) ==
        "shl64_i x10, x11, 33; shr64_i x10, x10, 30");
  CHECK(t.ir({i(Op::slli, a0, a0, 32), i(Op::srli, a0, a0, 32)}) ==
        "shl64_i x10, x10, 32; shr64_i x10, x10, 32");
  CHECK(t.ir({i(Op::slli, a0, a1, 32), i(Op::addi, a1, a1, 1), i(Op::srli, a0, a0, 32)}) ==
        "shl64_i x10, x11, 32; add64_i x11, x11, 1; shr64_i x10, x10, 32");
}

TEST_CASE("M") {
  Subject t;
  CHECK(t.ir({r(Op::mul, a0, a1, a2)}) == "mul64 x10, x11, x12");
  CHECK(t.ir({r(Op::mulw, a0, a1, a2)}) == "mul32s x10, x11, x12");
  CHECK(t.ir({r(Op::mulhsu, a0, a1, a2)}) == "mulh_su64 x10, x11, x12");
  CHECK(t.ir({r(Op::div, a0, a1, 0)}) == "div_s64 x10, x11, zero, all_ones");
  CHECK(t.ir({r(Op::remuw, a0, a1, a2)}) == "rem_u32s x10, x11, x12, all_ones");
  CHECK(t.ir({r(Op::div, 0, a1, a2)}) == "");
}

TEST_CASE("memory: x0 as base, data and destination") {
  Subject t;
  CHECK(t.ir({i(Op::lbu, a0, sp, -4)}) == "ld8u x10, [x2 - 4]");
  CHECK(t.ir({i(Op::ld, 0, sp, 8)}) == "ld64 t0, [x2 + 8]");
  CHECK(t.ir({i(Op::lw, a0, 0, 16)}) == "ld32s x10, [zero + 16]");
  CHECK(t.ir({s(Op::sd, 0, -8, sp)}) == "st64 [x2 - 8], zero");
  CHECK(t.ir({s(Op::sh, a0, 2047, a1)}) == "st16 [x11 + 2047], x10");
  CHECK(t.ir({i(Op::flw, 3, sp, 4), s(Op::fsd, 3, -16, sp)}) == "fld32 f3, [x2 + 4]; fst64 [x2 - 16], f3");
}

TEST_CASE("A") {
  Subject t;
  constexpr std::uint32_t aq = 1u << 26, rl = 1u << 25;
  CHECK(t.ir({r(Op::lr_w, a0, a1) | aq}) == "lr32 x10, [x11], acquire");
  CHECK(t.ir({r(Op::sc_d, a0, a1, a2) | rl}) == "sc64 x10, [x11], x12, release");
  CHECK(t.ir({r(Op::sc_w, 0, a1, 0)}) == "sc32 t0, [x11], zero");
  CHECK(t.ir({r(Op::amoadd_w, 0, a1, a2) | aq | rl}) == "fetch_add32 t0, [x11], x12, acq_rel");
  CHECK(t.ir({r(Op::amomaxu_d, a1, a1, a1)}) == "fetch_max_u64 x11, [x11], x11");
  CHECK(t.ir({r(Op::amoswap_d, a0, 0, 0)}) == "swap64 x10, [zero], zero");
  CHECK(t.ir({plain(Op::fence) | 0x0ff00000u}) == "fence iorw, iorw");
  CHECK(t.ir({plain(Op::fence) | 0x02100000u}) == "fence r, w");
  CHECK(t.ir({plain(Op::fence) | 0x0f000000u}) == "");
  CHECK(t.ir({plain(Op::fence_tso)}) == "fence r, rw; fence w, w");
  CHECK(t.ir({plain(Op::pause)}) == "");
  CHECK(t.ir({plain(Op::fence_i)}) == "stop instruction_fence -> 0x10004");
}

TEST_CASE("F and D") {
  Subject t;
  CHECK(t.ir({fp(Op::fadd_s, 1, 2, 3)}) == "fadd32 f1, f2, f3, rne");
  CHECK(t.ir({fp(Op::fadd_d, 1, 2, 3)}, 2) == "fadd64 f1, f2, f3, rdn");
  CHECK(t.builder.parts().host_rounding == RoundingMode::rdn);
  CHECK(t.ir({fp(Op::fadd_d, 1, 2, 3, 1)}, 2) == "fadd64 f1, f2, f3, rtz");
  CHECK(t.ir({fp(Op::fdiv_d, 1, 2, 3)}, 4) == "fdiv64 f1, f2, f3, rmm");
  CHECK(t.builder.parts().host_rounding == RoundingMode::rne);
  CHECK(t.ir({fp(Op::fsqrt_s, 1, 2, 0, 0)}) == "fsqrt32 f1, f2, rne");
  CHECK(t.ir({fp(Op::fnmsub_d, 0, 1, 2, 7, 31)}) == "fnmsub64 f0, f1, f2, f31, rne");
  CHECK(t.ir({r(Op::fsgnj_d, 1, 2, 2)}) == "fmov f1, f2");
  CHECK(t.ir({r(Op::fsgnj_d, 1, 1, 1)}) == "");
  CHECK(t.ir({r(Op::fsgnj_s, 1, 2, 2)}) == "fsgnj32 f1, f2, f2");
  CHECK(t.ir({r(Op::fsgnjx_d, 1, 2, 2)}) == "fsgnjx64 f1, f2, f2");
  CHECK(t.ir({r(Op::fmin_s, 1, 2, 3)}) == "fmin32 f1, f2, f3");
  CHECK(t.ir({r(Op::feq_d, a0, 2, 3)}) == "feq64 x10, f2, f3");
  CHECK(t.ir({r(Op::fle_d, 0, 2, 3)}) == "fle64 t0, f2, f3");
  CHECK(t.ir({r(Op::fclass_d, 0, 2)}) == "");
  CHECK(t.ir({r(Op::fclass_s, a0, 2)}) == "fclass32 x10, f2");
  CHECK(t.ir({fp(Op::fcvt_w_d, a0, 2, 0, 1)}) == "i32_from_f64 x10, f2, rtz");
  CHECK(t.ir({fp(Op::fcvt_wu_d, a0, 2, 0, 1)}) == "u32_from_f64 x10, f2, rtz; sext32 x10, x10");
  CHECK(t.ir({fp(Op::fcvt_wu_s, 0, 2, 0, 1)}) == "u32_from_f32 t0, f2, rtz");
  CHECK(t.ir({fp(Op::fcvt_lu_s, a0, 2)}) == "u64_from_f32 x10, f2, rne");
  CHECK(t.ir({fp(Op::fcvt_d_w, 1, a0, 0, 0)}) == "f64_from_i32 f1, x10, rne");
  CHECK(t.ir({fp(Op::fcvt_s_lu, 1, 0, 0, 7)}) == "f32_from_u64 f1, zero, rne");
  CHECK(t.ir({fp(Op::fcvt_s_d, 1, 2)}) == "f32_from_f64 f1, f2, rne");
  CHECK(t.ir({fp(Op::fcvt_d_s, 1, 2, 0, 0)}) == "f64_from_f32 f1, f2");
  CHECK(t.ir({r(Op::fmv_x_w, a0, 2)}) == "bits32_from_f x10, f2");
  CHECK(t.ir({r(Op::fmv_d_x, 2, 0)}) == "f_from_bits64 f2, zero");
}

TEST_CASE("rounding modes that do not exist are illegal, with a static mode they do not matter") {
  Subject t;
  const std::string illegal = "stop illegal_instruction -> 0x10000";
  for (const std::uint64_t mode : {5, 6, 7}) {
    const std::string illegal_here = illegal + "/0x" + std::to_string(mode);
    CHECK(t.ir({fp(Op::fadd_d, 1, 2, 3)}, mode) == illegal_here);
    CHECK(t.ir({fp(Op::fcvt_d_s, 1, 2, 0, 7)}, mode) == illegal_here);
    CHECK(t.ir({fp(Op::fcvt_d_w, 1, 2, 0, 7)}, mode) == illegal_here);
    CHECK(t.ir({fp(Op::fadd_d, 1, 2, 3, 3)}, mode) == "fadd64 f1, f2, f3, rup");
    CHECK(t.ir({r(Op::fmin_s, 1, 2, 3)}, mode) == "fmin32 f1, f2, f3");
    CHECK(t.frontend->rounding(mode) == RoundingMode::rne);
  }
  CHECK(t.ir({fp(Op::fadd_d, 1, 2, 3, 5)}) == illegal);
  CHECK(t.ir({fp(Op::fadd_d, 1, 2, 3, 6)}) == illegal);
  CHECK(t.frontend->rounding(3) == RoundingMode::rup);
  CHECK(t.frontend->rounding(4) == RoundingMode::rne);
}

TEST_CASE("Zba, Zbb, Zbs, Zicond") {
  Subject t;
  CHECK(t.ir({r(Op::sh2add, a0, a1, a2)}) == "addshl64 x10, x11, x12, #2");
  CHECK(t.ir({r(Op::sh2add, a0, 0, a2)}) == "mov64 x10, x12");
  CHECK(t.ir({r(Op::sh3add, a0, a1, 0)}) == "shl64_i x10, x11, 3");
  CHECK(t.ir({r(Op::add_uw, a0, a1, 0)}) == "zext32 x10, x11");
  CHECK(t.ir({r(Op::add_uw, a0, a1, a2)}) == "addshl_u32 x10, x11, x12, #0");
  CHECK(t.ir({r(Op::sh1add_uw, a0, a1, a2)}) == "addshl_u32 x10, x11, x12, #1");
  CHECK(t.ir({i(Op::slli_uw, a0, a1, 4)}) == "shl_u32 x10, x11, #4");
  CHECK(t.ir({r(Op::andn, a0, a1, a2)}) == "andn64 x10, x11, x12");
  CHECK(t.ir({r(Op::cpopw, a0, a1)}) == "popcnt32 x10, x11");
  CHECK(t.ir({r(Op::rev8, a0, a1)}) == "bswap64 x10, x11");
  CHECK(t.ir({r(Op::zext_h, a0, a1)}) == "zext16 x10, x11");
  CHECK(t.ir({r(Op::rolw, a0, a1, a2)}) == "rotl32s x10, x11, x12");
  CHECK(t.ir({i(Op::roriw, a0, a1, 5)}) == "rotr32s_i x10, x11, 5");
  CHECK(t.ir({i(Op::bseti, a0, 0, 63)}) == "bset64_i x10, zero, 63");
  CHECK(t.ir({i(Op::bexti, a0, a1, 33)}) == "bext64_i x10, x11, 33");
  CHECK(t.ir({r(Op::czero_eqz, a0, a1, a2)}) == "select x10, x11, zero, x12");
  CHECK(t.ir({r(Op::czero_nez, a0, a1, a2)}) == "select x10, zero, x11, x12");
}

TEST_CASE("fflags") {
  Subject t;
  constexpr int fflags = 1;
  CHECK(t.ir({i(Op::csrrs, a0, 0, fflags)}) == "get_fflags x10");
  CHECK(t.ir({i(Op::csrrs, 0, 0, fflags)}) == "");
  CHECK(t.ir({i(Op::csrrw, 0, a0, fflags)}) == "set_fflags x10");
  CHECK(t.ir({i(Op::csrrw, 0, 0, fflags)}) == "set_fflags zero");
  CHECK(t.ir({i(Op::csrrw, a0, a0, fflags)}) == "get_fflags t0; set_fflags x10; mov64 x10, t0");
  CHECK(t.ir({i(Op::csrrs, 0, a0, fflags)}) == "get_fflags t0; or64 t1, t0, x10; set_fflags t1");
  CHECK(t.ir({i(Op::csrrc, a0, a1, fflags)}) ==
        "get_fflags t0; andn64 t1, t0, x11; set_fflags t1; mov64 x10, t0");
  CHECK(t.ir({i(Op::csrrwi, 0, 17, fflags)}) == "const64 t0, 0x11; set_fflags t0");
  CHECK(t.ir({i(Op::csrrsi, 0, 16, fflags)}) == "get_fflags t0; or64_i t1, t0, 16; set_fflags t1");
  CHECK(t.ir({i(Op::csrrci, 0, 31, fflags)}) == "get_fflags t0; and64_i t1, t0, -32; set_fflags t1");
}

TEST_CASE("frm: reads are constants, changes end the block") {
  Subject t;
  constexpr int frm = 2;
  const std::string leave = "const64 t0, 0x10004; jump_mode t0, frm";
  CHECK(t.ir({i(Op::csrrs, a0, 0, frm)}, 3) == "const64 x10, 3");
  CHECK(t.ir({i(Op::csrrwi, a0, 1, frm)}, 0) == "const64 x10, 0; const64 frm, 1; " + leave);
  CHECK(t.ir({i(Op::csrrwi, a0, 1, frm)}, 1) == "const64 x10, 1");
  CHECK(t.ir({i(Op::csrrsi, 0, 2, frm)}, 1) == "const64 frm, 3; " + leave);
  CHECK(t.ir({i(Op::csrrci, 0, 1, frm)}, 3) == "const64 frm, 2; " + leave);
  CHECK(t.ir({i(Op::csrrwi, 0, 31, frm)}, 7) == "");
  CHECK(t.ir({i(Op::csrrw, a0, a0, frm)}, 3) == "and64_i frm, x10, 7; const64 x10, 3; " + leave);
  CHECK(t.ir({i(Op::csrrs, 0, a0, frm)}, 4) ==
        "const64 t0, 4; or64 t1, t0, x10; and64_i frm, t1, 7; const64 t2, 0x10004; jump_mode t2, frm");
  CHECK(t.ir({i(Op::csrrc, 0, a0, frm)}, 0) ==
        "andn64 t0, zero, x10; and64_i frm, t0, 7; const64 t1, 0x10004; jump_mode t1, frm");
}

TEST_CASE("fcsr") {
  Subject t;
  constexpr int fcsr = 3;
  CHECK(t.ir({i(Op::csrrs, a0, 0, fcsr)}, 0) == "get_fflags x10");
  CHECK(t.ir({i(Op::csrrs, a0, 0, fcsr)}, 3) == "get_fflags x10; or64_i x10, x10, 96");
  CHECK(t.ir({i(Op::csrrw, 0, 0, fcsr)}, 0) == "set_fflags zero");
  CHECK(t.ir({i(Op::csrrw, 0, 0, fcsr)}, 1) ==
        "set_fflags zero; const64 frm, 0; const64 t0, 0x10004; jump_mode t0, frm");
  CHECK(t.ir({i(Op::csrrw, a0, a0, fcsr)}, 2) ==
        "get_fflags t0; or64_i t0, t0, 64; set_fflags x10; ubfx64 frm, x10, #5, #3; mov64 x10, t0; "
        "const64 t1, 0x10004; jump_mode t1, frm");
  CHECK(t.ir({i(Op::csrrsi, 0, 31, fcsr)}, 2) ==
        "get_fflags t0; or64_i t0, t0, 64; or64_i t1, t0, 31; set_fflags t1");
  CHECK(t.ir({i(Op::csrrc, 0, a0, fcsr)}, 0) ==
        "get_fflags t0; andn64 t1, t0, x10; set_fflags t1; ubfx64 frm, t1, #5, #3; const64 t2, 0x10004; "
        "jump_mode t2, frm");
}

TEST_CASE("counters are readable, everything else is illegal") {
  Subject t;
  for (const int number : {0xc00, 0xc01, 0xc02}) {
    CHECK(t.ir({i(Op::csrrs, a0, 0, number)}) == "call_helper x10, 0()");
    CHECK(t.ir({i(Op::csrrci, a0, 0, number)}) == "call_helper x10, 0()");
    CHECK(t.ir({i(Op::csrrs, 0, 0, number)}) == "");
    CHECK(t.ir({i(Op::csrrw, a0, 0, number)}) == "stop illegal_instruction -> 0x10000");
    CHECK(t.ir({i(Op::csrrsi, a0, 1, number)}) == "stop illegal_instruction -> 0x10000");
    CHECK(t.ir({i(Op::csrrc, a0, a1, number)}) == "stop illegal_instruction -> 0x10000");
  }
  for (const int number : {0, 4, 0x100, 0x300, 0xc03, 0xc20, 0xc22, 0xc80, 0xfff}) {
    CHECK(t.ir({i(Op::csrrs, a0, 0, number)}) == "stop illegal_instruction -> 0x10000");
  }
  REQUIRE(t.frontend->helpers().size() == 1);
}

TEST_CASE("environment and illegal instructions") {
  Subject t;
  CHECK(t.ir({plain(Op::ecall)}) == "stop syscall -> 0x10004");
  CHECK(t.ir({plain(Op::ebreak)}) == "stop breakpoint -> 0x10000");
  CHECK(t.ir({0xffffffff}) == "stop illegal_instruction -> 0x10000");
  CHECK(t.ir({0}) == "stop illegal_instruction -> 0x10000");
  CHECK(t.ir({i(Op::addi, a0, a0, 1), 0xffffffff}) ==
        "add64_i x10, x10, 1; stop illegal_instruction -> 0x10004");
  CHECK(t.builder.guest_inst_count() == 2);
}

TEST_CASE("jumps and hints") {
  Subject t;
  CHECK(t.ir({j(ra, 0x100)}) == "const64 x1, 0x10004; jump -> 0x10100, call, returns 0x10004");
  CHECK(t.ir({j(t0, -0x100)}) == "const64 x5, 0x10004; jump -> 0xff00, call, returns 0x10004");
  CHECK(t.ir({i(Op::jalr, 0, ra, 0)}) == "jump_ind x1, ret");
  CHECK(t.ir({i(Op::jalr, 0, t0, 4)}) == "jump_ind x5 + 4, ret");
  CHECK(t.ir({i(Op::jalr, 0, a0, 0)}) == "jump_ind x10");
  CHECK(t.ir({i(Op::jalr, ra, a0, 8)}) == "const64 x1, 0x10004; jump_ind x10 + 8, call, returns 0x10004");
  CHECK(t.ir({i(Op::jalr, ra, ra, 0)}) ==
        "mov64 t0, x1; const64 x1, 0x10004; jump_ind t0, call, returns 0x10004");
  CHECK(t.ir({i(Op::jalr, ra, t0, 0)}) == "const64 x1, 0x10004; jump_ind x5, call, returns 0x10004");
  CHECK(t.ir({i(Op::jalr, a1, ra, 0)}) == "const64 x11, 0x10004; jump_ind x1, ret");
  CHECK(t.ir({i(Op::jalr, a1, a1, 0)}) == "mov64 t0, x11; const64 x11, 0x10004; jump_ind t0");
  CHECK(t.ir({i(Op::jalr, 0, a0, 3)}) == "add64_i t0, x10, 3; and64_i t0, t0, -2; jump_ind t0");
  CHECK(t.ir({u(Op::auipc, ra, 1), i(Op::jalr, ra, ra, -4)}) ==
        "const64 x1, 0x11000; const64 x1, 0x10008; jump -> 0x10ffc, call, returns 0x10008");
  CHECK(t.ir({u(Op::auipc, ra, 1), i(Op::jalr, ra, ra, 5)}) ==
        "const64 x1, 0x11000; const64 x1, 0x10008; jump -> 0x11004, call, returns 0x10008");
  CHECK(t.ir({u(Op::auipc, 6, 1), i(Op::jalr, 0, 6, 0)}) == "const64 x6, 0x11000; jump -> 0x11000");
}

// Which way a branch goes, evaluated from its IR: side exit or fall through.
bool leaves(const ir::Inst& inst, std::uint64_t a, std::uint64_t b) {
  const auto imm = static_cast<std::uint64_t>(static_cast<std::int64_t>(inst.imm));
  const auto value = [&](ir::Value v) { return v.is_zero() ? 0 : v == ir::Value::slot(x(a0)) ? a : b; };
  const std::uint64_t l = value(inst.a), r = inst.b.is_none() ? imm : value(inst.b);
  const auto sl = static_cast<std::int64_t>(l), sr = static_cast<std::int64_t>(r);
  using ir::Opcode;
  switch (inst.op) {
    case Opcode::exit_eq:
    case Opcode::exit_eq_i:
      return l == r;
    case Opcode::exit_ne:
    case Opcode::exit_ne_i:
      return l != r;
    case Opcode::exit_lts:
    case Opcode::exit_lts_i:
      return sl < sr;
    case Opcode::exit_ltu:
    case Opcode::exit_ltu_i:
      return l < r;
    case Opcode::exit_ges:
    case Opcode::exit_ges_i:
      return sl >= sr;
    case Opcode::exit_geu:
    case Opcode::exit_geu_i:
      return l >= r;
    default:
      return false;
  }
}

TEST_CASE("branches with a known operand go where the manual says") {
  // Constants that addi, lui and slli make, around every edge of the immediate forms.
  const struct {
    std::vector<std::uint32_t> code;
    std::uint64_t value;
  } constants[] = {
      {{}, 0},
      {{i(Op::addi, 7, 0, 1)}, 1},
      {{i(Op::addi, 7, 0, -1)}, ~0ull},
      {{i(Op::addi, 7, 0, -2)}, ~1ull},
      {{i(Op::addi, 7, 0, 2047)}, 2047},
      {{u(Op::lui, 7, 0x80000)}, 0xffffffff80000000},
      {{u(Op::lui, 7, 0x80000), i(Op::addi, 7, 7, -1)}, 0xffffffff7fffffff},
      {{u(Op::lui, 7, 0x80000), i(Op::addiw, 7, 7, -1)}, 0x7fffffff},
      {{i(Op::addi, 7, 0, 1), i(Op::slli, 7, 7, 31)}, 0x80000000},
      {{i(Op::addi, 7, 0, 1), i(Op::slli, 7, 7, 63)}, 1ull << 63},
      {{i(Op::addi, 7, 0, 1), i(Op::slli, 7, 7, 63), i(Op::addi, 7, 7, -1)}, ~0ull >> 1},
  };
  const std::uint64_t others[] = {0,
                                  1,
                                  2,
                                  2046,
                                  2047,
                                  2048,
                                  0x7ffffffe,
                                  0x7fffffff,
                                  0x80000000,
                                  0x80000001,
                                  ~0ull,
                                  ~1ull,
                                  1ull << 63,
                                  ~0ull >> 1,
                                  (1ull << 63) + 1,
                                  0xffffffff7ffffffe,
                                  0xffffffff7fffffff,
                                  0xffffffff80000000,
                                  0xffffffff80000001};
  const Op ops[] = {Op::beq, Op::bne, Op::blt, Op::bge, Op::bltu, Op::bgeu};
  const auto taken = [](Op op, std::uint64_t l, std::uint64_t r) {
    const auto sl = static_cast<std::int64_t>(l), sr = static_cast<std::int64_t>(r);
    return op == Op::beq    ? l == r
           : op == Op::bne  ? l != r
           : op == Op::blt  ? sl < sr
           : op == Op::bge  ? sl >= sr
           : op == Op::bltu ? l < r
                            : l >= r;
  };
  Subject t;
  for (const auto& constant : constants) {
    for (const Op op : ops) {
      for (const bool first : {false, true}) {
        const unsigned known = constant.code.empty() ? 0 : 7;
        std::vector<std::uint32_t> code = constant.code;
        code.push_back(first ? b(op, known, a0, 64) : b(op, a0, known, 64));
        t.memory.clear();
        t.memory.put(kCode, code.data(), code.size() * 4);
        const std::string text = t.ir_at(kCode);
        const std::uint64_t fall = kCode + 4 * code.size(), target = fall - 4 + 64;
        const auto parts = t.builder.parts();
        for (const std::uint64_t other : others) {
          const bool expected = first ? taken(op, constant.value, other) : taken(op, other, constant.value);
          std::uint64_t goes_to = 0;
          for (const ir::Inst& inst : parts.insts) {
            const bool ends = inst.op == ir::Opcode::jump;
            if (ends || leaves(inst, other, constant.value)) {
              goes_to = parts.exits[inst.exit()].target.addr.value;
              break;
            }
          }
          CHECK_MESSAGE(goes_to == (expected ? target : fall), text << " with " << other);
        }
      }
    }
  }
}

TEST_CASE("disassembly and its limits") {
  Subject t;
  t.memory.put(kCode, {i(Op::addi, a0, a1, 1)});
  const std::uint16_t compressed = 0x4501, half = 0x0513;  // c.li a0, 0; the first half of addi a0, a0
  t.memory.put(kCode + 0x10, &compressed, 2);
  t.memory.put(kCode + 0x20, &half, 2);
  unsigned length = 99;
  CHECK(t.frontend->disassemble({kCode}, &t.memory, &length) == "addi\ta0,a1,1");
  CHECK(length == 4);
  CHECK(t.frontend->disassemble({kCode + 0x10}, &t.memory, &length) == "addi\ta0,zero,0");
  CHECK(length == 2);
  CHECK(t.frontend->disassemble({kCode + 0x20}, &t.memory, &length).empty());
  CHECK(length == 0);
  CHECK(t.frontend->disassemble({0}, &t.memory, &length).empty());
  CHECK(length == 0);
  CHECK(t.frontend->disassemble({kCode}, nullptr, nullptr).empty());
}

}  // namespace
}  // namespace ashlar::riscv::test
