// One guest hardware thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <new>

#include <ashlar/export.hpp>
#include <ashlar/memory.hpp>
#include <ashlar/result.hpp>
#include <ashlar/state_layout.hpp>
#include <ashlar/types.hpp>
#include <ashlar/vcpu_frame.hpp>

namespace ashlar {

/// A vCPU: state slots, where it is, its memory. Used by one thread at a time; `request_halt` is for any
/// thread. The memory and layout must outlive it.
class ASHLAR_API Vcpu {
 public:
  /// Fails with invalid_argument when the layout has too many slots or doubled names. `memory` may be null
  /// for blocks that access none (then every access faults as unmapped).
  static Result<std::unique_ptr<Vcpu>> create(const StateLayout& layout, FlatMemory* memory);
  ~Vcpu();
  Vcpu(const Vcpu&) = delete;
  Vcpu& operator=(const Vcpu&) = delete;
  static void operator delete(Vcpu* vcpu, std::destroying_delete_t) noexcept;

  /// The value of slot `index` (precondition: index < layout.slots.size()). Float slots give their bits.
  std::uint64_t slot(unsigned index) const noexcept {
    return frame_->words()[ir::Value::kFirstSlotWord + static_cast<int>(index)];
  }
  void set_slot(unsigned index, std::uint64_t value) noexcept {
    frame_->words()[ir::Value::kFirstSlotWord + static_cast<int>(index)] = value;
  }

  /// The next block to execute.
  GuestAddr pc() const noexcept { return {frame_->cold().pc}; }
  void set_pc(GuestAddr pc) noexcept { frame_->cold().pc = pc.value; }
  std::uint64_t mode() const noexcept { return frame_->cold().mode; }
  void set_mode(std::uint64_t mode) noexcept { frame_->cold().mode = mode; }
  BlockKey key() const noexcept { return {pc(), mode()}; }

  /// Accumulated float flags (FloatFlags bits). Only while the vCPU does not run.
  std::uint8_t float_flags() const noexcept { return static_cast<std::uint8_t>(frame_->cold().float_flags); }
  void set_float_flags(std::uint8_t flags) noexcept { frame_->cold().float_flags = flags; }

  /// Makes a run of this vCPU stop with ExitReason::halted within a bounded number of blocks; if it does not
  /// run, the next run stops at once. The request is consumed by the run that stops. Any thread, also in a
  /// signal handler.
  void request_halt() noexcept { request_attention(kAttendHalt); }
  /// Sets attention bits (Attention) so that running code looks up within a bounded number of blocks. For the
  /// engine and for helpers (kAttendExit). Any thread, also in a signal handler.
  void request_attention(std::uint32_t bits) noexcept {
    frame_->hot.attention.fetch_or(bits, std::memory_order_seq_cst);
    if (const void* missing = missing_jump_cache_.load(std::memory_order_acquire)) {
      frame_->hot.jump_cache.store(missing, std::memory_order_seq_cst);
      frame_->cold().ras_limit.store(~std::uint64_t{0}, std::memory_order_seq_cst);
    }
  }
  /// The engine's: a jump cache without entries, used while attention bits are set.
  void set_missing_jump_cache(const void* cache) noexcept {
    missing_jump_cache_.store(cache, std::memory_order_release);
  }

  /// Drops the LR/SC reservation, as a context switch or trap does.
  void clear_reservation() noexcept { frame_->cold().reservation_addr = ~std::uint64_t{0}; }

  /// The engine's: its private data of this vCPU (VcpuCold::engine). `destroy` is called on it when other
  /// data takes its place and when the vCPU is destroyed.
  void set_engine_data(void* data, void (*destroy)(void*) noexcept) noexcept {
    if (destroy_engine_data_ != nullptr) destroy_engine_data_(frame_->cold().engine);
    frame_->cold().engine = data;
    destroy_engine_data_ = destroy;
  }
  /// The engine's: room for that data next to the frame, aligned to a cache line. Where there are thousands
  /// of vCPUs, what a run touches of one is in adjacent lines of one page as a rule.
  static constexpr std::size_t kEngineRoom = 320;
  void* engine_room() noexcept { return engine_room_; }

  FlatMemory* memory() const noexcept { return memory_; }
  const StateLayout& layout() const noexcept { return *layout_; }
  VcpuFrame& frame() noexcept { return *frame_; }
  const VcpuFrame& frame() const noexcept { return *frame_; }

  /// For the embedder's own use (a helper finds its process by it).
  void* user_data = nullptr;

 private:
  Vcpu() = default;
  VcpuFrame* frame_ = nullptr;
  void* engine_room_ = nullptr;
  void (*destroy_engine_data_)(void*) noexcept = nullptr;
  std::atomic<const void*> missing_jump_cache_{nullptr};
  FlatMemory* memory_ = nullptr;
  const StateLayout* layout_ = nullptr;
};

}  // namespace ashlar
