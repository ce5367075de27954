// See restore.hpp.
#include "codegen/restore.hpp"

#include <algorithm>

#include "ir/float_semantics.hpp"

namespace ashlar::codegen {

namespace {

std::uint64_t value_of(const RegisterDump& dump, Reg reg) noexcept {
  return reg.is_float() ? dump.vec[reg.number()] : dump.gpr[reg.number()];
}

std::uint64_t finished(std::uint64_t bits, Finish what) noexcept {
  namespace s = ir::semantics;
  switch (what) {
    case Finish::nothing:
      break;
    case Finish::nan64:
      return s::is_nan64(bits) ? s::kCanonicalNan64 : bits;
    case Finish::nan32:
      return s::is_nan32(static_cast<std::uint32_t>(bits)) ? s::box32(s::kCanonicalNan32) : bits;
    case Finish::box32:
      return s::box32(static_cast<std::uint32_t>(bits));
    case Finish::extend:
      return static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(bits)));
  }
  return bits;
}

}  // namespace

void restore_frame(VcpuFrame& frame, const FaultSite& site, std::span<const WriteBack> write_backs,
                   std::span<const Resident> residents, const RegisterDump& dump) noexcept {
  for (const Resident& r : residents) frame[r.slot] = value_of(dump, r.reg);
  for (const WriteBack& w : write_backs.subspan(site.write_back_begin, site.write_back_count))
    frame.words()[w.word] = finished(value_of(dump, w.reg), w.finish);
  frame.hot.fuel += site.fuel_refund;
}

const FaultSite* find_fault_site(std::span<const FaultSite> sites, std::uint32_t offset) noexcept {
  const auto at = std::lower_bound(sites.begin(), sites.end(), offset,
                                   [](const FaultSite& site, std::uint32_t o) { return site.offset < o; });
  return at != sites.end() && at->offset == offset ? &*at : nullptr;
}

}  // namespace ashlar::codegen
