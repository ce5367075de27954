// Executable memory: every kind, the fall-back from one to the next, protections as the kernel sees them, and
// threads that execute what is being written.
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "cache/code_memory.hpp"
#include "fake_code.hpp"
#include "mem/fault_guard.hpp"

namespace ashlar::cache {
namespace {

using test::call;
using test::RealProbe;
using test::returning;

std::unique_ptr<CodeMemory> make_memory(CodeMemoryKind kind, std::uint64_t limit, std::size_t page_size = 0) {
  const RealProbe probe;
  auto memory = CodeMemory::create({limit, kind, probe.get(), page_size});
  return memory ? std::move(memory).value() : nullptr;
}

/// What this host lets us have. qemu-aarch64 7.2 executes old code behind a dual mapping; nothing that we
/// test on refuses toggled memory.
const std::vector<CodeMemoryKind>& kinds() {
  static const std::vector<CodeMemoryKind> found = [] {
    std::vector<CodeMemoryKind> usable{CodeMemoryKind::toggled};
    if (make_memory(CodeMemoryKind::dual_mapped, 64 << 10)) usable.push_back(CodeMemoryKind::dual_mapped);
    return usable;
  }();
  return found;
}
bool has_dual_mapping() { return kinds().size() == 2; }

/// The protection of an address as /proc/self/maps shows it, such as "r-xp"; empty if nothing is mapped
/// there.
std::string protection_of(const void* at) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0, end = 0;
    std::array<char, 5> protection{};
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &begin, &end, protection.data()) != 3) continue;
    const auto wanted = reinterpret_cast<unsigned long>(at);
    if (wanted >= begin && wanted < end) return protection.data();
  }
  return "";
}

void store(CodeMemory& memory, const std::byte* at, std::uint64_t word) {
  CodeWrite write(memory, at, 8);
  REQUIRE(write.ok());
  std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(write.writable(at))).store(word);
}

TEST_CASE("code can be written, executed, overwritten and executed again") {
  for (const CodeMemoryKind kind : kinds()) {
    for (const std::size_t page_size : {4096u, 16384u, 65536u}) {
      CAPTURE(std::string(to_string(kind)));
      CAPTURE(page_size);
      auto memory = make_memory(kind, 1 << 20, page_size);
      REQUIRE(memory != nullptr);
      CHECK(memory->kind() == kind);
      CHECK(memory->page_size() >= page_size);
      CHECK(memory->chunk_size() % page_size == 0);
      CHECK(memory->chunk_count() * memory->chunk_size() == 1 << 20);
      for (const std::size_t chunk : {std::size_t{0}, memory->chunk_count() - 1}) {
        const std::byte* const at = memory->chunk_begin(chunk);
        CHECK(protection_of(at).substr(0, 3) == "---");
        REQUIRE(memory->commit_chunk(chunk));
        REQUIRE(memory->commit_chunk(chunk));  // again
        CHECK(static_cast<std::size_t>(at - memory->chunk_begin(0)) % page_size == 0);
        // The last word: a write must not reach over the end of the chunk.
        for (const std::byte* place : {at, at + memory->chunk_size() - 8}) {
          store(*memory, place, returning(7));
          CHECK(call(place) == 7);
          store(*memory, place, returning(8));
          CHECK(call(place) == 8);
          CHECK(memory->chunk_of(place) == chunk);
        }
        CHECK(memory->contains(at));
        CHECK(memory->discard_chunk(chunk));
        CHECK(test::fetch(at) == 0);
        REQUIRE(memory->commit_chunk(chunk));
        CHECK(test::fetch(at) == 0);
        store(*memory, at, returning(9));
        memory->synchronise_cores();
        CHECK(call(at) == 9);
      }
      CHECK(memory->chunk_of(memory->chunk_begin(0) - 1) == memory->chunk_count());
      CHECK(memory->chunk_of(memory->chunk_begin(memory->chunk_count())) == memory->chunk_count());
      CHECK(memory->chunk_of(nullptr) == memory->chunk_count());
      CHECK(!memory->contains(memory->chunk_begin(memory->chunk_count())));
    }
  }
}

TEST_CASE("no mapping is ever writable and executable") {
  for (const CodeMemoryKind kind : kinds()) {
    CAPTURE(std::string(to_string(kind)));
    auto memory = make_memory(kind, 256 << 10);
    REQUIRE(memory != nullptr);
    REQUIRE(memory->commit_chunk(1));
    const std::byte* const at = memory->chunk_begin(1) + 4000;
    CHECK(protection_of(at).substr(0, 3) == "r-x");
    {
      CodeWrite write(*memory, at, 200);
      REQUIRE(write.ok());
      CHECK(protection_of(write.writable(at)).substr(0, 3) == "rw-");
      CHECK(protection_of(write.writable(at + 199)).substr(0, 3) == "rw-");
      CHECK((write.writable(at) == at) == (kind == CodeMemoryKind::toggled));
      CHECK(protection_of(at).substr(0, 3) == (kind == CodeMemoryKind::toggled ? "rw-" : "r-x"));
      // Pages that are not written stay executable.
      CHECK(protection_of(at + 2 * memory->page_size()).substr(0, 3) == "r-x");
    }
    CHECK(protection_of(at).substr(0, 3) == "r-x");
    CHECK(protection_of(at + 199).substr(0, 3) == "r-x");
  }
}

