// Execution contexts: creation, invalidation, dumps. See <ashlar/engine.hpp> and context.hpp.
#include "engine/context.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <utility>

#include <ashlar/ir_text.hpp>

#include "engine/host_backend.hpp"

namespace ashlar {

ExecutionContext::Impl::Impl(const ContextConfig& config)
    : config_(config),
      translator_(*config.frontend, config.memory, config.translate),
      ir_cache_(translator_, changes_, epochs_, stats_),
      registry_(std::make_shared<engine::VcpuRegistry>(epochs_, stats_)) {
  if (config_.memory != nullptr) config_.memory->add_observer(this);
  // The compiler may come when the guest has started threads, and they would stand still for it.
  cache::CodeMemory::register_process();
}

ExecutionContext::Impl::~Impl() {
  if (config_.memory != nullptr) config_.memory->remove_observer(this);
  registry_->close();
}

template <typename Collect>
void ExecutionContext::Impl::drop(Collect&& collect) {
  engine::IrCache::Removed removed;
  {
    // vCPUs are told under the lock: who finds nothing left to remove may rely on it.
    const auto lock = ir_cache_.lock();
    collect(lock, removed);
    if (removed.empty()) return;
    registry_->attend_all(kAttendFlush);
  }
  epochs_.retire(removed.data(), removed.size());
  epochs_.reclaim();
}

template <typename Collect>
void ExecutionContext::Impl::drop_code(Collect&& collect) {
  engine::Jit* const jit = jit_if_made();
  if (jit == nullptr || !jit->available()) return;
  cache::CodeCache::Removed removed;
  {
    const cache::CacheLock lock = jit->code().lock();
    collect(jit->code(), lock, removed);
    if (removed.empty()) return;
    registry_->attend_all(kAttendFlush);
  }
  epochs_.retire(removed.data(), removed.size());
  epochs_.reclaim();
}

engine::Jit& ExecutionContext::Impl::make_jit() {
  std::lock_guard lock(jit_mutex_);
  if (jit_ == nullptr) {
    jit_ = std::make_unique<engine::Jit>(
        engine::Jit::Parts{config_, translator_, changes_, pinned_, epochs_, stats_});
    jit_made_.store(jit_.get(), std::memory_order_release);
  }
  return *jit_;
}

void ExecutionContext::Impl::block_is_hot(const BlockKey& key, StatsCell& stats) {
  engine::Jit& jit = *jit_if_made();
  const engine::Jit::Remake remake = jit.block_is_hot(key, stats);
  drop_code([&](auto& code, const auto& lock, auto& removed) {
    if (!remake.all) {
      for (const BlockKey& warm : remake.these)
        for (const bool base_is_limit : {false, true})
          code.remove(lock, warm, cache::Flavour{.base_is_limit = base_is_limit}, removed);
      return;
    }
    jit.adopt_plan(lock);
    code.remove_if(
        lock, [](const cache::Translation& t) { return t.flavour().linked; }, removed);
  });
}

void ExecutionContext::Impl::see_off(cache::CodeCache::Removed& removed) {
  if (removed.empty()) return;
  registry_->attend_all(kAttendFlush);
  epochs_.retire(removed.data(), removed.size());
  epochs_.reclaim();
}

void ExecutionContext::Impl::invalidate(GuestRange range) {
  if (range.size == 0) return;
  stats_.add(Stat::invalidations);
  changes_.record(range);
  drop([&](const auto& lock, auto& removed) { ir_cache_.remove(lock, range, removed); });
  drop_code([&](auto& code, const auto& lock, auto& removed) { code.remove(lock, range, removed); });
}

void ExecutionContext::Impl::flush() {
  stats_.add(Stat::flushes);
  changes_.record_all();
  drop([&](const auto& lock, auto& removed) { ir_cache_.remove_all(lock, removed); });
  drop_code([&](auto& code, const auto& lock, auto& removed) { code.remove_all(lock, removed); });
}

void ExecutionContext::Impl::fence_instructions() {
  // Translations that are being made may have read bytes from before the fence.
  changes_.record_all();
  drop([&](const auto& lock, auto& removed) { ir_cache_.remove_changed(lock, removed); });
  drop_code([&](auto& code, const auto& lock, auto& removed) {
    const auto stale = [&](const cache::Translation& t) {
      return !translator_.unchanged(t.guest_ranges(), engine::Jit::digest_of(t));
    };
    code.remove_if(lock, stale, removed);
  });
}

void ExecutionContext::Impl::pin(BlockKey key) {
  pinned_.add(key);
  drop_code([&](auto& code, const auto& lock, auto& removed) {
    for (std::size_t i = 0; i < cache::kFlavours; ++i) {
      const cache::Flavour flavour{(i & 1) != 0, (i & 2) != 0, (i & 4) != 0};
      code.remove(lock, key, flavour, removed);
    }
  });
}

void ExecutionContext::Impl::unpin(BlockKey key) { pinned_.remove(key); }

void ExecutionContext::Impl::at_safepoint(const std::function<void(std::span<Vcpu* const>)>& function) {
  std::lock_guard one_at_a_time(safepoint_mutex_);
  struct Active {
    explicit Active(engine::VcpuRegistry& of) : registry(of) { registry.begin_safepoint(); }
    ~Active() { registry.end_safepoint(); }
    engine::VcpuRegistry& registry;
  } const active(*registry_);
  // Afterwards each vCPU either shows that it is inside, or will see its attention bit when it enters.
  epochs_.barrier();
  // Those that run look up within some blocks: a few attempts in a row, then with sleeps.
  for (unsigned attempt = 0; !registry_->all_outside(); ++attempt) {
    if (attempt < 50) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
  }
  const std::vector<Vcpu*> vcpus = registry_->vcpus();
  function(vcpus);
}

std::uint64_t ExecutionContext::Impl::trim(std::uint64_t bytes) {
  std::uint64_t trimmed = 0;
  drop_code([&](auto& code, const auto& lock, auto& removed) { trimmed = code.trim(lock, bytes, removed); });
  return trimmed;
}

void ExecutionContext::Impl::code_changed(GuestRange range) { invalidate(range); }

Result<std::unique_ptr<ExecutionContext>> ExecutionContext::create(const ContextConfig& config) {
  if (config.frontend == nullptr) {
    return Error{ErrorCode::invalid_argument, "a context needs a front end"};
  }
  constexpr std::uint64_t kLeastCode = 64 * 1024;
  if (config.code_limit < kLeastCode) {
    return Error{ErrorCode::invalid_argument, "the code limit of " + std::to_string(config.code_limit) +
                                                  " bytes is below " + std::to_string(kLeastCode)};
  }
  if (config.translate.max_guest_insts == 0) {
    return Error{ErrorCode::invalid_argument, "a block must be allowed at least one guest instruction"};
  }
  return std::unique_ptr<ExecutionContext>(new ExecutionContext(std::make_unique<Impl>(config)));
}

ExecutionContext::ExecutionContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ExecutionContext::~ExecutionContext() = default;

const ContextConfig& ExecutionContext::config() const noexcept { return impl_->config(); }
StatsSnapshot ExecutionContext::stats() const { return impl_->stats().snapshot(); }
void ExecutionContext::invalidate(GuestRange range) { impl_->invalidate(range); }
void ExecutionContext::flush() { impl_->flush(); }
void ExecutionContext::pin_to_interpreter(BlockKey key) { impl_->pin(key); }
void ExecutionContext::unpin(BlockKey key) { impl_->unpin(key); }
void ExecutionContext::at_safepoint(const std::function<void(std::span<Vcpu* const>)>& function) {
  impl_->at_safepoint(function);
}
std::uint64_t ExecutionContext::trim(std::uint64_t bytes) { return impl_->trim(bytes); }

std::vector<BlockExecutions> ExecutionContext::block_executions(std::size_t limit) const {
  std::vector<BlockExecutions> all;
  engine::IrCache& blocks = impl_->ir_cache();
  const auto lock = blocks.lock();
  blocks.for_each(lock, [&](const engine::IrBlock& block) {
    const std::uint32_t executions = block.executions.load(std::memory_order_relaxed);
    if (executions != 0) all.push_back({block.key(), executions});
  });
  const std::size_t count = std::min(limit, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count), all.end(),
                    [](const BlockExecutions& a, const BlockExecutions& b) {
                      return a.executions != b.executions ? a.executions > b.executions
                                                          : a.key.addr.value < b.key.addr.value;
                    });
  all.resize(count);
  return all;
}

