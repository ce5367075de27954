// The register allocator of tier 1: which value sits in which host register, decided in one forward pass
// while instructions are emitted. It works on register ids, masks and next-use positions; loads, stores and
// moves are requested from the host through `Ops`. Used by both hosts' emitters.
//
// Invariants:
//  - a resident slot's register always holds its current value; the frame's copy is stale until an exit
//  stores it;
//  - a cached value has exactly one register; if it is not dirty, the frame holds the same value;
//  - a locked register is an operand of the instruction being emitted and is neither evicted nor given out.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

#include <ashlar/ir.hpp>

#include "codegen/emitted.hpp"
#include "codegen/plan.hpp"
#include "codegen/reg.hpp"

namespace ashlar::codegen {

/// What is known of a value beyond its bits, or is still to be done to them before anybody may see them.
enum class Knowledge : std::uint8_t {
  raw,        ///< nothing
  boxed32,    ///< a well-formed boxed binary32
  result32,   ///< boxed binary32 arithmetic result: a NaN may not be canonical yet
  result64,   ///< binary64 arithmetic result: a NaN may not be canonical yet
  low32,      ///< the low half is a binary32; the upper half is not all ones yet
  extended,   ///< an integer that is its low half, sign-extended
  extend_32,  ///< an integer whose low half is right and is still to be sign-extended
};

template <typename Ops>
class RegisterCache {
 public:
  static constexpr std::uint16_t kNever = InstPlan::kNever;

  explicit RegisterCache(Ops& ops) : ops_(ops) { where_.fill(Reg::kNone); }

  /// Forgets everything and starts a block: residents hold their slots, the rest of `cacheable` is free.
  void begin(std::uint64_t cacheable, std::span<const Resident> residents) {
    for (std::uint64_t bound = cacheable_ & ~free_; bound != 0; bound &= bound - 1) {
      ir::Value& value = values_[static_cast<std::size_t>(std::countr_zero(bound))];
      if (!value.is_none()) where_[index(value)] = Reg::kNone;
      value = {};
    }
    // Most blocks have the residents of the one before.
    static_assert(std::has_unique_object_representations_v<Resident>);
    if (residents.size() != residents_.size() ||
        (!residents.empty() && std::memcmp(residents.data(), residents_.data(), residents.size_bytes()) != 0))
      settle_residents(residents);
    // (Two at a time, as one number: compilers make that a few wide stores.)
    for (std::size_t i = 0; i < facts_.size(); i += 2)
      std::memcpy(static_cast<void*>(&facts_[i]), &kNothing, sizeof kNothing);
    cacheable_ = free_ = cacheable & ~resident_;
    locked_ = taken_ = dirty_ = pending_ = expiring_ = 0;
  }

  /// The register that holds `v` now; none if it is only in the frame.
  Reg where(ir::Value v) const { return Reg{where_[index(v)]}; }
  bool is_resident(ir::Value v) const {
    const Reg r = where(v);
    return !r.is_none() && (resident_ & r.mask()) != 0;
  }

  /// Brings `v` into a register of its class, loading it if need be, and locks that for this instruction.
  /// `next` is the value's next read behind this instruction. Not for the zero word.
  Reg use(ir::Value v, bool is_float, std::uint16_t next) {
    Reg r = where(v);
    if (r.is_none()) r = fetch(v, is_float);
    note_use(r, next);
    return r;
  }
  /// The same for the register where the value is known to be.
  void note_use(Reg r, std::uint16_t next) {
    set_next(r, next);
    lock(r);
  }

  /// Notes a read of a value that was used in place (as a memory operand, or already in a register without
  /// locking).
  void touch(ir::Value v, std::uint16_t next) {
    const Reg r = where(v);
    if (!r.is_none()) set_next(r, next);
  }

