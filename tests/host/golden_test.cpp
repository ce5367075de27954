// The code of a few hundred guest snippets for both hosts, line by line and counted, against
// golden_x64.txt and golden_a64.txt; and what the distribution's disassembler makes of the AArch64 code.
// Runs on every machine: emission needs no host. ASHLAR_UPDATE_GOLDEN=1 in the environment rewrites the
// files; read the difference before committing it.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "codegen/backend.hpp"
#include "opt/optimise.hpp"
#include "riscv/translate_support.hpp"

namespace ashlar {
namespace {

struct Snippet {
  std::string name;
  std::vector<std::uint32_t> words;
  std::string assembly;
};

std::string file_of(const std::string& name) {
  const char* const root = std::getenv("ASHLAR_SOURCE_ROOT");
  REQUIRE_MESSAGE(root != nullptr, "ASHLAR_SOURCE_ROOT is not set: run this by meson test");
  return std::string(root) + "/tests/host/" + name;
}

/// Lines "name: word word ...  assembly; assembly", words in hexadecimal.
std::vector<Snippet> read_snippets() {
  std::ifstream in(file_of("snippets.txt"));
  std::vector<Snippet> snippets;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    const std::size_t colon = line.find(": "), end = line.find("  ", colon);
    REQUIRE_MESSAGE(end != std::string::npos, "snippets.txt: no snippet in the line '", line, "'");
    Snippet snippet{line.substr(0, colon), {}, line.substr(end + 2)};
    std::istringstream words(line.substr(colon + 2, end - colon - 2));
    for (std::uint32_t word; words >> std::hex >> word;) snippet.words.push_back(word);
    snippets.push_back(std::move(snippet));
  }
  return snippets;
}

/// Everything that the CPU may offer: the same code wherever the test runs.
codegen::HostFeatures all_features() {
  codegen::HostFeatures features;
  features.bmi1 = features.bmi2 = features.lzcnt = features.popcnt = features.sse41 = features.avx =
      features.fma = features.lse = true;
  return features;
}

struct Compiled {
  std::string listing;
  std::vector<std::byte> code;
  std::uint64_t end_pc;  ///< of the system call behind the snippet
};

class Compilation {
 public:
  explicit Compilation(std::unique_ptr<codegen::Backend> backend)
      : backend_(std::move(backend)), compiler_(backend_->make_compiler(subject_.frontend->layout())) {}

  /// The snippet with a system call behind it, optimised and emitted as the engine does it; hot_...: as it
  /// does it with hot blocks.
  Compiled operator()(const Snippet& snippet) {
    using riscv::test::kCode;
    subject_.memory.clear();
    std::vector<std::uint32_t> words = snippet.words;
    constexpr std::uint32_t kEcall = 0x73;
    words.push_back(kEcall);
    subject_.memory.put(kCode, words.data(), words.size() * 4);
    (void)subject_.translate(kCode);
    const ir::BlockPtr block = subject_.builder.build();
    const bool hot = snippet.name.starts_with("hot_");
    const ir::Block& optimised = optimiser_.optimise(*block, hot ? opt::Loops::peel : opt::Loops::keep);
    codegen::CompileOptions options;
    options.loop_head = optimiser_.loop_head();
    const Result<std::string> listing = compiler_->listing(optimised, options);
    REQUIRE_MESSAGE(listing, snippet.name, ": ", listing.error().message);
    codegen::Emitted emitted;
    REQUIRE(compiler_->compile(optimised, options, emitted));
    return {listing.value(), emitted.code, kCode + 4 * snippet.words.size()};
  }

 private:
  riscv::test::Subject subject_;
  opt::Optimiser optimiser_;
  std::unique_ptr<codegen::Backend> backend_;
  std::unique_ptr<codegen::Compiler> compiler_;
};

bool is_comment(const std::string& line) { return line.empty() || line[0] == ';'; }
bool is_label(const std::string& line) { return line.ends_with(':'); }

/// The listing without the register plan and the system call, guest addresses replaced by guest code; and a
/// first line with the counts.
std::string golden_of(const Snippet& snippet, const Compiled& compiled) {
  std::istringstream lines(compiled.listing);
  std::string text;
  unsigned inside = 0, outside = 0;
  bool begun = false, skip = false, out_of_line = false;
  for (std::string line; std::getline(lines, line);) {
    line.erase(0, line.find_first_not_of(' '));
    if (line.starts_with("; guest 0x")) {
      begun = true;
      skip = std::strtoull(line.c_str() + 8, nullptr, 16) == compiled.end_pc;
      continue;
    }
    if (line == "; out of line") {
      skip = false;
      out_of_line = true;
      text += "  ; out of line\n";
      continue;
    }
    if (!begun || skip || is_comment(line)) continue;
    if (!is_label(line)) ++(out_of_line ? outside : inside);
    text += "  " + line + "\n";
  }
  constexpr std::string_view kNothing = "  ; out of line\n";
  if (text.ends_with(kNothing)) text.erase(text.size() - kNothing.size());
  return snippet.name + ": " + std::to_string(snippet.words.size()) + " guest, " + std::to_string(inside) +
         " host, " + std::to_string(outside) + " out of line\n  ; " + snippet.assembly + "\n" + text;
}

/// What the file says of each snippet.
std::map<std::string, std::string> read_golden(const std::string& path) {
  std::ifstream in(path);
  std::map<std::string, std::string> golden;
  std::string name;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    if (line[0] != ' ') name = line.substr(0, line.find(':'));
    golden[name] += line + "\n";
  }
  return golden;
}