namespace {

Error no_block(const BlockKey& key, const Fault& fault) {
  char text[96];
  std::snprintf(text, sizeof text, "no block at 0x%llx: its code can't be fetched at 0x%llx",
                static_cast<unsigned long long>(key.addr.value),
                static_cast<unsigned long long>(fault.addr.value));
  return Error{ErrorCode::unknown_block, text};
}

/// The listing with the guest's instructions beside their addresses.
std::string with_guest_code(std::string_view listing, const Frontend& frontend, GuestMemory* memory) {
  constexpr std::string_view kMark = "; guest 0x";
  std::string out;
  while (!listing.empty()) {
    const std::string_view line = listing.substr(0, listing.find('\n'));
    listing.remove_prefix(std::min(line.size() + 1, listing.size()));
    GuestAddr pc;
    if (line.starts_with(kMark) &&
        std::from_chars(line.data() + kMark.size(), line.data() + line.size(), pc.value, 16).ec ==
            std::errc{}) {
      unsigned length = 0;
      out.append("; ")
          .append(line.substr(kMark.size() - 2))
          .append("  ")
          .append(frontend.disassemble(pc, memory, &length));
    } else {
      out.append(line);
    }
    out += '\n';
  }
  return out;
}

}  // namespace

Result<std::string> ExecutionContext::dump_ir(BlockKey key, bool optimised) {
  engine::TranslationBuffers buffers;
  StatsCell uncounted;
  const engine::Translator& translator = impl_->translator();
  const engine::Translated translated = translator.translate(key, buffers, uncounted);
  if (translated.block == nullptr) return no_block(key, translated.fault);
  opt::Optimiser optimiser;
  const ir::Block& block = optimised ? optimiser.optimise(*translated.block) : *translated.block;
  return ir::print(block, &impl_->frontend().layout());
}

