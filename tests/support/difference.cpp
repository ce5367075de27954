// Comparing what two engines give. A file of its own: it needs the engine room, the rest of the test guest
// does not.
#include <cstdint>
#include <string>

#include "support/test_guest.hpp"

namespace ashlar::test {

std::string difference(const ExecutionResult& a, const ExecutionResult& b) {
  std::string out;
  if (a.reason != b.reason)
    out += std::string("reason: ") + to_string(a.reason) + " against " + to_string(b.reason) + '\n';
  const auto compare = [&](const char* what, std::uint64_t x, std::uint64_t y) {
    if (x != y) out += std::string(what) + ": " + hex(x) + " against " + hex(y) + '\n';
  };
  compare("next", a.next.addr.value, b.next.addr.value);
  compare("next mode", a.next.mode, b.next.mode);
  compare("instructions", a.instructions, b.instructions);
  if (a.reason == ExitReason::guest_exit) {
    compare("detail", static_cast<std::uint32_t>(a.detail), static_cast<std::uint32_t>(b.detail));
  }
  if (a.reason == ExitReason::fault && b.reason == ExitReason::fault) {
    compare("fault kind", static_cast<unsigned>(a.fault.kind), static_cast<unsigned>(b.fault.kind));
    compare("fault access", static_cast<unsigned>(a.fault.access), static_cast<unsigned>(b.fault.access));
    compare("fault address", a.fault.addr.value, b.fault.addr.value);
  }
  return out;
}

}  // namespace ashlar::test
