// The least that drives the interpreter: blocks by key, resolved exits, a jump table. For tests of the
// interpreter alone.
#pragma once

#include <array>
#include <cfenv>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <ashlar/block_builder.hpp>
#include <ashlar/vcpu.hpp>

#include "interp/interpreter.hpp"
#include "mem/fault_info.hpp"

namespace ashlar::test {

class MiniEngine {
 public:
  struct Entry {
    ir::BlockPtr block;
    std::vector<std::atomic<interp::CodeBlock*>> successors;
    interp::CodeBlock code;
  };

  explicit MiniEngine(unsigned slots = 16, FlatMemory* memory = nullptr, std::vector<Helper> helpers = {})
      : helpers_(std::move(helpers)), table_(std::make_unique<interp::JumpTable>()) {
    for (unsigned i = 0; i < slots; ++i)
      layout_.slots.push_back({"r" + std::to_string(i), SlotClass::integer, 0});
    auto made = Vcpu::create(layout_, memory);
    REQUIRE(made);
    vcpu = std::move(made.value());
    state.memory = memory;
    state.helpers = helpers_;
    state.jump_table = table_.get();
  }

  interp::CodeBlock* add(const ir::Block::Parts& parts) {
    auto entry = std::make_unique<Entry>();
    entry->block = ir::Block::make(parts);
    std::vector<std::atomic<interp::CodeBlock*>> successors(entry->block->exits().size());
    entry->successors.swap(successors);
    entry->code.block = entry->block.get();
    entry->code.insts = entry->block->insts().data();
    entry->code.successors = entry->successors.data();
    auto& place = blocks_[parts.key];
    place = std::move(entry);
    return &place->code;
  }
  interp::CodeBlock* add(const BlockBuilder& builder) { return add(builder.parts()); }

  interp::CodeBlock* find(BlockKey key) {
    auto it = blocks_.find(key);
    return it == blocks_.end() ? nullptr : &it->second->code;
  }

  /// One call of the interpreter, beginning at the vCPU's key.
  interp::Outcome step() {
    state.first = find(vcpu->key());
    REQUIRE(state.first != nullptr);
    const interp::Outcome outcome = interp::run(vcpu->frame(), state);
    blocks_run += state.blocks;
    return outcome;
  }

  /// Resolves what the interpreter asks for until it wants something else, or a block that is not there
  /// (lookup).
  interp::Outcome run() {
    for (;;) {
      const interp::Outcome outcome = step();
      if (outcome != interp::Outcome::lookup) return outcome;
      interp::CodeBlock* const next = find(vcpu->key());
      if (next == nullptr) return outcome;
      ++lookups;
      if (state.from != nullptr) {
        state.from->successors[state.exit].store(next);
      } else {
        table_->entries[interp::JumpTable::index(vcpu->pc().value)] = {vcpu->pc().value, next};
      }
    }
  }

  std::uint64_t operator[](unsigned slot) const { return vcpu->slot(slot); }
  void set(unsigned slot, std::uint64_t value) { vcpu->set_slot(slot, value); }
  Fault fault() const { return mem::load_fault(vcpu->frame().cold()); }
  std::int64_t& fuel() { return vcpu->frame().hot.fuel; }
  std::uint32_t attention() { return vcpu->frame().hot.attention.exchange(0); }

  std::unique_ptr<Vcpu> vcpu;
  interp::RunState state;
  std::uint64_t blocks_run = 0;
  std::uint64_t lookups = 0;

 private:
  StateLayout layout_;
  std::vector<Helper> helpers_;
  std::map<BlockKey, std::unique_ptr<Entry>> blocks_;
  std::unique_ptr<interp::JumpTable> table_;
};

inline ir::Value slot(unsigned i) { return ir::Value::slot(i); }

}  // namespace ashlar::test
