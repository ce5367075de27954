// See restore.hpp.
#include "codegen/restore.hpp"

#include <algorithm>

#include "ir/float_semantics.hpp"

namespace ashlar::codegen {

namespace {

std::uint64_t value_of(const RegisterDump& dump, const FaultSite& site, unsigned number,
                       bool is_float) noexcept {
  namespace s = ir::semantics;
  if (!is_float) {
    const std::uint64_t value = dump.gpr[number];
    if ((site.pending_extend >> number & 1) == 0) return value;
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(value)));
  }
  const std::uint64_t bits = dump.vec[number];
  if ((site.pending_nan64 >> number & 1) != 0 && s::is_nan64(bits)) return s::kCanonicalNan64;
  if ((site.pending_nan32 >> number & 1) != 0 && s::is_nan32(static_cast<std::uint32_t>(bits)))
    return s::box32(s::kCanonicalNan32);
  if ((site.pending_box32 >> number & 1) != 0) return s::box32(static_cast<std::uint32_t>(bits));
  return bits;
}

}  // namespace

void restore_frame(VcpuFrame& frame, const FaultSite& site, std::span<const WriteBack> write_backs,
                   std::span<const Resident> residents, const RegisterDump& dump) noexcept {
  for (const Resident& r : residents) frame[r.slot] = value_of(dump, site, r.reg.number(), r.reg.is_float());
  for (const WriteBack& w : write_backs.subspan(site.write_back_begin, site.write_back_count))
    frame.words()[w.word] = value_of(dump, site, w.reg, w.is_float);
  frame.hot.fuel += site.fuel_refund;
}

const FaultSite* find_fault_site(std::span<const FaultSite> sites, std::uint32_t offset) noexcept {
  const auto at = std::lower_bound(sites.begin(), sites.end(), offset,
                                   [](const FaultSite& site, std::uint32_t o) { return site.offset < o; });
  return at != sites.end() && at->offset == offset ? &*at : nullptr;
}

}  // namespace ashlar::codegen
