// Runs file tests: blocks in text with the state before and after. The format stands at the top of
// filetest.cpp. Any engine can be driven; nothing here knows one.
#pragma once

#include <string>
#include <string_view>

#include "support/machine.hpp"

namespace ashlar::test {

struct FileTestResult {
  unsigned cases = 0;    ///< cases executed
  std::string failures;  ///< a paragraph each; empty if all passed
};

/// Parses `text` and executes its cases on `engine`. `name` is for messages. A text that does not parse is a
/// failure.
FileTestResult run_file_test(std::string_view text, const std::string& name, const EngineMaker& engine);

}  // namespace ashlar::test
