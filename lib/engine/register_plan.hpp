// Which state slots live in host registers, as a program turns out to use them: the plan that linked code is
// made by, and what finds out when another would be better. For the JIT.
//
// The front end ranks slots by what programs do on average. Compiled blocks therefore count their executions
// at first; when one has been executed often, the slots that the hottest blocks use are weighed, and if they
// are others than those that have registers, linked code is made anew. That is done again when the program
// has gone on for a while, because programs begin differently from how they go on; then nothing is counted
// any more.
#pragma once

#include <array>
#include <atomic>
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

  bool on() const noexcept { return on_.load(std::memory_order_relaxed); }
  /// What the code of a block is to count in (codegen::CompileOptions::threshold_counter), or null if nothing
  /// is counted any more. Stays valid.
  std::uint64_t* watch(const BlockKey& key);

  /// A counter has reached its threshold while learning is on. Gives the residents of linked code from now
  /// on; none: things stay as they are. `block_of` gives a block's IR, or null; it is called for the hottest
  /// blocks.
  std::vector<codegen::Resident> judge(std::span<const codegen::Resident> residents,
                                       const std::function<const ir::Block*(const BlockKey&)>& block_of);
  /// The verdict can't be carried out: things stay as they are.
  void give_up() noexcept { on_.store(false, std::memory_order_relaxed); }

 private:
  struct Watched {
    BlockKey key;
    std::uint64_t count;  ///< from -threshold_ upwards; emitted code adds to it without atomicity
  };
  void weigh(const ir::Block& block, std::uint64_t executions, std::span<const codegen::Resident> residents);
  /// The sum of weights of slots that these serve.
  std::uint64_t served(std::span<const codegen::Resident> by) const;

  const StateLayout& layout_;
  const codegen::Backend& backend_;
  const std::uint64_t first_threshold_;
  std::mutex mutex_;
  std::uint64_t threshold_;
  unsigned verdicts_ = 0;
  std::atomic<bool> on_;
  std::deque<Watched> watched_;
  std::size_t since_ = 0;  ///< those before are of code that has been dropped
  std::vector<std::uint64_t> weights_;
  codegen::Plan plan_;
  codegen::LoopResidents loop_;
};

}  // namespace ashlar::engine
