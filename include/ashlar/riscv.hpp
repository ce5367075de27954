// The RISC-V front end: RV64GC with Zicsr, Zifencei, Zba, Zbb and Zbs, user level.
#pragma once

#include <memory>

#include <ashlar/export.hpp>
#include <ashlar/frontend.hpp>

namespace ashlar::riscv {

/// State slots: x1..x31 are slots 0..30 in order, f0..f31 are slots 31..62, frm is slot 63. x0 has none. The
/// accumulated flags (fflags) are the vCPU's float flags; the mode of a block's key is frm (fcsr bits 7..5),
/// which must be equal to the frm slot.
inline constexpr unsigned kX1 = 0;
inline constexpr unsigned kF0 = 31;
inline constexpr unsigned kFrm = 63;
/// Slot of integer register n, 1 <= n <= 31, and of float register n, 0 <= n <= 31.
constexpr unsigned x(unsigned n) { return kX1 + n - 1; }
constexpr unsigned f(unsigned n) { return kF0 + n; }

/// Stops: ecall is StopReason::syscall (resumes behind it), ebreak breakpoint, everything that is not
/// implemented or reserved is illegal_instruction. The clearing of bit 0 by jalr is left to the look-up of
/// the target: a key whose address has bit 0 set names the code one byte below it. cycle, time and instret
/// all read the host's monotonic clock in nanoseconds.
ASHLAR_API std::unique_ptr<Frontend> make_frontend();

}  // namespace ashlar::riscv
