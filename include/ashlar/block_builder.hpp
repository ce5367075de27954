// Builds IR blocks. One builder per thread, reused from block to block: it allocates only when it grows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <ashlar/export.hpp>
#include <ashlar/ir.hpp>
#include <ashlar/result.hpp>

namespace ashlar {

namespace detail {

/// What BlockBuilder appends to, once or twice for every guest instruction. Where a vector's push_back is
/// inlined it brings its growth along, for which every caller then saves registers; here growing is a jump to
/// somewhere else.
template <typename T>
class AppendBuffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  AppendBuffer() = default;
  AppendBuffer(const AppendBuffer& other) { assign(other.items()); }
  AppendBuffer(AppendBuffer&& other) noexcept { swap(other); }
  AppendBuffer& operator=(AppendBuffer other) noexcept {
    swap(other);
    return *this;
  }
  ~AppendBuffer() = default;

  std::size_t size() const noexcept { return static_cast<std::size_t>(end_ - storage_.get()); }
  std::span<const T> items() const noexcept { return {storage_.get(), size()}; }
  void clear() noexcept { end_ = storage_.get(); }
  void push_back(T value) {
    if (end_ == limit_) [[unlikely]]
      return grow_and_push_back(value);
    *end_++ = value;
  }
  void assign(std::span<const T> items) {
    clear();
    if (items.size() > room()) grow(items.size());
    end_ = std::copy(items.begin(), items.end(), storage_.get());
  }

 private:
  std::size_t room() const noexcept { return static_cast<std::size_t>(limit_ - storage_.get()); }
  void swap(AppendBuffer& other) noexcept {
    std::swap(storage_, other.storage_);
    std::swap(end_, other.end_);
    std::swap(limit_, other.limit_);
  }
  void grow(std::size_t room) {
    auto larger = std::make_unique<T[]>(room);
    end_ = std::copy(storage_.get(), end_, larger.get());
    storage_ = std::move(larger);
    limit_ = storage_.get() + room;
  }
  [[gnu::noinline]] void grow_and_push_back(T value) {
    grow(std::max<std::size_t>(64, 2 * size()));
    *end_++ = value;
  }

  std::unique_ptr<T[]> storage_;
  T* end_ = nullptr;    // behind the last item
  T* limit_ = nullptr;  // behind the storage
};

}  // namespace detail

/// Appends instructions to a block. Methods do not check operands (front ends are hot): `ir::verify` does,
/// and `build_verified` calls it. Not thread-safe.
class ASHLAR_API BlockBuilder {
 public:
  using Opcode = ir::Opcode;
  using Value = ir::Value;

  /// Starts a new block, dropping what was there.
  void begin(BlockKey key);
  BlockKey key() const noexcept { return key_; }

  /// A fresh temporary. Value::none() when all kMaxTemps are used (such a block does not verify).
  Value temp() noexcept {
    return temp_count_ < static_cast<unsigned>(Value::kMaxTemps) ? Value::temp(temp_count_++) : Value::none();
  }

  /// The instructions that follow belong to the guest instruction at `pc`, `length` bytes long. `join`: side
  /// exits that go to `pc` may go on here; see ir::Boundary.
  void guest_instruction(GuestAddr pc, std::uint8_t length, bool join = false) {
    boundaries_.push_back({pc, static_cast<std::uint16_t>(insts_.size()), length, join});
  }
  /// Records that the block covers this guest code. Adjacent ranges are merged.
  void covers(GuestRange range);
  void set_host_rounding(RoundingMode mode) noexcept { host_rounding_ = mode; }

  void emit(const ir::Inst& inst) { insts_.push_back(inst); }

