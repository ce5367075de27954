// engine_bench: what the engine costs around guest code. Prints a line "NAME VALUE UNIT" for each figure;
// docs/benchmarks.md says what the names mean. Usage: engine_bench [PART...]
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "engine/bench.hpp"

int main(int argc, char** argv) {
  using namespace ashlar::bench;
  const std::pair<std::string, void (*)()> all[] = {
      {"slices", slices},     {"blocks", blocks},   {"cold", cold_batch},
      {"watching", watching}, {"threads", threads}, {"together", compile_together},
      {"pauses", pauses},     {"many", many},
  };
  const std::vector<std::string> wanted(argv + 1, argv + argc);
  for (const std::string& name : wanted) {
    if (std::none_of(std::begin(all), std::end(all), [&](const auto& part) { return part.first == name; }))
      fail("there is no part named '" + name + "'");
  }
  for (const auto& [name, function] : all)
    if (wanted.empty() || std::find(wanted.begin(), wanted.end(), name) != wanted.end()) function();
  return 0;
}
