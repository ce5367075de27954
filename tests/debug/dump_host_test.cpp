// ExecutionContext::dump_host: what it shows, what it refuses, and that it changes nothing.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "engine/toy_guest.hpp"
#include "support/counted.hpp"

namespace ashlar::test {
namespace {

TEST_CASE("dump_host shows size, registers, and the code of each guest instruction under its own line") {
  ToyMachine m;
  m.code({toy(Toy::add, 5), toy(Toy::load, 8), toy(Toy::loop, -2)});
  const auto dump = m.context->dump_host({{kToyCode}}, "x64");
  REQUIRE(dump);
  const std::string& text = dump.value();
  INFO(text);
  CHECK(text.find(" bytes for 3 guest instructions\n") != std::string::npos);
  CHECK(text.find("x0=rbx") != std::string::npos);
  CHECK(text.find("f0=xmm6") != std::string::npos);
  const std::size_t first = text.find("; 0x10000  toy\n"), second = text.find("; 0x10004  toy\n"),
                    third = text.find("; 0x10008  toy\n"), rest = text.find("; out of line\n");
  REQUIRE(rest != std::string::npos);
  CHECK(text.find("x0=") < first);
  CHECK(first < second);
  CHECK(second < third);
  CHECK(third < rest);
  // The addition of 5 stands between the first two lines and nowhere else.
  const std::string addition = text.substr(first, second - first);
  CHECK(std::count(addition.begin(), addition.end(), '\n') >= 2);
  CHECK(addition.find("add rbx, 5") != std::string::npos);
  CHECK(text.find("add rbx, 5", second) == std::string::npos);
  // Nothing was entered into the cache, nothing counted.
  CHECK_COUNTED(m.stat(Stat::blocks_compiled) == 0);
  CHECK_COUNTED(m.stat(Stat::blocks_translated) == 0);
  CHECK(m.context->dump_host({{kToyCode}}, "x64").value() == text);
}

TEST_CASE("dump_host refuses in one sentence") {
  ToyMachine m;
  m.code({toy(Toy::add, 5)});
  const auto nowhere = m.context->dump_host({{0x80000}}, "x64");
  REQUIRE_FALSE(nowhere);
  CHECK(nowhere.error().code == ErrorCode::unknown_block);
  CHECK(nowhere.error().message.find("0x80000") != std::string::npos);
  const auto unknown = m.context->dump_host({{kToyCode}}, "z80");
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().code == ErrorCode::invalid_argument);
  CHECK(unknown.error().message.find("'z80'") != std::string::npos);
}

}  // namespace
}  // namespace ashlar::test
