// See native_machine.hpp.
#include "support/native_machine.hpp"

#include <sys/mman.h>

#include <cstring>
#include <stdexcept>

#include <ashlar/ir_text.hpp>

#include "base/float_unit.hpp"
#include "codegen/host_context.hpp"
#include "codegen/restore.hpp"
#include "mem/fault_guard.hpp"
#include "mem/fault_info.hpp"

namespace ashlar::test {

namespace {

constexpr std::size_t kSpace = std::size_t{1} << 20;
NativeMachine* current = nullptr;

std::unique_ptr<codegen::Backend> backend_of_this_machine(const codegen::HostFeatures& features) {
#if defined(__aarch64__)
  return codegen::make_a64_backend(features);
#else
  return codegen::make_x64_backend(features);
#endif
}

}  // namespace

struct NativeMachine::Hook {
  static bool handle(siginfo_t* info, void* context) noexcept {
    const std::byte* const pc = codegen::context_pc(context);
    if (current == nullptr || pc < current->space_ + current->runtime_end_ || pc >= current->space_ + kSpace)
      return false;
    VcpuCold& cold = codegen::context_frame(context)->cold();
    codegen::context_dump(context, current->dump_);
    cold.exit_info = reinterpret_cast<std::uintptr_t>(pc);
    cold.fault_addr = reinterpret_cast<std::uintptr_t>(info->si_addr);
    codegen::context_redirect(context, current->at(current->linked_ ? current->runtime_.resume_fault
                                                                    : current->runtime_.resume_fault_single));
    return true;
  }
};

bool NativeMachine::available() {
#if defined(__x86_64__) || defined(__aarch64__)
  return true;
#else
  return false;
#endif
}

codegen::HostArch NativeMachine::arch() { return backend_of_this_machine({})->arch(); }

NativeMachine::NativeMachine(const StateLayout& layout, std::span<const Helper> helpers,
                             const codegen::HostFeatures& features)
    : backend_(backend_of_this_machine(features)),
      compiler_(backend_->make_compiler(layout)),
      residents_(backend_->residents(layout, {})),
      helpers_(helpers),
      jump_cache_(std::make_unique<codegen::JumpCache>()) {
  // One mapping for both: qemu 7.2 goes on executing old code that was replaced through an alias.
  void* const space =
      mmap(nullptr, kSpace, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (space == MAP_FAILED) throw std::runtime_error("no memory that is writable and executable");
  space_ = static_cast<std::byte*>(space);
  auto runtime = backend_->emit_runtime(residents_);
  if (!runtime) throw std::runtime_error(runtime.error().message);
  runtime_ = std::move(runtime.value());
  place(runtime_.code);
  runtime_end_ = used_;
  for (auto& entry : jump_cache_->entries)
    entry = {~std::uint64_t{0}, at(runtime_.entries[static_cast<int>(codegen::RuntimeEntry::jump_miss)])};
  mem::add_host_fault_hook(&Hook::handle);
  current = this;
}

NativeMachine::~NativeMachine() {
  if (current == this) current = nullptr;
  munmap(space_, kSpace);
}

std::uint64_t NativeMachine::place(const std::vector<std::byte>& code) {
  used_ = (used_ + 63) & ~std::uint64_t{63};
  if (used_ + code.size() + 64 > kSpace) used_ = runtime_end_;
  used_ = (used_ + 63) & ~std::uint64_t{63};
  const std::uint64_t offset = used_;
  std::memcpy(space_ + offset, code.data(), code.size());
  __builtin___clear_cache(reinterpret_cast<char*>(space_ + offset),
                          reinterpret_cast<char*>(space_ + offset + code.size()));
  used_ += code.size();
  return offset;
}

BlockEnd NativeMachine::interpret(Vcpu& vcpu, const ir::Block& block, std::span<const Helper> helpers,
                                  bool count_fuel, std::uint32_t start_inst) {
  std::vector<std::atomic<interp::CodeBlock*>> successors(block.exits().size());
  interp::CodeBlock code;
  code.block = &block;
  code.insts = block.insts().data();
  code.successors = successors.data();
  interp::RunState state;
  state.first = &code;
  state.helpers = helpers;
  state.count_fuel = count_fuel;
  state.single_block = true;
  state.start_inst = start_inst;
  state.memory = vcpu.memory();
  VcpuFrame& frame = vcpu.frame();
  const float_unit::Word host = float_unit::read();
  frame.cold().host_float_control = host;
  float_unit::write(float_unit::guest_word(block.host_rounding()));
  BlockEnd end;
  end.outcome = interp::run(frame, state);
  frame.cold().float_flags |= float_unit::flags_of(float_unit::read());
  float_unit::write(host);
  end.stop_reason = state.stop_reason;
  end.detail = state.detail;
  if (end.outcome == interp::Outcome::lookup) end.outcome = interp::Outcome::block_done;
  return end;
}

std::string NativeMachine::listing(const ir::Block& block, const StateLayout& layout,
                                   codegen::CompileOptions options) {
  std::string text;
  const ir::Block& wanted = prepare(block, options);
  if (optimise_) text = "optimised:\n" + ir::print(wanted, &layout);
  const auto code = compiler_->listing(wanted, options);
  return text + (code ? code.value() : code.error().message);
}

const ir::Block& NativeMachine::prepare(const ir::Block& block, codegen::CompileOptions& options) {
  copies_ = 1;
  if (!optimise_) return block;
  const ir::Block& optimised = optimiser_.optimise(block, loops_);
  options.loop_head = optimiser_.loop_head();
  if (options.loop_head != 0)
    copies_ = static_cast<unsigned>(optimised.boundaries().size() / options.loop_head);
  return optimised;
}

BlockEnd NativeMachine::run(Vcpu& vcpu, const ir::Block& block, const codegen::CompileOptions& asked) {
  using codegen::HostExit;
  VcpuFrame& frame = vcpu.frame();
  VcpuCold& cold = frame.cold();
  linked_ = asked.linked;
  codegen::CompileOptions options = asked;
  const ir::Block& wanted = prepare(block, options);
  if (auto compiled = compiler_->compile(wanted, options, emitted_); !compiled)
    throw std::runtime_error(compiled.error().message);
  if (optimise_) {
    optimiser_.name_origins(emitted_.access_faults);
    optimiser_.name_origins(emitted_.check_faults);
  }
  block_at_ = place(emitted_.code);
  for (std::size_t i = 0; i < static_cast<std::size_t>(codegen::RuntimeEntry::count); ++i)
    cold.entries[i] = at(runtime_.entries[i]);
  cold.dump = &dump_;
  cold.helpers = helpers_.data();
  cold.guest_float_control = float_unit::guest_word(block.host_rounding());
  frame.hot.jump_cache = jump_cache_.get();
  cold.float_status = 0;

  BlockEnd end;
  const codegen::ExitSite* site = nullptr;
  bool faulted = false;
  const std::uint64_t base = reinterpret_cast<std::uintptr_t>(at(block_at_));
  cold.pc = block.key().addr.value;
  cold.mode = block.key().mode;
  if (attention_) frame.hot.attention.fetch_or(kAttendHalt);
  if (options.linked) {
    using Enter = void (*)(VcpuFrame*, const void*);
    reinterpret_cast<Enter>(reinterpret_cast<std::uintptr_t>(at(runtime_.enter_linked)))(&frame,
                                                                                         at(block_at_));
    switch (static_cast<HostExit>(cold.exit_code)) {
      case HostExit::site:
        for (const codegen::ExitSite& s : emitted_.exits)
          if (s.return_offset == cold.exit_info - base) site = &s;
        if (site == nullptr) throw std::runtime_error("unknown exit site");
        break;
      case HostExit::jump:
        end.outcome = interp::Outcome::block_done;
        break;
      case HostExit::mode:
        end.outcome = interp::Outcome::block_done;
        break;
      case HostExit::check_fault:
      case HostExit::access_fault:
        faulted = true;
        break;
    }
  } else {
    using Enter = std::uint32_t (*)(VcpuFrame*, const void*, bool);
    const std::uint32_t exit =
        reinterpret_cast<Enter>(reinterpret_cast<std::uintptr_t>(at(runtime_.enter_single)))(
            &frame, at(block_at_), emitted_.uses_float);
    if (exit == codegen::kSingleFault) {
      faulted = true;
    } else if (exit == codegen::kSingleDone || exit == codegen::kSingleDoneInMode) {
      end.outcome = interp::Outcome::block_done;
    } else {
      site = &emitted_.exits.at(exit - codegen::kSingleSite);
    }
  }
  if (attention_) frame.hot.attention.fetch_and(~std::uint32_t{kAttendHalt});
  cold.float_flags |= float_unit::flags_of(cold.float_status);
  if (faulted) {
    const bool check = static_cast<HostExit>(cold.exit_code) == HostExit::check_fault;
    const codegen::FaultSite* fault =
        codegen::find_fault_site(check ? emitted_.check_faults : emitted_.access_faults,
                                 static_cast<std::uint32_t>(cold.exit_info - base));
    if (fault == nullptr) throw std::runtime_error("fault at an unknown site");
    std::span<const codegen::Resident> residents = emitted_.residents;
    if (residents.empty() && options.linked) residents = residents_;
    codegen::restore_frame(frame, *fault, emitted_.write_backs, residents, dump_);
    // The interpreter is the judge of faults, too: it meets the same one.
    end = interpret(vcpu, block, helpers_, options.count_fuel, fault->inst);
    end.used_interpreter = true;
    end.stopped_at = fault->inst;
    return end;
  }
  if (site != nullptr) {
    cold.pc = site->target.addr.value;
    cold.mode = site->target.mode;
    switch (site->kind) {
      case codegen::ExitKind::direct:
      case codegen::ExitKind::call:
        end.outcome = interp::Outcome::block_done;
        break;
      case codegen::ExitKind::attention:
        end.outcome = interp::Outcome::attention;
        break;
      case codegen::ExitKind::fuel:
        end.outcome = interp::Outcome::fuel;
        break;
      case codegen::ExitKind::stop:
        end.outcome = interp::Outcome::stop;
        end.stop_reason = site->stop_reason;
        end.detail = site->detail;
        break;
    }
  }
  return end;
}

}  // namespace ashlar::test
