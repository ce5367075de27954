// The ashlar command: reads the command line and hands over to its subcommands.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include <ashlar/version.hpp>

#include "options.hpp"

namespace ashlar::tool {
namespace {

constexpr const char* kTop =
    R"(Runs RISC-V (RV64GC) Linux programs on this machine, contained: a program reaches no file that
you don't grant, no network, and no other process.

Examples:
  ashlar run ./hello                          run a static RISC-V program
  ashlar run --dir . ./wc notes.txt           let it use the files of this directory
  ashlar run --stats --memory 4G -- ./sort -n pass -n to the program, show counters at the end
  ashlar dump ./hello --at main               show a block: guest code, IR, optimised IR

To build such a program: riscv64-linux-gnu-gcc -O2 -static hello.c -o hello)";

constexpr const char* kRun =
    R"(Runs a static or static-PIE RV64GC Linux program. Options come before the program; everything behind it is
the program's own. The exit status is the program's, 128 + N if signal N ended it, 124 if its fuel was spent, and 2 for mistakes
of the command line.

The program starts in the first granted directory, with standard input, output and error, and with an empty environment.)";

constexpr const char* kRunExamples = R"(Examples:
  ashlar run ./hello one two
  ashlar run --dir /srv/data --dir /tmp=/home/me/scratch ./convert in.txt /tmp/out.txt
  ashlar run --env LANG=C --env HOME ./shell
  ashlar run --fuel 1000000 ./endless           stop after a million guest instructions
  ashlar run --stats=json ./bench 2>stats.json
  ashlar run --profile ./bench                  where it spends its time
  perf record -- ashlar run --engine jit --perf-map ./bench)";

constexpr const char* kDump =
    R"(Shows what becomes of the guest code at an address: its instructions, the IR made of them, and the IR after
optimising; with --host, the host code as well, by guest instruction. The program is loaded but not run.
What is shown is a block that is warm: for its first executions, a program's code is compiled without optimising.)";

// Where the program stands among run's arguments: behind "--", or the first that is neither an option nor the
// value of one. What follows is not looked at, so the program's own options need no "--".
std::size_t program_position(const CLI::App& run, const std::vector<std::string>& args, std::size_t first) {
  for (std::size_t i = first; i < args.size(); ++i) {
    const std::string& arg = args[i];
    if (arg == "--" || arg.empty() || arg[0] != '-') return i;
    if (arg.find('=') != std::string::npos) continue;
    const CLI::Option* option = run.get_option_no_throw(arg);
    if (option != nullptr && option->get_items_expected_min() > 0) ++i;
  }
  return args.size();
}

