// Which state slots live in host registers, as a program turns out to use them: the plan that linked code is
// made by, and what finds out when another would be better. For the JIT.
//
// The front end ranks slots by what programs do on average. Compiled blocks therefore count their executions
// at first; when one has been executed often, the slots that the hottest blocks use are weighed, and if they
// are others than those that have registers, linked code is made anew. That is done again when the program
// has gone on for a while, because programs begin differently from how they go on; then nothing is counted
// any more.
//
// Most blocks are executed seldom, and optimising them takes longer than it ever saves. While blocks count,
// it is left until they are warm.
#pragma once

#include <array>
#include <atomic>
#include <bitset>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include <ashlar/ir.hpp>
#include <ashlar/state_layout.hpp>

#include "codegen/backend.hpp"
#include "codegen/plan.hpp"
#include "codegen/residents.hpp"

namespace ashlar::engine {

/// Residents and the runtime's routines for them. Immutable; lives as long as the JIT, because somebody may
/// still be in code that was made by it.
struct RegisterPlan {
  std::vector<codegen::Resident> residents;
  codegen::RuntimeCode offsets;
  const std::byte* runtime = nullptr;

  using EnterLinked = void (*)(VcpuFrame*, const void* code);
  EnterLinked enter_linked = nullptr;

  const void* entry(codegen::RuntimeEntry e) const noexcept {
    return runtime + offsets.entries[static_cast<std::size_t>(e)];
  }
};

/// Thread-safe.
class RegisterLearning {
 public:
  /// `threshold`: executions of a block after which the first verdict falls; 0: never.
  RegisterLearning(const StateLayout& layout, const codegen::Backend& backend, std::uint64_t threshold)
      : layout_(layout),
        backend_(backend),
        first_threshold_(threshold),
        threshold_(threshold),
        on_(threshold != 0) {}

  struct Watch {
    /// What the code of the block is to count in (codegen::CompileOptions::threshold_counter), or null if
    /// nothing is counted any more. Stays valid.
    std::uint64_t* counter = nullptr;
    bool optimise = true;  ///< the block is warm, or counts nothing
  };
  /// To be asked when a block is compiled.
  Watch watch(const BlockKey& key);

  struct Verdict {
    std::vector<codegen::Resident> better;  ///< of linked code from now on, all of it; none: as before
    std::vector<BlockKey> warm;             ///< if there is none: whose code is to be made anew
  };
  /// A counter of the block's code has reached its threshold. `block_of` gives a block's IR, or null; it is
  /// called for the hottest blocks.
  Verdict judge(const BlockKey& key, std::span<const codegen::Resident> residents,
                const std::function<const ir::Block*(const BlockKey&)>& block_of);
  /// The verdict can't be carried out: things stay as they are.
  void give_up() noexcept { on_.store(false, std::memory_order_relaxed); }

 private:
  struct Watched {
    BlockKey key;
    std::uint64_t count;  ///< from -threshold upwards; emitted code adds to it without atomicity
    std::uint64_t threshold;

    std::uint64_t executions() { return std::atomic_ref(count).load(std::memory_order_relaxed) + threshold; }
  };
  bool on() const noexcept { return on_.load(std::memory_order_relaxed); }
  bool is_warm(const BlockKey& key) const { return warm_[hash_of(key) % kWarmBits]; }
  void set_warm(const BlockKey& key) { warm_[hash_of(key) % kWarmBits] = true; }
  void weigh(const ir::Block& block, std::uint64_t executions, std::span<const codegen::Resident> residents);
  /// The sum of weights of slots that these serve.
  std::uint64_t served(std::span<const codegen::Resident> by) const;

  const StateLayout& layout_;
  const codegen::Backend& backend_;
  const std::uint64_t first_threshold_;  ///< of blocks that are not warm
  std::mutex mutex_;
  std::uint64_t threshold_;  ///< of those that are: the next verdict falls
  unsigned verdicts_ = 0;
  std::atomic<bool> on_;
  std::deque<Watched> watched_;
  std::size_t since_ = 0;  ///< those before count for no verdict any more
  /// By hash: who shares a bit with a warm block is taken for warm.
  static constexpr std::size_t kWarmBits = 1 << 14;
  std::bitset<kWarmBits> warm_;
  std::vector<std::uint64_t> weights_;
  std::unique_ptr<codegen::Plan> plan_;  ///< made with the first verdict
  codegen::LoopResidents loop_;
};

}  // namespace ashlar::engine
