// The AArch64 back end: what host/common/backend.hpp wants to know of this host.
#include <cstring>
#include <string>

#include <asmjit/arm/a64assembler.h>

#include "host/a64/emitter.hpp"
#include "host/a64/patch.hpp"
#include "host/a64/trampoline.hpp"
#include "host/common/backend.hpp"

namespace ashlar::host_a64 {

namespace {

struct Host {
  using Emitter = host_a64::Emitter;
  using Assembler = a64::Assembler;
  using RuntimeAssembler = a64::Assembler;
  using Patcher = A64Patcher;
  static constexpr codegen::HostArch kArch = codegen::HostArch::a64;
  static constexpr asmjit::Arch kAsmjitArch = asmjit::Arch::kAArch64;
  static constexpr const char* kName = "AArch64";
  static constexpr std::span<const Reg> kResidentIntegers = host_a64::kResidentIntegers;
  static constexpr std::span<const Reg> kResidentFloats = host_a64::kResidentFloats;
  static constexpr std::size_t kCodeAlignment = 16;
  static constexpr bool kReadsFrame = false;  ///< codegen::LoopResidents::choose

  static std::string register_name(Reg r) { return (r.is_float() ? "d" : "x") + std::to_string(r.number()); }
  static Patcher make_patcher(const codegen::HostFeatures& features) { return Patcher(features.far_code); }
  static void write_runtime(a64::Assembler& as, std::span<const codegen::Resident> residents,
                            codegen::RuntimeCode& out) {
    host_a64::write_runtime(as, residents, out);
  }
  static std::vector<std::byte> probe(std::uint32_t value) {
    // movz w0, #low; movk w0, #high, lsl 16; ret
    const std::uint32_t words[3] = {0x5280'0000u | (value & 0xffff) << 5, 0x72a0'0000u | (value >> 16) << 5,
                                    0xd65f'03c0u};
    std::vector<std::byte> code(sizeof words);
    std::memcpy(code.data(), words, sizeof words);
    return code;
  }
};

}  // namespace
}  // namespace ashlar::host_a64

namespace ashlar::codegen {

std::unique_ptr<Backend> make_a64_backend(const HostFeatures& features) {
  return std::make_unique<host::Backend<host_a64::Host>>(features);
}

}  // namespace ashlar::codegen
