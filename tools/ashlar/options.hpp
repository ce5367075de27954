// What the command line asks for, and the reading of its values. For the ashlar command's own files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <ashlar/linux.hpp>
#include <ashlar/result.hpp>

namespace ashlar::tool {

/// Exit status of the command's own mistakes and refusals.
inline constexpr int kUsageStatus = 2;

struct RunOptions {
  std::string engine = "hybrid";
  std::string stats;  // empty, "table" or "json"
  /// Milliseconds between two lines of counters.
  std::optional<double> stats_every;
  std::vector<std::string> dirs;
  std::vector<std::string> env;
  std::string memory = "2G";
  std::optional<std::uint64_t> fuel;
  std::string code_limit = "64M";
  std::string code_memory = "auto";
  std::optional<std::uint32_t> learn_after;
  bool verbose = false;
  bool profile = false;
  bool code = false;
  bool gdb = false;
  bool perf_map = false;
  /// A directory; empty: no jitdump.
  std::string jitdump;
  /// The program and its arguments.
  std::vector<std::string> command;
};

struct DumpOptions {
  std::string program;
  std::string at;
  unsigned blocks = 1;
  std::string host;
  bool hot = false;
};

/// "512M", "2G", "1048576": bytes. Binary multiples.
Result<std::uint64_t> parse_size(const std::string& text);
/// "PATH" or "GUEST=HOST".
Result<linux_user::Grant> parse_grant(const std::string& text);
/// "NAME=value", or "NAME" for the value that NAME has here.
Result<std::string> parse_env(const std::string& text);
/// "auto", "dual", "toggled", "none".
Result<CodeMemoryMode> parse_code_memory(const std::string& text);
/// The factory for --engine; refuses engines that this build lacks.
Result<std::function<Result<std::unique_ptr<ExecutionEngine>>(ExecutionContext&)>> engine_factory(
    const std::string& name);

int run_command(const RunOptions& options);
int dump_command(const DumpOptions& options);

/// Prints "ashlar: <sentence>" to stderr and returns kUsageStatus.
int complain(const std::string& sentence);

}  // namespace ashlar::tool
