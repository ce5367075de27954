// ashlar run: runs a program to its end and exits as it did.
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include <ashlar/debug.hpp>

#include "options.hpp"
#include "progress.hpp"
#include "stats_log.hpp"

namespace ashlar::tool {
namespace {

/// Lines of --profile.
constexpr std::size_t kProfiledBlocks = 20;

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
  if (options.stats_every && !(*options.stats_every >= StatsLog::kLeastInterval &&
                               *options.stats_every <= StatsLog::kMostInterval)) {
    return complain("--stats-every takes milliseconds, 0.1 to 3600000");
  }
  Result<std::uint64_t> code_limit = parse_size(options.code_limit);
  if (!code_limit) return complain(code_limit.error().message);
  config.context.code_limit = *code_limit;
  Result<CodeMemoryMode> code_memory = parse_code_memory(options.code_memory);
  if (!code_memory) return complain(code_memory.error().message);
  config.context.code_memory = *code_memory;
  if (options.learn_after) config.context.learn_registers_after = *options.learn_after;
  // Warnings of the engine are always shown, refused system calls with --verbose.
  const auto logger =
      std::make_shared<spdlog::logger>("ashlar", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_level(options.verbose ? spdlog::level::debug : spdlog::level::warn);
  logger->set_pattern("ashlar: %v");
  config.context.logger = logger;
  if (options.verbose) config.logger = logger;

  // Must outlive the process, and name what only the process knows: blocks are compiled when it runs.
  std::vector<std::unique_ptr<CodeListener>> listeners;
  const linux_user::Process* named = nullptr;
  const debug::Namer name = [&named](GuestAddr at) {
    return named != nullptr ? plain_name(*named, at) : std::string();
  };
  if (options.engine == "interp" &&
      (options.perf_map || !options.jitdump.empty() || options.profile || options.code || options.gdb))
    return complain(
        "--profile, --code, --gdb, --perf-map and --jitdump are about compiled code: they need --engine jit");
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
  if (options.gdb) {
    auto made = debug::make_gdb_interface(name);
    if (!made) return complain(made.error().message);
    listeners.push_back(std::move(made).value());
  }
  debug::Profiler* profiler = nullptr;
  if (options.profile) {
    auto made = debug::make_profiler(name);
    if (!made) return complain(made.error().message);
    profiler = made->get();
    listeners.push_back(std::move(made).value());
    config.context.count_executions = true;
    config.thread_started = [profiler] { profiler->sample_this_thread(); };
  }
  debug::CodeMeter* meter = nullptr;
  if (options.code) {
    auto made = debug::make_code_meter(name);
    meter = made.get();
    listeners.push_back(std::move(made));
    config.context.count_ways = true;
  }
  for (const auto& listener : listeners) config.context.code_listeners.push_back(listener.get());

  auto process = linux_user::Process::create(std::move(config));
  if (!process) return complain(process.error().message);
  named = process->get();
  const linux_user::ExitStatus status = [&] {
    const Progress progress(**process);
    std::optional<StatsLog> log;
    if (options.stats_every) {
      log.emplace(**process, std::chrono::duration_cast<std::chrono::nanoseconds>(
                                 std::chrono::duration<double, std::milli>(*options.stats_every)));
    }
    return (*process)->run();
  }();
  if (!status.description.empty()) std::fprintf(stderr, "ashlar: %s\n", status.description.c_str());
  if (profiler != nullptr) std::fputs(profiler->profile().to_table(kProfiledBlocks).c_str(), stderr);
  if (meter != nullptr) {
    const debug::CodeMeasure measure =
        meter->measure([&process](BlockKey key, std::string_view host, bool hot) {
          return (*process)->context().dump_host(key, host, hot);
        });
    std::fputs(measure.to_table(kProfiledBlocks).c_str(), stderr);
  }
  if (!options.stats.empty()) {
    const StatsSnapshot stats = (*process)->stats();
    std::fputs((options.stats == "json" ? stats.to_json() + "\n" : stats.to_table()).c_str(), stderr);
  }
  // The host frees the memory of a process that ends faster than we would, block by block, and ends threads
  // that compile. But listeners must be told of nothing any more when they go.
  if (listeners.empty()) {
    std::fflush(nullptr);
    std::_Exit(status.status);
  }
  return status.status;
}

}  // namespace ashlar::tool