  /// The register that is to receive the new value of `v`: its own if it has one, else a fresh one. What it
  /// held before is dead. Fetch the operands first. `dead` marks a slot value that need not reach the frame
  /// (InstPlan::dead_store).
  Reg define(ir::Value v, bool is_float, std::uint16_t next, bool dead = false) {
    Reg r = where(v);
    if (r.is_none()) r = place(v, is_float);
    facts_[r.id] = {next, dead, Knowledge::raw};
    if (next == kNever) expiring_ |= r.mask();
    pending_ &= ~r.mask();
    if ((resident_ & r.mask()) == 0) dirty_ |= r.mask();
    lock(r);
    return r;
  }

  /// The frame's word was written directly (a memory operand as destination): a cached copy would be stale.
  void overwritten_in_frame(ir::Value v) {
    const Reg r = where(v);
    assert(r.is_none() || (resident_ & r.mask()) == 0);
    if (!r.is_none()) forget(r);
  }

  /// Empties one particular register for the current instruction and locks it. Call before fetching operands.
  void take(Reg r) {
    const ir::Value value = values_[r.id];
    if (!value.is_none()) {
      assert((locked_ & r.mask()) == 0 && (resident_ & r.mask()) == 0);
      const std::uint64_t candidates = free_ & ~locked_ & class_mask(r.is_float()) & ~r.mask();
      if (candidates != 0 && facts_[r.id].next != kNever) {
        const Reg to{static_cast<std::uint8_t>(std::countr_zero(candidates))};
        ops_.move(to, r);
        const Facts moved = facts_[r.id];
        const bool dirty = (dirty_ & r.mask()) != 0;
        const bool pending = (pending_ & r.mask()) != 0;
        forget(r);
        values_[to.id] = value;
        facts_[to.id] = moved;
        where_[index(value)] = to.id;
        free_ &= ~to.mask();
        if (dirty) dirty_ |= to.mask();
        if (pending) pending_ |= to.mask();
      } else {
        evict(r);
      }
    }
    free_ &= ~r.mask();
    lock(r);
    taken_ |= r.mask();
  }

  /// A register without a value for the current instruction only.
  Reg scratch(bool is_float) {
    const Reg r = allocate(is_float);
    lock(r);
    taken_ |= r.mask();
    return r;
  }

  /// Gives a scratch or taken register back before the instruction ends.
  void release(Reg r) {
    assert((taken_ & r.mask()) != 0);
    taken_ &= ~r.mask();
    locked_ &= ~r.mask();
    free_ |= r.mask() & cacheable_;
  }

  /// The operands have been read for the last time in this instruction: their registers may be given to
  /// others.
  void unlock_operands() { locked_ &= taken_; }

  void lock(Reg r) { locked_ |= r.mask(); }
  bool is_locked(Reg r) const { return (locked_ & r.mask()) != 0; }

  /// Ends an instruction: unlocks, frees scratch registers and values that nobody reads again.
  void end_instruction() {
    locked_ = 0;
    if (taken_ != 0) {
      free_ |= taken_ & cacheable_;
      taken_ = 0;
    }
    if ((expiring_ & cacheable_) == 0) return;
    for (std::uint64_t held = expiring_ & cacheable_ & ~free_; held != 0; held &= held - 1) {
      const Reg r{static_cast<std::uint8_t>(std::countr_zero(held))};
      const ir::Value value = values_[r.id];
      if (value.is_none()) continue;
      const Facts& e = facts_[r.id];
      if (e.next == kNever && (value.is_temp() || (dirty_ & r.mask()) == 0 || e.dead)) forget(r);
    }
    expiring_ = 0;
  }

  /// Stores every dirty slot (and, if `temps`, every temporary that is read again) to the frame; registers
  /// stay valid.
  void write_back_all(bool temps) {
    for_each_dirty([&](Reg r) {
      const ir::Value value = values_[r.id];
      if (value.is_temp() && (!temps || facts_[r.id].next == kNever)) return;
      ops_.store_word(value.word, r);
      dirty_ &= ~r.mask();
      expiring_ |= r.mask();
    });
  }
  /// Drops all cached values. They must have been written back.
  void forget_all() {
    std::uint64_t held = cacheable_ & ~free_ & ~taken_;
    while (held != 0) {
      const Reg r{static_cast<std::uint8_t>(std::countr_zero(held))};
      held &= held - 1;
      if (!values_[r.id].is_none()) forget(r);
    }
  }
  /// Residents may have changed behind our back (a helper ran): nothing is known of float values any more.
  void forget_knowledge() {
    for (Facts& f : facts_) f.knowledge = Knowledge::raw;
    pending_ = 0;
  }