Result<std::string> ExecutionContext::dump_host(BlockKey key, std::string_view arch, bool hot) {
  Result<std::unique_ptr<codegen::Backend>> backend = engine::make_named_backend(arch);
  if (!backend) return backend.error();
  engine::TranslationBuffers buffers;
  StatsCell uncounted;
  const engine::Translated translated = impl_->translator().translate(key, buffers, uncounted);
  if (translated.block == nullptr) return no_block(key, translated.fault);
  const std::unique_ptr<codegen::Compiler> compiler = (*backend)->make_compiler(impl_->frontend().layout());
  codegen::Emitted emitted;
  opt::Optimiser optimiser;
  const ir::Block& block = optimiser.optimise(*translated.block, hot ? opt::Loops::peel : opt::Loops::keep);
  codegen::CompileOptions options;
  options.loop_head = optimiser.loop_head();
  if (const auto* const flat = dynamic_cast<const FlatMemory*>(impl_->config().memory))
    options.base_is_limit = flat->base_is_limit();
  if (const Result<void> compiled = compiler->compile(block, options, emitted); !compiled)
    return compiled.error();
  Result<std::string> listing = compiler->listing(block, options);
  if (!listing) return listing.error();
  const std::string size = "; " + std::to_string(emitted.code.size()) + " bytes for " +
                           std::to_string(emitted.guest_inst_count) + " guest instructions\n";
  return size + with_guest_code(*listing, impl_->frontend(), impl_->config().memory);
}

}  // namespace ashlar
