// The least that executes emitted code: compiles one block, runs it on this machine, and says how it ended in
// the interpreter's words. For tests of the back ends without cache or engine. One machine at a time takes
// host faults.
#pragma once

#include <memory>
#include <string>

#include <ashlar/vcpu.hpp>

#include "codegen/backend.hpp"
#include "codegen/runtime.hpp"
#include "interp/interpreter.hpp"
#include "opt/optimise.hpp"

namespace ashlar::test {

struct BlockEnd {
  interp::Outcome outcome{};  ///< block_done, stop, fault, fuel or attention; pc and mode are in the frame
  ir::StopReason stop_reason{};
  std::int32_t detail = 0;
  bool used_interpreter = false;  ///< a failed check or a fault handed the rest of the block over
  std::uint32_t stopped_at = 0;   ///< at this IR instruction
};

class NativeMachine {
 public:
  NativeMachine(const StateLayout& layout, std::span<const Helper> helpers,
                const codegen::HostFeatures& features);
  ~NativeMachine();
  NativeMachine(const NativeMachine&) = delete;
  NativeMachine& operator=(const NativeMachine&) = delete;

  /// Whether this machine can execute what its back end emits, and executable memory could be had.
  static bool available();
  /// Which back end's code it executes.
  static codegen::HostArch arch();

  BlockEnd run(Vcpu& vcpu, const ir::Block& block, const codegen::CompileOptions& options);
  /// The same by the interpreter.
  static BlockEnd interpret(Vcpu& vcpu, const ir::Block& block, std::span<const Helper> helpers,
                            bool count_fuel, std::uint32_t start_inst = 0);

  /// Whether an attention bit is set while emitted code runs.
  void set_attention(bool on) { attention_ = on; }
  /// From now on blocks go through the optimising passes before they are compiled.
  /// `peel`: as for hot blocks (opt::Loops::peel).
  void set_optimise(bool on, bool peel = false) {
    optimise_ = on;
    loops_ = peel ? opt::Loops::peel : opt::Loops::keep;
  }
  /// How many times the block that ran last has its body: going round takes it through all.
  unsigned copies() const { return copies_; }
  bool peeled() const { return copies_ > 1; }
  /// The block as it is compiled, if it is optimised, and its host code.
  std::string listing(const ir::Block& block, const StateLayout& layout, codegen::CompileOptions options);

  /// What the last block became.
  const codegen::Emitted& emitted() const { return emitted_; }
  codegen::Compiler& compiler() { return *compiler_; }

 private:
  struct Hook;
  std::uint64_t place(const std::vector<std::byte>& code);
  const void* at(std::uint64_t offset) const { return space_ + offset; }
  /// What is to be compiled, and how.
  const ir::Block& prepare(const ir::Block& block, codegen::CompileOptions& options);

  std::unique_ptr<codegen::Backend> backend_;
  std::unique_ptr<codegen::Compiler> compiler_;
  std::vector<codegen::Resident> residents_;
  std::span<const Helper> helpers_;
  codegen::RuntimeCode runtime_;
  codegen::Emitted emitted_;
  codegen::RegisterDump dump_{};
  std::unique_ptr<codegen::JumpCache> jump_cache_;
  std::byte* space_ = nullptr;
  std::uint64_t used_ = 0, runtime_end_ = 0, block_at_ = 0;
  bool linked_ = true;
  bool optimise_ = false;
  opt::Loops loops_ = opt::Loops::keep;
  bool attention_ = false;
  unsigned copies_ = 1;
  opt::Optimiser optimiser_;
};

}  // namespace ashlar::test
