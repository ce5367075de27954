// The guest blocks of the other benchmarks on Unicorn, a peer: first executions, which translate, and later
// ones. Built where the library is installed.
#include <benchmark/benchmark.h>
#include <unicorn/unicorn.h>

#include <memory>
#include <string>
#include <vector>

#include "latency/bench_names.hpp"
#include "latency/rig.hpp"

namespace ashlar::bench {
namespace {

/// Blocks of one engine; more than we compile between two flushes would gain nothing.
constexpr std::size_t kFresh = 1024;

void need(uc_err error) {
  if (error != UC_ERR_OK) die(uc_strerror(error));
}

/// One Unicorn engine with registers and memory as in Rig, and copies of one block in it.
class Unicorn {
 public:
  Unicorn(const std::vector<std::uint32_t>& block, std::size_t copies) : size_(4 * block.size()) {
    uc_engine* made = nullptr;
    need(uc_open(UC_ARCH_RISCV, UC_MODE_RISCV64, &made));
    engine_.reset(made);
    need(uc_mem_map(made, Rig::kData, 0x10000, UC_PROT_READ | UC_PROT_WRITE));
    need(uc_mem_map(made, Rig::kCode, 0x100000, UC_PROT_ALL));
    for (std::size_t i = 0; i < copies; ++i) need(uc_mem_write(made, address(i), block.data(), size_));
    std::uint64_t mstatus = 0;
    need(uc_reg_read(made, UC_RISCV_REG_MSTATUS, &mstatus));
    mstatus |= 1u << 13;  // FS: the float unit is on
    need(uc_reg_write(made, UC_RISCV_REG_MSTATUS, &mstatus));
    for (unsigned n = 1; n < 32; ++n) set(static_cast<int>(UC_RISCV_REG_X0 + n), n * 3);
    for (unsigned n = 0; n < 32; ++n) set(static_cast<int>(UC_RISCV_REG_F0 + n), 0x3ff0'0000'0000'0000 + n);
    set(UC_RISCV_REG_X1, Rig::kCode);
    set(UC_RISCV_REG_X10, Rig::kData);
  }
  /// Until its return, whose target ends the emulation.
  void execute(std::size_t copy) { need(uc_emu_start(engine_.get(), address(copy), Rig::kCode, 0, 0)); }
  std::uint64_t x(unsigned n) const {
    std::uint64_t value = 0;
    need(uc_reg_read(engine_.get(), static_cast<int>(UC_RISCV_REG_X0 + n), &value));
    return value;
  }

 private:
  struct Close {
    void operator()(uc_engine* engine) const { uc_close(engine); }
  };
  /// Behind kCode, where blocks return to.
  std::uint64_t address(std::size_t copy) const { return Rig::kCode + 64 + size_ * copy; }
  void set(int which, std::uint64_t value) { need(uc_reg_write(engine_.get(), which, &value)); }

  std::size_t size_;
  std::unique_ptr<uc_engine, Close> engine_;
};

/// The peer must have done what we do, or the comparison says nothing.
void check(const Unicorn& unicorn, const std::vector<std::uint32_t>& block) {
  Rig rig;
  rig.execute_or_die(rig.put_copies(block, 1)[0]);
  for (unsigned n = 1; n < 32; ++n)
    if (rig.vcpu().slot(riscv::x(n)) != unicorn.x(n)) die("Unicorn's registers are not ours");
}

void compile(benchmark::State& state, Kind kind, unsigned size) {
  const auto block = make_block(kind, size);
  while (state.KeepRunningBatch(kFresh)) {
    state.PauseTiming();
    {
      Unicorn unicorn(block, kFresh + 1);
      unicorn.execute(kFresh);  // what the engine does once
      state.ResumeTiming();
      for (std::size_t i = 0; i < kFresh; ++i) unicorn.execute(i);
      state.PauseTiming();
    }
    state.ResumeTiming();
  }
}

void hit(benchmark::State& state, Kind kind, unsigned size) {
  const auto block = make_block(kind, size);
  Unicorn unicorn(block, 1);
  unicorn.execute(0);
  check(unicorn, block);
  for (auto _ : state) unicorn.execute(0);
}

const Register all([] {
  unsigned major = 0, minor = 0;
  uc_version(&major, &minor);
  benchmark::AddCustomContext("Unicorn", std::to_string(major) + "." + std::to_string(minor));
  for (const Kind kind : kKinds) {
    for (const unsigned size : {1u, 20u}) {
      const std::string block = std::string(to_string(kind)) + "/" + std::to_string(size);
      add("peer/unicorn/compile/" + block, compile, kind, size);
      add("peer/unicorn/hit/" + block, hit, kind, size);
    }
  }
});

}  // namespace
}  // namespace ashlar::bench
