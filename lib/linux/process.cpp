// The public face: puts a process together and runs it.
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <ashlar/linux.hpp>
#include <ashlar/riscv.hpp>

#include "linux/elf.hpp"
#include "linux/kernel.hpp"
#include "linux/loader.hpp"

namespace ashlar::linux_user {

class Process::Impl {
 public:
  explicit Impl(std::shared_ptr<FlatMemory> memory) : kernel(std::move(memory)) {}

  Kernel kernel;
  Kernel::ThreadPtr main;
  GuestAddr entry;
};

namespace {

Result<HostFd> open_program(const std::string& path) {
  HostFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return Error{ErrorCode::io_error, "can't open '" + path + "': " + std::strerror(errno)};
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode)) {
    return Error{ErrorCode::invalid_argument, "'" + path + "' is not a regular file"};
  }
  return fd;
}

Error about(const std::string& program, const Error& error) {
  return {error.code, "'" + program + "' " + error.message};
}

void open_standard_files(FdTable& fds) {
  for (int i = 0; i < 3; ++i) {
    // Copies: the guest may close its own. A number that the host's process has closed stays closed, and so
    // does a directory: that would be a grant.
    auto file = std::make_shared<File>();
    file->fd = HostFd(::fcntl(i, F_DUPFD_CLOEXEC, 3));
    if (file->fd) file->kind = kind_of(file->fd.get());
    const bool there = file->fd && file->kind != FileKind::directory;
    fds.add(std::move(file), false, static_cast<std::uint64_t>(i));
    if (!there) fds.close(i);
  }
}

void set_default_limits(Kernel& kernel, const ProcessConfig& config) {
  kernel.limits.fill({abi::kRlimInfinity, abi::kRlimInfinity});
  kernel.limits[abi::kRlimitStack].cur = config.stack_size;
  kernel.limits[abi::kRlimitNofile] = {FdTable::kDefaultLimit, FdTable::kDefaultLimit};
  kernel.limits[abi::kRlimitAs] = {config.memory_size, config.memory_size};
}

}  // namespace

Process::Process(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Process::~Process() = default;

Result<std::unique_ptr<Process>> Process::create(ProcessConfig config) {
  Result<HostFd> program = open_program(config.program);
  if (!program) return program.error();
  Result<ElfImage> image = ElfImage::parse(FdSource(program->get()));
  if (!image) return about(config.program, image.error());

  FlatMemoryConfig memory_config;
  memory_config.size = config.memory_size;
  Result<std::shared_ptr<FlatMemory>> memory = FlatMemory::create(memory_config);
  if (!memory) return memory.error();
  auto impl = std::make_unique<Impl>(std::move(memory).value());
  Kernel& kernel = impl->kernel;
  kernel.logger = config.logger;
  kernel.thread_started = config.thread_started;
  kernel.pid = ::getpid();
  kernel.program = std::move(program).value();

  Result<std::unique_ptr<ContainedFs>> fs = ContainedFs::create(config.grants);
  if (!fs) return fs.error();
  kernel.fs = std::move(fs).value();
  kernel.cwd = kernel.fs->start();
  open_standard_files(kernel.fds);
  set_default_limits(kernel, config);
  if (char* real = ::realpath(config.program.c_str(), nullptr); real != nullptr) {
    kernel.program_path = real;
    ::free(real);
  } else {
    kernel.program_path = config.program;
  }

  // Memory, from the top: trampoline, stack, mappings downwards; from the bottom: the program, the heap
  // upwards.
  Result<LoadedImage> loaded = load_image(*kernel.memory, *image, kernel.program.get());
  if (!loaded) return about(config.program, loaded.error());
  Result<std::uint64_t> trampoline = map_trampoline(*kernel.memory);
  if (!trampoline) return about(config.program, trampoline.error());
  kernel.trampoline = *trampoline;
  kernel.image_base = loaded->base;
  StackConfig stack_config;
  const std::vector<std::string> default_args = {config.program};
  stack_config.args = config.args.empty() ? default_args : config.args;
  stack_config.env = config.env;
  stack_config.exec_name = config.program;
  stack_config.image = *loaded;
  stack_config.size = config.stack_size;
  stack_config.uid = ::getuid();
  stack_config.euid = ::geteuid();
  stack_config.gid = ::getgid();
  stack_config.egid = ::getegid();
  if (::getrandom(stack_config.random.data(), stack_config.random.size(), 0) < 0) {
    return Error{ErrorCode::io_error, "the host has no random bytes to give"};
  }
  Result<Stack> stack = build_stack(*kernel.memory, stack_config);
  if (!stack) return stack.error();
  kernel.space.set_up(loaded->end, stack->low - kStackGuard);

  kernel.frontend = riscv::make_frontend();
  ContextConfig context_config = config.context;
  context_config.frontend = kernel.frontend.get();
  context_config.memory = kernel.memory.get();
  if (!context_config.logger) context_config.logger = config.logger;
  Result<std::unique_ptr<ExecutionContext>> context = ExecutionContext::create(context_config);
  if (!context) return context.error();
  kernel.context = std::move(context).value();
  if (config.make_engine) {
    Result<std::unique_ptr<ExecutionEngine>> engine = config.make_engine(*kernel.context);
    if (!engine) return engine.error();
    kernel.engine = std::move(engine).value();
  } else {
    kernel.engine = std::make_unique<InterpreterExecutor>(*kernel.context);
  }
  kernel.has_fuel = config.fuel.has_value();
  if (config.fuel) kernel.fuel = static_cast<std::int64_t>(std::min<std::uint64_t>(*config.fuel, INT64_MAX));

  Result<std::unique_ptr<Vcpu>> vcpu = Vcpu::create(kernel.frontend->layout(), kernel.memory.get());
  if (!vcpu) return vcpu.error();
  impl->entry = {loaded->entry};
  (*vcpu)->set_pc(impl->entry);
  (*vcpu)->set_slot(riscv::x(2), stack->sp);
  impl->main = kernel.add_thread(std::move(vcpu).value());
  const std::size_t slash = config.program.find_last_of('/');
  impl->main->name = config.program.substr(slash == std::string::npos ? 0 : slash + 1, 15);
  return std::unique_ptr<Process>(new Process(std::move(impl)));
}

ExitStatus Process::run() {
  Kernel& kernel = impl_->kernel;
  install_interrupt_handler();
  impl_->main->run();
  kernel.wait_for_threads();
  kernel.timers.reset();
  return kernel.exit_status();
}

void Process::terminate(int status) noexcept {
  ExitStatus exit;
  exit.status = status & 0xff;
  impl_->kernel.end(std::move(exit));
}

ExecutionContext& Process::context() noexcept { return *impl_->kernel.context; }
FlatMemory& Process::memory() noexcept { return *impl_->kernel.memory; }
const Frontend& Process::frontend() const noexcept { return *impl_->kernel.frontend; }
GuestAddr Process::entry() const noexcept { return impl_->entry; }
StatsSnapshot Process::stats() const { return impl_->kernel.context->stats(); }

std::optional<GuestAddr> Process::find_symbol(const std::string& name) const {
  const auto found = impl_->kernel.symbols().find(name);
  if (!found) return std::nullopt;
  return GuestAddr{*found};
}

std::string Process::describe(GuestAddr at) const { return impl_->kernel.describe(at.value); }

int Process::host_signal() noexcept { return interrupt_signal(); }

}  // namespace ashlar::linux_user
