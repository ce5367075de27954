// Setting up code memory and the runtime's routines, compiling, and the fault hook.
#include "engine/jit.hpp"

#include <spdlog/spdlog.h>

#include <array>
#include <atomic>
#include <optional>

#include "codegen/host_context.hpp"
#include "codegen/way.hpp"
#include "engine/host_backend.hpp"
#include "engine/sampled_time.hpp"
#include "mem/fault_guard.hpp"

namespace ashlar::engine {

using cache::CodeCache;
using cache::Flavour;
using cache::Translation;
using codegen::RuntimeEntry;

namespace {

/// The code memories of the process, for the fault handler: it may only read, and a memory that goes leaves a
/// hole.
struct Registered {
  std::atomic<const cache::CodeMemory*> memory{nullptr};
  std::atomic<cache::CodeCache*> code{nullptr};
  std::atomic<const std::byte*> resume_linked{nullptr}, resume_single{nullptr};
};
constexpr std::size_t kMaxRegistered = 1024;
std::array<Registered, kMaxRegistered> registered;
std::atomic<std::size_t> registered_count{0};
std::mutex registered_mutex;

template <typename Function>
Function function_at(const std::byte* code) {
  return reinterpret_cast<Function>(reinterpret_cast<std::uintptr_t>(code));
}

}  // namespace

struct Jit::FaultHook {
  static bool handle(siginfo_t* info, void* context) noexcept {
    const std::byte* const pc = codegen::context_pc(context);
    const std::size_t count = registered_count.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < count; ++i) {
      // A thread that faults inside a memory's code keeps that memory alive.
      const cache::CodeMemory* const memory = registered[i].memory.load(std::memory_order_acquire);
      if (memory == nullptr || !memory->contains(pc)) continue;
      if (memory->wait_for_code(info->si_addr, pc)) return true;
      const CodeCache::FaultRef ref = registered[i].code.load(std::memory_order_relaxed)->access_fault(pc);
      if (ref.site == nullptr) return false;
      VcpuCold& cold = codegen::context_frame(context)->cold();
      codegen::context_dump(context, *static_cast<codegen::RegisterDump*>(cold.dump));
      cold.exit_info = reinterpret_cast<std::uintptr_t>(pc);
      cold.fault_addr = reinterpret_cast<std::uintptr_t>(info->si_addr);
      codegen::context_redirect(context, ref.in->flavour().linked
                                             ? registered[i].resume_linked.load(std::memory_order_relaxed)
                                             : registered[i].resume_single.load(std::memory_order_relaxed));
      return true;
    }
    return false;
  }

  static bool add(Jit& jit) {
    if (!mem::add_host_fault_hook(&handle)) return false;
    std::lock_guard lock(registered_mutex);
    std::size_t i = 0;
    const std::size_t count = registered_count.load(std::memory_order_relaxed);
    while (i < count && registered[i].memory.load(std::memory_order_relaxed) != nullptr) ++i;
    if (i == kMaxRegistered) return false;
    registered[i].code.store(jit.code_.get(), std::memory_order_relaxed);
    // Those of any plan: the residents are in the register dump.
    const RegisterPlan& plan = jit.plan(0);
    registered[i].resume_linked.store(plan.runtime + plan.offsets.resume_fault, std::memory_order_relaxed);
    registered[i].resume_single.store(plan.runtime + plan.offsets.resume_fault_single,
                                      std::memory_order_relaxed);
    registered[i].memory.store(jit.memory_.get(), std::memory_order_release);
    if (i == count) registered_count.store(count + 1, std::memory_order_release);
    return true;
  }
  static void remove(const Jit& jit) {
    std::lock_guard lock(registered_mutex);
    for (Registered& entry : registered)
      if (entry.memory.load(std::memory_order_relaxed) == jit.memory_.get())
        entry.memory.store(nullptr, std::memory_order_release);
  }
};

Jit::Jit(const Parts& parts)
    : config_(parts.config),
      translator_(parts.translator),
      changes_(parts.changes),
      pinned_(parts.pinned),
      epochs_(parts.epochs),
      stats_(parts.stats),
      backend_(make_host_backend(parts.config.code_limit)) {
  if (const Result<void> ready = set_up(); !ready) {
    if (config_.logger != nullptr)
      config_.logger->warn("no compiled code, everything is interpreted: {}", ready.error().message);
    code_.reset();
    memory_.reset();
  }
}

