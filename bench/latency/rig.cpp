// See rig.hpp.
#include "latency/rig.hpp"

#include <cstdio>
#include <cstdlib>

#include <ashlar/hybrid.hpp>

namespace ashlar::bench {

void die(const char* what) {
  std::fprintf(stderr, "latency: %s\n", what);
  std::exit(1);
}

namespace {

constexpr std::uint64_t kWindow = std::uint64_t{128} << 20;
constexpr std::uint64_t kCodeBytes = std::uint64_t{64} << 20;

template <typename T>
T need(Result<T> result) {
  if (!result) die(result.error().message.c_str());
  return std::move(result).value();
}
void need(const Result<void>& result) {
  if (!result) die(result.error().message.c_str());
}

}  // namespace

Rig::Rig(const RigConfig& config)
    : frontend_(riscv::make_frontend()), memory_(need(FlatMemory::create({.size = kWindow}))) {
  need(memory_->map({{kData}, 0x10000}, Perm::read | Perm::write));
  need(memory_->map({{kCode}, kCodeBytes}, Perm::read | Perm::write | Perm::exec));
  ContextConfig context;
  context.frontend = frontend_.get();
  context.memory = memory_.get();
  context.translate.max_guest_insts = 128;
  context.translate.extend = config.extend;
  if (config.code_limit != 0) context.code_limit = config.code_limit;
  context_ = need(ExecutionContext::create(context));
  switch (config.tiers) {
    case Tiers::interpreter:
      executor_ = std::make_unique<InterpreterExecutor>(*context_);
      break;
    case Tiers::hybrid:
      executor_ = std::make_unique<HybridExecutor>(*context_);
      break;
    case Tiers::jit:
      executor_ = std::make_unique<JitExecutor>(*context_);
      break;
  }
  if (config.tiers != Tiers::interpreter && !inside().jit().available())
    die("this machine has no executable memory or no translator");
  vcpu_ = need(Vcpu::create(frontend_->layout(), memory_.get()));
  for (unsigned n = 1; n < 32; ++n) set(n, n * 3);
  for (unsigned n = 0; n < 32; ++n)
    vcpu_->set_slot(riscv::f(n), 0x3ff0'0000'0000'0000 + n);  // a little over 1
  set(1, kCode);
  set(10, kData);
}

GuestAddr Rig::put(std::span<const std::uint32_t> words) {
  const GuestAddr at{end_};
  const auto bytes = std::as_bytes(words);
  if (memory_->write(at, bytes) != bytes.size()) die("the guest code does not fit");
  end_ += bytes.size();
  return at;
}

std::vector<BlockKey> Rig::put_copies(std::span<const std::uint32_t> words, std::size_t count) {
  std::vector<BlockKey> keys;
  for (std::size_t i = 0; i < count; ++i) keys.push_back({put(words), 0});
  return keys;
}

void Rig::execute_or_die(BlockKey key) {
  if (execute(key).reason != ExitReason::block_done) die("a block did not run to its end");
}

cache::CodeCache& Rig::code() { return inside().jit().code(); }

}  // namespace ashlar::bench
