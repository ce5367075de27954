// What every host's emitter makes of a few hundred snippets of IR: instruction counts and code, against
// golden/x64.txt and golden/a64.txt, on whatever machine the test runs. A change of emission shows as a
// change of those files, which is to be looked at: ASHLAR_WRITE_GOLDEN=1 codegen_golden_test writes them
// anew.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <ashlar/ir_text.hpp>

#include "codegen/backend.hpp"
#include "support/test_guest.hpp"

namespace ashlar {
namespace {

struct Snippet {
  std::string name;
  std::string body;
  bool ends_by_itself = false;
};

struct Emission {
  std::string name;
  std::vector<std::byte> code;
  std::vector<std::string> lines;  ///< the listing's, without the register plan
};

std::filesystem::path snippets_file() {
  const char* const root = std::getenv("ASHLAR_SOURCE_ROOT");
  REQUIRE_MESSAGE(root != nullptr, "ASHLAR_SOURCE_ROOT is not set; meson test sets it");
  return std::filesystem::path(root) / "tests/codegen/snippets.ir";
}

std::string contents(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<Snippet> snippets() {
  std::vector<Snippet> all;
  std::istringstream in(contents(snippets_file()));
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == ';') continue;
    if (line.rfind("snippet ", 0) == 0) {
      all.push_back({line.substr(8), {}, false});
      continue;
    }
    REQUIRE(!all.empty());
    all.back().body += line + "\n";
    std::istringstream words(line);
    std::string op;
    words >> op;
    all.back().ends_by_itself =
        op.rfind("br_", 0) == 0 || op.rfind("jump", 0) == 0 || op.rfind("stop", 0) == 0;
  }
  return all;
}

/// Everything that the back ends know to use, whatever this machine has.
codegen::HostFeatures all_features() {
  codegen::HostFeatures features;
  features.bmi1 = features.bmi2 = features.lzcnt = features.popcnt = true;
  features.sse41 = features.avx = features.fma = true;
  features.lse = true;
  return features;
}

/// In the file's order, whatever the order in which they are compiled.
std::vector<Emission> emit_all(const codegen::Backend& backend, bool backwards = false) {
  std::vector<Emission> all;
  const auto compiler = backend.make_compiler(test::test_layout());
  std::vector<Snippet> wanted = snippets();
  if (backwards) std::reverse(wanted.begin(), wanted.end());
  for (const Snippet& snippet : wanted) {
    const std::string text = "block 0x1000 {\n  range 0x1000 + 16\n@0x1000 16:\n" + snippet.body +
                             (snippet.ends_by_itself ? "" : "  jump -> 0x2000\n") + "}\n";
    auto block = ir::parse(text, test::test_layout());
    REQUIRE_MESSAGE(block, snippet.name, ": ", block ? "" : block.error().message);
    Emission e;
    e.name = snippet.name;
    codegen::Emitted emitted;
    const Result<void> done = compiler->compile(**block, {}, emitted);
    REQUIRE_MESSAGE(done, snippet.name, ": ", done ? "" : done.error().message);
    e.code = emitted.code;
    const auto listing = compiler->listing(**block, {});
    REQUIRE(listing);
    std::istringstream lines(listing.value());
    for (std::string line; std::getline(lines, line);) {
      if (line.rfind("; ", 0) == 0 && line.rfind("; out of line", 0) != 0) continue;
      if (line.rfind(";  ", 0) == 0) continue;
      e.lines.push_back(line);
    }
    all.push_back(std::move(e));
  }
  if (backwards) std::reverse(all.begin(), all.end());
  return all;
}

TEST_CASE("code depends on the block alone") {
  for (const bool x64 : {false, true}) {
    const auto backend =
        x64 ? codegen::make_x64_backend(all_features()) : codegen::make_a64_backend(all_features());
    const auto once = emit_all(*backend);
    const auto backwards = emit_all(*backend, true);
    REQUIRE(once.size() == backwards.size());
    CHECK(once.size() > 500);
    for (std::size_t i = 0; i < once.size(); ++i) {
      INFO(once[i].name);
      CHECK(once[i].code == backwards[i].code);
    }
  }
}

// --- what binutils reads
// -------------------------------------------------------------------------------------------------------------

/// Numbers of the registers that a line names, in order, without the zero register.
std::vector<int> registers_of(const std::string& operands) {
  std::vector<int> found;
  for (std::size_t i = 0; i + 1 < operands.size(); ++i) {
    const bool starts = i == 0 || (std::isalnum(static_cast<unsigned char>(operands[i - 1])) == 0);
    if (!starts || std::strchr("xwdsvbhq", operands[i]) == nullptr ||
        std::isdigit(static_cast<unsigned char>(operands[i + 1])) == 0)
      continue;
    found.push_back(std::atoi(operands.c_str() + i + 1));
  }
  return found;
}

/// Names by which binutils prefers to call what the assembler was asked for.
bool same_mnemonic(const std::string& meant, const std::string& read) {
  static const std::map<std::string, std::set<std::string>> kAliases = {
      {"orr", {"mov"}},      {"movz", {"mov"}},
      {"movn", {"mov"}},     {"sbfx", {"sxtb", "sxth", "sxtw", "asr"}},
      {"ubfx", {"lsr"}},     {"ubfiz", {"lsl"}},
      {"ldr", {"ldur"}},     {"str", {"stur"}},
      {"ldrb", {"ldurb"}},   {"ldrsb", {"ldursb"}},
      {"ldrh", {"ldurh"}},   {"ldrsh", {"ldursh"}},
      {"ldrsw", {"ldursw"}}, {"strb", {"sturb"}},
      {"strh", {"sturh"}},   {"umov", {"mov"}},
      {"b.cs", {"b.hs"}},    {"b.cc", {"b.lo"}},
      {"csel", {"csel"}},    {"sbfiz", {"sbfiz"}},
      {"madd", {"mul"}},     {"msub", {"mneg"}},
      {"ret", {"ret"}},      {"extr", {"ror"}},
      {"sub", {"neg"}},      {"orn", {"mvn"}},
      {"and", {"and"}},      {"fmov", {"fmov"}}};
  if (meant == read) return true;
  const auto at = kAliases.find(meant);
  return at != kAliases.end() && at->second.contains(read);
}

TEST_CASE("binutils reads AArch64 code as it was meant") {
  const char* const objdump = "aarch64-linux-gnu-objdump";
  if (std::system("aarch64-linux-gnu-objdump --version > /dev/null 2>&1") != 0) {
    MESSAGE(objdump, " is not installed");
    return;
  }
  for (const bool base : {false, true}) {
    std::vector<Emission> all =
        emit_all(*codegen::make_a64_backend(base ? codegen::HostFeatures{} : all_features()));
    const std::filesystem::path file =
        std::filesystem::temp_directory_path() / ("ashlar-golden-" + std::to_string(getpid()));
    std::ofstream out(file, std::ios::binary);
    for (const Emission& e : all)
      out.write(reinterpret_cast<const char*>(e.code.data()), static_cast<std::streamsize>(e.code.size()));
    out.close();
    const std::string command =
        std::string(objdump) + " -D -b binary -m aarch64 --no-show-raw-insn " + file.string();
    std::FILE* const pipe = popen(command.c_str(), "r");
    REQUIRE(pipe != nullptr);
    std::vector<std::string> read;
    char line[256];
    while (std::fgets(line, sizeof line, pipe) != nullptr)
      if (const char* const colon = std::strstr(line, ":\t")) read.emplace_back(colon + 2);
    CHECK(pclose(pipe) == 0);
    std::filesystem::remove(file);
    std::size_t at = 0;
    int shown = 0;
    for (const Emission& e : all) {
      for (const std::string& meant : e.lines) {
        if (meant[0] == ';' || meant.back() == ':') continue;
        REQUIRE(at < read.size());
        const std::string& line_read = read[at++];
        if (meant.starts_with(".word")) continue;  // a literal: no instruction, though it may read as one
        std::string mnemonic = meant.substr(0, meant.find(' '));
        std::string its = line_read.substr(0, line_read.find_first_of("\t\n "));
        const std::string rest = meant.size() > mnemonic.size() ? meant.substr(mnemonic.size()) : "";
        std::string its_rest = line_read.substr(its.size());
        if (const std::size_t comment = its_rest.find("//"); comment != std::string::npos)
          its_rest.erase(comment);
        std::vector<int> wanted = registers_of(rest), found = registers_of(its_rest);
        if (mnemonic == "ret" && found.empty()) wanted.clear();
        const bool same = same_mnemonic(mnemonic, its) && wanted == found;
        if (!same && shown++ < 10)
          FAIL_CHECK(e.name, ": meant '", meant, "', binutils reads '", line_read, "'");
      }
    }
    CHECK(at == read.size());
    CHECK(shown == 0);
  }
}

}  // namespace
}  // namespace ashlar