Result<void> Jit::set_up() {
  if (backend_ == nullptr) return Error{ErrorCode::not_supported, "there is no back end for this machine"};
  const std::vector<std::byte> first = backend_->probe(1), second = backend_->probe(2);
  cache::CodeMemoryConfig config;
  config.limit = config_.code_limit;
  config.probe = {first, 1, second, 2};
  switch (config_.code_memory) {
    case CodeMemoryMode::automatic:
      break;
    case CodeMemoryMode::dual_mapped:
      config.kind = cache::CodeMemoryKind::dual_mapped;
      break;
    case CodeMemoryMode::toggled:
      config.kind = cache::CodeMemoryKind::toggled;
      break;
    case CodeMemoryMode::none:
      config.kind = cache::CodeMemoryKind::none;
      break;
  }
  auto memory = cache::CodeMemory::create(config);
  if (!memory) return memory.error();
  memory_ = std::move(memory).value();
  if (memory_->kind() == cache::CodeMemoryKind::none)
    return Error{ErrorCode::not_supported, "the host refuses executable memory"};
  const StateLayout& layout = config_.frontend->layout();
  if (const Result<void> added = add_plan(backend_->residents(layout, {})); !added) return added.error();
  const RegisterPlan& first_plan = plan(0);
  enter_single_ = function_at<EnterSingle>(first_plan.runtime + first_plan.offsets.enter_single);
  enter_batch_ = function_at<EnterBatch>(first_plan.runtime + first_plan.offsets.enter_batch);
  learning_ = std::make_unique<RegisterLearning>(layout, *backend_, config_.learn_registers_after);
  missing_->begin();
  code_ =
      std::make_unique<CodeCache>(*memory_, backend_->patcher(), backend_->code_alignment(), epochs_, stats_);
  if (!FaultHook::add(*this)) return Error{ErrorCode::not_supported, "the process has too many contexts"};
  return {};
}

/// Emits the routines for these residents; nobody uses the plan yet.
Result<void> Jit::add_plan(std::vector<codegen::Resident> residents) {
  if (plan_count_ == plans_.size()) return Error{ErrorCode::out_of_memory, "there are too many plans"};
  auto plan = std::make_unique<RegisterPlan>();
  plan->residents = std::move(residents);
  auto runtime = backend_->emit_runtime(plan->residents);
  if (!runtime) return runtime.error();
  plan->offsets = std::move(runtime).value();
  const auto installed = memory_->install(plan->offsets.code);
  if (!installed) return installed.error();
  plan->runtime = installed.value();
  plan->enter_linked = function_at<RegisterPlan::EnterLinked>(plan->runtime + plan->offsets.enter_linked);
  for (CodeListener* const listener : config_.code_listeners)
    listener->runtime_published(plan->runtime, plan->offsets.code);
  plans_[plan_count_++] = std::move(plan);
  return {};
}

Jit::Remake Jit::block_is_hot(const BlockKey& hot, StatsCell& stats) {
  std::lock_guard lock(plans_mutex_);
  std::unique_ptr<Workshop> workshop = borrow();
  Translated translated;
  const auto block_of = [&](const BlockKey& key) -> const ir::Block* {
    translated = translator_.translate_only(key, workshop->buffers);
    return translated.block != nullptr ? &workshop->optimiser().optimise(*translated.block) : nullptr;
  };
  RegisterLearning::Verdict verdict = learning_->judge(hot, plan(plan_number()).residents, block_of);
  give_back(std::move(workshop));
  if (verdict.better.empty()) return {false, std::move(verdict.warm)};
  if (const Result<void> added = add_plan(std::move(verdict.better)); !added) {
    learning_->give_up();
    return {false, std::move(verdict.warm)};
  }
  stats.add(Stat::register_plans);
  if (config_.logger != nullptr) {
    std::string names;
    for (const codegen::Resident& r : plans_[plan_count_ - 1]->residents)
      names += " " + config_.frontend->layout().slots[r.slot.slot_index()].name;
    config_.logger->debug("host registers now hold{}", names);
  }
  return {true, {}};
}

Jit::~Jit() {
  delete spare_.load(std::memory_order_relaxed);
  if (memory_ != nullptr) FaultHook::remove(*this);
}

CodeDigest Jit::digest_of(const Translation& translation) noexcept {
  const auto& words = translation.note().words;
  return {static_cast<CodeDigest::Kind>(words[0]), words[1]};
}

std::unique_ptr<Jit::Workshop> Jit::borrow() {
  if (Workshop* const spare = spare_.exchange(nullptr, std::memory_order_acquire))
    return std::unique_ptr<Workshop>(spare);
  {
    std::lock_guard lock(workshops_mutex_);
    if (!workshops_.empty()) {
      auto workshop = std::move(workshops_.back());
      workshops_.pop_back();
      return workshop;
    }
  }
  auto workshop = std::make_unique<Workshop>();
  workshop->compiler = backend_->make_compiler(config_.frontend->layout());
  return workshop;
}