TEST_CASE("the limit is kept, and chunks follow it") {
  struct Case {
    std::uint64_t limit;
    std::size_t page_size, chunk_size, chunks;
  };
  for (const Case& c : {Case{64 << 10, 4096, 16 << 10, 4}, Case{100 << 10, 4096, 16 << 10, 6},
                        Case{64 << 10, 65536, 64 << 10, 1}, Case{1 << 20, 4096, 64 << 10, 16},
                        Case{64 << 20, 4096, 256 << 10, 256}, Case{3 << 20, 16384, 128 << 10, 24}}) {
    CAPTURE(c.limit);
    auto memory = make_memory(kinds().back(), c.limit, c.page_size);
    REQUIRE(memory != nullptr);
    CHECK(memory->chunk_size() == c.chunk_size);
    CHECK(memory->chunk_count() == c.chunks);
    CHECK(memory->chunk_size() * memory->chunk_count() <= c.limit);
  }
}

TEST_CASE("installed code stays, until there is no more room") {
  for (const CodeMemoryKind kind : kinds()) {
    auto memory = make_memory(kind, 64 << 10);
    REQUIRE(memory != nullptr);
    std::vector<const std::byte*> placed;
    const std::uint64_t word = returning(42);
    for (;;) {
      auto at = memory->install(std::as_bytes(std::span(&word, 1)));
      if (!at) {
        CHECK(at.error().code == ErrorCode::out_of_memory);
        break;
      }
      placed.push_back(*at);
      REQUIRE(placed.size() < 100000);
    }
    CHECK(placed.size() == (16 << 10) / 64);
    for (const std::byte* at : placed) {
      CHECK(call(at) == 42);
      CHECK(memory->contains(at));
      CHECK(memory->chunk_of(at) == memory->chunk_count());
    }
    const std::vector<std::byte> large(100 << 10);
    CHECK(!memory->install(large).ok());
  }
}

TEST_CASE("without executable memory nothing can be placed, and nothing crashes") {
  auto memory = CodeMemory::create({1 << 20, CodeMemoryKind::none, {}, 0});
  REQUIRE(memory.ok());
  CHECK((*memory)->kind() == CodeMemoryKind::none);
  CHECK((*memory)->chunk_count() == 0);
  CHECK(!(*memory)->contains(nullptr));
  CHECK((*memory)->chunk_of(&memory) == 0);
  CHECK(!(*memory)->wait_for_code(&memory, &memory));
  const std::byte byte{0};
  auto placed = (*memory)->install({&byte, 1});
  REQUIRE(!placed.ok());
  CHECK(placed.error().code == ErrorCode::not_supported);
}

TEST_CASE("a probe that fails at either step rules a kind out") {
  for (const bool second : {false, true}) {
    RealProbe wrong;
    (second ? wrong.second_result : wrong.first_result) = 3;
    for (const CodeMemoryKind kind : kinds()) {
      auto refused = CodeMemory::create({64 << 10, kind, wrong.get(), 0});
      REQUIRE(!refused.ok());
      CHECK(refused.error().code == ErrorCode::not_supported);
      CHECK(refused.error().message == (second ? "the host executes old code after it was overwritten"
                                               : "the host does not execute code that was written"));
    }
    auto automatic = CodeMemory::create({64 << 10, std::nullopt, wrong.get(), 0});
    REQUIRE(automatic.ok());
    CHECK((*automatic)->kind() == CodeMemoryKind::none);
  }
}

TEST_CASE("automatic: dual mapping where it works, toggled where no file can be had") {
  const RealProbe probe;
  auto memory = CodeMemory::create({64 << 10, std::nullopt, probe.get(), 0});
  REQUIRE(memory.ok());
  CHECK((*memory)->kind() == kinds().back());

  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit none = before;
  none.rlim_cur = 0;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  auto fallback = CodeMemory::create({64 << 10, std::nullopt, probe.get(), 0});
  auto refused = CodeMemory::create({64 << 10, CodeMemoryKind::dual_mapped, probe.get(), 0});
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
  REQUIRE(fallback.ok());
  CHECK((*fallback)->kind() == CodeMemoryKind::toggled);
  REQUIRE(!refused.ok());
  CHECK(refused.error().message.find("a file in memory for code") != std::string::npos);
}

