// Fixed work in functions of known names, whose instructions check.py counts under callgrind. Prints a line
// "NAME UNITS" for each: function budget_NAME did UNITS of what the budget is for.
#include <cstdio>
#include <string_view>

#include "codegen/backend.hpp"
#include "engine/host_backend.hpp"
#include "latency/rig.hpp"
#include "opt/optimise.hpp"

using namespace ashlar;
using namespace ashlar::bench;

namespace {

constexpr std::size_t kCold = 200;
constexpr std::size_t kHits = 1000;
constexpr unsigned kSize = 20;

/// The compiler and options that the numbers hold for.
void say_what() {
#if defined(__clang__)
  std::printf("clang-%d", __clang_major__);
#else
  std::printf("gcc-%d", __GNUC__);
#endif
#if defined(__x86_64__)
  std::printf(" x86_64");
#else
  std::printf(" aarch64");
#endif
#if defined(NDEBUG) && defined(__OPTIMIZE__)
  std::puts(" release");
#else
  std::puts(" debug");
#endif
}

}  // namespace

// Not inlined, and with C names: this is how they are found in callgrind's output.
extern "C" {

[[gnu::noinline]] void budget_compile(Rig& rig, std::span<const BlockKey> keys) {
  for (const BlockKey& key : keys) rig.execute_or_die(key);
}
[[gnu::noinline]] void budget_prepare_to_interpret(Rig& rig, std::span<const BlockKey> keys) {
  for (const BlockKey& key : keys) rig.execute_or_die(key);
}
[[gnu::noinline]] void budget_compile_batch(Rig& rig, std::span<const BlockKey> keys,
                                            std::span<ExecutionResult> results) {
  if (rig.executor().execute_blocks(rig.vcpu(), keys, results) != keys.size()) die("a batch stopped early");
}
[[gnu::noinline]] void budget_emit_other_host(codegen::Compiler& compiler, const ir::Block& block,
                                              codegen::Emitted& out) {
  for (std::size_t i = 0; i < kCold; ++i)
    if (!compiler.compile(block, {}, out)) die("a block could not be compiled");
}
[[gnu::noinline]] std::size_t budget_look_up(cache::CodeCache& code, std::span<const BlockKey> keys) {
  cache::Flavour single;
  single.linked = false;
  std::size_t found = 0;
  for (std::size_t i = 0; i < kHits; ++i) found += code.find(keys[i % keys.size()], single) != nullptr;
  return found;
}
[[gnu::noinline]] void budget_enter_and_leave(Rig& rig, BlockKey key) {
  for (std::size_t i = 0; i < kHits; ++i) rig.execute_or_die(key);
}
[[gnu::noinline]] void budget_enter_and_leave_in_batch(Rig& rig, std::span<const BlockKey> keys,
                                                       std::span<ExecutionResult> results) {
  if (rig.executor().execute_blocks(rig.vcpu(), keys, results) != keys.size()) die("a batch stopped early");
}
[[gnu::noinline]] void budget_interpret(Rig& rig, BlockKey key) {
  for (std::size_t i = 0; i < kHits; ++i) rig.execute_or_die(key);
}
}

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "--what") {
    say_what();
    return 0;
  }
  const auto block = make_block(Kind::integer, kSize);
  const auto done = [](const char* name, std::size_t units) { std::printf("%s %zu\n", name, units); };

  Rig rig;
  const auto warm = rig.put_copies(block, 64);
  const auto keys = rig.put_copies(block, kCold);
  const auto batch = rig.put_copies(block, kCold);
  std::vector<ExecutionResult> results(kCold);
  const BlockKey one{rig.put(make_block(Kind::integer, 1)), 0};
  rig.execute_or_die(one);
  for (const BlockKey& key : warm) rig.execute_or_die(key);

  budget_compile(rig, keys);
  done("compile", kCold);
  budget_compile_batch(rig, batch, results);
  done("compile_batch", kCold);
  {
    const cache::EpochScope scope(rig.inside().epochs());
    if (budget_look_up(rig.code(), keys) != kHits) die("a block was not found");
    done("look_up", kHits);
  }
  budget_enter_and_leave(rig, one);
  done("enter_and_leave", kHits);
  budget_enter_and_leave_in_batch(rig, batch, results);
  done("enter_and_leave_in_batch", kCold);

  Rig interpreting({.tiers = Tiers::interpreter});
  const auto cold = interpreting.put_copies(block, kCold);
  budget_prepare_to_interpret(interpreting, cold);
  done("prepare_to_interpret", kCold);
  budget_interpret(interpreting, cold[0]);
  done("interpret", kHits);

  engine::TranslationBuffers buffers;
  const auto translated = rig.inside().translator().translate_only(keys[0], buffers);
  opt::Optimiser optimiser;
  const ir::Block& optimised = optimiser.optimise(*translated.block);
#if defined(__x86_64__)
  const auto other = codegen::make_a64_backend({});
#else
  const auto other = codegen::make_x64_backend({});
#endif
  const auto compiler = other->make_compiler(rig.frontend().layout());
  codegen::Emitted emitted;
  budget_emit_other_host(*compiler, optimised, emitted);
  done("emit_other_host", kCold);
}
