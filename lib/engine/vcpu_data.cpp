// The engine's data of a vCPU and the registry of bound vCPUs; see vcpu_data.hpp.
#include "engine/vcpu_data.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "engine/context.hpp"

namespace ashlar::engine {
namespace {

/// Up to here each vCPU keeps its tables, some 100 KiB.
constexpr std::size_t kFewVcpus = 256;

}  // namespace

std::unique_ptr<VcpuTables> VcpuRegistry::tables() {
  std::unique_ptr<VcpuTables> tables = spare_.take();
  if (tables == nullptr) tables = std::make_unique<VcpuTables>();
  // What is flushed from here on tells the vCPU by its attention bits.
  if (const std::uint64_t now = generation(); tables->generation != now) {
    tables->clear();
    tables->generation = now;
  }
  return tables;
}

void VcpuRegistry::add(VcpuData& data) {
  std::lock_guard lock(mutex_);
  vcpus_.push_back(&data);
  crowded_.store(vcpus_.size() > kFewVcpus, std::memory_order_relaxed);
  epochs_->add(data.participant_);
  stats_->attach(data.stats_);
  if (safepoint_) data.vcpu_.request_attention(kAttendSafepoint);
}

void VcpuRegistry::remove(VcpuData& data) noexcept {
  std::unique_lock lock(mutex_);
  safepoint_ended_.wait(lock,
                        [this] { return !safepoint_ || safepoint_thread_ == std::this_thread::get_id(); });
  if (epochs_ == nullptr) return;
  std::erase(vcpus_, &data);
  crowded_.store(vcpus_.size() > kFewVcpus, std::memory_order_relaxed);
  epochs_->remove(data.participant_);
  stats_->detach(data.stats_);
}

void VcpuRegistry::close() noexcept {
  std::lock_guard lock(mutex_);
  for (VcpuData* data : vcpus_) {
    epochs_->remove(data->participant_);
    stats_->detach(data->stats_);
    data->context_ = nullptr;
  }
  vcpus_.clear();
  spare_.clear();
  epochs_ = nullptr;
  stats_ = nullptr;
}

void VcpuRegistry::attend_all(std::uint32_t bits) noexcept {
  std::lock_guard lock(mutex_);
  if ((bits & kAttendFlush) != 0) generation_.fetch_add(1, std::memory_order_seq_cst);
  for (VcpuData* data : vcpus_) data->vcpu_.request_attention(bits);
}

void VcpuRegistry::begin_safepoint() {
  {
    std::lock_guard lock(mutex_);
    safepoint_ = true;
    safepoint_thread_ = std::this_thread::get_id();
  }
  attend_all(kAttendSafepoint);
}

bool VcpuRegistry::all_outside() const {
  std::lock_guard lock(mutex_);
  return std::none_of(vcpus_.begin(), vcpus_.end(),
                      [](const VcpuData* data) { return cache::EpochDomain::inside(data->participant_); });
}

std::vector<Vcpu*> VcpuRegistry::vcpus() const {
  std::lock_guard lock(mutex_);
  std::vector<Vcpu*> all;
  all.reserve(vcpus_.size());
  for (VcpuData* data : vcpus_) all.push_back(&data->vcpu_);
  return all;
}

void VcpuRegistry::end_safepoint() noexcept {
  {
    std::lock_guard lock(mutex_);
    safepoint_ = false;
  }
  safepoint_ended_.notify_all();
}

void VcpuRegistry::wait_for_end_of_safepoint() noexcept {
  std::unique_lock lock(mutex_);
  safepoint_ended_.wait(lock, [this] { return !safepoint_; });
}

VcpuData::VcpuData(ExecutionContext::Impl& context, Vcpu& vcpu, std::shared_ptr<VcpuRegistry> registry)
    : context_(&context), vcpu_(vcpu), registry_(std::move(registry)) {
  registry_->add(*this);
}

VcpuData::~VcpuData() { registry_->remove(*this); }

VcpuData& VcpuData::bind(Vcpu& vcpu, ExecutionContext::Impl& context) {
  const Frontend& frontend = context.frontend();
  if (vcpu.layout().slots.size() < frontend.layout().slots.size()) {
    fatal("a vCPU was created with fewer state slots than the context's front end has");
  }
  // Another context's data goes first: it is in the same place.
  vcpu.set_engine_data(nullptr, nullptr);
  auto& bound = *new (vcpu.engine_room()) VcpuData(context, vcpu, context.registry());
  vcpu.set_engine_data(&bound, [](void* old) noexcept { static_cast<VcpuData*>(old)->~VcpuData(); });
  vcpu.frame().cold().helpers = frontend.helpers().data();
  return bound;
}

interp::JumpTable& VcpuData::choose_table(std::uint64_t mode, RoundingMode rounding) {
  auto& all = tables_->blocks;
  for (const auto& table : all) {
    if (table->mode == mode && table->rounding == rounding) {
      tables_->current_blocks = table.get();
      return *table->blocks;
    }
  }
  if (all.size() == VcpuTables::kMost) all.clear();
  all.push_back(std::make_unique<VcpuTables::Blocks>());
  VcpuTables::Blocks& made = *all.back();
  made.mode = mode;
  made.rounding = rounding;
  tables_->current_blocks = &made;
  return *made.blocks;
}

void VcpuData::forget() noexcept {
  // First: what is removed later is not stale for this generation.
  tables_->generation = registry_->generation();
  if (tables_->singles != nullptr) tables_->singles->clear();
  for (const auto& table : tables_->blocks) table->blocks.clear();
  JitVcpu::forget(*tables_);
}

void VcpuData::find_singles() {
  if (tables_->singles == nullptr) tables_->singles = std::make_unique<ZeroPages<VcpuTables::Singles>>();
  singles_ = &**tables_->singles;
}

void VcpuData::borrow() {
  tables_ = registry_->tables();
  vcpu_.frame().cold().dump = &tables_->dump;
}

/// The frame's jump cache stays: whoever enters code that looks at it has selected it anew.
void VcpuData::lend() noexcept {
  singles_ = nullptr;
  registry_->give(std::move(tables_));
}

}  // namespace ashlar::engine
