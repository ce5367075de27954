// What RISC-V Linux programs see of the kernel: structure layouts and constants of the 64-bit generic ABI
// (include/uapi/asm-generic in the kernel's sources, arch/riscv where it differs). Nothing here may depend on
// the host's headers, whose layouts and values differ on some hosts.
#pragma once

#include <cstdint>

namespace ashlar::linux_user::abi {

// --- files
// ---------------------------------------------------------------------------------------------------------

inline constexpr std::int32_t kAtFdCwd = -100;
inline constexpr std::uint64_t kAtSymlinkNofollow = 0x100;
inline constexpr std::uint64_t kAtRemovedir = 0x200;
inline constexpr std::uint64_t kAtSymlinkFollow = 0x400;
inline constexpr std::uint64_t kAtEmptyPath = 0x1000;
inline constexpr std::uint64_t kAtEaccess = 0x200;

enum OpenFlags : std::uint32_t {
  kAccessMode = 03,
  kCreat = 0100,
  kExcl = 0200,
  kNoctty = 0400,
  kTrunc = 01000,
  kAppend = 02000,
  kNonblock = 04000,
  kDsync = 010000,
  kDirect = 040000,
  kLargefile = 0100000,
  kDirectory = 0200000,
  kNofollow = 0400000,
  kNoatime = 01000000,
  kCloexec = 02000000,
  kSync = 04000000,  // with kDsync
  kPath = 010000000,
  kTmpfile = 020000000,  // with kDirectory
};

struct Stat {
  std::uint64_t dev, ino;
  std::uint32_t mode, nlink, uid, gid;
  std::uint64_t rdev, pad1;
  std::int64_t size;
  std::int32_t blksize, pad2;
  std::int64_t blocks;
  std::int64_t atime, atime_nsec, mtime, mtime_nsec, ctime, ctime_nsec;
  std::uint32_t unused[2];
};
static_assert(sizeof(Stat) == 128);

struct Statfs {
  std::uint64_t type, bsize, blocks, bfree, bavail, files, ffree;
  std::int32_t fsid[2];
  std::uint64_t namelen, frsize, flags, spare[4];
};
static_assert(sizeof(Statfs) == 120);

struct Iovec {
  std::uint64_t base, len;
};

struct PollFd {
  std::int32_t fd;
  std::int16_t events, revents;
};

struct EpollEvent {
  std::uint32_t events, pad;
  std::uint64_t data;
};
static_assert(sizeof(EpollEvent) == 16);

struct Flock {
  std::int16_t type, whence;
  std::int32_t pad;
  std::int64_t start, len;
  std::int32_t pid, pad2;
};
static_assert(sizeof(Flock) == 32);

// --- time
// ----------------------------------------------------------------------------------------------------------

struct Timespec {
  std::int64_t sec, nsec;
};
struct Timeval {
  std::int64_t sec, usec;
};
struct Itimerspec {
  Timespec interval, value;
};
struct Itimerval {
  Timeval interval, value;
};

// --- processes
// -----------------------------------------------------------------------------------------------------

struct Rlimit {
  std::uint64_t cur, max;
};
inline constexpr std::uint64_t kRlimInfinity = ~std::uint64_t{0};
inline constexpr unsigned kRlimitStack = 3, kRlimitNofile = 7, kRlimitAs = 9, kRlimitCount = 16;

struct Rusage {
  Timeval utime, stime;
  std::int64_t
      rest[14];  // maxrss, ixrss, idrss, isrss, minflt, majflt, nswap, inblock, oublock, msgsnd, msgrcv, ...
};
static_assert(sizeof(Rusage) == 144);

struct Sysinfo {
  std::int64_t uptime;
  std::uint64_t loads[3], totalram, freeram, sharedram, bufferram, totalswap, freeswap;
  std::uint16_t procs, pad;
  std::uint32_t pad2;
  std::uint64_t totalhigh, freehigh;
  std::uint32_t mem_unit, pad3;
};
static_assert(sizeof(Sysinfo) == 112);

struct Utsname {
  char sysname[65], nodename[65], release[65], version[65], machine[65], domainname[65];
};

struct RobustListHead {
  std::uint64_t next;
  std::int64_t futex_offset;
  std::uint64_t pending;
};

struct HwprobePair {
  std::int64_t key;
  std::uint64_t value;
};

inline constexpr std::uint64_t kCloneVm = 0x100, kCloneFs = 0x200, kCloneFiles = 0x400, kCloneSighand = 0x800,
                               kCloneThread = 0x10000, kCloneSettls = 0x80000, kCloneParentSettid = 0x100000,
                               kCloneChildCleartid = 0x200000, kCloneChildSettid = 0x1000000;

// --- memory
// --------------------------------------------------------------------------------------------------------

inline constexpr std::uint64_t kProtRead = 1, kProtWrite = 2, kProtExec = 4;
inline constexpr std::uint64_t kMapShared = 1, kMapPrivate = 2, kMapSharedValidate = 3, kMapType = 0xf,
                               kMapFixed = 0x10, kMapAnonymous = 0x20, kMapFixedNoreplace = 0x100000;
inline constexpr std::uint64_t kMremapMaymove = 1, kMremapFixed = 2, kMremapDontunmap = 4;

// --- signals
// -------------------------------------------------------------------------------------------------------

enum Signal : int {
  kSigHup = 1,
  kSigInt,
  kSigQuit,
  kSigIll,
  kSigTrap,
  kSigAbrt,
  kSigBus,
  kSigFpe,
  kSigKill,
  kSigUsr1,
  kSigSegv,
  kSigUsr2,
  kSigPipe,
  kSigAlrm,
  kSigTerm,
  kSigStkflt,
  kSigChld,
  kSigCont,
  kSigStop,
  kSigTstp,
  kSigTtin,
  kSigTtou,
  kSigUrg,
  kSigXcpu,
  kSigXfsz,
  kSigVtalrm,
  kSigProf,
  kSigWinch,
  kSigIo,
  kSigPwr,
  kSigSys,
  kSigRtmin,
  kSigCount = 64,  // signals are 1..64
};

inline constexpr std::uint64_t kSigDfl = 0, kSigIgn = 1;
inline constexpr std::uint64_t kSaSiginfo = 4, kSaOnstack = 0x08000000, kSaRestart = 0x10000000,
                               kSaNodefer = 0x40000000, kSaResethand = 0x80000000;
inline constexpr std::int32_t kSiUser = 0, kSiKernel = 0x80, kSiQueue = -1, kSiTimer = -2, kSiTkill = -6;
inline constexpr std::int32_t kSegvMaperr = 1, kSegvAccerr = 2, kBusAdraln = 1, kBusAdrerr = 2,
                              kIllIllopc = 1, kTrapBrkpt = 1;

/// A set of signals: bit n - 1 is signal n.
using SigSet = std::uint64_t;
constexpr SigSet sig_bit(int signal) { return SigSet{1} << (signal - 1); }

/// No sa_restorer: RISC-V has none.
struct SigAction {
  std::uint64_t handler, flags;
  SigSet mask;
};

struct SigInfo {
  struct Sender {
    std::int32_t pid;
    std::uint32_t uid;
    std::uint64_t value;
  };
  struct Timer {
    std::int32_t id, overrun;
    std::uint64_t value;
  };
  std::int32_t signo, error, code, pad;
  union {
    Sender rt;
    Timer timer;
    std::uint64_t addr;
    std::uint64_t words[14];
  };
};
static_assert(sizeof(SigInfo) == 128);

inline constexpr std::int32_t kSsOnstack = 1, kSsDisable = 2;
inline constexpr std::uint64_t kMinSigStackSize = 2048;

struct StackT {
  std::uint64_t sp;
  std::int32_t flags, pad;
  std::uint64_t size;
};

/// struct ucontext of arch/riscv/include/uapi/asm/ucontext.h.
struct Ucontext {
  std::uint64_t flags, link;
  StackT stack;
  SigSet sigmask;
  std::uint8_t unused[120];
  std::uint64_t align;
  // struct sigcontext: pc, then x1..x31; then the union of float states, of which D is used.
  std::uint64_t regs[32];
  std::uint64_t fpregs[32];
  std::uint32_t fcsr;
  std::uint8_t fp_rest[528 - 32 * 8 - 4];
};
static_assert(sizeof(Ucontext) == 960);

struct RtSigframe {
  SigInfo info;
  Ucontext uc;
};
static_assert(sizeof(RtSigframe) == 1088);

/// struct sigevent: 64 bytes.
struct Sigevent {
  std::uint64_t value;
  std::int32_t signo, notify, tid;
  std::uint8_t rest[64 - 20];
};
static_assert(sizeof(Sigevent) == 64);

// Results that never reach the guest: they say how a call goes on when a signal interrupted it
// (include/linux/errno.h).
inline constexpr std::int64_t kRestartSys =
    -512;  // again if the handler has SA_RESTART or none runs, else EINTR
inline constexpr std::int64_t kRestartNointr = -513;  // again in any case, behind the handler
inline constexpr std::int64_t kRestartNohand = -514;  // again if no handler runs, else EINTR

}  // namespace ashlar::linux_user::abi
