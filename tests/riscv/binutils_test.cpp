// Compares the decoder, the expansion and the disassembler with GNU binutils: all compressed parcels, many
// words, and a round trip through the assembler. Passes with a message where the cross binutils are not
// installed.
#include "riscv/binutils.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "riscv/decode.hpp"
#include "riscv/disassemble.hpp"
#include "riscv/expand.hpp"

using namespace ashlar::riscv;
using ashlar::riscv::test::Binutils;

namespace {

void append(std::vector<uint8_t>& bytes, uint32_t word, unsigned length) {
  for (unsigned n = 0; n < length; ++n) bytes.push_back(static_cast<uint8_t>(word >> (8 * n)));
}

// Counts disagreements and keeps the first few for the message: one assertion for thousands of comparisons.
class Disagreements {
 public:
  void add(uint32_t word, std::string_view ours, std::string_view theirs) {
    if (++count_ > 20) return;
    shown_ << std::hex << word << std::dec << ": we say '" << ours << "', binutils '" << theirs << "'\n";
  }
  unsigned count() const { return count_; }
  std::string shown() const { return shown_.str(); }

 private:
  unsigned count_ = 0;
  std::ostringstream shown_;
};

// objdump prints reserved rounding modes as "unknown" (and empty fence sets too, but those are only useless).
bool calls_it_illegal(std::string_view theirs) {
  return theirs.starts_with('.') || theirs == "c.unimp" ||
         (theirs.ends_with(",unknown") && !theirs.starts_with("fence"));
}

// A branch target has no 0x where objdump knows a section symbol.
std::string without_target_prefix(std::string text, Format format) {
  if (format == Format::branch || format == Format::jal) {
    if (const std::size_t at = text.rfind(",0x"); at != std::string::npos) text.erase(at + 1, 2);
  }
  return text;
}

struct Split {
  std::string mnemonic, first, rest;  // operands: up to the first comma, and after it
};

Split split(const std::string& text) {
  const std::size_t tab = text.find('\t');
  if (tab == std::string::npos) return {text, "", ""};
  const std::size_t comma = text.find(',', tab);
  if (comma == std::string::npos) return {text.substr(0, tab), text.substr(tab + 1), ""};
  return {text.substr(0, tab), text.substr(tab + 1, comma - tab - 1), text.substr(comma + 1)};
}

// The base instruction that objdump's text of a compressed one stands for, after the "expands to" sentences
// of the manual's chapter "C"; a second writing of the expansion, on text, for comparison with the one on
// bits.
std::string expanded_text(const std::string& compressed) {
  Split parts = split(compressed);
  std::string &name = parts.mnemonic, &rest = parts.rest;
  const std::string& first = parts.first;
  name.erase(0, 2);  // "c."
  const auto two = [&](std::string_view to, std::string_view source) {
    return std::string(to) + '\t' + first + ',' + std::string(source) + ',' + rest;
  };
  if (name == "ebreak") return name;
  if (name == "addi4spn" || name == "addi16sp")
    return "addi\t" + first + ',' + (name == "addi16sp" ? "sp," : "") + rest;
  if (name == "nop") return "addi\tzero,zero,0";
  if (name == "li") return two("addi", "zero");
  if (name == "mv") return two("add", "zero");
  if (name == "lui") return "lui\t" + first + ',' + rest;
  if (name == "j") return "jal\tzero," + first;
  if (name == "jr") return "jalr\tzero,0(" + first + ")";
  if (name == "jalr") return "jalr\tra,0(" + first + ")";
  if (name == "beqz" || name == "bnez") return two(name.substr(0, 3), "zero");
  if (name.ends_with("64")) {  // shifts by nothing, which are hints
    rest = "0x0";
    return two(name.substr(0, 4), first);
  }
  if (rest.ends_with(")")) {
    if (name.ends_with("sp")) name.erase(name.size() - 2);
    return name + '\t' + first + ',' + rest;
  }
  return two(name, first);
}

// Where the manual and objdump 2.40 part ways, or objdump knows more or less than we implement.
bool documented_difference(uint32_t word, const Decoded& ours, const std::string& theirs) {
  const uint32_t rd_rs1 = 0x000f8f80;
  if (ours.op == Op::illegal) {
    // Privileged instructions, which a user-mode program cannot execute.
    for (const char* name : {"uret", "sret", "hret", "mret", "dret", "wfi", "sfence.vm", "sfence.vma"}) {
      if (split(theirs).mnemonic == name) return true;
    }
    return false;
  }
  if (!calls_it_illegal(theirs)) return false;
  // "Implementations shall ignore" the reserved fields of fences (manual, "Memory Ordering Instructions" and
  // "Zifencei").
  if (ours.op == Op::fence) return (word & (0xf0000000 | rd_rs1)) != 0;
  if (ours.op == Op::fence_tso) return (word & rd_rs1) != 0;
  if (ours.op == Op::fence_i) return (word & 0xffffef80) != 0;
  // An exact conversion has a rounding mode field like any other; it only has no effect.
  if (format_operands(op_info(ours.op).format).ends_with('e')) return ours.rm != 0;
  return op_info(ours.op).extension == Extension::Zicond;
}

// objdump has names for privileged CSRs too; the number itself is checked where it has none.
std::string with_our_csr(const std::string& theirs, const std::string& ours) {
  const std::size_t begin = ours.find(','), end = ours.find(',', begin + 1);
  const std::size_t their_begin = theirs.find(','), their_end = theirs.find(',', their_begin + 1);
  if (their_end == std::string::npos || ours.compare(begin, 3, ",0x") != 0) return theirs;
  if (theirs.compare(their_begin, 3, ",0x") == 0) return theirs;
  return theirs.substr(0, their_begin) + ours.substr(begin, end - begin) + theirs.substr(their_end);
}

// Random operands for a row: every bit outside its mask.
uint32_t random_word(const OpInfo& row, std::mt19937& random) {
  return row.match | (static_cast<uint32_t>(random()) & ~row.mask);
}

// objdump takes these for the start of an encoding of 48 or more bits and would lose its step.
bool is_longer_than_32_bits(uint32_t word) { return (word & 0x1f) == 0x1f; }

std::optional<Binutils> tools_or_message() {
  std::optional<Binutils> tools = Binutils::find();
  if (!tools) MESSAGE("skipped: riscv64-linux-gnu binutils are not installed");
  return tools;
}

}  // namespace

