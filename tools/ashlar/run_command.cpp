// ashlar run: runs a program to its end and exits as it did.
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdio>

#include <ashlar/debug.hpp>

#include "options.hpp"

namespace ashlar::tool {
namespace {

/// "main+0x12" for describe's "<main+0x12>".
std::string plain_name(const linux_user::Process& process, GuestAddr at) {
  const std::string text = process.describe(at);
  return text.size() > 2 ? text.substr(1, text.size() - 2) : text;
}

}  // namespace

int run_command(const RunOptions& options) {
  linux_user::ProcessConfig config;
  if (options.command.empty()) return complain("run needs a program; see ashlar run --help");
  config.program = options.command.front();
  config.args = options.command;
  for (const std::string& text : options.dirs) {
    Result<linux_user::Grant> grant = parse_grant(text);
    if (!grant) return complain(grant.error().message);
    config.grants.push_back(std::move(grant).value());
  }
  for (const std::string& text : options.env) {
    Result<std::string> variable = parse_env(text);
    if (!variable) return complain(variable.error().message);
    config.env.push_back(std::move(variable).value());
  }
  Result<std::uint64_t> memory = parse_size(options.memory);
  if (!memory) return complain(memory.error().message);
  config.memory_size = *memory;
  config.fuel = options.fuel;
  auto engine = engine_factory(options.engine);
  if (!engine) return complain(engine.error().message);
  config.make_engine = std::move(engine).value();
  if (!options.stats.empty() && options.stats != "table" && options.stats != "json") {
    return complain("--stats takes table or json, not '" + options.stats + "'");
  }
  if (options.verbose) {
    config.logger =
        std::make_shared<spdlog::logger>("ashlar", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    config.logger->set_level(spdlog::level::debug);
    config.logger->set_pattern("ashlar: %v");
  }

  // Must outlive the process, and name what only the process knows: blocks are compiled when it runs.
  std::vector<std::unique_ptr<CodeListener>> listeners;
  const linux_user::Process* named = nullptr;
  const debug::Namer name = [&named](GuestAddr at) {
    return named != nullptr ? plain_name(*named, at) : std::string();
  };
  if (options.engine == "interp" && (options.perf_map || !options.jitdump.empty()))
    return complain("--perf-map and --jitdump are about compiled code: they need --engine jit");
  if (options.perf_map) {
    auto made = debug::make_perf_map(name);
    if (!made) return complain(made.error().message);
    listeners.push_back(std::move(made).value());
    // perf reads the map for anonymous memory only.
    config.context.code_memory = CodeMemoryMode::toggled;
  }
  if (!options.jitdump.empty()) {
    auto made = debug::make_jitdump(name, options.jitdump);
    if (!made) return complain(made.error().message);
    listeners.push_back(std::move(made).value());
  }
  for (const auto& listener : listeners) config.context.code_listeners.push_back(listener.get());

  auto process = linux_user::Process::create(std::move(config));
  if (!process) return complain(process.error().message);
  named = process->get();
  const linux_user::ExitStatus status = (*process)->run();
  if (!status.description.empty()) std::fprintf(stderr, "ashlar: %s\n", status.description.c_str());
  if (!options.stats.empty()) {
    const StatsSnapshot stats = (*process)->stats();
    std::fputs((options.stats == "json" ? stats.to_json() + "\n" : stats.to_table()).c_str(), stderr);
  }
  // The host frees the memory of a process that ends faster than we would, block by block.
  [[maybe_unused]] static const linux_user::Process* const left_to_the_host = process->release();
  return status.status;
}

}  // namespace ashlar::tool
