// Emitted code in profilers and debuggers: code listeners for perf's map files, perf's jitdump, and GDB's JIT
// interface, a profiler, and a meter of the code's quality. All are for the process they are made in, and
// thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <ashlar/code_listener.hpp>
#include <ashlar/export.hpp>
#include <ashlar/result.hpp>
#include <ashlar/types.hpp>

namespace ashlar::debug {

/// Names a guest address, such as "main+0x12"; empty where nothing is known. Called by compiling threads, by
/// one at a time for each listener.
using Namer = std::function<std::string(GuestAddr)>;

/// The symbol of a block: "main+0x12 [0x10430]", or "guest [0x10430]" without a name. Control characters
/// become '?'.
ASHLAR_API std::string symbol_of(const BlockKey& key, const Namer& name);

/// Writes perf's map of symbols, /tmp/perf-PID.map, one line for each block, at once: `perf record`, then
/// `perf report` show guest symbols. perf (as of 6.1) reads it for anonymous memory only, so set
/// ContextConfig::code_memory to toggled: the two mappings of dual_mapped belong to a memfd. A file of this
/// name that is there is replaced. io_error.
ASHLAR_API Result<std::unique_ptr<CodeListener>> make_perf_map(Namer name);

/// Writes perf's jitdump, `directory`/jit-PID.dump: with it perf can show the emitted instructions, too, and
/// keeps apart code that lay at the same address one after the other. Use: `perf record -k mono`, `perf
/// inject --jit -i perf.data -o jitted.data`, `perf report -i jitted.data`. The format is
/// jitdump-specification.txt in Linux's tools/perf/Documentation. A file of this name is replaced. io_error.
ASHLAR_API Result<std::unique_ptr<CodeListener>> make_jitdump(Namer name, const std::string& directory);

/// Registers each block with GDB's JIT interface (GDB's manual, "JIT Compilation Interface"), as an ELF file
/// in memory with one symbol: GDB's backtraces, `info symbol` and `disassemble` know blocks by name. Slow
/// while GDB is attached, which stops the process for each block. The interface is one list for the whole
/// process. io_error when the machine's own ELF header can't be read.
ASHLAR_API Result<std::unique_ptr<CodeListener>> make_gdb_interface(Namer name);

/// A block as a profile sees it: of all its translations together.
struct ProfiledBlock {
  BlockKey key;
  std::string symbol;
  /// Times that a thread was found in it.
  std::uint64_t samples = 0;
  /// Times that its compiled code was entered, a little less when several threads did so at once; 0 without
  /// ContextConfig::count_executions.
  std::uint64_t executions = 0;
  std::uint32_t guest_instructions = 0;
};

struct Profile {
  /// Samples of all watched threads; those not in a block are the library's: translating, interpreting, the
  /// embedder's own work.
  std::uint64_t samples = 0;
  std::uint64_t samples_in_blocks = 0;
  /// Those beyond what is kept, some four million.
  std::uint64_t lost = 0;
  /// Hottest first: by samples, then by guest instructions executed.
  std::vector<ProfiledBlock> blocks;

  /// The first `most` blocks: share of time, samples, executions, length, symbol.
  ASHLAR_API std::string to_table(std::size_t most) const;
};

/// Samples watched threads once in a millisecond of CPU time, or as often as the host's clock ticks, by the
/// signal SIGPROF, whose handler it takes.
class ASHLAR_API Profiler : public CodeListener {
 public:
  /// Watches the calling thread to its end or the profiler's. False when the host has no timer for it.
  virtual bool sample_this_thread() = 0;
  /// So far. Of a context that counts executions, only while the context lives.
  virtual Profile profile() = 0;
};

/// A profiler for one context: a listener of its code. One at a time in a process: invalid_argument;
/// out_of_memory. `name` is called by `profile`.
ASHLAR_API Result<std::unique_ptr<Profiler>> make_profiler(Namer name);

/// What a program has executed of a block, and the code that hosts need for it.
struct MeasuredBlock {
  struct Host {
    /// Host instructions executed.
    std::uint64_t executed = 0;
    /// Bytes of the block's code, with what lies out of line.
    std::uint64_t bytes = 0;
  };
  BlockKey key;
  std::string symbol;
  std::uint32_t guest_instructions = 0;
  std::uint64_t guest_executed = 0;
  std::vector<Host> hosts;  ///< in the order of CodeMeasure::hosts
};

/// Host instructions by guest instruction. Each instruction counts as often as its way through the block was
/// taken: along the block, by a side exit's code out of line, by the final branch's two ends. Linked exits:
/// the code that asks for a link does not count, nor does what is executed when something is missing or wrong
/// (an address that the inline check does not cover, a miss of the jump cache, an overflow of the
/// return-address stack), nor the library's routines that emitted code calls. A guest instruction whose code
/// branches within itself counts with all of it.
struct CodeMeasure {
  std::vector<std::string> hosts;
  /// Most executed guest instructions first.
  std::vector<MeasuredBlock> blocks;
  /// Blocks that have been executed but are not among `blocks`: their guest code is not there any more.
  std::uint64_t blocks_gone = 0;

  /// Sums, and the first `most` blocks.
  ASHLAR_API std::string to_table(std::size_t most) const;
};

/// Measures emitted code, of any host: what is counted while the code of this machine runs weighs the code
/// that the other host would execute as well. For a context with ContextConfig::count_ways.
class ASHLAR_API CodeMeter : public CodeListener {
 public:
  /// A block's host code as ExecutionContext::dump_host lists it, in either form.
  using Lister = std::function<Result<std::string>(BlockKey, std::string_view host, bool hot)>;
  /// So far; only while the context lives.
  virtual CodeMeasure measure(const Lister& list) = 0;
};

/// `name` is called by `measure`, for blocks. Cannot fail.
ASHLAR_API std::unique_ptr<CodeMeter> make_code_meter(Namer name);

}  // namespace ashlar::debug
