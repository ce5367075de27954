// FlatMemory: permissions, faults, files, moves, free ranges, observers, and other threads at work meanwhile.
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <ashlar/memory.hpp>

using namespace ashlar;

namespace {

const std::uint64_t kPage = FlatMemory::page_size();
constexpr Perm kRw = Perm::read | Perm::write;
constexpr Perm kRx = Perm::read | Perm::exec;

std::shared_ptr<FlatMemory> make(std::uint64_t pages = 64) {
  auto made = FlatMemory::create({pages * kPage});
  REQUIRE(made);
  return made.value();
}

GuestRange pages(std::uint64_t first, std::uint64_t count) { return {{first * kPage}, count * kPage}; }
GuestAddr at_page(std::uint64_t index, std::uint64_t offset = 0) { return {index * kPage + offset}; }

std::size_t put(FlatMemory& memory, GuestAddr to, const std::string& text) {
  return memory.write(to, std::as_bytes(std::span(text)));
}
std::string get(FlatMemory& memory, GuestAddr from, std::size_t size) {
  std::string text(size, '?');
  text.resize(memory.read(from, std::as_writable_bytes(std::span(text))));
  return text;
}
std::string fetched(FlatMemory& memory, GuestAddr from, std::size_t size) {
  std::string text(size, '?');
  text.resize(memory.fetch(from, std::as_writable_bytes(std::span(text))));
  return text;
}

struct Recorder final : CodeObserver {
  std::vector<GuestRange> seen;
  void code_changed(GuestRange range) override { seen.push_back(range); }
};

struct File {
  int fd = -1;
  explicit File(std::uint64_t size) : fd(memfd_create("ashlar-test", 0)) {
    REQUIRE(fd >= 0);
    REQUIRE(ftruncate(fd, static_cast<off_t>(size)) == 0);
  }
  ~File() { close(fd); }
};

}  // namespace

TEST_CASE("sizes that are no size are refused with a sentence") {
  for (const std::uint64_t size :
       {std::uint64_t{0}, std::uint64_t{1}, kPage + 1, (std::uint64_t{1} << 46) + kPage, ~std::uint64_t{0}}) {
    const auto made = FlatMemory::create({size});
    REQUIRE_FALSE(made);
    CHECK(made.error().code == ErrorCode::invalid_argument);
    CHECK(made.error().message.find("multiple of") != std::string::npos);
  }
  // Emulators may need memory for what is only reserved (tests/meson.build sets this for them).
  if (std::getenv("ASHLAR_SMALL_RESERVATIONS") != nullptr) return;
  const auto largest = FlatMemory::create({std::uint64_t{1} << 46});
  if (!largest) CHECK(largest.error().code == ErrorCode::out_of_memory);  // hosts with small address spaces
}