void check_golden(const char* host, std::unique_ptr<codegen::Backend> backend) {
  const std::vector<Snippet> snippets = read_snippets();
  REQUIRE(snippets.size() >= 300);
  Compilation compile(std::move(backend));
  const std::string path = file_of(std::string("golden_") + host + ".txt");
  const bool update = std::getenv("ASHLAR_UPDATE_GOLDEN") != nullptr;
  std::map<std::string, std::string> golden;
  if (!update) golden = read_golden(path);
  std::string all =
      "# Written by golden_test.cpp (ASHLAR_UPDATE_GOLDEN=1): the code of each snippet of snippets.txt.\n";
  for (const Snippet& snippet : snippets) {
    const std::string text = golden_of(snippet, compile(snippet));
    all += "\n" + text;
    if (update) continue;
    const auto wanted = golden.find(snippet.name);
    if (wanted == golden.end()) {
      FAIL_CHECK(host, ": no golden code for ", snippet.name);
    } else {
      CHECK_MESSAGE(wanted->second == text, host, ": wanted\n", wanted->second, "got\n", text);
      golden.erase(wanted);
    }
  }
  for (const auto& [name, text] : golden)
    FAIL_CHECK(host, ": golden code for ", name, ", which is no snippet");
  if (update) std::ofstream(path) << all;
}

TEST_CASE("x86-64 code of the snippets is as reviewed") {
  check_golden("x64", codegen::make_x64_backend(all_features()));
}
TEST_CASE("AArch64 code of the snippets is as reviewed") {
  check_golden("a64", codegen::make_a64_backend(all_features()));
}

// --- the other opinion
// ---------------------------------------------------------------------------------------------------------------

struct Instruction {
  std::string mnemonic;
  std::vector<std::string> operands;

  std::string text() const {
    std::string all = mnemonic;
    for (const std::string& o : operands) all += " " + o;
    return all;
  }
};

/// Operands without blanks, '#' and braces' contents split; numbers decimal, as signed 64 bits.
Instruction parse(std::string line) {
  line = line.substr(0, line.find("//"));
  Instruction inst;
  std::string token;
  const auto end_token = [&] {
    if (token.empty()) return;
    char* end = nullptr;
    const std::uint64_t number = std::strtoull(token.c_str(), &end, 0);
    if (end != token.c_str() && *end == 0) token = std::to_string(static_cast<std::int64_t>(number));
    if (token == "0.0") token = "0";
    (inst.mnemonic.empty() ? inst.mnemonic : inst.operands.emplace_back()) = token;
    token.clear();
  };
  for (const char c : line) {
    if (c == ' ' || c == '\t' || c == ',' || c == '#' || c == '[' || c == ']' || c == '\n') {
      end_token();
      // What is written back and what comes behind the access are different instructions.
      if (c == ']') inst.operands.emplace_back("]");
    } else {
      token += c;
    }
  }
  end_token();
  return inst;
}

