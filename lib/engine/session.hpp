// One call of an executor on a vCPU: inside the epoch domain, with the host's float unit looked after. What
// the executors have in common.
#pragma once

#include <cstdint>

#include <ashlar/engine.hpp>

#include "engine/context.hpp"
#include "engine/float_env.hpp"
#include "engine/vcpu_data.hpp"

namespace ashlar::engine {

class Session {
 public:
  /// `inside`: the caller has entered the epoch domain, and leaves it.
  enum class Place : std::uint8_t { outside, inside };
  /// `form`: how blocks are made that the caller finds missing.
  Session(ExecutionContext::Impl& context, Vcpu& vcpu, IrBlock::Form form, Place place = Place::outside)
      : context_(context),
        frame_(vcpu.frame()),
        data_(VcpuData::of(vcpu, context)),
        form_(form),
        place_(place) {
    if (place_ == Place::inside) return;
    context_.epochs().enter(data_.participant());
    data_.begin();
    data_.stats().add(Stat::runs);
  }
  ~Session() {
    float_env_.leave(frame_);
    if (place_ == Place::inside) return;
    data_.end();
    context_.epochs().leave(data_.participant());
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  VcpuFrame& frame() noexcept { return frame_; }
  VcpuData& data() noexcept { return data_; }
  StatsCell& stats() noexcept { return data_.stats(); }
  GuestFloatEnv& float_env() noexcept { return float_env_; }
  BlockKey key() const noexcept { return key_of(frame_); }
  void set_key(BlockKey key) noexcept { set_key_of(frame_, key); }
  /// Word by word: emitted code has stored one of the two just now, and a load of both at once would have to
  /// wait until that is in the cache.
  static BlockKey key_of(const VcpuFrame& frame) noexcept {
    return {{__atomic_load_n(&frame.cold().pc, __ATOMIC_RELAXED)},
            __atomic_load_n(&frame.cold().mode, __ATOMIC_RELAXED)};
  }
  static void set_key_of(VcpuFrame& frame, BlockKey key) noexcept {
    __atomic_store_n(&frame.cold().pc, key.addr.value, __ATOMIC_RELAXED);
    __atomic_store_n(&frame.cold().mode, key.mode, __ATOMIC_RELAXED);
  }

  /// Whether attention bits are set: `attend` must be called.
  bool attention() const noexcept { return frame_.hot.attention.load(std::memory_order_relaxed) != 0; }
  /// Does what the attention bits ask for. True: the vCPU is to stop, ExitReason::halted. Pointers to blocks
  /// that were found before are not valid afterwards.
  bool attend() noexcept {
    // The epoch first: whoever retired something before it has set kAttendFlush before that.
    context_.epochs().quiesce(data_.participant());
    std::uint32_t bits = frame_.hot.attention.exchange(0, std::memory_order_seq_cst);
    if ((bits & kAttendSafepoint) != 0) [[unlikely]]
      bits |= wait_at_safepoint();
    if ((bits & kAttendFlush) != 0) data_.forget();
    return (bits & kAttendHalt) != 0;
  }

  /// Finds or translates the block. `get.hit` says which.
  IrCache::Got find(const BlockKey& key) {
    if (IrBlock* const block = find_made(key)) return {block, {}, true};
    float_env_.leave(frame_);
    return context_.ir_cache().get(key, data_.buffers(), stats(), form_);
  }
  /// The same for the block that is run next, if nobody has asked for it before: it is not kept, because most
  /// blocks of a program are executed once. It is `unpublished`, and valid until the next is looked for.
  /// False, and nothing done: it may be there.
  bool find_once(const BlockKey& key, IrCache::Got& got) {
    if (context_.config().keep_blocks_run_once || !context_.ir_cache().first_use(key)) return false;
    float_env_.leave(frame_);
    const auto body = context_.translator().translate_in_place(key, data_.buffers(), stats(), got.fault);
    if (!body) return true;
    if (body->exits().size() > IrBlock::Once::kMostExits) return false;
    got.block = &data_.tables().once.set(*body);
    got.unpublished = true;
    return true;
  }
  /// The same for any that is run next.
  IrCache::Got find_next(const BlockKey& key) {
    IrCache::Got once;
    return find_once(key, once) ? once : find_not_once(key);
  }
  /// What find_once has left.
  IrCache::Got find_not_once(const BlockKey& key) {
    if (IrBlock* const block = find_made(key)) return {block, {}, true};
    float_env_.leave(frame_);
    const IrCache::Got got = context_.ir_cache().get(key, data_.buffers(), stats(), form_);
    // Nobody else has counted the first time.
    if (got.block != nullptr && !got.hit && !context_.config().keep_blocks_run_once)
      got.block->executions.store(1, std::memory_order_relaxed);
    return got;
  }
  /// Makes the vCPU find the block by itself from now on.
  void remember(const IrCache::Got& got) {
    if (!got.unpublished) VcpuData::enter(data_.table_for(*got.block), *got.block);
  }
  void link(IrBlock& from, std::uint32_t exit, IrBlock& to) {
    context_.ir_cache().link(from, exit, to, stats());
  }
  void fence_instructions() {
    float_env_.leave(frame_);
    context_.fence_instructions();
  }

  /// The result of a run that ended in a fault, which is counted.
  ExecutionResult fault(const Fault& fault, Tier tier) {
    stats().add(Stat::memory_faults);
    ExecutionResult result;
    result.reason = ExitReason::fault;
    result.tier = tier;
    result.fault = fault;
    return result;
  }

 private:
  /// The block that the vCPU or the context has, or null.
  IrBlock* find_made(const BlockKey& key) {
    if (IrBlock* const block = data_.look_up(key)) return block;
    IrBlock* const block = context_.ir_cache().find(key);
    if (block != nullptr) stats().add(Stat::lookup_hits);
    return block;
  }
  /// Outside while there is a safepoint. Gives the attention bits that have come meanwhile.
  std::uint32_t wait_at_safepoint() noexcept {
    float_env_.leave(frame_);
    std::uint32_t bits = 0;
    do {
      context_.epochs().leave(data_.participant());
      context_.registry()->wait_for_end_of_safepoint();
      context_.epochs().enter(data_.participant());
      // The next safepoint may have begun before we were inside.
      bits &= ~std::uint32_t{kAttendSafepoint};
      bits |= frame_.hot.attention.exchange(0, std::memory_order_seq_cst);
    } while ((bits & kAttendSafepoint) != 0);
    return bits;
  }

  ExecutionContext::Impl& context_;
  VcpuFrame& frame_;
  VcpuData& data_;
  const IrBlock::Form form_;
  const Place place_;
  GuestFloatEnv float_env_;
};

/// What a stop terminal means to the embedder; instruction_fence, which is the engine's own, is not asked
/// for.
ExitReason exit_reason_of(ir::StopReason reason) noexcept;

}  // namespace ashlar::engine