  /// Appends what an exit here has to store: dirty slots.
  void collect_write_backs(std::vector<WriteBack>& out) const {
    for (std::uint64_t set = dirty_; set != 0; set &= set - 1) {
      const Reg r{static_cast<std::uint8_t>(std::countr_zero(set))};
      if (is_slot_register(r)) out.push_back({values_[r.id].word, r});
    }
  }
  /// The same where another engine will go on with the block in the middle: also temporaries and values that
  /// do not outlive the block, and what is to be done to residents.
  void collect_inside(std::vector<WriteBack>& out) const {
    for (std::uint64_t set = dirty_ | unsettled_residents(); set != 0; set &= set - 1) {
      const Reg r{static_cast<std::uint8_t>(std::countr_zero(set))};
      out.push_back({values_[r.id].word, r, to_be_done(facts_[r.id].knowledge)});
    }
  }

  /// What is known once the host has made the register's bits what they are to be (Ops::canonicalise).
  static constexpr Knowledge after_mending(Knowledge k) {
    switch (k) {
      case Knowledge::result32:
      case Knowledge::low32:
        return Knowledge::boxed32;
      case Knowledge::result64:
        return Knowledge::raw;
      case Knowledge::extend_32:
        return Knowledge::extended;
      case Knowledge::raw:
      case Knowledge::boxed32:
      case Knowledge::extended:
        break;
    }
    return k;
  }

  Knowledge knowledge(Reg r) const { return facts_[r.id].knowledge; }
  void set_knowledge(Reg r, Knowledge k) {
    facts_[r.id].knowledge = k;
    if (is_pending(k)) {
      pending_ |= r.mask();
    } else {
      pending_ &= ~r.mask();
    }
  }
  /// Makes a register's bits what they are to be, because somebody is about to see them.
  void settle(Reg r) {
    if ((pending_ & r.mask()) != 0) mend(r);
  }
  /// Float registers whose NaN may not be canonical, or that are not boxed, and whose value is still wanted
  /// by somebody: slots (unless dead) and live temporaries.
  std::uint64_t pending_nans() const { return pending_; }
  std::uint64_t unsettled_residents() const { return pending_ & resident_; }
  bool is_slot_register(Reg r) const { return values_[r.id].is_slot() && !facts_[r.id].dead; }

 private:
  /// What is known of the value in a register.
  struct Facts {
    std::uint16_t next = kNever;
    bool dead = false;
    Knowledge knowledge = Knowledge::raw;
  };

 public:
  /// The state where a side exit goes to a join of the block.
  struct Snapshot {
    std::array<ir::Value, 64> values;
    std::array<Facts, 64> facts;
    std::uint64_t dirty;
  };
  Snapshot snapshot() const { return {values_, facts_, dirty_}; }

  /// What a way to a join has to do before it gets there.
  struct Mend {
    Reg reg;
    std::int16_t word;    ///< store the register there, or kNowhere
    Knowledge knowledge;  ///< make canonical first, if it is not raw or boxed
    static constexpr std::int16_t kNowhere = INT16_MIN;
  };