/// The one name that both disassemblers' words for an instruction are brought to.
std::string normalised(const std::string& line) {
  Instruction inst = parse(line);
  std::string& m = inst.mnemonic;
  auto& o = inst.operands;
  const auto number = [&](std::size_t i) { return std::strtoll(o[i].c_str(), nullptr, 10); };
  // Targets: labels here, addresses there.
  static const char* const kBranches[] = {"b", "bl", "cbz", "cbnz", "tbz", "tbnz", "adr"};
  if (m.starts_with("b.") || std::find(std::begin(kBranches), std::end(kBranches), m) != std::end(kBranches))
    o.pop_back();
  if ((m == "ldr" || m == "ldrsw") && (o.size() == 2 || o[1].starts_with("L"))) o.resize(1);  // of a literal
  // The listing gives conditions and barriers as numbers, and shifts without their kind.
  static const char* const kConditions[] = {"al", "nv", "eq", "ne", "cs", "cc", "mi", "pl",
                                            "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le"};
  static const char* const kConditional[] = {"cset", "csetm", "csel", "csinc", "csinv", "csneg",
                                             "cinc", "cinv",  "cneg", "ccmp",  "ccmn",  "fccmp"};
  if (std::find(std::begin(kConditional), std::end(kConditional), m) != std::end(kConditional))
    for (std::size_t i = 0; i < std::size(kConditions); ++i)
      if (o.back() == std::to_string(i)) {
        o.back() = kConditions[i];
        break;
      }
  if (m == "b.hs") m = "b.cs";
  if (m == "b.lo") m = "b.cc";
  if (m == "dmb") o[0] = o[0] == "11" ? "ish" : o[0] == "10" ? "ishst" : o[0] == "9" ? "ishld" : o[0];
  for (std::size_t i = 0; i < o.size(); ++i) {
    static const char* const kShifts[] = {"lsl", "lsr", "asr", "ror", "uxtw"};
    if (std::find(std::begin(kShifts), std::end(kShifts), o[i]) == std::end(kShifts)) continue;
    if (o[i] == "uxtw") {
      o[i - 1][0] = 'x';
      if (i + 1 == o.size()) o.emplace_back("0");
    }
    o.erase(o.begin() + static_cast<std::ptrdiff_t>(i));
  }
  // Names for special cases.
  static const std::map<std::string, const char*> kExtensions = {
      {"sxtb", "8"}, {"sxth", "16"}, {"sxtw", "32"}};
  if (const auto extension = kExtensions.find(m); extension != kExtensions.end() && o[0][0] == 'x') {
    m = "sbfx";
    o[1][0] = 'x';
    o.emplace_back("0");
    o.emplace_back(extension->second);
  }
  if ((m == "neg" || m == "negs") && o.size() >= 2) {
    m = m == "neg" ? "sub" : "subs";
    o.insert(o.begin() + 1, o[0][0] == 'x' ? "xzr" : "wzr");
  }
  if ((m == "movz" || m == "movn") && o.size() >= 2) {
    const unsigned shift = o.size() > 2 ? static_cast<unsigned>(number(2)) : 0;
    const std::uint64_t bits = static_cast<std::uint64_t>(number(1)) << shift;
    std::uint64_t value = m == "movn" ? ~bits : bits;
    if (o[0][0] == 'w') value &= 0xffff'ffff;
    o.resize(1);
    o.push_back(std::to_string(static_cast<std::int64_t>(value)));
    m = "mov";
  }
  if (m == "orr" && o.size() == 3 && (o[1] == "xzr" || o[1] == "wzr")) {
    o.erase(o.begin() + 1);
    m = "mov";
  }
  if (m == "umov") m = "mov";
  // A constant of 32 bits is the same in both widths of its register.
  if (m == "mov" && o.size() == 2 && o[1].find_first_not_of("0123456789") == std::string::npos &&
      number(1) >> 32 == 0)
    o[0][0] = 'w';
  // A constant times 4096.
  if ((m == "cmp" || m == "cmn" || m == "add" || m == "sub") && o.size() >= 3 && o.back() == "12" &&
      o[o.size() - 2].find_first_not_of("0123456789") == std::string::npos) {
    o.pop_back();
    o.back() = std::to_string(number(o.size() - 1) << 12);
  }
  for (std::string& operand : o)
    if (operand == "55841") operand = "fpsr";  // 0b11, 0b011, C4, C4, 0b001
  if (m == "ret" && o.size() == 1 && o[0] == "x30") o.clear();
  // "[x28, 0]" and "[x28]".
  if (o.size() >= 2 && o.back() == "]" && o[o.size() - 2] == "0") o.erase(o.end() - 2);
  return inst.text();
}

TEST_CASE("the distribution's disassembler reads the AArch64 code as it was meant") {
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / ("ashlar-golden-" + std::to_string(getpid()));
  std::vector<std::string> meant;
  {
    std::ofstream out(file, std::ios::binary);
    Compilation compile(codegen::make_a64_backend(all_features()));
    for (const Snippet& snippet : read_snippets()) {
      const Compiled compiled = compile(snippet);
      std::size_t count = 0;
      std::istringstream lines(compiled.listing);
      for (std::string line; std::getline(lines, line);) {
        if (is_comment(line) || is_label(line)) continue;
        meant.push_back(line);
        ++count;
      }
      CHECK_MESSAGE(count * 4 == compiled.code.size(), snippet.name, ": not an instruction for each line");
      out.write(reinterpret_cast<const char*>(compiled.code.data()),
                static_cast<std::streamsize>(compiled.code.size()));
    }
  }
  const std::string command =
      "aarch64-linux-gnu-objdump -D -z -b binary -m aarch64 " + file.string() + " 2>/dev/null";
  FILE* const pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::vector<std::string> read;
  char buffer[512];
  while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) {
    // "   4c:\tf9400b85 \tldr\tx5, [x28, #16]"
    const std::string line = buffer;
    const std::size_t first = line.find('\t'), second = line.find('\t', first + 1);
    if (second == std::string::npos) continue;
    // A literal is no instruction.
    const bool literal = read.size() < meant.size() && meant[read.size()].find(".word") != std::string::npos;
    read.push_back(literal ? ".word 0x" + line.substr(first + 1, 8) : line.substr(second + 1));
  }
  const int status = pclose(pipe);
  std::filesystem::remove(file);
  if (status != 0) {
    MESSAGE("aarch64-linux-gnu-objdump is not installed");
    return;
  }
  REQUIRE(read.size() == meant.size());
  for (std::size_t i = 0; i < read.size(); ++i) CHECK(normalised(meant[i]) == normalised(read[i]));
}

}  // namespace
}  // namespace ashlar
