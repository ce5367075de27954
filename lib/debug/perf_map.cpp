// perf's map of symbols: lines "START SIZE NAME", the numbers in hexadecimal without 0x. See
// <ashlar/debug.hpp>.
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <mutex>
#include <utility>

#include <ashlar/debug.hpp>

#include "debug/output_file.hpp"

namespace ashlar::debug {
namespace {

class PerfMap final : public CodeListener {
 public:
  PerfMap(OutputFile file, Namer name) : file_(std::move(file)), name_(std::move(name)) {}

  void runtime_published(const void* address, std::span<const std::byte> code) override {
    std::lock_guard lock(mutex_);
    line(address, code.size(), "ashlar runtime");
  }
  void code_published(const PublishedCode& published) override {
    std::lock_guard lock(mutex_);
    line(published.address, published.code.size(), symbol_of(published.key, name_));
  }

 private:
  void line(const void* address, std::size_t size, const std::string& name) {
    char range[48];
    std::snprintf(range, sizeof range, "%" PRIxPTR " %zx ", reinterpret_cast<std::uintptr_t>(address), size);
    const std::string text = range + name + "\n";
    file_.append(std::as_bytes(std::span(text)));
  }

  std::mutex mutex_;
  OutputFile file_;
  Namer name_;
};

}  // namespace

Result<std::unique_ptr<CodeListener>> make_perf_map(Namer name) {
  Result<OutputFile> file = OutputFile::create("/tmp/perf-" + std::to_string(::getpid()) + ".map");
  if (!file) return file.error();
  return std::unique_ptr<CodeListener>(new PerfMap(std::move(file).value(), std::move(name)));
}

}  // namespace ashlar::debug
