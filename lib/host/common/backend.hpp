// Compiler and back end as every host has them, around what only the host knows. Included by each host's
// backend.cpp alone. `Host` is a type without state that gives
//
//   Emitter, Patcher
//   Assembler                             of blocks: asmjit's, or made from it. If it has a member `restart`,
//   that
//                                         is enough to begin anew while asmjit keeps no label
//   RuntimeAssembler                      of the runtime routines: asmjit's
//   kArch, kAsmjitArch, kName             which host it is, to us, to asmjit, and in sentences
//   kResidentIntegers, kResidentFloats    registers offered to state slots
//   kCodeAlignment                        of a translation's first byte
//   register_name(Reg)                    as listings write it
//   make_patcher(features)
//   write_runtime(as, residents, out)     emits the runtime routines and fills in their offsets
//   probe(value)                          Backend::probe
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <asmjit/core.h>

#include "codegen/backend.hpp"
#include "codegen/lower.hpp"
#include "codegen/plan.hpp"
#include "codegen/residents.hpp"
#include "host/common/listing.hpp"
#include "mem/layout.hpp"

namespace ashlar::host {

/// Remembers the first error; emission goes on and the result is thrown away.
class FirstError final : public asmjit::ErrorHandler {
 public:
  void handleError(asmjit::Error error, const char* message, asmjit::BaseEmitter*) override {
    if (happened()) return;
    error_ = error;
    text_ = message;
  }
  bool happened() const { return error_ != asmjit::kErrorOk; }
  void forget() { error_ = asmjit::kErrorOk; }
  /// In a sentence about the assembler of `host`.
  Error sentence(const char* host) const {
    return Error{ErrorCode::not_supported,
                 std::string("the ") + host + " assembler refused an instruction: " + text_};
  }

 private:
  asmjit::Error error_ = asmjit::kErrorOk;
  std::string text_;
};

/// `code` = what was assembled.
inline void copy_code(const asmjit::BaseAssembler& as, std::vector<std::byte>& code) {
  const auto* const bytes = reinterpret_cast<const std::byte*>(as.bufferData());
  code.assign(bytes, bytes + as.offset());
}

template <typename Host>
class Compiler final : public codegen::Compiler {
 public:
  Compiler(const StateLayout& layout, const codegen::HostFeatures& features)
      : layout_(layout),
        features_(features),
        residents_(codegen::choose_residents(layout, Host::kResidentIntegers, Host::kResidentFloats, {})),
        emitter_(as_, features_) {
    attach();
  }

  Result<void> compile(const ir::Block& block, const codegen::CompileOptions& options,
                       codegen::Emitted& out) override {
    rewind();
    out.clear();
    plan_.analyse(block, mem::kDisplacementSlack, options.linked && !options.count_fuel, options.loop_head);
    std::span<const codegen::Resident> residents;
    if (options.linked) residents = usual(options);
    const codegen::LoopResidents* const loop =
        options.linked && loop_.choose(block, layout_, plan_, residents, options.loop_head, Host::kReadsFrame)
            ? &loop_
            : nullptr;
    if (loop != nullptr) residents = loop->residents();
    emitter_.start(block, plan_, options, residents, loop, out);
    codegen::lower(block, emitter_);
    if (errors_.happened()) return errors_.sentence(Host::kName);
    copy_code(as_, out.code);
    out.key = block.key();
    out.guest_inst_count = options.loop_head != 0 ? options.loop_head : block.guest_inst_count();
    out.guest_ranges.assign(block.guest_ranges().begin(), block.guest_ranges().end());
    out.uses_float = plan_.uses_float();
    return {};
  }

  Result<std::string> listing(const ir::Block& block, const codegen::CompileOptions& options) override {
    Listing listing;
    holder_.setLogger(&listing);
    codegen::Emitted emitted;
    const Result<void> done = compile(block, options, emitted);
    holder_.resetLogger();
    if (!done) return done.error();
    return register_plan(options, emitted) + listing.text;
  }

 private:
  /// The residents of linked code that has no choice of its own.
  std::span<const codegen::Resident> usual(const codegen::CompileOptions& options) const {
    return options.residents.empty() ? residents_ : options.residents;
  }
  /// The listing's first lines, one for each kind of slot.
  std::string register_plan(const codegen::CompileOptions& options, const codegen::Emitted& emitted) const {
    if (!options.linked) return "; no slot lives in a register\n";
    std::string lines;
    if (!emitted.residents.empty()) lines = "; a loop, with registers of its own:\n";
    for (const SlotClass cls : {SlotClass::integer, SlotClass::real}) {
      std::string line;
      for (const codegen::Resident& r : emitted.residents.empty() ? usual(options) : emitted.residents) {
        if (r.reg.is_float() != (cls == SlotClass::real)) continue;
        line += "  " + layout_.slots[r.slot.slot_index()].name + "=" + Host::register_name(r.reg);
      }
      if (!line.empty()) lines += ";" + line + "\n";
    }
    return lines;
  }

  void attach() {
    holder_.init(asmjit::Environment(Host::kAsmjitArch));
    holder_.setErrorHandler(&errors_);
    holder_.attach(&as_);
  }
  /// Empties the code holder but keeps its buffers.
  void rewind() {
    constexpr bool kRestarts = requires(typename Host::Assembler & as) { as.restart(); };
    // What asmjit has kept of a block, its labels and a failure, makes it necessary to start from scratch.
    if (!kRestarts || errors_.happened() || holder_.labelCount() != 0) {
      errors_.forget();
      asmjit::Logger* const logger = holder_.logger();
      holder_.reset(asmjit::ResetPolicy::kSoft);
      attach();
      if (logger != nullptr) holder_.setLogger(logger);
    }
    if constexpr (kRestarts) as_.restart();
  }

  const StateLayout& layout_;
  codegen::HostFeatures features_;
  std::vector<codegen::Resident> residents_;
  codegen::LoopResidents loop_;
  asmjit::CodeHolder holder_;
  FirstError errors_;
  typename Host::Assembler as_;
  codegen::Plan plan_;
  typename Host::Emitter emitter_;
};

template <typename Host>
class Backend final : public codegen::Backend {
 public:
  explicit Backend(const codegen::HostFeatures& features)
      : features_(features), patcher_(Host::make_patcher(features)) {}

  codegen::HostArch arch() const noexcept override { return Host::kArch; }
  std::unique_ptr<codegen::Compiler> make_compiler(const StateLayout& layout) const override {
    return std::make_unique<Compiler<Host>>(layout, features_);
  }
  std::vector<codegen::Resident> residents(const StateLayout& layout,
                                           std::span<const std::uint64_t> weights) const override {
    return codegen::choose_residents(layout, Host::kResidentIntegers, Host::kResidentFloats, weights);
  }
  Result<codegen::RuntimeCode> emit_runtime(std::span<const codegen::Resident> residents) const override {
    asmjit::CodeHolder holder;
    FirstError errors;
    holder.init(asmjit::Environment(Host::kAsmjitArch));
    holder.setErrorHandler(&errors);
    typename Host::RuntimeAssembler as(&holder);
    codegen::RuntimeCode out;
    Host::write_runtime(as, residents, out);
    if (errors.happened()) return errors.sentence(Host::kName);
    copy_code(as, out.code);
    return out;
  }
  const codegen::Patcher& patcher() const noexcept override { return patcher_; }
  std::vector<std::byte> probe(std::uint32_t value) const override { return Host::probe(value); }
  std::size_t code_alignment() const noexcept override { return Host::kCodeAlignment; }

 private:
  codegen::HostFeatures features_;
  typename Host::Patcher patcher_;
};

}  // namespace ashlar::host
