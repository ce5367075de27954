// The contract of a host's branch patcher: how links between translations are made and undone. Host back ends
// implement it, the cache's linker calls it.
#pragma once

#include <cstddef>

namespace ashlar::codegen {

class Patcher {
 public:
  virtual ~Patcher() = default;
  /// Makes the branch whose displacement lies at `site` (executable address; `site_rw` its writable alias) go
  /// to `target`. One aligned atomic store; safe while other threads execute the branch. False, and nothing
  /// changed, when out of range.
  virtual bool retarget(std::byte* site_rw, const std::byte* site,
                        const std::byte* target) const noexcept = 0;
  /// Bytes that `retarget` may write to, counted from the site's address rounded down to a multiple of 8.
  virtual std::size_t extent() const noexcept { return 8; }
};

}  // namespace ashlar::codegen