  /// The state at a join: what the current state and all of `edges` have in common. The current way is mended
  /// at once; what the others have to do is appended to `mends`, for each edge up to its number in `ends`.
  void join(std::span<const Snapshot* const> edges, std::vector<Mend>& mends, std::span<std::size_t> ends) {
    assert(locked_ == 0 && taken_ == 0);
    std::uint64_t kept = 0;
    for (std::uint64_t held = cacheable_ & ~free_; held != 0; held &= held - 1) {
      const Reg r{static_cast<std::uint8_t>(std::countr_zero(held))};
      const ir::Value value = values_[r.id];
      if (value.is_none()) continue;
      bool everywhere = value.is_slot();
      for (const Snapshot* edge : edges) everywhere = everywhere && edge->values[r.id] == value;
      if (!everywhere) {
        evict(r);
        continue;
      }
      kept |= r.mask();
      facts_[r.id].dead = false;
      for (const Snapshot* edge : edges) dirty_ |= edge->dirty & r.mask();
    }
    std::uint64_t settled = 0;
    for (std::uint64_t all = kept | resident_; all != 0; all &= all - 1) {
      const Reg r{static_cast<std::uint8_t>(std::countr_zero(all))};
      const Knowledge mine = facts_[r.id].knowledge;
      bool same = true;
      Knowledge common = after_mending(mine);
      for (const Snapshot* edge : edges) {
        const Knowledge theirs = edge->facts[r.id].knowledge;
        same = same && theirs == mine;
        if (after_mending(theirs) != common) common = Knowledge::raw;
      }
      if (same) continue;
      if (is_pending(mine)) ops_.canonicalise(r, mine);
      set_knowledge(r, common);
      settled |= r.mask();
    }
    for (std::size_t i = 0; i < edges.size(); ++i) {
      const Snapshot& edge = *edges[i];
      for (std::uint64_t all = (edge.dirty & ~kept) | settled; all != 0; all &= all - 1) {
        const Reg r{static_cast<std::uint8_t>(std::countr_zero(all))};
        const ir::Value value = edge.values[r.id];
        const bool store = (edge.dirty & ~kept & r.mask()) != 0 && value.is_slot();
        if (!store && (settled & r.mask()) == 0) continue;
        const Knowledge theirs = edge.facts[r.id].knowledge;
        const Knowledge k = is_pending(theirs) ? theirs : Knowledge::raw;
        if (store || k != Knowledge::raw) mends.push_back({r, store ? value.word : Mend::kNowhere, k});
      }
      ends[i] = mends.size();
    }
  }

 private:
  static constexpr bool is_pending(Knowledge k) {
    return k == Knowledge::result32 || k == Knowledge::result64 || k == Knowledge::low32 ||
           k == Knowledge::extend_32;
  }

  static constexpr Finish to_be_done(Knowledge k) {
    switch (k) {
      case Knowledge::result64:
        return Finish::nan64;
      case Knowledge::result32:
        return Finish::nan32;
      case Knowledge::low32:
        return Finish::box32;
      case Knowledge::extend_32:
        return Finish::extend;
      case Knowledge::raw:
      case Knowledge::boxed32:
      case Knowledge::extended:
        break;
    }
    return Finish::nothing;
  }

  // The rarer halves of members that emitters have in dozens of places: one copy of each keeps those small.
  [[gnu::noinline]] Reg fetch(ir::Value v, bool is_float) {
    const Reg r = allocate(is_float);
    ops_.load_word(r, v.word);
    bind(r, v);
    return r;
  }
  [[gnu::noinline]] Reg place(ir::Value v, bool is_float) {
    release_dead_operands();
    const Reg r = allocate(is_float);
    bind(r, v);
    return r;
  }
  [[gnu::noinline]] void mend(Reg r) {
    const Knowledge k = facts_[r.id].knowledge;
    ops_.canonicalise(r, k);
    set_knowledge(r, after_mending(k));
  }

  static constexpr auto kNothing = std::bit_cast<std::uint64_t>(std::array<Facts, 2>{});

  static std::size_t index(ir::Value v) { return static_cast<std::size_t>(WordIndex::of(v)); }
  static constexpr std::uint64_t class_mask(bool is_float) {
    return is_float ? 0xffffffff00000000ull : 0x00000000ffffffffull;
  }