int main_checked(int argc, char** argv) {
  CLI::App app{kTop};
  app.name("ashlar");
  app.require_subcommand(0, 1);
  app.set_version_flag("--version", "ashlar " + std::string(version()));

  RunOptions run_options;
  CLI::App* run = app.add_subcommand("run", kRun);
  run->footer(kRunExamples);
  run->add_option("--engine", run_options.engine, "interp, jit or hybrid")
      ->capture_default_str()
      ->type_name("ENGINE");
  run->add_flag("--stats{table}", run_options.stats,
                "Show the engine's counters on stderr at the end: --stats, --stats=json");
  run->add_option(
         "--stats-every", run_options.stats_every,
         "Write the counters to stderr every MS milliseconds while the program runs, as lines of JSON")
      ->type_name("MS");
  run->add_option("--dir", run_options.dirs,
                  "Grant a directory, under its own path or as GUEST=HOST; may be repeated")
      ->type_name("PATH")
      ->allow_extra_args(false);
  run->add_option("--env", run_options.env,
                  "Set NAME=VALUE for the program, or pass on NAME as it is here; may be repeated")
      ->type_name("NAME[=VALUE]")
      ->allow_extra_args(false);
  run->add_option("--memory", run_options.memory,
                  "The program's memory: heap, stacks and mappings together, such as 512M or 8G")
      ->capture_default_str()
      ->type_name("SIZE");
  run->add_option("--fuel", run_options.fuel, "Stop after so many guest instructions")->type_name("N");
  run->add_option("--code-limit", run_options.code_limit,
                  "Memory for compiled code; when it is full, what has not been used for long makes room")
      ->capture_default_str()
      ->type_name("SIZE");
  run->add_option(
         "--code-memory", run_options.code_memory,
         "How to have executable memory: dual (two mappings), toggled (switched between writable and "
         "executable), none (interpret), or auto: the first that works")
      ->capture_default_str()
      ->type_name("KIND");
  run->add_option(
         "--learn-after", run_options.learn_after,
         "Executions of a compiled block after which it is optimised and the processor's registers go to "
         "the program's registers that are in use (16384); 0: optimise at once, never give registers "
         "to others")
      ->type_name("N");
  run->add_flag(
      "--profile", run_options.profile,
      "Show the hottest blocks on stderr at the end: share of time, executions, symbol (--engine jit)");
  run->add_flag(
      "--code", run_options.code,
      "Show on stderr at the end how much host code the program took, for x64 and a64: instructions "
      "executed and bytes for a guest instruction (--engine jit)");
  run->add_flag("--gdb", run_options.gdb,
                "Tell GDB of compiled code: its backtraces then show the program's functions (--engine jit)");
  run->add_flag("--perf-map", run_options.perf_map,
                "Write /tmp/perf-PID.map, so that perf shows the program's functions (--engine jit)");
  run->add_flag(
      "--jitdump{.}", run_options.jitdump,
      "Write jit-PID.dump here or into --jitdump=DIRECTORY, for perf record -k mono and perf inject --jit");
  run->add_flag("--verbose", run_options.verbose, "Say on stderr which system calls and files were refused");

  DumpOptions dump_options;
  CLI::App* dump = app.add_subcommand("dump", kDump);
  dump->footer(
      "Examples:\n  ashlar dump ./hello\n  ashlar dump ./hello --at main --blocks 3\n  ashlar dump ./hello "
      "--at 0x10430\n  ashlar dump ./hello --at main --host x64");
  dump->add_option("program", dump_options.program, "The program")->required()->type_name("PROGRAM");
  dump->add_option("--at", dump_options.at, "Where; by default the program's entry")
      ->type_name("ADDRESS|SYMBOL");
  dump->add_option("--blocks", dump_options.blocks, "How many blocks: this one, and those it leads to")
      ->capture_default_str()
      ->type_name("N");
  dump->add_option("--host", dump_options.host, "Show host code too: x64 or a64")->type_name("HOST");
  dump->add_flag("--hot", dump_options.hot, "The host code of a block that has become hot")->needs("--host");

  std::vector<std::string> args(argv + 1, argv + argc);
  if (!args.empty() && args[0] == "run") {
    const std::size_t position = program_position(*run, args, 1);
    run_options.command.assign(args.begin() + static_cast<std::ptrdiff_t>(position), args.end());
    args.resize(position);
    if (!run_options.command.empty() && run_options.command.front() == "--")
      run_options.command.erase(run_options.command.begin());
  } else if (!args.empty() && args[0][0] != '-' && args[0] != "dump") {
    return complain("'" + args[0] + "' is not a command; try ashlar run " + args[0] + ", or ashlar --help");
  }
  std::vector<std::string> reversed(args.rbegin(), args.rend());  // as CLI11 wants them
  try {
    app.parse(reversed);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    return complain(std::string(error.what()) + "; see ashlar --help");
  }
  if (run->parsed()) return run_command(run_options);
  if (dump->parsed()) return dump_command(dump_options);
  std::fputs(app.help().c_str(), stdout);
  return 0;
}

}  // namespace
}  // namespace ashlar::tool

int main(int argc, char** argv) {
  try {
    return ashlar::tool::main_checked(argc, argv);
  } catch (const std::exception& error) {
    return ashlar::tool::complain(std::string("out of resources: ") + error.what());
  }
}
