// The AArch64 back end: compiler, runtime, patcher behind codegen's interface.
#include <cstring>
#include <string>

#include <asmjit/arm/a64assembler.h>

#include "codegen/backend.hpp"
#include "codegen/lower.hpp"
#include "codegen/residents.hpp"
#include "host/a64/emitter.hpp"
#include "host/a64/patch.hpp"
#include "host/a64/trampoline.hpp"
#include "mem/layout.hpp"

namespace ashlar::host_a64 {

namespace {

/// Remembers the first error; emission goes on and the result is thrown away.
class FirstError final : public asmjit::ErrorHandler {
 public:
  void handleError(asmjit::Error error, const char* message, asmjit::BaseEmitter*) override {
    if (first != asmjit::kErrorOk) return;
    first = error;
    text = message;
  }
  asmjit::Error first = asmjit::kErrorOk;
  std::string text;
};

Error assembler_error(const FirstError& errors) {
  return Error{ErrorCode::not_supported, "the AArch64 assembler refused an instruction: " + errors.text};
}

std::vector<std::byte> code_of(asmjit::CodeHolder& holder) {
  const asmjit::CodeBuffer& buffer = holder.textSection()->buffer();
  std::vector<std::byte> bytes(buffer.size());
  std::memcpy(bytes.data(), buffer.data(), buffer.size());
  return bytes;
}

class A64Compiler final : public codegen::Compiler {
 public:
  A64Compiler(const StateLayout& layout, const codegen::HostFeatures& features)
      : layout_(layout),
        features_(features),
        residents_(codegen::choose_residents(layout, kResidentIntegers, kResidentFloats)),
        emitter_(as_, features_) {
    holder_.init(asmjit::Environment(asmjit::Arch::kAArch64));
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
    if (errors_.first != asmjit::kErrorOk) return assembler_error(errors_);
    const asmjit::CodeBuffer& buffer = holder_.textSection()->buffer();
    out.code.resize(buffer.size());
    std::memcpy(out.code.data(), buffer.data(), buffer.size());
    out.key = block.key();
    out.guest_inst_count = block.guest_inst_count();
    out.guest_ranges.assign(block.guest_ranges().begin(), block.guest_ranges().end());
    for (const ir::Boundary& b : block.boundaries()) out.guest_pcs.push_back(b.pc);
    out.uses_float = plan_.uses_float();
    return {};
  }

  Result<std::string> listing(const ir::Block& block, const codegen::CompileOptions& options) override {
    Listing listing;
    holder_.setLogger(&listing);
    emitter_.set_listing(&listing);
    codegen::Emitted emitted;
    const Result<void> done = compile(block, options, emitted);
    emitter_.set_listing(nullptr);
    holder_.resetLogger();
    if (!done) return done.error();
    return register_plan(options.linked, emitted) + listing.text;
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
        line += "  " + layout_.slots[r.slot.slot_index()].name + (r.reg.is_float() ? "=d" : "=x") +
                std::to_string(r.reg.number());
      }
      if (!line.empty()) lines += ";" + line + "\n";
    }
    return lines;
  }
  /// Empties the code holder but keeps its buffers.
  void rewind() {
    errors_.first = asmjit::kErrorOk;
    asmjit::Logger* const logger = holder_.logger();
    holder_.reset(asmjit::ResetPolicy::kSoft);
    holder_.init(asmjit::Environment(asmjit::Arch::kAArch64));
    holder_.setErrorHandler(&errors_);
    if (logger != nullptr) holder_.setLogger(logger);
    holder_.attach(&as_);
  }

  const StateLayout& layout_;
  codegen::HostFeatures features_;
  std::vector<codegen::Resident> residents_;
  codegen::LoopResidents loop_;
  asmjit::CodeHolder holder_;
  FirstError errors_;
  a64::Assembler as_;
  codegen::Plan plan_;
  Emitter emitter_;
};

class A64Backend final : public codegen::Backend {
 public:
  explicit A64Backend(const codegen::HostFeatures& features)
      : features_(features), patcher_(features.far_code) {}
  codegen::HostArch arch() const noexcept override { return codegen::HostArch::a64; }
  std::unique_ptr<codegen::Compiler> make_compiler(const StateLayout& layout) const override {
    return std::make_unique<A64Compiler>(layout, features_);
  }
  std::vector<codegen::Resident> residents(const StateLayout& layout) const override {
    return codegen::choose_residents(layout, kResidentIntegers, kResidentFloats);
  }
  Result<codegen::RuntimeCode> emit_runtime(const StateLayout& layout) const override {
    asmjit::CodeHolder holder;
    FirstError errors;
    holder.init(asmjit::Environment(asmjit::Arch::kAArch64));
    holder.setErrorHandler(&errors);
    a64::Assembler as(&holder);
    codegen::RuntimeCode out;
    const std::vector<codegen::Resident> all = residents(layout);
    write_runtime(as, all, out);
    if (errors.first != asmjit::kErrorOk) return assembler_error(errors);
    out.code = code_of(holder);
    return out;
  }
  const codegen::Patcher& patcher() const noexcept override { return patcher_; }
  std::vector<std::byte> probe(std::uint32_t value) const override {
    // movz w0, #low; movk w0, #high, lsl 16; ret
    const std::uint32_t words[3] = {0x5280'0000u | (value & 0xffff) << 5, 0x72a0'0000u | (value >> 16) << 5,
                                    0xd65f'03c0u};
    std::vector<std::byte> code(sizeof words);
    std::memcpy(code.data(), words, sizeof words);
    return code;
  }
  std::size_t code_alignment() const noexcept override { return 16; }

 private:
  codegen::HostFeatures features_;
  A64Patcher patcher_;
};

}  // namespace
}  // namespace ashlar::host_a64

namespace ashlar::codegen {

std::unique_ptr<Backend> make_a64_backend(const HostFeatures& features) {
  return std::make_unique<host_a64::A64Backend>(features);
}

}  // namespace ashlar::codegen
