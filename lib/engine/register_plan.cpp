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
/// What has been executed this part of the first threshold, one over, when a verdict falls, is warm from then
/// on.
constexpr std::uint64_t kWarm = 4;
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

RegisterLearning::Watch RegisterLearning::watch(const BlockKey& key) {
  if (!on()) return {};
  std::lock_guard lock(mutex_);
  if (!on() || watched_.size() >= kMostWatched) return {};
  const bool warm = is_warm(key);
  const std::uint64_t threshold = warm ? threshold_ : first_threshold_;
  watched_.push_back({key, 0 - threshold, threshold});
  return {&watched_.back().count, warm};
}

RegisterLearning::Verdict RegisterLearning::judge(
    const BlockKey& key, std::span<const codegen::Resident> residents,
    const std::function<const ir::Block*(const BlockKey&)>& block_of) {
  std::lock_guard lock(mutex_);
  // A block that becomes warm is no reason for a verdict, but for the first.
  const bool is_due = on() && (is_warm(key) || (verdicts_ == 0 && threshold_ == first_threshold_));
  set_warm(key);
  if (!is_due) return {{}, {key}};
  struct Hot {
    BlockKey key;
    std::uint64_t executions;
  };
  const auto each = [this](auto&& what) {
    for (std::size_t i = since_; i < watched_.size(); ++i) what(watched_[i]);
  };
  std::uint64_t executed = 0, most = 0;
  each([&](Watched& w) {
    const std::uint64_t executions = w.executions();
    executed += executions;
    most = std::max(most, executions);
  });
  // Another thread has been here for the same threshold.
  if (most < threshold_) return {{}, {key}};
  if (executed < kLeastUse * (watched_.size() - since_)) {
    threshold_ *= 2;
    return {{}, {key}};
  }
  const bool is_last = ++verdicts_ == kVerdicts;
  std::vector<Hot> hot;
  Verdict verdict;
  each([&](Watched& w) {
    const std::uint64_t executions = w.executions();
    if (executions >= most / kHotRange) hot.push_back({w.key, executions});
    if (executions >= first_threshold_ / kWarm) {
      set_warm(w.key);
      verdict.warm.push_back(w.key);
    } else if (is_last) {
      // Done with counting when it has become warm.
      w.threshold = first_threshold_;
      std::atomic_ref(w.count).store(0 - w.threshold, std::memory_order_relaxed);
    }
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

  verdict.better = backend_.residents(layout_, weights_);
  if (served(verdict.better) <= served(residents) + all / kLeastGain) verdict.better.clear();
  since_ = watched_.size();
  if (is_last) {
    on_.store(false, std::memory_order_relaxed);
  } else {
    // When the hottest block comes to this, as many blocks as wanted will have been executed.
    threshold_ = std::max(threshold_, hot[0].executions * (first_threshold_ * kSample / executed));
  }
  return verdict;
}

void RegisterLearning::weigh(const ir::Block& block, std::uint64_t executions,
                             std::span<const codegen::Resident> residents) {
  if (plan_ == nullptr) plan_ = std::make_unique<codegen::Plan>();
  plan_->analyse(block, mem::kDisplacementSlack, true);
  const bool own_choice = loop_.choose(block, layout_, *plan_, residents);
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