void Jit::give_back(std::unique_ptr<Workshop> workshop) {
  workshop.reset(spare_.exchange(workshop.release(), std::memory_order_acq_rel));
  if (workshop == nullptr) return;
  std::lock_guard lock(workshops_mutex_);
  workshops_.push_back(std::move(workshop));
}

bool Jit::emit(Workshop& workshop, const BlockKey& key, Flavour flavour, const IrBlock* source,
               codegen::Emitted& out, CodeDigest& digest, Got& got, StatsCell& stats) {
  std::optional<ir::Block> translated;
  if (source == nullptr) {
    translated = translator_.translate_in_place(key, workshop.buffers, stats, got.fault, &digest);
    if (!translated) return false;
  } else {
    digest = source->digest();
  }
  const SampledTime time(stats, Stat::blocks_compiled, Stat::compile_time);
  const ir::Block& block = source != nullptr ? *source->block : *translated;
  codegen::CompileOptions options;
  options.linked = flavour.linked;
  options.count_fuel = flavour.count_fuel;
  options.base_is_limit = flavour.base_is_limit;
  if (config_.count_executions) options.profile_counter = counter_of(key);
  options.map_code = !config_.code_listeners.empty();
  bool optimise = true;
  if (flavour.linked) {
    options.residents = plan(flavour.plan).residents;
    if (!flavour.count_fuel) {
      const RegisterLearning::Watch watch = learning_->watch(key);
      options.threshold_counter = watch.counter;
      optimise = watch.optimise;
    }
  }
  // What is not counted any more is hot, or made when nothing is learned about hot blocks.
  const bool is_hot = options.linked && !options.count_fuel && options.threshold_counter == nullptr;
  const ir::Block& optimised =
      optimise ? workshop.optimiser().optimise(block, is_hot ? opt::Loops::peel : opt::Loops::keep) : block;
  if (optimise) options.loop_head = workshop.optimiser().loop_head();
  if (config_.count_ways) options.way_counters = way_counters_of(key, optimised.boundaries().size()).data();
  const Result<void> compiled = workshop.compiler->compile(optimised, options, out);
  if (optimise) {
    // The interpreter, which goes on after faults, has the block as the front end made it.
    workshop.optimiser().name_origins(out.access_faults);
    workshop.optimiser().name_origins(out.check_faults);
  }
  if (!compiled) {
    if (config_.logger != nullptr)
      config_.logger->error("block 0x{:x} is interpreted: {}", key.addr.value, compiled.error().message);
    got.refused = true;
    return false;
  }
  stats.add(Stat::blocks_compiled);
  return true;
}

std::uint64_t* Jit::counter_of(const BlockKey& key) {
  if (!config_.count_executions) return nullptr;
  std::lock_guard lock(counters_mutex_);
  return &counters_[key];
}

std::span<std::uint64_t> Jit::way_counters_of(const BlockKey& key, std::size_t guest_insts) {
  if (!config_.count_ways) return {};
  std::lock_guard lock(counters_mutex_);
  std::vector<std::uint64_t>& counters = way_counters_[{key, guest_insts}];
  counters.resize(codegen::way_count(guest_insts));
  return counters;
}

void Jit::tell_listeners(const Translation& made, const codegen::Emitted& emitted) {
  if (config_.code_listeners.empty()) return;
  std::vector<PublishedCode::Point> points;
  for (const codegen::CodeMapEntry& entry : emitted.code_map) points.push_back({entry.offset, entry.pc});
  const PublishedCode published{made.key(),
                                made.code(),
                                emitted.code,
                                points,
                                counter_of(made.key()),
                                way_counters_of(made.key(), points.size())};
  for (CodeListener* const listener : config_.code_listeners) listener->code_published(published);
}

void Jit::make_room(CodeCache::Removed& removed) {
  const cache::CacheLock lock = code_->lock();
  code_->evict(lock, removed);
}

