// perf's jitdump: a header, then a record for each piece of code, in native byte order. See
// <ashlar/debug.hpp>.
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include <ashlar/debug.hpp>

#include "debug/output_file.hpp"
#include "debug/own_machine.hpp"

namespace ashlar::debug {
namespace {

struct FileHeader {
  std::uint32_t magic = 0x4a695444;  // "JiTD"
  std::uint32_t version = 1;
  std::uint32_t size = sizeof(FileHeader);
  std::uint32_t machine = 0;  // as in an ELF header
  std::uint32_t reserved = 0;
  std::uint32_t pid = 0;
  std::uint64_t timestamp = 0;
  std::uint64_t flags = 0;
};
static_assert(sizeof(FileHeader) == 40);

struct RecordHeader {
  std::uint32_t id = 0;
  std::uint32_t size = 0;  // of the whole record
  std::uint64_t timestamp = 0;
};
static_assert(sizeof(RecordHeader) == 16);

constexpr std::uint32_t kCodeLoad = 0, kCodeClose = 3;

/// Followed by the name with its zero, and the code.
struct CodeLoad {
  RecordHeader header;
  std::uint32_t pid = 0, tid = 0;
  std::uint64_t vma = 0, address = 0, code_size = 0;
  std::uint64_t index = 0;  // unique
};
static_assert(sizeof(CodeLoad) == 56);

/// The clock of `perf record -k mono`, in nanoseconds.
std::uint64_t now() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(t.tv_nsec);
}

class Jitdump final : public CodeListener {
 public:
  /// `marker`: the file's first page, mapped executable. perf record notes the mapping, and perf inject so
  /// finds the file.
  Jitdump(OutputFile file, Namer name, void* marker, std::size_t marker_size)
      : file_(std::move(file)), name_(std::move(name)), marker_(marker), marker_size_(marker_size) {}
  ~Jitdump() override {
    const RecordHeader close{kCodeClose, sizeof(RecordHeader), now()};
    file_.append(std::as_bytes(std::span(&close, 1)));
    ::munmap(marker_, marker_size_);
  }

  void runtime_published(const void* address, std::span<const std::byte> code) override {
    std::lock_guard lock(mutex_);
    record(address, code, "ashlar runtime");
  }
  void code_published(const PublishedCode& published) override {
    std::lock_guard lock(mutex_);
    record(published.address, published.code, symbol_of(published.key, name_));
  }

 private:
  void record(const void* address, std::span<const std::byte> code, const std::string& name) {
    CodeLoad load;
    load.header = {kCodeLoad, static_cast<std::uint32_t>(sizeof load + name.size() + 1 + code.size()), now()};
    load.pid = static_cast<std::uint32_t>(::getpid());
    load.tid = static_cast<std::uint32_t>(::syscall(SYS_gettid));
    load.vma = load.address = reinterpret_cast<std::uintptr_t>(address);
    load.code_size = code.size();
    load.index = next_index_++;
    buffer_.resize(load.header.size);
    std::memcpy(buffer_.data(), &load, sizeof load);
    std::memcpy(buffer_.data() + sizeof load, name.c_str(), name.size() + 1);
    std::memcpy(buffer_.data() + sizeof load + name.size() + 1, code.data(), code.size());
    file_.append(buffer_);
  }

  std::mutex mutex_;
  OutputFile file_;
  Namer name_;
  void* marker_;
  std::size_t marker_size_;
  std::uint64_t next_index_ = 0;
  std::vector<std::byte> buffer_;
};

}  // namespace

Result<std::unique_ptr<CodeListener>> make_jitdump(Namer name, const std::string& directory) {
  Result<std::uint32_t> machine = own_machine();
  if (!machine) return machine.error();
  const std::string path = directory + "/jit-" + std::to_string(::getpid()) + ".dump";
  Result<OutputFile> file = OutputFile::create(path);
  if (!file) return file.error();
  FileHeader header;
  header.machine = *machine;
  header.pid = static_cast<std::uint32_t>(::getpid());
  header.timestamp = now();
  file->append(std::as_bytes(std::span(&header, 1)));
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* const marker = ::mmap(nullptr, page, PROT_READ | PROT_EXEC, MAP_PRIVATE, file->fd(), 0);
  if (marker == MAP_FAILED) {
    const std::string reason = std::strerror(errno);
    ::unlink(path.c_str());
    return Error{ErrorCode::io_error,
                 "can't map '" + path + "' executable, by which perf finds it: " + reason};
  }
  return std::unique_ptr<CodeListener>(new Jitdump(std::move(file).value(), std::move(name), marker, page));
}

}  // namespace ashlar::debug