TEST_CASE("permissions are respected and reported") {
  auto memory = make();
  CHECK(get(*memory, at_page(1), 1).empty());
  REQUIRE(memory->map(pages(1, 1), Perm::read));
  REQUIRE(memory->map(pages(2, 1), kRw));
  REQUIRE(memory->map(pages(3, 1), Perm::exec));
  REQUIRE(memory->map(pages(4, 1), Perm::none));
  CHECK(get(*memory, at_page(1), 2) == std::string(2, '\0'));
  CHECK(put(*memory, at_page(1), "x") == 0);
  CHECK(put(*memory, at_page(2), "xyz") == 3);
  CHECK(get(*memory, at_page(2), 3) == "xyz");
  CHECK(get(*memory, at_page(3), 1).size() == 1);  // execute implies read
  CHECK(fetched(*memory, at_page(2), 4).empty());
  CHECK(fetched(*memory, at_page(3), 4).size() == 4);
  CHECK(get(*memory, at_page(4), 1).empty());

  const auto check = [&](GuestAddr at, std::size_t size, AccessKind access) {
    return memory->check(at, size, access);
  };
  CHECK(check(at_page(1), 8, AccessKind::load).kind == FaultKind::none);
  CHECK(check(at_page(1), 8, AccessKind::store).kind == FaultKind::protection);
  CHECK(check(at_page(4), 1, AccessKind::load).kind == FaultKind::protection);
  CHECK(check(at_page(0), 1, AccessKind::load).kind == FaultKind::unmapped);
  // The first inaccessible byte is named, not the first byte of the access.
  Fault fault = check(at_page(3, 5) + (kPage - 8), 8, AccessKind::load);
  CHECK(fault.kind == FaultKind::protection);
  CHECK(fault.addr == at_page(4));
  fault = check(at_page(1) - 3, 8, AccessKind::load);
  CHECK(fault.kind == FaultKind::unmapped);
  CHECK(fault.addr == at_page(1) - 3);
  bool mapped = false;
  CHECK(memory->permissions(at_page(2), &mapped) == kRw);
  CHECK(mapped);
  CHECK(memory->permissions(at_page(9), &mapped) == Perm::none);
  CHECK_FALSE(mapped);
  CHECK(memory->permissions({~std::uint64_t{0}}, &mapped) == Perm::none);

  REQUIRE(memory->protect(pages(2, 1), Perm::read));
  CHECK(put(*memory, at_page(2), "x") == 0);
  CHECK(get(*memory, at_page(2), 3) == "xyz");
  // Read, then two pages of no permission at all, then back: contents stay.
  REQUIRE(memory->protect(pages(1, 2), Perm::none));
  CHECK(get(*memory, at_page(2), 3).empty());
  REQUIRE(memory->protect(pages(1, 2), kRw));
  CHECK(get(*memory, at_page(2), 3) == "xyz");
}

TEST_CASE("the window's ends, wild addresses and ranges outside") {
  auto memory = make(16);
  REQUIRE(memory->map(pages(15, 1), kRw));
  CHECK(put(*memory, {16 * kPage - 2}, "abcd") == 2);
  CHECK(get(*memory, {16 * kPage - 2}, 4) == "ab");
  for (const std::uint64_t wild :
       {16 * kPage, memory->check_limit(), ~std::uint64_t{0}, std::uint64_t{1} << 63}) {
    CHECK(get(*memory, {wild}, 8).empty());
    CHECK(put(*memory, {wild}, "x") == 0);
    CHECK(fetched(*memory, {wild}, 4).empty());
    const Fault fault = memory->check({wild}, 8, AccessKind::load);
    CHECK(fault.kind == FaultKind::unmapped);
    CHECK(fault.addr.value == wild);
  }
  CHECK(memory->check({16 * kPage - 4}, 8, AccessKind::load).addr.value == 16 * kPage);
  CHECK(memory->map(pages(15, 2), kRw).error().code == ErrorCode::out_of_range);
  CHECK(memory->map({{~std::uint64_t{0} - kPage}, 2 * kPage}, kRw).error().code == ErrorCode::out_of_range);
  CHECK(memory->unmap(pages(17, 1)).error().code == ErrorCode::out_of_range);
  CHECK(memory->protect(pages(14, 2), kRw).error().code == ErrorCode::out_of_range);
  CHECK(memory->permissions(at_page(15)) == kRw);  // nothing changed
  CHECK(memory->map({{16 * kPage}, 0}, kRw));      // empty
  CHECK(memory->check_limit() == memory->size() + FlatMemory::kGuardSize / 2);
}