Jit::Got Jit::get(const BlockKey& key, Flavour flavour, StatsCell& stats, CodeCache::Removed& removed,
                  const IrBlock* source) {
  if (pinned_.contains(key)) return {};
  // Callers have looked for it already.
  if (const auto claim = code_->claim(key, flavour, cache::OnBusy::wait); !claim.claimed) {
    stats.add(Stat::lookup_hits);
    code_->touch(*claim.value);
    return {claim.value, {}, true};
  }
  stats.add(Stat::lookup_misses);
  std::unique_ptr<Workshop> workshop = borrow();
  Got got;
  // Code that is changed again and again while it is compiled is interpreted after some attempts.
  constexpr int kAttempts = 3;
  for (int attempt = 0; attempt < kAttempts && got.translation == nullptr; ++attempt) {
    const ChangeLog::Moment since = changes_.now();
    if (flavour.linked) flavour.plan = plan_number();
    CodeDigest digest;
    if (!emit(*workshop, key, flavour, source, workshop->emitted, digest, got, stats)) break;
    CodeCache::Making making{&workshop->emitted, {{static_cast<std::uint64_t>(digest.kind), digest.hash}}};
    const CodeCache::Outcome outcome = code_->make(std::span(&making, 1), flavour);
    if (outcome == CodeCache::Outcome::no_space) make_room(removed);
    got.refused = outcome == CodeCache::Outcome::too_large;
    if (outcome != CodeCache::Outcome::made) break;
    const cache::CacheLock lock = code_->lock();
    const bool pinned = pinned_.contains(key);
    if (pinned || (flavour.linked && flavour.plan != plan_number()) ||
        (source != nullptr ? !source->alive() : changes_.changed_since(since, making.made->guest_ranges()))) {
      code_->withdraw(lock, *making.made, removed);
      if (pinned) break;
      source = nullptr;
      continue;
    }
    code_->publish(lock, std::span(&making.made, 1));
    got.translation = making.made;
  }
  if (got.translation == nullptr) {
    code_->abandon(key, flavour);
  } else {
    tell_listeners(*got.translation, workshop->emitted);
  }
  give_back(std::move(workshop));
  if (code_->eviction_due()) make_room(removed);
  return got;
}

void Jit::prepare(std::span<const BlockKey> keys, Flavour flavour, StatsCell& stats,
                  CodeCache::Removed& removed) {
  std::unique_ptr<Workshop> workshop = borrow();
  while (!keys.empty()) {
    const std::size_t taken = prepare_some(*workshop, keys, flavour, stats, removed);
    if (taken == 0) break;
    keys = keys.subspan(taken);
  }
  give_back(std::move(workshop));
}

/// From the front of `keys` on, until there is enough for one publication; gives how many it has looked at, 0
/// when there is no room for more.
std::size_t Jit::prepare_some(Workshop& workshop, std::span<const BlockKey> keys, Flavour flavour,
                              StatsCell& stats, CodeCache::Removed& removed) {
  std::array<CodeCache::Making, Workshop::kBatch> makings{};
  std::size_t count = 0, taken = 0;
  const ChangeLog::Moment since = changes_.now();
  while (taken < keys.size() && count < Workshop::kBatch) {
    const BlockKey& key = keys[taken++];
    if (code_->find(key, flavour) != nullptr || pinned_.contains(key)) continue;
    // Who is being compiled by somebody else, or stands in the batch twice, is looked up again later.
    if (!code_->claim(key, flavour, cache::OnBusy::leave).claimed) continue;
    stats.add(Stat::lookup_misses);
    if (workshop.batch.size() == count) workshop.batch.push_back(std::make_unique<codegen::Emitted>());
    codegen::Emitted& emitted = *workshop.batch[count];
    CodeDigest digest;
    Got got;
    if (!emit(workshop, key, flavour, nullptr, emitted, digest, got, stats)) {
      code_->abandon(key, flavour);
      continue;
    }
    makings[count++] = {&emitted, {{static_cast<std::uint64_t>(digest.kind), digest.hash}}};
  }
  if (count == 0) return taken;
  const CodeCache::Outcome outcome = code_->make(std::span(makings).first(count), flavour);
  std::array<Translation*, Workshop::kBatch> good{};
  std::size_t good_count = 0;
  {
    const cache::CacheLock lock = code_->lock();
    for (std::size_t i = 0; i < count; ++i) {
      Translation* const made = makings[i].made;
      const BlockKey& key = makings[i].emitted->key;
      if (made != nullptr && !pinned_.contains(key) && !changes_.changed_since(since, made->guest_ranges())) {
        good[good_count++] = made;
        continue;
      }
      if (made != nullptr) code_->withdraw(lock, *made, removed);
      code_->abandon(key, flavour);
    }
    code_->publish(lock, std::span(good).first(good_count));
  }
  for (std::size_t i = 0, told = 0; i < count && told < good_count; ++i) {
    if (makings[i].made != good[told]) continue;
    tell_listeners(*good[told++], *makings[i].emitted);
  }
  if (outcome == CodeCache::Outcome::no_space || code_->eviction_due()) make_room(removed);
  return outcome == CodeCache::Outcome::no_space ? 0 : taken;
}

}  // namespace ashlar::engine
