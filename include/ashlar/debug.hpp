// Emitted code in profilers and debuggers: code listeners for perf's map files, perf's jitdump, and GDB's JIT
// interface. All are for the process they are made in, and thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>

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

}  // namespace ashlar::debug