  void const64(Value dst, std::uint64_t value) {
    emit({Opcode::const64,
          dst,
          {},
          {},
          static_cast<std::int32_t>(value),
          static_cast<std::uint32_t>(value >> 32)});
  }
  /// Forms r, rx: `aux`, `aux2` as the opcode's comment says (rounding mode; bit field).
  void r(Opcode op, Value dst, Value a, unsigned aux = 0, unsigned aux2 = 0) {
    emit({op, dst, a, {}, 0, ir::Inst::pack({}, aux, aux2)});
  }
  /// Forms rr, rrx.
  void rr(Opcode op, Value dst, Value a, Value b, unsigned aux = 0) {
    emit({op, dst, a, b, 0, ir::Inst::pack({}, aux)});
  }
  void ri(Opcode op, Value dst, Value a, std::int32_t imm) {
    emit({op, dst, a, {}, imm, ir::Inst::pack({})});
  }
  void rrr(Opcode op, Value dst, Value a, Value b, Value c, unsigned aux = 0) {
    emit({op, dst, a, b, 0, ir::Inst::pack(c, aux)});
  }
  void load(Opcode op, Value dst, Value base, std::int32_t disp) {
    emit({op, dst, base, {}, disp, ir::Inst::pack({})});
  }
  void store(Opcode op, Value base, std::int32_t disp, Value data) {
    emit({op, {}, base, data, disp, ir::Inst::pack({})});
  }
  /// Forms amo (b may be none for lr) and cas (c the new value). `order`: ir::MemoryOrder bits.
  void atomic(Opcode op, Value dst, Value addr, Value b, Value c, unsigned order) {
    emit({op, dst, addr, b, 0, ir::Inst::pack(c, order)});
  }
  void fence(unsigned predecessor, unsigned successor) {
    emit({Opcode::fence, {}, {}, {}, 0, ir::Inst::pack({}, (predecessor << 4) | successor)});
  }
  void get_fflags(Value dst) { emit({Opcode::get_fflags, dst, {}, {}, 0, ir::Inst::pack({})}); }
  void set_fflags(Value a) { emit({Opcode::set_fflags, {}, a, {}, 0, ir::Inst::pack({})}); }
  void call_helper(Value dst, unsigned id, Value a = {}, Value b = {}, Value c = {}) {
    emit({Opcode::call_helper, dst, a, b, static_cast<std::int32_t>(id), ir::Inst::pack(c)});
  }

  /// Index of an exit to `target`; equal targets share one.
  unsigned exit_to(BlockKey target);
  unsigned exit_to(GuestAddr target) { return exit_to(BlockKey{target, key_.mode}); }
  /// Side exits: leave to `target` if the comparison (an exit_* opcode) holds.
  void exit_if(Opcode op, Value a, Value b, GuestAddr target) {
    emit({op, {}, a, b, 0, ir::Inst::pack_exit(exit_to(target))});
  }
  void exit_if(Opcode op, Value a, std::int32_t imm, GuestAddr target) {
    emit({op, {}, a, {}, imm, ir::Inst::pack_exit(exit_to(target))});
  }

  // Terminals: exactly one, last.
  void jump(GuestAddr target) { emit({Opcode::jump, {}, {}, {}, -1, ir::Inst::pack_exit(exit_to(target))}); }
  /// A direct call: the engine expects a return to `return_to`.
  void call(GuestAddr target, GuestAddr return_to);
  void branch(Opcode op, Value a, Value b, GuestAddr taken, GuestAddr not_taken);
  void branch(Opcode op, Value a, std::int32_t imm, GuestAddr taken, GuestAddr not_taken);
  /// Jumps to a + imm, with bit 0 as it is (a front end clears it first if its guest does).
  void jump_indirect(Value a, std::int32_t imm, ir::JumpHint hint = ir::JumpHint::plain);
  void call_indirect(Value a, std::int32_t imm, GuestAddr return_to);
  void jump_mode(Value addr, Value mode) { emit({Opcode::jump_mode, {}, addr, mode, 0, ir::Inst::pack({})}); }
  /// Stops the run; execution resumes at `resume`.
  void stop(ir::StopReason reason, GuestAddr resume, std::int32_t detail = 0) {
    emit({Opcode::stop,
          {},
          {},
          {},
          detail,
          ir::Inst::pack_exit(exit_to(resume), static_cast<unsigned>(reason))});
  }

  /// Takes over all parts of a finished block but its key, in place of what was there.
  void assign(const ir::Block::Parts& parts);

  std::size_t inst_count() const noexcept { return insts_.size(); }
  std::size_t guest_inst_count() const noexcept { return boundaries_.size(); }
  std::size_t exit_count() const noexcept { return exits_.size(); }
  std::span<const ir::Inst> insts() const noexcept { return insts_.items(); }
  /// True once a terminal has been appended.
  bool terminated() const noexcept {
    return inst_count() != 0 && (ir::info(insts().back().op).effects & ir::kTerminal) != 0;
  }

  /// The parts as they stand; the spans are valid until the next change of the builder.
  ir::Block::Parts parts() const noexcept;
  /// Copies the block out. Precondition: terminated().
  ir::BlockPtr build() const;
  /// Verifies first: invalid_ir names the instruction and the rule. `layout` gives the slots.
  Result<ir::BlockPtr> build_verified(const struct StateLayout& layout) const;

 private:
  BlockKey key_;
  RoundingMode host_rounding_ = RoundingMode::rne;
  unsigned temp_count_ = 0;
  detail::AppendBuffer<ir::Inst> insts_;
  std::vector<ir::Exit> exits_;
  detail::AppendBuffer<ir::Boundary> boundaries_;
  std::vector<GuestRange> ranges_;
};

}  // namespace ashlar