TEST_CASE("address space that can't be had is an error and not a crash") {
  const RealProbe probe;
  for (const CodeMemoryKind kind : kinds()) {
    auto memory = CodeMemory::create({std::uint64_t{1} << 60, kind, probe.get(), 0});
    REQUIRE(!memory.ok());
    CHECK(memory.error().message.find("address space for code") != std::string::npos);
  }
}

// --- faults while code is written
// -------------------------------------------------------------------------------------

CodeMemory* waiting_memory = nullptr;
std::atomic<std::uint64_t> waited{0};

bool wait_hook(siginfo_t* info, void* context) noexcept {
  const auto* machine = &static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  const void* pc = reinterpret_cast<const void*>(machine->gregs[REG_RIP]);
#elif defined(__aarch64__)
  const void* pc = reinterpret_cast<const void*>(machine->pc);
#endif
  if (waiting_memory == nullptr || !waiting_memory->wait_for_code(info->si_addr, pc)) return false;
  waited.fetch_add(1);
  return true;
}

TEST_CASE("threads go on executing code that is being written") {
  REQUIRE(mem::add_host_fault_hook(wait_hook));
  for (const CodeMemoryKind kind : kinds()) {
    CAPTURE(std::string(to_string(kind)));
    auto memory = make_memory(kind, 64 << 10);
    REQUIRE(memory != nullptr);
    REQUIRE(memory->commit_chunk(0));
    waiting_memory = memory.get();
    waited = 0;
    const std::byte* const at = memory->chunk_begin(0);
    store(*memory, at, returning(100));
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> calls{0}, wrong{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) {
      threads.emplace_back([&] {
        while (!stop) {
          const std::uint32_t value = call(at);
          if (value < 100 || value > 109) ++wrong;
          ++calls;
        }
      });
    }
    while (calls < 100) std::this_thread::yield();
    for (std::uint32_t i = 0; i < 3000; ++i) {
      store(*memory, at, returning(100 + i % 10));
      // New code beside it, in the same page.
      store(*memory, at + 8 + 8 * (i % 100), returning(i));
      if (i % 100 == 0) {
        const std::uint64_t seen = calls;
        while (calls == seen) std::this_thread::yield();
      }
    }
    // Held open for long enough that somebody is sure to come.
    for (int i = 0; i < 3; ++i) {
      const std::uint64_t seen = calls;
      {
        CodeWrite write(*memory, at, 8);
        REQUIRE(write.ok());
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
      while (calls == seen) std::this_thread::yield();
    }
    stop = true;
    for (std::thread& thread : threads) thread.join();
    CHECK(wrong == 0);
    CHECK((waited > 0) == (kind == CodeMemoryKind::toggled));
    CHECK(call(at) == 109);
    MESSAGE(std::string(to_string(kind)) << ": " << calls.load() << " calls, " << waited.load() << " waited");
    waiting_memory = nullptr;
  }
}

TEST_CASE("only faults of fetching from committed code are waited for") {
  auto memory = make_memory(CodeMemoryKind::toggled, 64 << 10);
  REQUIRE(memory != nullptr);
  REQUIRE(memory->commit_chunk(0));
  const std::byte* const code = memory->chunk_begin(0);
  CHECK(memory->wait_for_code(code, code));                // it was written a moment ago
  CHECK(memory->wait_for_code(code + 4096, code + 4090));  // an instruction across pages
  CHECK(!memory->wait_for_code(code + 64, code));          // data
  CHECK(!memory->wait_for_code(code, code + 1));
  CHECK(!memory->wait_for_code(memory->chunk_begin(1), memory->chunk_begin(1)));  // not committed: a bug
  CHECK(!memory->wait_for_code(&memory, &memory));
  if (!has_dual_mapping()) return;
  auto dual = make_memory(CodeMemoryKind::dual_mapped, 64 << 10);
  REQUIRE(dual->commit_chunk(0));
  CHECK(!dual->wait_for_code(dual->chunk_begin(0), dual->chunk_begin(0)));
}

TEST_CASE("a forked child can't overwrite its parent's code") {
  if (!has_dual_mapping()) return;
  auto memory = make_memory(CodeMemoryKind::dual_mapped, 64 << 10);
  REQUIRE(memory != nullptr);
  REQUIRE(memory->commit_chunk(0));
  const std::byte* const at = memory->chunk_begin(0);
  store(*memory, at, returning(5));
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    struct sigaction fatal = {};
    fatal.sa_handler = [](int) { _exit(77); };
    sigaction(SIGSEGV, &fatal, nullptr);
    CodeWrite write(*memory, at, 8);
    *reinterpret_cast<volatile std::uint64_t*>(write.writable(at)) = returning(6);
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 77));
  CHECK(call(at) == 5);
}

}  // namespace
}  // namespace ashlar::cache