  template <typename F>
  void for_each_dirty(F&& f) {
    std::uint64_t set = dirty_;
    while (set != 0) {
      const Reg r{static_cast<std::uint8_t>(std::countr_zero(set))};
      set &= set - 1;
      f(r);
    }
  }

  void set_next(Reg r, std::uint16_t next) {
    facts_[r.id].next = next;
    if (next == kNever) expiring_ |= r.mask();
  }
  void settle_residents(std::span<const Resident> residents) {
    for (const Resident& r : residents_) {
      where_[index(r.slot)] = Reg::kNone;
      values_[r.reg.id] = {};
    }
    residents_.assign(residents.begin(), residents.end());
    resident_ = 0;
    for (const Resident& r : residents) {
      values_[r.reg.id] = r.slot;
      where_[index(r.slot)] = r.reg.id;
      resident_ |= r.reg.mask();
    }
  }
  void bind(Reg r, ir::Value v) {
    values_[r.id] = v;
    facts_[r.id] = {};
    where_[index(v)] = r.id;
    free_ &= ~r.mask();
  }
  void forget(Reg r) {
    where_[index(values_[r.id])] = Reg::kNone;
    values_[r.id] = {};
    facts_[r.id] = {};
    dirty_ &= ~r.mask();
    pending_ &= ~r.mask();
    free_ |= r.mask();
  }
  void evict(Reg r) {
    const ir::Value value = values_[r.id];
    const Facts& e = facts_[r.id];
    if ((dirty_ & r.mask()) != 0 && !((e.dead || value.is_temp()) && e.next == kNever)) {
      if ((pending_ & r.mask()) != 0) ops_.canonicalise(r, e.knowledge);
      ops_.store_word(value.word, r);
    }
    forget(r);
  }
  /// Operands that die here may give their registers to the destination (two-address hosts cope with the
  /// aliasing).
  void release_dead_operands() {
    std::uint64_t set = locked_ & expiring_ & cacheable_ & ~taken_;
    while (set != 0) {
      const Reg r{static_cast<std::uint8_t>(std::countr_zero(set))};
      set &= set - 1;
      const ir::Value value = values_[r.id];
      if (!value.is_none() && facts_[r.id].next == kNever && (value.is_temp() || (dirty_ & r.mask()) == 0)) {
        forget(r);
        locked_ &= ~r.mask();
      }
    }
  }
  [[gnu::noinline]] Reg allocate(bool is_float) {
    const std::uint64_t wanted = class_mask(is_float) & cacheable_ & ~locked_;
    if (const std::uint64_t now = free_ & wanted; now != 0) {
      const Reg r{static_cast<std::uint8_t>(std::countr_zero(now))};
      free_ &= ~r.mask();
      return r;
    }
    // The value that is read last, or never, goes; among equals a clean one.
    std::uint64_t set = wanted & ~free_;
    Reg best;
    std::uint32_t best_score = 0;
    while (set != 0) {
      const Reg r{static_cast<std::uint8_t>(std::countr_zero(set))};
      set &= set - 1;
      const std::uint32_t score =
          (std::uint32_t{facts_[r.id].next} << 1 | ((dirty_ & r.mask()) == 0 ? 1u : 0u)) + 1;
      if (score > best_score) {
        best_score = score;
        best = r;
      }
    }
    assert(!best.is_none() && "an instruction needs more registers than the host declares");
    evict(best);
    free_ &= ~best.mask();
    return best;
  }

  Ops& ops_;
  std::array<ir::Value, 64> values_{};  ///< what each register holds
  std::array<Facts, 64> facts_{};       ///< about that
  std::array<std::uint8_t, WordIndex::kCount> where_{};
  std::uint64_t cacheable_ = 0, free_ = 0, locked_ = 0, taken_ = 0, dirty_ = 0, resident_ = 0, pending_ = 0;
  std::uint64_t expiring_ = 0;  ///< what may be of no use any more when the instruction ends
  std::vector<Resident> residents_;
};

}  // namespace ashlar::codegen
