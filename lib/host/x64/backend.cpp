// The x86-64 back end: what host/common/backend.hpp wants to know of this host.
#include <cstring>
#include <string>

#include <asmjit/x86.h>

#include "host/common/backend.hpp"
#include "host/x64/assembler.hpp"
#include "host/x64/emitter.hpp"
#include "host/x64/patch.hpp"
#include "host/x64/trampoline.hpp"

namespace ashlar::host_x64 {

namespace {

struct Host {
  using Emitter = host_x64::Emitter;
  using Assembler = host_x64::Assembler;
  using RuntimeAssembler = x86::Assembler;
  using Patcher = X64Patcher;
  static constexpr codegen::HostArch kArch = codegen::HostArch::x64;
  static constexpr asmjit::Arch kAsmjitArch = asmjit::Arch::kX64;
  static constexpr const char* kName = "x86-64";
  static constexpr std::span<const Reg> kResidentIntegers = host_x64::kResidentIntegers;
  static constexpr std::span<const Reg> kResidentFloats = host_x64::kResidentFloats;
  /// A cache line: at less, the same blocks in another order took a fifth longer where calls and returns are
  /// most of what is done.
  static constexpr std::size_t kCodeAlignment = 64;
  static constexpr bool kReadsFrame = true;  ///< codegen::LoopResidents::choose

  static std::string register_name(Reg r) {
    asmjit::String name;
    const asmjit::Operand operand = r.is_float() ? asmjit::Operand(xmm(r)) : asmjit::Operand(gp64(r));
    asmjit::Formatter::formatOperand(name, asmjit::FormatFlags::kNone, nullptr, kAsmjitArch, operand);
    return {name.data(), name.size()};
  }
  static Patcher make_patcher(const codegen::HostFeatures&) { return {}; }
  static void write_runtime(x86::Assembler& as, std::span<const codegen::Resident> residents,
                            codegen::RuntimeCode& out) {
    host_x64::write_runtime(as, residents, out);
  }
  static std::vector<std::byte> probe(std::uint32_t value) {
    std::vector<std::byte> code(6);  // mov eax, value; ret
    code[0] = std::byte{0xb8};
    std::memcpy(&code[1], &value, sizeof value);
    code[5] = std::byte{0xc3};
    return code;
  }
};

}  // namespace
}  // namespace ashlar::host_x64

namespace ashlar::codegen {

std::unique_ptr<Backend> make_x64_backend(const HostFeatures& features) {
  return std::make_unique<host::Backend<host_x64::Host>>(features);
}

}  // namespace ashlar::codegen
