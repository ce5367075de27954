// Weighing slots; see register_plan.hpp.
#include "engine/register_plan.hpp"

#include <algorithm>

#include "ir/operands.hpp"
#include "mem/layout.hpp"

namespace ashlar::engine {
namespace {

/// Programs that take this many blocks before any of them is hot have no small part that matters.
constexpr std::size_t kMostWatched = 1 << 16;
/// The last verdict falls when so many blocks have been executed for each execution of the first threshold:
/// some ten milliseconds. Counting slows small loops down by a tenth.
constexpr std::uint64_t kSample = 256;
constexpr unsigned kVerdicts = 2;
/// No verdict falls before so many blocks have been executed for each that there is: making all code anew
/// would take longer than what has been executed, and most of it may have been needed once.
constexpr std::uint64_t kLeastUse = 16;
/// The blocks that are weighed, of which none is executed less often than the hottest by this factor.
constexpr std::size_t kHottest = 64;
constexpr std::uint64_t kHotRange = 1024;
/// A change must gain this part of all uses, one over: making code anew costs some milliseconds, and what was
/// hot until now need not stay so.
constexpr std::uint64_t kLeastGain = 12;
/// By this part, one over, the slots that the front end ranks highest are preferred.
constexpr std::uint64_t kPrior = 128;
/// A loop of one block that chooses registers for itself needs this much less of the plan.
constexpr std::uint64_t kOwnChoice = 4;

}  // namespace

std::uint64_t* RegisterLearning::watch(const BlockKey& key) {
  if (!on()) return nullptr;
  std::lock_guard lock(mutex_);
  if (!on() || watched_.size() >= kMostWatched) return nullptr;
  watched_.push_back({key, 0 - threshold_});
  return &watched_.back().count;
}

std::vector<codegen::Resident> RegisterLearning::judge(
    std::span<const codegen::Resident> residents,
    const std::function<const ir::Block*(const BlockKey&)>& block_of) {
  std::lock_guard lock(mutex_);
  if (!on()) return {};
  struct Hot {
    BlockKey key;
    std::uint64_t executions;
  };
  const auto executions_of = [this](Watched& w) {
    return std::atomic_ref(w.count).load(std::memory_order_relaxed) + threshold_;
  };
  const auto each = [this](auto&& what) {
    for (std::size_t i = since_; i < watched_.size(); ++i) what(watched_[i]);
  };
  std::uint64_t executed = 0, most = 0;
  each([&](Watched& w) {
    const std::uint64_t executions = executions_of(w);
    executed += executions;
    most = std::max(most, executions);
  });
  // Another thread has been here for the same threshold.
  if (most < threshold_) return {};
  if (executed < kLeastUse * (watched_.size() - since_)) {
    each([this](Watched& w) { std::atomic_ref(w.count).fetch_sub(threshold_, std::memory_order_relaxed); });
    threshold_ *= 2;
    return {};
  }
  std::vector<Hot> hot;
  each([&](Watched& w) {
    const std::uint64_t executions = executions_of(w);
    if (executions >= most / kHotRange) hot.push_back({w.key, executions});
  });
  const std::size_t count = std::min(hot.size(), kHottest);
  std::partial_sort(hot.begin(), hot.begin() + static_cast<std::ptrdiff_t>(count), hot.end(),
                    [](const Hot& x, const Hot& y) { return x.executions > y.executions; });
  weights_.assign(layout_.slots.size(), 0);
  for (std::size_t i = 0; i < count; ++i)
    if (const ir::Block* const block = block_of(hot[i].key)) weigh(*block, hot[i].executions, residents);

  std::uint64_t all = 0;
  for (const std::uint64_t w : weights_) all += w;
  for (const codegen::Resident& r : backend_.residents(layout_, {}))
    weights_[r.slot.slot_index()] += all / kPrior;

  std::vector<codegen::Resident> better = backend_.residents(layout_, weights_);
  if (served(better) <= served(residents) + all / kLeastGain) better.clear();
  if (!better.empty()) since_ = watched_.size();
  if (++verdicts_ == kVerdicts) {
    // What still counts is done with it when it has become hot.
    on_.store(false, std::memory_order_relaxed);
    threshold_ = first_threshold_;
  } else {
    // When the hottest block comes to this, as many blocks as wanted will have been executed.
    threshold_ = std::max(threshold_, hot[0].executions * (first_threshold_ * kSample / executed));
  }
  each([this](Watched& w) { std::atomic_ref(w.count).store(0 - threshold_, std::memory_order_relaxed); });
  return better;
}

void RegisterLearning::weigh(const ir::Block& block, std::uint64_t executions,
                             std::span<const codegen::Resident> residents) {
  plan_.analyse(block, mem::kDisplacementSlack, true);
  const bool own_choice = loop_.choose(block, layout_, plan_, residents);
  const std::uint64_t weight = own_choice ? executions / kOwnChoice : executions;
  const auto add = [&](ir::Value v) {
    if (v.is_slot()) weights_[v.slot_index()] += weight;
  };
  for (const ir::Inst& inst : block.insts()) {
    ir::for_each_read(inst, add);
    add(inst.dst);
  }
}

std::uint64_t RegisterLearning::served(std::span<const codegen::Resident> by) const {
  std::uint64_t sum = 0;
  for (const codegen::Resident& r : by) sum += weights_[r.slot.slot_index()];
  return sum;
}

}  // namespace ashlar::engine
