// Executes every file of tests/filetests on every engine that this host has, and checks that the runner
// notices.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "support/filetest.hpp"

using namespace ashlar::test;

namespace {

std::string failures_of(const std::string& text) {
  return run_file_test(text, "text", engines()[0]).failures;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("file tests") {
  const char* root = std::getenv("ASHLAR_SOURCE_ROOT");
  REQUIRE(root != nullptr);
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(root) + "/tests/filetests")) {
    if (entry.path().extension() == ".ir") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  CHECK(files.size() >= 14);
  unsigned cases = 0;
  for (const auto& path : files) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    for (const EngineMaker& engine : engines()) {
      const FileTestResult result = run_file_test(text.str(), path.filename().string(), engine);
      CHECK_MESSAGE(result.failures.empty(), result.failures);
      cases += result.cases;
    }
  }
  CHECK(cases >= 160 * engines().size());
}

// A runner that overlooked something would pass everything.
TEST_CASE("the runner notices what is wrong") {
  const std::string block = "block 0x1 {\n@0x10 4:\n  add64 x0, x1, x2\n  st8 [x3], x0\n  jump -> 0x2\n}\n";
  const std::string run = block + "case c\n set x1 = 1, x2 = 2, x3 = 0x10\n execute 0x1\n";
  CHECK(failures_of(run + " stops block_done -> 0x2\n after x0 = 3, u8[0x10] = 3\n") == "");
  CHECK(
      contains(failures_of(run + " stops block_done -> 0x2\n after u8[0x10] = 3\n"), "x0: 0x3 against 0x0"));
  CHECK(contains(failures_of(run + " stops block_done -> 0x2\n after x0 = 3\n"),
                 "byte at 0x10: 0x3 against 0x0"));
  CHECK(contains(failures_of(run + " stops block_done -> 0x3\n after x0 = 3, u8[0x10] = 3\n"),
                 "next: 0x2 against 0x3"));
  CHECK(contains(failures_of(run + " stops syscall -> 0x2\n after x0 = 3, u8[0x10] = 3\n"),
                 "reason: block_done against syscall"));
  CHECK(contains(failures_of(run + " stops block_done -> 0x2\n after x0 = 3, u8[0x10] = 3, flags = nx\n"),
                 "float flags: 0x0 against 0x1"));
  const std::string fault = block + "case c\n set x3 = 0x8000\n execute 0x1\n";
  CHECK(failures_of(fault + " stops fault store protection 0x8000 -> 0x10\n") == "");
  CHECK(contains(failures_of(fault + " stops fault store unmapped 0x8000 -> 0x10\n"), "fault kind"));
  CHECK(contains(failures_of(fault + " stops fault load protection 0x8000 -> 0x10\n"), "fault access"));
  CHECK(contains(failures_of(fault + " stops fault store protection 0x8001 -> 0x10\n"), "fault address"));
  const std::string fuel = "block 0x1 {\n  jump -> 0x1\n}\ncase c\n run 0x1 fuel 5\n stops fuel -> 0x1, ";
  CHECK(failures_of(fuel + "5 instructions\n") == "");
  CHECK(contains(failures_of(fuel + "6 instructions\n"), "instructions: 0x5 against 0x6"));
}

TEST_CASE("the runner says where a file is wrong") {
  const std::string block = "block 0x1 {\n  jump -> 0x2\n}\n";
  CHECK(contains(failures_of(""), "there are no cases"));
  CHECK(contains(failures_of("set x0 = 1\n"), "text:1: expected 'layout', 'block' or 'case'"));
  CHECK(contains(failures_of("; a comment\nblock 0x1 {\n  jmp\n}\n"),
                 "text:2: line 2, column 3: expected an opcode"));
  CHECK(contains(failures_of(block + "case c\n"), "text:4: the case executes nothing"));
  CHECK(
      contains(failures_of(block + "case c\n execute 0x1\n"), "text:5: an execution without a 'stops' line"));
  CHECK(contains(failures_of(block + "case c\n set y = 1\n"), "text:5: there is no slot 'y'"));
  CHECK(contains(failures_of(block + "case c\n set x0 = one\n"), "text:5: 'one' is no value"));
  CHECK(contains(failures_of(block + "case c\n set u64[0x7ff9] = 1\n"), "text:5: no such memory"));
  CHECK(contains(failures_of(block + "case c\n set flags = xx\n"), "text:5: there is no flag 'xx'"));
  CHECK(contains(failures_of(block + "case c\n execute 0x1\n stops done -> 2\n"),
                 "text:6: there is no such reason"));
  CHECK(contains(failures_of(block + "case c\n stops fuel -> 2\n"), "text:5: nothing has been executed"));
}