TEST_CASE("all compressed parcels mean what objdump says") {
  const std::optional<Binutils> tools = tools_or_message();
  if (!tools) return;
  std::vector<uint32_t> parcels;
  std::vector<uint8_t> code;
  for (uint32_t parcel = 0; parcel < 0x10000; ++parcel) {
    if ((parcel & 3) == 3) continue;
    parcels.push_back(parcel);
    append(code, parcel, 2);
  }
  const std::vector<Binutils::Line> lines = tools->disassemble(code);
  REQUIRE(lines.size() == parcels.size());

  Disagreements wrong;
  for (std::size_t n = 0; n < parcels.size(); ++n) {
    const Decoded decoded = decode(parcels[n]);
    const std::string& theirs = lines[n].text;
    // Reserved by the manual, "C.ADDI16SP is valid only when nzimm != 0", but printed by objdump.
    constexpr uint32_t addi16sp_of_zero = 0x6101;
    const bool illegal = calls_it_illegal(theirs) || parcels[n] == addi16sp_of_zero;
    std::string ours, expected;
    if (illegal) {
      ours = op_name(decoded.op);
      expected = "illegal";
    } else if (decoded.op == Op::illegal) {
      ours = "illegal";
      expected = theirs;
    } else {
      ours = without_target_prefix(disassemble(decoded, lines[n].address), op_info(decoded.op).format);
      expected = expanded_text(theirs);
    }
    if (ours != expected || decoded.length != 2) wrong.add(parcels[n], ours, theirs);
    if (!illegal) {
      Decoded full = decode(expand_compressed(static_cast<uint16_t>(parcels[n])));
      full.length = 2;
      if (full != decoded) wrong.add(parcels[n], ours, "another decoding of the expansion");
    }
  }
  INFO(wrong.shown());
  CHECK(wrong.count() == 0);
}