TEST_CASE("where the base is a limit, nothing else is in its reach; where there is no room, it is none") {
  // Until the low addresses are taken.
  std::vector<std::shared_ptr<FlatMemory>> all;
  do all.push_back(make());
  while (all.back()->base_is_limit() && all.size() < 64);
  CHECK_FALSE(all.back()->base_is_limit());
  for (const auto& memory : all) {
    const auto base = reinterpret_cast<std::uintptr_t>(memory->base());
    REQUIRE(memory->map(pages(0, 64), kRw));
    CHECK(put(*memory, at_page(63), "end") == 3);
    CHECK(get(*memory, at_page(63), 3) == "end");
    if (!memory->base_is_limit()) continue;
    CHECK(base >= memory->size());
    const auto size = static_cast<std::uintptr_t>(memory->size());
    for (const std::uintptr_t at : {base + size, base + base / 2, base + base - kPage, base + base + kPage}) {
      void* const got = mmap(reinterpret_cast<void*>(at), kPage, PROT_NONE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
      CHECK(got == MAP_FAILED);
    }
  }
  // What is given back serves again.
  const bool some = all.front()->base_is_limit();
  all.clear();
  CHECK(make()->base_is_limit() == some);
}

TEST_CASE("ranges are rounded outwards to pages; mapping replaces with zeros") {
  auto memory = make();
  REQUIRE(memory->map({{kPage + 5}, kPage}, kRw));
  CHECK(memory->is_mapped(pages(1, 2)));
  CHECK_FALSE(memory->is_mapped(pages(1, 3)));
  CHECK(put(*memory, at_page(1), "old") == 3);
  REQUIRE(memory->map({{kPage}, 1}, kRw));
  CHECK(get(*memory, at_page(1), 3) == std::string(3, '\0'));
  REQUIRE(memory->unmap({{kPage}, 1}));
  CHECK(memory->is_free(pages(0, 2)));
  CHECK_FALSE(memory->is_free(pages(0, 3)));
  REQUIRE(memory->unmap(pages(0, 60)));  // mostly free already
  CHECK(memory->is_free(pages(0, 64)));
}

TEST_CASE("files: private, shared, refused, and one that becomes shorter") {
  auto memory = make();
  File file(2 * kPage);
  REQUIRE(pwrite(file.fd, "hello", 5, static_cast<off_t>(kPage)) == 5);
  REQUIRE(memory->map_file(pages(2, 1), kRw, file.fd, kPage, false));
  REQUIRE(memory->map_file(pages(3, 1), kRw, file.fd, kPage, true));
  CHECK(get(*memory, at_page(2), 5) == "hello");
  CHECK(put(*memory, at_page(2), "J") == 1);  // private: stays here
  CHECK(get(*memory, at_page(3), 5) == "hello");
  CHECK(put(*memory, at_page(3), "M") == 1);  // shared: reaches the file
  char byte = 0;
  REQUIRE(pread(file.fd, &byte, 1, static_cast<off_t>(kPage)) == 1);
  CHECK(byte == 'M');
  CHECK(get(*memory, at_page(2), 5) == "Jello");

  CHECK(memory->map_file(pages(3, 1), kRw, file.fd, 7, true).error().code == ErrorCode::invalid_argument);
  const auto refused = memory->map_file(pages(3, 1), kRw, -1, 0, true);
  CHECK(refused.error().code == ErrorCode::io_error);
  CHECK(get(*memory, at_page(3), 5) == "Mello");  // a refusal takes nothing away

  REQUIRE(memory->map_file(pages(4, 2), kRw, file.fd, 0, true));
  REQUIRE(ftruncate(file.fd, static_cast<off_t>(kPage)) == 0);
  CHECK(get(*memory, at_page(4, kPage - 4), 8).size() == 4);  // SIGBUS inside
  CHECK(put(*memory, at_page(5), "x") == 0);
  CHECK(memory->check(at_page(5), 1, AccessKind::load).kind ==
        FaultKind::none);  // the host's loss, not the guest's mapping
}

TEST_CASE("moving pages keeps contents and permissions") {
  auto memory = make();
  REQUIRE(memory->map(pages(1, 3), kRw));
  REQUIRE(put(*memory, at_page(1), "one") == 3);
  REQUIRE(put(*memory, at_page(2), "two") == 3);
  REQUIRE(memory->protect(pages(2, 1), Perm::none));
  REQUIRE(memory->protect(pages(3, 1), Perm::read));
  CHECK(memory->move(pages(1, 4), at_page(20)).error().code == ErrorCode::out_of_range);  // page 4 is free
  CHECK(memory->move(pages(1, 3), at_page(2)).error().code == ErrorCode::invalid_argument);
  CHECK(memory->move(pages(1, 3), at_page(62)).error().code == ErrorCode::out_of_range);
  REQUIRE(memory->move(pages(1, 3), at_page(20)));  // three host mappings at once
  CHECK(memory->is_free(pages(1, 3)));
  CHECK(get(*memory, at_page(1), 1).empty());
  CHECK(get(*memory, at_page(20), 3) == "one");
  CHECK(get(*memory, at_page(21), 3).empty());
  CHECK(put(*memory, at_page(22), "x") == 0);
  REQUIRE(memory->protect(pages(21, 1), Perm::read));
  CHECK(get(*memory, at_page(21), 3) == "two");

  File file(kPage);
  REQUIRE(memory->map_file(pages(30, 1), kRw, file.fd, 0, true));
  REQUIRE(memory->move(pages(30, 1), at_page(40)));
  REQUIRE(put(*memory, at_page(40), "S") == 1);
  char byte = 0;
  REQUIRE(pread(file.fd, &byte, 1, 0) == 1);
  CHECK(byte == 'S');
}

TEST_CASE("find_free: lowest, highest, limits, and no quadratic behaviour") {
  auto memory = make(64);
  REQUIRE(memory->map(pages(10, 2), kRw));
  REQUIRE(memory->map(pages(20, 10), kRw));
  const GuestRange all = pages(0, 64);
  CHECK(memory->find_free(2 * kPage, all, false) == pages(0, 2));
  CHECK(memory->find_free(2 * kPage, all, true) == pages(62, 2));
  CHECK(memory->find_free(9 * kPage, pages(5, 59), false) == pages(30, 9));
  CHECK(memory->find_free(8 * kPage, pages(5, 59), false) == pages(12, 8));
  CHECK(memory->find_free(8 * kPage, pages(0, 22), true) == pages(12, 8));
  CHECK(memory->find_free(9 * kPage, pages(0, 22), true) == pages(1, 9));
  CHECK(memory->find_free(1, pages(10, 2), true).size == 0);
  CHECK(memory->find_free(35 * kPage, all, true).size == 0);
  CHECK(memory->find_free(0, all, true).size == 0);
  CHECK(memory->find_free(~std::uint64_t{0}, all, true).size == 0);
  CHECK(memory->find_free(kPage + 1, all, true) == pages(62, 2));
  CHECK(memory->find_free(kPage, {{~std::uint64_t{0}}, 5}, true).size == 0);

  // Ten thousand mappings with a hole behind each, then ten thousand searches for what fits in none of the
  // holes.
  auto large = make(std::uint64_t{1} << 18);
  const GuestRange window = pages(0, std::uint64_t{1} << 18);
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 10000; ++i) {
    const GuestRange found = large->find_free(2 * kPage, window, true);
    REQUIRE(found.size == 2 * kPage);
    REQUIRE(large->map(found, kRw));
    REQUIRE(large->unmap({found.begin, kPage}));
    REQUIRE(large->find_free(3 * kPage, window, true).end() == found.begin + kPage);
  }
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
}

