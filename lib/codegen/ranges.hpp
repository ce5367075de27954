// What is known of values as sums: a word is the value of another word, or nothing, plus something between
// two small bounds. An index into a table is such a sum, and the table's base then tells where the access
// goes. For Plan.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include <ashlar/ir.hpp>

#include "ir/operands.hpp"

namespace ashlar::codegen {

class Ranges {
 public:
  /// base + something from `low` to `high`, both included. The zero word as base: the something alone.
  struct Sum {
    ir::Value base;
    std::int64_t low = 0, high = 0;
  };

  /// Forgets everything. Bounds of `limit` or more in magnitude are not kept.
  void begin(std::int64_t limit);
  /// The value of `v` as it is now, as a sum of another word as that is now.
  std::optional<Sum> of(ir::Value v) const;
  /// The instruction is executed.
  void execute(const ir::Inst& inst);

 private:
  struct Entry {
    Sum sum;
    std::uint32_t serial = 0;   ///< of the stretch in which it was made
    std::uint32_t version = 0;  ///< of the base's value
  };
  static std::size_t index(ir::Value v) { return static_cast<std::size_t>(ir::WordIndex::of(v)); }
  std::optional<Sum> result_of(const ir::Inst& inst) const;
  /// `of`, or the word itself.
  Sum best(ir::Value v) const;
  /// The bounds of a value that is no sum with another.
  std::optional<Sum> number(ir::Value v) const;

  std::array<Entry, ir::WordIndex::kCount> entries_{};
  std::array<std::uint32_t, ir::WordIndex::kCount> versions_{};
  std::uint32_t serial_ = 0;
  std::int64_t limit_ = 0;
};

}  // namespace ashlar::codegen
