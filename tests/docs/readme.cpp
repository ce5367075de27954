// The program of README.md, which is a fragment there: its includes and declarations at the beginning stand
// in main, too, where they do no harm.
#include <ashlar/ashlar.hpp>

int main() {
#include "readme_fragment.inc"
  return result.reason == ExitReason::guest_exit && vcpu->slot(1) == 500500 ? 0 : 1;
}