TEST_CASE("words of all rows, words near them, and random ones mean what objdump says") {
  const std::optional<Binutils> tools = tools_or_message();
  if (!tools) return;
  std::mt19937 random(1);
  std::vector<uint32_t> words;
  for (const OpInfo& row : op_table) {
    for (int n = 0; n < 500; ++n) words.push_back(random_word(row, random));
    // Each fixed bit but the lowest two flipped, in words with random operands: the neighbours in encoding
    // space.
    for (int n = 0; n < 8; ++n) {
      for (unsigned bit = 2; bit < 32; ++bit) {
        if ((row.mask >> bit & 1) != 0) words.push_back(random_word(row, random) ^ 1u << bit);
      }
    }
  }
  for (int n = 0; n < 50000; ++n) words.push_back(static_cast<uint32_t>(random()) | 3);
  std::erase_if(words, is_longer_than_32_bits);
  std::vector<uint8_t> code;
  for (const uint32_t word : words) append(code, word, 4);
  const std::vector<Binutils::Line> lines = tools->disassemble(code);
  REQUIRE(lines.size() == words.size());

  Disagreements wrong;
  for (std::size_t n = 0; n < words.size(); ++n) {
    const Decoded decoded = decode(words[n]);
    const std::string& theirs = lines[n].text;
    std::string ours = disassemble(decoded, lines[n].address);
    if (decoded.length != 4 || decoded.word != words[n]) wrong.add(words[n], "length or word", theirs);
    if (documented_difference(words[n], decoded, theirs)) continue;
    if (decoded.op == Op::illegal) {
      if (!calls_it_illegal(theirs)) wrong.add(words[n], ours, theirs);
      continue;
    }
    const Format format = op_info(decoded.op).format;
    std::string expected = theirs;
    if (format == Format::csr || format == Format::csri) expected = with_our_csr(theirs, ours);
    ours = without_target_prefix(ours, format);
    expected = without_target_prefix(expected, format);
    if (ours != expected) wrong.add(words[n], ours, theirs);
  }
  MESSAGE(words.size(), " words compared");
  INFO(wrong.shown());
  CHECK(wrong.count() == 0);
}

TEST_CASE("the disassembly of every instruction assembles to the same word") {
  const std::optional<Binutils> tools = tools_or_message();
  if (!tools) return;
  std::mt19937 random(2);
  std::string source = ".option norvc\n.option norelax\n";
  std::vector<uint32_t> words;
  for (const OpInfo& row : op_table) {
    for (int n = 0; n < 50; ++n) {
      uint32_t word = random_word(row, random);
      // What the text does not show cannot come back: reserved fields of fences, and the rounding mode of
      // exact conversions.
      if (row.mnemonic == "fence") word = (word & 0x0ff0707f) | 0x01100000;
      if (row.mnemonic == "fence.i" || row.mnemonic == "fence.tso") word = row.match;
      if (format_operands(row.format).ends_with('e')) word &= ~0x7000u;
      const Decoded decoded = decode(word);
      if (decoded.op == Op::illegal) continue;  // a reserved rounding mode
      std::string line = disassemble(decoded, 0);
      if (row.format == Format::branch || row.format == Format::jal) {
        line = line.substr(0, line.rfind(',')) + ",.+(" + std::to_string(decoded.imm) + ")";
      } else if (row.extension ==
                 Extension::Zicond) {  // by its generic R-type form, with fields of our own decoding
        std::ostringstream generic;
        generic << ".insn r 0x33, " << (decoded.op == Op::czero_eqz ? 5 : 7) << ", 7, x"
                << unsigned{decoded.rd} << ", x" << unsigned{decoded.rs1} << ", x" << unsigned{decoded.rs2};
        line = generic.str();
      }
      source += line + '\n';
      words.push_back(word);
    }
  }
  const std::optional<std::vector<uint8_t>> code = tools->assemble(source);
  REQUIRE(code.has_value());
  REQUIRE(code->size() == words.size() * 4);
  Disagreements wrong;
  for (std::size_t n = 0; n < words.size(); ++n) {
    uint32_t word = 0;
    for (unsigned byte = 0; byte < 4; ++byte) word |= uint32_t{(*code)[n * 4 + byte]} << (8 * byte);
    if (word != words[n]) wrong.add(words[n], disassemble(decode(words[n]), 0), disassemble(decode(word), 0));
  }
  INFO(wrong.shown());
  CHECK(wrong.count() == 0);
}
