// What an embedder without a guest instruction set writes: two blocks built by hand, executed on the
// interpreter. It sees the public headers and the shared library, nothing else.
#include <cstdint>
#include <cstdio>
#include <memory>

#include <ashlar/ashlar.hpp>

namespace {

constexpr std::uint64_t kLoop = 1;
constexpr std::uint64_t kDone = 2;
constexpr std::int32_t kDoneDetail = 7;

int fail(const char* what, const ashlar::Error& error) {
  std::fprintf(stderr, "consumer: %s: %s\n", what, error.message.c_str());
  return 1;
}

}  // namespace

int main() {
  ashlar::StateLayout layout;
  layout.slots.push_back({.name = "i", .rank = 1});
  layout.slots.push_back({.name = "sum", .rank = 1});
  const auto i = ashlar::ir::Value::slot(0);
  const auto sum = ashlar::ir::Value::slot(1);

  ashlar::BlockStore store(layout);
  ashlar::BlockBuilder builder;

  builder.begin(ashlar::BlockKey::from_id(kLoop));
  builder.rr(ashlar::ir::Opcode::add64, sum, sum, i);
  builder.ri(ashlar::ir::Opcode::add64_i, i, i, -1);
  builder.branch(ashlar::ir::Opcode::br_ne_i, i, 0, {kLoop}, {kDone});
  if (auto added = store.add(kLoop, builder); !added.ok()) return fail("the loop", added.error());

  builder.begin(ashlar::BlockKey::from_id(kDone));
  builder.stop(ashlar::ir::StopReason::guest_exit, {kDone}, kDoneDetail);
  if (auto added = store.add(kDone, builder); !added.ok()) return fail("the end", added.error());
  if (store.add(kDone, builder).ok()) {
    std::fprintf(stderr, "consumer: an id could be registered twice\n");
    return 1;
  }

  ashlar::ContextConfig config;
  config.frontend = &store;
  auto context = ashlar::ExecutionContext::create(config);
  if (!context.ok()) return fail("context", context.error());
  auto vcpu = ashlar::Vcpu::create(store.layout(), nullptr);
  if (!vcpu.ok()) return fail("vcpu", vcpu.error());

  constexpr std::uint64_t kCount = 1000;
  ashlar::Vcpu& cpu = **vcpu;
  cpu.set_slot(0, kCount);
  cpu.set_pc({kLoop});
  ashlar::InterpreterExecutor executor(**context);
  const ashlar::ExecutionResult result = executor.run(cpu);

  const std::uint64_t expected = kCount * (kCount + 1) / 2;
  if (result.reason != ashlar::ExitReason::guest_exit || result.detail != kDoneDetail ||
      cpu.slot(1) != expected) {
    std::fprintf(
        stderr, "consumer: stopped for '%s' (detail %d) with sum %llu, expected guest_exit (%d) and %llu\n",
        ashlar::to_string(result.reason), result.detail, static_cast<unsigned long long>(cpu.slot(1)),
        kDoneDetail, static_cast<unsigned long long>(expected));
    return 1;
  }
  std::printf("consumer: 1 + ... + %llu = %llu\n", static_cast<unsigned long long>(kCount),
              static_cast<unsigned long long>(cpu.slot(1)));
  return 0;
}