TEST_CASE("free ranges agree with a plain model under random changes") {
  constexpr std::uint64_t kCount = 48;
  auto memory = make(kCount);
  std::array<bool, kCount> taken{};
  std::uint64_t seed = 12345;
  const auto random = [&](std::uint64_t below) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % below;
  };
  for (int step = 0; step < 3000; ++step) {
    const std::uint64_t first = random(kCount);
    const std::uint64_t count = 1 + random(kCount - first);
    const bool map = random(2) == 0;
    REQUIRE((map ? memory->map(pages(first, count), kRw) : memory->unmap(pages(first, count))));
    for (std::uint64_t i = first; i < first + count; ++i) taken[i] = map;
    const std::uint64_t low = random(kCount), high = low + 1 + random(kCount - low), size = 1 + random(6);
    bool any_free = false, any_taken = false;
    for (std::uint64_t i = low; i < high; ++i) (taken[i] ? any_taken : any_free) = true;
    REQUIRE(memory->is_free(pages(low, high - low)) == !any_taken);
    REQUIRE(memory->is_mapped(pages(low, high - low)) == !any_free);
    GuestRange lowest{}, highest{};
    for (std::uint64_t i = low; i + size <= high; ++i) {
      bool free = true;
      for (std::uint64_t j = i; j < i + size; ++j) free = free && !taken[j];
      if (!free) continue;
      if (lowest.size == 0) lowest = pages(i, size);
      highest = pages(i, size);
    }
    REQUIRE(memory->find_free(size * kPage, pages(low, high - low), false) == lowest);
    REQUIRE(memory->find_free(size * kPage, pages(low, high - low), true) == highest);
  }
}

