// The x86-64 back end: compiler, runtime, patcher behind codegen's interface.
#include <cstring>

#include <asmjit/x86.h>

#include "codegen/backend.hpp"
#include "codegen/lower.hpp"
#include "codegen/residents.hpp"
#include "host/x64/assembler.hpp"
#include "host/x64/emitter.hpp"
#include "host/x64/patch.hpp"
#include "host/x64/trampoline.hpp"
#include "mem/layout.hpp"

namespace ashlar::host_x64 {

namespace {

Error assembler_error(asmjit::Error error) {
  return Error{ErrorCode::not_supported, std::string("the x86-64 assembler refused an instruction: ") +
                                             asmjit::DebugUtils::errorAsString(error)};
}

/// Remembers the first error; emission goes on and the result is thrown away.
class FirstError final : public asmjit::ErrorHandler {
 public:
  void handleError(asmjit::Error error, const char*, asmjit::BaseEmitter*) override {
    if (first == asmjit::kErrorOk) first = error;
  }
  asmjit::Error first = asmjit::kErrorOk;
};

std::vector<std::byte> code_of(asmjit::CodeHolder& holder) {
  const asmjit::CodeBuffer& buffer = holder.textSection()->buffer();
  std::vector<std::byte> bytes(buffer.size());
  std::memcpy(bytes.data(), buffer.data(), buffer.size());
  return bytes;
}

class X64Compiler final : public codegen::Compiler {
 public:
  X64Compiler(const StateLayout& layout, const codegen::HostFeatures& features)
      : layout_(layout),
        features_(features),
        residents_(codegen::choose_residents(layout, kResidentIntegers, kResidentFloats)),
        emitter_(as_, features_) {
    holder_.init(asmjit::Environment(asmjit::Arch::kX64));
    holder_.setErrorHandler(&errors_);
    holder_.attach(&as_);
  }

  Result<void> compile(const ir::Block& block, const codegen::CompileOptions& options,
                       codegen::Emitted& out) override {
    rewind();
    out.clear();
    plan_.analyse(block, mem::kDisplacementSlack, options.linked && !options.count_fuel);
    const codegen::LoopResidents* const loop =
        options.linked && loop_.choose(block, layout_, plan_, residents_) ? &loop_ : nullptr;
    std::span<const codegen::Resident> residents;
    if (options.linked) residents = loop != nullptr ? loop->residents() : residents_;
    emitter_.start(block, plan_, options, residents, loop, out);
    codegen::lower(block, emitter_);
    if (errors_.first != asmjit::kErrorOk) return assembler_error(errors_.first);
    const auto* const code = reinterpret_cast<const std::byte*>(as_.bufferData());
    out.code.assign(code, code + as_.offset());
    out.key = block.key();
    out.guest_inst_count = block.guest_inst_count();
    out.guest_ranges.assign(block.guest_ranges().begin(), block.guest_ranges().end());
    for (const ir::Boundary& b : block.boundaries()) out.guest_pcs.push_back(b.pc);
    out.uses_float = plan_.uses_float();
    return {};
  }

  Result<std::string> listing(const ir::Block& block, const codegen::CompileOptions& options) override {
    asmjit::StringLogger logger;
    holder_.setLogger(&logger);
    codegen::Emitted emitted;
    const Result<void> done = compile(block, options, emitted);
    holder_.resetLogger();
    if (!done) return done.error();
    return register_plan(options.linked, emitted) + std::string(logger.data(), logger.dataSize());
  }

 private:
  /// The listing's first lines, one for each kind of slot.
  std::string register_plan(bool linked, const codegen::Emitted& emitted) const {
    if (!linked) return "; no slot lives in a register\n";
    std::string lines;
    if (!emitted.residents.empty()) lines = "; a loop, with registers of its own:\n";
    for (const SlotClass cls : {SlotClass::integer, SlotClass::real}) {
      std::string line;
      for (const codegen::Resident& r : emitted.residents.empty() ? residents_ : emitted.residents) {
        if (r.reg.is_float() != (cls == SlotClass::real)) continue;
        asmjit::String name;
        const asmjit::Operand operand =
            r.reg.is_float() ? asmjit::Operand(xmm(r.reg)) : asmjit::Operand(gp64(r.reg));
        asmjit::Formatter::formatOperand(name, asmjit::FormatFlags::kNone, nullptr, asmjit::Arch::kX64,
                                         operand);
        line += "  " + layout_.slots[r.slot.slot_index()].name + "=" + std::string(name.data(), name.size());
      }
      if (!line.empty()) lines += ";" + line + "\n";
    }
    return lines;
  }
  /// Empties the code holder but keeps its buffers.
  void rewind() {
    // Only what asmjit has kept of a block, its labels and a failure, makes it necessary to start from
    // scratch.
    const bool clean = errors_.first == asmjit::kErrorOk && holder_.labelCount() == 0;
    errors_.first = asmjit::kErrorOk;
    if (!clean) {
      asmjit::Logger* const logger = holder_.logger();
      holder_.reset(asmjit::ResetPolicy::kSoft);
      holder_.init(asmjit::Environment(asmjit::Arch::kX64));
      holder_.setErrorHandler(&errors_);
      if (logger != nullptr) holder_.setLogger(logger);
      holder_.attach(&as_);
    }
    as_.restart();
  }

  const StateLayout& layout_;
  codegen::HostFeatures features_;
  std::vector<codegen::Resident> residents_;
  codegen::LoopResidents loop_;
  asmjit::CodeHolder holder_;
  FirstError errors_;
  Assembler as_;
  codegen::Plan plan_;
  Emitter emitter_;
};

class X64Backend final : public codegen::Backend {
 public:
  explicit X64Backend(const codegen::HostFeatures& features) : features_(features) {}
  codegen::HostArch arch() const noexcept override { return codegen::HostArch::x64; }
  std::unique_ptr<codegen::Compiler> make_compiler(const StateLayout& layout) const override {
    return std::make_unique<X64Compiler>(layout, features_);
  }
  std::vector<codegen::Resident> residents(const StateLayout& layout) const override {
    return codegen::choose_residents(layout, kResidentIntegers, kResidentFloats);
  }
  Result<codegen::RuntimeCode> emit_runtime(const StateLayout& layout) const override {
    asmjit::CodeHolder holder;
    FirstError errors;
    holder.init(asmjit::Environment(asmjit::Arch::kX64));
    holder.setErrorHandler(&errors);
    x86::Assembler as(&holder);
    codegen::RuntimeCode out;
    const std::vector<codegen::Resident> all = residents(layout);
    write_runtime(as, all, out);
    if (errors.first != asmjit::kErrorOk) return assembler_error(errors.first);
    out.code = code_of(holder);
    return out;
  }
  const codegen::Patcher& patcher() const noexcept override { return patcher_; }
  std::vector<std::byte> probe(std::uint32_t value) const override {
    std::vector<std::byte> code(6);  // mov eax, value; ret
    code[0] = std::byte{0xb8};
    std::memcpy(&code[1], &value, sizeof value);
    code[5] = std::byte{0xc3};
    return code;
  }
  std::size_t code_alignment() const noexcept override { return 16; }

 private:
  codegen::HostFeatures features_;
  X64Patcher patcher_;
};

}  // namespace
}  // namespace ashlar::host_x64

namespace ashlar::codegen {

std::unique_ptr<Backend> make_x64_backend(const HostFeatures& features) {
  return std::make_unique<host_x64::X64Backend>(features);
}

}  // namespace ashlar::codegen
