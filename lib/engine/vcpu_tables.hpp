// What makes the look-ups of a vCPU quick: tables from address to block, for the interpreter and for emitted
// code, and the buffers for translating. No guest state: where there are many vCPUs, those that do not run
// lend their tables to those that do. For the engine's own files.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include <ashlar/float_env.hpp>

#include "base/zero_pages.hpp"
#include "cache/code_cache.hpp"
#include "cache/translation.hpp"
#include "codegen/runtime.hpp"
#include "engine/ir_cache.hpp"
#include "engine/translator.hpp"
#include "interp/interpreter.hpp"

namespace ashlar::engine {

/// Used by the thread that runs the vCPU which has them.
struct VcpuTables {
  /// Blocks that an indirect jump may go to from one another: of one mode and one host rounding.
  struct Blocks {
    std::uint64_t mode = 0;
    RoundingMode rounding{};
    ZeroPages<interp::JumpTable> blocks;
  };
  /// Translations, of one mode and flavour.
  struct Translations {
    std::uint64_t mode = 0;
    cache::Flavour flavour;
    ZeroPages<codegen::JumpCache> cache;

    /// Those that the dispatcher has entered: runs that are short come back to the same ones.
    static constexpr std::size_t kEntered = 64;
    cache::Translation* entered[kEntered] = {};
    cache::Translation*& entered_at(GuestAddr addr) noexcept {
      return entered[(addr.value >> 1 ^ addr.value >> 7) % kEntered];
    }
    /// Null: not here.
    cache::Translation* known(GuestAddr addr) noexcept {
      cache::Translation* const found = entered_at(addr);
      return found != nullptr && found->key().addr == addr ? found : nullptr;
    }
  };
  /// Translations for execute_block, of any mode.
  struct Singles {
    static constexpr std::size_t kEntries = 1024;
    struct Entry {
      std::uint64_t addr, mode;
      const void* code;  // null: empty
      cache::CodeSpace::LastUse* last_use;
    };
    Entry entries[kEntries];
    bool uses_float[kEntries];
    /// Neighbours are kept apart, whether they are ids or code, and so are the beginnings of pages.
    static std::size_t index(std::uint64_t addr) noexcept { return (addr ^ addr >> 9) & (kEntries - 1); }
  };
  /// Of each kind. A front end with more modes than this in use rebuilds tables.
  static constexpr std::size_t kMost = 8;

  std::vector<std::unique_ptr<Blocks>> blocks;
  Blocks* current_blocks = nullptr;
  std::vector<std::unique_ptr<Translations>> translations;
  Translations* current_translations = nullptr;
  std::unique_ptr<ZeroPages<Singles>> singles;  ///< null: none has been run
  TranslationBuffers buffers;
  IrBlock::Once once;
  /// Of faults in emitted code.
  codegen::RegisterDump dump{};
  /// The flush (VcpuRegistry::generation) since which nothing stale has been entered.
  std::uint64_t generation = 0;

  void clear() noexcept {
    blocks.clear();
    current_blocks = nullptr;
    translations.clear();
    current_translations = nullptr;
    singles.reset();
  }
};

/// Tables that nobody uses. Thread-safe. Each thread has a place of its own for those that it has given last,
/// as far as there are places: the warmest, and without a locked instruction.
class SpareTables {
 public:
  ~SpareTables() { clear(); }
  /// Null: there are none.
  std::unique_ptr<VcpuTables> take() {
    if (Place* const mine = place()) {
      if (VcpuTables* const tables = mine->get()) {
        mine->set(nullptr);
        return std::unique_ptr<VcpuTables>(tables);
      }
    }
    std::lock_guard lock(mutex_);
    if (spare_.empty()) return nullptr;
    auto taken = std::move(spare_.back());
    spare_.pop_back();
    return taken;
  }
  void give(std::unique_ptr<VcpuTables> tables) {
    Place* const mine = place();
    if (mine != nullptr && mine->get() == nullptr) {
      mine->set(tables.release());
      return;
    }
    std::lock_guard lock(mutex_);
    spare_.push_back(std::move(tables));
  }
  /// Nobody takes or gives meanwhile.
  void clear() noexcept {
    for (Place& place : places_) {
      delete place.get();
      place.set(nullptr);
    }
    std::lock_guard lock(mutex_);
    spare_.clear();
  }

 private:
  /// One thread at a time uses it; the next one comes by the same ThreadNumber.
  struct alignas(64) Place {
    VcpuTables* get() const noexcept { return tables.load(std::memory_order_relaxed); }
    void set(VcpuTables* to) noexcept { tables.store(to, std::memory_order_relaxed); }
    std::atomic<VcpuTables*> tables{nullptr};
  };
  static constexpr unsigned kPlaces = 16;
  /// A number below kPlaces that no other thread has while this one lives, if there is one left.
  class ThreadNumber {
   public:
    ThreadNumber() noexcept {
      std::uint32_t taken = taken_.load(std::memory_order_relaxed);
      do {
        number_ = static_cast<unsigned>(std::countr_one(taken));
        if (number_ >= kPlaces) return;
      } while (!taken_.compare_exchange_weak(taken, taken | std::uint32_t{1} << number_,
                                             std::memory_order_acquire, std::memory_order_relaxed));
    }
    ~ThreadNumber() {
      if (number_ < kPlaces) taken_.fetch_and(~(std::uint32_t{1} << number_), std::memory_order_release);
      number_ = kPlaces;
    }
    ThreadNumber(const ThreadNumber&) = delete;
    ThreadNumber& operator=(const ThreadNumber&) = delete;
    unsigned value() const noexcept { return number_; }

   private:
    static inline std::atomic<std::uint32_t> taken_{0};
    unsigned number_ = kPlaces;
  };
  /// Null: the thread has none.
  Place* place() noexcept {
    thread_local const ThreadNumber thread;
    return thread.value() < kPlaces ? &places_[thread.value()] : nullptr;
  }

  Place places_[kPlaces];
  std::mutex mutex_;
  std::vector<std::unique_ptr<VcpuTables>> spare_;  ///< the last one used is the warmest
};

}  // namespace ashlar::engine
