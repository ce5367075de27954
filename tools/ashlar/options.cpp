// Sizes, grants, environment and engines as the command line writes them.
#include "options.hpp"

#include <ashlar/hybrid.hpp>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace ashlar::tool {

int complain(const std::string& sentence) {
  std::fprintf(stderr, "ashlar: %s\n", sentence.c_str());
  return kUsageStatus;
}

Result<std::uint64_t> parse_size(const std::string& text) {
  const Error bad{
      ErrorCode::invalid_argument,
      "'" + text + "' is not a size; write bytes, or a number with K, M, G or T, such as 512M or 2G"};
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{}) return bad;
  std::string unit(rest, end);
  for (const char* suffix : {"iB", "B"}) {
    const std::string s = suffix;
    if (unit.size() > s.size() && unit.compare(unit.size() - s.size(), s.size(), s) == 0)
      unit.resize(unit.size() - s.size());
  }
  unsigned shift = 0;
  if (unit == "K" || unit == "k") {
    shift = 10;
  } else if (unit == "M" || unit == "m") {
    shift = 20;
  } else if (unit == "G" || unit == "g") {
    shift = 30;
  } else if (unit == "T" || unit == "t") {
    shift = 40;
  } else if (!unit.empty() && unit != "B") {
    return bad;
  }
  if (number > (~std::uint64_t{0} >> shift)) return bad;
  return number << shift;
}

Result<linux_user::Grant> parse_grant(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals != std::string::npos) {
    linux_user::Grant grant{text.substr(0, equals), text.substr(equals + 1)};
    if (grant.guest.empty() || grant.guest[0] != '/' || grant.host.empty()) {
      return Error{ErrorCode::invalid_argument,
                   "--dir takes a path, or GUEST=HOST with an absolute guest path, not '" + text + "'"};
    }
    return grant;
  }
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(text, error);
  if (text.empty() || error)
    return Error{ErrorCode::invalid_argument, "--dir takes a path or GUEST=HOST, not '" + text + "'"};
  return linux_user::Grant{absolute.lexically_normal().string(), text};
}

Result<std::string> parse_env(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (text.empty() || equals == 0)
    return Error{ErrorCode::invalid_argument, "--env takes NAME=VALUE or NAME, not '" + text + "'"};
  if (equals != std::string::npos) return text;
  const char* value = std::getenv(text.c_str());
  if (value == nullptr)
    return Error{ErrorCode::invalid_argument,
                 "--env " + text + ": there is no such variable here to pass on"};
  return text + "=" + value;
}

Result<CodeMemoryMode> parse_code_memory(const std::string& text) {
  if (text == "auto") return CodeMemoryMode::automatic;
  if (text == "dual") return CodeMemoryMode::dual_mapped;
  if (text == "toggled") return CodeMemoryMode::toggled;
  if (text == "none") return CodeMemoryMode::none;
  return Error{ErrorCode::invalid_argument,
               "--code-memory takes auto, dual, toggled or none, not '" + text + "'"};
}

Result<std::function<Result<std::unique_ptr<ExecutionEngine>>(ExecutionContext&)>> engine_factory(
    const std::string& name) {
  using Made = Result<std::unique_ptr<ExecutionEngine>>;
  if (name == "interp") {
    return std::function<Made(ExecutionContext&)>([](ExecutionContext& context) -> Made {
      return std::unique_ptr<ExecutionEngine>(new InterpreterExecutor(context));
    });
  }
  if (name == "jit") {
    return std::function<Made(ExecutionContext&)>([](ExecutionContext& context) -> Made {
      return std::unique_ptr<ExecutionEngine>(new JitExecutor(context));
    });
  }
  if (name == "hybrid") {
    return std::function<Made(ExecutionContext&)>([](ExecutionContext& context) -> Made {
      HybridConfig config;
      config.setup_after = 20;  // programs that end at once need no compiler
      return std::unique_ptr<ExecutionEngine>(new HybridExecutor(context, config));
    });
  }
  return Error{ErrorCode::invalid_argument, "'" + name + "' is not an engine; choose interp, jit or hybrid"};
}

}  // namespace ashlar::tool