TEST_CASE("observers hear of every way to change fetched code, once") {
  auto memory = make();
  Recorder recorder;
  memory->add_observer(&recorder);
  REQUIRE(memory->map(pages(1, 4), kRw | Perm::exec));
  const auto fetch_all = [&] {
    recorder.seen.clear();
    REQUIRE(fetched(*memory, at_page(1), 2 * kPage).size() == 2 * kPage);
  };
  const std::vector<GuestRange> both{pages(1, 2)};

  CHECK(put(*memory, at_page(1), "x") == 1);
  CHECK(recorder.seen.empty());  // nothing was fetched yet
  fetch_all();
  CHECK(put(*memory, at_page(2, 8), "x") == 1);
  CHECK(recorder.seen == std::vector<GuestRange>{pages(2, 1)});
  CHECK(put(*memory, at_page(2, 8), "x") == 1);
  CHECK(recorder.seen.size() == 1);  // the mark is gone
  fetch_all();
  REQUIRE(memory->protect(pages(1, 4), kRx));
  CHECK(recorder.seen.empty());  // still executable, unchanged
  REQUIRE(memory->protect(pages(1, 4), kRw));
  CHECK(recorder.seen == both);
  REQUIRE(memory->protect(pages(1, 4), kRw | Perm::exec));
  fetch_all();
  memory->invalidate_code(pages(0, 64));
  CHECK(recorder.seen == both);
  fetch_all();
  REQUIRE(memory->map(pages(2, 1), kRw | Perm::exec));
  CHECK(recorder.seen == std::vector<GuestRange>{pages(2, 1)});
  fetch_all();
  REQUIRE(memory->move(pages(1, 2), at_page(10)));
  CHECK(recorder.seen == both);
  REQUIRE(memory->move(pages(10, 2), at_page(1)));
  fetch_all();
  REQUIRE(memory->map(pages(10, 2), kRw));
  REQUIRE(memory->move(pages(10, 2), at_page(1)));  // over it
  CHECK(recorder.seen == both);
  REQUIRE(memory->map(pages(1, 2), kRx));
  fetch_all();
  REQUIRE(memory->unmap(pages(0, 64)));
  CHECK(recorder.seen == both);
  memory->remove_observer(&recorder);
  REQUIRE(memory->map(pages(1, 2), kRx));
  fetch_all();
  REQUIRE(memory->unmap(pages(1, 2)));
  CHECK(recorder.seen.empty());
}

TEST_CASE("copies never crash while other threads take the pages away") {
  auto memory = make();
  REQUIRE(memory->map(pages(1, 8), kRw));
  std::atomic<bool> stop{false};
  std::thread mapper([&] {
    for (int i = 0; i < 3000; ++i) {
      REQUIRE(memory->unmap(pages(1 + static_cast<std::uint64_t>(i) % 8, 2)));
      REQUIRE(memory->map(pages(1, 9), kRw));
      if (i % 16 == 0) REQUIRE(memory->move(pages(1, 4), at_page(20)));
      if (i % 16 == 1) REQUIRE(memory->map(pages(1, 4), kRw));
    }
    stop = true;
  });
  std::vector<std::byte> buffer(8 * kPage);
  std::uint64_t copied = 0;
  do {
    copied += memory->read(at_page(1), buffer);
    copied += memory->write(at_page(1, 100), std::span(buffer).first(4 * kPage));
  } while (!stop);
  mapper.join();
  CHECK(copied > 0);
  REQUIRE(memory->map(pages(1, 8), kRw));
  CHECK(memory->read(at_page(1), buffer) == buffer.size());
}
